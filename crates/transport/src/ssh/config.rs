//! ssh_config(5): which lines hold for a host. What the lines mean is [`super::settings`]' business.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::error::SshError;
use super::pattern;

/// Includes in includes, before it must be a circle; OpenSSH's number.
const DEEPEST_INCLUDE: usize = 16;

/// The configuration files of a run, each read once.
#[derive(Default)]
pub(crate) struct Files {
    parsed: Mutex<HashMap<PathBuf, Arc<Vec<Directive>>>>,
    /// What `Match exec` commands answered.
    executed: Mutex<HashMap<String, bool>>,
}

/// The values that hold for a host: the first of each keyword, all of the collecting ones.
#[derive(Debug, Default)]
pub(crate) struct Found {
    values: HashMap<String, Directive>,
    pub(crate) identity_files: Vec<Directive>,
    pub(crate) certificate_files: Vec<Directive>,
    pub(crate) send_env: Vec<Directive>,
    /// Keywords that OpenSSH would not know either, but was told to pass over.
    ignore_unknown: Vec<String>,
}

/// One line: `keyword words…`.
#[derive(Debug, Clone)]
pub(crate) struct Directive {
    /// In lower case.
    pub(crate) keyword: String,
    pub(crate) words: Vec<String>,
    /// Everything after the keyword as it stands there, for commands.
    pub(crate) rest: String,
    /// Empty for `-o` and the like.
    pub(crate) file: PathBuf,
    /// From 1.
    pub(crate) line: usize,
}

/// Whom the lines are asked about.
pub(crate) struct Subject<'a> {
    /// As typed.
    pub(crate) host: &'a str,
    pub(crate) local_user: &'a str,
    pub(crate) home: &'a Path,
}

/// Where a file's relative includes are looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    User,
    System,
}

impl Files {
    /// Adds to `found` what the files say: `config_file` alone, or the user's and the system's.
    ///
    /// # Errors
    /// `Config`: a line that cannot be understood, a named file that cannot be read.
    pub(crate) fn read(
        &self,
        config_file: Option<&Path>,
        subject: &Subject<'_>,
        found: &mut Found,
    ) -> Result<(), SshError> {
        let mut pass =
            Pass { files: self, subject, host: subject.host.to_owned(), last: false, wants_last: false };
        pass.all(config_file, found)?;
        if pass.wants_last {
            pass.host = found.hostname(subject.host)?;
            pass.last = true;
            pass.all(config_file, found)?;
        }
        Ok(())
    }

    fn parse(&self, file: &Path) -> Result<Arc<Vec<Directive>>, SshError> {
        let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(directives) = parsed.get(file) {
            return Ok(directives.clone());
        }
        let text = match std::fs::read(file) {
            Ok(bytes) => {
                String::from_utf8(bytes).map_err(|_| SshError::config(file, 0, "it is not UTF-8"))?
            }
            Err(e) => return Err(SshError::config(file, 0, format!("cannot read it: {e}"))),
        };
        let mut directives = Vec::new();
        for (index, line) in text.lines().enumerate() {
            directives.extend(Directive::parse(line, file, index + 1)?);
        }
        let directives = Arc::new(directives);
        parsed.insert(file.to_owned(), directives.clone());
        Ok(directives)
    }
}

impl Found {
    /// The directive that holds for `keyword` (in lower case).
    pub(crate) fn get(&self, keyword: &str) -> Option<&Directive> {
        self.values.get(keyword)
    }

    /// Takes a line in, unless an earlier one has set the same.
    ///
    /// # Errors
    /// `Config` for a keyword that neither OpenSSH nor we know.
    pub(crate) fn set(&mut self, directive: &Directive) -> Result<(), SshError> {
        match directive.keyword.as_str() {
            "identityfile" => push_new(&mut self.identity_files, directive),
            "certificatefile" => push_new(&mut self.certificate_files, directive),
            "sendenv" => self.send_env.push(directive.clone()),
            // Whichever comes first also decides that the other is not used.
            "proxyjump" | "proxycommand"
                if self.get("proxyjump").is_some() || self.get("proxycommand").is_some() => {}
            "ignoreunknown" => {
                let words = directive.words.iter().flat_map(|w| w.split(','));
                self.ignore_unknown.extend(words.map(str::to_lowercase));
            }
            keyword => {
                self.check(directive)?;
                self.values.entry(keyword.to_owned()).or_insert_with(|| directive.clone());
            }
        }
        Ok(())
    }

    /// The name to dial: `HostName` with its tokens, else `host`.
    pub(crate) fn hostname(&self, host: &str) -> Result<String, SshError> {
        match self.get("hostname") {
            Some(directive) => directive.expand(directive.one()?, &[('h', host)]),
            None => Ok(host.to_owned()),
        }
    }

