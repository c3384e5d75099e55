//! `wait_for_connection`: until the host can be worked on again.

use crate::host_task::{Attempt, Reply};
use crate::transport::LinkError;
use provision_args::Args;
use serde_json::{Map, Value};
use std::time::{Duration, Instant};

/// Waits until the host is reachable.
#[derive(Debug, Args)]
#[args(name = "wait_for_connection")]
pub struct WaitForConnectionArgs {
    /// Seconds for one attempt to connect.
    #[arg(default = "5")]
    pub connect_timeout: u64,
    /// Seconds before the first attempt.
    #[arg(default = "0")]
    pub delay: u64,
    /// Seconds between attempts.
    #[arg(default = "1")]
    pub sleep: u64,
    /// Seconds in all.
    #[arg(default = "600")]
    pub timeout: u64,
}

pub async fn run(attempt: &Attempt<'_>, args: &Map<String, Value>) -> Reply {
    let args = match super::parse::<WaitForConnectionArgs>(args) {
        Ok(args) => args,
        Err(reply) => return *reply,
    };
    let started = Instant::now();
    tokio::time::sleep(Duration::from_secs(args.delay)).await;
    let transport = &attempt.run.engine.transport;
    let mut target = attempt.target.clone();
    target.connect_timeout = Some(Duration::from_secs(args.connect_timeout));
    let deadline = started + Duration::from_secs(args.timeout);
    loop {
        transport.reset(&target.host).await;
        match transport.agent(&target, &attempt.identity).await {
            Ok(_) => break,
            Err(error @ LinkError::Failed(_)) => return super::agent::lost(&error),
            Err(error) if Instant::now() >= deadline => {
                let mut reply = Reply::fail(format!("timed out waiting for the connection: {error}"));
                reply.result.insert("elapsed".into(), started.elapsed().as_secs().into());
                return reply;
            }
            Err(_) => tokio::time::sleep(Duration::from_secs(args.sleep.max(1))).await,
        }
    }
    let mut result = Map::new();
    result.insert("changed".into(), false.into());
    result.insert("elapsed".into(), started.elapsed().as_secs().into());
    Reply::ok(result)
}
