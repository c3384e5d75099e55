//! The module `git`, with the real git of this machine: a repository in a directory, cloned and followed.

use crate::machine::{Done, Store};
use provision_modules::{Ctx, find};
use provision_system::{Command, Journal, Local, Overlay, System, changed};
use serde_json::{Value, json};

fn run(dry: bool, args: &Value) -> Done {
    let call = |sys: &dyn System| {
        let store = Store::default();
        let ctx = Ctx { sys, check: dry, diff: false, blobs: &store };
        (find("git").unwrap().run)(args.as_object().unwrap(), &ctx).unwrap()
    };
    let (outcome, changed) = if dry {
        let journal = Journal::new(Overlay::new(Local::inherit()));
        (call(&journal), changed(&journal.take()))
    } else {
        let journal = Journal::new(Local::inherit());
        (call(&journal), changed(&journal.take()))
    };
    Done { changed, failed: false, result: outcome.result }
}

/// Predicted, done, and nothing left to do.
#[track_caller]
fn converge(args: Value) -> Done {
    assert!(run(true, &args).changed, "not predicted: {args}");
    let done = run(false, &args);
    assert!(done.changed, "{done:?}");
    assert!(
        !run(true, &args).changed && !run(false, &args).changed,
        "a second run changes something: {args}"
    );
    done
}

#[test]
fn a_checkout_follows_its_repository() {
    let sys = Local::inherit();
    let dir = format!("{}/git-{}", env!("CARGO_TARGET_TMPDIR"), std::process::id());
    let sh = |script: &str| {
        let script = format!("cd '{dir}/up' && {script}");
        let done = sys.query(&Command::new(["sh", "-ec", &script])).unwrap();
        assert!(done.ok(), "{done:?}");
        done.out().trim().to_owned()
    };
    sys.query(&Command::new(["mkdir", "-p", &format!("{dir}/up")])).unwrap();
    let commit = |text: &str| {
        sh(&format!(
            "echo {text} > f && git add f && git -c user.name=t -c user.email=t@t commit -qm {text} && git rev-parse HEAD"
        ))
    };
    sh("git init -q -b main .");
    let first = commit("one");
    sh("git tag v1");
    let dest = format!("{dir}/deep/out");
    let args = |version: &str| json!({"repo": format!("{dir}/up"), "dest": dest, "version": version});
    let read = || String::from_utf8(sys.read(format!("{dest}/f").as_ref()).unwrap()).unwrap();

    let done = converge(args("HEAD"));
    done.has(json!({"before": null, "after": first}));
    let second = commit("two");
    converge(args("HEAD")).has(json!({"before": first, "after": second}));
    assert_eq!(read(), "two\n");
    converge(args("v1")).has(json!({"before": second, "after": first}));
    sh("git checkout -q -b side v1");
    let side = commit("side");
    converge(args("side")).has(json!({"after": side}));
    converge(args("main")).has(json!({"after": second}));
    converge(args(&side)).has(json!({"after": side}));

    sys.query(&Command::new(["sh", "-c", &format!("echo mine > '{dest}/f'")])).unwrap();
    let store = Store::default();
    let local = Local::inherit();
    let ctx = Ctx { sys: &local, check: false, diff: false, blobs: &store };
    let call = |args: Value| (find("git").unwrap().run)(args.as_object().unwrap(), &ctx);
    assert!(format!("{:?}", call(args("side")).unwrap_err()).contains("Local modifications exist"));
    let mut forced = args("side");
    forced["force"] = json!(true);
    converge(forced).has(json!({"after": side}));
    assert_eq!(read(), "side\n");
    assert!(
        format!("{:?}", call(args("nosuch")).unwrap_err()).contains("Could not determine remote revision")
    );
    sys.query(&Command::new(["rm", "-rf", &dir])).unwrap();
}