    fn check(&self, directive: &Directive) -> Result<(), SshError> {
        let keyword = directive.keyword.as_str();
        let known = super::settings::KEYWORDS.contains(&keyword)
            || self.ignore_unknown.iter().any(|pattern| pattern::glob(pattern, keyword));
        if known { Ok(()) } else { Err(directive.error(format!("unknown option {keyword:?}"))) }
    }
}

fn push_new(list: &mut Vec<Directive>, directive: &Directive) {
    if !list.iter().any(|d| d.words == directive.words) {
        list.push(directive.clone());
    }
}

impl Directive {
    /// Reads a line; `None` when there is nothing on it.
    pub(crate) fn parse(text: &str, file: &Path, line: usize) -> Result<Option<Self>, SshError> {
        let text = text.trim_matches([' ', '\t', '\r', '\n', '\x0c']);
        if text.is_empty() || text.starts_with('#') {
            return Ok(None);
        }
        let end = text.find([' ', '\t', '=']).unwrap_or(text.len());
        let (keyword, rest) = text.split_at(end);
        let rest = rest.trim_start();
        let rest = rest.strip_prefix('=').unwrap_or(rest).trim_start();
        let keyword = keyword.trim_matches('"').to_lowercase();
        let mut directive =
            Self { keyword, words: Vec::new(), rest: rest.to_owned(), file: file.to_owned(), line };
        directive.words = split(rest).map_err(|message| directive.error(message))?;
        if directive.words.is_empty() {
            return Err(directive.error(format!("{} has no value", directive.keyword)));
        }
        Ok(Some(directive))
    }

    /// The one word of an option that takes one.
    pub(crate) fn one(&self) -> Result<&str, SshError> {
        match self.words.as_slice() {
            [one] => Ok(one),
            _ => Err(self.error(format!("{} takes one value, not {:?}", self.keyword, self.rest))),
        }
    }

    /// Replaces `%x` by what `tokens` has for x, `%%` by `%`, and `${NAME}` by the environment's value.
    pub(crate) fn expand(&self, text: &str, tokens: &[(char, &str)]) -> Result<String, SshError> {
        expand(text, tokens, self.keyword != "hostname").map_err(|message| self.error(message))
    }

    pub(crate) fn error(&self, message: impl Into<String>) -> SshError {
        SshError::config(&self.file, self.line, message)
    }
}

/// One reading of all files; `Match final` asks for a second.
struct Pass<'a> {
    files: &'a Files,
    subject: &'a Subject<'a>,
    /// What `Host` is matched against: in the second reading, the name that was found by the first.
    host: String,
    last: bool,
    wants_last: bool,
}

