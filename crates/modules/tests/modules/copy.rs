//! The module `copy`.

use crate::machine::{Store, converge, converge_with, predict, run, run_with, sha256};
use provision_system::{Memory, System};
use serde_json::json;

fn blob(data: &[u8]) -> serde_json::Value {
    json!({"sha256": sha256(data), "size": data.len()})
}

#[test]
fn writes_content() {
    let m = Memory::new().user("www", 33);
    let args =
        json!({"content": "hi\n", "dest": "/etc/motd", "mode": "0640", "owner": "www", "group": "www"});
    let done = converge(&m, "copy", args);
    assert!(done.changed);
    done.has(json!({"dest": "/etc/motd", "checksum": "55ca6286e3e4f4fba5d0448333fa99fc5a404a73",
        "md5sum": "764efa883dda1e11db47671c4a3bbd9e", "mode": "0640", "owner": "www", "gid": 33, "size": 3,
        "state": "file"}));
    assert_eq!(m.text("/etc/motd"), "hi\n");
    assert_eq!(m.meta("/etc/motd").unwrap().mode, 0o640);
}

#[test]
fn the_mode_alone_can_change() {
    let m = Memory::new().file("/f", "x");
    let done = converge(&m, "copy", json!({"content": "x", "dest": "/f", "mode": "u=rw,go="}));
    assert!(done.changed && done.get("md5sum").is_null());
    done.has(json!({"mode": "0600", "path": "/f"}));
}

