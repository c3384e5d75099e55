//! `get_url`: a file of the network onto the target.

use crate::support::files::{self, Ownership, path_of, show};
use crate::support::http::{self, Reply, Request};
use crate::support::options::{FileOptions, HttpOptions};
use crate::support::time;
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, PathArg};
use provision_system::text::{to_os, to_path};
use provision_system::{Meta, NewFile};
use serde_json::{Map, Value};
use sha2::digest::DynDigest;
use std::cell::RefCell;
use std::io::{Cursor, Error, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;

/// Download a file. A file that is there is replaced when the server has a newer one with another content, or when
/// it has not the checksum that is asked for. The content takes its place only once it is complete and checked.
#[derive(Args)]
#[args(name = "get_url")]
pub struct GetUrlArgs {
    /// `http://`, `https://`, or `file://` for a file of the target.
    #[arg(required)]
    pub url: String,
    /// Where it goes: a file, or a directory, into which it goes under the server's name for it.
    #[arg(required)]
    pub dest: PathArg,
    /// What the file must be: `sha256:` and hex digits, or `sha256:` and the URL of a file of checksums.
    #[arg(default = "")]
    pub checksum: String,
    /// Ask for the file although the one that is there may be as new.
    #[arg(default = "no", alias = "thirsty")]
    pub force: bool,
    /// Keep what was there under a name with the time in it (result `backup_file`).
    #[arg(default = "no")]
    pub backup: bool,
    /// Further headers.
    pub headers: Option<Map<String, Value>>,
    /// How many seconds a single step (connect, read) may take.
    #[arg(default = "10")]
    pub timeout: u64,
    /// The name for basic authentication.
    #[arg(alias = "username")]
    pub url_username: Option<String>,
    #[arg(refused = "the file is always made beside its place, to be put there in one step")]
    pub tmp_dest: (),
    #[arg(flatten)]
    pub http: HttpOptions,
    #[arg(flatten)]
    pub files: FileOptions,
}

/// A download larger than this is only announced by a dry run. Bytes.
const DRY_LIMIT: u64 = 16 << 20;

/// The module.
pub struct GetUrl;

impl Module for GetUrl {
    type Args = GetUrlArgs;

    fn run(args: GetUrlArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let start = Instant::now();
        let owner = args.files.wanted().look_up(ctx)?;
        let dest = path_of(ctx, &args.dest)?;
        let found = ctx.sys.stat(&dest, true)?;
        let is_dir = found.as_ref().is_some_and(Meta::is_dir) || args.dest.as_str().ends_with('/');
        let old = found.filter(|_| !is_dir);
        let base = |outcome: Outcome| {
            outcome.with("url", args.url.as_str()).with("elapsed", start.elapsed().as_secs())
        };
        let failed = |failure: Failure, dest: &Path| {
            let elapsed = start.elapsed().as_secs();
            failure.with("dest", show(dest)).with("url", args.url.as_str()).with("elapsed", elapsed)
        };
        let checksum = args.wanted(ctx).map_err(|failure| failed(failure, &dest))?;
        let mut force = args.force;
        if let (Some(checksum), Some(_)) = (&checksum, &old) {
            let has = ctx.sys.digest(&dest, &checksum.algorithm)?;
            if has == checksum.hex && !args.force {
                owner.apply(ctx, &dest, true)?;
                let outcome =
                    Outcome::new().with("checksum_src", Value::Null).with("checksum_dest", Value::Null);
                let mut outcome = base(outcome).with("dest", show(&dest)).msg("file already exists");
                files::facts(ctx, &dest, &mut outcome.result)?;
                return Ok(owner.finish(outcome));
            }
            // What the server says of its age does not matter then.
            force |= has != checksum.hex;
        }
        let (reply, local) = match args.url.strip_prefix("file://") {
            Some(path) => (args.local(ctx, path).map_err(|failure| failed(failure, &dest))?, true),
            None => {
                let mtime = old.as_ref().filter(|_| !force).map(|meta| meta.mtime);
                let sent = args.request(ctx, "GET", &args.url, mtime, force)?;
                match http::send(ctx, &sent) {
                    Ok(reply) => (reply, false),
                    Err(failure) if ctx.check => {
                        return Ok(owner.finish(later(ctx, &args.url, &dest, &failure.msg)?));
                    }
                    Err(failure) => {
                        return Err(failed(Failure::new(format!("Request failed: {}", failure.msg)), &dest));
                    }
                }
            }
        };
        let message =
            if local { format!("OK ({} bytes)", reply.length().unwrap_or(0)) } else { reply.message() };
        let status = if local { Value::Null } else { reply.status.into() };
        if reply.status == 304 {
            owner.apply(ctx, &dest, true)?;
            let mut outcome =
                base(Outcome::new()).with("dest", show(&dest)).with("status_code", 304).msg(message);
            files::facts(ctx, &dest, &mut outcome.result)?;
            return Ok(owner.finish(outcome));
        }
        if reply.status != 200 {
            let failure =
                Failure::new("Request failed").with("status_code", status).with("response", message);
            return Err(failed(failure, &dest));
        }
        if args.http.decompress
            && let Some(packed) = reply.header("content-encoding").filter(|name| *name != "identity")
        {
            let why = format!("the answer is packed ({packed}), which nobody asked for");
            return Err(failed(Failure::new(why), &dest));
        }
        let dest = if is_dir { dest.join(to_os(&reply.file_name(&args.url))) } else { dest };
        let parent = dest.parent().unwrap_or(Path::new("/"));
        if !ctx.sys.stat(parent, true)?.is_some_and(|meta| meta.is_dir()) {
            if ctx.sys.uncertain() {
                return Ok(owner.finish(later(ctx, &args.url, &dest, "its directory does not exist yet")?));
            }
            return Err(failed(Failure::new(format!("Destination {} does not exist", show(parent))), &dest));
        }
        let dest = files::real_path(ctx.sys, &dest)?;
        if ctx.sys.dry() && reply.length().is_some_and(|length| length > DRY_LIMIT) {
            return Ok(owner.finish(later(ctx, &args.url, &dest, "it is large")?));
        }
        let old = ctx.sys.stat(&dest, true)?;
        let before = match &old {
            Some(_) => ctx.sys.digest(&dest, "sha1")?.into(),
            None => Value::Null,
        };
        let placed = args.place(ctx, &dest, old.as_ref(), &owner, reply, checksum.as_ref());
        let (sums, backup) = placed.map_err(|failure| failed(failure, &dest))?;
        owner.apply(ctx, &dest, true)?;
        let mut outcome = base(Outcome::new())
            .with("dest", show(&dest))
            .with("src", args.url.as_str())
            .with("checksum_src", sums.hex(0))
            .with("checksum_dest", before)
            .with("md5sum", sums.hex(1))
            .with("status_code", status)
            .msg(message);
        if let Some(backup) = backup {
            outcome = outcome.with("backup_file", show(&backup));
        }
        files::facts(ctx, &dest, &mut outcome.result)?;
        Ok(owner.finish(outcome))
    }
}

/// What a dry run cannot know.
fn later(ctx: &Ctx<'_>, url: &str, dest: &Path, why: &str) -> Result<Outcome, Failure> {
    Ok(files::unknown(ctx, dest, &format!("the content of {url}"), why)?.with("url", url))
}

/// The option `checksum`.
struct Checksum {
    algorithm: String,
    /// Lower case.
    hex: String,
}

impl GetUrlArgs {
    fn request(
        &self,
        ctx: &Ctx<'_>,
        method: &str,
        url: &str,
        mtime: Option<f64>,
        force: bool,
    ) -> Result<Request<'_>, Failure> {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let mut headers: Vec<(String, String)> =
            self.headers.iter().flatten().map(|(name, value)| (name.clone(), text(value))).collect();
        if let Some(mtime) = mtime {
            headers.push(("If-Modified-Since".to_owned(), time::http_date(mtime)));
        }
        if force {
            headers.push(("Cache-Control".to_owned(), "no-cache".to_owned()));
        }
        let user = self.url_username.as_deref();
        Ok(Request { headers, ..self.http.request(ctx, method, url, user, self.timeout)? })
    }

    /// A file of the target as if it had come over the network.
    fn local(&self, ctx: &Ctx<'_>, path: &str) -> Result<Reply, Failure> {
        let path = to_path(path.strip_prefix("localhost").unwrap_or(path));
        let missing = || {
            Failure::new(format!(
                "Request failed: <urlopen error [Errno 2] No such file or directory: '{}'>",
                show(&path)
            ))
        };
        let meta = ctx.sys.stat(&path, true)?.filter(Meta::is_file).ok_or_else(missing)?;
        Ok(Reply {
            status: 200,
            reason: "OK",
            headers: vec![("content-length".to_owned(), meta.size.to_string())],
            url: self.url.clone(),
            cookies: Vec::new(),
            body: ctx.sys.open(&path)?,
        })
    }

    /// Reads `checksum`; fetches the file of checksums if it names one.
    fn wanted(&self, ctx: &Ctx<'_>) -> Result<Option<Checksum>, Failure> {
        if self.checksum.trim().is_empty() {
            return Ok(None);
        }
        let form = "The checksum parameter has to be in format <algorithm>:<checksum>";
        let (algorithm, value) = self.checksum.trim().split_once(':').ok_or_else(|| Failure::new(form))?;
        let algorithm = algorithm.trim().to_lowercase();
        if hasher(&algorithm).is_none() {
            let known = ALGORITHMS.join(", ");
            return Err(Failure::new(format!(
                "Unsupported checksum algorithm '{algorithm}': {known} are known"
            )));
        }
        let value = value.trim();
        let list = if let Some(path) = value.strip_prefix("file://") {
            Some(ctx.sys.read(&to_path(path))?)
        } else if value.starts_with("http://") || value.starts_with("https://") {
            let sent = self.request(ctx, "GET", value, None, false)?;
            let mut reply = http::send(ctx, &sent)?;
            if reply.status != 200 {
                return Err(Failure::new(format!("the checksums at {value}: {}", reply.message())));
            }
            let mut data = Vec::new();
            let read = reply.body.by_ref().take(DRY_LIMIT).read_to_end(&mut data);
            read.map_err(|error| Failure::new(format!("the checksums at {value}: {error}")))?;
            Some(data)
        } else {
            None
        };
        let hex = match list {
            None => value.chars().filter(char::is_ascii_alphanumeric).collect::<String>(),
            Some(list) => {
                let name = self
                    .url
                    .split(['?', '#'])
                    .next()
                    .and_then(|url| url.rsplit('/').next())
                    .unwrap_or_default();
                listed(&String::from_utf8_lossy(&list), name).ok_or_else(|| {
                    Failure::new(format!("Unable to find a checksum for file '{name}' in '{value}'"))
                })?
            }
        };
        let hex = hex.to_lowercase();
        if hex.is_empty() || !hex.chars().all(|c| c.is_ascii_hexdigit()) {
            return Err(Failure::new("The checksum format is invalid: it must be hex digits"));
        }
        Ok(Some(Checksum { algorithm, hex }))
    }

    /// Writes the content as it comes. A content that is there already is not written again.
    fn place(
        &self,
        ctx: &Ctx<'_>,
        dest: &Path,
        old: Option<&Meta>,
        owner: &Ownership<'_>,
        reply: Reply,
        checksum: Option<&Checksum>,
    ) -> Result<(Sums, Option<PathBuf>), Failure> {
        let sums = Sums::new(checksum);
        let length = reply.length();
        let mut body = Checked { body: reply.body, sums: sums.clone(), checksum, length, seen: 0 };
        let mut backup = None;
        let fresh = match old {
            Some(_) => differing(&mut *ctx.sys.open(dest)?, &mut body).map_err(|error| broken(&error))?,
            None => Some((0, Vec::new())),
        };
        if let Some((same, read)) = fresh {
            if old.is_some() && self.backup {
                backup = Some(files::back_up(ctx, dest)?);
            }
            let start: Box<dyn Read> = match old {
                Some(_) => Box::new(ctx.sys.open(dest)?.take(same)),
                None => Box::new(std::io::empty()),
            };
            let new: NewFile = owner.new_file(ctx, old);
            let mut content = start.chain(Cursor::new(read)).chain(body);
            ctx.sys.write(dest, &mut content, &new).map_err(|error| Failure::new(error.why.clone()))?;
        }
        Ok((sums, backup))
    }
}

