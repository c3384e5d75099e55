//! The modules `systemd` and `service`.

use crate::machine::{Done, Store, converge, predict, refused, run};
use provision_system::{Command, Effect, Memory, NewFile, Output, Overlay, System};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn words(command: &Command) -> Vec<String> {
    command.argv.iter().map(|word| word.to_string_lossy().into_owned()).collect()
}

/// One unit, whose properties stand in a file.
fn systemctl(machine: &Memory, command: &Command) -> Option<Output> {
    let all: Vec<String> = words(command).into_iter().filter(|word| !word.starts_with("--")).collect();
    let text = machine.text("/unit");
    let mut unit: BTreeMap<String, String> =
        text.lines().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.into(), v.into())).collect();
    let broken = unit["ActiveState"] == "failing";
    let file_state = unit["UnitFileState"].clone();
    let mut set = |key: &str, value: &str| {
        unit.insert(key.into(), value.into());
    };
    let answer = |rc: i32, out: &str, err: &str| Some(Output { rc, stdout: out.into(), stderr: err.into() });
    match all[1].as_str() {
        "show" => return answer(0, &text, ""),
        "is-enabled" => {
            return answer(i32::from(file_state != "enabled"), &format!("{file_state}\n"), "");
        }
        "start" if broken => return answer(1, "", "Job failed.\n"),
        "start" | "restart" | "reload" => set("ActiveState", "active"),
        "stop" => set("ActiveState", "inactive"),
        "enable" => set("UnitFileState", "enabled"),
        "disable" => set("UnitFileState", "disabled"),
        "mask" => set("UnitFileState", "masked"),
        "unmask" => set("UnitFileState", "disabled"),
        "daemon-reload" | "daemon-reexec" => {}
        other => panic!("{other}"),
    }
    let text: String = unit.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
    machine.write("/unit".as_ref(), &mut text.as_bytes(), &NewFile::default()).unwrap();
    answer(0, "", "")
}

fn machine(active: &str, file: &str, load: &str) -> Memory {
    let unit = format!("Id=nginx.service\nActiveState={active}\nUnitFileState={file}\nLoadState={load}\n");
    Memory::new()
        .program("/usr/bin/systemctl")
        .dir("/run/systemd/system")
        .file("/unit", unit)
        .on_command_with(systemctl)
}

fn ran(machine: &Memory) -> Vec<String> {
    machine.ran().iter().map(Command::display).collect()
}

fn task(machine: &Memory, args: Value) -> Done {
    run(machine, "ansible.builtin.systemd_service", args)
}

#[test]
fn started_and_enabled() {
    let m = machine("inactive", "disabled", "loaded");
    let done = converge(&m, "systemd", json!({"name": "nginx", "state": "started", "enabled": true}));
    assert!(done.changed && !done.failed, "{done:?}");
    done.has(json!({"name": "nginx", "enabled": true, "state": "started", "status": {"Id": "nginx.service",
        "ActiveState": "inactive", "UnitFileState": "disabled", "LoadState": "loaded"}}));
    assert_eq!(ran(&m), ["systemctl enable nginx", "systemctl start nginx"]);
    assert!(converge(&m, "service", json!({"name": "nginx", "state": "stopped", "enabled": false})).changed);
    assert!(m.text("/unit").contains("ActiveState=inactive\n"));
    let before = m.queried().len();
    assert!(!task(&m, json!({"name": "nginx", "state": "stopped", "enabled": false})).changed);
    assert_eq!(m.queried().len(), before + 1, "one process tells all");
}

#[test]
fn restarted_and_reloaded_always_act() {
    let m = machine("active", "enabled", "loaded");
    assert!(task(&m, json!({"name": "nginx", "state": "restarted"})).changed);
    task(&m, json!({"name": "nginx", "state": "reloaded"})).has(json!({"state": "started"}));
    let m2 = machine("inactive", "enabled", "loaded");
    task(&m2, json!({"name": "nginx", "state": "reloaded"}));
    assert_eq!(ran(&m), ["systemctl restart nginx", "systemctl reload nginx"]);
    assert_eq!(ran(&m2), ["systemctl start nginx"]);
}

#[test]
fn reading_units_again_is_no_change() {
    let m = machine("active", "enabled", "loaded");
    let done = task(&m, json!({"daemon_reload": true}));
    assert!(!done.changed);
    done.has(json!({"name": null, "status": {}}));
    let args = json!({"name": "nginx", "daemon_reload": true, "daemon_reexec": true, "no_block": true, "force": true,
        "masked": true, "state": "stopped", "enabled": false});
    task(&m, args);
    // What is masked is enabled no more.
    assert_eq!(
        ran(&m)[1..],
        [
            "systemctl --no-block --force daemon-reload",
            "systemctl --no-block --force daemon-reexec",
            "systemctl --no-block --force mask nginx",
            "systemctl --no-block --force stop nginx"
        ]
    );
}

#[test]
fn units_that_cannot_be_enabled_are_left() {
    for state in ["static", "transient"] {
        let m = machine("active", state, "loaded");
        assert!(!task(&m, json!({"name": "nginx", "enabled": true})).changed);
        assert!(m.ran().is_empty());
    }
    let m = machine("active", "generated", "loaded");
    assert!(task(&m, json!({"name": "nginx", "enabled": true})).changed);
    // By another of its names.
    let m = machine("active", "disabled", "loaded");
    assert!(task(&m, json!({"name": "www", "enabled": true})).changed);
    assert_eq!(ran(&m), ["systemctl enable nginx.service"]);
    assert!(!task(&m, json!({"name": "www", "enabled": true})).changed);
}

