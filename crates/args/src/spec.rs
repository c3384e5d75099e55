//! The declaration of a module's arguments as data: what the loader checks against and the manual prints.

/// All that is declared of one module.
#[derive(Debug, PartialEq, Eq)]
pub struct ArgSpec {
    /// Short name, as in "file".
    pub name: &'static str,
    /// The struct's doc comment: first line is the summary. Empty without the `docs` feature.
    pub doc: &'static str,
    pub options: &'static [Opt],
    /// Of each list at most one may be given.
    pub mutually_exclusive: &'static [&'static [&'static str]],
    /// Of each list at least one must be given.
    pub required_one_of: &'static [&'static [&'static str]],
    /// Of each list all or none.
    pub required_together: &'static [&'static [&'static str]],
    /// (option, value, names required then).
    pub required_if: &'static [(&'static str, &'static str, &'static [&'static str])],
    /// The option that the free form fills (`command: echo hi`); None: only `key=value` and mappings.
    pub free_form: Option<&'static str>,
}

/// One option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opt {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    pub kind: Kind,
    pub required: bool,
    /// As one would write it in YAML.
    pub default: Option<&'static str>,
    /// Empty: any value.
    pub choices: &'static [&'static str],
    /// Empty without the `docs` feature.
    pub doc: &'static str,
    /// The value is a secret: redacted wherever it turns up.
    pub secret: bool,
    /// Known to Ansible, not done here: using it is an error with this reason.
    pub refused: Option<&'static str>,
    /// Set by the engine, never by a playbook (names begin with an underscore).
    pub internal: bool,
}

/// Types as Ansible's documentation names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Str,
    Bool,
    Int,
    Float,
    Path,
    /// Octal number or symbolic mode.
    Mode,
    /// An amount of bytes, as in "10M".
    Bytes,
    /// Any value.
    Raw,
    /// A list; a string is split at commas, as Ansible does.
    List(&'static Kind),
    Dict,
    /// A dict with declared options, and their rules.
    Sub(&'static ArgSpec),
}

/// The rows of several tables in one; `N` must be their number.
#[doc(hidden)]
#[must_use]
pub const fn concat<const N: usize>(tables: &[&[Opt]]) -> [Opt; N] {
    const BLANK: Opt = Opt {
        name: "",
        aliases: &[],
        kind: Kind::Raw,
        required: false,
        default: None,
        choices: &[],
        doc: "",
        secret: false,
        refused: None,
        internal: false,
    };
    let mut rows = [BLANK; N];
    let (mut row, mut table) = (0, 0);
    while table < tables.len() {
        let mut index = 0;
        while index < tables[table].len() {
            rows[row] = tables[table][index];
            row += 1;
            index += 1;
        }
        table += 1;
    }
    assert!(row == N);
    rows
}

impl ArgSpec {
    /// Nothing is declared but options, so that another struct can take them in.
    #[doc(hidden)]
    #[must_use]
    pub const fn has_no_rules(&self) -> bool {
        self.mutually_exclusive.is_empty()
            && self.required_one_of.is_empty()
            && self.required_together.is_empty()
            && self.required_if.is_empty()
            && self.free_form.is_none()
    }
}

impl Kind {
    /// The options that a value, or each of its items, has itself.
    #[must_use]
    pub fn sub(self) -> Option<&'static ArgSpec> {
        match self {
            Self::Sub(spec) => Some(spec),
            Self::List(inner) => inner.sub(),
            _ => None,
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Str => "str",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Float => "float",
            Self::Path => "path",
            Self::Mode => "mode",
            Self::Bytes => "bytes",
            Self::Raw => "raw",
            Self::Dict | Self::Sub(_) => "dict",
            Self::List(inner) => {
                return match inner {
                    Self::Raw => f.write_str("list"),
                    inner => write!(f, "list of {inner}"),
                };
            }
        })
    }
}
