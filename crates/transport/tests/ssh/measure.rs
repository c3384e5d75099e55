//! Numbers, printed and not judged: `cargo test --release --test ssh measure -- --ignored --nocapture`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::run;
use crate::server::{Server, client};

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "prints numbers"]
async fn measure() {
    let Some(server) = Server::start("MaxStartups 200\nMaxSessions 50") else { return };
    let options = server.options();
    let (mut connect, mut first, mut later) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..20 {
        let client = client();
        let start = Instant::now();
        let session = client.connect(&options).await.unwrap();
        connect.push(start.elapsed());
        let start = Instant::now();
        run(&session, "true").await;
        first.push(start.elapsed());
        let start = Instant::now();
        run(&session, "true").await;
        later.push(start.elapsed());
        session.close().await;
    }
    eprintln!(
        "connect {:?}, first `true` {:?}, next `true` {:?}",
        median(connect),
        median(first),
        median(later)
    );

    let ssh = || {
        let start = Instant::now();
        let status = std::process::Command::new("ssh")
            .args(["-F", "none", "-o", "BatchMode=yes", "-p", &server.port.to_string(), "-i"])
            .arg(server.path("id"))
            .arg("-o")
            .arg(format!("UserKnownHostsFile={}", server.path("known_hosts").display()))
            .args(["127.0.0.1", "true"])
            .status()
            .unwrap();
        assert!(status.success());
        start.elapsed()
    };
    eprintln!("OpenSSH's client, connect and `true`: {:?}", median((0..10).map(|_| ssh()).collect()));

    let client = Arc::new(client());
    let start = Instant::now();
    let all: Vec<_> = (0..50)
        .map(|_| {
            let (client, options) = (client.clone(), options.clone());
            tokio::spawn(async move { run(&client.connect(&options).await.unwrap(), "true").await })
        })
        .collect();
    for one in all {
        one.await.unwrap();
    }
    eprintln!("50 at once, connect and `true`: {:?}", start.elapsed());

    let session = client.connect(&options).await.unwrap();
    let mut cat = session.exec("cat").await.unwrap();
    let start = Instant::now();
    let mut buffer = [0; 200];
    for _ in 0..2000 {
        cat.stdin.write_all(&buffer.clone()).await.unwrap();
        cat.stdout.read_exact(&mut buffer).await.unwrap();
    }
    eprintln!("200 bytes there and back through cat: {:.0} a second", 2000.0 / start.elapsed().as_secs_f64());

    let start = Instant::now();
    let mut sink = session.exec("cat > /dev/null").await.unwrap();
    for _ in 0..100 {
        sink.stdin.write_all(&vec![0; 1 << 20]).await.unwrap();
    }
    drop(sink.stdin);
    sink.exit.await.unwrap();
    eprintln!("up: {:.0} MB/s", 100.0 / start.elapsed().as_secs_f64());
    let start = Instant::now();
    let mut source = session.exec("head -c 104857600 /dev/zero").await.unwrap();
    tokio::io::copy(&mut source.stdout, &mut tokio::io::sink()).await.unwrap();
    eprintln!("down: {:.0} MB/s", 100.0 / start.elapsed().as_secs_f64());
}
