//! The module `script`.

use crate::machine::{Store, predict, run_with, sha256};
use provision_system::{Memory, Output, System};
use serde_json::json;

const SCRIPT: &[u8] = b"#!/bin/sh\necho hi\n";

#[test]
fn the_script_is_there_while_it_runs_and_gone_afterwards() {
    let m = Memory::new().on_command_with(|machine, command| {
        let line = command.argv[2].to_string_lossy().into_owned();
        let file = line.split(' ').nth(1)?;
        let meta = machine.meta(file)?;
        assert_eq!((machine.read(file.as_ref()).ok()?.as_slice(), meta.mode), (SCRIPT, 0o700));
        Some(Output { rc: 0, stdout: line.replace(file, "FILE").into_bytes(), stderr: Vec::new() })
    });
    let store = Store::default().with(SCRIPT);
    let args = json!({"cmd": "files/s.sh a \"b c\"", "executable": "bash", "chdir": "/etc",
        "_blob": {"sha256": sha256(SCRIPT), "size": SCRIPT.len()}});
    let done = run_with(&m, &store, "script", args.clone());
    assert!(done.changed && !done.failed, "{done:?}");
    done.has(json!({"stdout": "bash FILE a \"b c\"", "rc": 0}));
    let line = m.ran()[0].argv[2].to_string_lossy().into_owned();
    assert!(!m.exists(line.split(' ').nth(1).unwrap()));
    assert_eq!(m.ran()[0].cwd.as_deref(), Some("/etc".as_ref()));

    let done = predict(&m, &store, "script", args);
    done.has(json!({"skipped": true, "_unknown": true}));
    assert_eq!((m.ran().len(), store.opened()), (1, 1));
}

#[test]
fn creates_skips() {
    let m = Memory::new();
    let done = run_with(&m, &Store::default(), "script", json!({"cmd": "s.sh", "creates": "/etc/passwd"}));
    assert!(!done.changed);
    done.has(json!({"skipped": true, "msg": "/etc/passwd exists, matching creates option"}));
}
