//! The modules `htpasswd`, `sudoers`, `pam_limits`, `modprobe`, `sysvinit`, `locale_gen`, `acl`, `pip` and `ufw`.

use crate::machine::{Store, converge, predict, refused, run};
use provision_system::{Command, Memory, NewFile, Output, System};
use serde_json::json;

fn write(machine: &Memory, path: &str, text: &str) {
    machine.write(path.as_ref(), &mut text.as_bytes(), &NewFile::default()).unwrap();
}

fn ran(machine: &Memory) -> Vec<String> {
    machine.ran().iter().map(Command::display).collect()
}

fn output(rc: i32, stdout: &str) -> Option<Output> {
    Some(Output { rc, stdout: stdout.into(), stderr: Vec::new() })
}

#[test]
fn passwords_of_a_web_server() {
    let m = Memory::new().file("/dev/urandom", "0123456789abcdef").dir("/etc/nginx");
    let args = |name: &str, password: &str| json!({"path": "/etc/nginx/passwd", "name": name, "password": password, "mode": "0640"});
    let done = converge(&m, "htpasswd", args("bob", "pw"));
    assert_eq!(done.msg(), "Created /etc/nginx/passwd and added bob");
    assert!(m.text("/etc/nginx/passwd").starts_with("bob:$apr1$"));
    assert_eq!(m.meta("/etc/nginx/passwd").unwrap().mode, 0o640);
    assert_eq!(run(&m, "htpasswd", args("bob", "pw")).msg(), "bob already present");
    assert_eq!(converge(&m, "htpasswd", args("bob", "other")).msg(), "Add/update bob");
    let args =
        json!({"path": "/etc/nginx/passwd", "name": "al", "password": "pw", "hash_scheme": "ldap_sha1"});
    converge(&m, "htpasswd", args);
    assert!(m.text("/etc/nginx/passwd").ends_with("\nal:{SHA}GpHWL3ymc5liWkNopqtdSjuqYHM=\n"));
    let gone = json!({"path": "/etc/nginx/passwd", "name": "bob", "state": "absent"});
    assert_eq!(converge(&m, "htpasswd", gone).msg(), "Remove bob");
    assert!(m.text("/etc/nginx/passwd").starts_with("al:"));
    assert!(
        run(&m, "htpasswd", json!({"path": "/none", "name": "x", "password": "y", "create": false})).failed
    );
    assert!(run(&m, "htpasswd", json!({"path": "/none", "name": "x:y", "password": "y"})).failed);
}

#[test]
fn a_rule_of_sudo_is_a_file() {
    let m =
        Memory::new().dir("/etc/sudoers.d").dir("/tmp").program("/usr/sbin/visudo").on_command(|command| {
            let bad = command.argv.last().is_some();
            bad.then(|| Output { rc: 0, ..Output::default() })
        });
    let args = json!({"name": "deploy", "user": "bob", "commands": ["/bin/ls", "/bin/cat a"]});
    assert!(converge(&m, "sudoers", args).changed);
    assert_eq!(m.text("/etc/sudoers.d/deploy"), "bob ALL=NOPASSWD: /bin/ls, /bin/cat a\n");
    assert_eq!(m.meta("/etc/sudoers.d/deploy").unwrap().mode, 0o440);
    assert!(m.queried().iter().any(|command| command.display().starts_with("visudo -c -f ")));
    let rule = |args| {
        converge(&m, "sudoers", args);
        m.text("/etc/sudoers.d/x")
    };
    assert_eq!(
        rule(json!({"name": "x", "group": "adm", "commands": "ALL", "nopassword": false, "runas": "root"})),
        "%adm ALL=(root) ALL\n"
    );
    assert_eq!(
        rule(
            json!({"name": "x", "user": "x", "commands": "ALL", "setenv": true, "noexec": true, "host": "h"})
        ),
        "x h=NOEXEC:NOPASSWD:SETENV: ALL\n"
    );
    assert!(
        converge(&m, "sudoers", json!({"name": "x", "state": "absent"})).changed
            && !m.exists("/etc/sudoers.d/x")
    );
    assert!(run(&m, "sudoers", json!({"name": "x", "commands": "ALL"})).failed);
    assert!(run(&m, "sudoers", json!({"name": "../x", "user": "a", "commands": "ALL"})).failed);
    assert!(refused("sudoers", json!({"name": "x", "user": "a"})).contains("commands"));
}

