//! `ping`, `slurp` and `tempfile`.

use crate::machine::{Store, converge, predict, run};
use provision_system::Memory;
use serde_json::json;

#[test]
fn ping_answers() {
    let m = Memory::new();
    converge(&m, "ping", json!({})).has(json!({"ping": "pong"}));
    converge(&m, "ping", json!({"data": "x"})).has(json!({"ping": "x"}));
    assert!(run(&m, "ping", json!({"data": "crash"})).failed);
}

#[test]
fn slurp_reads() {
    let m = Memory::new().file("/f", b"vm\n");
    converge(&m, "slurp", json!({"src": "/f"}))
        .has(json!({"content": "dm0K", "encoding": "base64", "source": "/f"}));
    assert_eq!(run(&m, "slurp", json!({"src": "/none"})).msg(), "File not found: /none");
    assert_eq!(
        run(&m, "slurp", json!({"path": "/etc"})).msg(),
        "Source is a directory and must be a file: /etc"
    );
}

#[test]
fn tempfile_makes_what_nobody_else_may_use() {
    let m = Memory::new().dir("/w");
    let done =
        run(&m, "tempfile", json!({"state": "directory", "path": "/w", "prefix": "p.", "suffix": ".s"}));
    assert!(done.changed);
    done.has(json!({"mode": "0700", "state": "directory"}));
    let path = done.get("path").as_str().unwrap();
    assert!(
        path.starts_with("/w/p.") && path.ends_with(".s") && path.len() == "/w/p.12345678.s".len(),
        "{path}"
    );
    let done = run(&m, "tempfile", json!({}));
    done.has(json!({"mode": "0600", "state": "file", "size": 0}));
    let path = done.get("path").as_str().unwrap();
    assert!(path.starts_with("/tmp/ansible.") && m.exists(path));
    let other = predict(&m, &Store::default(), "tempfile", json!({}));
    assert!(other.changed && !m.exists(other.get("path").as_str().unwrap()));
    assert!(run(&m, "tempfile", json!({"path": "/none"})).failed);
}
