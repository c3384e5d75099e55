//! Values in files: `csvfile`, `ini`.

use super::{ControlMachine, Found, flag, locate, text, with_options};
use provision_templates::{CsvDialect, IniReading, Kwargs, Scope, TemplateError, Value, ini_sections};
use std::sync::Arc;

fn utf8(options: &Kwargs, what: &str) -> Result<(), TemplateError> {
    match text(options, "encoding").as_deref() {
        None | Some("utf-8" | "utf8" | "UTF-8") => Ok(()),
        Some(other) => Err(TemplateError::runtime(format!(
            "{what}: the encoding {other} is not supported: only utf-8 is"
        ))),
    }
}

pub(super) fn csvfile(
    machine: &ControlMachine,
    terms: &[String],
    kwargs: &Kwargs,
    scope: &Arc<dyn Scope>,
) -> Found {
    let known = ["col", "default", "delimiter", "encoding", "file", "keycol"];
    let mut found = Vec::new();
    for term in terms {
        let (key, options) = with_options(term, kwargs, &known)?;
        utf8(&options, "csvfile")?;
        let column = |name: &str, default: i64| match text(&options, name) {
            None => Ok(default),
            Some(text) => text
                .parse::<i64>()
                .map_err(|_| TemplateError::runtime(format!("csvfile: `{name}` is a number, not {text}"))),
        };
        let delimiter = match text(&options, "delimiter").as_deref() {
            None | Some("TAB" | "\\t" | "t") => '\t',
            Some(given) => match given.chars().collect::<Vec<_>>()[..] {
                [single] => single,
                _ => return Err(TemplateError::runtime("\"delimiter\" must be a 1-character string")),
            },
        };
        let path = locate("files", text(&options, "file").as_deref().unwrap_or("ansible.csv"), scope)?;
        let dialect = CsvDialect { delimiter, skip_initial_space: false, strict: false };
        let rows = provision_templates::csv_rows(&machine.read(&path)?.0, dialect)
            .map_err(|error| TemplateError::runtime(format!("csvfile: {error}")))?;
        let (key_column, column) = (column("keycol", 0)?, column("col", 1)?);
        let cell = |row: &[String], at: i64| {
            let at = if at < 0 { at + i64::try_from(row.len()).unwrap_or(0) } else { at };
            usize::try_from(at).ok().and_then(|at| row.get(at)).cloned()
        };
        let mut row = None;
        for candidate in &rows {
            if candidate.is_empty() {
                continue;
            }
            let known = cell(candidate, key_column)
                .ok_or_else(|| TemplateError::runtime("csvfile: list index out of range"))?;
            if known == key {
                row = Some(candidate);
                break;
            }
        }
        match row {
            Some(row) => found.push(Value::from(
                cell(row, column)
                    .ok_or_else(|| TemplateError::runtime("csvfile: list index out of range"))?,
            )),
            None => found.extend(options.get("default").filter(|value| !value.is_none()).cloned()),
        }
    }
    Ok(found)
}

pub(super) fn ini(
    machine: &ControlMachine,
    terms: &[String],
    kwargs: &Kwargs,
    scope: &Arc<dyn Scope>,
) -> Found {
    let known = [
        "allow_no_value",
        "allow_none",
        "case_sensitive",
        "default",
        "encoding",
        "file",
        "interpolation",
        "re",
        "section",
        "type",
    ];
    let mut found = Vec::new();
    for term in terms {
        let (key, options) = with_options(term, kwargs, &known)?;
        utf8(&options, "ini")?;
        let file = text(&options, "file").unwrap_or_else(|| "ansible.ini".to_owned());
        let path = locate("files", &file, scope)?;
        let (mut content, _) = machine.read(&path)?;
        let properties = match text(&options, "type").as_deref() {
            None | Some("ini") => false,
            Some("properties") => true,
            Some(other) => return Err(TemplateError::runtime(format!("ini: there is no type `{other}`"))),
        };
        let mut section = text(&options, "section").unwrap_or_else(|| "global".to_owned());
        if properties {
            content = format!("[java_properties]\n{content}");
            "java_properties".clone_into(&mut section);
        }
        let case_sensitive = flag(&options, "case_sensitive", false);
        let reading = IniReading {
            case_sensitive,
            allow_none: flag(&options, "allow_no_value", false) || flag(&options, "allow_none", false),
            ..IniReading::default()
        };
        let sections = ini_sections(&content, reading).map_err(TemplateError::runtime)?;
        let Some(own) = sections.get(&section) else {
            return Err(TemplateError::runtime(format!("No section '{section}' in '{}'.", path.display())));
        };
        let mut all = sections.get("DEFAULT").filter(|_| section != "DEFAULT").cloned().unwrap_or_default();
        all.extend(own.clone());
        let interpolate = flag(&options, "interpolation", true);
        let value = |name: &str| -> Result<Option<Value>, TemplateError> {
            match all.get(name) {
                None => Ok(None),
                // an option without a value is nothing
                Some(None) => Ok(Some(Value::from(Vec::<Value>::new()))),
                Some(Some(text)) if interpolate => {
                    interpolated(text, &all, 0).map(|text| Some(Value::from(text)))
                }
                Some(Some(text)) => Ok(Some(Value::from(text.as_str()))),
            }
        };
        let default = || options.get("default").cloned().unwrap_or_else(|| Value::from(""));
        if flag(&options, "re", false) {
            for name in all.keys() {
                if provision_templates::regex_matches(&key, name)? {
                    found.extend(value(name)?);
                }
            }
            continue;
        }
        let key = if case_sensitive { key } else { key.to_lowercase() };
        match value(&key)? {
            Some(value) if value.len() == Some(0) && value.as_str().is_none() => {}
            Some(value) => found.push(value),
            None => found.push(default()),
        }
    }
    Ok(found)
}

/// `%(name)s` stands for another option of the section, `%%` for `%`.
fn interpolated(
    text: &str,
    options: &indexmap::IndexMap<String, Option<String>>,
    depth: usize,
) -> Result<String, TemplateError> {
    let bad = |why: &str| TemplateError::runtime(format!("ini: bad interpolation in '{text}': {why}"));
    if depth > 10 {
        return Err(bad("it is nested too deeply"));
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let inner = rest.strip_prefix('(').ok_or_else(|| bad("'%' must be followed by '%' or '('"))?;
        let (name, after) = inner.split_once(")s").ok_or_else(|| bad("an incomplete reference"))?;
        let value = options.get(&name.to_lowercase()).or_else(|| options.get(name)).cloned().flatten();
        let value = value.ok_or_else(|| bad(&format!("there is no option '{name}'")))?;
        out.push_str(&interpolated(&value, options, depth + 1)?);
        rest = after;
    }
    Ok(out + rest)
}
