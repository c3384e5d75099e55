//! What YAML becomes: structure, places, merge keys, tags, limits.

use provision_source::{Diagnostics, Node, Severity, Sources, Yaml, load, parse_str};
use serde_json::json;

fn one(yaml: &str) -> Node {
    parse_str(&Sources::new(), "t.yml", yaml).expect("valid YAML").remove(0)
}

fn errors(yaml: &str) -> Vec<String> {
    parse_str(&Sources::new(), "t.yml", yaml).expect_err("an error").iter().map(|d| d.title.clone()).collect()
}

#[test]
fn documents() {
    let sources = Sources::new();
    assert_eq!(parse_str(&sources, "t", "").unwrap().len(), 0);
    assert_eq!(parse_str(&sources, "t", "# only\n").unwrap().len(), 0);
    let docs = parse_str(&sources, "t", "---\na: 1\n---\nb: 2\n...\n").unwrap();
    assert_eq!(docs.iter().map(Node::to_json).collect::<Vec<_>>(), [json!({"a": 1}), json!({"b": 2})]);
    assert!(parse_str(&sources, "t", "---\n").unwrap()[0].is_null());
}

#[test]
fn quoted_scalars_are_strings() {
    let doc = one("- \"yes\"\n- 'no'\n- \"1\"\n- '~'\n- \"<<\"\n- |-\n  1\n");
    assert_eq!(doc.to_json(), json!(["yes", "no", "1", "~", "<<", "1"]));
}

#[test]
fn merge_keys_as_pyyaml() {
    assert_eq!(one("<<: {a: 1}\na: 2\nb: 3").to_json(), json!({"a": 2, "b": 3}));
    assert_eq!(one("a: 2\n<<: {a: 1, c: 1}").to_json(), json!({"a": 2, "c": 1}));
    assert_eq!(one("<<: [{a: 1}, {a: 2, c: 3}]").to_json(), json!({"a": 1, "c": 3}));
    assert_eq!(one("x: &x {a: 1}\ny:\n  <<: *x\n  b: 2").to_json()["y"], json!({"a": 1, "b": 2}));
    assert_eq!(one("\"<<\": 1").to_json(), json!({"<<": 1}));
    assert_eq!(errors("<<: x"), ["`<<` merges mappings, this is a string"]);
    // merged keys come first, as PyYAML builds them
    let keys: Vec<String> = one("z: 1\n<<: {b: 1}\na: 1")
        .as_map()
        .unwrap()
        .keys()
        .map(|k| k.as_str().unwrap().to_string())
        .collect();
    assert_eq!(keys, ["b", "z", "a"]);
}

#[test]
fn duplicate_keys_warn_and_the_last_wins() {
    let sources = Sources::new();
    let file = sources.add("t.yml", "a: 1\nb: 2\na: 3\n1: x\n1.0: y\ntrue: z\n");
    let mut diagnostics = Diagnostics::new();
    let docs = load(&sources, file, &mut diagnostics).unwrap();
    assert_eq!(docs[0].get("a").unwrap().as_int(), Some(3));
    assert_eq!(docs[0].as_map().unwrap().len(), 3);
    assert_eq!(diagnostics.len(), 3);
    let first = diagnostics.iter().next().unwrap();
    assert_eq!(first.severity, Severity::Warning);
    assert_eq!(sources.location(first.labels[0].span), "t.yml:3:1");
    assert_eq!(sources.location(first.labels[1].span), "t.yml:1:1");
}

#[test]
fn places_are_bytes_and_columns_are_characters() {
    let sources = Sources::new();
    let text =
        "\u{feff}gr\u{fc}n: \u{1f600} x\nb:\n  - {c: d}\n  - |\n    text\n\n  - &x !unsafe y\n  -\nz:\n";
    let doc = parse_str(&sources, "t.yml", text).unwrap().remove(0);
    let value = doc.get("gr\u{fc}n").unwrap();
    assert_eq!(sources.slice(value.span), "\u{1f600} x");
    assert_eq!(sources.line_col(value.span), (1, 7));
    let items = doc.get("b").unwrap().as_seq().unwrap();
    assert_eq!(sources.slice(items[0].span), "{c: d}");
    assert!(sources.slice(items[1].span).starts_with("|\n    text"));
    assert_eq!(sources.slice(items[2].span), "&x !unsafe y");
    assert_eq!(sources.line_col(items[3].span), (8, 4));
    assert_eq!(sources.line_col(doc.get("z").unwrap().span), (9, 3));
    assert!(sources.slice(doc.get("b").unwrap().span).starts_with("- {c: d}"));
}

