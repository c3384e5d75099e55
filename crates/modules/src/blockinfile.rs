//! `blockinfile`: lines between two markers in a text file.

use crate::support::edit::{self, Edited};
use crate::support::options::FileOptions;
use crate::support::regex::{self, Flags};
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, Choice, PathArg};

/// Keep a block of lines in a file, between two marker lines by which it is found again.
#[derive(Args)]
#[args(name = "blockinfile", mutually_exclusive("insertbefore", "insertafter"))]
pub struct BlockinfileArgs {
    /// The file.
    #[arg(required, alias = "dest", alias = "destfile", alias = "name")]
    pub path: PathArg,
    /// Whether the block shall be there.
    #[arg(default = "present")]
    pub state: State,
    /// The marker lines; `{mark}` becomes `marker_begin` and `marker_end`. Without it the block is added by every run.
    #[arg(default = "# {mark} ANSIBLE MANAGED BLOCK")]
    pub marker: String,
    /// The lines. None is the same as `state: absent`.
    #[arg(default = "", alias = "content")]
    pub block: String,
    /// Put a new block behind the last line that matches this (Python's syntax), or at the end (`EOF`, and when nothing
    /// matches). With `(?m)` at its beginning: behind the first match, which may span lines.
    pub insertafter: Option<String>,
    /// Put a new block before the last line that matches this, or at the beginning (`BOF`); at the end when nothing
    /// matches.
    pub insertbefore: Option<String>,
    /// What `{mark}` becomes in the first marker.
    #[arg(default = "BEGIN")]
    pub marker_begin: String,
    /// What `{mark}` becomes in the last marker.
    #[arg(default = "END")]
    pub marker_end: String,
    /// A blank line behind the block, unless the file ends there.
    #[arg(default = "no")]
    pub append_newline: bool,
    /// A blank line before the block, unless the file begins there.
    #[arg(default = "no")]
    pub prepend_newline: bool,
    /// Make the file when it is missing.
    #[arg(default = "no")]
    pub create: bool,
    /// Keep what was there under a name with the time in it (result `backup_file`).
    #[arg(default = "no")]
    pub backup: bool,
    /// A command that must accept the new content before it takes its place; `%s` is a file that holds it. No shell.
    pub validate: Option<String>,
    #[arg(flatten)]
    pub attributes: FileOptions,
}

/// Whether the block shall be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum State {
    Absent,
    Present,
}

/// The module.
pub struct Blockinfile;

impl Module for Blockinfile {
    type Args = BlockinfileArgs;

    fn run(args: BlockinfileArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let file = edit::Target {
            path: &args.path,
            create: args.create,
            backup: args.backup,
            validate: args.validate.as_deref(),
            attributes: &args.attributes,
        };
        let missing = ctx.sys.stat(&crate::support::files::path_of(ctx, &args.path)?, true)?.is_none();
        let text = match file.read(ctx)? {
            edit::Found::Text(text) => text,
            edit::Found::Unknown(outcome) => return Ok(outcome),
            edit::Found::Missing(path) => {
                return Err(Failure::new(format!("Path {path} does not exist !")).with("rc", 257));
            }
        };
        let present = args.state == State::Present && !args.block.is_empty();
        let new = rewrite(&args, &text, present)?;
        let message = match () {
            () if missing => "File created",
            () if new == text => "",
            () if !present => "Block removed",
            () => "Block inserted",
        };
        let edited = (new != text || missing).then(|| Edited { text: new, message: message.to_owned() });
        file.finish(ctx, &text, edited, "backup_file")
    }
}

/// The text with the block as it shall be.
fn rewrite(args: &BlockinfileArgs, text: &str, present: bool) -> Result<String, Failure> {
    let mark = |word: &str| format!("{}\n", args.marker.replace("{mark}", word));
    let (begin, end) = (mark(&args.marker_begin), mark(&args.marker_end));
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    let (mut first, mut last) = (None, None);
    for (at, line) in lines.iter().enumerate() {
        if *line == begin {
            first = Some(at);
        }
        if *line == end {
            last = Some(at);
        }
    }
    let at = match (first, last) {
        (Some(first), Some(last)) if first < last => {
            lines.drain(first..=last);
            first
        }
        // Markers the wrong way round: what stands between them is no block.
        (Some(first), Some(last)) => {
            lines.drain(last..=first);
            last
        }
        _ => place(args, text, &lines)?,
    };
    let mut new = Vec::new();
    if args.state == State::Present
        && args.prepend_newline
        && at > 0
        && lines.get(at - 1).is_some_and(|line| holds(line))
    {
        new.push("\n".to_owned());
    }
    if present {
        new.extend([begin, ended(&args.block), end]);
    }
    if args.state == State::Present && args.append_newline && lines.get(at).is_some_and(|line| holds(line)) {
        new.push("\n".to_owned());
    }
    if let Some(before) = at.checked_sub(1).and_then(|before| lines.get_mut(before))
        && !before.ends_with('\n')
    {
        before.push('\n');
    }
    lines.splice(at..at, new);
    Ok(lines.concat())
}

/// The number of the line before which a new block goes.
fn place(args: &BlockinfileArgs, text: &str, lines: &[String]) -> Result<usize, Failure> {
    let (pattern, after) = match (args.insertafter.as_deref(), args.insertbefore.as_deref()) {
        (_, Some("BOF")) => return Ok(0),
        (Some("EOF"), _) | (None, None | Some("EOF")) => return Ok(lines.len()),
        (Some(pattern), _) => (pattern, true),
        (None, Some(pattern)) => (pattern, false),
    };
    let option = if after { "insertafter" } else { "insertbefore" };
    let regex = regex::compile(option, pattern, Flags::default())?;
    let mut found = None;
    if regex::is_multiline(pattern) {
        found = regex.find(text).map_err(regex::too_hard)?.map(|matched| match after {
            true => text[..matched.end()].split_inclusive('\n').count(),
            false => text[..matched.start()].matches('\n').count(),
        });
    } else {
        for (at, line) in lines.iter().enumerate() {
            if regex::search(&regex, line)? {
                found = Some(if after { at + 1 } else { at });
            }
        }
    }
    Ok(found.unwrap_or(lines.len()).min(lines.len()))
}

/// True for a line that is not blank.
fn holds(line: &str) -> bool {
    !line.trim_end_matches(['\r', '\n']).is_empty()
}

fn ended(text: &str) -> String {
    if text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
}
