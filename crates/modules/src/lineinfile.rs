//! `lineinfile`: one line of a text file.

use crate::support::edit::{self, Edited};
use crate::support::options::FileOptions;
use crate::support::regex::{self, Flags};
use crate::{Ctx, Failure, Module, Outcome};
use fancy_regex::Regex;
use provision_args::{Args, Choice, PathArg};

/// See to it that a line is in a file, replace one by a regular expression, or remove lines. For many lines use
/// `replace` or `blockinfile`, for whole files `copy` or `template`.
#[derive(Args)]
#[args(
    name = "lineinfile",
    mutually_exclusive("insertbefore", "insertafter"),
    mutually_exclusive("regexp", "search_string"),
    mutually_exclusive("backrefs", "search_string")
)]
pub struct LineinfileArgs {
    /// The file.
    #[arg(required, alias = "dest", alias = "destfile", alias = "name")]
    pub path: PathArg,
    /// Whether the line shall be there.
    #[arg(default = "present")]
    pub state: State,
    /// What the line to replace looks like (Python's syntax); the last one that matches is replaced. With `state:
    /// absent`, all that match go. It should match the new line too, or the next run adds it again.
    #[arg(alias = "regex")]
    pub regexp: Option<String>,
    /// The same as plain text that the line holds somewhere.
    pub search_string: Option<String>,
    /// The line.
    #[arg(alias = "value")]
    pub line: Option<String>,
    /// `line` holds references to the groups of `regexp` (\1, \g<name>). Without a match nothing is changed.
    #[arg(default = "no")]
    pub backrefs: bool,
    /// Put a new line behind the last line that matches this, or at the end (`EOF`, and when nothing matches).
    pub insertafter: Option<String>,
    /// Put a new line before the last line that matches this, or at the beginning (`BOF`); at the end when nothing
    /// matches.
    pub insertbefore: Option<String>,
    /// Take the first line that matches instead of the last.
    #[arg(default = "no")]
    pub firstmatch: bool,
    /// Make the file when it is missing, with the directories above it.
    #[arg(default = "no")]
    pub create: bool,
    /// Keep what was there under a name with the time in it (result `backup`).
    #[arg(default = "no")]
    pub backup: bool,
    /// A command that must accept the new content before it takes its place; `%s` is a file that holds it. No shell.
    pub validate: Option<String>,
    #[arg(flatten)]
    pub attributes: FileOptions,
}

/// Whether the line shall be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum State {
    Absent,
    Present,
}

/// The module.
pub struct Lineinfile;

impl Module for Lineinfile {
    type Args = LineinfileArgs;

    fn run(args: LineinfileArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        match args.state {
            State::Present if args.backrefs && args.regexp.is_none() => {
                return Err(Failure::new("regexp is required with backrefs=true"));
            }
            State::Present if args.line.is_none() => {
                return Err(Failure::new("line is required with state=present"));
            }
            State::Absent if args.line.is_none() && args.regexp.is_none() && args.search_string.is_none() => {
                let msg = "one of line, search_string, or regexp is required with state=absent";
                return Err(Failure::new(msg));
            }
            _ => {}
        }
        let file = edit::Target {
            path: &args.path,
            create: args.create && args.state == State::Present,
            backup: args.backup,
            validate: args.validate.as_deref(),
            attributes: &args.attributes,
        };
        let seek = Seek::new(args.regexp.as_deref(), args.search_string.as_deref())?;
        if args.state == State::Absent {
            return absent(&file, ctx, &seek, args.line.as_deref());
        }
        let text = match file.read(ctx)? {
            edit::Found::Text(text) => text,
            edit::Found::Unknown(outcome) => return Ok(outcome),
            edit::Found::Missing(path) => {
                return Err(Failure::new(format!("Destination {path} does not exist !")).with("rc", 257));
            }
        };
        let mut lines = split(&text);
        let done = present(&args, &seek, &mut lines)?;
        let edited = done.map(|message| Edited { text: lines.concat(), message: message.to_owned() });
        file.finish(ctx, &text, edited, "backup")
    }
}

/// What a line is looked for by.
enum Seek<'a> {
    Regex(Regex),
    Text(&'a str),
    Line,
}

impl<'a> Seek<'a> {
    fn new(regexp: Option<&str>, text: Option<&'a str>) -> Result<Self, Failure> {
        Ok(match (regexp, text) {
            (Some(regexp), _) => Self::Regex(regex::compile("regexp", regexp, Flags::default())?),
            (None, Some(text)) => Self::Text(text),
            (None, None) => Self::Line,
        })
    }

