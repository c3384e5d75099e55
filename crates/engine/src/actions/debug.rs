//! `debug`: shows a message or a variable.

use crate::host_task::{Attempt, Reply};
use crate::render::{self, RenderError};
use provision_args::Args;
use provision_source::Node;
use provision_templates::{ErrorKind, to_json};
use serde_json::{Map, Value};

/// Prints statements during execution.
#[derive(Debug, Args)]
#[args(name = "debug", mutually_exclusive("msg", "var"))]
pub struct DebugArgs {
    /// The message; without it and `var`, "Hello world!".
    pub msg: Option<Value>,
    /// A variable or an expression whose value is shown.
    pub var: Option<Value>,
    /// Shown only from this many `-v` on.
    #[arg(default = "0")]
    pub verbosity: u8,
}

pub fn run(attempt: &Attempt<'_>, args: &Map<String, Value>) -> Reply {
    let parsed = match super::parse::<DebugArgs>(args) {
        Ok(parsed) => parsed,
        Err(reply) => return *reply,
    };
    let mut result = Map::new();
    if parsed.verbosity > attempt.run.engine.settings.verbosity {
        result.insert("skipped_reason".into(), "Verbosity threshold not met.".into());
        result.insert("skipped".into(), true.into());
        result.insert("changed".into(), false.into());
        return Reply::skip(result);
    }
    result.insert("_ansible_verbose_always".into(), true.into());
    match parsed.var {
        Some(var) => {
            let templater = &attempt.run.engine.templater;
            let name = render::plain(&var);
            let value = match provision_templates::is_template(&name) {
                // `var: "{{ x }}"` names the variable that x names.
                true => {
                    render::node(&Node::str(name.as_str()), &attempt.dynamic, templater).map_err(|e| e.error)
                }
                false => templater.eval(&name, &attempt.dynamic),
            };
            let value = match value {
                Ok(value) => match provision_templates::is_unknown(&value) {
                    Some(reason) => Value::String(format!("unknown until applied: depends on {reason}")),
                    None => to_json(&value),
                },
                Err(error) => match &error.kind {
                    ErrorKind::Undefined { .. } => {
                        Value::String(format!("<< error 1 - {} >>", error.message))
                    }
                    ErrorKind::Unknown { reason } => {
                        Value::String(format!("unknown until applied: depends on {reason}"))
                    }
                    _ => {
                        let span =
                            attempt.run.task.args.get("var").map_or(attempt.run.task.span, |node| node.span);
                        return attempt
                            .run
                            .render_failure(&RenderError::spanned(error.without_place(), span));
                    }
                },
            };
            result.insert(name, value);
        }
        None => {
            // A null that is given is shown as one.
            let given = parsed.msg.or_else(|| args.get("msg").cloned());
            result.insert("msg".into(), given.unwrap_or_else(|| "Hello world!".into()));
        }
    }
    result.insert("changed".into(), false.into());
    Reply::ok(result)
}
