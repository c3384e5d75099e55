//! The modules `command` and `shell`.

use crate::machine::{Store, predict, refused, run};
use provision_system::{Memory, Output};
use serde_json::json;

fn echo(machine: Memory) -> Memory {
    machine.on_command(|command| {
        let words: Vec<_> = command.argv.iter().map(|word| word.to_string_lossy()).collect();
        Some(Output { rc: 0, stdout: format!("{}\n\r\n", words.join("|")).into(), stderr: Vec::new() })
    })
}

#[test]
fn splits_as_a_shell_would_and_runs_none() {
    let m = echo(Memory::new().env("X", "v"));
    let done = run(&m, "command", json!({"cmd": r#"echo "a  b" 'c' $X $NONE ~ ~/x > * "q\"""#}));
    assert!(done.changed && !done.failed);
    done.has(json!({"stdout": "echo|a  b|c|v|$NONE|/root|/root/x|>|*|q\"", "rc": 0, "msg": "", "stderr": "",
        "cmd": ["echo", "a  b", "c", "$X", "$NONE", "~", "~/x", ">", "*", "q\""]}));
    assert!(m.ran()[0].stream);
    done.has(json!({"delta": "0:00:00.000000", "start": "2023-11-14 22:13:20.000000"}));
}

#[test]
fn words_can_be_given_as_a_list() {
    let m = echo(Memory::new());
    let args = json!({"argv": ["echo", "$HOME", "a b"], "expand_argument_vars": false, "strip_empty_ends": false,
        "stdin": "in", "stdin_add_newline": false, "chdir": "/etc"});
    run(&m, "command", args)
        .has(json!({"stdout": "echo|$HOME|a b\n\r\n", "stdout_lines": ["echo|$HOME|a b", ""]}));
    let ran = &m.ran()[0];
    assert_eq!(ran.stdin.as_deref(), Some(b"in".as_slice()));
    assert_eq!(ran.cwd.as_deref(), Some("/etc".as_ref()));
    assert!(refused("command", json!({"argv": ["a"], "cmd": "a"})).contains("only one of"));
    assert!(!refused("command", json!({"chdir": "/"})).is_empty());
}

#[test]
fn a_status_that_is_not_zero_fails() {
    let m = Memory::new().answer(&["false"], 1, "out");
    let done = run(&m, "command", json!({"cmd": "false"}));
    assert!(done.failed && done.changed);
    done.has(json!({"msg": "non-zero return code", "rc": 1, "stdout": "out", "stdout_lines": ["out"]}));
    let done = run(&Memory::new(), "command", json!({"cmd": "nosuch x"}));
    assert!(done.failed && done.msg().starts_with("Error executing command"), "{done:?}");
    done.has(json!({"rc": 2, "cmd": "nosuch x", "stdout": "", "stderr_lines": []}));
    let done = run(&m, "command", json!({"cmd": "ls", "chdir": "/none"}));
    assert!(done.msg().starts_with("Unable to change directory before execution"), "{done:?}");
    done.has(json!({"cmd": ["ls"], "rc": null, "stdout": ""}));
}

#[test]
fn creates_and_removes_decide() {
    let m = echo(Memory::new().file("/etc/app.conf", ""));
    let done = run(&m, "command", json!({"cmd": "x", "creates": "/etc/app.*"}));
    assert!(!done.changed && m.ran().is_empty());
    done.has(json!({"stdout": "skipped, since /etc/app.* exists", "rc": 0,
        "msg": "Did not run command since '/etc/app.*' exists"}));
    let done = run(&m, "shell", json!({"cmd": "x", "removes": "none", "chdir": "/etc"}));
    done.has(json!({"stdout": "skipped, since none does not exist", "cmd": "x"}));
    assert!(m.ran().is_empty());
    // Relative names start where the command would.
    assert!(!run(&m, "command", json!({"cmd": "x", "creates": "app.conf", "chdir": "/etc"})).changed);
    assert!(run(&m, "command", json!({"cmd": "x", "creates": "app.conf"})).changed);
}

#[test]
fn a_dry_run_runs_nothing() {
    let m = echo(Memory::new());
    let done = predict(&m, &Store::default(), "shell", json!({"cmd": "rm -rf /"}));
    done.has(json!({"skipped": true, "_unknown": true, "cmd": "rm -rf /"}));
    assert!(m.ran().is_empty());
    let done = predict(&m, &Store::default(), "command", json!({"cmd": "x", "creates": "/none"}));
    assert!(done.changed && done.get("skipped").is_null());
    let done = predict(&m, &Store::default(), "command", json!({"cmd": "x", "creates": "/etc"}));
    assert!(!done.changed);
    done.has(json!({"msg": "Would not run command since '/etc' exists"}));
}

#[test]
fn a_shell_gets_the_line_as_it_is() {
    let m = echo(Memory::new());
    run(&m, "shell", json!({"cmd": "echo $HOME | cat"}))
        .has(json!({"stdout": "/bin/sh|-c|echo $HOME | cat"}));
    let done = run(&m, "shell", json!({"cmd": "x", "executable": "/bin/bash", "stdin": "y"}));
    done.has(json!({"stdout": "/bin/bash|-c|x"}));
    assert_eq!(m.ran()[1].stdin.as_deref(), Some(b"y\n".as_slice()));
}
