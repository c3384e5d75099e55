//! How long a template takes for one host, with the templates that `xtask/bench/render.py` gives to Python.
//!
//! `cargo bench -p provision-templates`, or beside Python's: `cargo xtask bench templates`.

use criterion::{Criterion, criterion_group, criterion_main};
use provision_templates::{
    FileOptions, Kwargs, Lookups, Members, PathQuery, RenderOptions, Scope, TemplateError, TemplateSource,
    Templater, Value, from_json, lazy_dict, lazy_list, unknown_lookup,
};
use serde_json::Value as Json;
use std::collections::HashMap;
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

struct Nobody;

impl Lookups for Nobody {
    fn lookup(
        &self,
        name: &str,
        _: &[Value],
        _: &Kwargs,
        _: &Arc<dyn Scope>,
    ) -> Result<Vec<Value>, TemplateError> {
        Err(unknown_lookup(name))
    }
    fn read_template(&self, _: &str, _: &[PathBuf]) -> Result<Option<TemplateSource>, TemplateError> {
        Ok(None)
    }
    fn path(&self, _: PathQuery<'_>) -> Result<Value, TemplateError> {
        Err(TemplateError::runtime("there are no files here"))
    }
}

/// Variables as a task sees them: made when they are asked for, remembered for the task.
#[derive(Debug)]
struct Vars {
    raw: Arc<Json>,
    made: Mutex<HashMap<String, Value>>,
}

impl Scope for Vars {
    fn get(&self, name: &str) -> Result<Option<Value>, TemplateError> {
        let mut made = self.made.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(value) = made.get(name) {
            return Ok(Some(value.clone()));
        }
        let value = self.raw.get(name).map(|_| value_of(&self.raw, &[Step::Key(name.to_owned())]));
        if let Some(value) = &value {
            made.insert(name.to_owned(), value.clone());
        }
        Ok(value)
    }
    fn names(&self) -> Vec<String> {
        self.raw.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
    }
}

#[derive(Debug, Clone)]
enum Step {
    Key(String),
    Index(usize),
}

/// A part of the variables: the whole and the way to it.
#[derive(Debug)]
struct Part(Arc<Json>, Vec<Step>);

fn at<'j>(whole: &'j Json, way: &[Step]) -> &'j Json {
    way.iter().fold(whole, |json, step| match step {
        Step::Key(key) => &json[key.as_str()],
        Step::Index(index) => &json[*index],
    })
}

fn value_of(whole: &Arc<Json>, way: &[Step]) -> Value {
    match at(whole, way) {
        Json::Array(_) => lazy_list(Part(whole.clone(), way.to_vec())),
        Json::Object(_) => lazy_dict(Part(whole.clone(), way.to_vec())),
        other => from_json(other.clone()),
    }
}

impl Members for Part {
    fn len(&self) -> usize {
        match at(&self.0, &self.1) {
            Json::Array(items) => items.len(),
            Json::Object(map) => map.len(),
            _ => 0,
        }
    }
    fn key(&self, index: usize) -> Value {
        at(&self.0, &self.1)
            .as_object()
            .and_then(|map| map.keys().nth(index))
            .map_or_else(Value::default, |key| Value::from(key.as_str()))
    }
    fn find(&self, key: &Value) -> Option<usize> {
        at(&self.0, &self.1).as_object()?.keys().position(|known| Some(known.as_str()) == key.as_str())
    }
    fn make(&self, index: usize) -> Result<Value, TemplateError> {
        let step = match at(&self.0, &self.1) {
            Json::Object(map) => Step::Key(map.keys().nth(index).cloned().unwrap_or_default()),
            _ => Step::Index(index),
        };
        let way: Vec<Step> = self.1.iter().cloned().chain([step]).collect();
        Ok(value_of(&self.0, &way))
    }
}

fn render(c: &mut Criterion) {
    let vhost = include_str!("../../../xtask/bench/render/vhost.conf.j2");
    let task: Json = serde_json::from_str(include_str!("../../../xtask/bench/render/task.json"))
        .unwrap_or_else(|error| panic!("task.json: {error}"));
    let raw = Arc::new(task["vars"].clone());
    let texts: Vec<&str> =
        task["expressions"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    let templater = Templater::new(Arc::new(Nobody));
    // what a host's task begins with: nothing is known of its variables yet
    let scope = || -> Arc<dyn Scope> { Arc::new(Vars { raw: raw.clone(), made: Mutex::default() }) };
    let options = FileOptions::default();
    let file = || templater.render_file("vhost.conf.j2", black_box(vhost), &scope(), &options);
    let arguments = || -> Result<Vec<Value>, TemplateError> {
        let scope = scope();
        texts
            .iter()
            .map(|text| templater.render_str(black_box(text), &scope, &RenderOptions::default()))
            .collect()
    };
    if let Err(error) = file().map(|_| ()).and_then(|()| arguments().map(|_| ())) {
        panic!("the templates fail: {error}");
    }
    c.bench_function("vhost", |b| b.iter(|| black_box(file())));
    c.bench_function("arguments", |b| b.iter(|| black_box(arguments())));
    let first = Templater::new(Arc::new(Nobody));
    c.bench_function("vhost, first use", |b| {
        b.iter(|| {
            let fresh = Templater::new(Arc::new(Nobody));
            black_box(fresh.render_file("vhost.conf.j2", black_box(vhost), &scope(), &options))
        });
    });
    drop(first);
}

criterion_group!(benches, render);
criterion_main!(benches);
