//! What templates ask of paths.

use provision_templates::{PathQuery, TemplateError, Value};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

pub(super) fn ask(query: PathQuery<'_>) -> Result<Value, TemplateError> {
    let inode = |path: &str| std::fs::metadata(path).ok().map(|m| (m.dev(), m.ino()));
    Ok(match query {
        PathQuery::Exists(path) => Value::from(Path::new(path).exists()),
        PathQuery::LinkExists(path) => Value::from(Path::new(path).symlink_metadata().is_ok()),
        PathQuery::File(path) => Value::from(Path::new(path).is_file()),
        PathQuery::Directory(path) => Value::from(Path::new(path).is_dir()),
        PathQuery::Vaulted(path) => Value::from(vaulted(path)?),
        PathQuery::Link(path) => Value::from(Path::new(path).is_symlink()),
        PathQuery::Mount(path) => {
            let path = Path::new(path);
            let parent = path.join("..");
            let (own, above) = (path.metadata().ok(), parent.metadata().ok());
            Value::from(own.zip(above).is_some_and(|(a, b)| a.dev() != b.dev() || a.ino() == b.ino()))
        }
        PathQuery::Same(a, b) => Value::from(inode(a).is_some() && inode(a) == inode(b)),
        PathQuery::Real(path) => {
            let real = std::fs::canonicalize(path).or_else(|_| std::path::absolute(path));
            Value::from(real.map(|p| p.to_string_lossy().into_owned()).unwrap_or_else(|_| path.to_owned()))
        }
        PathQuery::ExpandUser(path) => Value::from(expand_user(path)),
        PathQuery::ExpandVars(path) => Value::from(expand_vars(path)),
        PathQuery::Glob(pattern) => glob(Path::new("/"), pattern).into_iter().map(Value::from).collect(),
    })
}

/// Files matching a pattern whose last part may hold wildcards; parts before it, too.
pub(super) fn glob(root: &Path, pattern: &str) -> Vec<String> {
    let mut level = vec![root.to_path_buf()];
    for part in pattern.split('/').filter(|p| !p.is_empty()) {
        let mut next = Vec::new();
        for dir in level {
            if !part.contains(['*', '?', '[']) {
                let path = dir.join(part);
                if path.symlink_metadata().is_ok() {
                    next.push(path);
                }
                continue;
            }
            let Ok(matcher) = globset::GlobBuilder::new(part).literal_separator(true).build() else {
                continue;
            };
            let matcher = matcher.compile_matcher();
            let mut names: Vec<_> =
                std::fs::read_dir(&dir).into_iter().flatten().flatten().map(|e| e.file_name()).collect();
            names.sort();
            let hidden = part.starts_with('.');
            next.extend(
                names
                    .into_iter()
                    .filter(|n| matcher.is_match(n) && (hidden || !n.to_string_lossy().starts_with('.')))
                    .map(|n| dir.join(n)),
            );
        }
        level = next;
    }
    level.into_iter().map(|p| provision_system::text::to_text(p.as_os_str())).collect()
}

fn expand_user(path: &str) -> String {
    match path.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            format!("{}{rest}", std::env::home_dir().unwrap_or_default().display())
        }
        _ => path.to_owned(),
    }
}

fn expand_vars(path: &str) -> String {
    let mut out = String::new();
    let mut rest = path;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let (name, length) = match after
            .strip_prefix('{')
            .and_then(|inner| inner.find('}').map(|end| (&inner[..end], end + 2)))
        {
            Some(found) => found,
            None => {
                let end = after.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(after.len());
                (&after[..end], end)
            }
        };
        match std::env::var(name) {
            Ok(value) if !name.is_empty() => out.push_str(&value),
            _ => out.push_str(&rest[at..=at + length]),
        }
        rest = &after[length..];
    }
    out + rest
}

/// Does the file begin like vaulted data? Only the first bytes are read.
fn vaulted(path: &str) -> Result<bool, TemplateError> {
    let mut first = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(64).read_to_end(&mut first));
    match read {
        Ok(_) => Ok(provision_vault::is_encrypted(&first)),
        Err(e) => Err(TemplateError::runtime(format!("Cannot test if the file '{path}' is a vault: {e}"))),
    }
}