#[test]
fn a_rule_that_visudo_rejects_is_not_written() {
    let m = Memory::new().dir("/tmp").program("/usr/sbin/visudo").on_command(|_| output(1, "syntax error\n"));
    let done = run(&m, "sudoers", json!({"name": "x", "user": "a", "commands": "!!"}));
    assert_eq!(done.msg(), "Failed to validate sudoers rule: syntax error");
    assert!(!m.exists("/etc/sudoers.d/x"));
}

#[test]
fn limits_are_kept_one_by_one() {
    let text = "# top\n*  soft  nofile 10 # c\nbob - nice 3\n";
    let m = Memory::new().file("/etc/security/limits.conf", text);
    let args =
        |value: &str| json!({"domain": "*", "limit_type": "soft", "limit_item": "nofile", "value": value});
    assert!(converge(&m, "pam_limits", args("20")).changed);
    assert_eq!(m.text("/etc/security/limits.conf"), "# top\n*\tsoft\tnofile\t20\t# c\nbob - nice 3\n");
    let with = |value: &str, name: &str| {
        let mut args = args(value);
        args[name] = json!(true);
        converge(&m, "pam_limits", args).changed
    };
    assert!(
        !with("5", "use_max")
            && with("5", "use_min")
            && with("unlimited", "use_max")
            && !with("7", "use_max")
    );
    converge(
        &m,
        "pam_limits",
        json!({"domain": "@a", "limit_type": "hard", "limit_item": "nproc", "value": "9", "comment": "why"}),
    );
    assert!(m.text("/etc/security/limits.conf").ends_with("bob - nice 3\n@a\thard\tnproc\t9\t#why\n"));
    let nice = json!({"domain": "*", "limit_type": "-", "limit_item": "nice", "value": "-25"});
    assert!(run(&m, "pam_limits", nice).msg().contains("-20 to 19"));
}

#[test]
fn a_module_of_the_kernel_is_loaded() {
    let tools = |machine: &Memory, command: &Command| {
        let text = if command.display().contains("-r") { "x 1 0\n" } else { "x 1 0\nip_vs 2 0\n" };
        write(machine, "/proc/modules", text);
        output(0, "")
    };
    let m = Memory::new()
        .file("/proc/modules", "x 1 0\n")
        .file("/proc/sys/kernel/osrelease", "6.1\n")
        .file("/lib/modules/6.1/modules.builtin", "kernel/net/loop-back.ko\n")
        .on_command_with(tools);
    let args = json!({"name": "ip-vs", "params": "a=1 b=2", "persistent": "present"});
    assert!(converge(&m, "modprobe", args).changed);
    assert_eq!(ran(&m), ["modprobe ip-vs a=1 b=2"]);
    assert_eq!(m.text("/etc/modules-load.d/ip-vs.conf"), "ip-vs\n");
    assert_eq!(m.text("/etc/modprobe.d/ip-vs.conf"), "options ip-vs a=1\noptions ip-vs b=2\n");
    assert!(!run(&m, "modprobe", json!({"name": "loop_back"})).changed);
    assert!(
        converge(&m, "modprobe", json!({"name": "ip-vs", "state": "absent", "persistent": "absent"})).changed
    );
    assert_eq!(m.text("/etc/modules-load.d/ip-vs.conf"), "#ip-vs\n");
    assert!(run(&m, "modprobe", json!({"name": "-r"})).failed);
}

