//! Templates that would never end, or fill the memory or the stack, end with an error. On a thread with the stack of
//! a worker (2 MiB).

use provision_templates::{
    FileOptions, Kwargs, Lookups, PathQuery, RenderOptions, Scope, TemplateError, TemplateSource, Templater,
    Value, unknown_lookup,
};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, Weak};

struct Host;

impl Lookups for Host {
    fn lookup(
        &self,
        name: &str,
        _: &[Value],
        _: &Kwargs,
        _: &Arc<dyn Scope>,
    ) -> Result<Vec<Value>, TemplateError> {
        Err(unknown_lookup(name))
    }
    fn read_template(&self, name: &str, _: &[PathBuf]) -> Result<Option<TemplateSource>, TemplateError> {
        Ok(Some(TemplateSource { path: PathBuf::from(name), text: format!("{{% include '{name}' %}}") }))
    }
    fn path(&self, _: PathQuery<'_>) -> Result<Value, TemplateError> {
        Err(TemplateError::runtime("not asked here"))
    }
}

/// Variables that need the next one, each within a deep expression.
#[derive(Debug)]
struct Chain(Arc<Templater>, OnceLock<Weak<Chain>>);

impl Scope for Chain {
    fn get(&self, name: &str) -> Result<Option<Value>, TemplateError> {
        let Some(number) = name.strip_prefix('v').and_then(|number| number.parse::<u32>().ok()) else {
            return Ok(None);
        };
        let scope: Arc<dyn Scope> = self.1.get().and_then(Weak::upgrade).expect("the scope is alive");
        let deep = format!("{}v{}{}", "[".repeat(60), number + 1, "]".repeat(60));
        self.0.render_str(&format!("{{{{ {deep} }}}}"), &scope, &RenderOptions::default()).map(Some)
    }
    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}

fn fails(text: &str) {
    let text = text.to_owned();
    let shown: String = text.chars().take(80).collect();
    let run = move || {
        let templater = Arc::new(Templater::new(Arc::new(Host)));
        let chain = Arc::new(Chain(templater.clone(), OnceLock::new()));
        chain.1.set(Arc::downgrade(&chain)).expect("set once");
        let scope: Arc<dyn Scope> = chain;
        let plain = templater.render_str(&text, &scope, &RenderOptions::default());
        let file = templater.render_file("f", &text, &scope, &FileOptions::default());
        let expression = templater.eval(&text, &scope);
        (plain.is_err(), file.is_err(), expression.is_err())
    };
    let done = std::thread::Builder::new().stack_size(2 << 20).spawn(run).expect("a thread").join();
    let (plain, file, expression) = done.unwrap_or_else(|_| panic!("{shown} panics"));
    assert!(plain && file && expression, "{shown} is no error");
}

#[test]
fn what_is_too_large_is_an_error() {
    for text in [
        "{{ 'a' * 10 ** 12 }}",
        "{{ range(10 ** 12) }}",
        "{{ [1] * 10 ** 12 }}",
        "{{ 'aaaaaaaaaa' * 6000000 ~ 'b' * 60000000 }}",
        "{{ ('a' * 60000000) | replace('a', 'bbb') }}",
        "{{ ('a' * 60000000).replace('a', 'bbb') }}",
        "{{ ['a' * 60000000, 'b' * 60000000] | join }}",
        "{{ range(100000) | product(range(100000)) }}",
        "{{ range(100) | permutations(50) }}",
        "{{ [1] | slice(10 ** 12) | list }}",
        "{{ [1] | batch(10 ** 12, 0) | list }}",
        "{{ 10 ** 1000 }}",
        "{{ 99999999999999999999999999999999999999999999 }}",
        "{{ lipsum(n=10 ** 9) }}",
        "{% for i in range(1000000) %}{{ 'a' * 1000 }}{% endfor %}",
        "{% set ns = namespace(x='ab') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}",
    ] {
        fails(text);
    }
}

#[test]
fn what_is_too_deep_is_an_error() {
    let wrapped = |open: &str, close: &str, times: usize| {
        format!("{{{{ {}1{} }}}}", open.repeat(times), close.repeat(times))
    };
    for text in [
        wrapped("[", "]", 10_000),
        wrapped("(", ")", 10_000),
        wrapped("not ", "", 10_000),
        wrapped("-", "", 10_000),
        wrapped("1 + ", "", 10_000),
        wrapped("", " | string", 10_000),
        wrapped("", "[0]", 10_000),
        wrapped("1 if 1 else ", "", 10_000),
        wrapped("{1: ", "}", 10_000),
        wrapped("x(", ")", 10_000),
        format!("{}x{}", "{% if true %}".repeat(10_000), "{% endif %}".repeat(10_000)),
        "{{ v0 }}".to_owned(),
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}".to_owned(),
        "{% include 'itself' %}".to_owned(),
        "{% extends 'itself' %}".to_owned(),
        "{% set l = [] %}{% do l.append(l) %}{{ l }}".to_owned(),
        "{% set d = {} %}{% do d.update({'d': d}) %}{{ d }}".to_owned(),
        "{% set ns = namespace(x=[]) %}{% for i in range(100000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}"
            .to_owned(),
        "{% for i in [[1]] recursive %}{{ loop([i]) }}{% endfor %}".to_owned(),
    ] {
        fails(&text);
    }
}

#[test]
fn what_is_only_long_is_none() {
    let run = || {
        let templater = Arc::new(Templater::new(Arc::new(Host)));
        let chain = Arc::new(Chain(templater.clone(), OnceLock::new()));
        let scope: Arc<dyn Scope> = chain;
        let ors = format!("{{{{ {}true }}}}", "false or ".repeat(1000));
        let tildes = format!("{{{{ {}'' }}}}", "'a' ~ ".repeat(1000));
        let branches = format!("{{% if 0 %}}{}{{% else %}}x{{% endif %}}", "{% elif 0 %}".repeat(1000));
        let sums = format!("{{{{ {}1 }}}}", "1 + ".repeat(90));
        [ors, tildes, branches, sums].map(|text| {
            templater.render_str(&text, &scope, &RenderOptions::default()).map(|value| value.to_string())
        })
    };
    let done = std::thread::Builder::new().stack_size(2 << 20).spawn(run).expect("a thread").join();
    let [ors, tildes, branches, sums] = done.unwrap_or_else(|_| panic!("a long template panics"));
    assert_eq!(ors.as_deref(), Ok("True"));
    assert_eq!(tildes.map(|text| text.len()), Ok(1000));
    assert_eq!(branches.as_deref(), Ok("x"));
    assert_eq!(sums.as_deref(), Ok("91"));
}
