//! `replace`: all matches of a regular expression in a file.

use crate::support::edit::{self, Edited};
use crate::support::options::FileOptions;
use crate::support::regex::{self, Flags};
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, PathArg};
use std::ops::Range;

/// Replace everything in a file that matches a regular expression. The replacement must not match again, or every
/// run changes the file.
#[derive(Args)]
#[args(name = "replace")]
pub struct ReplaceArgs {
    /// The file.
    #[arg(required, alias = "dest", alias = "destfile", alias = "name")]
    pub path: PathArg,
    /// What is replaced (Python's syntax). `^` and `$` match at every line; `.` matches no newline.
    #[arg(required)]
    pub regexp: String,
    /// What it becomes; \1 and \g<name> stand for groups. Left out: matches are removed.
    #[arg(default = "")]
    pub replace: String,
    /// Only what stands behind the first match of this. `.` matches newlines; `^` and `$` are the ends of the file.
    pub after: Option<String>,
    /// Only what stands before the first match of this.
    pub before: Option<String>,
    /// Keep what was there under a name with the time in it (result `backup_file`).
    #[arg(default = "no")]
    pub backup: bool,
    /// A command that must accept the new content before it takes its place; `%s` is a file that holds it. No shell.
    pub validate: Option<String>,
    /// The file's character encoding.
    #[arg(default = "utf-8", choices("utf-8", "utf8", "UTF-8", "ascii"))]
    pub encoding: String,
    #[arg(flatten)]
    pub attributes: FileOptions,
}

/// The module.
pub struct Replace;

impl Module for Replace {
    type Args = ReplaceArgs;

    fn run(args: ReplaceArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let file = edit::Target {
            path: &args.path,
            create: false,
            backup: args.backup,
            validate: args.validate.as_deref(),
            attributes: &args.attributes,
        };
        let text = match file.read(ctx)? {
            edit::Found::Text(text) => text,
            edit::Found::Unknown(outcome) => return Ok(outcome),
            edit::Found::Missing(path) => {
                return Err(Failure::new(format!("Path {path} does not exist !")).with("rc", 257));
            }
        };
        let section = match section(&text, args.after.as_deref(), args.before.as_deref())? {
            Ok(section) => section,
            Err(pattern) => {
                let msg = "Pattern for before/after params did not match the given file";
                return Ok(Outcome::new().msg(format!("{msg}: {pattern}")));
            }
        };
        let regex = regex::compile("regexp", &args.regexp, Flags { multiline: true, dotall: false })?;
        let part = &text[section.clone()];
        let mut new = text[..section.start].to_owned();
        let (mut count, mut copied, mut from) = (0, 0, 0);
        while from <= part.len()
            && let Some(captures) = regex.captures_from_pos(part, from).map_err(regex::too_hard)?
            && let Some(whole) = captures.get(0)
        {
            new.push_str(&part[copied..whole.start()]);
            new.push_str(&regex::fill(&args.replace, &captures)?);
            count += 1;
            copied = whole.end();
            // As in Python, nothing may match right behind something, but not twice at one place.
            let step = part[copied..].chars().next().map_or(1, char::len_utf8);
            from = if whole.start() == copied { copied + step } else { copied };
        }
        new.push_str(&part[copied..]);
        new.push_str(&text[section.end..]);
        let edited = (count > 0 && new != text)
            .then(|| Edited { text: new, message: format!("{count} replacements made") });
        Ok(file.finish(ctx, &text, edited, "backup_file")?.with("rc", 0))
    }
}

/// The part between `after` and `before`, or the pattern that did not match.
fn section(
    text: &str,
    after: Option<&str>,
    before: Option<&str>,
) -> Result<Result<Range<usize>, String>, Failure> {
    let pattern = match (after, before) {
        (None, None) => return Ok(Ok(0..text.len())),
        (Some(after), Some(before)) => format!("{after}(?P<subsection>.*?){before}"),
        (Some(after), None) => format!("{after}(?P<subsection>.*)"),
        (None, Some(before)) => format!("(?P<subsection>.*){before}"),
    };
    let regex = regex::compile("after/before", &pattern, Flags { multiline: false, dotall: true })?;
    let captures = regex.captures(text).map_err(regex::too_hard)?;
    Ok(captures.and_then(|captures| captures.name("subsection")).map(|part| part.range()).ok_or(pattern))
}
