//! Lookups that read the control machine: files, environment, pipes, templates.

use provision_project::Dirs;
use provision_templates::{
    FileOptions, Kwargs, Lookups, PathQuery, Scope, TemplateError, TemplateSource, Templater, Value, to_json,
    to_text, unknown_lookup,
};
use provision_vault::Keyring;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// The control machine, as templates see it.
#[derive(Default)]
pub struct ControlMachine {
    /// Given after the templater is made: the `template` lookup needs it.
    templater: OnceLock<std::sync::Weak<Templater>>,
    vault: Arc<Keyring>,
}

impl ControlMachine {
    /// A templater that looks things up on this machine and decrypts with these passwords.
    pub fn templater(vault: Arc<Keyring>) -> Arc<Templater> {
        let machine = Arc::new(Self { vault, ..Self::default() });
        let templater = Arc::new(Templater::new(machine.clone()));
        let _ = machine.templater.set(Arc::downgrade(&templater));
        templater
    }
}

/// Can this lookup be used? Asked by looking nothing up.
pub fn exists(templater: &Templater, name: &str) -> bool {
    let scope: Arc<dyn Scope> = Arc::new(Nothing);
    let quoted = name.replace(['\'', '\\'], "");
    match templater.eval(&format!("query('{quoted}')"), &scope) {
        Ok(_) => true,
        Err(error) => {
            let text = &error.message;
            let unknown = text.contains("The lookup plugin") && text.contains("was not found");
            !(unknown || text.contains("is not supported yet"))
        }
    }
}

/// No variables.
#[derive(Debug)]
struct Nothing;

impl Scope for Nothing {
    fn get(&self, _name: &str) -> Result<Option<Value>, TemplateError> {
        Ok(None)
    }

    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}

type Found = Result<Vec<Value>, TemplateError>;

impl Lookups for ControlMachine {
    fn lookup(&self, name: &str, terms: &[Value], kwargs: &Kwargs, scope: &Arc<dyn Scope>) -> Found {
        let texts: Vec<String> = terms.iter().map(to_text).collect();
        match name {
            "env" => Ok(texts.iter().map(|t| env(t, kwargs)).collect()),
            "file" => texts.iter().map(|t| self.file(t, kwargs, scope)).collect(),
            "fileglob" => Ok(texts.iter().flat_map(|t| fileglob(t, scope)).map(Value::from).collect()),
            "first_found" => first_found(terms, kwargs, scope),
            "lines" => lines(&texts),
            "pipe" => texts
                .iter()
                .map(|t| pipe(t).map(|out| Value::from(out.trim_end_matches(['\n', '\r']))))
                .collect(),
            "password" => texts.iter().map(|t| password(t)).collect(),
            "template" => texts.iter().map(|t| self.template(t, kwargs, scope)).collect(),
            "unvault" => texts.iter().map(|t| self.unvault(t, scope)).collect(),
            "inventory_hostnames" | "config" | "csvfile" | "ini" | "url" => {
                Err(TemplateError::runtime(format!("the lookup `{name}` is not supported yet")))
            }
            _ => Err(unknown_lookup(name)),
        }
    }

    fn read_template(&self, name: &str, search: &[PathBuf]) -> Result<Option<TemplateSource>, TemplateError> {
        let candidates = if Path::new(name).is_absolute() {
            vec![PathBuf::from(name)]
        } else {
            search.iter().map(|dir| dir.join(name)).collect()
        };
        let Some(path) = candidates.into_iter().find(|path| path.is_file()) else { return Ok(None) };
        Ok(Some(TemplateSource { text: self.read(&path)?.0, path }))
    }

    fn vault(&self) -> &Keyring {
        &self.vault
    }

    fn path(&self, query: PathQuery<'_>) -> Result<Value, TemplateError> {
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
                Value::from(
                    real.map(|p| p.to_string_lossy().into_owned()).unwrap_or_else(|_| path.to_owned()),
                )
            }
            PathQuery::ExpandUser(path) => Value::from(expand_user(path)),
            PathQuery::ExpandVars(path) => Value::from(expand_vars(path)),
            PathQuery::Glob(pattern) => glob(Path::new("/"), pattern).into_iter().map(Value::from).collect(),
        })
    }
}

impl ControlMachine {
    /// A file's text, decrypted when it is vaulted, and whether it was.
    fn read(&self, path: &Path) -> Result<(String, bool), TemplateError> {
        let contents = self
            .vault
            .read(path)
            .map_err(|e| TemplateError::runtime(format!("cannot read {}: {e}", path.display())))?;
        Ok((provision_system::text::bytes_to_text(&contents.bytes), contents.secret))
    }

