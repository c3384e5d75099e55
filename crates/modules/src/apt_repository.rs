//! `apt_repository`: one-line entries of apt's sources (sources.list(5)).

use crate::support::apt_get::AptGet;
use crate::support::files::{real_path, show};
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, Choice, ModeArg};
use provision_system::text::{bytes_to_text, text_to_bytes, to_os, to_path, to_text};
use provision_system::{Effect, NewFile};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Add an entry to apt's sources or take it away. All lists are searched: an entry that stands commented out
/// somewhere is enabled there.
#[derive(Args)]
#[args(name = "apt_repository")]
pub struct AptRepositoryArgs {
    /// The entry, as in `deb https://deb.example.org/apt stable main`.
    #[arg(required)]
    pub repo: String,
    /// Whether it shall be there.
    #[arg(default = "present")]
    pub state: State,
    /// The file in `/etc/apt/sources.list.d` for a new entry, without `.list`. Left out: a name made of the URL.
    pub filename: Option<String>,
    /// The mode of a new file.
    pub mode: Option<ModeArg>,
    /// Fetch the package lists after a change.
    #[arg(default = "yes", alias = "update-cache")]
    pub update_cache: bool,
    /// How often fetching is tried again when it fails.
    #[arg(default = "5")]
    pub update_cache_retries: u32,
    /// The longest wait between two tries, in seconds; it doubles from 1.
    #[arg(default = "12")]
    pub update_cache_retry_max_delay: u64,
    /// Nothing to do here: no Python library is needed.
    #[arg(default = "yes")]
    pub install_python_apt: bool,
    /// The release a PPA is for.
    #[arg(refused = "PPAs are not done: name the archive's URL, and its key with deb822_repository")]
    pub codename: (),
    /// Check the certificate of Launchpad.
    #[arg(default = "yes", refused = "only asking Launchpad for PPAs would use it")]
    pub validate_certs: bool,
}

/// Whether the entry shall be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum State {
    Absent,
    Present,
}

/// The module.
pub struct AptRepository;

impl Module for AptRepository {
    type Args = AptRepositoryArgs;

    fn run(args: AptRepositoryArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        if args.repo.starts_with("ppa:") {
            return Err(Failure::new(format!(
                "{}: PPAs are not done: name the archive's URL, and its key with deb822_repository",
                args.repo
            )));
        }
        let Some(wanted) = Entry::parse(&args.repo) else {
            return Err(Failure::new(format!("Invalid repository string: {}", args.repo)));
        };
        let mut touched = Vec::new();
        let mut found = false;
        for path in lists(ctx)? {
            let old = bytes_to_text(&ctx.sys.read(&path)?);
            let (new, here) = edit(&old, &wanted.source, args.state);
            found |= here;
            if new != old {
                touched.push((path, Some(old), new));
            }
        }
        let (mut added, mut removed) = (Vec::new(), Vec::new());
        if args.state == State::Present && !found {
            let path = path_for(args.filename.as_deref(), &wanted.source);
            let old = match ctx.sys.stat(&path, true)? {
                Some(_) => Some(bytes_to_text(&ctx.sys.read(&path)?)),
                None => None,
            };
            let mut new = old.clone().unwrap_or_default();
            if !new.is_empty() && !new.ends_with('\n') {
                new.push('\n');
            }
            new.push_str(&format!("{}\n", wanted.source));
            touched.push((path, old, new));
        }
        for (path, old, new) in &touched {
            if new.is_empty() {
                removed.push(show(path));
                ctx.sys.remove_file(path)?;
                continue;
            }
            let mut file = NewFile::default();
            if old.is_none() {
                added.push(show(path));
                let dir = path.parent().unwrap_or(Path::new("/"));
                crate::support::files::create_dirs(ctx, dir, None, &mut |_| Ok(()))?;
                let umask = ctx.sys.umask();
                file.mode = args.mode.as_ref().map(|mode| mode.apply(0o666 & !umask, false, umask));
            }
            ctx.sys.write(&real_path(ctx.sys, path)?, &mut text_to_bytes(new).as_slice(), &file)?;
        }
        if !touched.is_empty()
            && args.update_cache
            && let Err(why) = update(&args, ctx)?
        {
            put_back(ctx, &touched)?;
            return Err(Failure::new(format!("Failed to update apt cache: {why}")));
        }
        let state = if args.state == State::Present { "present" } else { "absent" };
        Ok(Outcome::new()
            .with("repo", args.repo.as_str())
            .with("state", state)
            .with("sources_added", added)
            .with("sources_removed", removed))
    }
}

/// Fetches the lists, again and again for a while. An error is what apt said last.
fn update(args: &AptRepositoryArgs, ctx: &Ctx<'_>) -> Result<Result<(), String>, Failure> {
    let apt = AptGet { options: &[], lock_timeout: 60 };
    let mut tried = 0;
    loop {
        let why = match apt.update(ctx, Effect::Upkeep)? {
            None | Some(Ok(())) => return Ok(Ok(())),
            Some(Err(why)) => why,
        };
        if tried >= args.update_cache_retries {
            return Ok(Err(why));
        }
        let seconds = (1_u64 << tried.min(16)).min(args.update_cache_retry_max_delay);
        std::thread::sleep(Duration::from_secs(seconds));
        tried += 1;
    }
}

