//! One module call: the machine or its overlay, the journal, the answer.

use crate::blobs::{Piece, Remote};
use crate::{Out, reply};
use provision_modules::registry::RunError;
use provision_modules::{Blobs, Ctx, Outcome, find};
use provision_system::{Journal, Layer, Local, Mutation, Overlay, Stream, System, changed};
use provision_wire::{Call, Done, Reply, Status, WireError};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};

/// What lasts from call to call.
pub struct Calls {
    out: Out,
    pieces: Arc<Mutex<Receiver<Piece>>>,
    cancel: Arc<AtomicBool>,
    /// What the dry run has changed so far.
    layer: Option<Layer>,
}

impl Calls {
    pub fn new(out: Out, pieces: Receiver<Piece>, cancel: Arc<AtomicBool>) -> Self {
        Self { out, pieces: Arc::new(Mutex::new(pieces)), cancel, layer: None }
    }

    /// Runs the call and sends its answer.
    pub fn answer(&mut self, call: &Call) -> Result<(), WireError> {
        let (status, result, mutations) = match (call.check, call.background) {
            (true, _) => self.dry(call),
            (false, None) => self.real(call),
            (false, Some(_)) => match crate::job::start(call) {
                Ok(known) => (Status::Ok, known, Vec::new()),
                Err(text) => (Status::Failed, failure(text), Vec::new()),
            },
        };
        let done =
            Done { id: call.id, status, result: serde_json::to_vec(&result).unwrap_or_default(), mutations };
        reply(&self.out, &Reply::Done(Box::new(done)))
    }

    fn local(&self, call: &Call) -> Local {
        let mut local = Local::inherit().with_env(environment(call)).with_cancel(self.cancel.clone());
        if call.stream {
            let (out, id) = (self.out.clone(), call.id);
            local = local.with_sink(Box::new(move |stream: Stream, data: &[u8]| {
                // The controller may be gone: the reader thread notices.
                let _ = reply(&out, &Reply::Output { id, stream, data: data.to_vec() });
            }));
        }
        local
    }

    fn real(&self, call: &Call) -> (Status, Map<String, Value>, Vec<Mutation>) {
        let journal = Journal::new(self.local(call)).contents(call.diff);
        let (status, result) = self.module(call, &journal);
        finish(&call.module, status, result, journal.take(), call.diff)
    }

    fn dry(&mut self, call: &Call) -> (Status, Map<String, Value>, Vec<Mutation>) {
        let overlay = Overlay::with_layer(self.local(call), self.layer.take().unwrap_or_default());
        let told = overlay.apply(&call.predicted);
        let journal = Journal::new(overlay).contents(true);
        let (status, result) = match told {
            Ok(()) => self.module(call, &journal),
            Err(error) => (Status::Failed, failure(error.to_string())),
        };
        let mutations = journal.take();
        self.layer = Some(journal.into_system().into_layer());
        finish(&call.module, status, result, mutations, true)
    }

    fn module(&self, call: &Call, system: &dyn System) -> (Status, Map<String, Value>) {
        module(call, system, &Remote { id: call.id, out: self.out.clone(), pieces: self.pieces.clone() })
    }
}

/// The task's `environment`.
pub fn environment(call: &Call) -> BTreeMap<OsString, Option<OsString>> {
    let pairs = call.env.iter();
    pairs.map(|(name, value)| (name.into(), Some(provision_system::text::to_os(value)))).collect()
}

/// Runs the call's module.
pub fn module(call: &Call, system: &dyn System, blobs: &dyn Blobs) -> (Status, Map<String, Value>) {
    let Some(entry) = find(&call.module) else {
        return (Status::Failed, failure(format!("this agent has no module {}", call.module)));
    };
    let Ok(Value::Object(args)) = serde_json::from_slice(&call.args) else {
        return (Status::Failed, failure("the arguments cannot be read".to_owned()));
    };
    let ctx = Ctx { sys: system, check: call.check, diff: call.diff, blobs };
    match (entry.run)(&args, &ctx) {
        Ok(Outcome { result }) => (Status::Ok, result),
        Err(RunError::Failed(failed)) => {
            let mut result = failed.result;
            result.insert("msg".into(), failed.msg.into());
            (Status::Failed, result)
        }
        Err(RunError::Args(problems)) => {
            let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
            let list: Vec<Value> = problems
                .iter()
                .map(|p| json!({"option": p.option, "value": p.value, "message": p.message, "hint": p.hint}))
                .collect();
            let mut result = failure(text.join("; "));
            result.insert("problems".into(), list.into());
            (Status::BadArgs, result)
        }
    }
}

fn failure(msg: String) -> Map<String, Value> {
    Map::from_iter([("msg".to_owned(), Value::String(msg))])
}

/// `changed` is what the journal says. As in Ansible a skipped command has changed nothing, and a module that failed
/// counts as unchanged, unless it is a command, whose failure is a result like another.
pub fn finish(
    module: &str,
    status: Status,
    mut result: Map<String, Value>,
    mutations: Vec<Mutation>,
    keep: bool,
) -> (Status, Map<String, Value>, Vec<Mutation>) {
    let skipped = result.get("skipped").and_then(Value::as_bool).unwrap_or(false);
    let command = ["command", "shell", "script"].iter().any(|name| module.ends_with(&format!(".{name}")));
    let counts = !skipped && (command || status == Status::Ok);
    result.insert("changed".into(), (changed(&mutations) && counts).into());
    (status, result, if keep { mutations } else { Vec::new() })
}
