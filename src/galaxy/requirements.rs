//! `requirements.yml` and sources on the command line.

use provision_source::{Diagnostic, Diagnostics, Mapping, Node, Sources, Span, Yaml, nearest};
use std::path::{Path, PathBuf};

/// What a file asks for.
#[derive(Debug, Default)]
pub struct Requirements {
    pub roles: Vec<Wanted>,
    pub collections: Vec<Wanted>,
}

/// One role or collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// As the file or the command line calls it; None: the source knows.
    pub name: Option<String>,
    pub source: Source,
    /// For git a branch, tag or commit; for archives of collections a range such as ">=1.0,<2".
    pub version: Option<String>,
}

/// Where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The repository, and the directory in it.
    Git {
        url: String,
        below: Option<PathBuf>,
    },
    Archive(PathBuf),
    Directory(PathBuf),
    /// Only a Galaxy server knows it.
    Server(String),
    /// An archive that would have to be downloaded.
    Download(String),
}

const ROLE: &[&str] = &["name", "src", "scm", "version", "role", "include"];
const COLLECTION: &[&str] = &["name", "source", "type", "version", "signatures"];
const TYPES: &[&str] = &["file", "galaxy", "git", "url", "dir", "subdirs"];

/// Reads a requirements file: a list of roles, or `roles:` and `collections:`.
pub fn read(sources: &Sources, path: &Path, diags: &mut Diagnostics) -> Requirements {
    let mut found = Requirements::default();
    read_into(sources, path, &mut Vec::new(), &mut found, diags);
    found
}

fn read_into(
    sources: &Sources,
    path: &Path,
    around: &mut Vec<PathBuf>,
    found: &mut Requirements,
    diags: &mut Diagnostics,
) {
    let file = match sources.read(path) {
        Ok(file) => file,
        Err(diagnostic) => return diags.push(diagnostic),
    };
    let Some(document) = provision_source::load(sources, file, diags).and_then(|all| all.into_iter().next())
    else {
        return;
    };
    let dir = path.parent().unwrap_or(Path::new("."));
    around.push(path.to_owned());
    let mut roles = |list: &Node, found: &mut Requirements, diags: &mut Diagnostics| {
        for entry in entries(list, "roles", diags) {
            let include = entry.get("include").and_then(Node::as_str).map(|name| dir.join(name));
            match include {
                Some(file) if around.contains(&file) => diags.push(
                    Diagnostic::error("requirements include each other without end")
                        .at(entry.span, "included again"),
                ),
                Some(file) => read_into(sources, &file, around, found, diags),
                None => found.roles.extend(role(entry, dir, diags)),
            }
        }
    };
    match &document.value {
        Yaml::Null => {}
        Yaml::Seq(_) => roles(&document, found, diags),
        Yaml::Map(map) => {
            known(map, &["roles", "collections"], "a requirements file", diags);
            if let Some(list) = map.get("roles") {
                roles(list, found, diags);
            }
            if let Some(list) = map.get("collections") {
                for entry in entries(list, "collections", diags) {
                    found.collections.extend(collection(entry, dir, diags));
                }
            }
        }
        _ => diags.push(
            Diagnostic::error("a requirements file holds `roles:` and `collections:`")
                .at(document.span, format!("this is a {}", document.kind_name())),
        ),
    }
    around.pop();
}

fn entries<'a>(list: &'a Node, what: &str, diags: &mut Diagnostics) -> &'a [Node] {
    match &list.value {
        Yaml::Null => &[],
        Yaml::Seq(items) => items,
        _ => {
            diags.push(
                Diagnostic::error(format!("`{what}` must be a list"))
                    .at(list.span, format!("this is a {}", list.kind_name())),
            );
            &[]
        }
    }
}

