//! Running a module the way the agent does.

use provision_modules::registry::RunError;
use provision_modules::{Blobs, Ctx, Outcome, find};
use provision_system::{Journal, Memory, Overlay, SysError, System, changed, digest_of};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::io::{Cursor, Read};

/// What a run left.
#[derive(Debug)]
pub struct Done {
    pub changed: bool,
    pub failed: bool,
    /// With `msg`, as `register` would have it.
    pub result: Map<String, Value>,
}

impl Done {
    pub fn get(&self, name: &str) -> &Value {
        self.result.get(name).unwrap_or(&Value::Null)
    }

    pub fn msg(&self) -> &str {
        self.get("msg").as_str().unwrap_or_default()
    }

    #[track_caller]
    pub fn has(&self, expected: Value) -> &Self {
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(self.get(name), value, "{name} of {:?}", self.result);
        }
        self
    }
}

/// What the controller holds, and what was asked of it.
#[derive(Default)]
pub struct Store(BTreeMap<String, Vec<u8>>, std::cell::Cell<usize>);

impl Store {
    pub fn with(mut self, data: &[u8]) -> Self {
        self.0.insert(sha256(data), data.to_vec());
        self
    }

    /// How often a content was asked for.
    pub fn opened(&self) -> usize {
        self.1.get()
    }
}

impl Blobs for Store {
    fn open(&self, sha256: &str) -> Result<Box<dyn Read>, SysError> {
        self.1.set(self.1.get() + 1);
        match self.0.get(sha256) {
            Some(data) => Ok(Box::new(Cursor::new(data.clone()))),
            None => Err(SysError::new(format!("fetch {sha256}"), "the controller does not have it")),
        }
    }
}

pub fn sha256(data: &[u8]) -> String {
    digest_of(data, "sha256").unwrap()
}

/// Runs on the machine itself.
#[track_caller]
pub fn run(machine: &Memory, module: &str, args: Value) -> Done {
    run_with(machine, &Store::default(), module, args)
}

#[track_caller]
pub fn run_with(machine: &Memory, store: &Store, module: &str, args: Value) -> Done {
    let journal = Journal::new(machine);
    let result = call(&journal, store, false, module, &args);
    done(result, changed(&journal.take()))
}

/// Runs over a layer that keeps the machine as it is.
#[track_caller]
pub fn predict(machine: &Memory, store: &Store, module: &str, args: Value) -> Done {
    let journal = Journal::new(Overlay::new(machine));
    let result = call(&journal, store, true, module, &args);
    done(result, changed(&journal.take()))
}

/// The same behind a predicted `command`.
#[track_caller]
pub fn predict_after(machine: &Memory, store: &Store, command: Value, module: &str, args: Value) -> Done {
    let journal = Journal::new(Overlay::new(machine));
    call(&journal, store, true, "command", &command).unwrap();
    journal.take();
    let result = call(&journal, store, true, module, &args);
    done(result, changed(&journal.take()))
}

/// Predicts, runs, runs again: the prediction is right and touches nothing, the second run changes nothing.
#[track_caller]
pub fn converge(machine: &Memory, module: &str, args: Value) -> Done {
    converge_with(machine, &Store::default(), module, args)
}

#[track_caller]
pub fn converge_with(machine: &Memory, store: &Store, module: &str, args: Value) -> Done {
    let path = ["path", "dest"].iter().find_map(|name| args.get(*name)).and_then(Value::as_str);
    let look =
        || path.and_then(|path| machine.meta(path).map(|meta| (meta, machine.read(path.as_ref()).ok())));
    let before = look();
    let predicted = predict(machine, store, module, args.clone());
    assert_eq!(look(), before, "a dry run changed the machine");
    let real = run_with(machine, store, module, args.clone());
    assert_eq!((predicted.changed, predicted.failed), (real.changed, real.failed), "{predicted:?} {real:?}");
    if !real.failed {
        let again = run_with(machine, store, module, args);
        assert!(!again.changed && !again.failed, "the second run changed something: {again:?}");
    }
    real
}

/// Calls with these arguments are refused before anything happens; the problems, joined.
#[track_caller]
pub fn refused(module: &str, args: Value) -> String {
    let machine = Memory::new();
    match call(&machine, &Store::default(), false, module, &args) {
        Err(RunError::Args(problems)) => {
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        }
        other => panic!("not refused: {other:?}"),
    }
}

#[track_caller]
fn call(
    sys: &dyn System,
    store: &Store,
    check: bool,
    module: &str,
    args: &Value,
) -> Result<Outcome, RunError> {
    let ctx = Ctx { sys, check, diff: true, blobs: store };
    (find(module).unwrap().run)(args.as_object().unwrap(), &ctx)
}

#[track_caller]
fn done(result: Result<Outcome, RunError>, changed: bool) -> Done {
    match result {
        Ok(outcome) => Done { changed, failed: false, result: outcome.result },
        Err(RunError::Failed(failure)) => {
            let mut result = failure.result;
            result.insert("msg".to_owned(), failure.msg.into());
            Done { changed, failed: true, result }
        }
        Err(RunError::Args(problems)) => panic!("bad arguments: {problems:?}"),
    }
}