impl Pass<'_> {
    fn all(&mut self, config_file: Option<&Path>, found: &mut Found) -> Result<(), SshError> {
        if let Some(file) = config_file {
            if file.as_os_str() != "none" {
                self.file(file, Owner::User, 0, found)?;
            }
            return Ok(());
        }
        let user = self.subject.home.join(".ssh/config");
        for (file, owner) in
            [(user.as_path(), Owner::User), (Path::new("/etc/ssh/ssh_config"), Owner::System)]
        {
            if file.exists() {
                self.file(file, owner, 0, found)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, file: &Path, owner: Owner, depth: usize, found: &mut Found) -> Result<(), SshError> {
        if depth > DEEPEST_INCLUDE {
            return Err(SshError::config(
                file,
                0,
                "too many includes in includes: do they include each other?",
            ));
        }
        let directives = self.files.parse(file)?;
        let mut active = true;
        for directive in directives.iter() {
            match directive.keyword.as_str() {
                "host" => active = pattern::list(directive.words.iter().map(String::as_str), &self.host),
                "match" => active = self.matches(directive, found)?,
                "include" if active => {
                    for word in &directive.words {
                        self.include(directive, word, owner, depth, found)?;
                    }
                }
                "include" => {}
                _ if active => found.set(directive)?,
                "ignoreunknown" => {}
                _ => found.check(directive)?,
            }
        }
        Ok(())
    }

    fn include(
        &mut self,
        directive: &Directive,
        word: &str,
        owner: Owner,
        depth: usize,
        found: &mut Found,
    ) -> Result<(), SshError> {
        let path = match tilde(word, self.subject.home) {
            path if path.is_absolute() => path,
            path if owner == Owner::User => self.subject.home.join(".ssh").join(path),
            path => Path::new("/etc/ssh").join(path),
        };
        let Some(path) = path.to_str() else {
            return Err(directive.error(format!("the path {} is not UTF-8", path.display())));
        };
        let entries = glob::glob(path).map_err(|e| directive.error(format!("{word:?}: {e}")))?;
        for entry in entries {
            let file = entry.map_err(|e| directive.error(e.to_string()))?;
            if file.is_file() {
                self.file(&file, owner, depth + 1, found)?;
            }
        }
        Ok(())
    }

    /// Whether all criteria of a `Match` line hold.
    fn matches(&mut self, line: &Directive, found: &Found) -> Result<bool, SshError> {
        let host = found.hostname(&self.host)?;
        let user = match found.get("user") {
            Some(directive) => directive.one()?.to_owned(),
            None => self.subject.local_user.to_owned(),
        };
        let mut matched = true;
        let mut words = line.words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            let (negated, criterion) = match word.strip_prefix('!') {
                Some(criterion) => (true, criterion),
                None => (false, word),
            };
            let criterion = criterion.to_lowercase();
            let mut value =
                || words.next().ok_or_else(|| line.error(format!("Match {criterion} has no value")));
            let holds = match criterion.as_str() {
                "all" => true,
                "final" => {
                    // Even when the line does not match: the second reading decides.
                    self.wants_last = true;
                    self.last
                }
                // Hosts are not canonicalised here.
                "canonical" => self.last,
                "host" => pattern::list(value()?.split(','), &host),
                "originalhost" => pattern::list(value()?.split(','), self.subject.host),
                "user" => pattern::list(value()?.split(','), &user),
                "localuser" => pattern::list(value()?.split(','), self.subject.local_user),
                "exec" => {
                    let command = value()?;
                    // As OpenSSH: not run when the line cannot match any more.
                    matched && self.execute(line, command, &host, &user)?
                }
                other => return Err(line.error(format!("Match {other} is not supported"))),
            };
            matched &= holds != negated;
        }
        Ok(matched)
    }

    fn execute(&self, line: &Directive, command: &str, host: &str, user: &str) -> Result<bool, SshError> {
        let home = self.subject.home.to_string_lossy();
        let tokens = [
            ('h', host),
            ('n', self.subject.host),
            ('r', user),
            ('u', self.subject.local_user),
            ('d', home.as_ref()),
        ];
        let command = line.expand(command, &tokens)?;
        let mut executed = self.files.executed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = executed.get(&command) {
            return Ok(*answer);
        }
        let status = std::process::Command::new("/bin/sh")
            .args(["-c", &command])
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status()
            .map_err(|e| line.error(format!("cannot run {command:?}: {e}")))?;
        executed.insert(command, status.success());
        Ok(status.success())
    }
}

/// `~` and `~/…` are in `home`; another user's home is not looked up.
pub(crate) fn tilde(path: &str, home: &Path) -> PathBuf {
    match path.strip_prefix('~') {
        Some("") => home.to_owned(),
        Some(rest) if rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
        _ => PathBuf::from(path),
    }
}

/// Splits as OpenSSH does: blanks separate, quotes keep together, a backslash keeps quotes, blanks and itself, a
/// word that starts with `#` begins a comment.
fn split(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut characters = text.chars().peekable();
    loop {
        while characters.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
        match characters.peek() {
            None | Some('#') => return Ok(words),
            Some(_) => {}
        }
        let mut word = String::new();
        let mut quote = None;
        while let Some(c) = characters.next() {
            match c {
                '\\' => match characters.peek() {
                    Some(next @ ('\'' | '"' | '\\')) => {
                        word.push(*next);
                        characters.next();
                    }
                    Some(' ') if quote.is_none() => {
                        word.push(' ');
                        characters.next();
                    }
                    _ => word.push('\\'),
                },
                ' ' | '\t' if quote.is_none() => break,
                '"' | '\'' if quote.is_none() => quote = Some(c),
                _ if Some(c) == quote => quote = None,
                _ => word.push(c),
            }
        }
        if quote.is_some() {
            return Err(format!("a quote is not closed: {text}"));
        }
        words.push(word);
    }
}

fn expand(text: &str, tokens: &[(char, &str)], environment: bool) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['%', '$']) {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if rest[at..].starts_with('%') {
            let Some(token) = after.chars().next() else { return Err(format!("{text:?} ends in a lone %")) };
            match tokens.iter().find(|(name, _)| *name == token) {
                _ if token == '%' => out.push('%'),
                Some((_, value)) => out.push_str(value),
                None => return Err(format!("the token %{token} in {text:?} is not supported here")),
            }
            rest = &after[token.len_utf8()..];
        } else if let Some((name, behind)) =
            after.strip_prefix('{').and_then(|a| a.split_once('}')).filter(|_| environment)
        {
            let value = std::env::var(name).map_err(|_| format!("{text:?}: ${{{name}}} is not set"))?;
            out.push_str(&value);
            rest = behind;
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