    fn finds(&self, line: &str, wanted: Option<&str>) -> Result<bool, Failure> {
        Ok(match self {
            Self::Regex(regex) => regex::search(regex, line)?,
            Self::Text(text) => line.contains(text),
            Self::Line => wanted.is_some_and(|wanted| bare(line) == wanted),
        })
    }
}

fn absent(
    file: &edit::Target<'_>,
    ctx: &Ctx<'_>,
    seek: &Seek<'_>,
    line: Option<&str>,
) -> Result<Outcome, Failure> {
    let text = match file.read(ctx)? {
        edit::Found::Text(text) => text,
        edit::Found::Unknown(outcome) => return Ok(outcome),
        edit::Found::Missing(_) => return Ok(Outcome::new().msg("file not present")),
    };
    let mut kept = String::new();
    let mut found = 0;
    for each in split(&text) {
        if seek.finds(&each, line)? {
            found += 1;
        } else {
            kept.push_str(&each);
        }
    }
    let edited = (found > 0).then(|| Edited { text: kept, message: format!("{found} line(s) removed") });
    Ok(file.finish(ctx, &text, edited, "backup")?.with("found", found))
}

/// Changes `lines`; says what was done, nothing when all is well.
fn present(
    args: &LineinfileArgs,
    seek: &Seek<'_>,
    lines: &mut Vec<String>,
) -> Result<Option<&'static str>, Failure> {
    let line = args.line.as_deref().unwrap_or_default();
    let mut found = None;
    for (at, each) in lines.iter().enumerate() {
        if !matches!(seek, Seek::Line) && seek.finds(each, None)? {
            found = Some(at);
            if args.firstmatch {
                break;
            }
        }
    }
    if let Some(at) = found {
        let new = match seek {
            Seek::Regex(regex) if args.backrefs => {
                let captures = regex.captures(&lines[at]).map_err(regex::too_hard)?;
                captures.map(|captures| regex::fill(line, &captures)).transpose()?.unwrap_or_default()
            }
            _ => line.to_owned(),
        };
        return Ok(replace(&mut lines[at], ended(&new)));
    }
    if args.backrefs {
        return Ok(None);
    }
    let place = Place::of(args)?;
    let mut spot = None;
    let mut same = None;
    for (at, each) in lines.iter().enumerate() {
        if bare(each) == line {
            same = Some(at);
        } else if let Place::Before(regex) | Place::After(regex) = &place
            && regex::search(regex, each)?
        {
            spot = Some(at);
            if args.firstmatch {
                break;
            }
        }
    }
    if let Some(at) = same {
        return Ok(replace(&mut lines[at], ended(line)));
    }
    let at = match (&place, spot) {
        (Place::Start, _) => 0,
        (Place::After(_), Some(at)) => at + 1,
        (Place::Before(_), Some(at)) => at,
        _ => lines.len(),
    };
    if let (Place::After(_), Some(_)) = (&place, spot)
        && lines.get(at).is_some_and(|next| bare(next) == line)
    {
        return Ok(None);
    }
    if at == lines.len()
        && let Some(last) = lines.last_mut()
        && !last.ends_with(['\n', '\r'])
    {
        last.push('\n');
    }
    lines.insert(at, format!("{line}\n"));
    Ok(Some("line added"))
}

fn replace(old: &mut String, new: String) -> Option<&'static str> {
    (*old != new).then(|| {
        *old = new;
        "line replaced"
    })
}

/// Where a new line goes.
enum Place {
    Start,
    End,
    After(Regex),
    Before(Regex),
}

impl Place {
    fn of(args: &LineinfileArgs) -> Result<Self, Failure> {
        let compile = |option: &str, pattern: &str| regex::compile(option, pattern, Flags::default());
        Ok(match (args.insertafter.as_deref(), args.insertbefore.as_deref()) {
            (Some("BOF"), _) | (_, Some("BOF")) => Self::Start,
            (Some("EOF"), _) | (None, None | Some("EOF")) => Self::End,
            (Some(after), _) => Self::After(compile("insertafter", after)?),
            (None, Some(before)) => Self::Before(compile("insertbefore", before)?),
        })
    }
}

/// Lines with their ends.
fn split(text: &str) -> Vec<String> {
    text.split_inclusive('\n').map(str::to_owned).collect()
}

/// A line without its end.
fn bare(line: &str) -> &str {
    line.trim_end_matches(['\r', '\n'])
}

fn ended(line: &str) -> String {
    if line.ends_with('\n') { line.to_owned() } else { format!("{line}\n") }
}
