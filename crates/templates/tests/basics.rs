//! What the engine relies on, apart from the corpus.

use provision_templates::{
    ErrorKind, FileOptions, Kind, Kwargs, Lookups, PathQuery, RenderOptions, Scope, TemplateError,
    TemplateSource, Templater, Value, error_value, from_json, is_omit, is_unknown, omit_value, to_json,
    unknown_lookup, unknown_value,
};
use serde_json::json;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Debug, Default)]
struct Vars(HashMap<String, Result<Value, TemplateError>>);

impl Vars {
    fn with(mut self, name: &str, value: serde_json::Value) -> Self {
        self.0.insert(name.to_owned(), Ok(from_json(value)));
        self
    }
    fn value(mut self, name: &str, value: Result<Value, TemplateError>) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }
    fn scope(self) -> Arc<dyn Scope> {
        Arc::new(self)
    }
}

impl Scope for Vars {
    fn get(&self, name: &str) -> Result<Option<Value>, TemplateError> {
        self.0.get(name).cloned().transpose()
    }
    fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
}

#[derive(Default)]
struct Host(HashMap<&'static str, &'static str>);

impl Lookups for Host {
    fn lookup(
        &self,
        name: &str,
        terms: &[Value],
        _: &Kwargs,
        _: &Arc<dyn Scope>,
    ) -> Result<Vec<Value>, TemplateError> {
        match name {
            "echo" => Ok(terms.to_vec()),
            _ => Err(unknown_lookup(name)),
        }
    }
    fn read_template(&self, name: &str, _: &[PathBuf]) -> Result<Option<TemplateSource>, TemplateError> {
        Ok(self.0.get(name).map(|text| TemplateSource { path: name.into(), text: (*text).to_owned() }))
    }
    fn path(&self, _: PathQuery<'_>) -> Result<Value, TemplateError> {
        Ok(Value::from(false))
    }
}

fn templater() -> Templater {
    Templater::new(Arc::new(Host::default()))
}

fn render(text: &str, scope: &Arc<dyn Scope>) -> Result<Value, TemplateError> {
    templater().render_str(text, scope, &RenderOptions::default())
}

#[test]
fn native_types_survive_a_single_expression() {
    let scope = Vars::default().with("l", json!([1, "x", null, true, 1.5])).scope();
    assert_eq!(to_json(&render("{{ l }}", &scope).unwrap()), json!([1, "x", null, true, 1.5]));
    assert_eq!(to_json(&render(" {{ l }}", &scope).unwrap()), json!(" [1, 'x', None, True, 1.5]"));
    assert_eq!(to_json(&render("plain { text }", &scope).unwrap()), json!("plain { text }"));
}

#[test]
fn undefined_names_the_variable_and_its_place() {
    let scope = Vars::default().with("d", json!({"k": 1})).scope();
    let error = render("a {{ d.k }} {{ nope | lower }}", &scope).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Undefined { name: "nope".into() });
    assert_eq!(error.message, "'nope' is undefined");
    assert_eq!(error.range, Some(15..19));
    let error = render("{{ d.b }}", &scope).unwrap_err();
    assert_eq!(error.message, "object of type 'dict' has no attribute 'b'");
    assert_eq!(to_json(&render("{{ nope.x.y is defined }}", &scope).unwrap()), json!(false));
    assert_eq!(to_json(&render("{{ nope.b | default(1) }}", &scope).unwrap()), json!(1));
    for text in [
        "{{ nope }}",
        "{{ nope == 1 }}",
        "{{ 1 if nope else 2 }}",
        "{{ [nope] }}",
        "{% for x in nope %}{% endfor %}",
    ] {
        assert!(render(text, &scope).unwrap_err().is_undefined(), "{text}");
    }
}

#[test]
fn a_failing_variable_keeps_its_message() {
    let scope = Vars::default()
        .value("broken", Err(TemplateError::runtime("division by zero")))
        .value("missing", Err(TemplateError::undefined("nope", "'nope' is undefined")))
        .value("holder", Ok(error_value(TemplateError::runtime("boom"))))
        .scope();
    assert_eq!(render("{{ broken | default(1) }}", &scope).unwrap_err().message, "division by zero");
    assert_eq!(to_json(&render("{{ missing | default(1) }}", &scope).unwrap()), json!(1));
    assert_eq!(render("{{ holder | upper }}", &scope).unwrap_err().message, "boom");
}

