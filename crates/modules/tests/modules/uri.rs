//! The module `uri`, against a server of our own.

use crate::machine::{Store, predict, refused, run};
use crate::server::{Server, answer};
use provision_system::Memory;
use serde_json::json;

fn server() -> Server {
    Server::start(|request| match request.path() {
        "/json" => answer(
            200,
            &[("Content-Type", "application/json; charset=utf-8"), ("X-Foo-Bar", "1")],
            "{\"a\": [1]}",
        ),
        "/moved" => answer(302, &[("Location", "/json")], ""),
        "/loop" => answer(302, &[("Location", "/loop")], ""),
        "/kept" => answer(307, &[("Location", "echo")], ""),
        "/cookies" => answer(200, &[("Set-Cookie", "a=b; Path=/"), ("Set-Cookie", "c=d")], "hi"),
        "/private" if request.header("authorization") == Some("Basic bWU6cEBzcw==") => answer(200, &[], "in"),
        "/private" => answer(401, &[("WWW-Authenticate", "Basic realm=\"x\"")], "out"),
        "/echo" => answer(200, &[], &request.text()),
        "/old" if request.header("if-modified-since").is_some() => answer(304, &[], ""),
        "/old" => answer(200, &[], "old"),
        "/chunks" => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_vec(),
        "/short" => b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhello".to_vec(),
        _ => answer(404, &[], "nothing"),
    })
}

#[test]
fn answers_are_results() {
    let (m, s) = (Memory::new(), server());
    let done = run(&m, "uri", json!({"url": s.url("/json")}));
    assert!(!done.failed && !done.changed, "{done:?}");
    done.has(json!({"status": 200, "json": {"a": [1]}, "x_foo_bar": "1", "content_length": "10", "elapsed": 0,
        "msg": "OK (10 bytes)", "redirected": false, "url": s.url("/json"), "cookies": {}, "cookies_string": ""}));
    assert!(done.get("content").is_null());
    run(&m, "uri", json!({"url": s.url("/chunks"), "return_content": true}))
        .has(json!({"content": "hello", "msg": "OK (unknown bytes)"}));
    run(&m, "uri", json!({"url": s.url("/cookies")})).has(json!({"cookies": {"a": "b", "c": "d"},
        "cookies_string": "a=b; c=d", "set_cookie": "a=b; Path=/, c=d"}));
}

#[test]
fn other_statuses_fail_unless_they_are_expected() {
    let (m, s) = (Memory::new(), server());
    let done = run(&m, "uri", json!({"url": s.url("/none"), "return_content": true}));
    assert!(done.failed);
    done.has(json!({"status": 404, "msg": "Status code was 404 and not [200]: HTTP Error 404: Not Found",
        "content": "nothing", "redirected": false}));
    assert!(!run(&m, "uri", json!({"url": s.url("/none"), "status_code": [200, 404]})).failed);
    let done = run(&m, "uri", json!({"url": s.url("/short")}));
    assert!(done.failed && done.msg().contains("ends too early"), "{done:?}");
    let done = run(&m, "uri", json!({"url": "http://127.0.0.1:1/"}));
    assert!(done.failed);
    done.has(json!({"status": -1, "msg": "Status code was -1 and not [200]: Request failed: <urlopen error [Errno 111] Connection refused>"}));
    let done = run(&m, "uri", json!({"url": "http://no.such.name/"}));
    assert!(done.msg().contains("Name or service not known"), "{done:?}");
}

#[test]
fn redirects_are_followed_as_asked() {
    let (m, s) = (Memory::new(), server());
    run(&m, "uri", json!({"url": s.url("/moved")}))
        .has(json!({"status": 200, "redirected": true, "url": s.url("/json")}));
    let done = run(&m, "uri", json!({"url": s.url("/moved"), "follow_redirects": "none"}));
    done.has(json!({"status": 302, "location": s.url("/json"), "redirected": false}));
    let done = run(&m, "uri", json!({"url": s.url("/moved"), "method": "POST", "body": "x"}));
    assert_eq!(done.msg(), "Status code was 302 and not [200]: HTTP Error 302: Found");
    let all = json!({"url": s.url("/kept"), "method": "POST", "body": "x", "follow_redirects": "all", "return_content": true});
    let done = run(&m, "uri", all);
    assert!(done.get("content").as_str().unwrap().starts_with("POST /echo"), "{done:?}");
    assert!(run(&m, "uri", json!({"url": s.url("/loop")})).msg().contains("redirects without end"));
}