#[test]
fn masked_units() {
    let m = machine("inactive", "masked", "masked");
    assert!(converge(&m, "systemd", json!({"name": "nginx", "masked": false, "enabled": true})).changed);
    assert!(converge(&m, "systemd", json!({"name": "nginx", "masked": true})).changed);
}

#[test]
fn a_missing_unit_is_named() {
    let m = machine("inactive", "", "not-found");
    let done = task(&m, json!({"name": "nginx", "state": "started"}));
    assert!(done.failed && !done.changed);
    assert_eq!(done.msg(), "Could not find the requested service nginx: host");
    assert!(!task(&m, json!({"name": "nginx"})).failed);
    assert!(predict(&m, &Store::default(), "systemd", json!({"name": "nginx", "enabled": true})).failed);
    let done = task(&m, json!({"name": "ngin*", "state": "started"}));
    assert!(done.msg().contains("does not currently support using glob patterns, found '*'"), "{done:?}");
    assert!(
        task(&Memory::new(), json!({"name": "x", "state": "started"})).msg().contains("systemctl is not")
    );
    assert!(task(&m, json!({"state": "started"})).msg().contains("name"));
    assert!(refused("systemd", json!({"enabled": true})).contains("name"));
}

#[test]
fn a_dry_run_knows_that_a_unit_may_come() {
    let m = machine("inactive", "", "not-found");
    let args = json!({"name": "nginx", "state": "started", "enabled": true});
    // A package would have been installed.
    let overlay = Overlay::new(&m);
    overlay.run(&Command::new(["apt-get"]), Effect::Change).unwrap();
    let (ok, result) = crate::apt::on(&overlay, "service", args.clone());
    assert!(ok, "{result:?}");
    assert_eq!(result["depends_on"], "unknown until applied: the unit nginx does not exist yet");
    // A unit file would have been written.
    let overlay = Overlay::new(&m);
    let unit = "/etc/systemd/system/nginx.service";
    overlay.create_dir("/etc/systemd".as_ref(), None).unwrap();
    overlay.create_dir("/etc/systemd/system".as_ref(), None).unwrap();
    overlay.write(unit.as_ref(), &mut &b"[Service]"[..], &NewFile::default()).unwrap();
    assert!(crate::apt::on(&overlay, "systemd", args).0);
    assert!(m.ran().is_empty());
}

#[test]
fn systemds_own_words_tell_why() {
    let m = machine("failing", "enabled", "loaded");
    let done = task(&m, json!({"name": "nginx", "state": "started"}));
    assert_eq!(done.msg(), "Unable to start service nginx: Job failed.");
}

#[test]
fn users_have_units_too() {
    let m = machine("inactive", "disabled", "loaded").as_user(1000, 1000);
    task(&m, json!({"name": "nginx", "state": "started", "scope": "user"}));
    let command = &m.ran()[0];
    assert_eq!(command.display(), "systemctl --user start nginx");
    let name: &std::ffi::OsStr = "XDG_RUNTIME_DIR".as_ref();
    assert_eq!(command.env[name], Some("/run/user/1000".into()));
}

fn scripted() -> Memory {
    Memory::new().program("/etc/init.d/app").dir("/etc/rc2.d").on_command_with(|machine, command| {
        let all = words(command);
        let mark = |path: &str, on: bool| {
            if on {
                machine.write(path.as_ref(), &mut &b""[..], &NewFile::default()).unwrap();
            } else {
                machine.remove_file(path.as_ref()).unwrap();
            }
        };
        let rc = match all.last().unwrap().as_str() {
            "status" => 3 * i32::from(!machine.exists("/tmp/runs")),
            "start" => {
                mark("/tmp/runs", true);
                0
            }
            "stop" => {
                mark("/tmp/runs", false);
                0
            }
            "defaults" => {
                mark("/etc/rc2.d/S01app", true);
                0
            }
            "disable" => {
                mark("/etc/rc2.d/S01app", false);
                0
            }
            _ => 0,
        };
        Some(Output { rc, ..Output::default() })
    })
}

#[test]
fn init_scripts_work_without_systemd() {
    let m = scripted();
    assert!(converge(&m, "service", json!({"name": "app", "state": "started", "enabled": true})).changed);
    assert_eq!(ran(&m), ["update-rc.d app defaults", "update-rc.d app enable", "/etc/init.d/app start"]);
    assert!(converge(&m, "service", json!({"name": "app", "state": "stopped", "enabled": false})).changed);
    let args = json!({"name": "app", "state": "restarted", "sleep": 0, "arguments": "now"});
    assert!(run(&m, "service", args).changed);
    assert_eq!(ran(&m).last().unwrap(), "/etc/init.d/app start now");
    let done = run(&m, "service", json!({"name": "nosuch", "state": "started"}));
    assert_eq!(done.msg(), "Could not find the requested service nosuch: host");
    let done = run(&m, "service", json!({"name": "app", "state": "started", "use": "runit"}));
    assert!(done.msg().contains("runit is not supported yet"), "{done:?}");
}