#[test]
fn unknown_values_spread_and_are_told() {
    let scope = Vars::default().value("r", Ok(unknown_value("the result of task 'x'"))).scope();
    let value = render("{{ r.stdout }}", &scope).unwrap();
    assert_eq!(is_unknown(&value).as_deref(), Some("the result of task 'x'"));
    let error = templater().eval_condition("r.stdout == 'a'", &scope).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Unknown { .. }));
    assert!(matches!(render("x {{ r.stdout }}", &scope).unwrap_err().kind, ErrorKind::Unknown { .. }));
}

#[test]
fn conditions_must_be_booleans() {
    let scope = Vars::default().with("a", json!(1)).scope();
    assert!(templater().eval_condition("a == 1", &scope).unwrap());
    let error = templater().eval_condition("a", &scope).unwrap_err();
    assert!(error.message.contains("value of type 'int'"), "{error}");
    let error = templater().eval_condition("nope", &scope).unwrap_err();
    assert_eq!(error.message, "Error while evaluating conditional: 'nope' is undefined");
    let scope =
        Vars::default().with("c", json!("1 == 1")).with("bad", json!("lookup('echo', 'a') == 'a'")).scope();
    assert!(templater().eval_condition("{{ c }}", &scope).unwrap());
    let error = templater().eval_condition("{{ bad }}", &scope).unwrap_err();
    assert!(error.message.contains("lookups are not run"), "{error}");
}

/// Far above what it takes (3 µs without optimisation or load is usual), far below what a recompilation costs.
#[test]
fn conditions_are_compiled_once() {
    let scope = Vars::default().with("a", json!({"b": [1, 2]})).scope();
    let templater = templater();
    let run = |count: u32| {
        let start = std::time::Instant::now();
        for _ in 0..count {
            assert!(templater.eval_condition("a.b | length == 2 and a is defined", &scope).unwrap());
        }
        start.elapsed() / count
    };
    run(1);
    let each = run(2_000);
    println!("a condition takes {each:?}");
    assert!(each < std::time::Duration::from_micros(500), "{each:?}");
}

#[test]
fn omit_is_recognised() {
    let scope = Vars::default().scope();
    assert!(is_omit(&render("{{ nope | default(omit) }}", &scope).unwrap()));
    assert!(is_omit(&omit_value()));
}

#[test]
fn files_include_import_and_extend() {
    let host = Host(HashMap::from([
        ("base", "<{% block body %}base{% endblock %}>\n"),
        ("macros", "{% macro m(a, b=2) %}{{ a }}+{{ b }}{% endmacro %}"),
        ("part", "part of {{ name }}"),
    ]));
    let templater = Templater::new(Arc::new(host));
    let scope = Vars::default().with("name", json!("web")).scope();
    let source = "{% extends 'base' %}{% block body %}{% import 'macros' as m %}{{ m.m(1) }} {% include 'part' %} {{ super() }}{% endblock %}";
    let text = templater.render_file("t.j2", source, &scope, &FileOptions::default()).unwrap();
    assert_eq!(text, "<1+2 part of web base>");
    let text = templater
        .render_file(
            "t.j2",
            "#jinja2: trim_blocks: False\n{% if true %}\nx\n{% endif %}\n",
            &scope,
            &FileOptions::default(),
        )
        .unwrap();
    assert_eq!(text, "\nx\n");
    let error = templater.render_file("t.j2", "a\n{{ nope }}", &scope, &FileOptions::default()).unwrap_err();
    assert_eq!((error.template.as_deref(), error.line), (Some("t.j2"), Some(2)));
}

/// What ansible-core's template module writes for the same files.
#[test]
fn newlines_around_included_files_are_those_of_ansible() {
    let host = Host(HashMap::from([
        ("b.j2", "x{{ none }}y {{ [1,\"a\"] }} {{ true }}\n"),
        ("k2.j2", "i={{ i }}\n"),
        ("base.j2", "top\n{% block b %}\nbase{{ playvar }}\n{% endblock %}\nend\n"),
    ]));
    let templater = Templater::new(Arc::new(host));
    let scope = Vars::default().with("playvar", json!("pv")).scope();
    let render =
        |source: &str| templater.render_file("t.j2", source, &scope, &FileOptions::default()).unwrap();
    let source = "{% include \"b.j2\" %}{% include \"inc2.j2\" ignore missing %}\n{% for i in [1,2] %}\n{% include \"k2.j2\" %}\n{% endfor %}\n{% macro t() %}\nline\n{% endmacro %}\n[{{ t() }}]\n{{ [1, none, \"a\"] }}{{ omit }}\n\n";
    assert_eq!(render(source), "xy [1, 'a'] Truei=1i=2[line\n]\n[1, None, 'a']\n\n");
    let source = "{% extends \"base.j2\" %}{% block b %}child {{ super() }}{% endblock %}";
    assert_eq!(render(source), "top\nchild basepv\nend");
    assert_eq!(render("a\r\n{{ 'b\\tc' }}\r\n"), "a\nb\tc\n");
    assert_eq!(render("{{ none }}"), "");
    let header = "#jinja2: lstrip_blocks: True, variable_start_string: \"[%\", variable_end_string: \"%]\"\n   {% if true %}\n[% playvar %] {{ x }}\n   {% endif %}\n";
    assert_eq!(render(header), "pv {{ x }}\n");
}

