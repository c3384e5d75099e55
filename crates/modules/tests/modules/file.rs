//! The module `file`.

use crate::machine::{Store, converge, predict, refused, run};
use provision_system::{Memory, System};
use serde_json::json;

fn machine() -> Memory {
    Memory::new()
        .user("alice", 1000)
        .file("/d/a", "a")
        .file("/d/sub/b", "b")
        .link("a", "/d/link")
        .file("/f", "f")
}

#[test]
fn makes_directories_with_all_above_them() {
    let m = machine();
    let done = converge(
        &m,
        "file",
        json!({"path": "/x/y/z", "state": "directory", "mode": "0750", "owner": "alice"}),
    );
    assert!(done.changed);
    done.has(json!({"path": "/x/y/z", "mode": "0750", "owner": "alice", "uid": 1000, "group": "root", "state": "directory"}));
    for path in ["/x", "/x/y", "/x/y/z"] {
        let meta = m.meta(path).unwrap();
        assert_eq!((meta.mode, meta.uid), (0o750, 1000), "{path}");
    }
}

#[test]
fn a_directory_in_place_of_a_file_is_refused() {
    let done = converge(&machine(), "file", json!({"path": "/f", "state": "directory"}));
    assert!(done.failed && done.msg() == "/f already exists as a file", "{done:?}");
    done.has(json!({"path": "/f", "state": "file"}));
}

#[test]
fn recursion_reaches_everything_but_the_mode_of_links() {
    let m = machine();
    let args =
        json!({"path": "/d", "state": "directory", "mode": "u=rwX,go=", "owner": "alice", "recurse": true});
    assert!(converge(&m, "file", args).changed);
    let mode = |path| m.meta(path).unwrap().mode;
    assert_eq!((mode("/d"), mode("/d/a"), mode("/d/sub"), mode("/d/sub/b")), (0o700, 0o600, 0o700, 0o600));
    assert_eq!(m.meta("/d/link").unwrap().uid, 1000);
    assert!(m.meta("/d/link").unwrap().is_link());
}

#[test]
fn removes_whatever_is_there() {
    let m = machine();
    for path in ["/d/link", "/d", "/f"] {
        converge(&m, "file", json!({"path": path, "state": "absent"}))
            .has(json!({"path": path, "state": "absent"}));
        assert!(!m.exists(path));
    }
    assert!(!converge(&m, "file", json!({"path": "/f", "state": "absent"})).changed);
}

#[test]
fn touches() {
    let m = machine();
    let done = run(&m, "file", json!({"path": "/new", "state": "touch", "mode": "u=rw,g=r,o="}));
    assert!(done.changed);
    done.has(json!({"dest": "/new", "mode": "0640", "size": 0}));
    m.advance(60.0);
    assert!(run(&m, "file", json!({"path": "/new", "state": "touch"})).changed);
    assert_eq!(m.meta("/new").unwrap().mtime, m.now());
    m.advance(60.0);
    let keep =
        json!({"path": "/new", "state": "touch", "modification_time": "preserve", "access_time": "preserve"});
    assert!(!run(&m, "file", keep).changed);
}

#[test]
fn sets_times() {
    let m = machine();
    let args = json!({"path": "/f", "state": "file", "modification_time": "202001021304.05",
        "access_time": "2020-01-02", "access_time_format": "%Y-%m-%d"});
    assert!(converge(&m, "file", args).changed);
    let meta = m.meta("/f").unwrap();
    assert_eq!((meta.mtime, meta.atime), (1_577_970_245.0, 1_577_923_200.0));
}

#[test]
fn links() {
    let m = machine();
    let done = converge(&m, "file", json!({"path": "/l", "src": "/f", "state": "link"}));
    assert!(done.changed);
    done.has(json!({"dest": "/l", "src": "/f", "state": "link", "mode": "0777"}));
    assert_eq!(m.read_link("/l".as_ref()).unwrap(), std::path::Path::new("/f"));
    // Another target replaces it; a relative one starts beside the link.
    assert!(converge(&m, "file", json!({"path": "/l", "src": "d/a", "state": "link"})).changed);
    assert_eq!(m.text("/l"), "a");
    // The mode is that of the link's target.
    converge(&m, "file", json!({"path": "/l", "state": "link", "mode": "0600"}));
    assert_eq!(m.meta("/d/a").unwrap().mode, 0o600);
}

