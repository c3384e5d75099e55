//! `apt_key`: keys that apt trusts for every repository.

use crate::support::files::{create_dirs, path_of, real_path, show};
use crate::support::http;
use crate::support::openpgp::{self, Key};
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, Choice, PathArg};
use provision_system::NewFile;
use provision_system::text::{text_to_bytes, to_text};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Add a key to those that apt trusts for every repository, or take one away. The keyrings are read and written here;
/// neither apt-key nor gpg is needed. A key for one repository alone is what `deb822_repository` is for.
#[derive(Args)]
#[args(name = "apt_key", mutually_exclusive("data", "file", "keyserver", "url"))]
pub struct AptKeyArgs {
    /// The key's id: 8, 16 or 40 hexadecimal digits, `0x` in front or not. With it nothing is fetched while the key
    /// is there.
    pub id: Option<String>,
    /// The key itself.
    pub data: Option<String>,
    /// A file of the host with the key.
    pub file: Option<PathArg>,
    /// A key server to ask for `id`.
    pub keyserver: Option<String>,
    /// Where to fetch the key.
    pub url: Option<String>,
    /// The keyring. Left out: `/etc/apt/trusted.gpg`, and for looking all in `/etc/apt/trusted.gpg.d` too.
    pub keyring: Option<PathArg>,
    /// Whether the key shall be there.
    #[arg(default = "present")]
    pub state: State,
    /// Check the certificate of `url`.
    #[arg(default = "yes")]
    pub validate_certs: bool,
}

/// Whether the key shall be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum State {
    Absent,
    Present,
}

/// The module.
pub struct AptKey;

impl Module for AptKey {
    type Args = AptKeyArgs;

    fn run(args: AptKeyArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let id = args.id.as_deref().map(clean).transpose()?;
        let given = match id {
            Some(_) => None,
            None => args.source(ctx, None)?,
        };
        let id = match (&id, &given) {
            (Some(id), _) => id.clone(),
            (None, Some(keys)) => {
                keys.first().and_then(|key| key.fingerprints.first()).cloned().unwrap_or_default()
            }
            (None, None) => return Err(Failure::new("Missing key_id, required with keyserver.")),
        };
        let rings = args.rings(ctx)?;
        let before = listed(&rings);
        let holder = rings.iter().find(|ring| ring.keys.iter().any(|key| key.answers_to(&id)));
        let mut after = None;
        match (args.state, holder) {
            (State::Present, Some(_)) | (State::Absent, None) => {}
            (State::Present, None) => {
                let keys = match given {
                    Some(keys) => keys,
                    None => args.source(ctx, Some(&id))?.ok_or_else(|| {
                        Failure::new(format!(
                            "the key {id} is not there, and no data, file, url or keyserver tells where it is"
                        ))
                    })?,
                };
                if !keys.iter().any(|key| key.answers_to(&id)) {
                    return Err(Failure::new(format!(
                        "key does not seem to have been added: what was given does not hold {id}"
                    ))
                    .with("id", id.as_str()));
                }
                args.add(ctx, &rings, &keys)?;
                after = Some(listed(&args.rings(ctx)?));
            }
            (State::Absent, Some(ring)) => {
                let left: Vec<Key> = ring.keys.iter().filter(|key| !key.answers_to(&id)).cloned().collect();
                match left.is_empty() {
                    true => ctx.sys.remove_file(&ring.path)?,
                    false => write(ctx, &ring.path, &left)?,
                }
                after = Some(listed(&args.rings(ctx)?));
            }
        }
        let tail = |count: usize| &id[id.len().saturating_sub(count)..];
        let mut outcome = Outcome::new()
            .with("before", before)
            .with("id", id.as_str())
            .with("key_id", id.as_str())
            .with("fp", tail(16))
            .with("short_id", tail(8));
        if let Some(after) = after {
            outcome = outcome.with("after", after);
        }
        Ok(outcome)
    }
}

/// One file of keys.
struct Ring {
    path: PathBuf,
    keys: Vec<Key>,
}

/// Ids of the keys and subkeys, as results list them.
fn listed(rings: &[Ring]) -> Vec<Value> {
    let prints = rings.iter().flat_map(|ring| &ring.keys).flat_map(|key| &key.fingerprints);
    prints.map(|print| print[print.len().saturating_sub(16)..].into()).collect()
}

