//! The module `cron`, on a machine whose crontab(1) keeps tables in files.

use crate::machine::{Store, converge, predict, predict_after, run};
use provision_system::{Command, Memory, NewFile, Output, System};
use serde_json::json;

fn tools(machine: &Memory, command: &Command) -> Option<Output> {
    let words: Vec<&str> = command.argv.iter().map(|word| word.to_str().unwrap()).collect();
    if words[0] != "crontab" {
        return None;
    }
    let user = words.iter().position(|word| *word == "-u").map_or("root", |at| words[at + 1]);
    let path = format!("/spool/{user}");
    Some(match *words.last().unwrap() {
        "-l" if machine.exists(&path) => {
            Output { stdout: machine.read(path.as_ref()).unwrap(), ..Output::default() }
        }
        "-l" => Output { rc: 1, stderr: format!("no crontab for {user}\n").into(), ..Output::default() },
        "-r" => {
            machine.remove_file(path.as_ref()).unwrap();
            Output::default()
        }
        "-" => {
            let text = command.stdin.clone().unwrap();
            machine.write(path.as_ref(), &mut text.as_slice(), &NewFile::default()).unwrap();
            Output::default()
        }
        other => panic!("crontab {other}"),
    })
}

fn machine() -> Memory {
    Memory::new()
        .dir("/spool")
        .dir("/tmp")
        .dir("/etc/cron.d")
        .program("/usr/bin/crontab")
        .on_command_with(tools)
}

#[test]
fn a_crontab_gets_jobs_and_variables() {
    let m = machine();
    let done = converge(&m, "cron", json!({"name": "j1", "job": "x y", "minute": 5}));
    assert!(done.changed && !done.failed, "{done:?}");
    done.has(json!({"jobs": ["j1"], "envs": []}));
    converge(
        &m,
        "cron",
        json!({"name": "j2", "job": "z", "special_time": "daily", "disabled": true, "user": "root"}),
    );
    converge(&m, "cron", json!({"name": "MAILTO", "value": "me", "env": true}));
    assert_eq!(
        m.text("/spool/root"),
        "MAILTO=\"me\"\n#Ansible: j1\n5 * * * * x y\n#Ansible: j2\n#@daily z\n"
    );
    let done = converge(&m, "cron", json!({"name": "j1", "job": "x y", "hour": "*/2", "backup": true}));
    assert!(m.text(done.get("backup_file").as_str().unwrap()).contains("5 * * * * x y"));
    assert!(m.text("/spool/root").contains("#Ansible: j1\n* */2 * * * x y\n"));
    for args in [
        json!({"name": "j1", "state": "absent"}),
        json!({"name": "j2", "state": "absent"}),
        json!({"name": "MAILTO", "env": true, "state": "absent"}),
    ] {
        assert!(converge(&m, "cron", args).changed);
    }
    assert!(!m.exists("/spool/root"), "an empty crontab goes away");
    assert!(!converge(&m, "cron", json!({"name": "none", "state": "absent"})).changed);
    converge(&m, "cron", json!({"name": "j", "job": "x", "user": "alice"}));
    assert_eq!(m.text("/spool/alice"), "#Ansible: j\n* * * * * x\n");
}

#[test]
fn a_file_names_the_user() {
    let m = machine();
    let args =
        json!({"name": "a job", "job": "echo hi", "user": "www", "cron_file": "site", "weekday": "1-5"});
    let done = converge(&m, "cron", args);
    done.has(json!({"cron_file": "site", "jobs": ["a job"]}));
    assert_eq!(m.text("/etc/cron.d/site"), "#Ansible: a job\n* * * * 1-5 www echo hi\n");
    assert_eq!(m.meta("/etc/cron.d/site").unwrap().mode, 0o644);
    assert!(m.ran().is_empty() && m.queried().is_empty());
}

#[test]
fn what_makes_no_sense_is_told() {
    let m = machine();
    let msg = |args| predict(&m, &Store::default(), "cron", args).msg().to_owned();
    assert!(msg(json!({"name": "x"})).contains("You must specify 'job'"));
    assert!(msg(json!({"name": "x", "job": "a\n* * * * * b"})).contains("line breaks"));
    assert!(msg(json!({"name": "x\n* * * * * b", "job": "a"})).contains("line breaks"));
    assert!(msg(json!({"name": "x", "job": "a", "cron_file": "x"})).contains("you must specify user"));
    assert!(
        msg(json!({"name": "x", "job": "a", "special_time": "daily", "hour": 1})).contains("cannot combine")
    );
    assert!(msg(json!({"name": "x", "job": "a", "insertafter": "b"})).contains("only with env=yes"));
    let msg = msg(json!({"name": "x", "job": "a", "env": true, "insertafter": "b"}));
    assert_eq!(msg, "Variable named 'b' not found.");
    let bare = Memory::new().on_command(|_| None);
    let args = json!({"name": "x", "job": "a"});
    assert!(run(&bare, "cron", args.clone()).msg().contains("install cron"));
    let later =
        predict_after(&bare, &Store::default(), json!({"_raw_params": "apt-get install cron"}), "cron", args);
    assert!(later.changed && !later.failed && later.result.contains_key("depends_on"), "{later:?}");
}