#[test]
fn an_init_script_is_called() {
    let tools = |machine: &Memory, command: &Command| {
        match command.argv.last().unwrap().to_str().unwrap() {
            "status" => return output(if machine.exists("/run/x") { 0 } else { 3 }, ""),
            "start" => write(machine, "/run/x", ""),
            _ => machine.remove_file("/run/x".as_ref()).unwrap(),
        }
        output(0, "")
    };
    let m = Memory::new().file("/etc/init.d/x", "").dir("/run").on_command_with(tools);
    converge(&m, "sysvinit", json!({"name": "x", "state": "started"}))
        .has(json!({"name": "x", "state": "started"}));
    assert!(converge(&m, "sysvinit", json!({"name": "x", "state": "stopped"})).changed);
    assert!(run(&m, "sysvinit", json!({"name": "y", "state": "started"})).failed);
    assert!(!refused("sysvinit", json!({"name": "x"})).is_empty());
}

#[test]
fn a_locale_is_made() {
    let tools = |machine: &Memory, command: &Command| match command.argv[0].to_str().unwrap() {
        "locale" => output(0, &machine.text("/made")),
        _ => {
            let on = !machine.text("/etc/locale.gen").contains("# de_DE");
            write(machine, "/made", if on { "C\nde_DE.utf8\n" } else { "C\n" });
            output(0, "")
        }
    };
    let m = Memory::new()
        .file("/etc/locale.gen", "# de_DE.UTF-8 UTF-8\n")
        .file("/made", "C\n")
        .program("/usr/sbin/locale-gen")
        .on_command_with(tools);
    assert!(converge(&m, "locale_gen", json!({"name": "de_DE.UTF-8"})).changed);
    assert_eq!(m.text("/etc/locale.gen"), "de_DE.UTF-8 UTF-8\n");
    assert!(converge(&m, "locale_gen", json!({"name": "de_DE.UTF-8", "state": "absent"})).changed);
    assert!(run(&m, "locale_gen", json!({"name": "xx_XX"})).msg().contains("not available"));
    assert!(
        run(&Memory::new(), "locale_gen", json!({"name": "de_DE.UTF-8"}))
            .msg()
            .contains("install the package")
    );
}

#[test]
fn an_access_list_is_asked_for_first() {
    let tools = |machine: &Memory, command: &Command| {
        let words = command.display();
        let done = machine.exists("/done");
        match command.argv[0].to_str().unwrap() {
            "getfacl" => output(0, "user::rw-\ngroup::r--\n\n"),
            _ if words.contains("--test") => {
                output(0, if done { "f: *,*\n" } else { "f: u::rw-,u:bob:r--,*\n" })
            }
            _ => {
                write(machine, "/done", "");
                output(0, "")
            }
        }
    };
    let m = Memory::new()
        .file("/f", "")
        .program("/usr/bin/getfacl")
        .program("/usr/bin/setfacl")
        .on_command_with(tools);
    let done = converge(
        &m,
        "acl",
        json!({"path": "/f", "entity": "bob", "etype": "user", "permissions": "r", "state": "present"}),
    );
    assert!(done.changed);
    done.has(json!({"acl": ["user::rw-", "group::r--"], "msg": "user:bob:r is present"}));
    assert_eq!(ran(&m), ["setfacl -m user:bob:r -- /f"]);
    assert!(!run(&m, "acl", json!({"path": "/f"})).changed);
    assert!(run(&m, "acl", json!({"path": "/f", "default": true})).failed);
    assert!(run(&m, "acl", json!({"path": "/none"})).failed);
    assert!(
        run(&m, "acl", json!({"path": "/f", "state": "present", "etype": "user"}))
            .msg()
            .contains("permissions")
    );
}

