//! Installing and listing collections.

use super::requirements::{Source, Wanted};
use super::{NO_SERVER, Result, because, fetch, place, workshop};
use provision_source::{Diagnostics, Node, Sources};
use semver::{Version, VersionReq};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// How to install.
#[derive(Debug, Default, Clone)]
pub struct Options {
    pub force: bool,
    pub no_deps: bool,
}

/// Keys of `galaxy.yml` in the order in which a manifest has them, with what stands for a missing one.
const INFO: &[(&str, &str)] = &[
    ("namespace", "null"),
    ("name", "null"),
    ("version", "null"),
    ("authors", "[]"),
    ("readme", "null"),
    ("tags", "[]"),
    ("description", "null"),
    ("license", "[]"),
    ("license_file", "null"),
    ("dependencies", "{}"),
    ("repository", "null"),
    ("documentation", "null"),
    ("homepage", "null"),
    ("issues", "null"),
];

/// A collection whose files are at hand.
struct Fetched {
    dir: PathBuf,
    name: String,
    namespace: String,
    version: String,
    info: Map<String, Value>,
    /// Files and patterns that are not part of it.
    ignore: Vec<String>,
    /// Came with a manifest, as archives that were built do.
    built: bool,
}

/// Installs collections into `root/ansible_collections`; `searched` are all paths, for what is there already.
pub fn install(
    wanted: &[Wanted],
    root: &Path,
    searched: &[PathBuf],
    options: &Options,
    say: &dyn Fn(&str),
) -> Result<()> {
    let tree = tree_of(root);
    let mut dependencies: Vec<(String, String, String)> = Vec::new();
    for one in wanted {
        let workshop = workshop(&tree.join("any"))?;
        let git = matches!(one.source, Source::Git { .. });
        let files = fetch::fetch(&one.source, one.version.as_deref().filter(|_| git), workshop.path())
            .map_err(|why| format!("{}: {why}", one.source))?;
        for fetched in collections(&files, &one.source)? {
            let full = format!("{}.{}", fetched.namespace, fetched.name);
            if let Some(range) = one.version.as_deref().filter(|_| !git)
                && !fits(&fetched.version, range)?
            {
                return Err(format!("{} holds {full} {}, which is not {range}", one.source, fetched.version));
            }
            for (name, range) in
                fetched.info.get("dependencies").and_then(Value::as_object).into_iter().flatten()
            {
                dependencies.push((full.clone(), name.clone(), range.as_str().unwrap_or("*").to_owned()));
            }
            let dest = tree.join(&fetched.namespace).join(&fetched.name);
            if !options.force && !git && version_of(&dest).as_deref() == Some(&*fetched.version) {
                say(&format!("'{full}:{}' is already installed, skipping.", fetched.version));
                continue;
            }
            say(&format!("Installing '{full}:{}' to '{}'", fetched.version, dest.display()));
            let parent = tree.join(&fetched.namespace);
            because(std::fs::create_dir_all(&parent), || format!("cannot create {}", parent.display()))?;
            if fetched.built {
                verify(&fetched.dir)?;
            } else {
                for pattern in &fetched.ignore {
                    leave_out(&fetched.dir, pattern)?;
                }
                manifest(&fetched)?;
            }
            place(&fetched.dir, &dest, workshop.path())?;
            say(&format!("{full}:{} was installed successfully", fetched.version));
            // The next of the same source needs the name again.
            let _ = std::fs::remove_dir_all(workshop.path().join("replaced"));
        }
    }
    if options.no_deps {
        return Ok(());
    }
    let places: Vec<PathBuf> = std::iter::once(root.to_owned()).chain(searched.iter().cloned()).collect();
    for (by, name, range) in dependencies {
        let there = name.split_once('.').and_then(|(namespace, short)| {
            places.iter().find_map(|place| version_of(&tree_of(place).join(namespace).join(short)))
        });
        match there {
            Some(version) if fits(&version, &range)? => {}
            Some(version) => return Err(format!("{by} needs {name} {range}, and {version} is installed")),
            None => return Err(format!("{by} needs {name} {range}: {NO_SERVER}")),
        }
    }
    Ok(())
}

