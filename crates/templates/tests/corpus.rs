//! Expressions and what ansible-core 2.19.14 makes of them (`corpus.json`).
//!
//! The file is written by `record.py`, which gives every line of a list to ansible-core's `Templar` (`template`,
//! `evaluate_conditional`, `evaluate_expression`, the lookup `template` for files) with the variables in it, every
//! string marked as trusted, and stores the value as JSON or the kind of the error. Differences on purpose are
//! listed in `DIFFERENT`, each with its reason.

use provision_templates::{
    ErrorKind, FileOptions, Kwargs, Lookups, Members, PathQuery, RenderOptions, Scope, TemplateError,
    TemplateSource, Templater, Value, from_json, is_omit, lazy_dict, lazy_list, to_json, unknown_lookup,
};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, Weak};

/// (start of the text, why we differ)
const DIFFERENT: &[(&str, &str)] = &[
    ("{{ range(3) }}", "a range is a list: Ansible refuses to store its range objects"),
    ("{{ [range(3)] }}", "as above"),
    ("x{{ range(3) }}", "a range is a list and prints as one"),
    ("{{ l | type_debug }} {{ d.items() | type_debug }}", "ranges, dict views and generators are lists"),
    ("{% for i in [1,2,3] %}{% if i == 2 %}{% break", "loop controls work without being enabled"),
    ("{{ {'items': 5}.items }}", "a key wins over a method of the same name, unless it is called"),
    ("#jinja2: trim_blocks: maybe", "worded by Python"),
    ("{% set q = [] %}{% do q.append", "as above"),
    ("{{ 10000000000000000000000 }}", "JSON has no number for it; it becomes a string"),
    ("{% do ", "so does `do`"),
    ("{{ 1[0] }}", "Jinja evaluates constants early and words the error differently"),
    ("{{ [] [0] }}", "as above"),
    ("{{ (1 if false) | default('x') }}", "Ansible fails on the value it made itself"),
];

/// The variables, templated when asked for, as the engine does it.
struct Vars {
    raw: serde_json::Map<String, Json>,
    templater: Arc<Templater>,
    me: OnceLock<Weak<Vars>>,
}

impl std::fmt::Debug for Vars {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vars")
    }
}

impl Vars {
    fn value(&self, json: &Json) -> Result<Value, TemplateError> {
        let me = self.me.get().and_then(Weak::upgrade).expect("the corpus is as it was recorded");
        let members = || JsonMembers(json.clone(), me.clone());
        Ok(match json {
            Json::String(text) => {
                let scope: Arc<dyn Scope> = me;
                let options = RenderOptions { lazy: true, ..RenderOptions::default() };
                self.templater.render_str(text, &scope, &options)?
            }
            Json::Array(_) => lazy_list(members()),
            Json::Object(_) => lazy_dict(members()),
            other => from_json(other.clone()),
        })
    }
}

#[derive(Debug)]
struct JsonMembers(Json, Arc<Vars>);

impl Members for JsonMembers {
    fn len(&self) -> usize {
        self.0
            .as_array()
            .map_or_else(|| self.0.as_object().expect("the corpus is as it was recorded").len(), Vec::len)
    }
    fn key(&self, index: usize) -> Value {
        Value::from(
            &**self
                .0
                .as_object()
                .expect("the corpus is as it was recorded")
                .keys()
                .nth(index)
                .expect("the corpus is as it was recorded"),
        )
    }
    fn find(&self, key: &Value) -> Option<usize> {
        self.0
            .as_object()
            .expect("the corpus is as it was recorded")
            .keys()
            .position(|known| Some(&**known) == key.as_str())
    }
    fn make(&self, index: usize) -> Result<Value, TemplateError> {
        let member = match &self.0 {
            Json::Array(items) => &items[index],
            other => other
                .as_object()
                .expect("the corpus is as it was recorded")
                .values()
                .nth(index)
                .expect("the corpus is as it was recorded"),
        };
        self.1.value(member)
    }
}

impl Scope for Vars {
    fn get(&self, name: &str) -> Result<Option<Value>, TemplateError> {
        self.raw.get(name).map(|json| self.value(json)).transpose()
    }
    fn names(&self) -> Vec<String> {
        self.raw.keys().cloned().collect()
    }
}

/// The files of the corpus.
struct Host(serde_json::Map<String, Json>);

