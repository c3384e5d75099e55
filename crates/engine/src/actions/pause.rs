//! `pause`: waits for a time or for a person.

use crate::event::Event;
use crate::host_task::{Attempt, Reply};
use provision_args::Args;
use serde_json::{Map, Value, json};
use std::time::{Duration, Instant};

/// Pauses the run.
#[derive(Debug, Args)]
#[args(name = "pause", mutually_exclusive("minutes", "seconds"))]
pub struct PauseArgs {
    /// How long.
    pub minutes: Option<f64>,
    /// How long.
    pub seconds: Option<f64>,
    /// What to ask; the answer is `user_input`.
    pub prompt: Option<String>,
    /// Show what is typed.
    #[arg(default = "yes")]
    pub echo: bool,
}

pub async fn run(attempt: &Attempt<'_>, args: &Map<String, Value>) -> Reply {
    let args = match super::parse::<PauseArgs>(args) {
        Ok(args) => args,
        Err(reply) => return *reply,
    };
    let started = Instant::now();
    // Never shorter than a second, as in Ansible.
    let seconds = args.seconds.or(args.minutes.map(|m| m * 60.0)).map(|seconds| seconds.trunc().max(1.0));
    let mut input = String::new();
    match seconds {
        Some(seconds) => {
            attempt.run.engine.emit(&Event::Say { text: format!("Pausing for {seconds} seconds") });
            tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        }
        None => {
            let prompt =
                args.prompt.unwrap_or_else(|| "Press enter to continue, Ctrl+C to interrupt".to_owned());
            match attempt.run.engine.ask(&format!("[pause]\n{prompt}:"), !args.echo) {
                Some(answer) => input = answer,
                None => attempt
                    .run
                    .engine
                    .warn("Not waiting for response to prompt as stdin is not interactive", None),
            }
        }
    }
    let seconds = started.elapsed().as_secs();
    let result = json!({
        "changed": false, "rc": 0, "stderr": "", "stdout": format!("Paused for {:.2} seconds", started.elapsed().as_secs_f64()),
        "delta": seconds, "echo": args.echo, "user_input": input,
    });
    match result {
        Value::Object(map) => Reply::ok(map),
        _ => Reply::default(),
    }
}
