//! The SSH client against OpenSSH's server.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test: it fails by panicking and says what it skips"
)]

mod server;

use provision_transport::ssh::{Channel, Exit};
use tokio::io::AsyncReadExt;

use server::{Server, client};

/// Standard output, standard error, ending.
pub async fn finish(channel: Channel) -> (String, String, Exit) {
    let Channel { stdin, mut stdout, mut stderr, exit } = channel;
    drop(stdin);
    let (mut out, mut err) = (String::new(), String::new());
    let (a, b) = tokio::join!(stdout.read_to_string(&mut out), stderr.read_to_string(&mut err));
    a.unwrap();
    b.unwrap();
    (out, err, exit.await.unwrap())
}

#[tokio::test]
async fn a_key_logs_in_and_a_command_runs() {
    let Some(server) = Server::start("") else { return };
    let session = client().connect(&server.options()).await.unwrap();
    let channel = session.exec("echo out; echo err >&2; cat; exit 7").await.unwrap();
    assert_eq!(finish(channel).await, ("out\n".into(), "err\n".into(), Exit::Code(7)));
    session.close().await;
}