/// A source that cannot be fetched would break every later use of apt.
fn put_back(ctx: &Ctx<'_>, touched: &[(PathBuf, Option<String>, String)]) -> Result<(), Failure> {
    for (path, old, _) in touched {
        match old {
            Some(old) => ctx.sys.write(
                &real_path(ctx.sys, path)?,
                &mut text_to_bytes(old).as_slice(),
                &NewFile::default(),
            )?,
            None => ctx.sys.remove_file(path)?,
        }
    }
    Ok(())
}

/// `sources.list` and the lists beside it that are there.
fn lists(ctx: &Ctx<'_>) -> Result<Vec<PathBuf>, Failure> {
    let mut all = Vec::new();
    let main = Path::new("/etc/apt/sources.list");
    if ctx.sys.stat(main, true)?.is_some() {
        all.push(main.to_owned());
    }
    let dir = Path::new(DIR);
    if ctx.sys.stat(dir, true)?.is_some() {
        let names = ctx.sys.read_dir(dir)?;
        let names = names.iter().filter(|name| to_text(name).ends_with(".list"));
        // A link that leads nowhere is no list.
        for path in names.map(|name| dir.join(name)) {
            if ctx.sys.stat(&path, true)?.is_some_and(|meta| meta.is_file()) {
                all.push(path);
            }
        }
    }
    Ok(all)
}

const DIR: &str = "/etc/apt/sources.list.d";

/// A line that is an entry.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    enabled: bool,
    /// Single blanks between its words.
    source: String,
    comment: String,
}

impl Entry {
    fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        let (enabled, rest) = match line.strip_prefix('#') {
            Some(rest) => (false, rest),
            None => (true, line),
        };
        let (source, comment) = match rest.split_once('#') {
            Some((source, comment)) => (source, comment.trim()),
            None => (rest, ""),
        };
        let words: Vec<&str> = source.split_whitespace().collect();
        let is_entry = matches!(words.first(), Some(&"deb" | &"deb-src")) && words.len() > 1;
        is_entry.then(|| Self { enabled, source: words.join(" "), comment: comment.to_owned() })
    }
}

/// The list with the entry as wanted where it stands, and whether it stood there.
fn edit(text: &str, source: &str, state: State) -> (String, bool) {
    let mut out = String::new();
    let mut found = false;
    for line in text.split_inclusive('\n') {
        match Entry::parse(line).filter(|entry| entry.source == source) {
            None => out.push_str(line),
            // A disabled one is not there: Ansible leaves it.
            Some(entry) if state == State::Absent && !entry.enabled => out.push_str(line),
            Some(_) if state == State::Absent => found = true,
            Some(entry) if entry.enabled => {
                found = true;
                out.push_str(line);
            }
            Some(entry) => {
                found = true;
                out.push_str(source);
                if !entry.comment.is_empty() {
                    out.push_str(&format!(" # {}", entry.comment));
                }
                out.push('\n');
            }
        }
    }
    (out, found)
}

/// The file for a new entry: the one named, or one named for the URL.
fn path_for(filename: Option<&str>, source: &str) -> PathBuf {
    if let Some(name) = filename {
        let name = name.strip_suffix(".list").unwrap_or(name);
        return Path::new(DIR).join(to_path(&format!("{name}.list")));
    }
    let mut rest = source.split_once(' ').map_or("", |(_, rest)| rest);
    if rest.starts_with('[') {
        rest = rest.split_once(']').map_or("", |(_, rest)| rest.trim_start());
    }
    let url = rest.split(' ').next().unwrap_or_default();
    let url = url.split_once("://").map_or(url, |(_, rest)| rest);
    let url = match url.split_once('/') {
        Some((host, path)) => format!("{}/{path}", host.rsplit('@').next().unwrap_or(host)),
        None => url.rsplit('@').next().unwrap_or(url).to_owned(),
    };
    let words: Vec<&str> =
        url.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()).collect();
    Path::new(DIR).join(to_os(&format!("{}.list", words.join("_"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_for_urls() {
        let name = |source| show(&path_for(None, source)).rsplit('/').next().unwrap().to_owned();
        assert_eq!(
            name("deb https://artifacts.elastic.co/packages/6.x/apt stable main"),
            "artifacts_elastic_co_packages_6_x_apt.list"
        );
        assert_eq!(
            name("deb [arch=amd64 signed-by=/k] http://me:pw@deb.example.org stable main"),
            "deb_example_org.list"
        );
        assert_eq!(show(&path_for(Some("mine.list"), "")), "/etc/apt/sources.list.d/mine.list");
    }

    #[test]
    fn only_the_entry_itself_is_touched() {
        let text = "# x\ndeb  http://a  b  c # why\n#deb http://d e f #because\n";
        let (same, found) = edit(text, "deb http://a b c", State::Present);
        assert!(found && same == text);
        let (new, found) = edit(text, "deb http://d e f", State::Present);
        assert!(found);
        assert_eq!(new, "# x\ndeb  http://a  b  c # why\ndeb http://d e f # because\n");
        assert_eq!(
            edit(text, "deb http://a b c", State::Absent),
            ("# x\n#deb http://d e f #because\n".to_owned(), true)
        );
        assert_eq!(edit(text, "deb http://d e f", State::Absent), (text.to_owned(), false));
    }
}
