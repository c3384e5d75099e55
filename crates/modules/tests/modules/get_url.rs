//! The module `get_url`, against a server of our own.

use crate::machine::{Store, predict, run};
use crate::server::{Server, answer};
use provision_system::Memory;
use serde_json::json;

const SHA256: &str = "434728a410a78f56fc1b5899c3593436e61ab0c731e9072d95e96db290205e53";

fn server() -> Server {
    Server::start(|request| match request.path() {
        "/file" if request.header("if-modified-since") == Some("Tue, 14 Nov 2023 22:13:20 GMT") => {
            answer(304, &[], "")
        }
        "/file" | "/dir/file.txt" => answer(200, &[], "content\n"),
        "/named" => {
            answer(200, &[("Content-Disposition", "attachment; filename=\"../x/real.txt\"")], "content\n")
        }
        "/sums" => answer(200, &[], &format!("00  other\n{SHA256} *dir/file\n")),
        "/short" => b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nconte".to_vec(),
        _ => answer(404, &[], ""),
    })
}

#[test]
fn a_file_comes_and_stays() {
    let (m, s) = (Memory::new().dir("/w"), server());
    let args = json!({"url": s.url("/file"), "dest": "/w/f", "mode": "0640"});
    let predicted = predict(&m, &Store::default(), "get_url", args.clone());
    assert!(predicted.changed && !m.exists("/w/f"), "{predicted:?}");
    let done = run(&m, "get_url", args.clone());
    assert!(done.changed, "{done:?}");
    done.has(json!({"dest": "/w/f", "checksum_src": "7fe70820e08a1aac0ef224d9c66ab66831cc4ab1", "checksum_dest": null,
        "md5sum": "f75b8179e4bbe7e2b4a074dcef62de95", "msg": "OK (8 bytes)", "status_code": 200, "size": 8,
        "mode": "0640", "state": "file", "url": s.url("/file")}));
    assert_eq!(m.text("/w/f"), "content\n");
    let again = run(&m, "get_url", args.clone());
    assert!(!again.changed && !again.failed, "{again:?}");
    again.has(json!({"status_code": 304, "msg": "HTTP Error 304: Not Modified", "dest": "/w/f"}));
    let mut forced = args;
    forced["force"] = json!(true);
    let again = run(&m, "get_url", forced);
    assert!(!again.changed);
    again.has(json!({"status_code": 200, "checksum_dest": "7fe70820e08a1aac0ef224d9c66ab66831cc4ab1"}));
}

#[test]
fn another_content_is_replaced() {
    for old in ["", "con", "content\nand more", "CONTENT\n"] {
        let (m, s) = (Memory::new().file("/w/f", old).mode("/w/f", 0o600).mtime("/w/f", 0.0), server());
        let done = run(&m, "get_url", json!({"url": s.url("/file"), "dest": "/w/f", "backup": true}));
        assert!(done.changed && !done.failed, "{done:?}");
        assert_eq!((m.text("/w/f").as_str(), m.meta("/w/f").unwrap().mode), ("content\n", 0o600));
        assert_eq!(m.text(done.get("backup_file").as_str().unwrap()), old);
    }
}

#[test]
fn directories_take_the_servers_name() {
    let (m, s) = (Memory::new().dir("/w"), server());
    run(&m, "get_url", json!({"url": s.url("/dir/file.txt?x=/y"), "dest": "/w"}))
        .has(json!({"dest": "/w/file.txt"}));
    run(&m, "get_url", json!({"url": s.url("/named"), "dest": "/w/"})).has(json!({"dest": "/w/real.txt"}));
    let done = run(&m, "get_url", json!({"url": s.url("/file"), "dest": "/none/f"}));
    assert_eq!(done.msg(), "Destination /none does not exist");
}

#[test]
fn checksums_are_kept() {
    let (m, s) = (Memory::new().dir("/w"), server());
    let wrong = json!({"url": s.url("/file"), "dest": "/w/f", "checksum": "sha256:00"});
    let done = run(&m, "get_url", wrong.clone());
    assert!(done.failed && !m.exists("/w/f"));
    assert_eq!(done.msg(), format!("The checksum for the download did not match 00; it was {SHA256}."));
    assert!(predict(&m, &Store::default(), "get_url", wrong).failed);
    let right = json!({"url": s.url("/file"), "dest": "/w/f", "checksum": format!("sha256:{SHA256}")});
    assert!(run(&m, "get_url", right.clone()).changed);
    let count = s.count();
    let again = run(&m, "get_url", right.clone());
    assert!(!again.changed && s.count() == count, "{again:?}");
    again.has(json!({"msg": "file already exists", "checksum_src": null}));
    // A file that is not the right one is fetched whatever its age.
    let m = m.file("/w/f", "bad");
    assert!(run(&m, "get_url", right).changed && m.text("/w/f") == "content\n");
    let m = m.file("/w/f", "bad");
    let list =
        json!({"url": s.url("/file"), "dest": "/w/f", "checksum": format!("sha256:{}", s.url("/sums"))});
    assert!(run(&m, "get_url", list).changed && m.text("/w/f") == "content\n");
    let none =
        json!({"url": s.url("/named"), "dest": "/w/f", "checksum": format!("sha256:{}", s.url("/sums"))});
    assert!(run(&m, "get_url", none).msg().starts_with("Unable to find a checksum for file 'named'"));
    let odd = json!({"url": s.url("/file"), "dest": "/w/f", "checksum": "crc:00"});
    assert!(run(&m, "get_url", odd).msg().starts_with("Unsupported checksum algorithm 'crc'"));
}

#[test]
fn what_does_not_come_leaves_the_old_file() {
    let (m, s) = (Memory::new().file("/w/f", "old").mtime("/w/f", 0.0), server());
    let done = run(&m, "get_url", json!({"url": s.url("/none"), "dest": "/w/f"}));
    assert!(done.failed);
    done.has(json!({"msg": "Request failed", "status_code": 404, "response": "HTTP Error 404: Not Found", "dest": "/w/f"}));
    let done = run(&m, "get_url", json!({"url": s.url("/short"), "dest": "/w/f"}));
    assert!(done.failed, "{done:?}");
    let done = run(&m, "get_url", json!({"url": "http://127.0.0.1:1/x", "dest": "/w/f"}));
    assert_eq!(done.msg(), "Request failed: <urlopen error [Errno 111] Connection refused>");
    assert_eq!(m.text("/w/f"), "old");
}

#[test]
fn files_of_the_machine() {
    let m = Memory::new().file("/src", "content\n").dir("/w");
    let done = run(&m, "get_url", json!({"url": "file:///src", "dest": "/w/"}));
    assert!(done.changed, "{done:?}");
    done.has(json!({"dest": "/w/src", "status_code": null, "msg": "OK (8 bytes)"}));
    assert!(run(&m, "get_url", json!({"url": "file:///none", "dest": "/w/"})).msg().contains("No such file"));
}
