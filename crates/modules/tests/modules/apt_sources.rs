//! The modules `apt_repository`, `deb822_repository` and `apt_key`.

use crate::machine::{Store, converge, predict, refused, run};
use crate::server::{Server, answer};
use base64::Engine;
use provision_system::{Memory, Output, System};
use serde_json::json;

fn machine(rc: i32) -> Memory {
    Memory::new()
        .dir("/etc/apt/sources.list.d")
        .file(
            "/etc/apt/sources.list",
            "deb http://deb.debian.org/debian bookworm main\n#deb http://off x y # why\n",
        )
        .on_command(move |command| {
            (command.argv[0] == "apt-get").then(|| Output {
                rc,
                stderr: b"E: no such host\n".to_vec(),
                ..Output::default()
            })
        })
}

#[test]
fn an_entry_gets_a_file_and_loses_it() {
    let m = machine(0);
    let repo = "deb  [arch=amd64] https://deb.example.org/apt stable main";
    let done = converge(&m, "apt_repository", json!({"repo": repo, "mode": "0600"}));
    let path = "/etc/apt/sources.list.d/deb_example_org_apt.list";
    assert!(done.changed);
    done.has(json!({"repo": repo, "state": "present", "sources_added": [path], "sources_removed": []}));
    assert_eq!(m.text(path), "deb [arch=amd64] https://deb.example.org/apt stable main\n");
    assert_eq!(m.meta(path).unwrap().mode, 0o600);
    assert_eq!(m.ran().len(), 1, "the lists are fetched once, after the change");
    let done =
        converge(&m, "apt_repository", json!({"repo": repo, "state": "absent", "update_cache": false}));
    done.has(json!({"sources_added": [], "sources_removed": [path]}));
    assert!(!m.exists(path) && m.ran().len() == 1);
    assert!(converge(&m, "apt_repository", json!({"repo": "deb http://off x y"})).changed);
    assert!(m.text("/etc/apt/sources.list").ends_with("main\ndeb http://off x y # why\n"));
    assert!(
        !run(&m, "apt_repository", json!({"repo": "deb http://deb.debian.org/debian bookworm main"})).changed
    );
    let done = run(&m, "apt_repository", json!({"repo": "http://x"}));
    assert_eq!(done.msg(), "Invalid repository string: http://x");
    assert!(run(&m, "apt_repository", json!({"repo": "ppa:a/b"})).msg().contains("PPAs are not done"));
    assert!(refused("apt_repository", json!({"repo": "x", "codename": "jammy"})).contains("PPAs"));
}

#[test]
fn a_source_that_cannot_be_fetched_is_taken_back() {
    let m = machine(100);
    let before = m.text("/etc/apt/sources.list");
    for repo in ["deb http://off x y", "deb http://new x y"] {
        let done = run(&m, "apt_repository", json!({"repo": repo, "update_cache_retries": 0}));
        assert_eq!(done.msg(), "Failed to update apt cache: E: no such host");
    }
    assert_eq!(m.text("/etc/apt/sources.list"), before);
    assert!(m.read_dir("/etc/apt/sources.list.d".as_ref()).unwrap().is_empty());
}

#[test]
fn a_deb822_file_is_written_as_ansible_writes_it() {
    let m = machine(0);
    let args = json!({"name": "My Repo_X.y", "types": ["deb", "deb-src"], "uris": ["https://a.b/c", "https://d.e"],
        "suites": "stable", "components": ["main", "contrib"], "architectures": "amd64", "trusted": true,
        "signed_by": "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nabc\n-----END PGP PUBLIC KEY BLOCK-----\n",
        "date_max_future": 5, "inrelease_path": "x/y", "pdiffs": true, "enabled": false});
    let done = converge(&m, "deb822_repository", args);
    let path = "/etc/apt/sources.list.d/my-repo-xy.sources";
    assert_eq!(
        m.text(path),
        "Architectures: amd64\nComponents: main contrib\nDate-Max-Future: 5\nEnabled: no\nInrelease-Path: x/y\n\
         X-Repolib-Name: My Repo_X.y\nPdiffs: yes\nSigned-By:\n    -----BEGIN PGP PUBLIC KEY BLOCK-----\n    .\n    \
         abc\n    -----END PGP PUBLIC KEY BLOCK-----\nSuites: stable\nTrusted: yes\nTypes: deb deb-src\n\
         URIs: https://a.b/c https://d.e\n"
    );
    done.has(json!({"dest": path, "key_filename": null, "repo": m.text(path)}));
    assert!(converge(&m, "deb822_repository", json!({"name": "My Repo_X.y", "state": "absent"})).changed);
    assert!(!m.exists(path));
}

