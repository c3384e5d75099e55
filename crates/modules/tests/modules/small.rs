//! `async_status`, `ping`, `slurp` and `tempfile`.

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

#[test]
fn async_status_reads_what_a_job_left() {
    let running = br#"{"ansible_job_id":"j1.2","started":true,"finished":false}"#;
    let ended =
        br#"{"ansible_job_id":"j3.4","started":true,"finished":true,"failed":false,"changed":true,"rc":0}"#;
    let m = Memory::new().file("/root/.ansible_async/j1.2", running).file("/root/.ansible_async/j3.4", ended);
    converge(&m, "async_status", json!({"jid": "j1.2"})).has(json!({"started": true, "finished": false}));
    let done = converge(&m, "async_status", json!({"jid": "j3.4"}));
    done.has(json!({"finished": true, "results_file": "/root/.ansible_async/j3.4"}));
    assert_eq!(done.get("job")["rc"], 0);
    // Nothing outside of the directory is read, whatever the name.
    for jid in ["j5.6", "", "../.ansible_async/j3.4"] {
        let done = run(&m, "async_status", json!({"jid": jid}));
        assert_eq!((done.failed, done.msg()), (true, "could not find job"), "{jid}");
        done.has(json!({"finished": true, "ansible_job_id": jid}));
    }
    run(&m, "async_status", json!({"jid": "j3.4", "mode": "cleanup"}))
        .has(json!({"erased": "/root/.ansible_async/j3.4"}));
    assert!(!m.exists("/root/.ansible_async/j3.4") && m.exists("/root/.ansible_async/j1.2"));
}
