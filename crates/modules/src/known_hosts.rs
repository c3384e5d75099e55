//! `known_hosts`: keys of SSH servers.

use crate::support::files::{create_dirs, path_of, real_path, show};
use crate::{Ctx, Failure, Module, Outcome};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use provision_args::{Args, Choice, PathArg};
use provision_system::text::{bytes_to_text, text_to_bytes};
use provision_system::{NewFile, digest_of};
use std::path::Path;

/// Add a server's key to a known_hosts file, or remove a server's keys from it.
#[derive(Args)]
#[args(name = "known_hosts")]
pub struct KnownHostsArgs {
    /// The server; `[name]:port` where its port is not 22.
    #[arg(required, alias = "host")]
    pub name: String,
    /// The line: names, the key's type, the key. Needed to add one; without one all keys of the server are removed.
    pub key: Option<String>,
    /// Whether the key shall be there.
    #[arg(default = "present")]
    pub state: State,
    /// The file.
    #[arg(default = "~/.ssh/known_hosts")]
    pub path: PathArg,
    /// Write a hash instead of the name.
    #[arg(default = "no")]
    pub hash_host: bool,
}

/// Whether the key shall be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum State {
    Absent,
    Present,
}

/// The module.
pub struct KnownHosts;

impl Module for KnownHosts {
    type Args = KnownHostsArgs;

    fn run(args: KnownHostsArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let host = args.name.to_lowercase();
        let key = args.key.as_deref().map(str::trim).filter(|key| !key.is_empty());
        if args.state == State::Present && key.is_none() {
            return Err(Failure::new("No key specified when adding a host"));
        }
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c == ',' || c == '|') {
            return Err(Failure::new(format!("{:?} is no name of a host", args.name)));
        }
        let wanted = key.map(|key| check(&host, key)).transpose()?;
        let path = path_of(ctx, &args.path)?;
        let real = real_path(ctx.sys, &path)?;
        let old = match ctx.sys.stat(&real, true)? {
            Some(_) => bytes_to_text(&ctx.sys.read(&real)?),
            None => String::new(),
        };
        let new = match args.state {
            State::Absent => remove(&old, &host, wanted.as_ref()),
            State::Present => match &wanted {
                Some(line) => set(&old, &host, line, args.hash_host, ctx.sys.now()),
                None => old.clone(),
            },
        };
        if new != old {
            let dir = real.parent().unwrap_or(Path::new("/"));
            create_dirs(ctx, dir, None, &mut |_| Ok(()))?;
            ctx.sys.write(&real, &mut text_to_bytes(&new).as_slice(), &NewFile::default())?;
        }
        let state = args.state.as_str();
        Ok(Outcome::new()
            .with("name", args.name)
            .with("key", args.key)
            .with("path", show(&path))
            .with("hash_host", args.hash_host)
            .with("state", state))
    }
}

/// A line of known_hosts(5).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line<'a> {
    /// `@cert-authority` or `@revoked`.
    marker: Option<&'a str>,
    hosts: &'a str,
    kind: &'a str,
    key: &'a str,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let first = words.next().filter(|word| !word.starts_with('#'))?;
        let (marker, hosts) = match first.starts_with('@') {
            true => (Some(first), words.next()?),
            false => (None, first),
        };
        Some(Self { marker, hosts, kind: words.next()?, key: words.next()? })
    }

    fn names(&self, host: &str) -> bool {
        if let Some((salt, hash)) = self.hosts.strip_prefix("|1|").and_then(|rest| rest.split_once('|')) {
            return STANDARD.decode(salt).is_ok_and(|salt| hashed(&salt, host).as_deref() == Some(hash));
        }
        self.hosts.split(',').any(|name| name.eq_ignore_ascii_case(host))
    }
}

/// The given line, if it is one for this host.
fn check<'a>(host: &str, key: &'a str) -> Result<Line<'a>, Failure> {
    let invalid = |why: &str| Failure::new(format!("Invalid key: {why}: {key}"));
    if key.lines().count() > 1 {
        return Err(invalid("it has several lines"));
    }
    let line = Line::parse(key).ok_or_else(|| invalid("host, type and key are needed"))?;
    if STANDARD.decode(line.key).is_err() {
        return Err(invalid("the key is not base64"));
    }
    if !line.names(host) {
        return Err(Failure::new(format!(
            "Host parameter does not match hashed host field in supplied key: {host} is not in {}",
            line.hosts
        )));
    }
    Ok(line)
}

