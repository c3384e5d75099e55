//! `raw`: a command line for the login shell, without any agent.

use crate::host_task::{Attempt, Reply};
use provision_args::Args;
use provision_system::text::bytes_to_text;
use serde_json::{Map, Value, json};

/// Executes a command through the connection's shell; nothing but sshd is needed on the target.
#[derive(Debug, Args)]
#[args(name = "raw", free_form = "free_form")]
pub struct RawArgs {
    /// The command line.
    #[arg(required)]
    pub free_form: String,
    /// Another shell to give it to, as an absolute path.
    pub executable: Option<String>,
}

pub async fn run(attempt: &Attempt<'_>, args: &Map<String, Value>) -> Reply {
    let mut args = args.clone();
    if let Some(text) = args.remove("_raw_params") {
        args.insert("free_form".into(), text);
    }
    let parsed = match super::parse::<RawArgs>(&args) {
        Ok(parsed) => parsed,
        Err(reply) => return *reply,
    };
    if attempt.check {
        let mut reply = Reply::skip(Map::new());
        reply.result.insert("skipped".into(), true.into());
        reply.result.insert("msg".into(), "raw does not run in check mode".into());
        reply.unknown = Some(format!("the task `{}`", attempt.run.info.name));
        return reply;
    }
    let mut command = String::new();
    for (name, value) in &attempt.env {
        let quoted = shlex::try_quote(value).map(|q| q.into_owned()).unwrap_or_default();
        command.push_str(&format!("{name}={quoted} "));
    }
    match &parsed.executable {
        Some(shell) => {
            let quoted = shlex::try_quote(&parsed.free_form).map(|q| q.into_owned()).unwrap_or_default();
            command.push_str(&format!("{shell} -c {quoted}"));
        }
        None => command.push_str(&parsed.free_form),
    }
    let transport = &attempt.run.engine.transport;
    match transport.raw(&attempt.target, &attempt.identity, &command, attempt.output()).await {
        Err(error) => super::agent::lost(&error),
        Ok(done) => {
            let (stdout, stderr) = (bytes_to_text(&done.stdout), bytes_to_text(&done.stderr));
            let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
            let result = json!({
                "changed": true, "rc": done.rc, "stdout": stdout, "stderr": stderr,
                "stdout_lines": lines(&stdout), "stderr_lines": lines(&stderr),
            });
            let mut reply = match result {
                Value::Object(map) => Reply::ok(map),
                _ => Reply::default(),
            };
            if done.rc != 0 {
                reply.failed = true;
                reply.result.insert("msg".into(), "non-zero return code".into());
            }
            reply
        }
    }
}
