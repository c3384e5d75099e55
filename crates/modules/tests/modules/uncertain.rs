//! Dry runs in which an earlier task would have run a command: what is missing may be there then.

use crate::machine::{Done, Store, predict_after};
use provision_system::Memory;
use serde_json::{Value, json};

#[track_caller]
fn after_a_command(module: &str, args: Value) -> Done {
    let machine = Memory::new().file("/etc/f", "x");
    let done =
        predict_after(&machine, &Store::default(), json!({"cmd": "apt-get install nginx"}), module, args);
    assert!(!done.failed, "{done:?}");
    assert!(machine.ran().is_empty());
    done
}

#[track_caller]
fn depends(module: &str, args: Value) {
    let done = after_a_command(module, args);
    let why = done.get("depends_on").as_str().unwrap_or_default();
    assert!(done.changed && why.starts_with("unknown until applied: "), "{done:?}");
}

#[test]
fn what_an_earlier_command_may_bring_is_no_error() {
    depends("copy", json!({"content": "x", "dest": "/etc/nginx/conf.d/site.conf"}));
    depends("copy", json!({"src": "/etc/nginx/nginx.conf", "dest": "/etc/g", "remote_src": true}));
    depends("lineinfile", json!({"path": "/etc/nginx/nginx.conf", "line": "x"}));
    depends("blockinfile", json!({"path": "/etc/nginx/nginx.conf", "block": "x"}));
    depends("replace", json!({"path": "/etc/nginx/nginx.conf", "regexp": "a", "replace": "b"}));
    depends("file", json!({"path": "/etc/nginx/nginx.conf", "mode": "0600"}));
    depends("file", json!({"path": "/etc/nginx/sites-enabled/x", "src": "../x", "state": "link"}));
    depends("file", json!({"path": "/etc/nginx/x", "state": "touch"}));
    depends("file", json!({"path": "/etc/hard", "src": "/etc/nginx/x", "state": "hard"}));
    depends("file", json!({"path": "/etc/f", "owner": "nginx", "group": "nginx"}));
    depends("copy", json!({"content": "x", "dest": "/etc/f", "owner": "nginx"}));
}

#[test]
fn what_can_be_known_is_predicted() {
    let done = after_a_command("file", json!({"path": "/etc/nginx", "state": "directory"}));
    assert!(done.changed && done.get("depends_on").is_null());
    assert!(!after_a_command("copy", json!({"content": "x", "dest": "/etc/f"})).changed);
    assert!(after_a_command("command", json!({"cmd": "x", "chdir": "/opt/new", "removes": "y"})).changed);
    after_a_command("stat", json!({"path": "/etc/nginx"})).has(json!({"stat": {"exists": false}}));
}