/// Collections and versions below the paths, in the form of `ansible-galaxy collection list`.
pub fn list(paths: &[PathBuf]) -> String {
    let mut text = String::new();
    for path in paths {
        let tree = tree_of(path);
        let mut rows: Vec<(String, String)> = Vec::new();
        for namespace in sorted(&tree) {
            for dir in sorted(&namespace) {
                let version = version_of(&dir)
                    .or_else(|| read_galaxy(&dir).ok().map(|(info, _)| text_of(&info, "version")));
                if let (Some(version), Some(a), Some(b)) = (version, namespace.file_name(), dir.file_name()) {
                    rows.push((format!("{}.{}", a.to_string_lossy(), b.to_string_lossy()), version));
                }
            }
        }
        if rows.is_empty() {
            continue;
        }
        let left = rows.iter().map(|(name, _)| name.len()).chain(["Collection".len()]).max().unwrap_or(0);
        let right = rows.iter().map(|(_, version)| version.len()).chain(["Version".len()]).max().unwrap_or(0);
        text.push_str(&format!("\n# {}\n{:left$} {:right$}\n", tree.display(), "Collection", "Version"));
        text.push_str(&format!("{} {}\n", "-".repeat(left), "-".repeat(right)));
        for (name, version) in rows {
            text.push_str(&format!("{name:left$} {version:right$}\n"));
        }
    }
    text
}

fn tree_of(root: &Path) -> PathBuf {
    if root.ends_with("ansible_collections") { root.to_owned() } else { root.join("ansible_collections") }
}