    fn file(&self, name: &str, kwargs: &Kwargs, scope: &Arc<dyn Scope>) -> Result<Value, TemplateError> {
        let (mut text, secret) = self.read(&locate("files", name, scope)?)?;
        if kwargs.get("rstrip").is_none_or(Value::is_true) {
            text.truncate(text.trim_end().len());
        }
        if kwargs.get("lstrip").is_some_and(Value::is_true) {
            text = text.trim_start().to_owned();
        }
        if secret {
            self.vault.tell(&text);
        }
        Ok(Value::from(text))
    }

    fn unvault(&self, name: &str, scope: &Arc<dyn Scope>) -> Result<Value, TemplateError> {
        let (text, secret) = self.read(&locate("files", name, scope)?)?;
        if secret {
            self.vault.tell(&text);
        }
        Ok(Value::from(text))
    }

    fn template(&self, name: &str, kwargs: &Kwargs, scope: &Arc<dyn Scope>) -> Result<Value, TemplateError> {
        let path = locate("templates", name, scope)?;
        let (text, _) = self.read(&path)?;
        let Some(templater) = self.templater.get().and_then(std::sync::Weak::upgrade) else {
            return Err(TemplateError::runtime("the run is over"));
        };
        let options = FileOptions {
            search: path.parent().map(Path::to_owned).into_iter().collect(),
            ..FileOptions::default()
        };
        let scope = match kwargs.get("template_vars") {
            Some(vars) => &(Arc::new(With { vars: vars.clone(), below: scope.clone() }) as Arc<dyn Scope>),
            None => scope,
        };
        let rendered = templater.render_file(&path.to_string_lossy(), &text, scope, &options)?;
        let convert = kwargs.get("convert_data").is_some_and(Value::is_true);
        if convert && let Ok(json) = serde_json::from_str(&rendered) {
            return Ok(provision_templates::from_json(json));
        }
        Ok(Value::from(rendered))
    }
}

/// `template_vars` over what is there.
#[derive(Debug)]
struct With {
    vars: Value,
    below: Arc<dyn Scope>,
}

impl Scope for With {
    fn get(&self, name: &str) -> Result<Option<Value>, TemplateError> {
        match self.vars.get_attr(name) {
            Ok(value) if !value.is_undefined() => Ok(Some(value)),
            _ => self.below.get(name),
        }
    }

    fn names(&self) -> Vec<String> {
        let own = self.vars.try_iter().into_iter().flatten().map(|key| to_text(&key));
        own.chain(self.below.names()).collect()
    }
}

fn env(name: &str, kwargs: &Kwargs) -> Value {
    match std::env::var(name) {
        Ok(value) => Value::from(value),
        Err(_) => kwargs.get("default").cloned().unwrap_or_else(|| Value::from("")),
    }
}

/// The directories around the task, which its scope knows by Ansible's names.
fn dirs(scope: &Arc<dyn Scope>) -> Dirs {
    let path = |name: &str| scope.get(name).ok().flatten().map(|v| PathBuf::from(to_text(&v)));
    let play = path("playbook_dir").unwrap_or_default();
    let role = path("role_path");
    Dirs {
        task: role.as_ref().map_or_else(|| play.clone(), |r| r.join("tasks")),
        role,
        parents: Vec::new(),
        play,
    }
}

