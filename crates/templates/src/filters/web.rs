//! Links in texts: `urlize`.

use super::Table;
use super::basic::escape;
use crate::args::{Args, Param};
use crate::error::TemplateError;
use crate::eval::Eval;
use crate::ops::{Result, iterate};
use crate::text::to_str;
use fancy_regex::Regex;
use minijinja::Value;
use std::sync::LazyLock;

pub(super) const TABLE: Table = &[("urlize", urlize)];

static HTTP: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)^((https?://|www\.)(([\w%-]+\.)+)?([a-z]{2,63}|xn--[\w%]{2,59})",
        r"|([\w%-]{2,63}\.)+(com|net|int|edu|gov|org|info|mil)",
        r"|(https?://)((\d{1,3})(\.\d{1,3}){3}|(\[([\da-f]{0,4}:){2}([\da-f]{0,4}:?){1,6}\])))",
        r"(?::\d{1,5})?(?:[/?#]\S*)?$"
    ))
    .ok()
});
static MAIL: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^\S+@\w[\w.-]*\.\w+$").ok());

fn is(regex: &Option<Regex>, text: &str) -> bool {
    regex.as_ref().is_some_and(|regex| regex.is_match(text).unwrap_or(false))
}

fn urlize(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [limit, nofollow, target, rel, schemes] =
        args.bind("urlize", ["trim_url_limit", "nofollow", "target", "rel", "extra_schemes"])?;
    let limit = match limit.given() {
        Some(_) => Some(usize::try_from(limit.int(0)?).unwrap_or(0)),
        None => None,
    };
    let mut rel: Vec<String> = rel.text("")?.split_whitespace().map(str::to_owned).collect();
    if nofollow.flag(false)? {
        rel.push("nofollow".to_owned());
    }
    rel.push("noopener".to_owned());
    rel.sort();
    rel.dedup();
    let mut schemes_known = Vec::new();
    if let Some(schemes) = schemes.given() {
        for scheme in iterate(schemes)? {
            let scheme = to_str(&scheme);
            let letters = scheme.trim_end_matches('/').strip_suffix(':').unwrap_or_default();
            if letters.len() < 2 || !letters.chars().all(|c| c.is_ascii_alphanumeric() || "._+-".contains(c))
            {
                return Err(TemplateError::runtime(format!("'{scheme}' is not a valid URI scheme prefix.")));
            }
            schemes_known.push(scheme);
        }
    }
    let links = Links {
        limit,
        rel: format!(" rel=\"{}\"", escape(&rel.join(" "))),
        target: target
            .given()
            .map_or_else(String::new, |target| format!(" target=\"{}\"", escape(&to_str(target)))),
        schemes: schemes_known,
    };
    let text = escape(&to_str(&value));
    let mut out = String::new();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let word = rest.find(char::is_whitespace).unwrap_or(rest.len());
        out.push_str(&links.word(&rest[..word]));
        rest = &rest[word..];
        let blank = rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len());
        out.push_str(&rest[..blank]);
        rest = &rest[blank..];
    }
    Ok(Value::from(out))
}

struct Links {
    limit: Option<usize>,
    rel: String,
    target: String,
    schemes: Vec<String>,
}

impl Links {
    /// One word, which may be a link between brackets and punctuation.
    fn word(&self, word: &str) -> String {
        let mut middle = word;
        while let Some(rest) = ["(", "<", "&lt;"].iter().find_map(|open| middle.strip_prefix(open)) {
            middle = rest;
        }
        let head = &word[..word.len() - middle.len()];
        let all = middle;
        while let Some(rest) =
            [")", ">", ".", ",", "&gt;"].iter().find_map(|close| middle.strip_suffix(close))
        {
            middle = rest;
        }
        // a bracket that was opened within the link is closed there
        for (open, close) in [("(", ")"), ("<", ">"), ("&lt;", "&gt;")] {
            let opened = middle.matches(open).count();
            if opened <= middle.matches(close).count() {
                continue;
            }
            for _ in 0..opened {
                let tail = &all[middle.len()..];
                let Some(at) = tail.find(close) else { break };
                middle = &all[..middle.len() + at + close.len()];
            }
        }
        let tail = &all[middle.len()..];
        format!("{head}{}{tail}", self.link(middle))
    }

    fn link(&self, text: &str) -> String {
        let (rel, target) = (&self.rel, &self.target);
        if is(&HTTP, text) {
            let scheme =
                if text.starts_with("https://") || text.starts_with("http://") { "" } else { "https://" };
            return format!("<a href=\"{scheme}{text}\"{rel}{target}>{}</a>", self.shown(text));
        }
        if let Some(mail) = text.strip_prefix("mailto:").filter(|mail| is(&MAIL, mail)) {
            return format!("<a href=\"{text}\">{mail}</a>");
        }
        if text.contains('@') && !text.starts_with("www.") && !text.contains(':') && is(&MAIL, text) {
            return format!("<a href=\"mailto:{text}\">{text}</a>");
        }
        match self.schemes.iter().find(|scheme| text != scheme.as_str() && text.starts_with(scheme.as_str()))
        {
            Some(_) => format!("<a href=\"{text}\"{rel}{target}>{text}</a>"),
            None => text.to_owned(),
        }
    }

    fn shown(&self, text: &str) -> String {
        match self.limit {
            Some(limit) if text.chars().count() > limit => {
                format!("{}...", text.chars().take(limit).collect::<String>())
            }
            _ => text.to_owned(),
        }
    }
}
