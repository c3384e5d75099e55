//! Commands of the control machine and its environment: `env`, `pipe`, `lines`.

use super::Found;
use provision_templates::{Kwargs, TemplateError, Value, value_error};

pub(super) fn env(names: &[String], kwargs: &Kwargs) -> Found {
    names
        .iter()
        .map(|name| match std::env::var(name) {
            Ok(value) => Ok(Value::from(value)),
            Err(_) => match kwargs.get("default") {
                None => Ok(Value::from("")),
                // `default=undef()` asks for an error
                Some(default) if value_error(default).is_some() => Err(TemplateError::undefined(
                    name.as_str(),
                    format!("The environment variable '{name}' is not set."),
                )),
                Some(default) => Ok(default.clone()),
            },
        })
        .collect()
}

fn pipe(command: &str) -> Result<String, TemplateError> {
    let output = std::process::Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(|e| TemplateError::runtime(format!("lookup_plugin.pipe({command}): {e}")))?;
    if !output.status.success() {
        let code = output.status.code().unwrap_or(-1);
        return Err(TemplateError::runtime(format!("lookup_plugin.pipe({command}) returned {code}")));
    }
    Ok(provision_system::text::bytes_to_text(&output.stdout))
}

pub(super) fn pipes(commands: &[String]) -> Found {
    commands.iter().map(|command| pipe(command).map(|out| Value::from(out.trim_end()))).collect()
}

pub(super) fn lines(commands: &[String]) -> Found {
    let mut all = Vec::new();
    for command in commands {
        all.extend(pipe(command)?.lines().map(Value::from));
    }
    Ok(all)
}
