//! Types of values that are more than JSON's: paths, file modes, amounts of bytes.

use crate::{Argument, convert};

/// A path on the target, as written. `~` and `$VAR` are the target's, so they are resolved there.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathArg(pub String);

impl PathArg {
    /// The text as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path with `~`, `~user`, `$VAR` and `${VAR}` replaced. `home` is asked for a user's home, with "" for the
    /// one who runs the module; `env` for a variable. What they do not know stays as it is written.
    pub fn resolve(
        &self,
        home: impl Fn(&str) -> Option<String>,
        env: impl Fn(&str) -> Option<String>,
    ) -> String {
        let text = variables(&self.0, &env);
        let Some(rest) = text.strip_prefix('~') else { return text };
        let (user, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        match home(user) {
            Some(home) => {
                let path = format!("{}{rest}", home.trim_end_matches('/'));
                if path.is_empty() { "/".to_owned() } else { path }
            }
            None => text,
        }
    }
}

impl From<&str> for PathArg {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl std::fmt::Display for PathArg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A file mode: permission bits, or a change of those that are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModeArg {
    /// Up to 0o7777.
    Bits(u32),
    /// As chmod takes it: "u=rwX,g-w".
    Symbolic(String),
}

impl ModeArg {
    /// YAML has already read an unquoted 0644 as octal; a string of digits is octal here.
    pub fn parse(value: &Argument) -> Result<Self, String> {
        let problem = || format!("{} is no file mode; write '0644' or 'u=rw,g=r,o='", convert::quoted(value));
        let bits = match value {
            Argument::Number(number) => number.as_u64(),
            Argument::String(text) => match octal(text) {
                None if clauses(text).is_some() => return Ok(Self::Symbolic(text.clone())),
                bits => bits,
            },
            _ => None,
        };
        let bits = bits.filter(|bits| *bits <= 0o7777).ok_or_else(problem)?;
        u32::try_from(bits).map(Self::Bits).map_err(|_| problem())
    }

    /// The mode that a file with the mode `current` shall have; `umask` counts where a clause names nobody (`+x`).
    #[must_use]
    pub fn apply(&self, current: u32, is_dir: bool, umask: u32) -> u32 {
        let current = current & 0o7777;
        match self {
            Self::Bits(bits) => *bits,
            Self::Symbolic(text) => clauses(text)
                .unwrap_or_default()
                .iter()
                .fold(current, |mode, clause| clause.apply(mode, is_dir, umask)),
        }
    }
}

/// The mode of a file that is copied: [`ModeArg`], or "preserve" for the source's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyMode {
    Preserve,
    Mode(ModeArg),
}

impl CopyMode {
    pub fn parse(value: &Argument) -> Result<Self, String> {
        if value == "preserve" { Ok(Self::Preserve) } else { ModeArg::parse(value).map(Self::Mode) }
    }
}

/// An amount of bytes, written as 4096, "64K", "1.5G".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// Python's `int(text, 8)`, but for signs after the prefix and underscores.
fn octal(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.strip_prefix("0o").or_else(|| text.strip_prefix("0O")).unwrap_or(text);
    u64::from_str_radix(digits, 8).ok()
}

/// `ug+rw-x`: whom it is for, and the operations in their order.
struct Clause<'a> {
    users: &'a str,
    operations: Vec<(char, &'a str)>,
}

/// The clauses of a symbolic mode; None: it is none.
fn clauses(text: &str) -> Option<Vec<Clause<'_>>> {
    text.split(',').map(Clause::parse).collect()
}

impl<'a> Clause<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let is_operator = |letter: char| matches!(letter, '+' | '-' | '=');
        let (users, mut rest) = text.split_at(text.find(is_operator).unwrap_or(text.len()));
        let mut operations = Vec::new();
        while let Some(operator) = rest.chars().next() {
            let after = &rest[1..];
            let (permissions, next) = after.split_at(after.find(is_operator).unwrap_or(after.len()));
            operations.push((operator, permissions));
            rest = next;
        }
        let all = |text: &str, allowed: &str| text.chars().all(|letter| allowed.contains(letter));
        let valid = (users == "a" || all(users, "ugo"))
            && operations.iter().all(|(_, permissions)| all(permissions, "rwxXstugo"));
        valid.then_some(Self { users, operations })
    }

    fn apply(&self, mode: u32, is_dir: bool, umask: u32) -> u32 {
        let everyone = matches!(self.users, "" | "a");
        let umask = if self.users.is_empty() { umask } else { 0 };
        let mut mode = mode;
        for (operator, permissions) in &self.operations {
            let whom = if everyone { "ugo" } else { self.users };
            for user in whom.chars() {
                let bits = permissions
                    .chars()
                    .fold(0, |bits, letter| bits | bits_of(letter, user, mode, is_dir, umask));
                mode = match operator {
                    '+' => mode | bits,
                    '-' => mode & !bits,
                    _ => (mode & !all_of(user)) | bits,
                };
            }
        }
        mode
    }
}

/// How far a user's three bits are from the right.
fn shift(user: char) -> u32 {
    match user {
        'u' => 6,
        'g' => 3,
        _ => 0,
    }
}

/// What `=` clears: a user's three bits and the special bit that goes with them.
fn all_of(user: char) -> u32 {
    special(user) | (0o7 << shift(user))
}

fn special(user: char) -> u32 {
    match user {
        'u' => 0o4000,
        'g' => 0o2000,
        _ => 0o1000,
    }
}

fn bits_of(letter: char, user: char, mode: u32, is_dir: bool, umask: u32) -> u32 {
    let bits = match letter {
        'r' => (0o4 << shift(user)) & !umask,
        'w' => (0o2 << shift(user)) & !umask,
        'x' => (0o1 << shift(user)) & !umask,
        'X' if is_dir || mode & 0o111 != 0 => 0o1 << shift(user),
        's' if user != 'o' => special(user),
        't' if user == 'o' => special(user),
        'u' | 'g' | 'o' => ((mode >> shift(letter)) & 0o7) << shift(user),
        _ => 0,
    };
    bits & 0o7777
}

/// `$NAME` and `${NAME}` replaced where `env` knows them.
fn variables(text: &str, env: &impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let (name, length) = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some((name, _)) => (name, name.len() + 2),
            None => {
                let end = after.find(|letter| !word(letter)).unwrap_or(after.len());
                (&after[..end], end)
            }
        };
        match env(name).filter(|_| !name.is_empty()) {
            Some(value) => out.push_str(&value),
            None => {
                out.push('$');
                out.push_str(&after[..length]);
            }
        }
        rest = &after[length..];
    }
    out.push_str(rest);
    out
}