fn known(map: &Mapping, names: &[&'static str], what: &str, diags: &mut Diagnostics) {
    for key in map.keys() {
        let name = key.scalar_text().unwrap_or_default();
        if !names.contains(&&*name) {
            diags.push(
                Diagnostic::error(format!("`{name}` is no key of {what}"))
                    .at(key.span, "not known here")
                    .did_you_mean(nearest(&name, names.iter().copied())),
            );
        }
    }
}

fn role(entry: &Node, dir: &Path, diags: &mut Diagnostics) -> Option<Wanted> {
    let Some(map) = entry.as_map() else {
        return match entry.as_str() {
            Some(text) => Some(from_argument(text, dir)),
            None => {
                diags.push(
                    Diagnostic::error("a role is named by its source, or by a mapping with `src`")
                        .at(entry.span, format!("this is a {}", entry.kind_name())),
                );
                None
            }
        };
    };
    known(map, ROLE, "a role in requirements", diags);
    let text = |key: &str| map.get(key).and_then(|node| node.scalar_text()).map(|text| text.to_string());
    let Some(src) = text("src").or_else(|| text("role")).or_else(|| text("name")) else {
        diags.push(Diagnostic::error("a role needs `src`").at(entry.span, "nothing says where it is"));
        return None;
    };
    let mut wanted = from_argument(&src, dir);
    wanted.version = text("version").or(wanted.version);
    wanted.name = text("name").filter(|name| *name != src).or(wanted.name);
    match text("scm").as_deref() {
        None => {}
        Some("git") => wanted.source = git(&src),
        Some(other) => {
            let span = map.get("scm").map_or(entry.span, |node| node.span);
            diags.push(
                Diagnostic::error(format!("`scm: {other}` is not supported")).at(span, "there is `git`"),
            );
        }
    }
    Some(wanted)
}

fn collection(entry: &Node, dir: &Path, diags: &mut Diagnostics) -> Option<Wanted> {
    let Some(map) = entry.as_map() else {
        return match entry.as_str() {
            Some(text) => Some(collection_from(text, None, None, dir)),
            None => {
                diags.push(
                    Diagnostic::error("a collection is named by its source, or by a mapping with `name`")
                        .at(entry.span, format!("this is a {}", entry.kind_name())),
                );
                None
            }
        };
    };
    known(map, COLLECTION, "a collection in requirements", diags);
    let span = |key: &str| map.get(key).map_or(Span::default(), |node| node.span);
    let text = |key: &str| map.get(key).and_then(|node| node.scalar_text()).map(|text| text.to_string());
    if map.contains_key("signatures") {
        diags.push(
            Diagnostic::error("signatures of collections are not checked")
                .at(span("signatures"), "remove this, if you can do without"),
        );
    }
    let kind = text("type");
    if let Some(kind) = kind.as_deref().filter(|kind| !TYPES.contains(kind)) {
        diags.push(
            Diagnostic::error(format!("there is no type `{kind}`"))
                .at(span("type"), format!("one of {}", TYPES.join(", ")))
                .did_you_mean(nearest(kind, TYPES.iter().copied())),
        );
        return None;
    }
    let Some(name) = text("name") else {
        diags.push(Diagnostic::error("a collection needs `name`").at(entry.span, "nothing says where it is"));
        return None;
    };
    // `source` holds the place when `name` is the collection's real name; it also names a server.
    let place =
        text("source").filter(|_| kind.as_deref().is_some_and(|kind| kind != "galaxy")).unwrap_or(name);
    Some(collection_from(&place, kind.as_deref(), text("version"), dir))
}

/// A collection's source as text, with the type if one is given.
fn collection_from(text: &str, kind: Option<&str>, version: Option<String>, dir: &Path) -> Wanted {
    let mut wanted = from_argument(text, dir);
    wanted.name = None;
    wanted.version = version.or(wanted.version).filter(|version| version != "*");
    match kind {
        Some("git") => {
            let plain = text.rsplit_once(',').map_or(text, |(url, _)| url);
            wanted.source = git(plain);
        }
        Some("dir" | "subdirs") => wanted.source = Source::Directory(dir.join(text)),
        Some("file") => wanted.source = Source::Archive(dir.join(text)),
        Some("url") => wanted.source = Source::Download(text.to_owned()),
        _ => {}
    }
    wanted
}

/// A source as on the command line: `git+URL`, a path, or `SRC,VERSION,NAME`.
pub fn from_argument(text: &str, dir: &Path) -> Wanted {
    let mut parts = text.split(',').map(str::trim);
    let src = parts.next().unwrap_or_default();
    let version = parts.next().filter(|part| !part.is_empty()).map(str::to_owned);
    let name = parts.next().filter(|part| !part.is_empty()).map(str::to_owned);
    // As a person means it who stands in the directory; then as the file does.
    let path = [PathBuf::from(src), dir.join(src)].into_iter().find(|path| path.exists());
    let remote = src.contains("://") || src.starts_with("git@");
    let archive =
        [".tar.gz", ".tgz", ".tar", ".zip", ".tar.xz", ".tar.bz2"].iter().any(|end| src.ends_with(end));
    let source = match path {
        Some(path) if path.is_dir() => Source::Directory(path),
        Some(path) => Source::Archive(path),
        None if src.starts_with("git+") || src.starts_with("git@") || src.ends_with(".git") => git(src),
        // ansible-galaxy takes these for repositories, too.
        None if src.contains("github.com") && !archive => git(src),
        None if remote => Source::Download(src.to_owned()),
        None if archive || src.contains('/') => Source::Archive(dir.join(src)),
        None => Source::Server(src.to_owned()),
    };
    Wanted { name, source, version }
}

/// `git+URL#/directory/`.
fn git(text: &str) -> Source {
    let text = text.strip_prefix("git+").unwrap_or(text);
    let (url, below) = match text.split_once('#') {
        Some((url, below)) => {
            (url, Some(PathBuf::from(below.trim_matches('/'))).filter(|b| !b.as_os_str().is_empty()))
        }
        None => (text, None),
    };
    Source::Git { url: url.to_owned(), below }
}

impl Source {
    /// The last part of the place, without what ends an archive's name: what a role is called unless told otherwise.
    pub fn short_name(&self) -> String {
        let text = match self {
            Source::Git { url, .. } | Source::Download(url) => url.clone(),
            Source::Archive(path) | Source::Directory(path) => path.to_string_lossy().into_owned(),
            Source::Server(name) => return name.clone(),
        };
        let last = text.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default();
        let mut name = last;
        for end in [".git", ".tar.gz", ".tgz", ".tar"] {
            name = name.strip_suffix(end).unwrap_or(name);
        }
        name.to_owned()
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::Git { url, .. } | Source::Download(url) => f.write_str(url),
            Source::Archive(path) | Source::Directory(path) => write!(f, "{}", path.display()),
            Source::Server(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        from_argument(text, Path::new("/nowhere")).source
    }

    #[test]
    fn sources_are_told_apart_by_their_looks() {
        let git = |url: &str| Source::Git { url: url.into(), below: None };
        assert_eq!(source("git+file:///srv/x"), git("file:///srv/x"));
        assert_eq!(source("git@host.test:me/x.git"), git("git@host.test:me/x.git"));
        assert_eq!(source("https://host.test/me/x.git"), git("https://host.test/me/x.git"));
        assert_eq!(
            source("https://host.test/x.tar.gz"),
            Source::Download("https://host.test/x.tar.gz".into())
        );
        assert_eq!(source("geerlingguy.nginx"), Source::Server("geerlingguy.nginx".into()));
        assert_eq!(source("x.tar.gz"), Source::Archive("/nowhere/x.tar.gz".into()));
        assert_eq!(
            source("git+https://host.test/x.git#/a/b/"),
            Source::Git { url: "https://host.test/x.git".into(), below: Some("a/b".into()) }
        );
    }

    #[test]
    fn version_and_name_follow_after_commas() {
        let wanted = from_argument("git+https://host.test/x.git, v1, web", Path::new("/nowhere"));
        assert_eq!((wanted.version.as_deref(), wanted.name.as_deref()), (Some("v1"), Some("web")));
    }

    #[test]
    fn a_role_is_called_like_its_repository() {
        for (text, name) in [
            ("https://host.test/me/ansible-role-x.git", "ansible-role-x"),
            ("git@host.test:x.git", "x"),
            ("/srv/x-1.0.tar.gz", "x-1.0"),
        ] {
            assert_eq!(source(text).short_name(), name, "{text}");
        }
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("requirements.yml");
        std::fs::write(
            &path,
            "roles:\n  - scr: x\n  - src: y\n    scm: svn\ncollections:\n  - name: a.b\n    type: gti\n  - 7\n",
        )
        .unwrap();
        let (sources, mut diags) = (Sources::new(), Diagnostics::new());
        read(&sources, &path, &mut diags);
        let text = provision_source::render(&diags, &sources, false, None);
        for part in ["`scr` is no key", "needs `src`", "scm: svn", "no type `gti`", "this is a"] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert_eq!(diags.error_count(), 5, "{text}");
    }
}
