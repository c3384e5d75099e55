//! Logging in with keys.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use provision_transport::ssh::{Client, Options, SshError};

use crate::run;
use crate::server::{Answer, Server, client, keygen};

/// An agent of our own, ended with the test.
struct Agent {
    process: Child,
    socket: std::path::PathBuf,
}

impl Agent {
    fn start(server: &Server) -> Self {
        let socket = server.path("agent");
        let process = Command::new("ssh-agent")
            .args(["-D", "-a"])
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn()
            .expect("ssh-agent is needed: install openssh-client");
        let start = Instant::now();
        while !socket.exists() {
            assert!(start.elapsed() < Duration::from_secs(10));
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { process, socket }
    }

    fn add(&self, key: &std::path::Path) {
        let added =
            Command::new("ssh-add").arg("-q").arg(key).env("SSH_AUTH_SOCK", &self.socket).output().unwrap();
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    }

    fn options(&self, server: &Server) -> Options {
        let mut options = server.options();
        options.ssh_args[1] = format!("IdentityAgent={}", self.socket.display());
        options.identity_files.clear();
        options
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn authorize(server: &Server, name: &str) {
    let key = std::fs::read_to_string(server.path(&format!("{name}.pub"))).unwrap();
    let mut all = std::fs::read_to_string(server.path("authorized")).unwrap();
    all.push_str(&key);
    std::fs::write(server.path("authorized"), all).unwrap();
}

fn make(server: &Server, name: &str, arguments: &[&str]) {
    let path = server.path(name);
    keygen(&[arguments, &["-q", "-f", path.to_str().unwrap()]].concat());
}

fn refused(result: Result<provision_transport::ssh::Session, SshError>) -> (Vec<String>, String) {
    match result {
        Err(error @ SshError::Auth { .. }) => {
            let text = error.to_string();
            let SshError::Auth { tried, .. } = error else { unreachable!() };
            (tried, text)
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("let in"),
    }
}

#[tokio::test]
async fn every_key_type() {
    let Some(server) = Server::start("") else { return };
    for (name, arguments) in [
        ("rsa", &["-t", "rsa", "-b", "2048", "-N", ""][..]),
        ("rsa_pem", &["-t", "rsa", "-b", "2048", "-m", "PEM", "-N", ""]),
        ("ecdsa", &["-t", "ecdsa", "-b", "384", "-N", ""]),
        ("ed", &["-t", "ed25519", "-N", ""]),
    ] {
        make(&server, name, arguments);
        authorize(&server, name);
        let options = Options { identity_files: vec![server.path(name)], ..server.options() };
        let session = client().connect(&options).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(run(&session, "echo $0").await.1, "");
    }
    assert!(server.log().contains("RSA SHA256"), "an RSA login: {}", server.log());
}

#[tokio::test]
async fn an_encrypted_key_is_asked_for_once_a_run() {
    let Some(server) = Server::start("") else { return };
    for (name, format) in [("secret", "RFC4716"), ("secret_pem", "PKCS8")] {
        make(&server, name, &["-t", "ecdsa", "-N", "open sesame", "-m", format]);
        authorize(&server, name);
        let answer = Answer::new("open sesame");
        let client = Arc::new(Client::new(answer.clone(), 50));
        let options = Options { identity_files: vec![server.path(name)], ..server.options() };
        let logins: Vec<_> = (0..5)
            .map(|_| {
                let (client, options) = (client.clone(), options.clone());
                tokio::spawn(async move { client.connect(&options).await.map(drop) })
            })
            .collect();
        for login in logins {
            login.await.unwrap().unwrap_or_else(|e| panic!("{name}: {e}"));
        }
        assert_eq!(answer.asked.load(Ordering::SeqCst), 1, "{name}");
    }
}

#[tokio::test]
async fn a_passphrase_is_not_asked_for_a_key_the_server_does_not_want() {
    let Some(server) = Server::start("") else { return };
    make(&server, "secret", &["-t", "ed25519", "-N", "open sesame"]);
    let answer = Answer::new("open sesame");
    let options =
        Options { identity_files: vec![server.path("secret"), server.path("id")], ..server.options() };
    Client::new(answer.clone(), 1).connect(&options).await.unwrap();
    assert_eq!(answer.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_wrong_passphrase_is_said_and_the_next_key_tried() {
    let Some(server) = Server::start("") else { return };
    make(&server, "secret", &["-t", "ed25519", "-N", "open sesame"]);
    authorize(&server, "secret");
    let answer = Answer::new("close sesame");
    let client = Client::new(answer.clone(), 1);
    let options = Options { identity_files: vec![server.path("secret")], ..server.options() };
    let (_, text) = refused(client.connect(&options).await);
    assert!(text.contains("wrong passphrase, 3 times"), "{text}");
    let options = Options { identity_files: vec![server.path("secret"), server.path("id")], ..options };
    client.connect(&options).await.unwrap();
    assert_eq!(answer.asked.load(Ordering::SeqCst), 3, "given up for the whole run");
}

#[tokio::test]
async fn the_agent_signs() {
    let Some(server) = Server::start("") else { return };
    let agent = Agent::start(&server);
    for (name, arguments) in
        [("in_agent", &["-t", "ed25519", "-N", ""][..]), ("rsa", &["-t", "rsa", "-N", ""])]
    {
        make(&server, name, arguments);
        authorize(&server, name);
        agent.add(&server.path(name));
        std::fs::remove_file(server.path(name)).unwrap();
    }
    client().connect(&agent.options(&server)).await.unwrap();
    // Named by its public half, the other one is not offered.
    let options = Options {
        identity_files: vec![server.path("rsa")],
        identities_only: Some(true),
        ..agent.options(&server)
    };
    client().connect(&options).await.unwrap();
    assert!(server.log().contains("RSA SHA256"), "{}", server.log());
}

#[tokio::test]
async fn identities_only_keeps_the_agents_others_back() {
    let Some(server) = Server::start("") else { return };
    let agent = Agent::start(&server);
    agent.add(&server.path("id"));
    make(&server, "other", &["-t", "ed25519", "-N", ""]);
    let options = Options { identity_files: vec![server.path("other")], ..agent.options(&server) };
    client().connect(&options).await.unwrap();
    let (tried, _) = refused(client().connect(&Options { identities_only: Some(true), ..options }).await);
    assert_eq!(tried, [format!("key {}: refused", server.path("other").display())]);
}

#[tokio::test]
async fn a_users_certificate() {
    let Some(server) = Server::start("TrustedUserCAKeys DIR/ca.pub") else { return };
    let principal = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
    make(&server, "ca", &["-t", "ed25519", "-N", ""]);
    for (name, kind) in [("certified", "ed25519"), ("certified_rsa", "rsa")] {
        make(&server, name, &["-t", kind, "-N", ""]);
        let (ca, public) = (server.path("ca"), server.path(&format!("{name}.pub")));
        let arguments =
            ["-q", "-s", ca.to_str().unwrap(), "-I", "me", "-n", principal.trim(), public.to_str().unwrap()];
        keygen(&arguments);
        let options = Options { identity_files: vec![server.path(name)], ..server.options() };
        client().connect(&options).await.unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    assert!(server.log().contains("ED25519-CERT"), "{}", server.log());

    // The certificate in a file, its key in the agent only, with and without the certificate there.
    let agent = Agent::start(&server);
    agent.add(&server.path("certified_rsa")); // adds the certificate beside it too
    std::fs::rename(server.path("certified-cert.pub"), server.path("apart.pub")).unwrap();
    agent.add(&server.path("certified"));
    std::fs::remove_file(server.path("certified")).unwrap();
    std::fs::remove_file(server.path("certified_rsa")).unwrap();
    let mut options = Options { identities_only: Some(true), ..agent.options(&server) };
    options.identity_files = vec![server.path("certified_rsa")];
    client().connect(&options).await.unwrap();
    options.ssh_args.push(format!("-oCertificateFile={}", server.path("apart.pub").display()));
    options.identity_files = vec![server.path("certified")];
    client().connect(&options).await.unwrap();
}

#[tokio::test]
async fn a_refusal_lists_what_was_tried() {
    let Some(server) = Server::start("") else { return };
    make(&server, "stranger", &["-t", "ed25519", "-N", ""]);
    std::fs::write(server.path("rubbish"), "no key at all").unwrap();
    std::fs::write(server.path("open"), std::fs::read(server.path("id")).unwrap()).unwrap();
    let names = ["stranger", "rubbish", "missing", "open"];
    let identity_files = names.map(|n| server.path(n)).into();
    for name in ["rubbish", "open"] {
        use std::os::unix::fs::PermissionsExt;
        let mode = if name == "open" { 0o644 } else { 0o600 };
        std::fs::set_permissions(server.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let (_, text) = refused(client().connect(&Options { identity_files, ..server.options() }).await);
    for words in [
        "stranger: refused",
        "rubbish: it is not a private key",
        "missing: no such file",
        "chmod 600",
        "accepts publickey",
    ] {
        assert!(text.contains(words), "{words:?} in {text}");
    }
}

#[tokio::test]
async fn too_many_keys_is_a_refusal() {
    let Some(server) = Server::start("MaxAuthTries 2") else { return };
    let names: Vec<String> = (0..4).map(|n| format!("stranger{n}")).collect();
    for name in &names {
        make(&server, name, &["-t", "ed25519", "-N", ""]);
    }
    let identity_files = names.iter().map(|n| server.path(n)).collect();
    let (_, text) = refused(client().connect(&Options { identity_files, ..server.options() }).await);
    assert!(text.contains("Too many authentication failures"), "{text}");
}

#[tokio::test]
async fn two_keys_where_the_server_wants_two() {
    let Some(server) = Server::start("AuthenticationMethods publickey,publickey") else { return };
    make(&server, "second", &["-t", "ed25519", "-N", ""]);
    authorize(&server, "second");
    let (tried, _) = refused(client().connect(&server.options()).await);
    assert!(tried[0].ends_with("accepted, but not enough"), "{tried:?}");
    let identity_files = vec![server.path("id"), server.path("second")];
    client().connect(&Options { identity_files, ..server.options() }).await.unwrap();
}