#[test]
fn packages_of_python() {
    let tools = |machine: &Memory, command: &Command| {
        let words = command.display();
        if words.contains("list") {
            return output(0, &machine.text("/there"));
        }
        if words.contains("--dry-run") {
            let new = !machine.text("/there").contains("flask");
            return output(
                0,
                if new { "Would install flask-3.0\n" } else { "Requirement already satisfied\n" },
            );
        }
        let text = if words.contains("uninstall") { "a==1\n" } else { "a==1\nflask==3.0\n" };
        write(machine, "/there", text);
        output(0, "Successfully installed flask-3.0\n")
    };
    let m = Memory::new().file("/there", "a==1\n").program("/usr/bin/pip3").on_command_with(tools);
    assert!(!run(&m, "pip", json!({"name": ["a", "a==1"]})).changed && ran(&m).is_empty());
    assert!(converge(&m, "pip", json!({"name": "flask>=2,<4", "extra_args": "--index-url x"})).changed);
    assert_eq!(ran(&m), ["pip3 install --index-url x 'flask>=2,<4'"]);
    assert!(!converge(&m, "pip", json!({"name": "flask", "state": "latest"})).changed);
    assert!(converge(&m, "pip", json!({"name": "flask", "state": "absent"})).changed);
    assert!(!refused("pip", json!({})).is_empty());
    assert!(run(&m, "pip", json!({"name": ["a", "b"], "version": "1"})).msg().contains("ambiguous"));
    assert!(run(&Memory::new(), "pip", json!({"name": "a"})).msg().contains("pip needs to be installed"));
    let venv = json!({"name": "flask", "virtualenv": "/srv/v", "virtualenv_command": "python3 -m venv"});
    let later = predict(&m, &Store::default(), "pip", venv);
    assert!(later.changed && later.result.contains_key("depends_on"), "{later:?}");
}

#[test]
fn a_firewall_is_told_what_it_does_not_have() {
    let tools = |machine: &Memory, command: &Command| {
        let words = command.display();
        match words.as_str() {
            "ufw status" | "ufw status verbose" => output(0, &machine.text("/status")),
            "ufw -f enable" => {
                write(machine, "/status", "Status: active\n");
                write(machine, "/etc/ufw/ufw.conf", "ENABLED=yes\nLOGLEVEL=low\n");
                output(0, "")
            }
            "ufw default deny incoming" => {
                write(machine, "/etc/default/ufw", "DEFAULT_INPUT_POLICY=\"DROP\"\n");
                output(0, "")
            }
            words if words.starts_with("ufw --dry-run") && machine.exists("/rule") => {
                output(0, "Skipping adding existing rule\nSkipping adding existing rule (v6)\n")
            }
            words if words.starts_with("ufw --dry-run") => output(0, "*filter\n"),
            _ => {
                write(machine, "/rule", "");
                output(0, "")
            }
        }
    };
    let m = Memory::new()
        .file("/status", "Status: inactive\n")
        .file("/etc/ufw/ufw.conf", "ENABLED=no\nLOGLEVEL=low\n")
        .file("/etc/default/ufw", "DEFAULT_INPUT_POLICY=\"ACCEPT\"\n")
        .program("/usr/sbin/ufw")
        .on_command_with(tools);
    assert!(
        converge(&m, "ufw", json!({"rule": "allow", "port": 22, "proto": "tcp", "comment": "ssh in"}))
            .changed
    );
    assert_eq!(ran(&m), ["ufw allow from any to any port 22 proto tcp comment 'ssh in'"]);
    assert!(converge(&m, "ufw", json!({"default": "deny", "direction": "incoming"})).changed);
    assert!(!run(&m, "ufw", json!({"logging": "low"})).changed);
    let done = converge(&m, "ufw", json!({"state": "enabled"}));
    assert!(done.changed);
    done.has(json!({"commands": ["ufw -f enable"], "msg": "Status: active"}));
    assert!(run(&m, "ufw", json!({"rule": "allow", "interface": "eth0"})).failed);
    assert!(!refused("ufw", json!({})).is_empty());
}
