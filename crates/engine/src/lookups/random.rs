//! Texts of random letters: `community.general.random_string`, and what passwords are made of.

use super::{Found, flag, text};
use base64::Engine as _;
use provision_templates::{Kwargs, TemplateError, Value};
use std::io::Read;

const OPTIONS: [&str; 16] = [
    "length",
    "upper",
    "lower",
    "numbers",
    "special",
    "min_lower",
    "min_upper",
    "min_special",
    "min_numeric",
    "override_special",
    "override_all",
    "ignore_similar_chars",
    "similar_chars",
    "base64",
    "seed",
    "wantlist",
];

pub(super) fn string(kwargs: &Kwargs) -> Found {
    if let Some(name) = kwargs.keys().find(|name| !OPTIONS.contains(&name.as_str())) {
        return Err(TemplateError::runtime(format!("random_string: '{name}' is not a valid option")));
    }
    if kwargs.contains_key("seed") {
        return Err(TemplateError::runtime("random_string: `seed` is not supported"));
    }
    let number = |name: &str, default: usize| -> Result<usize, TemplateError> {
        match text(kwargs, name) {
            None => Ok(default),
            Some(text) => text
                .parse()
                .ok()
                .filter(|number| *number <= 1 << 20)
                .ok_or_else(|| TemplateError::runtime(format!("random_string: `{text}` is no {name}"))),
        }
    };
    let length = number("length", 8)?;
    let similar = match flag(kwargs, "ignore_similar_chars", false) {
        true => text(kwargs, "similar_chars").unwrap_or_else(|| "il1LoO0".to_owned()),
        false => String::new(),
    };
    let set = |letters: &str| -> Vec<char> { letters.chars().filter(|c| !similar.contains(*c)).collect() };
    let special =
        text(kwargs, "override_special").unwrap_or_else(|| "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~".to_owned());
    let kinds = [
        ("lower", "min_lower", "abcdefghijklmnopqrstuvwxyz"),
        ("upper", "min_upper", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        ("numbers", "min_numeric", "0123456789"),
        ("special", "min_special", special.as_str()),
    ];
    let mut out = String::new();
    let mut all = Vec::new();
    if let Some(letters) = text(kwargs, "override_all") {
        all = letters.chars().collect();
    } else {
        for (name, least, letters) in kinds {
            if flag(kwargs, name, true) {
                all.extend(set(letters));
            }
            out.push_str(&self::letters(&set(letters), number(least, 0)?)?);
        }
    }
    if all.is_empty() && length > 0 {
        return Err(TemplateError::runtime("Available characters cannot be None, please change constraints"));
    }
    let missing = length.saturating_sub(out.chars().count());
    out.push_str(&letters(&all, missing)?);
    // the required ones shall not all come first
    let mut shuffled: Vec<char> = out.chars().collect();
    for at in (1..shuffled.len()).rev() {
        shuffled.swap(at, below(at + 1)?);
    }
    let out: String = shuffled.into_iter().collect();
    Ok(vec![Value::from(match flag(kwargs, "base64", false) {
        true => base64::engine::general_purpose::STANDARD.encode(out),
        false => out,
    })])
}

/// So many of these letters, from the system's own random bytes.
pub(super) fn letters(letters: &[char], length: usize) -> Result<String, TemplateError> {
    (0..length).map(|_| below(letters.len()).map(|at| letters[at])).collect()
}

fn below(limit: usize) -> Result<usize, TemplateError> {
    let limit = limit.max(1) as u64;
    // what is beyond the last multiple would make the first letters likelier
    let fair = u64::MAX - u64::MAX % limit;
    loop {
        let mut bytes = [0u8; 8];
        std::fs::File::open("/dev/urandom")
            .and_then(|mut file| file.read_exact(&mut bytes))
            .map_err(|error| TemplateError::runtime(format!("no random bytes from the system: {error}")))?;
        let number = u64::from_le_bytes(bytes);
        if number < fair {
            return Ok(usize::try_from(number % limit).unwrap_or(0));
        }
    }
}