fn locate(kind: &str, name: &str, scope: &Arc<dyn Scope>) -> Result<PathBuf, TemplateError> {
    let dirs = dirs(scope);
    let path = provision_system::text::to_os(name);
    dirs.find(kind, &path).ok_or_else(|| {
        let tried: Vec<String> =
            dirs.candidates(kind, &path).iter().map(|p| p.display().to_string()).collect();
        TemplateError::runtime(format!(
            "could not locate file in lookup: {name} (searched: {})",
            tried.join(", ")
        ))
    })
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

fn fileglob(pattern: &str, scope: &Arc<dyn Scope>) -> Vec<String> {
    let dirs = dirs(scope);
    let mut found = Vec::new();
    for candidate in dirs.candidates("files", pattern) {
        found = glob(Path::new("/"), &candidate.to_string_lossy());
        found.retain(|path| Path::new(&provision_system::text::to_os(path)).is_file());
        if !found.is_empty() {
            break;
        }
    }
    found
}

/// Files matching a pattern whose last part may hold wildcards; parts before it, too.
fn glob(root: &Path, pattern: &str) -> Vec<String> {
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

/// Terms are names, or mappings with `files` and `paths`.
fn first_found(terms: &[Value], kwargs: &Kwargs, scope: &Arc<dyn Scope>) -> Found {
    let mut skip = kwargs.get("skip").is_some_and(Value::is_true);
    let mut names: Vec<String> = Vec::new();
    let list = |value: &serde_json::Value| -> Vec<String> {
        match value {
            serde_json::Value::Array(items) => items.iter().map(crate::render::plain).collect(),
            serde_json::Value::Null => Vec::new(),
            other => {
                crate::render::plain(other).split([',', ';', ':']).map(|t| t.trim().to_owned()).collect()
            }
        }
    };
    let pairs = |files: Vec<String>, paths: Vec<String>, names: &mut Vec<String>| {
        if paths.is_empty() {
            names.extend(files);
        } else {
            names.extend(
                paths
                    .iter()
                    .flat_map(|dir| files.iter().map(move |f| format!("{}/{f}", dir.trim_end_matches('/')))),
            );
        }
    };
    for term in terms {
        match to_json(term) {
            serde_json::Value::Object(map) => {
                skip |= map.get("skip").and_then(crate::render::truth).unwrap_or(false);
                let part = |key: &str| map.get(key).map(list).unwrap_or_default();
                pairs(part("files"), part("paths"), &mut names);
            }
            serde_json::Value::Array(items) => names.extend(items.iter().map(crate::render::plain)),
            other => names.push(crate::render::plain(&other)),
        }
    }
    if let Some(files) = kwargs.get("files") {
        let paths = kwargs.get("paths").map(|p| list(&to_json(p))).unwrap_or_default();
        pairs(list(&to_json(files)), paths, &mut names);
    } else if let Some(paths) = kwargs.get("paths") {
        let files = std::mem::take(&mut names);
        pairs(files, list(&to_json(paths)), &mut names);
    }
    let dirs = dirs(scope);
    for name in &names {
        // Where it is used says what is looked for: tasks, vars, templates and files are all searched.
        for kind in ["files", "vars", "tasks", "templates"] {
            if let Some(path) = dirs.find(kind, name) {
                return Ok(vec![Value::from(path.to_string_lossy().into_owned())]);
            }
        }
    }
    if skip {
        return Ok(Vec::new());
    }
    Err(TemplateError::runtime(format!(
        "No file was found when using first_found; looked for: {}",
        names.join(", ")
    )))
}

fn pipe(command: &str) -> Result<String, TemplateError> {
    let output = std::process::Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(|e| TemplateError::runtime(format!("lookup_plugin.pipe({command}): {e}")))?;
    if !output.status.success() {
        let code = output.status.code().unwrap_or(-1);
        return Err(TemplateError::runtime(format!("lookup_plugin.pipe({command}) returned {code}")));
    }
    Ok(provision_system::text::bytes_to_text(&output.stdout))
}

fn lines(commands: &[String]) -> Found {
    let mut all = Vec::new();
    for command in commands {
        all.extend(pipe(command)?.lines().map(Value::from));
    }
    Ok(all)
}

/// A password kept in a file on the control machine, made when the file is not there.
fn password(term: &str) -> Result<Value, TemplateError> {
    let mut words = provision_project::words::split(term).into_iter();
    let path = PathBuf::from(words.next().unwrap_or_default());
    let mut length = 20usize;
    let mut alphabet: Vec<char> =
        ('a'..='z').chain('A'..='Z').chain('0'..='9').chain(".,:-_".chars()).collect();
    for word in words {
        match provision_project::words::pair(&word) {
            Some(("length", value)) => {
                length = value
                    .parse()
                    .map_err(|_| TemplateError::runtime(format!("password: `{value}` is no length")))?;
            }
            Some(("chars", value)) => alphabet = characters(&value),
            _ => return Err(TemplateError::runtime(format!("password: `{word}` is not supported yet"))),
        }
    }
    let failed = |e: std::io::Error| TemplateError::runtime(format!("password: {}: {e}", path.display()));
    if path != Path::new("/dev/null")
        && let Ok(text) = std::fs::read_to_string(&path)
    {
        return Ok(Value::from(text.trim_end_matches('\n').split(" salt=").next().unwrap_or_default()));
    }
    let mut random = vec![0u8; length * 4];
    std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom").map_err(failed)?, &mut random)
        .map_err(failed)?;
    let pick = |bytes: &[u8]| {
        let number = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        alphabet[number as usize % alphabet.len()]
    };
    let text: String = random.chunks_exact(4).map(pick).collect();
    if path != Path::new("/dev/null") {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).map_err(failed)?;
        }
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        opened.and_then(|mut file| writeln!(file, "{text}")).map_err(failed)?;
    }
    Ok(Value::from(text))
}

fn characters(names: &str) -> Vec<char> {
    let mut all = Vec::new();
    for name in names.split(',') {
        match name {
            "ascii_letters" => all.extend(('a'..='z').chain('A'..='Z')),
            "ascii_lowercase" => all.extend('a'..='z'),
            "ascii_uppercase" => all.extend('A'..='Z'),
            "digits" => all.extend('0'..='9'),
            "hexdigits" => all.extend("0123456789abcdefABCDEF".chars()),
            "punctuation" => all.extend("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~".chars()),
            other => all.extend(other.chars()),
        }
    }
    all
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
