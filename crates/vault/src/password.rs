//! Where vault passwords come from: files, scripts, and the person at the terminal.

use crate::{Error, Keyring};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use zeroize::Zeroizing;

/// A `--vault-id`, `--vault-password-file` or `--ask-vault-pass`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// As given; none means the default id.
    pub id: Option<String>,
    pub source: Source,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `prompt` of `--vault-id`.
    Prompt,
    /// `--ask-vault-pass`: asks in other words, which scripts wait for.
    AskPass,
    /// A file, or a script when it may be executed.
    File(PathBuf),
}

/// What a password is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To decrypt what there is.
    Open,
    /// For new data: the person is asked twice.
    New,
}

/// Asks the person at the terminal, without echo.
pub trait Ask {
    /// None at the end of input.
    fn ask(&self, prompt: &str) -> Option<Zeroizing<String>>;
}

/// Why there is no password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PasswordError(String);

impl Request {
    /// Reads `[id@]prompt|file|script`. The first `@` ends the id.
    pub fn parse(text: &str) -> Request {
        let (id, source) = match text.split_once('@') {
            Some((id, source)) => (Some(id).filter(|id| !id.is_empty()).map(str::to_owned), source),
            None => (None, text),
        };
        let source = match source {
            "prompt" => Source::Prompt,
            "prompt_ask_vault_pass" => Source::AskPass,
            path => Source::File(path.into()),
        };
        Request { id, source }
    }

    /// A `--vault-password-file`.
    pub fn file(path: impl Into<PathBuf>) -> Request {
        Request { id: None, source: Source::File(path.into()) }
    }

    /// `--ask-vault-pass`.
    pub fn ask() -> Request {
        Request { id: None, source: Source::AskPass }
    }
}

/// Gets the password. `id` is the request's own or the default one. A password file may itself be encrypted with a
/// password of `known`.
///
/// # Errors
/// The file is not there or empty, the script failed, or nobody answered.
pub fn read_password(
    request: &Request,
    id: &str,
    purpose: Purpose,
    ask: &dyn Ask,
    known: &Keyring,
) -> Result<Zeroizing<Vec<u8>>, PasswordError> {
    match &request.source {
        Source::Prompt | Source::AskPass => prompt(request, id, purpose, ask),
        Source::File(path) => {
            let path = expand(path);
            let about = path.display();
            let meta = std::fs::metadata(&path)
                .map_err(|_| PasswordError(format!("The vault password file {about} was not found")))?;
            if meta.is_dir() {
                return fail(format!("The vault password file provided '{about}' can not be a directory"));
            }
            // A pipe (`<(pass vault)`) is no script, whatever its bits say.
            let password = match meta.is_file() && meta.permissions().mode() & 0o111 != 0 {
                true => script(&path, request.id.as_deref())?,
                false => file(&path, known)?,
            };
            Ok(password)
        }
    }
}

fn fail<T>(text: String) -> Result<T, PasswordError> {
    Err(PasswordError(text))
}

fn prompt(
    request: &Request,
    id: &str,
    purpose: Purpose,
    ask: &dyn Ask,
) -> Result<Zeroizing<Vec<u8>>, PasswordError> {
    let ask_pass = request.source == Source::AskPass;
    let questions = match (purpose, ask_pass) {
        (Purpose::Open, true) => vec!["Vault password: ".to_owned()],
        (Purpose::Open, false) => vec![format!("Vault password ({id}): ")],
        (Purpose::New, true) => {
            vec!["New Vault password: ".to_owned(), "Confirm New Vault password: ".to_owned()]
        }
        (Purpose::New, false) => {
            vec![format!("New vault password ({id}): "), format!("Confirm new vault password ({id}): ")]
        }
    };
    let mut answers: Vec<Zeroizing<String>> = Vec::new();
    for question in questions {
        let Some(answer) = ask.ask(&question) else {
            return fail(format!("EOFError (ctrl-d) on prompt for ({id})"));
        };
        if answer.trim().is_empty() {
            return fail("Invalid vault password was provided".to_owned());
        }
        answers.push(answer);
    }
    if answers.windows(2).any(|pair| pair[0] != pair[1]) {
        return fail("Passwords do not match".to_owned());
    }
    let answer = answers.swap_remove(0);
    Ok(Zeroizing::new(answer.trim().as_bytes().to_vec()))
}

