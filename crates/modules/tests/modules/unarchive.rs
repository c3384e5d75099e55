//! The module `unarchive`: on the machine in memory what it decides, and once with the real tar and unzip.

use crate::machine::{Done, Store, predict, predict_after, run, run_with, sha256};
use provision_modules::{Ctx, find};
use provision_system::{Command, Journal, Local, Memory, Output, Overlay, System, changed};
use serde_json::{Value, json};

fn machine(diff: &'static str) -> Memory {
    Memory::new()
        .dir("/srv/app")
        .file("/srv/app/a", "x")
        .program("/usr/bin/tar")
        .file("/x.tgz", [0x1f, 0x8b, 8, 0])
        .on_command(move |command| {
            let words = command.display();
            let rc = i32::from(words.contains("--diff") && !diff.is_empty());
            let stdout = if words.contains("--list") {
                "./\n./a\n"
            } else if rc == 1 {
                diff
            } else {
                ""
            };
            Some(Output { rc, stdout: stdout.into(), stderr: Vec::new() })
        })
}

#[test]
fn tar_is_asked_what_differs() {
    let m = machine("./a: Contents differ\n");
    let args = json!({"src": "/x.tgz", "dest": "/srv/app", "remote_src": true, "list_files": true,
        "exclude": ["b c"], "extra_opts": ["--strip-components=1"], "mode": "0600"});
    let done = run(&m, "unarchive", args.clone());
    assert!(done.changed && !done.failed, "{done:?}");
    done.has(json!({"handler": "TgzArchive", "dest": "/srv/app", "src": "/x.tgz", "files": ["./", "./a"], "state": "directory"}));
    let ran: Vec<String> = m.ran().iter().map(Command::display).collect();
    assert_eq!(ran, ["tar --extract -C /srv/app -z --strip-components=1 '--exclude=b c' -f /x.tgz"]);
    assert_eq!(m.meta("/srv/app/a").unwrap().mode, 0o600, "what came out has the mode");
    let later = predict(&m, &Store::default(), "unarchive", args);
    assert!(later.changed && m.ran().len() == 1 && later.result.contains_key("depends_on"), "{later:?}");
    for (difference, differs) in [("", false), ("./a: Uid differs\n", true), ("./a: Mode differs\n", true)] {
        let args = json!({"src": "/x.tgz", "dest": "/srv/app", "remote_src": true});
        assert_eq!(run(&machine(difference), "unarchive", args).changed, differs, "{difference}");
    }
    let args = json!({"src": "/x.tgz", "dest": "/srv/app", "remote_src": true, "owner": "root"});
    assert!(!run(&machine("./a: Uid differs\n"), "unarchive", args).changed);
}

#[test]
fn what_cannot_be_unpacked_is_told() {
    let m = machine("").file("/empty", "").file("/text", "hello");
    let msg = |args| run(&m, "unarchive", args).msg().to_owned();
    let remote = |src: &str| json!({"src": src, "dest": "/srv/app", "remote_src": true});
    assert_eq!(msg(remote("/none")), "Source '/none' does not exist");
    assert_eq!(msg(remote("/empty")), "Invalid archive '/empty', the file is 0 bytes");
    assert!(msg(remote("/text")).starts_with("Failed to find handler for \"/text\""));
    assert_eq!(
        msg(json!({"src": "/x.tgz", "dest": "/none", "remote_src": true})),
        "dest '/none' must be an existing dir"
    );
    let done = run(
        &m,
        "unarchive",
        json!({"src": "/x.tgz", "dest": "/none", "remote_src": true, "creates": "/text"}),
    );
    done.has(json!({"skipped": true, "msg": "skipped, since /text exists"}));
    let args = json!({"src": "/x.tgz", "dest": "/new", "remote_src": true});
    let later = predict_after(&m, &Store::default(), json!({"_raw_params": "mkdir /new"}), "unarchive", args);
    assert!(later.changed && !later.failed);
    let no_tar = Memory::new().dir("/d").file("/x.tgz", [0x1f, 0x8b]);
    assert!(
        run(&no_tar, "unarchive", json!({"src": "/x.tgz", "dest": "/d", "remote_src": true}))
            .msg()
            .contains("install tar")
    );
}