fn sorted(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    found.retain(|path| !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')));
    found.sort();
    found
}

/// The collection in a directory, or those in its subdirectories.
fn collections(files: &Path, source: &Source) -> Result<Vec<Fetched>> {
    let mut found = Vec::new();
    for dir in std::iter::once(files.to_owned()).chain(sorted(files)) {
        if dir.join("MANIFEST.json").is_file() || dir.join("galaxy.yml").is_file() {
            found.push(describe(&dir).map_err(|why| format!("{source}: {why}"))?);
            if dir == files {
                break;
            }
        }
    }
    match found.is_empty() {
        true => {
            Err(format!("{source} holds no collection: there is neither MANIFEST.json nor galaxy.yml in it"))
        }
        false => Ok(found),
    }
}

fn describe(dir: &Path) -> Result<Fetched> {
    let built = dir.join("MANIFEST.json").is_file();
    let (info, ignore) = if built {
        let manifest = read_json(&dir.join("MANIFEST.json"))?;
        let info = manifest.get("collection_info").and_then(Value::as_object).cloned();
        (info.ok_or("MANIFEST.json has no collection_info")?, Vec::new())
    } else {
        read_galaxy(dir)?
    };
    let part = |key: &str| {
        let text = text_of(&info, key);
        // Both become directories.
        let plain = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if plain { Ok(text) } else { Err(format!("`{text}` is no {key} of a collection")) }
    };
    Ok(Fetched {
        name: part("name")?,
        namespace: part("namespace")?,
        version: text_of(&info, "version"),
        dir: dir.to_owned(),
        info,
        ignore,
        built,
    })
}

fn text_of(info: &Map<String, Value>, key: &str) -> String {
    match info.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

/// `galaxy.yml` as a manifest's information, and its `build_ignore`.
fn read_galaxy(dir: &Path) -> Result<(Map<String, Value>, Vec<String>)> {
    let path = dir.join("galaxy.yml");
    let (sources, mut diags) = (Sources::new(), Diagnostics::new());
    let file = sources.read(&path).map_err(|_| format!("cannot read {}", path.display()))?;
    let node = provision_source::load(&sources, file, &mut diags).and_then(|all| all.into_iter().next());
    let Some(node) = node.filter(|node| node.as_map().is_some()) else {
        return Err(format!(
            "galaxy.yml is no mapping\n{}",
            provision_source::render(&diags, &sources, false, None)
        ));
    };
    let json = node.to_json();
    let mut info = Map::new();
    for (key, missing) in INFO {
        let value = json.get(key).cloned().unwrap_or_else(|| missing.parse().unwrap_or(Value::Null));
        info.insert((*key).to_owned(), value);
    }
    let ignore = node.get("build_ignore").and_then(Node::as_seq).unwrap_or_default();
    let ignore = ignore.iter().filter_map(Node::as_str).map(str::to_owned).collect();
    Ok((info, ignore))
}

fn read_json(path: &Path) -> Result<Value> {
    let text = because(std::fs::read_to_string(path), || format!("cannot read {}", path.display()))?;
    because(serde_json::from_str(&text), || format!("cannot read {}", path.display()))
}

/// The version of what is installed in a directory.
fn version_of(dir: &Path) -> Option<String> {
    let manifest = read_json(&dir.join("MANIFEST.json")).ok()?;
    manifest.pointer("/collection_info/version")?.as_str().map(str::to_owned)
}

/// Is `version` within Ansible's kind of range: ">=1.0.0,<2.0.0", "1.2.3", "*"?
fn fits(version: &str, range: &str) -> Result<bool> {
    let parsed = because(Version::parse(version), || format!("the version `{version}`"))?;
    for part in range.split(',').map(str::trim).filter(|part| !part.is_empty() && *part != "*") {
        let fits = if let Some(not) = part.strip_prefix("!=") {
            version != not.trim()
        } else {
            let exact = part.starts_with(|c: char| c.is_ascii_digit()) || part.starts_with("==");
            let text = if exact { format!("={}", part.trim_start_matches('=')) } else { part.to_owned() };
            because(VersionReq::parse(&text), || format!("the range `{range}`"))?.matches(&parsed)
        };
        if !fits {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Removes what `build_ignore` names.
fn leave_out(dir: &Path, pattern: &str) -> Result<()> {
    let glob =
        because(globset::Glob::new(pattern), || format!("build_ignore `{pattern}`"))?.compile_matcher();
    let mut all = Vec::new();
    walk(dir, dir, &mut all)?;
    for (name, path) in all {
        if !glob.is_match(&name) {
            continue;
        }
        let gone = if path.is_dir() && !path.is_symlink() {
            std::fs::remove_dir_all(&path)
        } else {
            std::fs::remove_file(&path)
        };
        match gone {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(format!("cannot leave out {name}: {error}"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Everything below, as (name from the root, path), directories before what they hold.
fn walk(root: &Path, dir: &Path, found: &mut Vec<(String, PathBuf)>) -> Result<()> {
    let entries = because(std::fs::read_dir(dir), || format!("cannot read {}", dir.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
        let deeper = path.is_dir() && !path.is_symlink();
        found.push((name, path.clone()));
        if deeper {
            walk(root, &path, found)?;
        }
    }
    Ok(())
}

fn digest(path: &Path) -> Result<String> {
    let mut file = because(std::fs::File::open(path), || format!("cannot read {}", path.display()))?;
    let mut hash = Sha256::new();
    because(std::io::copy(&mut file, &mut hash), || format!("cannot read {}", path.display()))?;
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Writes MANIFEST.json and FILES.json, as building the collection would have.
fn manifest(fetched: &Fetched) -> Result<()> {
    let entry = |name: &str, sum: Option<String>| {
        json!({
            "name": name,
            "ftype": if sum.is_some() { "file" } else { "dir" },
            "chksum_type": sum.is_some().then_some("sha256"),
            "chksum_sha256": sum,
            "format": 1,
        })
    };
    let mut all = Vec::new();
    walk(&fetched.dir, &fetched.dir, &mut all)?;
    let mut files = vec![entry(".", None)];
    for (name, path) in all {
        if name == "galaxy.yml" {
            because(std::fs::remove_file(&path), || "cannot leave out galaxy.yml".to_owned())?;
            continue;
        }
        let sum = if path.is_dir() { None } else { Some(digest(&path)?) };
        files.push(entry(&name, sum));
    }
    let write = |name: &str, value: &Value| -> Result<()> {
        let text = because(serde_json::to_string_pretty(value), || name.to_owned())?;
        because(std::fs::write(fetched.dir.join(name), text), || format!("cannot write {name}"))
    };
    write("FILES.json", &json!({"files": files, "format": 1}))?;
    let sum = digest(&fetched.dir.join("FILES.json"))?;
    let own = json!({
        "name": "FILES.json", "ftype": "file", "chksum_type": "sha256", "chksum_sha256": sum, "format": 1,
    });
    write("MANIFEST.json", &json!({"collection_info": fetched.info, "file_manifest_file": own, "format": 1}))
}

/// Compares an archive's files with the checksums it came with.
fn verify(dir: &Path) -> Result<()> {
    let manifest = read_json(&dir.join("MANIFEST.json"))?;
    let list = dir.join("FILES.json");
    let check = |path: &Path, wanted: Option<&str>| -> Result<()> {
        match wanted {
            Some(wanted) if digest(path)? != wanted => {
                Err(format!("{} is damaged: its checksum differs", path.display()))
            }
            _ => Ok(()),
        }
    };
    check(&list, manifest.pointer("/file_manifest_file/chksum_sha256").and_then(Value::as_str))?;
    for file in read_json(&list)?.get("files").and_then(Value::as_array).into_iter().flatten() {
        let name = file.get("name").and_then(Value::as_str).unwrap_or_default();
        if file.get("ftype").and_then(Value::as_str) == Some("file") {
            check(&dir.join(name), file.get("chksum_sha256").and_then(Value::as_str))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_ansibles() {
        for (version, range, fitting) in [
            ("1.2.3", "*", true),
            ("1.2.3", "1.2.3", true),
            ("1.2.4", "1.2.3", false),
            ("1.2.4", ">=1.2.0,<2.0.0", true),
            ("2.0.0", ">=1.2.0,<2.0.0", false),
            ("1.0.0", "!=1.0.0", false),
        ] {
            assert_eq!(fits(version, range), Ok(fitting), "{version} {range}");
        }
        assert!(fits("1.2.3", ">=?").is_err());
    }
}
