//! The modules `openssl_privatekey`, `openssl_dhparam` and `x509_certificate`, with what a real openssl printed.

use crate::machine::{Done, Store, predict, run};
use provision_system::{Command, Memory, Output, System, text::to_text};
use serde_json::{Value, json};

const KEY: &str = include_str!("openssl_files/key.pem");
const PKCS8: &str = include_str!("openssl_files/pkcs8.key");
const PUBLIC: &str = include_str!("openssl_files/public.pem");
const REQUEST: &str = include_str!("openssl_files/request.pem");
const OTHER: &str = include_str!("openssl_files/other.pem");
const CERTIFICATE: &str = include_str!("openssl_files/cert.pem");
const DH: &str = include_str!("openssl_files/dh512.pem");

/// An openssl that knows one key.
fn openssl(m: &Memory, command: &Command) -> Option<Output> {
    let words: Vec<String> = command.argv.iter().map(|word| to_text(word)).collect();
    let has = |word: &str| words.iter().any(|found| found == word);
    let input = command.stdin.as_deref().unwrap_or_default();
    let ours = [KEY, PKCS8].iter().any(|key| key.as_bytes() == input);
    let answer = match (words[0].as_str(), words.get(1).map(String::as_str)?) {
        ("openssl", "genpkey") => PKCS8,
        ("openssl", "pkey") if !ours => return Some(Output { rc: 1, ..Output::default() }),
        ("openssl", "pkey") if has("-pubout") => PUBLIC,
        ("openssl", "pkey") if has("-traditional") => KEY,
        ("openssl", "pkey") => PKCS8,
        ("openssl", "dhparam") => DH,
        ("openssl", "version") => "OpenSSL 3\n",
        ("openssl", "x509") => {
            let file = words.iter().skip_while(|word| *word != "-extfile").nth(1).unwrap();
            let extensions = m.text(file);
            assert!(extensions.contains("2.5.29.17 = DER:30:0D:82:0B:77:65:62:2E"), "{extensions}");
            assert!(extensions.contains("2.5.29.15 = critical,DER:03:02:07:80\n"), "{extensions}");
            assert!(extensions.contains("subjectKeyIdentifier = hash\n"), "{extensions}");
            assert!(has("-sha256") && has("3650"));
            CERTIFICATE
        }
        _ => return None,
    };
    Some(Output { stdout: answer.into(), ..Output::default() })
}

fn machine() -> Memory {
    Memory::new().program("/usr/bin/openssl").dir("/etc/ssl").on_command_with(openssl)
}

/// Predicted, done, and left alone the second time.
#[track_caller]
fn converge(m: &Memory, module: &str, args: Value) -> Done {
    let path = args["path"].as_str().unwrap().to_owned();
    let before = m.read(path.as_ref()).ok();
    let predicted = predict(m, &Store::default(), module, args.clone());
    assert_eq!(m.read(path.as_ref()).ok(), before);
    let done = run(m, module, args.clone());
    assert_eq!((predicted.changed, predicted.failed), (done.changed, done.failed), "{predicted:?} {done:?}");
    if !done.failed {
        let again = run(m, module, args);
        assert!(!again.changed && !again.failed, "{again:?}");
    }
    done
}

fn ecc() -> Value {
    json!({"path": "/etc/ssl/k.pem", "type": "ECC", "curve": "secp256r1"})
}

#[test]
fn a_key_is_made_for_its_owner_alone() {
    let m = machine();
    let done = converge(&m, "openssl_privatekey", ecc());
    assert!(done.changed);
    done.has(json!({"filename": "/etc/ssl/k.pem", "type": "ECC", "curve": "secp256r1"}));
    assert_eq!(done.get("fingerprint")["sha256"].as_str().unwrap().len(), 95);
    assert!(done.get("privatekey").is_null());
    assert_eq!((m.text("/etc/ssl/k.pem").as_str(), m.meta("/etc/ssl/k.pem").unwrap().mode), (KEY, 0o600));
}

#[test]
fn a_key_is_kept_while_it_is_what_is_asked_for() {
    let m = machine().file("/etc/ssl/k.pem", PKCS8);
    let mut args = ecc();
    args["mode"] = json!("0640");
    args["return_content"] = json!(true);
    let done = run(&m, "openssl_privatekey", args.clone());
    assert!(done.changed);
    assert_eq!((m.text("/etc/ssl/k.pem").as_str(), m.meta("/etc/ssl/k.pem").unwrap().mode), (PKCS8, 0o640));
    done.has(json!({"privatekey": PKCS8}));
    args["format"] = json!("auto");
    args["format_mismatch"] = json!("convert");
    args["backup"] = json!(true);
    let done = run(&m, "openssl_privatekey", args);
    assert_eq!(m.text("/etc/ssl/k.pem"), KEY);
    assert_eq!(m.text(done.get("backup_file").as_str().unwrap()), PKCS8);
}

