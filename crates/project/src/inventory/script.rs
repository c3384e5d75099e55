//! Executable inventories: a program that prints JSON when called with `--list`
//! (<https://docs.ansible.com/ansible/latest/dev_guide/developing_inventory.html#inventory-script-conventions>).

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use provision_source::{Diagnostic, Diagnostics, Node, Span};
use serde_json::{Map, Value};

use super::build::Builder;

/// Executable, and a program: it starts with `#!` or as an ELF binary.
pub(super) fn is_script(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let executable = path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0);
    if !executable {
        return false;
    }
    let mut start = Vec::new();
    let read = std::fs::File::open(path).and_then(|f| f.take(4).read_to_end(&mut start));
    read.is_ok() && (start.starts_with(b"#!") || start.starts_with(b"\x7fELF"))
}

/// Runs `path --list` (and `--host NAME` for each host when there is no `_meta`) and takes what it prints.
///
/// # Errors
/// It cannot be run, fails, or prints something else than the JSON of an inventory.
pub(super) fn read(path: &Path, builder: &mut Builder, diags: &mut Diagnostics) -> Result<(), Diagnostic> {
    let output = run(path, &["--list"])?;
    let groups = object(path, output)?;
    let meta = groups.get("_meta").and_then(|m| m.get("hostvars")).and_then(Value::as_object);
    let mut hosts: Vec<String> = Vec::new();
    for (name, value) in groups.iter().filter(|(name, _)| *name != "_meta") {
        builder.add_group(name);
        let empty = Map::new();
        let (listed, body) = match value {
            Value::Array(hosts) => (Some(hosts), &empty),
            Value::Object(body) => (body.get("hosts").and_then(Value::as_array), body),
            _ => {
                return Err(failure(
                    path,
                    &format!("group `{name}` is neither an object nor a list of hosts"),
                ));
            }
        };
        if let Some(bad) = body.keys().find(|k| !matches!(k.as_str(), "hosts" | "vars" | "children")) {
            // A host with variables in the place of a group is what the oldest scripts print.
            if body.len() == 1 || !body.contains_key("hosts") {
                return Err(failure(path, &format!("group `{name}` has an unknown key `{bad}`")));
            }
            diags.push(Diagnostic::warning(format!(
                "{}: unknown key `{bad}` in group `{name}` is skipped",
                path.display()
            )));
        }
        for host in listed.into_iter().flatten() {
            let host = host.as_str().ok_or_else(|| failure(path, "a host's name must be a string"))?;
            builder.add_host(host, Span::NONE);
            builder.add_member(name, host);
            hosts.push(host.to_string());
        }
        for (key, value) in body.get("vars").and_then(Value::as_object).into_iter().flatten() {
            builder.set_group_var(name, key.as_str().into(), Node::from_json(value).with_json_tags(), diags);
        }
    }
    for (name, value) in &groups {
        for child in value.get("children").and_then(Value::as_array).into_iter().flatten() {
            let child = child.as_str().ok_or_else(|| failure(path, "a group's name must be a string"))?;
            builder.add_group(child);
            builder.add_child(name, child, Span::NONE)?;
        }
    }
    hosts.sort();
    hosts.dedup();
    for host in hosts {
        let vars = match meta {
            Some(meta) => meta.get(&host).and_then(Value::as_object).cloned().unwrap_or_default(),
            None => {
                let output = run(path, &["--host", &host])?;
                if output.trim_ascii().is_empty() { Map::new() } else { object(path, output)? }
            }
        };
        for (key, value) in vars {
            builder.set_host_var(&host, key.into(), Node::from_json(&value).with_json_tags());
        }
    }
    Ok(())
}

fn run(path: &Path, args: &[&str]) -> Result<Vec<u8>, Diagnostic> {
    // A bare name would be looked up in PATH.
    let program = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| failure(path, &format!("cannot be run: {e}")))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let d = failure(path, &format!("failed ({})", output.status));
    Err(if stderr.trim().is_empty() { d } else { d.note(format!("it said: {}", stderr.trim())) })
}

fn object(path: &Path, output: Vec<u8>) -> Result<Map<String, Value>, Diagnostic> {
    match serde_json::from_slice(&output) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(failure(path, "printed JSON that is no object")),
        Err(e) => Err(failure(path, &format!("did not print JSON: {e}"))),
    }
}

fn failure(path: &Path, what: &str) -> Diagnostic {
    Diagnostic::error(format!("inventory script {}: {what}", path.display()))
}
