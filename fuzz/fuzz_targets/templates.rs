//! Templates: parsed in every way, and evaluated with a few variables.
#![no_main]

use libfuzzer_sys::fuzz_target;
use provision_templates::{
    Kind, Kwargs, Lookups, PathQuery, RenderOptions, Scope, TemplateError, TemplateSource, Templater, Value,
};
use std::path::PathBuf;
use std::sync::Arc;

fuzz_target!(|text: &str| {
    // What one text may cost is bounded by the evaluator; many small ones find more.
    if text.len() > 4096 {
        return;
    }
    let templater = Templater::new(Arc::new(Nothing));
    for kind in [Kind::Text, Kind::Expression, Kind::File] {
        let _ = templater.check_syntax(text, kind);
        let _ = templater.references(text, kind);
    }
    let scope: Arc<dyn Scope> = Arc::new(Few);
    let _ = templater.render_str(text, &scope, &RenderOptions::default());
    let _ = templater.eval(text, &scope);
    let _ = templater.eval_condition(text, &scope);
});

#[derive(Debug)]
struct Few;

impl Scope for Few {
    fn get(&self, name: &str) -> Result<Option<Value>, TemplateError> {
        Ok(match name {
            "a" => Some(Value::from("text")),
            "b" => Some(Value::from(7)),
            "c" => Some(Value::from(vec![Value::from(1), Value::from("x"), Value::from(2.5)])),
            "d" => Some(provision_templates::from_json(serde_json::json!({"k": {"l": [1, null, true]}}))),
            _ => None,
        })
    }

    fn names(&self) -> Vec<String> {
        ["a", "b", "c", "d"].map(str::to_owned).to_vec()
    }
}

struct Nothing;

impl Lookups for Nothing {
    fn lookup(
        &self,
        name: &str,
        _: &[Value],
        _: &Kwargs,
        _: &Arc<dyn Scope>,
    ) -> Result<Vec<Value>, TemplateError> {
        Err(provision_templates::unknown_lookup(name))
    }

    fn read_template(&self, _: &str, _: &[PathBuf]) -> Result<Option<TemplateSource>, TemplateError> {
        Ok(None)
    }

    fn path(&self, _: PathQuery<'_>) -> Result<Value, TemplateError> {
        Ok(Value::from(false))
    }
}
