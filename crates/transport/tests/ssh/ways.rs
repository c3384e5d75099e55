//! Getting to a host at all: jumps, proxies, full servers, dead ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use provision_transport::ssh::{Options, SshError, Unreachable};

use crate::run;
use crate::server::{Server, client};

fn reason(result: Result<provision_transport::ssh::Session, SshError>) -> (Unreachable, String) {
    match result {
        Err(error @ SshError::Unreachable { .. }) => {
            let text = error.to_string();
            let SshError::Unreachable { reason, .. } = error else { unreachable!() };
            (reason, text)
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("connected"),
    }
}

/// Options for `target` behind `gate`, with both in one known_hosts file and the gate's key in a configuration.
fn behind(gate: &Server, target: &Server) -> Options {
    let both = format!("{}{}", gate.known_line("host_ed25519"), target.known_line("host_ed25519"));
    target.write_known_hosts(&both);
    let config = format!(
        "Host gate\nHostName 127.0.0.1\nPort {}\nIdentityFile {}\nIdentityAgent none\n\
         Host gate2\nHostName localhost\nHostKeyAlias [127.0.0.1]:{0}\nPort {0}\nIdentityFile {1}\nIdentityAgent none\n",
        gate.port,
        gate.path("id").display()
    );
    std::fs::write(target.path("config"), config).unwrap();
    Options {
        proxy_jump: Some("gate".to_owned()),
        config_file: Some(target.path("config")),
        ..target.options()
    }
}

#[tokio::test]
async fn through_a_jump_host() {
    let (Some(gate), Some(target)) = (Server::start(""), Server::start("")) else { return };
    let options = behind(&gate, &target);
    let client = Arc::new(client());
    let logins: Vec<_> = (0..5)
        .map(|_| {
            let (client, options) = (client.clone(), options.clone());
            tokio::spawn(async move { client.connect(&options).await.unwrap() })
        })
        .collect();
    for login in logins {
        let session = login.await.unwrap();
        let (out, _, _) = run(&session, "head -c 3000000 /dev/zero | wc -c").await;
        assert_eq!(out.trim(), "3000000");
        assert_eq!(run(&session, "head -c 3000000 /dev/zero").await.0.len(), 3_000_000);
    }
    assert_eq!(
        gate.log().matches("Accepted publickey").count(),
        1,
        "one connection serves all: {}",
        gate.log()
    );
    assert_eq!(target.log().matches("Accepted publickey").count(), 5);
}

#[tokio::test]
async fn through_two_jump_hosts() {
    let (Some(gate), Some(target)) = (Server::start(""), Server::start("")) else { return };
    let options = Options { proxy_jump: Some("gate,gate2".to_owned()), ..behind(&gate, &target) };
    let session = client().connect(&options).await.unwrap();
    assert_eq!(run(&session, "echo here").await.0, "here\n");
    assert_eq!(gate.log().matches("Accepted publickey").count(), 2);
}

#[tokio::test]
async fn a_jump_host_has_to_prove_itself_too() {
    let (Some(gate), Some(target)) = (Server::start(""), Server::start("")) else { return };
    let options = behind(&gate, &target);
    target.write_known_hosts(&target.known_line("host_ed25519"));
    match client().connect(&options).await {
        Err(SshError::HostKey { host, .. }) => assert_eq!(host, format!("[127.0.0.1]:{}", gate.port)),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("connected"),
    }
}

#[tokio::test]
async fn a_jump_host_that_cannot_reach_the_target_is_named() {
    let (Some(gate), Some(target)) = (Server::start(""), Server::start("")) else { return };
    let options = Options { port: Some(1), ..behind(&gate, &target) };
    let (reason, text) = reason(client().connect(&options).await);
    assert_eq!(reason, Unreachable::Proxy);
    assert!(text.contains(&format!("jump host 127.0.0.1:{}", gate.port)), "{text}");
}

#[tokio::test]
async fn jumps_in_a_circle_are_refused() {
    let Some(target) = Server::start("") else { return };
    std::fs::write(target.path("config"), "Host a\nProxyJump b\nHost b\nProxyJump a\n").unwrap();
    let options = Options {
        proxy_jump: Some("a".to_owned()),
        config_file: Some(target.path("config")),
        ..target.options()
    };
    let result = tokio::time::timeout(Duration::from_secs(5), client().connect(&options)).await;
    let Err(error) = result.expect("an answer") else { panic!("connected") };
    assert!(error.to_string().contains("circles"), "{error}");
}

#[tokio::test]
async fn through_a_proxy_command() {
    let Some(server) = Server::start("") else { return };
    let mut options = server.options();
    let args = options.ssh_args.clone();
    options.ssh_args.extend([
        "-o".to_owned(),
        "ProxyCommand=bash -c 'exec 3<>/dev/tcp/%h/%p; cat <&3 & cat >&3'".to_owned(),
    ]);
    let session = client().connect(&options).await.unwrap();
    assert_eq!(run(&session, "echo here").await.0, "here\n");

    options.ssh_args = args;
    options.ssh_args.extend(["-o", "ProxyCommand=echo no way >&2; false"].map(str::to_owned));
    let (reason, text) = reason(client().connect(&options).await);
    assert_eq!(reason, Unreachable::Proxy);
    assert!(text.contains("no way"), "{text}");
}

#[tokio::test]
async fn a_full_server_is_tried_again() {
    let Some(server) = Server::start("MaxStartups 1") else { return };
    let (client, options) = (Arc::new(client()), server.options());
    let logins: Vec<_> = (0..20)
        .map(|_| {
            let (client, options) = (client.clone(), options.clone());
            tokio::spawn(async move {
                let session = client.connect(&options).await?;
                Ok::<_, SshError>(run(&session, "echo in").await.0)
            })
        })
        .collect();
    for login in logins {
        assert_eq!(login.await.unwrap().unwrap(), "in\n");
    }
    assert!(server.log().contains("MaxStartups"), "none was dropped: {}", server.log());
}

#[tokio::test]
async fn a_closed_port() {
    let options = Options {
        host: "127.0.0.1".to_owned(),
        port: Some(1),
        config_file: Some("none".into()),
        ..Options::default()
    };
    let (reason, text) = reason(client().connect(&options).await);
    assert_eq!(reason, Unreachable::Refused);
    assert!(text.contains("127.0.0.1:1") && text.contains("is sshd running there"), "{text}");
}

#[tokio::test]
async fn a_name_without_an_address() {
    let options = Options {
        host: "no-such-host.invalid".to_owned(),
        config_file: Some("none".into()),
        ..Options::default()
    };
    let (reason, text) = reason(client().connect(&options).await);
    assert_eq!(reason, Unreachable::Dns);
    assert!(text.contains("no-such-host.invalid"), "{text}");
}

#[tokio::test]
async fn a_server_that_says_nothing() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = Options {
        host: "127.0.0.1".to_owned(),
        port: Some(listener.local_addr().unwrap().port()),
        config_file: Some("none".into()),
        connect_timeout: Some(Duration::from_millis(300)),
        ..Options::default()
    };
    let start = Instant::now();
    let (reason, text) = reason(client().connect(&options).await);
    assert_eq!(reason, Unreachable::Timeout);
    assert!(text.contains("0.3 s"), "{text}");
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn an_attempt_that_was_given_up_leaves_no_connection() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    // Falls silent in the middle of the handshake.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = Options {
        host: "127.0.0.1".to_owned(),
        port: Some(listener.local_addr().unwrap().port()),
        config_file: Some("none".into()),
        connect_timeout: Some(Duration::from_millis(300)),
        ..Options::default()
    };
    let client = client();
    let (result, mut stream) = tokio::join!(client.connect(&options), async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"SSH-2.0-silent\r\n").await.unwrap();
        stream
    });
    assert_eq!(reason(result).0, Unreachable::Timeout);
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
    closed.expect("the client hangs up").unwrap();
}