fn broken(error: &Error) -> Failure {
    Failure::new(error.to_string())
}

/// Where two streams begin to differ: after how many equal bytes, and what of the second has been read beyond them.
/// None: they are equal.
fn differing(old: &mut dyn Read, new: &mut dyn Read) -> std::io::Result<Option<(u64, Vec<u8>)>> {
    let (mut ours, mut theirs) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let mut same = 0;
    loop {
        let length = new.read(&mut theirs)?;
        if length == 0 {
            return Ok(if old.read(&mut ours)? == 0 { None } else { Some((same, Vec::new())) });
        }
        let mut have = 0;
        while have < length {
            match old.read(&mut ours[have..length])? {
                0 => break,
                more => have += more,
            }
        }
        if ours[..have] != theirs[..length] {
            return Ok(Some((same, theirs[..length].to_vec())));
        }
        same += length as u64;
    }
}

/// A line `HEX  name`, `HEX *dir/name` or `SHA256 (name) = HEX`; or the only word of a file.
fn listed(list: &str, name: &str) -> Option<String> {
    let lines: Vec<Vec<&str>> = list
        .lines()
        .map(|line| line.split_whitespace().collect())
        .filter(|words: &Vec<&str>| !words.is_empty())
        .collect();
    if let [words] = lines.as_slice()
        && let [only] = words.as_slice()
    {
        return Some((*only).to_owned());
    }
    lines.iter().find_map(|words| match words.as_slice() {
        [hex, file, ..] if file.trim_start_matches('*').rsplit('/').next() == Some(name) => {
            Some((*hex).to_owned())
        }
        [_, file, "=", hex] if file.trim_matches(['(', ')']) == name => Some((*hex).to_owned()),
        _ => None,
    })
}

