//! `authorized_key`: who may log in by SSH key.

use crate::support::files::{create_dirs, path_of, real_path, show, unknown};
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, Choice, ModeArg, PathArg};
use provision_system::text::{bytes_to_text, text_to_bytes};
use provision_system::{Attrs, NewFile};
use serde_json::Value;
use std::path::Path;

/// Manage the SSH keys by which a user may log in. Lines that are none of the task's business stay as they are.
#[derive(Args)]
#[args(name = "authorized_key")]
pub struct AuthorizedKeyArgs {
    /// The user.
    #[arg(required)]
    pub user: String,
    /// The public keys, one per line.
    #[arg(required)]
    pub key: String,
    /// The file. Left out: `~/.ssh/authorized_keys`.
    pub path: Option<PathArg>,
    /// Make the file's directory, with mode and owner that sshd accepts.
    #[arg(default = "yes")]
    pub manage_dir: bool,
    /// Whether the keys shall be there.
    #[arg(default = "present")]
    pub state: State,
    /// Options in front of the keys, as sshd(8) names them. Left out: those in front of the given keys.
    pub key_options: Option<String>,
    /// Remove all other keys.
    #[arg(default = "no")]
    pub exclusive: bool,
    /// Has no effect while keys cannot be given as URLs.
    #[arg(default = "yes")]
    pub validate_certs: bool,
    /// The comment behind the keys. Left out: that of the given keys.
    pub comment: Option<String>,
    /// Write through a symbolic link instead of replacing it.
    #[arg(default = "no")]
    pub follow: bool,
}

/// Whether the keys shall be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum State {
    Absent,
    Present,
}

/// The module.
pub struct AuthorizedKey;

impl Module for AuthorizedKey {
    type Args = AuthorizedKeyArgs;

    fn run(args: AuthorizedKeyArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        if args.key.starts_with("http://") || args.key.starts_with("https://") {
            return Err(Failure::new(
                "keys from a URL are not supported yet; fetch them with the uri module",
            ));
        }
        let wanted = wanted(&args)?;
        let Some(user) = ctx.sys.user(&args.user)? else {
            let path = Path::new("~").join(&args.user);
            if ctx.sys.uncertain() {
                return unknown(ctx, &path, "authorized keys", "the user does not exist yet");
            }
            return Err(Failure::new(format!("Failed to lookup user {}: there is no such user", args.user)));
        };
        let mut path = match &args.path {
            Some(path) => path_of(ctx, path)?,
            None => user.home.join(".ssh/authorized_keys"),
        };
        if args.follow {
            path = real_path(ctx.sys, &path)?;
        }
        let outcome = outcome(&args, &path);
        let old = match ctx.sys.stat(&path, true)? {
            Some(_) => bytes_to_text(&ctx.sys.read(&path)?),
            None => String::new(),
        };
        let new = edit(&old, &wanted, args.state, args.exclusive);
        if new == old {
            return Ok(outcome);
        }
        let owner = Attrs { uid: Some(user.uid), gid: Some(user.gid), ..Attrs::default() };
        if let Some(dir) = path.parent() {
            if args.manage_dir {
                create_dirs(ctx, dir, Some(&ModeArg::Bits(0o700)), &mut |_| Ok(()))?;
                // Where a user has put a link, root would give away whatever it leads to.
                if ctx.sys.stat(dir, false)?.is_some_and(|meta| meta.is_dir()) {
                    ctx.sys.set_attrs(dir, &Attrs { mode: Some(0o700), ..owner }, false)?;
                }
            } else if ctx.sys.stat(dir, true)?.is_none() && !ctx.sys.uncertain() {
                let msg =
                    format!("the directory {} does not exist, and manage_dir says not to make it", show(dir));
                return Err(Failure::new(msg));
            }
        }
        let file = NewFile { mode: Some(0o600), uid: Some(user.uid), gid: Some(user.gid), secret: false };
        ctx.sys.write(&path, &mut text_to_bytes(&new).as_slice(), &file)?;
        Ok(outcome)
    }
}

