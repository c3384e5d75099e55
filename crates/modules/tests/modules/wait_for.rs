//! The module `wait_for`.

use crate::machine::{Store, predict, run};
use provision_system::Memory;
use serde_json::json;
use std::io::Write;
use std::net::TcpListener;

#[test]
fn files_and_what_is_in_them() {
    let m = Memory::new().file("/f", "one\nport=80 up\n");
    let done = run(&m, "wait_for", json!({"path": "/f", "search_regex": "^port=(?P<n>\\d+) (x)?"}));
    assert!(!done.failed && !done.changed, "{done:?}");
    done.has(
        json!({"match_groups": ["80", null], "match_groupdict": {"n": "80"}, "state": "file", "elapsed": 0,
        "path": "/f", "port": null, "size": 15}),
    );
    run(&m, "wait_for", json!({"path": "/none", "state": "absent"}))
        .has(json!({"state": "absent", "path": "/none"}));
    for (args, msg) in [
        (json!({"path": "/none"}), "Timeout when waiting for file /none"),
        (json!({"path": "/f", "state": "absent"}), "Timeout when waiting for /f to be absent."),
        (json!({"path": "/f", "search_regex": "zz"}), "Timeout when waiting for search string zz in /f"),
        (json!({"path": "/none", "msg": "no"}), "no"),
    ] {
        let mut args = args;
        args["timeout"] = json!(1);
        let done = run(&m, "wait_for", args);
        assert!(done.failed && done.msg() == msg, "{done:?}");
        assert_eq!(done.get("elapsed"), 1);
    }
}

#[test]
fn ports() {
    let m = Memory::new().file("/etc/hosts", "127.0.0.1 here\n");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let mut connections = Vec::new();
        for _ in 0..3 {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"SSH-2.0-Test\r\n").unwrap();
            connections.push(stream);
        }
    });
    run(&m, "wait_for", json!({"port": port, "host": "here"})).has(json!({"port": port, "state": "started"}));
    run(&m, "wait_for", json!({"port": port, "search_regex": "SSH-(.*?)-"}))
        .has(json!({"match_groups": ["2.0"]}));
    let done = run(&m, "wait_for", json!({"port": port, "state": "stopped", "timeout": 1}));
    assert_eq!(done.msg(), format!("Timeout when waiting for 127.0.0.1:{port} to stop."));
    server.join().unwrap();
    assert!(!run(&m, "wait_for", json!({"port": port, "state": "stopped"})).failed);
    let done = run(&m, "wait_for", json!({"port": port, "timeout": 1}));
    assert_eq!(done.msg(), format!("Timeout when waiting for 127.0.0.1:{port}"));
}

#[test]
fn connections_that_end() {
    let head = "  sl  local_address rem_address   st\n";
    let table = |state: &str| format!("{head}   0: 0100007F:1F90 0200007F:C350 {state} 0\n");
    let busy = Memory::new().file("/proc/net/tcp", table("01"));
    let args = json!({"port": 8080, "state": "drained", "timeout": 1});
    assert_eq!(
        run(&busy, "wait_for", args.clone()).msg(),
        "Timeout when waiting for 127.0.0.1:8080 to drain"
    );
    let excluding = json!({"port": 8080, "state": "drained", "timeout": 1, "exclude_hosts": ["127.0.0.2"]});
    assert!(!run(&busy, "wait_for", excluding).failed);
    let listening = Memory::new().file("/proc/net/tcp", table("0A"));
    assert!(!run(&listening, "wait_for", args.clone()).failed);
    let mapped = "   0: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000200007F:C350 01 0\n";
    let mapped = Memory::new().file("/proc/net/tcp6", format!("{head}{mapped}"));
    assert!(run(&mapped, "wait_for", args).failed);
}

#[test]
fn contradictions_are_refused() {
    let m = Memory::new();
    for (args, msg) in [
        (json!({"path": "/f", "port": 1}), "port and path parameter can not both be passed to wait_for"),
        (
            json!({"path": "/f", "state": "stopped"}),
            "state=stopped should only be used for checking a port in the wait_for module",
        ),
        (json!({"port": 1, "exclude_hosts": "a"}), "exclude_hosts should only be with state=drained"),
        (
            json!({"port": 1, "active_connection_states": ["FOO"]}),
            "unknown active_connection_state (FOO) defined",
        ),
    ] {
        assert_eq!(run(&m, "wait_for", args).msg(), msg);
    }
}

#[test]
fn a_dry_run_does_not_wait() {
    let m = Memory::new();
    let start = std::time::Instant::now();
    let done = predict(&m, &Store::default(), "wait_for", json!({"path": "/later", "delay": 60}));
    assert!(!done.failed && !done.changed);
    assert_eq!(done.get("depends_on"), "unknown until applied: a dry run does not wait");
    assert!(start.elapsed().as_secs() < 30);
    let start = std::time::Instant::now();
    run(&m, "wait_for", json!({"timeout": 1})).has(json!({"elapsed": 1, "state": "started"}));
    assert!(start.elapsed().as_secs_f64() >= 1.0);
}
