//! `assert`: fails unless its conditions hold.

use crate::host_task::{Attempt, Reply};
use crate::render::RenderError;
use provision_args::Args;
use serde_json::{Map, Value};

/// Asserts that given expressions are true.
#[derive(Debug, Args)]
#[args(name = "assert")]
pub struct AssertArgs {
    /// Expressions as in `when`; all must hold.
    #[arg(required)]
    pub that: Vec<Value>,
    /// What to say when one does not.
    #[arg(alias = "msg")]
    pub fail_msg: Option<Value>,
    /// What to say when all do.
    pub success_msg: Option<Value>,
    /// Do not show the conditions when all hold.
    #[arg(default = "no")]
    pub quiet: bool,
}

pub fn run(attempt: &Attempt<'_>, args: &Map<String, Value>) -> Reply {
    // A single string is one expression, commas and all.
    let mut args = args.clone();
    if let Some(that) = args.get_mut("that")
        && !that.is_array()
    {
        *that = Value::Array(vec![that.take()]);
    }
    let parsed = match super::parse::<AssertArgs>(&args) {
        Ok(parsed) => parsed,
        Err(reply) => return *reply,
    };
    let node = attempt.run.task.args.get("that");
    for (index, condition) in parsed.that.iter().enumerate() {
        let held = match condition {
            Value::Bool(b) => Ok(*b),
            other => {
                attempt.run.engine.templater.eval_condition(&crate::render::plain(other), &attempt.dynamic)
            }
        };
        match held {
            Ok(true) => {}
            Ok(false) => {
                let mut reply = Reply::fail("Assertion failed");
                if let Some(text) = parsed.fail_msg {
                    reply.result.insert("msg".into(), text);
                }
                reply.result.insert("assertion".into(), condition.clone());
                reply.result.insert("evaluated_to".into(), false.into());
                reply.result.insert("changed".into(), false.into());
                return reply;
            }
            Err(error) => {
                let at = node.and_then(|n| n.as_seq()).and_then(|items| items.get(index)).or(node);
                let span = at.map_or(attempt.run.task.span, |n| n.span);
                return attempt.run.render_failure(&RenderError::spanned(error.without_place(), span));
            }
        }
    }
    let mut result = Map::new();
    result.insert("changed".into(), false.into());
    result.insert("msg".into(), parsed.success_msg.unwrap_or_else(|| "All assertions passed".into()));
    if !parsed.quiet {
        result.insert("_ansible_verbose_always".into(), true.into());
    }
    Reply::ok(result)
}
