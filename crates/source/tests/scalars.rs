//! Plain scalars against what PyYAML made of them (`data/scalars.py`).

use provision_source::{Sources, Yaml, parse_str};

#[test]
fn plain_scalars_resolve_as_in_pyyaml() {
    let cases: Vec<(String, String, serde_json::Value)> =
        serde_json::from_str(include_str!("data/scalars.json")).unwrap();
    assert!(cases.len() > 150);
    let sources = Sources::new();
    let mut wrong = Vec::new();
    for (text, kind, expected) in cases {
        let docs = parse_str(&sources, "t.yml", format!("- {text}\n"));
        let node = docs.unwrap_or_else(|e| panic!("{text}: {e}")).remove(0).as_seq().unwrap()[0].clone();
        let (found, value) = match &node.value {
            Yaml::Null => ("NoneType", serde_json::Value::Null),
            Yaml::Bool(b) => ("bool", (*b).into()),
            Yaml::Int(i) => ("int", (*i).into()),
            Yaml::Float(f) => ("float", python_float(*f).into()),
            Yaml::Str(s) => ("str", s.to_string().into()),
            other => panic!("{text}: {other:?}"),
        };
        if found != kind || value != expected {
            wrong.push(format!("{text}: {found} {value}, PyYAML: {kind} {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn python_float(f: f64) -> String {
    if f.is_nan() || f.is_infinite() {
        return f.to_string().to_lowercase();
    }
    let text = format!("{f:?}");
    match text.split_once('e') {
        Some((m, e)) => format!(
            "{}e{}{:0>2}",
            m.trim_end_matches(".0"),
            if e.starts_with('-') { "-" } else { "+" },
            e.trim_start_matches('-')
        ),
        None => text,
    }
}
