//! Archives that `tar` reads.

use super::{Contents, Kind, Source, UnarchiveArgs, unreadable};
use crate::support::glob;
use crate::{Ctx, Failure};
use provision_system::Command;
use provision_system::text::to_os;
use std::path::Path;

/// `tar` with what all calls have.
fn command(args: &UnarchiveArgs, kind: Kind, verb: &str, dest: Option<&Path>) -> Command {
    let mut command = Command::new(["tar", verb]).env("LC_ALL", "C").env("LANG", "C");
    if let Some(dest) = dest {
        command = command.arg("-C").arg(dest);
    }
    let packed = match kind {
        Kind::Gzip => Some("-z"),
        Kind::Bzip => Some("-j"),
        Kind::Xz => Some("-J"),
        Kind::Zstd => Some("--use-compress-program=zstd"),
        Kind::Tar | Kind::Zip => None,
    };
    command.argv.extend(packed.map(Into::into));
    command.argv.extend(args.extra());
    for pattern in args.exclude.iter().flatten() {
        command = command.arg(to_os(&format!("--exclude={pattern}")));
    }
    command
}

fn with_source(args: &UnarchiveArgs, command: Command, source: &Source) -> Command {
    let mut command = command.arg("-f").arg(to_os(&source.name()));
    command.argv.extend(args.include.iter().flatten().map(|name| to_os(name)));
    command
}

/// The names in the archive, and whether all is there.
pub fn look(
    args: &UnarchiveArgs,
    ctx: &Ctx<'_>,
    kind: Kind,
    source: &Source,
    dest: &Path,
) -> Result<Contents, Failure> {
    // In a dry run the directory may be one that an earlier task would have made: tar need not see it.
    let list = command(args, kind, "--list", None).arg("--quoting-style=literal");
    // Names are those that come out, not those that go in.
    let list = with_source(args, list.arg("--show-transformed-names"), source);
    let listed = ctx.sys.query(&source.feed(list.clone()))?;
    if !listed.ok() {
        return Err(unreadable(args, &list, &listed.err()));
    }
    let out = listed.out();
    let excluded = |name: &str| args.exclude.iter().flatten().any(|pattern| glob::matches(pattern, name));
    let names = out.lines().filter(|name| !name.is_empty() && !excluded(name));
    let files: Vec<String> = names.map(str::to_owned).collect();
    let diff = with_source(args, command(args, kind, "--diff", Some(dest)), source);
    let compared = ctx.sys.query(&source.feed(diff))?;
    let root = ctx.sys.identity().uid == 0;
    let text = format!("{}\n{}", compared.err(), compared.out());
    let differs = text.lines().any(|line| differs(args, root, line));
    // What tar cannot compare (too old, a broken link to the file) is unpacked again.
    let known = compared.rc <= 1 || text.lines().any(|line| line.contains(": Warning: "));
    Ok(Contents { files, there: !differs && known })
}

/// Does this line of `tar --diff` tell of a difference that matters?
fn differs(args: &UnarchiveArgs, root: bool, line: &str) -> bool {
    let options = &args.attributes;
    let is = |text: &str| line.ends_with(text);
    if is(": Uid differs") {
        return root && options.owner.is_none();
    }
    if is(": Gid differs") {
        return root && options.group.is_none();
    }
    if is(": Mode differs") {
        return options.mode.is_none();
    }
    [
        ": Mod time differs",
        ": Size differs",
        ": Contents differ",
        ": Symlink differs",
        ": File type differs",
        ": No such file or directory",
        ": Not a directory",
    ]
    .into_iter()
    .any(is)
        || line.contains(": Not linked to ")
}

/// The call that unpacks.
pub fn extract(args: &UnarchiveArgs, kind: Kind, source: &Source, dest: &Path) -> Command {
    let mut command = command(args, kind, "--extract", Some(dest));
    if args.keep_newer {
        command = command.arg("--keep-newer-files");
    }
    for (option, value) in [("--owner", &args.attributes.owner), ("--group", &args.attributes.group)] {
        if let Some(value) = value {
            command = command.arg(to_os(&format!("{option}={value}")));
        }
    }
    with_source(args, command, source)
}

/// A header from before POSIX: without its magic word, but with a checksum.
pub fn old_format(start: &[u8]) -> bool {
    let Some(header) = start.get(..512) else { return false };
    let field = std::str::from_utf8(&header[148..156]).unwrap_or_default();
    let told = u32::from_str_radix(field.trim_matches(['\0', ' ']), 8);
    let blank = 8 * u32::from(b' ');
    let bytes = header[..148].iter().chain(&header[156..]);
    told == Ok(bytes.map(|byte| u32::from(*byte)).sum::<u32>() + blank)
}