#[test]
fn syntax_errors_and_unknown_filters_are_found_without_evaluating() {
    let templater = templater();
    let error = templater.check_syntax("{{ a | deafult(1) }}", Kind::Text).unwrap_err();
    assert_eq!(error.kind, ErrorKind::UnknownFilter { name: "deafult".into() });
    assert!(error.message.contains("Did you mean 'default'?"), "{error}");
    assert_eq!(templater.check_syntax("{{ a", Kind::Text).unwrap_err().kind, ErrorKind::Syntax);
    assert_eq!(
        templater.check_syntax("a is defind", Kind::Expression).unwrap_err().kind,
        ErrorKind::UnknownTest { name: "defind".into() }
    );
    assert!(templater.check_syntax("a is ansible.builtin.defined", Kind::Expression).is_ok());
}

#[test]
fn references_leave_out_what_is_guarded() {
    let required = |text: &str, kind| {
        templater().references(text, kind).required.into_iter().map(|used| used.name).collect::<Vec<_>>()
    };
    assert_eq!(required("a.b == c", Kind::Expression), ["a", "c"]);
    assert_eq!(required("a is defined and a == b", Kind::Expression), ["b"]);
    assert_eq!(required("a is not defined or a.x", Kind::Expression), Vec::<String>::new());
    assert_eq!(required("{{ a | default(b) }}", Kind::Text), Vec::<String>::new());
    assert_eq!(
        required("{% for x in xs %}{{ x }}{{ loop.index }}{{ y }}{% endfor %}", Kind::Text),
        ["xs", "y"]
    );
    assert_eq!(required("{{ a if a is defined else b }}", Kind::Text), ["b"]);
    assert_eq!(required("{% set q = 1 %}{{ q }}{{ lookup('env', h) }}", Kind::Text), ["h"]);
}

/// A variable that needs itself, from a host that does not notice.
#[derive(Debug)]
struct Endless;

impl Scope for Endless {
    fn get(&self, _: &str) -> Result<Option<Value>, TemplateError> {
        let me: Arc<dyn Scope> = Arc::new(Endless);
        templater()
            .render_str("{{ [x, 1] | first | default('') ~ 'a' }}", &me, &RenderOptions::default())
            .map(Some)
    }
    fn names(&self) -> Vec<String> {
        vec!["x".to_owned()]
    }
}

#[test]
fn endless_variables_end_with_an_error() {
    let scope: Arc<dyn Scope> = Arc::new(Endless);
    assert_eq!(render("{{ x }}", &scope).unwrap_err().kind, ErrorKind::Recursion);
    assert!(render("{{ 1 }}", &scope).is_ok(), "the limit is for this evaluation alone");
}

#[test]
fn recursion_ends_with_an_error() {
    let scope = Vars::default().scope();
    let error = render("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", &scope).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Recursion);
}

#[test]
fn templates_change_their_lists_but_not_the_variables() {
    let scope = Vars::default().with("l", json!([1])).scope();
    let text = "{% set out = [] %}{% for x in [1, 2] %}{% set _ = out.append(x) %}{% endfor %}{% set _ = l.append(9) %}{{ [out, l] }}";
    assert_eq!(to_json(&render(text, &scope).unwrap()), json!([[1, 2], [1, 9]]));
    assert_eq!(to_json(&render("{{ l }}", &scope).unwrap()), json!([1]));
}

#[test]
fn lookups_ask_the_host() {
    let scope = Vars::default().scope();
    assert_eq!(to_json(&render("{{ lookup('echo', 'a', 'b') }}", &scope).unwrap()), json!("a,b"));
    assert_eq!(to_json(&render("{{ query('ansible.builtin.echo', 'a') }}", &scope).unwrap()), json!(["a"]));
    let error = render("{{ lookup('nolookup') }}", &scope).unwrap_err();
    assert_eq!(error.message, "The lookup plugin 'nolookup' was not found.");
}