#[test]
fn mappings_are_written_as_json() {
    let m = Memory::new();
    converge(&m, "copy", json!({"content": {"a": 1, "b": [1, "x"]}, "dest": "/f"}));
    assert_eq!(m.text("/f"), r#"{"a": 1, "b": [1, "x"]}"#);
}

#[test]
fn content_is_fetched_only_when_it_differs() {
    let m = Memory::new();
    let store = Store::default().with(b"big");
    let args = json!({"src": "big.bin", "_blob": blob(b"big"), "_original_basename": "big.bin", "dest": "/opt/new/"});
    assert!(run_with(&m, &store, "copy", args.clone()).changed);
    assert_eq!((m.text("/opt/new/big.bin").as_str(), store.opened()), ("big", 1));
    let again = run_with(&m, &store, "copy", args);
    assert!(!again.changed);
    again.has(json!({"dest": "/opt/new/big.bin", "path": "/opt/new/big.bin", "src": "big.bin"}));
    assert_eq!(store.opened(), 1);
}

#[test]
fn bytes_that_are_no_text_arrive() {
    let m = Memory::new();
    let text = provision_system::text::bytes_to_text(b"\xff\x00\xfe");
    converge(&m, "copy", json!({"_inline": text, "dest": "/f"}));
    assert_eq!(m.read("/f".as_ref()).unwrap(), b"\xff\x00\xfe");
}

#[test]
fn keeps_a_backup() {
    let m = Memory::new().file("/etc/f", "old").mode("/etc/f", 0o600);
    let done = run(&m, "copy", json!({"content": "new", "dest": "/etc/f", "backup": true}));
    let backup = done.get("backup_file").as_str().unwrap();
    assert!(backup.starts_with("/etc/f.") && backup.ends_with("~"), "{backup}");
    assert_eq!((m.text(backup), m.text("/etc/f")), ("old".to_owned(), "new".to_owned()));
    assert_eq!(m.meta(backup).unwrap().mode, 0o600);
    assert!(
        run(&m, "copy", json!({"content": "new", "dest": "/etc/f", "backup": true}))
            .get("backup_file")
            .is_null()
    );
}

#[test]
fn without_force_a_file_is_left_alone() {
    let m = Memory::new().file("/f", "old");
    assert!(!converge(&m, "copy", json!({"content": "new", "dest": "/f", "force": false})).changed);
    assert_eq!(m.text("/f"), "old");
}

#[test]
fn links_are_replaced_or_followed() {
    let m = Memory::new().file("/f", "x").link("/f", "/l").link("/f", "/l2");
    converge(&m, "copy", json!({"content": "new", "dest": "/l", "follow": true}));
    assert_eq!(m.text("/f"), "new");
    assert!(m.meta("/l").unwrap().is_link());
    assert!(converge(&m, "copy", json!({"content": "own", "dest": "/l2"})).changed);
    assert!(m.meta("/l2").unwrap().is_file());
    assert_eq!(m.text("/f"), "new");
}

#[test]
fn destinations_that_cannot_be() {
    let m = Memory::new().dir("/d");
    let fails = |args, msg: &str| assert_eq!(converge(&m, "copy", args).msg(), msg);
    fails(json!({"content": "x", "dest": "/d"}), "can not use content with a dir as dest");
    fails(json!({"content": "x", "dest": "/no/"}), "can not use content with a dir as dest");
    fails(json!({"content": "x", "dest": "/no/f"}), "Destination directory /no does not exist");
    fails(json!({"src": "/none", "dest": "/f", "remote_src": true}), "Source /none not found");
    fails(json!({"dest": "/f"}), "src (or content) is required");
}

#[test]
fn the_checksum_is_compared() {
    let m = Memory::new();
    let done = converge(&m, "copy", json!({"content": "x", "dest": "/f", "checksum": "1234"}));
    assert_eq!(done.msg(), "Copied file does not match the expected checksum. Transfer failed.");
    assert!(!m.exists("/f"));
    let sum = "11f6ad8ec52a2984abaafd7c3b516503785c2072";
    assert!(converge(&m, "copy", json!({"content": "x", "dest": "/f", "checksum": sum})).changed);
}

#[test]
fn content_is_validated_before_it_takes_its_place() {
    let m = Memory::new().file("/f", "old").on_command(|command| {
        let rc = i32::from(command.argv[0] != "good");
        Some(provision_system::Output { rc, stderr: b"no".to_vec(), ..Default::default() })
    });
    let done = run(&m, "copy", json!({"content": "new", "dest": "/f", "validate": "bad -t %s"}));
    assert_eq!(done.msg(), "failed to validate");
    done.has(json!({"exit_status": 1, "stderr": "no"}));
    assert_eq!(m.text("/f"), "old");
    let path = m.queried()[0].argv[2].clone();
    assert!(!m.exists(&path), "the scratch file is gone");
    assert!(run(&m, "copy", json!({"content": "new", "dest": "/f", "validate": "good -t %s"})).changed);
    let done =
        predict(&m, &Store::default(), "copy", json!({"content": "3", "dest": "/f", "validate": "bad %s"}));
    done.has(json!({"validated": "not in a dry run"}));
    let done = run(&m, "copy", json!({"content": "4", "dest": "/f", "validate": "bad"}));
    assert_eq!(done.msg(), "validate must contain %s: bad");
}

#[test]
fn copies_on_the_target() {
    let m = Memory::new().file("/src", "x").mode("/src", 0o751).dir("/d");
    converge(&m, "copy", json!({"src": "/src", "dest": "/d", "remote_src": true})).has(
        json!({"dest": "/d/src", "src": "/src", "mode": "0644", "md5sum": "9dd4e461268c8034f5c8564e155c67a6"}),
    );
    converge(&m, "copy", json!({"src": "/src", "dest": "/e", "remote_src": true, "mode": "preserve"}))
        .has(json!({"mode": "0751"}));
}

#[test]
fn copies_directories_on_the_target() {
    let machine = || {
        let m = Memory::new()
            .file("/src/a", "a")
            .mode("/src/a", 0o750)
            .file("/src/sub/b", "b")
            .link("a", "/src/l");
        m.mode("/src/sub", 0o700).user("www", 33)
    };
    let m = machine();
    let args = json!({"src": "/src/", "dest": "/dst", "remote_src": true, "owner": "www"});
    assert!(converge(&m, "copy", args).changed);
    assert_eq!((m.meta("/dst/a").unwrap().mode, m.meta("/dst/sub").unwrap().mode), (0o750, 0o700));
    assert_eq!((m.text("/dst/sub/b").as_str(), m.meta("/dst/sub/b").unwrap().uid), ("b", 33));
    assert!(m.meta("/dst/l").unwrap().is_link());
    let m = machine();
    assert!(converge(&m, "copy", json!({"src": "/src", "dest": "/dst", "remote_src": true})).changed);
    assert_eq!(m.text("/dst/src/a"), "a");
}

#[test]
fn copies_directories_of_the_controller() {
    let m = Memory::new().dir("/dst/src/sub").mode("/dst", 0o700).mode("/dst/src/sub", 0o700);
    let store = Store::default().with(b"a").with(b"b");
    let entry = |path: &str, data: &[u8]| json!({"path": path, "kind": "file", "mode": "0750", "sha256": sha256(data), "size": data.len()});
    let args = json!({"src": "src", "dest": "/dst", "_original_basename": "src", "_into": true, "mode": "preserve",
        "directory_mode": "0711", "_tree": [
            entry("a", b"a"), {"path": "sub", "kind": "dir"}, entry("sub/b", b"b"), {"path": "new/deep", "kind": "dir"},
            {"path": "l", "kind": "link", "target": "a"}]});
    let done = converge_with(&m, &store, "copy", args);
    assert!(done.changed);
    done.has(json!({"dest": "/dst/", "src": "src"}));
    assert_eq!((m.text("/dst/src/a").as_str(), m.meta("/dst/src/sub/b").unwrap().mode), ("a", 0o750));
    let mode = |path| m.meta(path).unwrap().mode;
    assert_eq!((mode("/dst"), mode("/dst/src/sub"), mode("/dst/src/new")), (0o700, 0o711, 0o711));
    assert_eq!(m.read_link("/dst/src/l".as_ref()).unwrap(), std::path::Path::new("a"));
}

#[test]
fn a_tree_does_not_leave_its_directory() {
    let args = json!({"dest": "/dst", "_tree": [{"path": "../etc/x", "kind": "dir"}]});
    let m = Memory::new();
    let done = run(&m, "copy", args);
    assert!(done.failed && done.msg().contains("leads out of the directory"), "{done:?}");
    assert!(!m.exists("/etc/x"));
}
