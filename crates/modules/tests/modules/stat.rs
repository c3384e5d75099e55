//! The module `stat`.

use crate::machine::{converge, run};
use provision_system::Memory;
use serde_json::{Value, json};

fn stat(machine: &Memory, args: Value) -> Value {
    converge(machine, "stat", args).get("stat").clone()
}

#[test]
fn tells_all_of_a_file() {
    let m =
        Memory::new().user("www", 33).file("/f", "x").owner("/f", 33, 33).mode("/f", 0o4751).mtime("/f", 5.0);
    let stat = stat(&m, json!({"path": "/f"}));
    for (name, value) in json!({
        "exists": true, "path": "/f", "mode": "4751", "isreg": true, "isdir": false, "islnk": false, "uid": 33,
        "gid": 33, "pw_name": "www", "gr_name": "www", "size": 1, "mtime": 5.0, "isuid": true, "isgid": false,
        "rusr": true, "wgrp": false, "xoth": true, "readable": true, "writeable": true, "executable": true,
        "checksum": "11f6ad8ec52a2984abaafd7c3b516503785c2072", "mimetype": "unknown", "charset": "unknown",
    })
    .as_object()
    .unwrap()
    {
        assert_eq!(&stat[name], value, "{name}");
    }
    assert!(stat.get("attributes").is_none(), "there is no lsattr");
}

#[test]
fn what_is_missing_does_not_exist() {
    assert_eq!(stat(&Memory::new(), json!({"path": "/none"})), json!({"exists": false}));
    let m = Memory::new().link("/none", "/l");
    assert_eq!(stat(&m, json!({"path": "/l", "follow": true})), json!({"exists": false}));
}

#[test]
fn links() {
    let m = Memory::new().file("/d/f", "x").link("d/f", "/l");
    let link = stat(&m, json!({"path": "/l"}));
    assert_eq!(
        (&link["islnk"], &link["lnk_source"], &link["lnk_target"]),
        (&json!(true), &json!("/d/f"), &json!("d/f"))
    );
    assert!(link.get("checksum").is_none());
    let file = stat(&m, json!({"path": "/l", "follow": true, "checksum_algorithm": "md5"}));
    assert_eq!(
        (&file["isreg"], &file["checksum"]),
        (&json!(true), &json!("9dd4e461268c8034f5c8564e155c67a6"))
    );
    assert!(stat(&m, json!({"path": "/d/f", "get_checksum": false})).get("checksum").is_none());
}

#[test]
fn asks_the_programs_that_are_there() {
    let m = Memory::new()
        .file("/f", "x")
        .program("/usr/bin/file")
        .program("/usr/bin/lsattr")
        .answer(&["/usr/bin/file", "--brief", "--mime", "--", "/f"], 0, "text/plain; charset=us-ascii\n")
        .answer(&["/usr/bin/lsattr", "-vd", "--", "/f"], 0, "12 ----i---------e------- /f\n");
    let done = run(&m, "stat", json!({"path": "/f"}));
    let stat = done.get("stat");
    assert_eq!((&stat["mimetype"], &stat["charset"]), (&json!("text/plain"), &json!("us-ascii")));
    assert_eq!((&stat["attr_flags"], &stat["version"]), (&json!("ie"), &json!("12")));
    assert_eq!(stat["attributes"], json!(["immutable", "extents"]));
    assert!(!done.changed);
}

#[test]
fn other_users_have_other_rights() {
    let m = Memory::new().file("/f", "x").mode("/f", 0o640).user("bob", 1001).as_user(1001, 1001);
    let of = |m: &Memory| {
        let stat = stat(m, json!({"path": "/f"}));
        (stat["readable"].clone(), stat["writeable"].clone(), stat["executable"].clone())
    };
    assert_eq!(of(&m), (json!(false), json!(false), json!(false)));
    assert_eq!(of(&m.owner("/f", 0, 1001)), (json!(true), json!(false), json!(false)));
}