/// The file without the host's key, or without all its keys.
fn remove(text: &str, host: &str, key: Option<&Line<'_>>) -> String {
    let goes = |line: &str| {
        Line::parse(line).is_some_and(|line| {
            line.names(host) && key.is_none_or(|key| (key.kind, key.key) == (line.kind, line.key))
        })
    };
    text.split_inclusive('\n').filter(|line| !goes(line)).collect()
}

/// The file with the key as the host's only one of its type.
fn set(text: &str, host: &str, key: &Line<'_>, hash: bool, now: f64) -> String {
    let same = |line: &Line<'_>| line.names(host) && line.kind == key.kind && line.marker == key.marker;
    let mine: Vec<Line<'_>> = text.lines().filter_map(Line::parse).filter(same).collect();
    let is_hashed = |line: &Line<'_>| line.hosts.starts_with("|1|");
    if let [one] = mine.as_slice()
        && one.key == key.key
        && is_hashed(one) == hash
    {
        return text.to_owned();
    }
    let goes = |line: &str| Line::parse(line).is_some_and(|line| same(&line));
    let mut out: String = text.split_inclusive('\n').filter(|line| !goes(line)).collect();
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
    let hosts = match hash {
        true if !is_hashed(key) => {
            // A salt need not be secret, only another one for every line.
            let seed = format!("{now}{host}{}", key.key);
            let salt = digest_of(seed.as_bytes(), "sha1").map(|hex| bytes(&hex)).unwrap_or_default();
            let hash = hashed(&salt, host).unwrap_or_default();
            format!("|1|{}|{hash}", STANDARD.encode(&salt))
        }
        _ => key.hosts.to_owned(),
    };
    let marker = key.marker.map(|marker| format!("{marker} ")).unwrap_or_default();
    out.push_str(&format!("{marker}{hosts} {} {}\n", key.kind, key.key));
    out
}

/// HMAC-SHA1 of a name, as known_hosts(5) has it.
fn hashed(salt: &[u8], host: &str) -> Option<String> {
    let mut block = [0_u8; 64];
    block.get_mut(..salt.len())?.copy_from_slice(salt);
    let pad = |byte: u8| block.map(|one| one ^ byte);
    let inner = bytes(&digest_of([pad(0x36).as_slice(), host.as_bytes()].concat().as_slice(), "sha1")?);
    let outer = bytes(&digest_of([pad(0x5c).as_slice(), &inner].concat().as_slice(), "sha1")?);
    Some(STANDARD.encode(outer))
}

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2).filter_map(|pair| std::str::from_utf8(pair).ok());
    pairs.filter_map(|pair| u8::from_str_radix(pair, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashed_names_are_those_of_openssh() {
        // The line that `ssh-keygen -H` made of "example.org" with this salt.
        let salt = STANDARD.decode("BeD+xi8kwdY/5a/ldKZMKU+aEjs=").unwrap();
        assert_eq!(hashed(&salt, "example.org").as_deref(), Some(EXAMPLE));
        let line = format!("|1|BeD+xi8kwdY/5a/ldKZMKU+aEjs=|{EXAMPLE} ssh-rsa AAAA");
        assert!(Line::parse(&line).unwrap().names("example.org"));
        assert!(!Line::parse(&line).unwrap().names("example.com"));
    }

    const EXAMPLE: &str = "6/usXXMpFlU7dBquuXJMUk9MG8U=";

    #[test]
    fn a_key_replaces_those_of_its_type() {
        let text = "# x\na,b ssh-rsa AAAA\nA ssh-ed25519 BBBB c\nz ssh-rsa CCCC";
        let key = check("a", "a ssh-rsa DDDD").unwrap();
        assert_eq!(
            set(text, "a", &key, false, 0.0),
            "# x\nA ssh-ed25519 BBBB c\nz ssh-rsa CCCC\na ssh-rsa DDDD\n"
        );
        let there = check("b", "a,b ssh-rsa AAAA").unwrap();
        assert_eq!(set(text, "b", &there, false, 0.0), text);
        assert_eq!(remove(text, "a", None), "# x\nz ssh-rsa CCCC");
        assert_eq!(remove(text, "a", Some(&there)), text.replace("a,b ssh-rsa AAAA\n", ""));
        let hashed = set("", "a", &key, true, 1.0);
        assert!(hashed.starts_with("|1|") && set(&hashed, "a", &key, true, 2.0) == hashed, "{hashed}");
        assert!(check("a", "b ssh-rsa DDDD").is_err() && check("a", "a ssh-rsa").is_err());
    }
}