#[test]
fn bodies_are_written_as_asked() {
    let (m, s) = (Memory::new().file("/body", "from a file"), server());
    let sent = |more: serde_json::Value| {
        let mut args = json!({"url": s.url("/echo"), "method": "post", "return_content": true});
        args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let done = run(&m, "uri", args);
        assert!(!done.failed, "{done:?}");
        done.get("content").as_str().unwrap().to_owned()
    };
    let json = sent(json!({"body": {"a": 1}, "body_format": "json"}));
    assert!(json.contains("content-type: application/json") && json.ends_with("\r\n\r\n{\"a\":1}"), "{json}");
    assert!(
        json.contains("user-agent: ansible-httpget") && json.contains("accept-encoding: identity"),
        "{json}"
    );
    let form = sent(json!({"body": {"a": "x y&", "b": [1, 2]}, "body_format": "form-urlencoded"}));
    assert!(form.ends_with("\r\n\r\na=x+y%26&b=1&b=2"), "{form}");
    let own = sent(json!({"body": "t", "headers": {"Content-Type": "text/x", "X-N": 5}}));
    assert!(own.contains("content-type: text/x") && own.contains("x-n: 5"), "{own}");
    assert!(sent(json!({"src": "/body", "remote_src": true})).ends_with("from a file"));
    assert!(sent(json!({"method": "DELETE", "body": "gone"})).ends_with("gone"));
    assert!(run(&m, "uri", json!({"url": s.url("/echo"), "src": "/body"})).msg().contains("remote_src"));
}

#[test]
fn names_and_passwords() {
    let (m, s) = (Memory::new(), server());
    let url = s.url("/private");
    assert_eq!(run(&m, "uri", json!({"url": url})).get("status"), 401);
    for force in [false, true] {
        let args = json!({"url": url, "user": "me", "password": "p@ss", "force_basic_auth": force});
        assert_eq!(run(&m, "uri", args).get("status"), 200);
    }
    let inside = url.replace("http://", "http://me:p%40ss@");
    assert_eq!(run(&m, "uri", json!({"url": inside})).get("status"), 200);
}

#[test]
fn a_body_becomes_a_file() {
    let (m, s) = (Memory::new().dir("/w"), server());
    let done = run(&m, "uri", json!({"url": s.url("/old"), "dest": "/w", "mode": "0600"}));
    assert!(done.changed);
    done.has(json!({"path": "/w/old", "mode": "0600", "size": 3}));
    assert_eq!(m.text("/w/old"), "old");
    let again = run(&m, "uri", json!({"url": s.url("/old"), "dest": "/w/old", "force": true}));
    assert!(!again.changed && !again.failed, "{again:?}");
    run(&m, "uri", json!({"url": s.url("/old"), "dest": "/w/old"})).has(json!({"status": 304}));
    let skipped = run(&m, "uri", json!({"url": "http://127.0.0.1:1/", "creates": "/w/old"}));
    skipped.has(json!({"stdout": "skipped, since '/w/old' exists"}));
}

#[test]
fn a_dry_run_changes_no_service() {
    let (m, s) = (Memory::new(), server());
    let done = predict(&m, &Store::default(), "uri", json!({"url": s.url("/echo"), "method": "POST"}));
    assert!(!done.failed && s.count() == 0);
    done.has(json!({"skipped": true, "_unknown": true}));
    predict(&m, &Store::default(), "uri", json!({"url": s.url("/json")})).has(json!({"status": 200}));
    let done = predict(&m, &Store::default(), "uri", json!({"url": "http://127.0.0.1:1/"}));
    assert!(!done.failed && !done.get("depends_on").is_null());
}

#[test]
fn proxies_and_certificates_are_the_machines() {
    let s = server();
    let m = Memory::new().env("http_proxy", &s.url(""));
    // Our server is no proxy, and says so.
    let done = run(&m, "uri", json!({"url": "http://far.example/json"}));
    assert!(done.msg().ends_with("CONNECT proxy failed: proxy server responded 404/404"), "{done:?}");
    assert_eq!(s.count(), 1);
    let done = run(&m, "uri", json!({"url": "http://far.example/json", "use_proxy": false}));
    assert!(done.msg().contains("Name or service not known") && s.count() == 1, "{done:?}");
    let near = Memory::new().env("http_proxy", &s.url("")).env("NO_PROXY", "example.org, 127.0.0.1");
    run(&near, "uri", json!({"url": s.url("/json")})).has(json!({"status": 200}));
    let done = run(&Memory::new(), "uri", json!({"url": "https://127.0.0.1:1/"}));
    assert!(done.msg().contains("the target has no CA certificates"), "{done:?}");
    assert!(refused("uri", json!({"url": "http://h/", "unix_socket": "/s"})).contains("Unix socket"));
}