impl AptKeyArgs {
    /// The keyring named, or all that apt trusts. One in gpg's own format is an error: it can be neither read nor kept.
    fn rings(&self, ctx: &Ctx<'_>) -> Result<Vec<Ring>, Failure> {
        let mut paths = Vec::new();
        match &self.keyring {
            Some(path) => paths.push(path_of(ctx, path)?),
            None => {
                paths.push(PathBuf::from(TRUSTED));
                let dir = Path::new("/etc/apt/trusted.gpg.d");
                if ctx.sys.stat(dir, true)?.is_some() {
                    let names = ctx.sys.read_dir(dir)?;
                    let rings = names.iter().filter(|name| {
                        let name = to_text(name);
                        name.ends_with(".gpg") || name.ends_with(".asc")
                    });
                    paths.extend(rings.map(|name| dir.join(name)));
                }
            }
        }
        let mut rings = Vec::new();
        for path in paths {
            if ctx.sys.stat(&path, true)?.is_none_or(|meta| !meta.is_file() || meta.size == 0) {
                continue;
            }
            match openpgp::keys(&ctx.sys.read(&path)?) {
                Some(keys) => rings.push(Ring { path, keys }),
                // apt takes no notice of what it cannot read beside the others.
                None if self.keyring.is_none() && show(&path) != TRUSTED => {}
                None => return Err(Failure::new(format!("{} is no OpenPGP keyring", show(&path)))),
            }
        }
        Ok(rings)
    }

    fn add(&self, ctx: &Ctx<'_>, rings: &[Ring], keys: &[Key]) -> Result<(), Failure> {
        let path = match &self.keyring {
            Some(path) => path_of(ctx, path)?,
            None => PathBuf::from(TRUSTED),
        };
        let mut all: Vec<Key> =
            rings.iter().find(|ring| ring.path == path).map(|ring| ring.keys.clone()).unwrap_or_default();
        let known: Vec<String> = all.iter().map(|key| key.id().to_owned()).collect();
        all.extend(keys.iter().filter(|key| !known.iter().any(|id| id == key.id())).cloned());
        create_dirs(ctx, path.parent().unwrap_or(Path::new("/")), None, &mut |_| Ok(()))?;
        write(ctx, &path, &all)
    }

    /// The key from where the task says it is; None when it does not say.
    fn source(&self, ctx: &Ctx<'_>, id: Option<&str>) -> Result<Option<Vec<Key>>, Failure> {
        let (data, from) = if let Some(data) = &self.data {
            (text_to_bytes(data), "data".to_owned())
        } else if let Some(file) = &self.file {
            let path = path_of(ctx, file)?;
            (ctx.sys.read(&path)?, show(&path))
        } else if let Some(url) = &self.url {
            (http::get_key(ctx, url, self.validate_certs)?, url.clone())
        } else if let (Some(server), Some(id)) = (&self.keyserver, id) {
            let url = lookup(server, id);
            (http::get_key(ctx, &url, true)?, url)
        } else {
            return Ok(None);
        };
        match openpgp::keys(&data) {
            Some(keys) => Ok(Some(keys)),
            None => Err(Failure::new(format!("{from} holds no OpenPGP public key"))),
        }
    }
}

const TRUSTED: &str = "/etc/apt/trusted.gpg";

fn write(ctx: &Ctx<'_>, path: &Path, keys: &[Key]) -> Result<(), Failure> {
    let armoured = show(path).ends_with(".asc");
    if armoured {
        return Err(Failure::new(format!("{}: only binary keyrings are changed", show(path))));
    }
    let data: Vec<u8> = keys.iter().flat_map(|key| key.packets.clone()).collect();
    let path = real_path(ctx.sys, path)?;
    let mode = ctx.sys.stat(&path, true)?.is_none().then_some(0o644);
    Ok(ctx.sys.write(&path, &mut data.as_slice(), &NewFile { mode, ..NewFile::default() })?)
}

/// The digits of an id, in upper case.
fn clean(id: &str) -> Result<String, Failure> {
    let digits = id.trim().to_uppercase();
    let digits = digits.strip_prefix("0X").unwrap_or(&digits).replace(' ', "");
    let whole = matches!(digits.len(), 8 | 16 | 40 | 64);
    if !whole || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Failure::new(format!("Invalid key_id: {id}")));
    }
    Ok(digits)
}

/// A key server's address for a key (draft-gallagher-openpgp-hkp).
fn lookup(server: &str, id: &str) -> String {
    let (scheme, host) = server.split_once("://").unwrap_or(("hkp", server));
    let host = host.trim_end_matches('/');
    let base = match scheme {
        "hkps" | "https" => format!("https://{host}"),
        "http" => format!("http://{host}"),
        _ if host.contains(':') => format!("http://{host}"),
        _ => format!("http://{host}:11371"),
    };
    format!("{base}/pks/lookup?op=get&options=mr&search=0x{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_servers_are_read() {
        assert_eq!(clean("0x36a1d7869245c895").unwrap(), "36A1D7869245C895");
        assert!(clean("xyz").is_err() && clean("").is_err());
        let tail = "/pks/lookup?op=get&options=mr&search=0xAB";
        assert_eq!(lookup("keys.example.org", "AB"), format!("http://keys.example.org:11371{tail}"));
        assert_eq!(lookup("hkp://k.example.org:80", "AB"), format!("http://k.example.org:80{tail}"));
        assert_eq!(lookup("hkps://k.example.org/", "AB"), format!("https://k.example.org{tail}"));
    }
}
