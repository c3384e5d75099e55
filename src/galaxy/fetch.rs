//! Bringing a source's files into a directory.

use super::requirements::Source;
use super::{NO_SERVER, Result, because};
use flate2::read::GzDecoder;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

/// Fetches `source` at `version` (git only) into `into`, which must be empty; the directory of its files.
pub fn fetch(source: &Source, version: Option<&str>, into: &Path) -> Result<PathBuf> {
    match source {
        Source::Git { url, below } => {
            let root = git(url, version, into)?;
            match below {
                Some(below) if below.components().any(|part| !matches!(part, Component::Normal(_))) => {
                    Err(format!("{}: not a directory within the repository", below.display()))
                }
                Some(below) => Ok(root.join(below)),
                None => Ok(root),
            }
        }
        Source::Archive(path) => {
            let file = because(std::fs::File::open(path), || format!("cannot read {}", path.display()))?;
            let mut reader = BufReader::new(file);
            let start = because(reader.fill_buf(), || format!("cannot read {}", path.display()))?.to_vec();
            let root = into.join("files");
            match start.as_slice() {
                [0x1f, 0x8b, ..] => unpack(GzDecoder::new(reader), &root, path),
                [b'P', b'K', ..] | [0xfd, b'7', ..] | [b'B', b'Z', b'h', ..] => {
                    Err(format!("{}: only tar archives, plain or gzipped, can be read", path.display()))
                }
                _ => unpack(reader, &root, path),
            }?;
            Ok(root)
        }
        Source::Directory(path) => {
            let root = into.join("files");
            copy(path, &root)?;
            Ok(root)
        }
        Source::Server(_) => Err(NO_SERVER.to_owned()),
        Source::Download(url) => Err(format!(
            "archives are not downloaded; fetch {url} first and name the file, or name the git repository"
        )),
    }
}

/// Clones, and exports what the version holds.
fn git(url: &str, version: Option<&str>, into: &Path) -> Result<PathBuf> {
    let clone = into.join("clone");
    // A version is a name, never an option.
    if let Some(version) = version.filter(|version| version.starts_with('-')) {
        return Err(format!("`{version}` is no version"));
    }
    run_git(None, &["clone".as_ref(), "--quiet".as_ref(), "--".as_ref(), url.as_ref(), clone.as_os_str()])?;
    if let Some(version) = version {
        run_git(Some(&clone), &["checkout".as_ref(), "--quiet".as_ref(), version.as_ref(), "--".as_ref()])?;
    }
    // `git archive` honours what the repository leaves out of exports.
    let tar = into.join("export.tar");
    run_git(
        Some(&clone),
        &["archive".as_ref(), "--format=tar".as_ref(), "--output".as_ref(), tar.as_os_str(), "HEAD".as_ref()],
    )?;
    let file = because(std::fs::File::open(&tar), || format!("cannot read {}", tar.display()))?;
    let root = into.join("files");
    unpack(BufReader::new(file), &root, Path::new(url))?;
    Ok(root)
}

fn run_git(dir: Option<&Path>, args: &[&OsStr]) -> Result<()> {
    let mut command = Command::new("git");
    if let Some(dir) = dir {
        command.arg("-C").arg(dir);
    }
    // Its progress and its questions for passwords are the person's.
    let output = command.args(args).stdin(Stdio::inherit()).stdout(Stdio::null()).output();
    let output = output.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "git is not installed on this machine".to_owned(),
        _ => format!("cannot run git: {error}"),
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("git {}: {}", args.first().map_or("".into(), |a| a.to_string_lossy()), said.trim()))
}

/// Unpacks an archive; entries that would leave the directory are errors.
fn unpack(reader: impl Read, root: &Path, name: &Path) -> Result<()> {
    because(std::fs::create_dir_all(root), || format!("cannot create {}", root.display()))?;
    let mut archive = tar::Archive::new(reader);
    archive.set_preserve_mtime(true);
    let broken = || format!("cannot unpack {}", name.display());
    for entry in because(archive.entries(), broken)? {
        let mut entry = because(entry, broken)?;
        let path = because(entry.path(), broken)?.into_owned();
        if !because(entry.unpack_in(root), broken)? {
            return Err(format!("{}: `{}` leads out of the archive", name.display(), path.display()));
        }
    }
    Ok(())
}

/// Copies a directory without what version control keeps in it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    because(std::fs::create_dir_all(to), || format!("cannot create {}", to.display()))?;
    for entry in because(std::fs::read_dir(from), || format!("cannot read {}", from.display()))? {
        let entry = because(entry, || format!("cannot read {}", from.display()))?;
        if entry.file_name() == ".git" {
            continue;
        }
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = because(entry.file_type(), || format!("cannot read {}", source.display()))?;
        if kind.is_dir() {
            copy(&source, &target)?;
        } else if kind.is_symlink() {
            let link = because(std::fs::read_link(&source), || format!("cannot read {}", source.display()))?;
            because(std::os::unix::fs::symlink(link, &target), || {
                format!("cannot write {}", target.display())
            })?;
        } else {
            because(std::fs::copy(&source, &target), || format!("cannot copy {}", source.display()))?;
        }
    }
    Ok(())
}
