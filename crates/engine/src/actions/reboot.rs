//! `reboot`: restarts the host and waits until it is back.

use super::agent;
use crate::host_task::{Attempt, Reply};
use provision_args::Args;
use serde_json::{Map, Value, json};
use std::time::{Duration, Instant};

/// Restarts the host and goes on when it is back.
#[derive(Debug, Args)]
#[args(name = "reboot")]
#[expect(dead_code, reason = "refused: declared to be documented")]
pub struct RebootArgs {
    /// Seconds until it restarts; whole minutes count.
    #[arg(default = "0")]
    pub pre_reboot_delay: u64,
    /// Seconds to wait before looking whether it is back.
    #[arg(default = "0")]
    pub post_reboot_delay: u64,
    /// Seconds until it must be back.
    #[arg(default = "600")]
    pub reboot_timeout: u64,
    /// Seconds for one attempt to connect.
    pub connect_timeout: Option<u64>,
    /// The command that must succeed on the restarted host.
    #[arg(default = "whoami")]
    pub test_command: String,
    /// What users of the host are told.
    #[arg(default = "Reboot initiated by Ansible")]
    pub msg: String,
    /// A command whose output differs after every start.
    #[arg(default = "cat /proc/sys/kernel/random/boot_id")]
    pub boot_time_command: String,
    /// The command that restarts, for a shell. Left out: `shutdown -r`.
    pub reboot_command: Option<String>,
    /// Where `shutdown` is looked for besides PATH.
    #[arg(refused = "programs are looked for in PATH and the directories of system programs")]
    pub search_paths: (),
}

pub async fn run(attempt: &Attempt<'_>, args: &Map<String, Value>) -> Reply {
    let args = match super::parse::<RebootArgs>(args) {
        Ok(args) => args,
        Err(reply) => return *reply,
    };
    if attempt.target.connection == "local" {
        let mut reply = Reply::fail("Running reboot with local connection would reboot the control node.");
        reply.result.extend(object(json!({"changed": false, "elapsed": 0, "rebooted": false})));
        return reply;
    }
    if attempt.check {
        return Reply::ok(object(json!({"changed": true, "elapsed": 0, "rebooted": true})));
    }
    let started = Instant::now();
    let before = match ask(attempt, &args.boot_time_command).await {
        Ok(text) => text,
        Err(reply) => return *reply,
    };
    let command = match &args.reboot_command {
        Some(command) => json!({"_raw_params": command}),
        None => json!({"argv": ["shutdown", "-r", (args.pre_reboot_delay / 60).to_string(), args.msg]}),
    };
    let module =
        if args.reboot_command.is_some() { "ansible.builtin.shell" } else { "ansible.builtin.command" };
    let reply = agent::call(attempt, module, object(command)).await;
    // A host that goes down at once does not say goodbye.
    if reply.failed && !reply.unreachable {
        let why = reply.result.get("stderr").and_then(Value::as_str).unwrap_or_default();
        let mut failed = Reply::fail(format!("Reboot command failed. Error was: {why}"));
        failed.result.extend(object(json!({"rebooted": false, "changed": false})));
        return failed;
    }
    tokio::time::sleep(Duration::from_secs(args.post_reboot_delay)).await;
    let limit = Duration::from_secs(args.pre_reboot_delay + args.post_reboot_delay + args.reboot_timeout);
    let mut target = attempt.target.clone();
    target.connect_timeout = Some(Duration::from_secs(args.connect_timeout.unwrap_or(10)));
    let mut last = String::from("it did not go down");
    while started.elapsed() < limit {
        attempt.run.engine.transport.reset(&target.host).await;
        match attempt.run.engine.transport.agent(&target, &attempt.identity).await {
            Err(error) => last = error.to_string(),
            Ok(_) => match ask(attempt, &args.boot_time_command).await {
                Ok(now) if now == before => last = "it did not go down".to_owned(),
                Ok(_) => match ask(attempt, &args.test_command).await {
                    Ok(_) => {
                        let elapsed = started.elapsed().as_secs();
                        return Reply::ok(object(
                            json!({"changed": true, "elapsed": elapsed, "rebooted": true}),
                        ));
                    }
                    Err(_) => last = format!("{} fails", args.test_command),
                },
                Err(_) => last = format!("{} fails", args.boot_time_command),
            },
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let mut failed = Reply::fail(format!(
        "Timed out waiting for the host to come back (timeout={}): {last}",
        limit.as_secs()
    ));
    failed
        .result
        .extend(object(json!({"changed": true, "elapsed": started.elapsed().as_secs(), "rebooted": true})));
    failed
}

/// What a command prints.
async fn ask(attempt: &Attempt<'_>, command: &str) -> Result<String, Box<Reply>> {
    let reply =
        agent::call(attempt, "ansible.builtin.command", object(json!({"_raw_params": command}))).await;
    if reply.failed || reply.unreachable {
        return Err(Box::new(reply));
    }
    Ok(reply.result.get("stdout").and_then(Value::as_str).unwrap_or_default().to_owned())
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