#[test]
fn a_key_from_a_url_is_kept_beside() {
    let server = Server::start(|request| match request.path() {
        "/key" => answer(200, &[], "\u{1}binary"),
        _ => answer(404, &[], "no"),
    });
    let m = machine(0);
    let args = json!({"name": "x", "uris": "http://a", "suites": "./", "signed_by": server.url("/key")});
    let done = converge(&m, "deb822_repository", args);
    done.has(json!({"key_filename": "/etc/apt/keyrings/x.gpg"}));
    assert!(m.text("/etc/apt/sources.list.d/x.sources").contains("Signed-By: /etc/apt/keyrings/x.gpg\n"));
    assert_eq!(m.text("/etc/apt/keyrings/x.gpg"), "\u{1}binary");
    let done = run(&m, "deb822_repository", json!({"name": "y", "signed_by": server.url("/none")}));
    assert!(done.failed && done.msg().contains("404"), "{done:?}");
    converge(&m, "deb822_repository", json!({"name": "x", "state": "absent"}));
    assert!(!m.exists("/etc/apt/keyrings/x.gpg"));
}

/// An Ed25519 key without names.
fn key(seed: u8) -> Vec<u8> {
    let mut body = vec![4, 0, 0, 0, seed, 22, 9, 0x2b, 6, 1, 4, 1, 0xda, 0x47, 0x0f, 1, 1, 7, 0x40];
    body.extend([seed; 32]);
    let mut packet = vec![0x98, u8::try_from(body.len()).unwrap()];
    packet.extend(body);
    packet
}

fn armoured(key: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(key);
    format!("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{text}\n-----END PGP PUBLIC KEY BLOCK-----\n")
}

#[test]
fn keys_are_trusted_and_no_more() {
    let m = machine(0).file("/etc/apt/trusted.gpg.d/old.gpg", key(1)).file("/k.asc", armoured(&key(2)));
    let done = converge(&m, "apt_key", json!({"file": "/k.asc"}));
    assert!(done.changed && !done.failed, "{done:?}");
    let id = done.get("id").as_str().unwrap().to_owned();
    assert_eq!((id.len(), done.get("before").as_array().unwrap().len()), (40, 1));
    assert_eq!(done.get("after").as_array().unwrap().len(), 2);
    done.has(json!({"short_id": &id[32..], "fp": &id[24..]}));
    assert_eq!(m.read("/etc/apt/trusted.gpg".as_ref()).unwrap(), key(2));
    let there =
        run(&m, "apt_key", json!({"id": format!("0x{}", &id[32..]), "url": "http://nowhere.invalid/"}));
    assert!(!there.changed && !there.failed, "nothing is fetched for a key that is there");
    converge(&m, "apt_key", json!({"data": armoured(&key(3)), "keyring": "/etc/apt/trusted.gpg"}));
    assert_eq!(m.read("/etc/apt/trusted.gpg".as_ref()).unwrap(), [key(2), key(3)].concat());
    assert!(converge(&m, "apt_key", json!({"id": id, "state": "absent"})).changed);
    assert_eq!(m.read("/etc/apt/trusted.gpg".as_ref()).unwrap(), key(3));
    assert!(m.exists("/etc/apt/trusted.gpg.d/old.gpg"));
}

#[test]
fn what_is_no_key_is_told() {
    let m = machine(0);
    let msg = |args| predict(&m, &Store::default(), "apt_key", args).msg().to_owned();
    assert_eq!(msg(json!({"data": "hello"})), "data holds no OpenPGP public key");
    assert_eq!(msg(json!({"id": "xyz"})), "Invalid key_id: xyz");
    assert!(msg(json!({"id": "ABCDEF01", "data": armoured(&key(1))})).contains("does not hold ABCDEF01"));
    assert!(msg(json!({})).starts_with("Missing key_id"));
    assert!(msg(json!({"id": "ABCDEF01"})).contains("tells where it is"));
    let m = machine(0).file("/etc/apt/trusted.gpg", "keybox");
    assert!(run(&m, "apt_key", json!({"data": armoured(&key(1))})).msg().contains("no OpenPGP keyring"));
}
