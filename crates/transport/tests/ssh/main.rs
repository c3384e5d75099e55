//! The SSH client against OpenSSH's server.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test: it fails by panicking and says what it skips"
)]

mod authentication;
mod host_keys;
mod measure;
mod passwords;
mod server;
mod sessions;
mod ways;

use provision_transport::ssh::{Channel, Exit, Session};
use tokio::io::AsyncReadExt;

/// Standard output, standard error, ending.
pub async fn run(session: &Session, command: &str) -> (String, String, Exit) {
    let Channel { stdin, mut stdout, mut stderr, exit } = session.exec(command).await.unwrap();
    drop(stdin);
    let (mut out, mut err) = (String::new(), String::new());
    let (a, b) = tokio::join!(stdout.read_to_string(&mut out), stderr.read_to_string(&mut err));
    a.unwrap();
    b.unwrap();
    (out, err, exit.await.unwrap())
}