const ALGORITHMS: [&str; 6] = ["md5", "sha1", "sha224", "sha256", "sha384", "sha512"];

fn hasher(name: &str) -> Option<Box<dyn DynDigest>> {
    Some(match name {
        "md5" => Box::new(md5::Md5::default()),
        "sha1" => Box::new(sha1::Sha1::default()),
        "sha224" => Box::new(sha2::Sha224::default()),
        "sha256" => Box::new(sha2::Sha256::default()),
        "sha384" => Box::new(sha2::Sha384::default()),
        "sha512" => Box::new(sha2::Sha512::default()),
        _ => return None,
    })
}

/// SHA-1, MD5 and what the task asks for, of a content that passes by.
#[derive(Clone)]
struct Sums(Rc<RefCell<Vec<Box<dyn DynDigest>>>>);

impl Sums {
    fn new(checksum: Option<&Checksum>) -> Self {
        let names = ["sha1", "md5"].into_iter().chain(checksum.map(|checksum| checksum.algorithm.as_str()));
        Self(Rc::new(RefCell::new(names.filter_map(hasher).collect())))
    }

    fn update(&self, data: &[u8]) {
        for hasher in self.0.borrow_mut().iter_mut() {
            hasher.update(data);
        }
    }

    fn hex(&self, index: usize) -> String {
        let digest = self.0.borrow().get(index).map(|hasher| hasher.clone().finalize());
        digest.iter().flat_map(|bytes| bytes.iter()).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A content that ends in an error unless it is complete and right.
struct Checked<'a> {
    body: Box<dyn Read>,
    sums: Sums,
    checksum: Option<&'a Checksum>,
    length: Option<u64>,
    seen: u64,
}

impl Read for Checked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.body.read(buffer)?;
        if length > 0 || buffer.is_empty() {
            self.seen += length as u64;
            self.sums.update(&buffer[..length]);
            return Ok(length);
        }
        if let Some(expected) = self.length.filter(|expected| *expected != self.seen) {
            return Err(Error::other(format!("the content ends after {} of {expected} bytes", self.seen)));
        }
        let Some(checksum) = self.checksum else { return Ok(0) };
        let found = self.sums.hex(2);
        if found == checksum.hex {
            return Ok(0);
        }
        Err(Error::other(format!(
            "The checksum for the download did not match {}; it was {found}.",
            checksum.hex
        )))
    }
}
