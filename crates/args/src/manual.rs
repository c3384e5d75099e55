//! The manual page and the JSON Schema of a module.

use crate::spec::{ArgSpec, Kind, Opt};
use crate::{Argument, convert};
use serde_json::json;

impl ArgSpec {
    /// The first line of the documentation.
    #[must_use]
    pub fn summary(&self) -> &'static str {
        self.doc.lines().next().unwrap_or_default()
    }

    /// A page of Markdown.
    #[must_use]
    pub fn manual(&self) -> String {
        let mut page = format!("# {}\n\n", self.name);
        if !self.doc.is_empty() {
            page.push_str(self.doc);
            page.push_str("\n\n");
        }
        table(self, "", &mut page);
        rules(self, &mut page);
        page
    }

    /// A JSON Schema of the module's arguments. Templates are strings, so every option takes a string as well.
    #[must_use]
    pub fn json_schema(&self) -> Argument {
        let mut schema = object(self);
        if let Some(map) = schema.as_object_mut() {
            map.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
            map.insert("title".to_owned(), json!(self.name));
            map.insert("description".to_owned(), json!(self.doc));
        }
        schema
    }
}

fn public(spec: &ArgSpec) -> impl Iterator<Item = &Opt> {
    spec.options.iter().filter(|option| !option.internal)
}

fn table(spec: &ArgSpec, path: &str, page: &mut String) {
    let done: Vec<&Opt> = public(spec).filter(|option| option.refused.is_none()).collect();
    if !done.is_empty() {
        page.push_str("| Option | Type | Default | Description |\n|---|---|---|---|\n");
    }
    for option in &done {
        let mut text = option.doc.replace("\n\n", "<br>").replace('\n', " ");
        for (label, names) in [("Choices", option.choices), ("Aliases", option.aliases)] {
            if !names.is_empty() {
                let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                let gap = if text.is_empty() { "" } else { "<br>" };
                text.push_str(&format!("{gap}{label}: {}.", names.join(", ")));
            }
        }
        let default = match option.default {
            Some(default) => format!("`{default}`"),
            None if option.required => "**required**".to_owned(),
            None => String::new(),
        };
        let row = format!(
            "| `{path}{}` | {} | {default} | {} |\n",
            option.name,
            option.kind,
            text.replace('|', "\\|")
        );
        page.push_str(&row);
    }
    let refused: Vec<&Opt> = public(spec).filter(|option| option.refused.is_some()).collect();
    if !refused.is_empty() {
        page.push_str("\nNot done yet; using one of these is an error:\n\n");
    }
    for option in refused {
        page.push_str(&format!("- `{path}{}`: {}\n", option.name, option.refused.unwrap_or_default()));
    }
    for option in done {
        if let Some(sub) = option.kind.sub() {
            page.push_str(&format!("\n## {path}{}\n\n", option.name));
            table(sub, &format!("{path}{}.", option.name), page);
        }
    }
}

fn rules(spec: &ArgSpec, page: &mut String) {
    let names = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let mut lines = String::new();
    if let Some(option) = spec.free_form {
        lines.push_str(&format!("- The free form (`{}: text`) fills `{option}`.\n", spec.name));
    }
    for list in spec.mutually_exclusive {
        lines.push_str(&format!("- At most one of {}.\n", names(list)));
    }
    for list in spec.required_one_of {
        lines.push_str(&format!("- At least one of {}.\n", names(list)));
    }
    for list in spec.required_together {
        lines.push_str(&format!("- All or none of {}.\n", names(list)));
    }
    for (option, value, list) in spec.required_if {
        lines.push_str(&format!("- `{option}: {value}` needs {}.\n", names(list)));
    }
    if !lines.is_empty() {
        page.push('\n');
        page.push_str(&lines);
    }
}

fn object(spec: &ArgSpec) -> Argument {
    let mut properties = serde_json::Map::new();
    for option in public(spec).filter(|option| option.refused.is_none()) {
        let mut schema = of_kind(option.kind, option.choices);
        if let Some(map) = schema.as_object_mut() {
            map.insert("description".to_owned(), json!(option.doc));
            if let Some(default) = option.default {
                let default =
                    convert::scalar(option.kind, &json!(default)).unwrap_or_else(|_| json!(default));
                map.insert("default".to_owned(), default);
            }
        }
        for name in option.aliases.iter().chain([&option.name]) {
            properties.insert((*name).to_owned(), schema.clone());
        }
    }
    // An option with aliases may come under any of its names, so only those without are required by name.
    let required: Vec<&str> = public(spec)
        .filter(|option| option.required && option.aliases.is_empty())
        .map(|option| option.name)
        .collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn of_kind(kind: Kind, choices: &[&str]) -> Argument {
    let template = json!({"type": "string", "pattern": "\\{[\\{%]"});
    match kind {
        Kind::Str | Kind::Path if !choices.is_empty() => json!({"anyOf": [{"enum": choices}, template]}),
        Kind::Str | Kind::Path => json!({"type": ["string", "number", "boolean"]}),
        Kind::Bool => json!({"anyOf": [{"type": "boolean"}, {"enum": ["yes", "no"]}, template]}),
        Kind::Int => {
            json!({"anyOf": [{"type": "integer"}, {"type": "string", "pattern": "^-?[0-9]+$"}, template]})
        }
        Kind::Float => json!({"anyOf": [{"type": "number"}, template]}),
        Kind::Mode | Kind::Bytes => json!({"type": ["string", "integer"]}),
        Kind::Raw => json!({}),
        Kind::Dict => json!({"type": ["object", "string"]}),
        Kind::List(inner) => {
            json!({"anyOf": [{"type": "array", "items": of_kind(*inner, choices)}, {"type": "string"}]})
        }
        Kind::Sub(spec) => json!({"anyOf": [object(spec), {"type": "string"}]}),
    }
}
