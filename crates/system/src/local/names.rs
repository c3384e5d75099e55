//! Users and groups: the files first, `getent` for what name services know beyond them.

use super::Local;
use crate::{Command, Group, SysError, SysResult, System, User, accounts};
use std::path::Path;

pub(super) fn user(local: &Local, name: &str) -> SysResult<Option<User>> {
    if let Some(user) = accounts::find_user(&file("/etc/passwd")?, name) {
        return Ok(Some(user));
    }
    Ok(getent(local, "passwd", name)?.and_then(|line| accounts::users(&line).next()))
}

pub(super) fn group(local: &Local, name: &str) -> SysResult<Option<Group>> {
    if let Some(group) = accounts::find_group(&file("/etc/group")?, name) {
        return Ok(Some(group));
    }
    Ok(getent(local, "group", name)?.and_then(|line| accounts::groups(&line).next()))
}

fn file(path: &str) -> SysResult<Vec<u8>> {
    match std::fs::read(path) {
        Ok(data) => Ok(data),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(SysError::io("read", Path::new(path), &e)),
    }
}

/// The entry as a line of the file it would stand in.
fn getent(local: &Local, database: &str, name: &str) -> SysResult<Option<Vec<u8>>> {
    if name.is_empty() || name.starts_with('-') || name.contains(['\0', '\n', ':']) || only_files(database) {
        return Ok(None);
    }
    match local.query(&Command::new(["getent", database, name])) {
        Ok(output) if output.ok() => Ok(Some(output.stdout)),
        // 2: no such key. 1 and 3: this getent has no such database, or cannot list it.
        Ok(_) => Ok(None),
        // A machine without getent has no other name services than the files.
        Err(e) if e.is_not_found() => Ok(None),
        Err(e) => Err(e),
    }
}

/// Whether nsswitch.conf(5) names nothing but the files for this database: no process need be asked.
fn only_files(database: &str) -> bool {
    let Ok(text) = std::fs::read_to_string("/etc/nsswitch.conf") else { return false };
    text.lines().filter_map(|line| line.split('#').next()?.split_once(':')).any(|(name, sources)| {
        name.trim() == database && sources.split_whitespace().all(|source| source == "files")
    })
}
