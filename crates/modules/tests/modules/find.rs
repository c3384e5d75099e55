//! The module `find`. The expected names are Ansible's on the same tree.

use crate::machine::{converge, run};
use provision_system::{Memory, System};
use serde_json::{Value, json};

fn machine() -> Memory {
    let m = Memory::new()
        .file("/fd/a.txt", "abc\n")
        .file("/fd/d1/b.log", "foo bar\n")
        .file("/fd/d1/d2/big", [0; 5120])
        .file("/fd/.hid/x", "h\n")
        .file("/fd/.h", "h\n")
        .link("a.txt", "/fd/l")
        .link("d1", "/fd/ld");
    let now = m.now();
    m.mtime("/fd/a.txt", now - 3.0 * 86_400.0)
}

#[track_caller]
fn finds(args: Value, expected: &[&str]) {
    let mut args = args;
    args["paths"] = json!("/fd");
    let done = converge(&machine(), "find", args);
    let mut names: Vec<&str> =
        done.get("files").as_array().unwrap().iter().map(|f| &f["path"].as_str().unwrap()[4..]).collect();
    names.sort_unstable();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(names, expected);
    assert_eq!(done.get("matched"), &json!(expected.len()));
    assert!(!done.changed);
}

#[test]
fn by_place_and_kind() {
    finds(json!({}), &["a.txt"]);
    finds(json!({"recurse": true}), &["a.txt", "d1/b.log", "d1/d2/big", ".hid/x"]);
    finds(json!({"recurse": true, "hidden": true}), &[".h", "a.txt", "d1/b.log", "d1/d2/big", ".hid/x"]);
    finds(json!({"recurse": true, "depth": 2}), &["a.txt", "d1/b.log", ".hid/x"]);
    finds(
        json!({"recurse": true, "file_type": "any"}),
        &["l", "a.txt", "ld", "d1", "d1/b.log", "d1/d2", "d1/d2/big", ".hid/x"],
    );
    finds(json!({"recurse": true, "file_type": "directory"}), &["d1", "d1/d2"]);
    finds(json!({"file_type": "link"}), &["l", "ld"]);
    finds(
        json!({"recurse": true, "follow": true}),
        &["a.txt", "ld/b.log", "ld/d2/big", "d1/b.log", "d1/d2/big", ".hid/x"],
    );
}

#[test]
fn by_name() {
    finds(json!({"recurse": true, "patterns": "*.txt,*.log"}), &["a.txt", "d1/b.log"]);
    finds(
        json!({"recurse": true, "patterns": ["^.*\\.(txt|log)$"], "use_regex": true}),
        &["a.txt", "d1/b.log"],
    );
    finds(json!({"recurse": true, "patterns": ["b"], "use_regex": true}), &["d1/b.log", "d1/d2/big"]);
    finds(json!({"recurse": true, "excludes": "*.txt"}), &["d1/b.log", "d1/d2/big", ".hid/x"]);
}

#[test]
fn by_content_size_age_and_mode() {
    finds(json!({"recurse": true, "contains": "foo"}), &["d1/b.log"]);
    finds(json!({"recurse": true, "contains": "bar"}), &[]);
    finds(json!({"recurse": true, "contains": "bar", "read_whole_file": true}), &["d1/b.log"]);
    finds(json!({"recurse": true, "size": "1k"}), &["d1/d2/big"]);
    finds(json!({"recurse": true, "size": "-1k"}), &["a.txt", "d1/b.log", ".hid/x"]);
    finds(json!({"recurse": true, "age": "2d"}), &["a.txt"]);
    finds(json!({"recurse": true, "age": "-2d"}), &["d1/b.log", "d1/d2/big", ".hid/x"]);
    finds(json!({"recurse": true, "limit": 1}), &["a.txt"]);
    finds(json!({"mode": "0644"}), &["a.txt"]);
    finds(json!({"mode": "0755", "exact_mode": false}), &["a.txt"]);
    finds(json!({"mode": "0111", "exact_mode": false}), &[]);
    finds(json!({"mode": "u=rw"}), &[]);
}

#[test]
fn tells_about_files_and_places() {
    let m = machine();
    let done = run(&m, "find", json!({"paths": ["/none", "/fd"], "get_checksum": true}));
    let file = &done.get("files")[0];
    assert_eq!(file["checksum"], json!("03cfd743661f07975fa2f1220c5194cbaff48451"));
    assert_eq!(
        (&file["mode"], &file["isreg"], &file["pw_name"]),
        (&json!("0644"), &json!(true), &json!("root"))
    );
    done.has(
        json!({"examined": 6, "matched": 1, "msg": "Not all paths examined, check warnings for details",
        "skipped_paths": {"/none": "'/none' is not a directory"}}),
    );
    assert_eq!(run(&m, "find", json!({"paths": "/fd", "age": "xx"})).msg(), "failed to process age");
}