#[test]
fn a_link_needs_its_source_unless_forced() {
    let m = machine();
    let done = converge(&m, "file", json!({"path": "/l", "src": "none", "state": "link"}));
    assert_eq!(
        done.msg(),
        "src file does not exist, use 'force=yes' if you really want to create the link: /none"
    );
    assert!(
        converge(&m, "file", json!({"path": "/l", "src": "none", "state": "link", "force": true})).changed
    );
    let done = converge(&m, "file", json!({"path": "/f", "src": "/d/a", "state": "link"}));
    assert_eq!(done.msg(), "refusing to convert from file to symlink for /f");
    let done = converge(&m, "file", json!({"path": "/d", "src": "/f", "state": "link", "force": true}));
    assert_eq!(done.msg(), "the directory /d is not empty, refusing to convert it");
    assert!(
        converge(&m, "file", json!({"path": "/f", "src": "/d/a", "state": "link", "force": true})).changed
    );
}

#[test]
fn hard_links() {
    let m = machine();
    let done = converge(&m, "file", json!({"path": "/h", "src": "/f", "state": "hard"}));
    done.has(json!({"dest": "/h", "src": "/f", "state": "hard"}));
    assert_eq!(m.meta("/h").unwrap().ino, m.meta("/f").unwrap().ino);
    let done = converge(&m, "file", json!({"path": "/d/a", "src": "/f", "state": "hard"}));
    assert_eq!(done.msg(), "Cannot link, file exists at destination");
    let done = converge(&m, "file", json!({"path": "/x", "src": "/none", "state": "hard"}));
    assert_eq!(done.msg(), "src does not exist");
}

#[test]
fn the_state_left_out_is_the_one_there_is() {
    let m = machine();
    converge(&m, "file", json!({"path": "/d", "mode": "0711"}))
        .has(json!({"state": "directory", "mode": "0711"}));
    converge(&m, "file", json!({"path": "/d/link"}))
        .has(json!({"dest": "/d/link", "state": "link", "src": "a"}));
    let done = converge(&m, "file", json!({"path": "/none"}));
    assert_eq!(done.msg(), "file (/none) is absent, cannot continue");
}

#[test]
fn unknown_owners_fail() {
    let done = run(&machine(), "file", json!({"path": "/f", "owner": "bob"}));
    assert_eq!(done.msg(), "chown failed: failed to look up user bob");
    let done = run(&machine(), "file", json!({"path": "/f", "group": "bobs"}));
    assert_eq!(done.msg(), "chgrp failed: failed to look up group bobs");
    run(&machine(), "file", json!({"path": "/f", "owner": "4711"}))
        .has(json!({"uid": 4711, "owner": "4711"}));
}

#[test]
fn home_and_variables_are_expanded() {
    let m = machine().env("NAME", "n");
    converge(&m, "file", json!({"path": "~/$NAME", "state": "directory"})).has(json!({"path": "/root/n"}));
    assert!(m.exists("/root/n"));
}

#[test]
fn what_is_not_done_is_refused() {
    assert!(refused("file", json!({"path": "/f", "seuser": "x"})).contains("SELinux"));
    assert!(refused("file", json!({"path": "/f", "attributes": "+i"})).contains("chattr"));
    assert!(
        run(&machine(), "file", json!({"path": "/f", "unsafe_writes": false})).result.contains_key("path")
    );
}

#[test]
fn a_full_disk_is_told() {
    let m = machine().fail_write("/d/new", 28);
    let done = run(&m, "file", json!({"path": "/d/new", "state": "directory"}));
    assert!(done.failed && done.msg().contains("No space left on device"), "{done:?}");
    assert!(!predict(&m, &Store::default(), "file", json!({"path": "/d", "state": "directory"})).changed);
}

#[test]
fn an_empty_path_is_not_the_home_directory() {
    let m = machine().file("/root/kept", "");
    for path in ["", "/", "//"] {
        assert!(converge(&m, "file", json!({"path": path, "state": "absent"})).failed, "{path}");
    }
    assert!(m.exists("/root/kept"));
}
