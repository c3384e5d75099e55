//! All that is below a directory: `community.general.filetree`.

use super::Found;
use provision_templates::{Kwargs, Scope, TemplateError, Value, mapping};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

/// Most entries listed.
const MOST: usize = 100_000;

pub(super) fn filetree(terms: &[String], kwargs: &Kwargs, scope: &Arc<dyn Scope>) -> Found {
    if let Some(name) = kwargs.keys().find(|name| *name != "exclude") {
        return Err(TemplateError::runtime(format!("filetree: there is no option `{name}`")));
    }
    let exclude = super::text(kwargs, "exclude");
    let dirs = super::dirs(scope);
    let mut found = Vec::new();
    for term in terms {
        for root in dirs.candidates("files", term) {
            if root.is_dir() {
                walk(&root, &root, exclude.as_deref(), &mut found)?;
                break;
            }
        }
    }
    Ok(found)
}

fn walk(root: &Path, dir: &Path, exclude: Option<&str>, found: &mut Vec<Value>) -> Result<(), TemplateError> {
    let failed =
        |error: std::io::Error| TemplateError::runtime(format!("filetree: {}: {error}", dir.display()));
    let mut names: Vec<_> =
        std::fs::read_dir(dir).map_err(failed)?.flatten().map(|entry| entry.file_name()).collect();
    names.sort();
    let mut below = Vec::new();
    for name in names {
        let path = dir.join(&name);
        let relative = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
        if let Some(exclude) = exclude
            && provision_templates::regex_matches(exclude, &relative)?
        {
            continue;
        }
        if found.len() >= MOST {
            return Err(TemplateError::runtime(format!("filetree: more than {MOST} entries")));
        }
        found.push(entry(root, &path, &relative).map_err(failed)?);
        if path.is_dir() && !path.is_symlink() {
            below.push(path);
        }
    }
    below.iter().try_for_each(|dir| walk(root, dir, exclude, found))
}

fn entry(root: &Path, path: &Path, relative: &str) -> std::io::Result<Value> {
    let data = path.symlink_metadata()?;
    let user = name_of("/etc/passwd", data.uid());
    let group = name_of("/etc/group", data.gid());
    let mut pairs =
        vec![("root", Value::from(format!("{}/", root.display()))), ("path", Value::from(relative))];
    let kind = if data.is_symlink() {
        pairs.push(("src", Value::from(std::fs::read_link(path)?.to_string_lossy().into_owned())));
        "link"
    } else if data.is_dir() {
        "directory"
    } else {
        pairs.push(("src", Value::from(path.to_string_lossy().into_owned())));
        "file"
    };
    pairs.extend([
        ("state", Value::from(kind)),
        ("uid", Value::from(data.uid())),
        ("gid", Value::from(data.gid())),
        ("owner", Value::from(user)),
        ("group", Value::from(group)),
        ("mode", Value::from(format!("0{:03o}", data.permissions().mode() & 0o7777))),
        ("size", Value::from(data.len())),
        ("mtime", Value::from(data.mtime() as f64 + data.mtime_nsec() as f64 / 1e9)),
        ("ctime", Value::from(data.ctime() as f64 + data.ctime_nsec() as f64 / 1e9)),
    ]);
    Ok(mapping(pairs))
}

/// The name of a user or group, by the file that lists them.
fn name_of(file: &str, id: u32) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let named = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    };
    text.lines().find_map(named)
}
