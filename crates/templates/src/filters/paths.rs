//! Paths as text, and the few filters that look at the controller's files.

use super::Table;
use crate::args::{Args, Param};
use crate::error::TemplateError;
use crate::eval::Eval;
use crate::ops::{Result, iterate};
use crate::scope::PathQuery;
use crate::text::to_str;
use crate::value::{View, tuple, view};
use minijinja::Value;

pub(super) const TABLE: Table = &[
    ("basename", |_, value, _| Ok(Value::from(split(&to_str(&value)).1))),
    ("dirname", |_, value, _| Ok(Value::from(split(&to_str(&value)).0))),
    ("splitext", |_, value, _| {
        let text = to_str(&value);
        let (stem, extension) = splitext(&text);
        Ok(tuple(vec![Value::from(stem), Value::from(extension)]))
    }),
    ("path_join", path_join),
    ("normpath", |_, value, _| Ok(Value::from(normalise(&to_str(&value))))),
    ("relpath", relpath),
    ("commonpath", commonpath),
    ("realpath", |eval, value, _| eval.templater.host().path(PathQuery::Real(&to_str(&value)))),
    ("expanduser", |eval, value, _| eval.templater.host().path(PathQuery::ExpandUser(&to_str(&value)))),
    ("expandvars", |eval, value, _| eval.templater.host().path(PathQuery::ExpandVars(&to_str(&value)))),
    ("fileglob", |eval, value, _| eval.templater.host().path(PathQuery::Glob(&to_str(&value)))),
    ("win_basename", |_, value, _| {
        let text = to_str(&value);
        Ok(Value::from(windows(&text).1))
    }),
    ("win_dirname", |_, value, _| {
        let text = to_str(&value);
        Ok(Value::from(windows(&text).0))
    }),
    ("win_splitdrive", |_, value, _| {
        let text = to_str(&value);
        let at = if text.as_bytes().get(1) == Some(&b':') { 2 } else { 0 };
        Ok(tuple(vec![Value::from(&text[..at]), Value::from(&text[at..])]))
    }),
];

/// `os.path.split`.
fn split(path: &str) -> (&str, &str) {
    let at = path.rfind('/').map_or(0, |at| at + 1);
    let (head, tail) = path.split_at(at);
    let stripped = head.trim_end_matches('/');
    (if stripped.is_empty() { head } else { stripped }, tail)
}

fn splitext(path: &str) -> (&str, &str) {
    let name_start = path.rfind('/').map_or(0, |at| at + 1);
    let name = &path[name_start..];
    let leading = name.len() - name.trim_start_matches('.').len();
    match name[leading..].rfind('.') {
        Some(at) => path.split_at(name_start + leading + at),
        None => (path, ""),
    }
}

fn path_join(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let parts = match view(&value) {
        View::Str(_) => std::iter::once(value.clone()).chain(args.pos).collect(),
        View::Seq(_) => iterate(&value)?,
        _ => {
            return Err(TemplateError::runtime("|path_join expects string or sequence"));
        }
    };
    let mut out = String::new();
    for (index, part) in parts.iter().enumerate() {
        let part = to_str(part);
        if index == 0 || part.starts_with('/') {
            out = part;
        } else {
            if !out.is_empty() && !out.ends_with('/') {
                out.push('/');
            }
            out.push_str(&part);
        }
    }
    Ok(Value::from(out))
}

fn normalise(path: &str) -> String {
    let lead = if path.starts_with("//") && !path.starts_with("///") {
        "//"
    } else if path.starts_with('/') {
        "/"
    } else {
        ""
    };
    let mut out: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if out.last().is_some_and(|last| *last != "..") => {
                out.pop();
            }
            ".." if !lead.is_empty() => {}
            part => out.push(part),
        }
    }
    let joined = format!("{lead}{}", out.join("/"));
    if joined.is_empty() { ".".to_owned() } else { joined }
}

fn relpath(eval: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [start] = args.bind("relpath", ["start"])?;
    let absolute = |path: &str| -> Result<String> {
        if path.starts_with('/') {
            return Ok(normalise(path));
        }
        // relative ones count from the working directory
        let here = to_str(&eval.templater.host().path(PathQuery::Real("."))?);
        Ok(normalise(&format!("{here}/{path}")))
    };
    let path = absolute(&to_str(&value))?;
    let start = absolute(&start.text(".")?)?;
    let parts =
        |path: &str| path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let (path, start) = (parts(&path), parts(&start));
    let common = path.iter().zip(&start).take_while(|(a, b)| a == b).count();
    let mut out = vec!["..".to_owned(); start.len() - common];
    out.extend(path[common..].iter().cloned());
    Ok(Value::from(if out.is_empty() { ".".to_owned() } else { out.join("/") }))
}

fn commonpath(_: &mut Eval<'_>, value: Value, _: Args) -> Result {
    let paths: Vec<String> = iterate(&value)?.iter().map(to_str).collect();
    let absolute = paths.iter().filter(|path| path.starts_with('/')).count();
    if paths.is_empty() || (absolute != 0 && absolute != paths.len()) {
        return Err(TemplateError::runtime("Can't mix absolute and relative paths"));
    }
    let split = |path: &str| {
        path.split('/').filter(|part| !part.is_empty() && *part != ".").map(str::to_owned).collect::<Vec<_>>()
    };
    let mut common = split(&paths[0]);
    for path in &paths[1..] {
        let parts = split(path);
        let same = common.iter().zip(&parts).take_while(|(a, b)| a == b).count();
        common.truncate(same);
    }
    Ok(Value::from(format!("{}{}", if absolute > 0 { "/" } else { "" }, common.join("/"))))
}

fn windows(path: &str) -> (&str, &str) {
    let at = path
        .rfind(['\\', '/'])
        .map_or(if path.as_bytes().get(1) == Some(&b':') { 2 } else { 0 }, |at| at + 1);
    let (head, tail) = path.split_at(at);
    let stripped = head.trim_end_matches(['\\', '/']);
    (if stripped.is_empty() || stripped.ends_with(':') { head } else { stripped }, tail)
}
