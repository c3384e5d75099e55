//! Vaulted data: what ansible-vault wrote is read, what is written it reads (when it is at hand).

use provision_vault::{Envelope, Error, Keyring, Zeroizing, is_encrypted};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// The passwords that the fixtures were encrypted with.
fn keyring(matching: bool) -> Keyring {
    let password = |id: &str, name: &str| {
        let text = std::fs::read(fixture(name)).expect("a password file");
        (id.to_owned(), Zeroizing::new(text.trim_ascii().to_vec()))
    };
    Keyring::new(vec![password("default", "password"), password("dev", "password-dev")], matching)
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).expect("a fixture")
}

#[test]
fn what_ansible_vault_wrote_is_read() {
    let keyring = keyring(false);
    let all: Vec<u8> = (0..=255).collect();
    let cases: [(&str, &[u8]); 6] = [
        ("plain.vault", b"hello vault\n"),
        ("dev.vault", b"hello dev\n"),
        ("empty.vault", b""),
        ("block.vault", b"0123456789abcdef"),
        ("binary.vault", &all),
        ("salted.vault", b"salted"),
    ];
    for (name, expected) in cases {
        let bytes = read(name);
        assert!(is_encrypted(&bytes), "{name}");
        assert_eq!(keyring.decrypt(&bytes).expect(name).as_slice(), expected, "{name}");
        // However an editor or a version control system has treated its lines.
        let windows = String::from_utf8_lossy(&bytes).replace('\n', " \r\n") + "\n\n";
        assert_eq!(keyring.decrypt(windows.as_bytes()).expect(name).as_slice(), expected, "{name}");
    }
}

#[test]
fn with_the_same_salt_the_same_bytes_are_written() {
    let text = keyring(false).encrypt(b"salted", "default", Some(b"pepper")).expect("encrypted");
    assert_eq!(text.as_bytes(), read("salted.vault"));
}

#[test]
fn ids_choose_passwords() {
    let dev = read("dev.vault");
    assert_eq!(Envelope::parse(&dev).map(|e| e.id), Ok(Some("dev".to_owned())));
    assert_eq!(keyring(true).decrypt_by(&dev).map(|(_, index)| index), Ok(1));
    let password = || Zeroizing::new("other pass wörd".as_bytes().to_vec());
    // Another id's password may fit, unless only that of the envelope's own id is allowed.
    let other = |matching| Keyring::new(vec![("prod".to_owned(), password())], matching);
    assert_eq!(other(false).decrypt(&dev).map(|p| p.len()), Ok(10));
    let wanted = Some("dev".to_owned());
    assert_eq!(
        other(true).decrypt(&dev).unwrap_err(),
        Error::Wrong { wanted: wanted.clone(), tried: vec![], matching: true }
    );
    let wrong = Keyring::new(vec![("x".to_owned(), Zeroizing::new(b"no".to_vec()))], false);
    let error = wrong.decrypt(&dev).unwrap_err();
    assert_eq!(error, Error::Wrong { wanted, tried: vec!["x".to_owned()], matching: false });
    let hint = error.hint().expect("a hint");
    assert!(hint.contains("vault ids x") && hint.contains("id `dev`"), "{hint}");
    assert_eq!(Keyring::default().decrypt(&dev).unwrap_err(), Error::NoSecret);
    let bad = Keyring::new(vec![("a;b".to_owned(), password())], false);
    assert_eq!(bad.encrypt(b"", "a;b", None), Err(Error::BadId("a;b".to_owned())));
}

#[test]
fn a_changed_bit_is_noticed() {
    let text = String::from_utf8(read("plain.vault")).expect("text");
    let mut envelope = Envelope::parse(text.as_bytes()).expect("parsed");
    envelope.ciphertext[3] ^= 1;
    assert!(matches!(keyring(false).decrypt(envelope.to_text().as_bytes()), Err(Error::Wrong { .. })));
}

#[test]
fn values_are_decrypted_once_told_of_and_known_by_their_place() {
    let keyring = keyring(false);
    let told = Arc::new(Mutex::new(Vec::new()));
    let list = told.clone();
    keyring.listen(move |text| list.lock().expect("no panic").push(text.to_owned()));
    let envelope: Arc<str> = String::from_utf8(read("plain.vault")).expect("text").into();
    let value = keyring.value(&envelope).expect("decrypted");
    assert_eq!(&*value, "hello vault\n");
    assert!(Arc::ptr_eq(&value, &keyring.value(&envelope.to_string().into()).expect("decrypted")));
    assert_eq!(*told.lock().expect("no panic"), ["hello vault\n"]);
    assert_eq!(keyring.envelope_of(&value), Some(envelope));
    assert_eq!(keyring.envelope_of("hello vault\n"), None);
    let binary: Arc<str> = String::from_utf8(read("binary.vault")).expect("text").into();
    assert_eq!(keyring.value(&binary), Err(Error::NotText));
}

/// Lengths around blocks and a large one, contents from a simple generator.
#[test]
fn all_lengths_come_back() {
    let keyring = keyring(false);
    let mut state = 1u32;
    let mut bytes = |length: usize| -> Vec<u8> {
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..length).map(next).collect()
    };
    for length in [0, 1, 15, 16, 17, 31, 32, 33, 1000, 1 << 20] {
        let plain = bytes(length);
        let text = keyring.encrypt(&plain, "dev", Some(b"salt")).expect("encrypted");
        assert!(text.starts_with("$ANSIBLE_VAULT;1.2;AES256;dev\n"));
        assert_eq!(keyring.decrypt(text.as_bytes()).expect("decrypted").as_slice(), plain, "{length} bytes");
    }
}

#[test]
fn ansible_vault_reads_what_is_written() {
    let Some(program) = ansible_vault() else {
        eprintln!("ansible-vault is not at hand: nothing was compared");
        return;
    };
    let dir = tempfile::tempdir().expect("a directory");
    for (id, password) in [("default", "password"), ("dev", "password-dev")] {
        let path = dir.path().join(id);
        let text = keyring(false).encrypt(b"from \x00\xff here\n", id, None).expect("encrypted");
        std::fs::write(&path, text).expect("written");
        let output = Command::new(&program)
            .args(["decrypt", "--output", "-", "--vault-password-file"])
            .arg(fixture(password))
            .arg(&path)
            .output()
            .expect("ansible-vault runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.stdout, b"from \x00\xff here\n", "{errors}");
    }
}

/// From PATH, or where the tests' own tools are installed.
fn ansible_vault() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&path).map(|dir| dir.join("ansible-vault"));
    found.find(|path| path.is_file())
}