#[test]
fn an_archive_of_the_controllers_is_a_scratch_file() {
    let m = machine("./a: Size differs\n").dir("/tmp");
    let data = [0x1f, 0x8b, 8, 0];
    let store = Store::default().with(&data);
    let args = json!({"src": "x.tgz", "dest": "/srv/app", "_blob": {"sha256": sha256(&data), "size": 4}});
    let done = run_with(&m, &store, "unarchive", args.clone());
    assert!(done.changed && !done.failed, "{done:?}");
    assert!(m.read_dir("/tmp".as_ref()).unwrap().is_empty(), "nothing is left behind");
    assert!(predict(&m, &store, "unarchive", args).changed);
    assert!(m.queried().iter().any(|command| command.stdin.is_some()), "a dry run feeds tar by its input");
}

/// On this machine; `dry` over a layer.
fn here(dry: bool, args: &Value) -> Done {
    let call = |sys: &dyn System| {
        let store = Store::default();
        let ctx = Ctx { sys, check: dry, diff: false, blobs: &store };
        (find("unarchive").unwrap().run)(args.as_object().unwrap(), &ctx).unwrap()
    };
    let (outcome, changed) = if dry {
        let overlay = Overlay::new(Local::inherit());
        let dest = std::path::Path::new(args["dest"].as_str().unwrap());
        if overlay.stat(dest, true).unwrap().is_none() {
            // As an earlier task of the dry run would have.
            overlay.create_dir(dest, Some(0o755)).unwrap();
        }
        let journal = Journal::new(overlay);
        (call(&journal), changed(&journal.take()))
    } else {
        let journal = Journal::new(Local::inherit());
        (call(&journal), changed(&journal.take()))
    };
    Done { changed, failed: false, result: outcome.result }
}

#[test]
fn real_archives_come_out_once() {
    let dir = format!("{}/unarchive-{}", env!("CARGO_TARGET_TMPDIR"), std::process::id());
    let sys = Local::inherit();
    let sh = |script: &str| {
        let command = Command::new(["sh", "-ec", script]).cwd("/");
        sys.query(&command).unwrap()
    };
    let made = sh(&format!(
        "mkdir -p '{dir}/s/d' '{dir}/t' '{dir}/z'; cd '{dir}/s'; echo a > a; echo b > 'd/b c'; ln -s a l; chmod 700 d; \
         tar czf ../x.tgz .; command -v python3 unzip >/dev/null && \
         python3 -c \"import shutil; shutil.make_archive('../x', 'zip', '.')\" || true"
    ));
    assert!(made.ok(), "{made:?}");
    let mut archives = vec![("x.tgz", "t")];
    if sys.stat(format!("{dir}/x.zip").as_ref(), true).unwrap().is_some() {
        archives.push(("x.zip", "z"));
    }
    for (archive, into) in archives {
        let args =
            json!({"src": format!("{dir}/{archive}"), "dest": format!("{dir}/{into}"), "remote_src": true});
        let later = json!({"src": args["src"], "dest": format!("{dir}/later"), "remote_src": true});
        assert!(here(true, &later).changed, "into a directory that is not there yet");
        assert!(here(true, &args).changed);
        assert!(here(false, &args).changed);
        assert_eq!(sys.read(format!("{dir}/{into}/d/b c").as_ref()).unwrap(), b"b\n");
        assert!(!here(true, &args).changed && !here(false, &args).changed, "{archive}");
        sh(&format!("echo X > '{dir}/{into}/a'"));
        assert!(here(true, &args).changed && here(false, &args).changed, "{archive}");
        assert_eq!(sys.read(format!("{dir}/{into}/a").as_ref()).unwrap(), b"a\n");
    }
    sh(&format!("rm -rf '{dir}'"));
}