fn outcome(args: &AuthorizedKeyArgs, path: &Path) -> Outcome {
    Outcome::new()
        .with("user", args.user.as_str())
        .with("key", args.key.as_str())
        .with("keyfile", show(path))
        .with("path", args.path.as_ref().map_or(Value::Null, |path| path.as_str().into()))
        .with("state", args.state.as_str())
        .with("key_options", args.key_options.clone())
        .with("comment", args.comment.clone())
        .with("exclusive", args.exclusive)
        .with("manage_dir", args.manage_dir)
        .with("follow", args.follow)
        .with("validate_certs", args.validate_certs)
        .with("unique", false)
}

/// A line of authorized_keys (sshd(8), "AUTHORIZED_KEYS FILE FORMAT").
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    options: String,
    kind: String,
    data: String,
    comment: String,
}

impl Key {
    /// None: the line is none.
    fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let (options, rest) = match is_kind(line.split_whitespace().next()?) {
            true => ("", line),
            false => line.split_at(end_of_options(line)),
        };
        let mut words = rest.trim_start().splitn(3, char::is_whitespace);
        let kind = words.next().filter(|kind| is_kind(kind))?;
        let data = words.next().filter(|data| !data.is_empty())?;
        Some(Self {
            options: options.to_owned(),
            kind: kind.to_owned(),
            data: data.to_owned(),
            comment: words.next().unwrap_or_default().trim().to_owned(),
        })
    }

    fn line(&self) -> String {
        let words = [&self.options, &self.kind, &self.data, &self.comment];
        words.into_iter().filter(|word| !word.is_empty()).map(String::as_str).collect::<Vec<_>>().join(" ")
    }

    fn same_key(&self, other: &Self) -> bool {
        self.data == other.data
    }
}

fn is_kind(word: &str) -> bool {
    ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"].iter().any(|start| word.starts_with(start))
}

/// Options end at the first space that is not in quotes.
fn end_of_options(line: &str) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ' ' | '\t' if !quoted => return at,
            _ => {}
        }
    }
    line.len()
}

fn wanted(args: &AuthorizedKeyArgs) -> Result<Vec<Key>, Failure> {
    let mut keys: Vec<Key> = Vec::new();
    for line in args.key.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let Some(mut key) = Key::parse(line) else {
            return Err(Failure::new(format!("invalid key specified: {line}")));
        };
        if let Some(options) = &args.key_options {
            key.options.clone_from(options);
        }
        if let Some(comment) = &args.comment {
            key.comment.clone_from(comment);
        }
        if !keys.iter().any(|other| other.same_key(&key)) {
            keys.push(key);
        }
    }
    Ok(keys)
}

fn edit(text: &str, wanted: &[Key], state: State, exclusive: bool) -> String {
    let mut out = String::new();
    let mut written: Vec<&Key> = Vec::new();
    for line in text.split_inclusive('\n') {
        let Some(key) = Key::parse(line) else {
            out.push_str(line);
            continue;
        };
        match (wanted.iter().find(|other| other.same_key(&key)), state) {
            (Some(_), State::Absent) => {}
            // The same key a second time.
            (Some(wanted), State::Present) if written.contains(&wanted) => {}
            (Some(wanted), State::Present) => {
                written.push(wanted);
                if *wanted == key {
                    out.push_str(line);
                } else {
                    out.push_str(&wanted.line());
                    out.push('\n');
                }
            }
            (None, _) if exclusive && state == State::Present => {}
            (None, _) => out.push_str(line),
        }
    }
    if state == State::Present {
        for key in wanted.iter().filter(|key| !written.contains(key)) {
            if !out.is_empty() && !out.ends_with('\n') {
                out.push('\n');
            }
            out.push_str(&key.line());
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        let key = Key::parse("from=\"1.2.3.4\",command=\"a \\\" b\" ssh-ed25519 AAAA me at home\n").unwrap();
        assert_eq!(key.options, "from=\"1.2.3.4\",command=\"a \\\" b\"");
        assert_eq!((key.kind.as_str(), key.data.as_str()), ("ssh-ed25519", "AAAA"));
        assert_eq!(key.comment, "me at home");
        assert_eq!(Key::parse("ssh-rsa AAAA").unwrap().line(), "ssh-rsa AAAA");
        assert_eq!(Key::parse("sk-ssh-ed25519@openssh.com AAAA x").unwrap().comment, "x");
        for none in ["", "# ssh-rsa AAAA", "ssh-rsa", "hello world", "no-pty ssh-rsa"] {
            assert_eq!(Key::parse(none), None, "{none}");
        }
    }
}
