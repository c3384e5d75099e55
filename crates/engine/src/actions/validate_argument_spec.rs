//! `validate_argument_spec`: a role's parameters against its `meta/argument_specs.yml`, before its first task.

use crate::host_task::{Attempt, Reply};
use crate::render;
use provision_templates::{Scope, finalize, to_json};
use serde_json::{Map, Value, json};

/// Option types of Ansible's argument specs.
const TYPES: &[&str] =
    &["str", "int", "float", "bool", "list", "dict", "path", "raw", "json", "jsonarg", "bytes", "bits"];

pub fn run(attempt: &Attempt<'_>, args: &Map<String, Value>) -> Reply {
    let spec = match args.get("argument_spec") {
        Some(spec) => spec.clone(),
        None => match attempt.run.task.common.role.as_ref().and_then(|role| role.argument_spec.as_ref()) {
            Some(node) => node.get("options").map(|options| options.to_json()).unwrap_or_else(|| json!({})),
            None => return Reply::fail("\"argument_spec\" arg is required in args: {}"),
        },
    };
    let Value::Object(options) = spec else {
        return Reply::fail("argument_spec must be a mapping of options");
    };
    // Of the task that is put before a role's first.
    let role = attempt.run.task.common.role.as_ref().filter(|_| !args.contains_key("argument_spec"));
    let context = role.map(|role| {
        let name = attempt.run.info.name.split('\'').nth(1).unwrap_or("main");
        json!({"type": "role", "name": role.name, "argument_spec_name": name, "path": role.path})
    });
    let given = args.get("provided_arguments").and_then(Value::as_object);
    let mut errors = Vec::new();
    for (name, option) in &options {
        let value = match given.and_then(|map| map.get(name)) {
            Some(value) => Some(value.clone()),
            None => {
                match attempt.scope.get(name).and_then(|value| value.as_ref().map(finalize).transpose()) {
                    Ok(value) => value.filter(|v| !provision_templates::is_omit(v)).map(|v| to_json(&v)),
                    Err(error) if error.is_undefined() => None,
                    Err(error) => {
                        errors.push(format!("{name}: {}", error.message));
                        continue;
                    }
                }
            }
        };
        check(name, option, value.as_ref(), &mut errors);
    }
    if errors.is_empty() {
        let mut result = Map::new();
        result.insert("changed".into(), false.into());
        result.insert("msg".into(), "The arg spec validation passed".into());
        result.extend(context.map(|context| ("validate_args_context".to_owned(), context)));
        return Reply::ok(result);
    }
    let mut reply = Reply::fail(format!("Validation of arguments failed:\n{}", errors.join("\n")));
    reply.result.extend(context.map(|context| ("validate_args_context".to_owned(), context)));
    reply.result.insert("argument_errors".into(), errors.into());
    reply.result.insert("argument_spec_data".into(), Value::Object(options));
    reply.result.insert("changed".into(), false.into());
    reply
}

/// One option, and what is below it.
fn check(path: &str, option: &Value, value: Option<&Value>, errors: &mut Vec<String>) {
    let Some(value) = value.filter(|v| !v.is_null()) else {
        if option.get("required").and_then(render::truth).unwrap_or(false) {
            errors.push(format!("missing required arguments: {path}"));
        }
        return;
    };
    let wanted = option.get("type").and_then(Value::as_str).unwrap_or("str");
    if !TYPES.contains(&wanted) {
        errors.push(format!("{path}: the argument spec names an unknown type '{wanted}'"));
        return;
    }
    if let Err(text) = fits(value, wanted) {
        errors.push(format!("argument '{path}' {text}"));
        return;
    }
    let list = match value {
        Value::Array(items) => items.clone(),
        Value::String(text) if wanted == "list" => {
            text.split(',').map(|t| Value::String(t.trim().to_owned())).collect()
        }
        other => vec![other.clone()],
    };
    if let Some(choices) = option.get("choices").and_then(Value::as_array) {
        let texts: Vec<String> = choices.iter().map(text_of).collect();
        for item in &list {
            if !texts.contains(&text_of(item)) {
                errors.push(format!(
                    "value of {path} must be one of: {}, got: {}",
                    texts.join(", "),
                    text_of(item)
                ));
            }
        }
    }
    if wanted == "list"
        && let Some(elements) = option.get("elements").and_then(Value::as_str)
    {
        for (index, item) in list.iter().enumerate() {
            if let Err(text) = fits(item, elements) {
                errors.push(format!("Elements value for option '{path}' {text} (at index {index})"));
            }
        }
    }
    let Some(inner) = option.get("options").and_then(Value::as_object) else { return };
    let in_list = wanted == "list";
    for (index, item) in list.iter().enumerate() {
        let Value::Object(map) = item else { continue };
        let place = if in_list { format!("{path}[{index}]") } else { path.to_owned() };
        for key in map.keys().filter(|key| !inner.contains_key(*key)) {
            let known: Vec<&str> = inner.keys().map(String::as_str).collect();
            let near = provision_source::nearest(key, known.iter().copied());
            let hint = near.map(|n| format!(" Did you mean '{n}'?")).unwrap_or_default();
            errors.push(format!(
                "Unsupported parameter {place}.{key}. Supported parameters include: {}.{hint}",
                known.join(", ")
            ));
        }
        for (name, option) in inner {
            check(&format!("{place}.{name}"), option, map.get(name), errors);
        }
    }
}

fn text_of(value: &Value) -> String {
    provision_templates::to_text(&provision_templates::from_json(value.clone()))
}

/// Can the value be taken as that type, as Ansible converts?
fn fits(value: &Value, wanted: &str) -> Result<(), String> {
    let refuse =
        || Err(format!("is of type {} and we were unable to convert to {wanted}", python_type(value)));
    let ok = match wanted {
        "int" => {
            value.is_i64()
                || value.is_u64()
                || value.as_str().is_some_and(|t| t.trim().parse::<i64>().is_ok())
                || value.is_boolean()
        }
        "float" => value.is_number() || value.as_str().is_some_and(|t| t.trim().parse::<f64>().is_ok()),
        "bool" => render::truth(value).is_some() && !value.is_null(),
        "list" => matches!(value, Value::Array(_) | Value::String(_) | Value::Number(_)),
        "dict" => {
            value.is_object()
                || value.as_str().is_some_and(|t| t.trim_start().starts_with('{') || t.contains('='))
        }
        "str" | "path" => !matches!(value, Value::Array(_) | Value::Object(_)) || wanted == "str",
        _ => true,
    };
    if ok { Ok(()) } else { refuse() }
}

fn python_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(n) if n.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}