/// The file's text without white space around it.
fn file(path: &Path, known: &Keyring) -> Result<Zeroizing<Vec<u8>>, PasswordError> {
    let about = path.display();
    let contents = known
        .read(path)
        .map_err(|e| PasswordError(format!("Could not read vault password file {about}: {e}")))?;
    let password = Zeroizing::new(contents.bytes.trim_ascii().to_vec());
    if password.is_empty() {
        return fail(format!("Invalid vault password was provided from file ({about})"));
    }
    Ok(password)
}

/// What the script prints, without the newline. One called `…-client` is told the vault id.
fn script(path: &Path, id: Option<&str>) -> Result<Zeroizing<Vec<u8>>, PasswordError> {
    let about = path.display();
    let client = path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("-client"));
    let mut command = Command::new(path);
    if client && let Some(id) = id {
        command.args(["--vault-id", id]);
    }
    // Its own questions go to the terminal.
    let output = command.stdin(Stdio::inherit()).stderr(Stdio::inherit()).output().map_err(|e| {
        PasswordError(format!(
            "Problem running vault password script {about} ({e}). If this is not a script, remove the executable \
             bit from the file."
        ))
    })?;
    if !output.status.success() {
        let code = output.status.code();
        return fail(match (client, code) {
            (true, Some(2)) => format!(
                "Vault password client script {about} did not find a secret for vault-id={}",
                id.unwrap_or("None")
            ),
            (_, Some(code)) => {
                let kind = if client { "client script" } else { "script" };
                format!("Vault password {kind} {about} returned non-zero ({code})")
            }
            (_, None) => format!("Vault password script {about} was killed"),
        });
    }
    let output = Zeroizing::new(output.stdout);
    let end = output.iter().rposition(|b| !matches!(b, b'\r' | b'\n')).map_or(0, |last| last + 1);
    let start = output.iter().position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or(end);
    if start >= end {
        return fail(format!("Invalid vault password was provided from script ({about})"));
    }
    Ok(Zeroizing::new(output[start..end].to_vec()))
}

/// `~` and `$NAME` replaced, absolute.
fn expand(path: &Path) -> PathBuf {
    let text = path.to_string_lossy();
    let mut out = String::new();
    let mut rest = &*text;
    if let Some(below) = rest.strip_prefix('~').filter(|below| below.is_empty() || below.starts_with('/')) {
        out.push_str(&std::env::home_dir().unwrap_or_default().to_string_lossy());
        rest = below;
    }
    while let Some(at) = rest.find('$') {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        let braced = after[1..].starts_with('{');
        let from = if braced { 2 } else { 1 };
        let length = after[from..]
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .unwrap_or(after.len() - from);
        let name = &after[from..from + length];
        let mut end = from + length;
        let closed = !braced || after[end..].starts_with('}');
        if braced && closed {
            end += 1;
        }
        match std::env::var(name) {
            Ok(value) if closed && !name.is_empty() => out.push_str(&value),
            _ => out.push_str(&after[..end]),
        }
        rest = &after[end..];
    }
    out.push_str(rest);
    std::path::absolute(&out).unwrap_or_else(|_| out.into())
}