#[test]
fn when_a_key_is_replaced() {
    for (content, regenerate, fails, changes) in [
        ("broken", "full_idempotence", false, true),
        ("broken", "partial_idempotence", true, false),
        ("broken", "never", true, false),
        (KEY, "never", false, false),
        (KEY, "fail", true, false),
        (KEY, "partial_idempotence", false, true),
    ] {
        let m = machine().file("/etc/ssl/k.pem", content).mode("/etc/ssl/k.pem", 0o600);
        // The key that is there has another curve.
        let args =
            json!({"path": "/etc/ssl/k.pem", "type": "ECC", "curve": "secp384r1", "regenerate": regenerate});
        let done = run(&m, "openssl_privatekey", args);
        assert_eq!((done.failed, done.changed), (fails, changes), "{regenerate}: {done:?}");
        if fails {
            assert!(done.msg().contains("Will not proceed."), "{done:?}");
        }
    }
}

#[test]
fn keys_that_cannot_be() {
    let m = machine();
    let fails = |args: Value| run(&m, "openssl_privatekey", args).msg().to_owned();
    assert!(fails(json!({"path": "/etc/ssl/k", "type": "ECC"})).contains("missing: curve"));
    assert!(fails(json!({"path": "/etc/ssl/k", "type": "Ed25519", "format": "pkcs1"})).contains("pkcs8"));
    assert!(fails(json!({"path": "/none/k"})).starts_with("The directory '/none' does not exist"));
    let bare = Memory::new().dir("/etc/ssl");
    let done = run(&bare, "openssl_privatekey", ecc());
    assert!(done.failed && done.msg().contains("Failed to find required executable \"openssl\""), "{done:?}");
}

#[test]
fn a_key_is_removed() {
    let m = machine().file("/etc/ssl/k.pem", KEY);
    let args = json!({"path": "/etc/ssl/k.pem", "state": "absent"});
    assert!(converge(&m, "openssl_privatekey", args).changed && !m.exists("/etc/ssl/k.pem"));
}

#[test]
fn parameters_have_a_size() {
    let m = machine().file("/etc/ssl/dh.pem", "broken");
    let done = converge(&m, "openssl_dhparam", json!({"path": "/etc/ssl/dh.pem", "size": 512}));
    assert!(done.changed && m.text("/etc/ssl/dh.pem") == DH);
    done.has(json!({"filename": "/etc/ssl/dh.pem", "size": 512}));
    // What openssl prints is looked at before it takes its place.
    let done = run(&m, "openssl_dhparam", json!({"path": "/etc/ssl/dh.pem", "size": 1024}));
    assert!(done.failed && m.text("/etc/ssl/dh.pem") == DH, "{done:?}");
}

fn certificate() -> Value {
    json!({"path": "/etc/ssl/c.pem", "privatekey_path": "/etc/ssl/k.pem", "csr_path": "/etc/ssl/r.pem", "provider": "selfsigned"})
}

#[test]
fn a_certificate_says_what_the_request_says() {
    let m = machine().file("/etc/ssl/k.pem", KEY).file("/etc/ssl/r.pem", REQUEST);
    let done = converge(&m, "x509_certificate", certificate());
    assert!(done.changed && m.text("/etc/ssl/c.pem") == CERTIFICATE);
    done.has(json!({"filename": "/etc/ssl/c.pem", "privatekey": "/etc/ssl/k.pem", "csr": "/etc/ssl/r.pem"}));
    assert!(done.get("notAfter").as_str().unwrap().ends_with('Z'));
    assert!(done.get("serial_number").as_str().unwrap().parse::<f64>().unwrap() > 0.0);
    assert!(m.read_dir("/tmp".as_ref()).unwrap().is_empty(), "scratch files are left");
    // Another subject is another certificate; ours is not it, so openssl's answer is refused.
    let m = m.file("/etc/ssl/r.pem", OTHER);
    let predicted = predict(&m, &Store::default(), "x509_certificate", certificate());
    assert!(predicted.changed && !predicted.failed);
    let done = run(&m, "x509_certificate", certificate());
    assert!(done.failed && done.msg().contains("not what was asked for"), "{done:?}");
    assert_eq!(m.text("/etc/ssl/c.pem"), CERTIFICATE);
}

#[test]
fn certificates_that_cannot_be() {
    let m = machine().file("/etc/ssl/k.pem", KEY);
    let fails = |name: &str, value: Value| {
        let mut args = certificate();
        args[name] = value;
        let done = run(&m, "x509_certificate", args);
        assert!(done.failed, "{done:?}");
        done.msg().to_owned()
    };
    assert_eq!(
        fails("csr_path", json!("/none")),
        "The certificate signing request file /none does not exist"
    );
    assert_eq!(fails("privatekey_path", json!("/none")), "The private key file /none does not exist");
    assert!(fails("selfsigned_not_before", json!("20260101000000Z")).contains("only +0s"));
    assert!(fails("selfsigned_not_after", json!("+5h")).contains("whole days"));
    assert!(
        crate::machine::refused("x509_certificate", json!({"path": "/c", "provider": "ownca"}))
            .contains("selfsigned")
    );
}
