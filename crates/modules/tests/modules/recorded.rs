//! What ansible-core 2.19 itself did to texts with many combinations of options: recorded, and compared.

use crate::machine::run;
use provision_system::Memory;
use serde_json::{Value, json};

/// Runs every recorded case; all differences are shown at once.
pub fn compare(module: &str, recorded: &str) {
    let cases: Vec<Value> = serde_json::from_str(recorded).unwrap();
    assert!(cases.len() > 100);
    let mut differences = Vec::new();
    for case in &cases {
        let mut machine = Memory::new();
        if let Some(before) = case["before"].as_str() {
            machine = machine.file("/f", before);
        }
        let mut args = case["args"].clone();
        args["path"] = json!("/f");
        let done = run(&machine, module, args);
        let after = machine.exists("/f").then(|| machine.text("/f"));
        // Where Ansible does harm we do not follow; such a case says what we do instead, and why.
        let expected = case.get("ours").unwrap_or(&case["after"]).as_str().map(str::to_owned);
        let mut wrong = after != expected;
        wrong |= case["failed"] != done.failed;
        wrong |= !done.failed && case["changed"] != done.changed;
        wrong |= !done.failed && case["msg"] != done.get("msg").clone();
        wrong |= case.get("found").is_some_and(|found| found != done.get("found"));
        if wrong {
            differences.push(format!("{case}\nbut: {after:?} {done:?}"));
        }
    }
    assert!(
        differences.is_empty(),
        "{} of {}:\n{}",
        differences.len(),
        cases.len(),
        differences.join("\n\n")
    );
}
