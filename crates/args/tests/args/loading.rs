//! The checks when a playbook is loaded, before templates have values.

use crate::declared::{FileArgs, object};
use provision_args::{Args, Argument};
use serde_json::json;

fn told(args: Argument) -> Vec<String> {
    let is_template = |value: &Argument| value.as_str().is_some_and(|text| text.contains("{{"));
    FileArgs::SPEC.check(&object(args), is_template).iter().map(ToString::to_string).collect()
}

#[test]
fn names() {
    let names = ["path", "dest", "stat", "attributes", "unsafe_writes", "_blob", "_raw_params"];
    let problems = FileArgs::SPEC.check_names(names.into_iter());
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "option 'path' of 'file' is given twice: as 'path' and as 'dest' (keep 'path')",
            "'file' has no option 'stat' (did you mean 'state'?)",
            "option 'attributes' of 'file' is not supported: not set yet",
            "'file' has no option '_blob' (it has path, state, src, content, owner, group, mode, recurse, type, flags, \
             pull, count, pin, rules, rule, env-vars, raw)",
            "option 'path' of 'file' is given twice: as 'path' and as '_raw_params' (keep 'path')",
        ]
    );
    assert!(problems.iter().all(|problem| !problem.value));
}

#[test]
fn a_template_may_be_anything_or_nothing() {
    for args in [
        json!({"path": "{{ a }}", "count": "{{ b }}", "state": "{{ c }}", "mode": "{{ d }}", "flags": ["a", "{{ e }}"]}),
        json!({"path": "/", "src": "{{ omit }}", "content": "c"}),
        json!({"path": "/", "owner": "{{ a }}", "count": 1}),
        json!({"path": "/", "owner": "a", "group": "{{ g }}", "count": 1}),
        json!({"path": "/", "src": "{{ a }}"}),
        json!({"path": "/", "state": "link", "src": "{{ a }}"}),
        json!({"path": "/", "state": "{{ a }}", "count": 1}),
        json!({"path": "/", "unsafe_writes": "{{ a }}", "count": 1}),
        json!({"path": "/", "rules": [{"port": "{{ a }}"}, "{{ b }}"], "count": 1}),
        json!({"path": "/", "rules": "{{ a }}", "count": 1}),
    ] {
        assert_eq!(told(args.clone()), [""; 0], "{args}");
    }
}

#[test]
fn what_is_certain_is_told() {
    for (args, wanted) in [
        (
            json!({"pathh": "{{ a }}", "path": "/", "count": 1}),
            "'file' has no option 'pathh' (did you mean 'path'?)",
        ),
        (json!({"count": "{{ a }}"}), "'file' needs the option 'path'"),
        (json!({"path": "/"}), "'file' needs one of 'src', 'content', 'count'"),
        (
            json!({"path": "/", "count": 1, "flags": ["c", "{{ a }}"]}),
            "option 'flags' of 'file': 'c' is not one of a, b",
        ),
        (
            json!({"path": "/", "count": 1, "rules": [{"user": "{{ a }}"}]}),
            "'rules' of 'file' needs the option 'port'",
        ),
        (
            json!({"path": "/", "count": 1, "attributes": "{{ a }}"}),
            "option 'attributes' of 'file' is not supported: not set yet",
        ),
        (json!({"path": "/", "count": 1, "_blob": "x"}), "'file' has no option '_blob'"),
    ] {
        let told = told(args.clone());
        assert!(told.len() == 1 && told[0].starts_with(wanted), "{args}: {told:?}");
    }
}

#[test]
fn normal_names() {
    let args = object(json!({"dest": "/x", "state": "file", "nonsense": 1}));
    let normal = FileArgs::SPEC.normalize(&args);
    assert_eq!(Argument::from(normal), json!({"path": "/x", "state": "file", "nonsense": 1}));
    let normal = FileArgs::SPEC.normalize(&object(json!({"_raw_params": "/x"})));
    assert_eq!(Argument::from(normal), json!({"path": "/x"}));
}
