//! Servers that can and cannot prove who they are.

use std::sync::Arc;

use provision_transport::ssh::{HostKeyChecking, HostKeyProblem, Options, SshError};

use crate::server::{Server, client, keygen};

fn problem(result: Result<provision_transport::ssh::Session, SshError>) -> HostKeyProblem {
    match result {
        Err(SshError::HostKey { problem, .. }) => *problem,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("connected"),
    }
}

fn fingerprint(server: &Server, name: &str) -> String {
    let output = std::process::Command::new("ssh-keygen").arg("-lf").arg(server.path(name)).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split(' ').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn an_unknown_key_is_refused_with_its_fingerprint() {
    let Some(server) = Server::start("") else { return };
    server.write_known_hosts("");
    let problem = problem(client().connect(&server.options()).await);
    let text = problem.to_string();
    let HostKeyProblem::Unknown { fingerprint: shown, name, .. } = problem else { panic!("{text}") };
    assert_eq!(shown, fingerprint(&server, "host_ed25519.pub"));
    assert_eq!(name, format!("[127.0.0.1]:{}", server.port));
    let advice =
        format!("ssh-keyscan -p {} 127.0.0.1 >> {}", server.port, server.path("known_hosts").display());
    assert!(text.contains(&advice) && text.contains("accept-new"), "{text}");
    assert!(!server.log().contains("Accepted"), "nothing was offered to a stranger");
}

#[tokio::test]
async fn a_changed_key_is_refused_whatever_checking_says() {
    let Some(server) = Server::start("") else { return };
    keygen(&["-q", "-t", "ed25519", "-N", "", "-f", server.path("old").to_str().unwrap()]);
    let text = format!("# first\n{}", server.known_line("old"));
    server.write_known_hosts(&text);
    for checking in [HostKeyChecking::Strict, HostKeyChecking::AcceptNew, HostKeyChecking::Off] {
        let options = Options { host_key_checking: Some(checking), ..server.options() };
        let problem = problem(client().connect(&options).await);
        let HostKeyProblem::Changed { file, line, .. } = problem else { panic!("{problem}") };
        assert_eq!((file, line), (server.path("known_hosts"), 2));
    }
    assert_eq!(std::fs::read_to_string(server.path("known_hosts")).unwrap(), text);
}

#[tokio::test]
async fn a_revoked_key_is_refused() {
    let Some(server) = Server::start("") else { return };
    let key = std::fs::read_to_string(server.path("host_ed25519.pub")).unwrap();
    server.write_known_hosts(&format!("{}@revoked * {key}", server.known_line("host_ed25519")));
    let problem = problem(client().connect(&server.options()).await);
    assert!(matches!(problem, HostKeyProblem::Revoked { line: 2, .. }), "{problem}");
}

#[tokio::test]
async fn the_key_type_on_record_is_asked_for() {
    let Some(server) = Server::start("") else { return };
    server.write_known_hosts(&server.known_line("host_ecdsa"));
    let session = client().connect(&server.options()).await.unwrap();
    assert!(session.host_key().to_openssh().unwrap().starts_with("ecdsa-"));
}

#[tokio::test]
async fn hashed_names_are_found() {
    let Some(server) = Server::start("") else { return };
    let options = server.options();
    let path = server.path("known_hosts");
    keygen(&["-q", "-H", "-f", path.to_str().unwrap()]);
    assert!(std::fs::read_to_string(path).unwrap().starts_with("|1|"));
    client().connect(&options).await.unwrap();
}

#[tokio::test]
async fn a_new_host_is_remembered_once_by_many_at_once() {
    let Some(server) = Server::start("") else { return };
    for (args, hashed) in [(&[][..], false), (&["-o", "HashKnownHosts=yes"], true)] {
        server.write_known_hosts("");
        let mut options = server.options();
        options.host_key_checking = Some(HostKeyChecking::AcceptNew);
        options.ssh_args.extend(args.iter().map(|a| (*a).to_owned()));
        let client = Arc::new(client());
        let logins: Vec<_> = (0..8)
            .map(|_| {
                let (client, options) = (client.clone(), options.clone());
                tokio::spawn(async move { client.connect(&options).await.map(|s| s.warnings().to_vec()) })
            })
            .collect();
        for login in logins {
            assert_eq!(login.await.unwrap().unwrap(), Vec::<String>::new());
        }
        let text = std::fs::read_to_string(server.path("known_hosts")).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert_eq!(text.starts_with("|1|"), hashed, "{text}");
        // A later run, strict, knows it.
        options.host_key_checking = Some(HostKeyChecking::Strict);
        crate::server::client().connect(&options).await.unwrap();
    }
}

#[tokio::test]
async fn what_cannot_be_remembered_is_warned_about() {
    let Some(server) = Server::start("") else { return };
    let missing = std::path::PathBuf::from("/proc/nowhere/known_hosts");
    let options = Options {
        known_hosts: vec![missing],
        host_key_checking: Some(HostKeyChecking::AcceptNew),
        ..server.options()
    };
    let session = client().connect(&options).await.unwrap();
    assert!(session.warnings()[0].contains("/proc/nowhere/known_hosts"), "{:?}", session.warnings());
    let options = Options { known_hosts: vec!["/dev/null".into()], ..options };
    assert!(client().connect(&options).await.unwrap().warnings().is_empty());
}

#[tokio::test]
async fn a_certificate_by_a_known_authority() {
    let Some(server) = Server::start("HostCertificate DIR/host_ed25519-cert.pub") else { return };
    let at = |name: &str| server.path(name).to_str().unwrap().to_owned();
    keygen(&["-q", "-t", "ed25519", "-N", "", "-f", &at("ca")]);
    let (ca, key) = (at("ca"), at("host_ed25519.pub"));
    keygen(&["-q", "-s", &ca, "-I", "host", "-h", "-n", "127.0.0.1", &key]);
    let server = server.restarted();
    let authority = std::fs::read_to_string(server.path("ca.pub")).unwrap();
    server.write_known_hosts(&format!("@cert-authority [127.0.0.1]:* {authority}"));
    client().connect(&server.options()).await.unwrap();

    // The same certificate does not speak for another name; the bare key is then unknown.
    let mut options = server.options();
    options.ssh_args.extend(["-o", "HostKeyAlias=elsewhere"].map(str::to_owned));
    server.write_known_hosts(&format!("@cert-authority * {authority}"));
    let HostKeyProblem::Unknown { note, .. } = problem(client().connect(&options).await) else { panic!() };
    assert!(note.as_deref().is_some_and(|n| n.contains("is for 127.0.0.1")), "{note:?}");
}
