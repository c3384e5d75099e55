use std::time::{SystemTime, UNIX_EPOCH};

use super::*;

const ED: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

/// A fresh key of the type, as text.
fn key(kind: &str) -> PublicKey {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    let status = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", kind, "-N", "", "-f"])
        .arg(&path)
        .status()
        .expect("ssh-keygen is needed: install openssh-client");
    assert!(status.success());
    PublicKey::from_openssh(&std::fs::read_to_string(path.with_extension("pub")).unwrap()).unwrap()
}

fn text(key: &PublicKey) -> String {
    key.to_openssh().unwrap()
}

struct File {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

impl File {
    fn new(lines: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("known_hosts");
        std::fs::write(&path, lines).unwrap();
        Self { _directory: directory, path }
    }

    fn known(&self, host: &str, port: u16) -> Known {
        Cache::default().look_up(std::slice::from_ref(&self.path), host, port, None).unwrap()
    }

    fn judge(&self, host: &str, port: u16, key: &PublicKey) -> Result<Verdict, HostKeyProblem> {
        self.known(host, port).judge(&PublicKeyOrCertificate::from(key.clone()), 0)
    }
}

#[test]
fn names_patterns_negation_and_ports() {
    let key = PublicKey::from_openssh(ED).unwrap();
    let file = File::new(&format!(
        "# comment\n\nplain,alias\t {ED} a comment # with hash\n*.example.org,!bad.example.org {ED}\n\
         [ported]:2222 {ED}\nUPPER {ED}\n10.0.0.? {ED}\nrubbish\n@unknown-marker marked {ED}\n"
    ));
    for (host, port, known) in [
        ("plain", 22, true),
        ("alias", 22, true),
        ("PLAIN", 22, true),
        ("a.example.org", 22, true),
        ("bad.example.org", 22, false),
        ("ported", 2222, true),
        ("ported", 22, false),
        ("ported", 2223, false),
        // As OpenSSH: a key on record for the bare name is good on every port.
        ("plain", 2222, true),
        ("upper", 22, true),
        ("10.0.0.1", 22, true),
        ("10.0.0.10", 22, false),
        ("marked", 22, false),
    ] {
        let expected = if known { Verdict::Known } else { Verdict::New { note: None } };
        assert_eq!(file.judge(host, port, &key), Ok(expected), "{host}:{port}");
    }
}

#[test]
fn hashed_names_as_ssh_keygen_hashes_them() {
    let shown = PublicKey::from_openssh(ED).unwrap();
    let file = File::new(&format!("one.example.org {ED}\n[two]:2222 {ED}\n"));
    let hashing =
        std::process::Command::new("ssh-keygen").args(["-q", "-H", "-f"]).arg(&file.path).output().unwrap();
    assert!(hashing.status.success());
    assert!(!std::fs::read_to_string(&file.path).unwrap().contains("example"));
    assert_eq!(file.judge("one.example.org", 22, &shown), Ok(Verdict::Known));
    assert_eq!(file.judge("ONE.example.org", 22, &shown), Ok(Verdict::Known));
    assert_eq!(file.judge("two", 2222, &shown), Ok(Verdict::Known));
    assert_eq!(file.judge("two", 22, &shown), Ok(Verdict::New { note: None }));
}

#[test]
fn a_changed_key_names_its_line() {
    let (old, new) = (key("ed25519"), key("ed25519"));
    let file = File::new(&format!("other {}\n\nhost {}\n", text(&new), text(&old)));
    match file.judge("host", 22, &new) {
        Err(HostKeyProblem::Changed { file: named, line, .. }) => {
            assert_eq!((named, line), (file.path.clone(), 3))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_of_several_keys_of_a_type_is_enough() {
    let (first, second) = (key("ed25519"), key("ed25519"));
    let file = File::new(&format!("host {}\nhost {}\n", text(&first), text(&second)));
    assert_eq!(file.judge("host", 22, &second), Ok(Verdict::Known));
}

#[test]
fn another_type_than_the_one_on_record_is_a_change() {
    let file = File::new(&format!("host {ED}\n"));
    assert!(matches!(file.judge("host", 22, &key("ecdsa")), Err(HostKeyProblem::Changed { line: 1, .. })));
    assert_eq!(file.known("host", 22).algorithms(), [Algorithm::Ed25519]);
}

#[test]
fn a_revoked_key_is_refused_even_when_it_is_known() {
    let shown = PublicKey::from_openssh(ED).unwrap();
    let file = File::new(&format!("host {ED}\n@revoked * {ED}\n"));
    assert!(matches!(file.judge("host", 22, &shown), Err(HostKeyProblem::Revoked { line: 2, .. })));
}

#[test]
fn what_is_added_is_found_by_us_and_by_ssh_keygen() {
    for hashed in [false, true] {
        let file = File::new("first ssh-ed25519 AAAA without a newline at the end");
        let cache = Cache::default();
        let files = [file.path.clone()];
        let shown = key("ed25519");
        let known = cache.look_up(&files, "New.Example.org", 2222, None).unwrap();
        cache.add(&file.path, &known, &shown, hashed).unwrap();
        cache.add(&file.path, &known, &shown, hashed).unwrap();
        let known = cache.look_up(&files, "new.example.org", 2222, None).unwrap();
        assert_eq!(known.judge(&shown.clone().into(), 0), Ok(Verdict::Known));
        let lines = std::fs::read_to_string(&file.path).unwrap();
        assert_eq!(lines.lines().count(), 2, "{lines}");
        assert_eq!(lines.contains("new.example.org"), !hashed, "{lines}");
        let found = std::process::Command::new("ssh-keygen")
            .args(["-F", "[new.example.org]:2222", "-f"])
            .arg(&file.path)
            .output()
            .unwrap();
        assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    }
}

#[test]
fn adding_makes_a_private_directory_and_file() {
    use std::os::unix::fs::MetadataExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ssh/known_hosts");
    let cache = Cache::default();
    let known = cache.look_up(std::slice::from_ref(&path), "host", 22, None).unwrap();
    cache.add(&path, &known, &PublicKey::from_openssh(ED).unwrap(), false).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(path.parent().unwrap()).unwrap().mode() & 0o777, 0o700);
}

#[test]
fn many_writers_at_once_lose_nothing() {
    let file = File::new("");
    let shown = PublicKey::from_openssh(ED).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..16 {
            let (path, shown) = (file.path.clone(), shown.clone());
            scope.spawn(move || {
                // Each with a cache of its own, as another process would have.
                let cache = Cache::default();
                for n in 0..10 {
                    // Two writers for every host.
                    let host = format!("host-{}-{n}", writer / 2);
                    let known = cache.look_up(std::slice::from_ref(&path), &host, 22, None).unwrap();
                    cache.add(&path, &known, &shown, false).unwrap();
                }
            });
        }
    });
    let lines = std::fs::read_to_string(&file.path).unwrap();
    assert_eq!(lines.lines().count(), 80, "{lines}");
    assert!(lines.lines().all(|line| line.ends_with(ED)), "{lines}");
}

#[test]
fn another_key_added_meanwhile_is_refused() {
    let file = File::new("");
    let cache = Cache::default();
    let known = cache.look_up(std::slice::from_ref(&file.path), "host", 22, None).unwrap();
    std::fs::write(&file.path, format!("host {ED}\n")).unwrap();
    let error = cache.add(&file.path, &known, &key("ed25519"), false).unwrap_err();
    assert!(
        matches!(error, SshError::HostKey { problem, .. } if matches!(*problem, HostKeyProblem::Changed { line: 1, .. }))
    );
}

/// A host certificate by `authority` with ssh-keygen's `options`.
fn certificate(directory: &Path, options: &[&str]) -> Certificate {
    let at = |name: &str| directory.join(name);
    for name in ["ca", "host"] {
        let _ = std::fs::remove_file(at(name));
        let made = std::process::Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(at(name))
            .status()
            .unwrap();
        assert!(made.success());
    }
    let signed = std::process::Command::new("ssh-keygen")
        .args(["-q", "-s"])
        .arg(at("ca"))
        .args(["-I", "id"])
        .args(options)
        .arg(at("host.pub"))
        .status()
        .unwrap();
    assert!(signed.success());
    Certificate::from_openssh(std::fs::read_to_string(at("host-cert.pub")).unwrap().trim()).unwrap()
}

#[test]
fn certificates_by_a_known_authority() {
    let directory = tempfile::tempdir().unwrap();
    let day = 86_400;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    for (options, when, problem) in [
        (&["-h", "-n", "web.example.org"][..], now, None),
        (&["-h", "-n", "*.example.org"], now, None),
        (&["-h"], now, None),
        (&["-h", "-n", "db.example.org"], now, Some("is for db.example.org")),
        (&["-n", "web.example.org"], now, Some("a user's")),
        (&["-h", "-n", "web.example.org", "-V", "+1d"], now + 2 * day, Some("expired")),
        (&["-h", "-n", "web.example.org", "-V", "+1d:+2d"], now, Some("not valid yet")),
    ] {
        let certificate = certificate(directory.path(), options);
        let authority = std::fs::read_to_string(directory.path().join("ca.pub")).unwrap();
        let file = File::new(&format!("@cert-authority *.example.org {authority}"));
        let verdict = file.known("web.example.org", 22).judge(&certificate.clone().into(), when).unwrap();
        match (problem, verdict) {
            (None, Verdict::Known) => {}
            (Some(words), Verdict::New { note: Some(note) }) => assert!(note.contains(words), "{note}"),
            (_, other) => panic!("{options:?}: {other:?}"),
        }
        let elsewhere = file.known("web.example.com", 22);
        assert!(!elsewhere.has_authorities());
        let revoked = File::new(&format!("@cert-authority * {authority}@revoked * {authority}"));
        let verdict = revoked.known("web.example.org", 22).judge(&certificate.into(), when);
        assert!(matches!(verdict, Err(HostKeyProblem::Revoked { line: 2, .. })), "{verdict:?}");
    }
}

#[test]
fn a_list_of_revoked_keys() {
    let file = File::new(&format!("# ours\n{ED}\n"));
    let mut known = File::new(&format!("host {ED}\n")).known("host", 22);
    known.revoke(revoked_keys(&file.path).unwrap());
    let verdict = known.judge(&PublicKey::from_openssh(ED).unwrap().into(), 0);
    assert!(matches!(verdict, Err(HostKeyProblem::Revoked { line: 2, .. })), "{verdict:?}");
    assert!(revoked_keys(Path::new("/nonexistent")).is_err());
}