impl From<Error> for PasswordError {
    fn from(error: Error) -> Self {
        PasswordError(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    struct Answers(RefCell<Vec<&'static str>>, RefCell<Vec<String>>);

    impl Answers {
        fn new(answers: &[&'static str]) -> Self {
            Self(RefCell::new(answers.iter().rev().copied().collect()), RefCell::default())
        }
    }

    impl Ask for Answers {
        fn ask(&self, prompt: &str) -> Option<Zeroizing<String>> {
            self.1.borrow_mut().push(prompt.to_owned());
            self.0.borrow_mut().pop().map(|answer| Zeroizing::new(answer.to_owned()))
        }
    }

    fn get(spec: &str, purpose: Purpose, answers: &Answers) -> Result<String, String> {
        let request = Request::parse(spec);
        let id = request.id.clone().unwrap_or_else(|| "default".to_owned());
        read_password(&request, &id, purpose, answers, &Keyring::default())
            .map(|p| String::from_utf8_lossy(&p).into_owned())
            .map_err(|e| e.to_string())
    }

    #[test]
    fn requests_are_split_at_the_first_at() {
        let parse = |text: &str| {
            let request = Request::parse(text);
            (request.id, request.source)
        };
        let file = |path: &str| Source::File(path.into());
        assert_eq!(parse("a@b@c"), (Some("a".into()), file("b@c")));
        assert_eq!(parse("pw"), (None, file("pw")));
        assert_eq!(parse("@pw"), (None, file("pw")));
        assert_eq!(parse("dev@prompt"), (Some("dev".into()), Source::Prompt));
        assert_eq!(parse("prompt"), (None, Source::Prompt));
    }

    #[test]
    fn people_are_asked_in_ansibles_words() {
        let answers = Answers::new(&["one ", "two", "two", "a", "b"]);
        assert_eq!(get("dev@prompt", Purpose::Open, &answers), Ok("one".into()));
        assert_eq!(get("prompt", Purpose::New, &answers), Ok("two".into()));
        assert_eq!(
            get("prompt_ask_vault_pass", Purpose::New, &answers),
            Err("Passwords do not match".into())
        );
        assert_eq!(
            get("prompt_ask_vault_pass", Purpose::Open, &answers),
            Err("EOFError (ctrl-d) on prompt for (default)".into())
        );
        assert_eq!(
            *answers.1.borrow(),
            [
                "Vault password (dev): ",
                "New vault password (default): ",
                "Confirm new vault password (default): ",
                "New Vault password: ",
                "Confirm New Vault password: ",
                "Vault password: ",
            ]
        );
    }

    #[test]
    fn files_and_scripts_give_passwords() {
        let dir = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: &str, mode: u32| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).expect("written");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("mode");
            path.to_string_lossy().into_owned()
        };
        let none = Answers::new(&[]);
        let get = |spec: &str| get(spec, Purpose::Open, &none);
        assert_eq!(get(&write("plain", "  hunter22 \n\n", 0o600)), Ok("hunter22".into()));
        assert_eq!(
            get(&write("script", "#!/bin/sh\necho ' from script'\n", 0o700)),
            Ok(" from script".into())
        );
        let client = write("my-client.sh", "#!/bin/sh\necho \"$@\"\n", 0o700);
        assert_eq!(get(&format!("dev@{client}")), Ok("--vault-id dev".into()));
        let fails = |spec: &str, part: &str| {
            let error = get(spec).expect_err("no password");
            assert!(error.contains(part), "{error}");
        };
        fails(&write("empty", " \n", 0o600), "Invalid vault password was provided from file");
        fails(&write("bad", "#!/bin/sh\nexit 3\n", 0o700), "returned non-zero (3)");
        fails(&write("no-client", "#!/bin/sh\nexit 2\n", 0o700), "did not find a secret for vault-id=None");
        fails(&write("text", "no script", 0o700), "remove the executable bit");
        fails(&dir.path().to_string_lossy(), "can not be a directory");
        fails("/nowhere/at/all", "The vault password file /nowhere/at/all was not found");
    }

    #[test]
    fn an_encrypted_password_file_is_opened_with_a_password_known_before() {
        let dir = tempfile::tempdir().expect("a directory");
        let known = Keyring::new(vec![("first".into(), Zeroizing::new(b"one".to_vec()))], false);
        let path = dir.path().join("second");
        std::fs::write(&path, known.encrypt(b"two\n", "first", None).expect("encrypted")).expect("written");
        let request = Request::file(&path);
        let none = Answers::new(&[]);
        let password = read_password(&request, "default", Purpose::Open, &none, &known);
        assert_eq!(password.map(|p| p.to_vec()), Ok(b"two".to_vec()));
    }
}