#[test]
fn tags() {
    let doc = one(
        "a: !vault |\n  $ANSIBLE\nb: !unsafe '{{ x }}'\nc: !unsafe yes\nd: !!str 12\ne: !!int '3'\nf: !!float 3\ng: ! 12\nh: !unsafe {x: 1}",
    );
    assert!(doc.get("a").unwrap().is_vault());
    assert_eq!(doc.get("a").unwrap().as_str(), Some("$ANSIBLE\n"));
    assert!(doc.get("b").unwrap().is_unsafe());
    assert_eq!(doc.get("c").unwrap().as_bool(), Some(true));
    assert_eq!(doc.get("d").unwrap().as_str(), Some("12"));
    assert_eq!(doc.get("e").unwrap().as_int(), Some(3));
    assert_eq!(doc.get("f").unwrap().value, Yaml::Float(3.0));
    assert_eq!(doc.get("g").unwrap().as_int(), Some(12));
    assert!(doc.get("h").unwrap().is_unsafe());
    assert_eq!(
        errors("a: !valut x\nb: !!set {a}\nc: !!int x\nd: !vault [1]\ne: !foo [1]"),
        [
            "unknown YAML tag `!valut`",
            "the YAML tag `!!set` is not supported here",
            "`x` is no value for `!!int`",
            "`!vault` needs a string",
            "unknown YAML tag `!foo`"
        ]
    );
}

#[test]
fn limits() {
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_string();
    for i in 1..20 {
        let refs = vec![format!("*a{}", i - 1); 9].join(", ");
        laughs.push_str(&format!("a{i}: &a{i} [{refs}]\n"));
    }
    assert!(errors(&laughs).iter().all(|e| e.starts_with("aliases expand")));
    assert_eq!(errors("a: &x [*x]"), ["an alias stands inside the value it refers to"]);
    assert!(errors(&"[".repeat(100_000)).len() == 1);
    let deep: String = (0..500).map(|i| format!("{}a:\n", " ".repeat(i))).collect();
    assert_eq!(errors(&deep), ["nested more than 200 levels deep"]);
    assert_eq!(one("a: &x {b: 1}\nc: *x\nd: *x").to_json()["d"], json!({"b": 1}));
}

#[test]
fn tab_after_the_colon_is_fine_as_in_ansible() {
    assert_eq!(one("a:\tb\nc:\t\t1").to_json(), json!({"a": "b", "c": 1}));
}

#[test]
fn big_mappings_are_found_by_hash() {
    let text: String = (0..500).map(|i| format!("k{i}: {i}\n")).collect();
    let doc = one(&text);
    assert!((0..500).all(|i| doc.get(&format!("k{i}")).unwrap().as_int() == Some(i)));
    assert!(doc.get("k500").is_none());
}

#[test]
fn not_utf8() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("latin1.yml");
    std::fs::write(&path, b"a: b\nname: caf\xe9\n").unwrap();
    let sources = Sources::new();
    let d = sources.read(&path).unwrap_err();
    assert_eq!(d.labels[0].text, "byte 14 is 0xe9");
    assert_eq!(sources.line_col(d.span()), (2, 10));
}

#[test]
fn serde_errors_have_places() {
    #[derive(serde::Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    struct T {
        #[allow(dead_code)]
        a: Vec<u8>,
        b: Option<String>,
    }
    let sources = Sources::new();
    let doc = parse_str(&sources, "t.yml", "a: [1, 2]\nb: x\n").unwrap().remove(0);
    assert_eq!(provision_source::from_node::<T>(&doc).unwrap().b.as_deref(), Some("x"));
    let doc = parse_str(&sources, "t.yml", "a: [1, x]\n").unwrap().remove(0);
    let e = provision_source::from_node::<T>(&doc).unwrap_err();
    assert_eq!(sources.location(e.span), "t.yml:1:8");
}