#[tokio::test]
async fn every_address_of_a_name_is_tried() {
    // localhost is ::1 and 127.0.0.1; this server listens on the second only.
    let Some(server) = Server::start("") else { return };
    let mut options = Options { host: "localhost".to_owned(), ..server.options() };
    options.ssh_args.extend(["-o".to_owned(), format!("HostKeyAlias=[127.0.0.1]:{}", server.port)]);
    client().connect(&options).await.unwrap();
}

#[tokio::test]
async fn what_does_not_speak_ssh() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            use tokio::io::AsyncWriteExt;
            let _ = stream.write_all(&b"HTTP/1.1 400 Bad Request\r\n".repeat(100)).await;
        }
    });
    let options = Options {
        host: "127.0.0.1".to_owned(),
        port: Some(port),
        config_file: Some("none".into()),
        connect_timeout: Some(Duration::from_secs(5)),
        ..Options::default()
    };
    let start = Instant::now();
    let Err(error) = client().connect(&options).await else { panic!("connected") };
    assert!(error.to_string().contains("does not speak SSH"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(5), "{error}");
}

#[tokio::test]
async fn a_server_that_falls_silent_is_lost() {
    let Some(server) = Server::start("") else { return };
    let options = Options { keepalive: Some(Duration::from_millis(100)), ..server.options() };
    let session = client().connect(&options).await.unwrap();
    // The server's process for this connection, stopped: TCP stays up, nobody answers.
    let channel = session.exec("kill -STOP $PPID; sleep 20; kill -CONT $PPID").await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(15), channel.exit).await;
    let error = ended.expect("noticed before it comes back").unwrap_err();
    assert!(matches!(error, SshError::Lost { .. }) && error.to_string().contains("keepalives"), "{error}");
}
