//! What runs on a connection, and how it ends.

use std::time::{Duration, Instant};

use provision_transport::ssh::{Channel, Exit, Options, SshError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::run;
use crate::server::{Server, client};

#[tokio::test]
async fn output_errors_and_exit_code() {
    let Some(server) = Server::start("") else { return };
    let session = client().connect(&server.options()).await.unwrap();
    let ended = run(&session, "echo out; echo err >&2; cat; exit 7").await;
    assert_eq!(ended, ("out\n".into(), "err\n".into(), Exit::Code(7)));
    assert!(session.warnings().is_empty());
    assert!(session.host_key().to_openssh().unwrap().starts_with("ssh-ed25519 "));
    session.close().await;
}

#[tokio::test]
async fn environment_that_the_configuration_sets() {
    let Some(server) = Server::start("AcceptEnv WANTED CARGO_*") else { return };
    let mut options = server.options();
    options.ssh_args.extend(
        ["-o", "SetEnv=WANTED=\"a b\" NOT_ACCEPTED=x", "-o", "SendEnv=CARGO_PKG_* HOME"].map(str::to_owned),
    );
    let session = client().connect(&options).await.unwrap();
    let (out, _, _) = run(&session, "echo $WANTED,$NOT_ACCEPTED,$CARGO_PKG_NAME").await;
    assert_eq!(out, "a b,,provision-transport\n");
}

#[tokio::test]
async fn what_the_configuration_wants_in_vain_is_warned_about() {
    let Some(server) = Server::start("") else { return };
    std::fs::write(server.path("config"), "Host *\nForwardAgent yes\nLocalForward 1 a:2\nTunnel no\n")
        .unwrap();
    let session = client()
        .connect(&Options { config_file: Some(server.path("config")), ..server.options() })
        .await
        .unwrap();
    let warnings = session.warnings().join("\n");
    assert!(warnings.contains("config:2: forwardagent is not supported"), "{warnings}");
    assert!(warnings.contains("config:3: localforward") && !warnings.contains("tunnel"), "{warnings}");
}

#[tokio::test]
async fn a_signal_is_named() {
    let Some(server) = Server::start("") else { return };
    let session = client().connect(&server.options()).await.unwrap();
    let (_, _, exit) = run(&session, "kill -TERM $$").await;
    let Exit::Signal { name, core_dumped, .. } = exit else { panic!("{exit:?}") };
    assert_eq!((name.as_str(), core_dumped), ("TERM", false));
}

#[tokio::test]
async fn input_reaches_the_command_and_ends() {
    let Some(server) = Server::start("") else { return };
    let session = client().connect(&server.options()).await.unwrap();
    let Channel { mut stdin, mut stdout, exit, .. } = session.exec("cat | sha256sum").await.unwrap();
    let data: Vec<u8> = (0..10_000_000_u32).map(|n| (n % 251) as u8).collect();
    stdin.write_all(&data).await.unwrap();
    stdin.shutdown().await.unwrap();
    let mut out = String::new();
    stdout.read_to_string(&mut out).await.unwrap();
    let expected = ring::digest::digest(&ring::digest::SHA256, &data);
    let expected: String = expected.as_ref().iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(out.split_whitespace().next(), Some(expected.as_str()));
    assert_eq!(exit.await.unwrap(), Exit::Code(0));
}

#[tokio::test]
async fn an_unread_channel_holds_up_nobody() {
    let Some(server) = Server::start("") else { return };
    let session = client().connect(&server.options()).await.unwrap();
    let big = session.exec("head -c 50000000 /dev/zero").await.unwrap();
    let small = tokio::time::timeout(Duration::from_secs(20), run(&session, "echo here")).await;
    assert_eq!(small.expect("the other channel is served").0, "here\n");
    let Channel { mut stdout, exit, .. } = big;
    let mut total = 0;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match stdout.read(&mut buffer).await.unwrap() {
            0 => break,
            count => total += count,
        }
    }
    assert_eq!(total, 50_000_000);
    assert_eq!(exit.await.unwrap(), Exit::Code(0));
}

#[tokio::test]
async fn dropping_a_channel_ends_its_command() {
    let Some(server) = Server::start("") else { return };
    let session = client().connect(&server.options()).await.unwrap();
    let marker = server.path("alive");
    // Writes until nobody reads.
    let command = format!("while echo x; do touch {}; sleep 0.05; done", marker.display());
    let channel = session.exec(&command).await.unwrap();
    let start = Instant::now();
    while !marker.exists() {
        assert!(start.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(channel);
    tokio::time::sleep(Duration::from_millis(500)).await;
    std::fs::remove_file(&marker).unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!marker.exists(), "the command still runs");
    assert_eq!(run(&session, "echo on").await.0, "on\n");
}

#[tokio::test]
async fn a_cut_connection_is_lost_not_done() {
    let Some(server) = Server::start("") else { return };
    let session = client().connect(&server.options()).await.unwrap();
    // The shell's parent is the server's process for this connection.
    let Channel { mut stdout, exit, stdin, .. } =
        session.exec("echo begun; kill -9 $PPID; sleep 5; echo done").await.unwrap();
    let mut out = Vec::new();
    let error = stdout.read_to_end(&mut out).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    let error = exit.await.unwrap_err();
    assert!(matches!(error, SshError::Lost { .. }), "{error}");
    assert!(error.to_string().contains("lost"), "{error}");
    drop(stdin);
    assert!(session.is_closed());
    assert!(matches!(session.exec("true").await, Err(SshError::Lost { .. })));
}

#[tokio::test]
async fn more_channels_than_the_server_allows() {
    let Some(server) = Server::start("MaxSessions 2") else { return };
    let session = client().connect(&server.options()).await.unwrap();
    let _first = session.exec("sleep 5").await.unwrap();
    let _second = session.exec("sleep 5").await.unwrap();
    let Err(error) = session.exec("true").await else { panic!("a third channel") };
    assert!(
        matches!(error, SshError::Protocol { .. }) && error.to_string().contains("MaxSessions"),
        "{error}"
    );
}

#[tokio::test]
async fn commands_run_side_by_side() {
    let Some(server) = Server::start("") else { return };
    let session = client().connect(&server.options()).await.unwrap();
    let start = Instant::now();
    let all = (0..8).map(|_| run(&session, "sleep 2; echo x"));
    let ended: Vec<_> = futures_join(all).await;
    assert!(ended.iter().all(|(out, _, exit)| out == "x\n" && *exit == Exit::Code(0)));
    assert!(start.elapsed() < Duration::from_secs(12), "{:?}", start.elapsed());
}

/// All of them at once, in one task.
async fn futures_join<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut pending: Vec<_> = futures.map(|f| (Box::pin(f), None)).collect();
    std::future::poll_fn(|context| {
        let mut waiting = false;
        for (future, done) in &mut pending {
            if done.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *done = Some(value),
                    std::task::Poll::Pending => waiting = true,
                }
            }
        }
        if waiting { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    })
    .await;
    pending.into_iter().filter_map(|(_, done)| done).collect()
}
