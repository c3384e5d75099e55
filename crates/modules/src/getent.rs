//! `getent`: entries of the system's databases as facts.

use crate::{Ctx, Failure, Module, Outcome};
use provision_args::Args;
use provision_system::Command;
use provision_system::text::to_os;
use serde_json::{Map, Value, json};

/// Look something up in a database of the host (passwd, group, hosts, services, …) with its `getent`. The fact
/// `getent_DATABASE` has the entries by their keys.
#[derive(Args)]
#[args(name = "getent")]
pub struct GetentArgs {
    /// The database.
    #[arg(required)]
    pub database: String,
    /// The entry. Left out: all.
    pub key: Option<String>,
    /// Where to look instead of what nsswitch.conf(5) says.
    pub service: Option<String>,
    /// What parts the fields of an entry. Left out: a colon for passwd, shadow, group and gshadow, else blanks.
    pub split: Option<String>,
    /// Fail when there is no such entry.
    #[arg(default = "yes")]
    pub fail_key: bool,
}

/// The module.
pub struct Getent;

impl Module for Getent {
    type Args = GetentArgs;

    fn run(args: GetentArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let colon = ["passwd", "shadow", "group", "gshadow"].contains(&args.database.as_str());
        let split = args.split.as_deref().or(colon.then_some(":"));
        let mut command = Command::new(["getent"]);
        if let Some(service) = &args.service {
            command = command.arg("-s").arg(to_os(service));
        }
        command = command.arg(to_os(&args.database));
        command.argv.extend(args.key.as_ref().map(|key| to_os(key)));
        let output = ctx.sys.query(&command)?;
        let fact = format!("getent_{}", args.database);
        let outcome =
            |found: Map<String, Value>| Outcome::new().with("ansible_facts", json!({ &fact: found }));
        match (output.rc, &args.key) {
            (0, _) => Ok(outcome(entries(&output.out(), split))),
            (1, _) => Err(Failure::new("Missing arguments, or database unknown.")),
            (2, key) => {
                let msg = "One or more supplied key could not be found in the database.";
                if args.fail_key && !ctx.sys.uncertain() {
                    return Err(Failure::new(msg));
                }
                let missing = key.iter().map(|key| ((*key).clone(), Value::Null)).collect();
                Ok(outcome(missing).msg(msg))
            }
            (3, _) => Err(Failure::new("Enumeration not supported on this database.")),
            _ => Err(Failure::new("Unexpected failure!").with("rc", output.rc).with("stderr", output.err())),
        }
    }
}

/// Fields by key. A key that comes again makes a list of lists of it.
fn entries(text: &str, split: Option<&str>) -> Map<String, Value> {
    let mut found: Map<String, Value> = Map::new();
    let mut again = Vec::new();
    for line in text.lines() {
        let mut fields: Vec<&str> = match split {
            Some(split) if !split.is_empty() => line.split(split).collect(),
            _ => line.split_whitespace().collect(),
        };
        if fields.is_empty() {
            continue;
        }
        let key = fields.remove(0).to_owned();
        match found.get_mut(&key) {
            None => {
                found.insert(key, json!(fields));
            }
            Some(Value::Array(lists)) if again.contains(&key) => lists.push(json!(fields)),
            Some(first) => {
                *first = json!([first.take(), fields]);
                again.push(key);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_split_and_gathered() {
        let passwd = Value::Object(entries("root:x:0:0:root:/root:/bin/bash\n", Some(":")));
        assert_eq!(passwd, json!({"root": ["x", "0", "0", "root", "/root", "/bin/bash"]}));
        let hosts = Value::Object(entries("127.0.0.1  localhost\n127.0.0.1 a b\n127.0.0.1 c\n", None));
        assert_eq!(hosts, json!({"127.0.0.1": [["localhost"], ["a", "b"], ["c"]]}));
    }
}
