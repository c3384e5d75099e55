//! `ini_file`: options in files with sections.

mod edit;

use crate::support::edit::{Edited, Found, Target};
use crate::support::files::{path_of, show};
use crate::support::options::FileOptions;
use crate::{Ctx, Failure, Module, Outcome};
use edit::{Change, edit};
use provision_args::{Args, Choice, PathArg};

/// Set an option in a file with sections, or remove one; every other line stays as it is.
#[derive(Args)]
#[args(name = "ini_file", mutually_exclusive("value", "values"))]
pub struct IniFileArgs {
    /// The file.
    #[arg(required, alias = "dest")]
    pub path: PathArg,
    /// The section. Left out: the lines before the first one.
    pub section: Option<String>,
    /// Of several sections of that name, the first that has these options.
    pub section_has_values: Option<Vec<Has>>,
    /// The option. Left out: the whole section is meant.
    pub option: Option<String>,
    /// Its value.
    pub value: Option<String>,
    /// Its values, each on a line of its own.
    pub values: Option<Vec<String>>,
    /// Whether it shall be there.
    #[arg(default = "present")]
    pub state: State,
    /// The option shall have no other values than those given; without, values are added, or removed one by one.
    #[arg(default = "yes")]
    pub exclusive: bool,
    /// Write an option without a value as its name alone.
    #[arg(default = "no")]
    pub allow_no_value: bool,
    /// No blanks around `=`.
    #[arg(default = "no")]
    pub no_extra_spaces: bool,
    /// Leave a line that differs in blanks around `=` only.
    #[arg(default = "no")]
    pub ignore_spaces: bool,
    /// Use a line that has the option commented out.
    #[arg(default = "yes")]
    pub modify_inactive_option: bool,
    /// Make the file if there is none.
    #[arg(default = "yes")]
    pub create: bool,
    /// Edit the file that a link leads to. A link itself is never replaced, so there is nothing else to choose.
    #[arg(default = "no")]
    pub follow: bool,
    /// Keep what was there under a name with the time in it (result `backup_file`).
    #[arg(default = "no")]
    pub backup: bool,
    #[arg(flatten)]
    pub attributes: FileOptions,
}

/// An option that a section has.
#[derive(Args, Debug, Clone)]
pub struct Has {
    /// The option.
    #[arg(required)]
    pub option: String,
    /// Its value. Left out: any.
    pub value: Option<String>,
    /// Its values.
    pub values: Option<Vec<String>>,
}

/// Whether it shall be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum State {
    Absent,
    Present,
}

/// The module.
pub struct IniFile;

impl Module for IniFile {
    type Args = IniFileArgs;

    fn run(args: IniFileArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let values = match (&args.value, &args.values) {
            (Some(value), _) => vec![value.clone()],
            (None, Some(values)) => unique(values),
            (None, None) => Vec::new(),
        };
        if args.state == State::Present && values.is_empty() && !args.allow_no_value {
            return Err(Failure::new(
                "Parameter 'value(s)' must be defined if state=present and allow_no_value=False.",
            ));
        }
        let texts = values.iter().chain(&args.option).chain(&args.section);
        if let Some(text) = texts.into_iter().find(|text| text.contains('\n')) {
            return Err(Failure::new(format!("{text:?} has more than one line")));
        }
        let target = Target {
            path: &args.path,
            // Nothing is made only to have nothing in it.
            create: args.create,
            backup: args.backup,
            validate: None,
            attributes: &args.attributes,
        };
        let path = show(&path_of(ctx, &args.path)?);
        let before = match target.read(ctx)? {
            Found::Text(text) => text,
            Found::Missing(path) => {
                return Err(Failure::new(format!("Destination {path} does not exist!")).with("rc", 257));
            }
            Found::Unknown(outcome) => return Ok(outcome),
        };
        let Change { text, message } = edit(&before, &args, &values);
        let edited = (text != before).then(|| Edited { text, message: message.to_owned() });
        let mut outcome = target.finish(ctx, &before, edited, "backup_file")?.msg(message).with("path", path);
        crate::support::files::facts(ctx, &path_of(ctx, &args.path)?, &mut outcome.result)?;
        Ok(outcome)
    }
}

/// Each value once, in its first place.
fn unique(values: &[String]) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    for value in values {
        if !seen.contains(value) {
            seen.push(value.clone());
        }
    }
    seen
}
