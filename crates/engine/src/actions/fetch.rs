//! `fetch`: a file of the target, kept on the control machine.

use super::agent;
use crate::host_task::{Attempt, Reply};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use provision_args::Args;
use provision_system::text::{to_os, to_path};
use provision_system::{Local, System};
use serde_json::{Map, Value, json};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Copies a file of the target to the control machine.
#[derive(Debug, Args)]
#[args(name = "fetch")]
pub struct FetchArgs {
    /// The file on the target.
    #[arg(required)]
    pub src: String,
    /// A directory of the control machine: the file becomes `DEST/HOST/SRC` in it.
    #[arg(required)]
    pub dest: String,
    /// Take `dest` for the file itself, or with a slash at its end for the directory it goes to.
    #[arg(default = "no")]
    pub flat: bool,
    /// Fail when there is no such file.
    #[arg(default = "yes")]
    pub fail_on_missing: bool,
    /// Compare the checksums afterwards.
    #[arg(default = "yes")]
    pub validate_checksum: bool,
}

/// Bytes that come in one answer.
const CHUNK: u64 = 8 << 20;

pub async fn run(attempt: &Attempt<'_>, args: &Map<String, Value>) -> Reply {
    let args = match super::parse::<FetchArgs>(args) {
        Ok(args) => args,
        Err(reply) => return *reply,
    };
    let query = json!({"path": args.src, "follow": true, "get_mime": false, "get_attributes": false});
    let seen = agent::call(attempt, "ansible.builtin.stat", object(query)).await;
    if seen.unreachable || seen.failed {
        return seen;
    }
    let stat = seen.result.get("stat").cloned().unwrap_or_default();
    let flag = |name: &str| stat.get(name).and_then(Value::as_bool).unwrap_or(false);
    let problem = match () {
        () if !flag("exists") => Some("the remote file does not exist, not transferring, ignored"),
        () if flag("isdir") => Some("remote file is a directory, fetch cannot work on directories"),
        () if !flag("isreg") => Some("remote file is no regular file, fetch cannot work on it"),
        () if stat.get("checksum").is_none() => Some("remote file cannot be read, not transferring, ignored"),
        () => None,
    };
    if let Some(problem) = problem {
        let missing = json!({"msg": problem, "file": args.src, "changed": false});
        return match args.fail_on_missing {
            true => Reply { failed: true, ..Reply::ok(object(json!({"msg": problem, "changed": false}))) },
            false => Reply::ok(object(missing)),
        };
    }
    let checksum = stat.get("checksum").and_then(Value::as_str).unwrap_or_default().to_owned();
    let dest = match destination(attempt, &args) {
        Ok(dest) => dest,
        Err(why) => return Reply::fail(why),
    };
    let shown = dest.to_string_lossy().into_owned();
    if let Some((sha1, md5)) = sums(&dest).filter(|(sha1, _)| *sha1 == checksum) {
        return Reply::ok(object(
            json!({"changed": false, "checksum": sha1, "dest": shown, "file": args.src, "md5sum": md5}),
        ));
    }
    let changed = |checksum: &str, md5: Value| {
        object(json!({"changed": true, "checksum": checksum, "dest": shown, "md5sum": md5,
            "remote_checksum": checksum, "remote_md5sum": null}))
    };
    if attempt.check {
        return Reply::ok(changed(&checksum, Value::Null));
    }
    let size = stat.get("size").and_then(Value::as_u64).unwrap_or(0);
    match download(attempt, &args.src, size, &dest).await {
        Ok(()) => {}
        Err(Stop::Reply(reply)) => return *reply,
        Err(Stop::Io(error)) => return Reply::fail(format!("cannot write {shown}: {error}")),
    }
    let (sha1, md5) = sums(&dest).unwrap_or_default();
    if args.validate_checksum && sha1 != checksum {
        let result = json!({"msg": "checksum mismatch", "file": args.src, "dest": shown, "checksum": sha1,
            "remote_checksum": checksum, "changed": true});
        return Reply { failed: true, ..Reply::ok(object(result)) };
    }
    Reply::ok(changed(&checksum, md5.into()))
}

/// SHA-1 and MD5 of a file here; None where there is none.
fn sums(path: &Path) -> Option<(String, String)> {
    let local = Local::inherit();
    Some((local.digest(path, "sha1").ok()?, local.digest(path, "md5").ok()?))
}

/// Where the file goes.
fn destination(attempt: &Attempt<'_>, args: &FetchArgs) -> Result<PathBuf, String> {
    let expanded = match args.dest.strip_prefix("~/") {
        Some(rest) => format!("{}/{rest}", std::env::var("HOME").unwrap_or_default()),
        None => args.dest.clone(),
    };
    let base = attempt.run.task.dirs.play.join(to_path(&expanded));
    if !args.flat {
        let parts = args.src.split('/').filter(|part| !part.is_empty() && *part != "." && *part != "..");
        let path = base.join(to_os(&attempt.run.host.name));
        return Ok(parts.fold(path, |path, part| path.join(to_os(part))));
    }
    if args.dest.ends_with('/') {
        let name = args.src.rsplit('/').next().unwrap_or_default();
        return Ok(base.join(to_os(name)));
    }
    if base.is_dir() {
        return Err(
            "dest is an existing directory, use a trailing slash if you want to fetch src into that directory"
                .to_owned(),
        );
    }
    Ok(base)
}

/// Why nothing was fetched.
enum Stop {
    Reply(Box<Reply>),
    Io(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The file piece by piece, into a file beside `dest` that takes its place when it is complete.
async fn download(attempt: &Attempt<'_>, src: &str, size: u64, dest: &Path) -> Result<(), Stop> {
    let dir = dest.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(dir)?;
    let mut name = std::ffi::OsString::from(".");
    name.push(dest.file_name().unwrap_or_default());
    name.push(format!(".{}.part", std::process::id()));
    let part = dir.join(name);
    let file = OpenOptions::new().write(true).create_new(true).open(&part)?;
    let done = receive(attempt, src, size, file).await;
    match done.and_then(|()| Ok(std::fs::rename(&part, dest)?)) {
        Ok(()) => Ok(()),
        Err(stop) => {
            // The first error is the one to tell.
            let _ = std::fs::remove_file(&part);
            Err(stop)
        }
    }
}

async fn receive(attempt: &Attempt<'_>, src: &str, size: u64, mut file: File) -> Result<(), Stop> {
    let mut offset = 0;
    while offset < size {
        let piece = json!({"src": src, "_offset": offset, "_length": CHUNK});
        let reply = agent::call(attempt, "ansible.builtin.slurp", object(piece)).await;
        if reply.unreachable || reply.failed {
            return Err(Stop::Reply(Box::new(reply)));
        }
        let content = reply.result.get("content").and_then(Value::as_str).unwrap_or_default();
        let data = STANDARD.decode(content).map_err(io::Error::other)?;
        if data.is_empty() {
            break;
        }
        file.write_all(&data)?;
        offset += data.len() as u64;
    }
    Ok(file.sync_all()?)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