impl Lookups for Host {
    fn lookup(
        &self,
        name: &str,
        terms: &[Value],
        _: &Kwargs,
        _: &Arc<dyn Scope>,
    ) -> Result<Vec<Value>, TemplateError> {
        match name {
            "env" => Ok(terms
                .iter()
                .map(|term| Value::from(if term.as_str() == Some("HOME") { "/root" } else { "" }))
                .collect()),
            _ => Err(unknown_lookup(name)),
        }
    }
    fn read_template(&self, name: &str, _: &[PathBuf]) -> Result<Option<TemplateSource>, TemplateError> {
        let text = self.0.get(name).and_then(Json::as_str);
        Ok(text.map(|text| TemplateSource { path: PathBuf::from(name), text: text.to_owned() }))
    }
    fn path(&self, query: PathQuery<'_>) -> Result<Value, TemplateError> {
        Ok(Value::from(match query {
            PathQuery::File(path) => Path::new(path).is_file(),
            PathQuery::Directory(path) => Path::new(path).is_dir(),
            PathQuery::Exists(path) => Path::new(path).exists(),
            _ => return Err(TemplateError::runtime("not asked in the corpus")),
        }))
    }
}

fn same(ours: &Json, theirs: &Json) -> bool {
    match (ours, theirs) {
        (Json::Number(a), Json::Number(b)) => {
            a.is_f64() == b.is_f64()
                && (a == b
                    || a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| (a - b).abs() <= 1e-12 * b.abs()))
        }
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|((k, a), (l, b))| k == l && same(a, b))
        }
        (Json::String(a), Json::Number(b)) => *a == b.to_string(),
        _ => ours == theirs,
    }
}

#[test]
fn agrees_with_ansible() {
    let corpus: Json = serde_json::from_str(include_str!("corpus.json")).unwrap();
    let templater = Arc::new(Templater::new(Arc::new(Host(corpus["files"].as_object().unwrap().clone()))));
    let raw = corpus["vars"].as_object().unwrap().clone();
    let vars = Arc::new(Vars { raw, templater: templater.clone(), me: OnceLock::new() });
    vars.me.set(Arc::downgrade(&vars)).unwrap();
    let scope: Arc<dyn Scope> = vars;
    let cases = corpus["cases"].as_array().unwrap();
    assert!(cases.len() > 300, "the corpus has shrunk");
    let mut failures = Vec::new();
    let mut excused = vec![false; DIFFERENT.len()];
    for case in cases {
        let text = case["text"].as_str().unwrap();
        let result = match case["kind"].as_str().unwrap() {
            "when" => templater.eval_condition(text, &scope).map(Value::from),
            "expr" => templater.eval(text, &scope),
            "file" => templater.render_file("main", text, &scope, &FileOptions::default()).map(Value::from),
            _ => templater.render_str(text, &scope, &RenderOptions::default()),
        };
        let agree = match (&result, case.get("error").and_then(Json::as_str)) {
            (Ok(value), None) => same(&to_json(value), &case["value"]),
            (Ok(value), Some("omit")) => is_omit(value),
            (Err(error), Some(kind)) => match kind {
                "undefined" => {
                    error.is_undefined() && case["message"].as_str().unwrap().contains(&error.message)
                }
                "syntax" => {
                    matches!(
                        error.kind,
                        ErrorKind::Syntax | ErrorKind::UnknownFilter { .. } | ErrorKind::UnknownTest { .. }
                    ) && case["message"]
                        .as_str()
                        .unwrap()
                        .contains(error.message.split(" Did you mean").next().unwrap())
                }
                _ => true,
            },
            _ => false,
        };
        let excuse = DIFFERENT.iter().position(|(start, _)| text.starts_with(start));
        match (agree, excuse) {
            (false, None) => failures.push(format!(
                "{text}\n   ansible: {}\n   ours:    {}",
                case.get("value")
                    .map_or_else(|| format!("{} {}", case["error"], case["message"]), Json::to_string),
                result.map_or_else(
                    |error| format!("{:?} {}", error.kind, error),
                    |value| to_json(&value).to_string()
                )
            )),
            (false, Some(at)) => excused[at] = true,
            _ => {}
        }
    }
    assert!(failures.is_empty(), "{} of {} differ:\n{}", failures.len(), cases.len(), failures.join("\n"));
    for (used, (start, _)) in excused.iter().zip(DIFFERENT) {
        assert!(used, "no longer different: {start}");
    }
}
