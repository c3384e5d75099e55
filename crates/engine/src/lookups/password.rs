//! A password kept in a file on the control machine, made when the file is not there: `password`.

use super::{Found, with_options};
use provision_templates::{Hashing, Kwargs, SeededRandom, TemplateError, Value, hash_password, to_text};
use std::io::Write;
use std::path::{Path, PathBuf};

const OPTIONS: [&str; 6] = ["length", "encrypt", "chars", "ident", "seed", "profile"];

pub(super) fn password(terms: &[String], kwargs: &Kwargs) -> Found {
    terms.iter().map(|term| one(term, kwargs).map(Value::from)).collect()
}

fn one(term: &str, kwargs: &Kwargs) -> Result<String, TemplateError> {
    let (file, options) = with_options(term, kwargs, &OPTIONS).map_err(|error| {
        let name = error.message.split('\'').nth(1).unwrap_or_default().to_owned();
        TemplateError::runtime(format!("Unrecognized parameter(s) given to password lookup: {name}"))
    })?;
    let text = |name: &str| super::text(&options, name).filter(|text| !text.is_empty());
    let length = match text("length") {
        None => 20,
        Some(length) => length
            .parse()
            .ok()
            .filter(|length| *length <= 1 << 20)
            .ok_or_else(|| TemplateError::runtime(format!("password: `{length}` is no length")))?,
    };
    let letters = match options.get("chars") {
        None => characters(&["ascii_letters".to_owned(), "digits".to_owned(), ".,:-_".to_owned()]),
        Some(chars) => characters(&names(chars)),
    };
    if letters.is_empty() {
        return Err(TemplateError::runtime("password: `chars` names no characters"));
    }
    let mut random = Source::new(options.get("seed").filter(|seed| !seed.is_none()));
    let path = PathBuf::from(&file);
    let discarded = path == Path::new("/dev/null");
    let encrypt = text("encrypt");
    let ident = text("ident");
    let kept = if discarded { None } else { read(&path)? };
    let known = kept.is_some();
    let mut kept = match kept {
        Some(kept) => kept,
        None => Kept { password: random.text(&letters, length)?, ..Kept::default() },
    };
    let mut changed = !known;
    if let Some(encrypt) = &encrypt {
        if kept.salt.is_none() {
            kept.salt = Some(salt(encrypt)?);
            changed = true;
        }
        if encrypt == "bcrypt" && kept.ident.is_none() {
            kept.ident = Some(ident.clone().unwrap_or_else(|| "2b".to_owned()));
            changed = true;
        }
    }
    if changed && !discarded {
        write(&path, &kept.line())?;
    }
    match encrypt {
        None => Ok(kept.password),
        Some(kind) => {
            let ident = if kind == "bcrypt" { ident.or(kept.ident) } else { None };
            hash_password(&kept.password, &Hashing { kind, salt: kept.salt, ident, ..Hashing::default() })
        }
    }
}

/// What the file holds: `password salt=… ident=…`.
#[derive(Default)]
struct Kept {
    password: String,
    salt: Option<String>,
    ident: Option<String>,
}

impl Kept {
    fn parse(line: &str) -> Self {
        let (line, ident) = match line.rsplit_once(" ident=") {
            Some((line, ident)) => (line, Some(ident.to_owned())),
            None => (line, None),
        };
        match line.rsplit_once(" salt=") {
            Some((password, salt)) => {
                Self { password: password.to_owned(), salt: Some(salt.to_owned()), ident }
            }
            None => Self { password: line.to_owned(), salt: None, ident },
        }
    }

    fn line(&self) -> String {
        let mut line = self.password.clone();
        for (name, value) in [("salt", &self.salt), ("ident", &self.ident)] {
            if let Some(value) = value {
                line.push_str(&format!(" {name}={value}"));
            }
        }
        line.push('\n');
        line
    }
}

fn failed(path: &Path, error: &std::io::Error) -> TemplateError {
    TemplateError::runtime(format!("password: {}: {error}", path.display()))
}

fn read(path: &Path) -> Result<Option<Kept>, TemplateError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(Kept::parse(text.trim_end()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path, &error)),
    }
}

/// Replaces the file in one step; nobody but its owner can read it.
fn write(path: &Path, line: &str) -> Result<(), TemplateError> {
    let attempt = || -> std::io::Result<()> {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let temporary = dir.join(name);
        let mut file =
            std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        let written = file.write_all(line.as_bytes()).and_then(|()| file.sync_all());
        if let Err(error) = written.and_then(|()| std::fs::rename(&temporary, path)) {
            let _ = std::fs::remove_file(&temporary);
            return Err(error);
        }
        Ok(())
    };
    attempt().map_err(|error| failed(path, &error))
}

fn names(chars: &Value) -> Vec<String> {
    match chars.kind() {
        minijinja::value::ValueKind::Seq => {
            chars.try_iter().into_iter().flatten().map(|name| to_text(&name)).collect()
        }
        // two commas stand for one that is meant
        _ => {
            let text = to_text(chars);
            let comma = text.contains(",,");
            let words = text.replace(",,", ",");
            let words = words.split(',').filter(|word| !word.is_empty()).map(str::to_owned);
            comma.then(|| ",".to_owned()).into_iter().chain(words).collect()
        }
    }
}

fn characters(names: &[String]) -> Vec<char> {
    let mut all: Vec<char> = Vec::new();
    for name in names {
        match name.as_str() {
            "ascii_letters" => all.extend(('a'..='z').chain('A'..='Z')),
            "ascii_lowercase" => all.extend('a'..='z'),
            "ascii_uppercase" => all.extend('A'..='Z'),
            "digits" => all.extend('0'..='9'),
            "hexdigits" => all.extend("0123456789abcdefABCDEF".chars()),
            "octdigits" => all.extend('0'..='7'),
            "punctuation" => all.extend("!#$%&()*+,-./:;<=>?@[\\]^_`{|}~".chars()),
            "whitespace" => all.extend(" \t\n\r\u{b}\u{c}".chars()),
            other => all.extend(other.chars().filter(|c| !matches!(c, '"' | '\''))),
        }
    }
    all
}

fn salt(encrypt: &str) -> Result<String, TemplateError> {
    let length = match encrypt.trim_end_matches("_crypt") {
        "bcrypt" | "blowfish" => 22,
        "md5" => 8,
        _ => 16,
    };
    let letters: Vec<char> = ('a'..='z').chain('A'..='Z').chain('0'..='9').chain(['.', '/']).collect();
    Source::System.text(&letters, length)
}

enum Source {
    Seeded(Box<SeededRandom>),
    System,
}

impl Source {
    fn new(seed: Option<&Value>) -> Self {
        seed.map_or(Self::System, |seed| Self::Seeded(Box::new(SeededRandom::new(seed))))
    }

    fn text(&mut self, letters: &[char], length: usize) -> Result<String, TemplateError> {
        match self {
            Self::Seeded(random) => Ok((0..length)
                .map(|_| letters[usize::try_from(random.below(letters.len() as u64)).unwrap_or(0)])
                .collect()),
            Self::System => super::random::letters(letters, length),
        }
    }
}
