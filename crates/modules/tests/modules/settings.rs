//! The modules `hostname`, `sysctl` and `authorized_key`.

use crate::machine::{Store, converge, predict, refused, run};
use provision_system::{Command, Memory, NewFile, Output, Overlay, System};
use serde_json::json;

fn words(command: &Command) -> Vec<String> {
    command.argv.iter().map(|word| word.to_string_lossy().into_owned()).collect()
}

fn ran(machine: &Memory) -> Vec<String> {
    machine.ran().iter().map(Command::display).collect()
}

fn write(machine: &Memory, path: &str, text: &str) {
    machine.write(path.as_ref(), &mut text.as_bytes(), &NewFile::default()).unwrap();
}

fn tools(machine: &Memory, command: &Command) -> Option<Output> {
    let all = words(command);
    let last = all.last().unwrap();
    match all[0].as_str() {
        "hostname" => write(machine, "/proc/sys/kernel/hostname", &format!("{last}\n")),
        "hostnamectl" if all[1] == "--static" => write(machine, "/etc/hostname", &format!("{last}\n")),
        "hostnamectl" => write(machine, "/proc/sys/kernel/hostname", &format!("{last}\n")),
        "sysctl" if all.contains(&"-w".to_owned()) => {
            let (name, value) = last.split_once('=').unwrap();
            write(machine, &format!("/proc/sys/{}", name.replace('.', "/")), &format!("{value}\n"));
        }
        "sysctl" if last.contains("broken") => {
            return Some(Output { rc: 255, stderr: b"cannot stat\n".to_vec(), ..Output::default() });
        }
        "sysctl" => {}
        _ => return None,
    }
    Some(Output::default())
}

fn machine() -> Memory {
    Memory::new()
        .file("/proc/sys/kernel/hostname", "old\n")
        .file("/etc/hostname", "# mine\nold\n")
        .file("/proc/sys/net/ipv4/ip_forward", "0\n")
        .file("/proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t6291456\n")
        .on_command_with(tools)
}

#[test]
fn the_name_is_set_by_systemd_or_in_its_file() {
    let m = machine();
    let done = converge(&m, "hostname", json!({"name": "web.example.org"}));
    assert!(done.changed && !done.failed, "{done:?}");
    done.has(json!({"name": "web.example.org", "ansible_facts": {"ansible_hostname": "web",
        "ansible_nodename": "web.example.org", "ansible_fqdn": "web.example.org", "ansible_domain": "example.org"}}));
    assert_eq!(m.text("/etc/hostname"), "web.example.org\n");
    assert_eq!(ran(&m), ["hostname web.example.org"]);
    let m = machine().dir("/run/systemd/system").program("/usr/bin/hostnamectl");
    assert!(!run(&m, "hostname", json!({"name": "old"})).changed);
    assert!(converge(&m, "hostname", json!({"name": "new"})).changed);
    let expected = ["hostnamectl --transient set-hostname new", "hostnamectl --static set-hostname new"];
    assert_eq!(ran(&m), expected);
    assert!(run(&m, "hostname", json!({"name": "a b"})).failed);
    assert!(refused("hostname", json!({"name": "a", "use": "solaris"})).contains("solaris"));
}

#[test]
fn a_setting_stands_in_the_file() {
    let m = machine().file("/etc/sysctl.conf", "# x\nvm.swappiness = 1\nnet.ipv4.ip_forward = 0\n");
    let done = converge(&m, "ansible.posix.sysctl", json!({"name": "net.ipv4.ip_forward", "value": true}));
    assert!(done.changed, "{done:?}");
    assert_eq!(m.text("/etc/sysctl.conf"), "# x\nvm.swappiness = 1\nnet.ipv4.ip_forward=1\n");
    assert_eq!(ran(&m), ["sysctl -p /etc/sysctl.conf"]);
    let args = json!({"name": "vm.swappiness", "state": "absent", "reload": false});
    assert!(converge(&m, "sysctl", args).changed);
    assert_eq!(m.text("/etc/sysctl.conf"), "# x\nnet.ipv4.ip_forward=1\n");
    let args =
        json!({"name": "a.b", "value": 5, "sysctl_file": "/etc/sysctl.d/9.conf", "ignoreerrors": true});
    let m = m.dir("/etc/sysctl.d");
    assert!(converge(&m, "sysctl", args).changed);
    assert_eq!(m.text("/etc/sysctl.d/9.conf"), "a.b=5\n");
    assert_eq!(ran(&m).last().unwrap(), "sysctl -e -p /etc/sysctl.d/9.conf");
    let done = run(&m, "sysctl", json!({"name": "a.b", "value": 5, "sysctl_file": "/etc/sysctl.d/broken"}));
    assert!(done.failed && done.msg() == "Failed to reload sysctl: cannot stat", "{done:?}");
    assert!(!refused("sysctl", json!({"name": "a.b"})).is_empty());
    assert!(run(&m, "sysctl", json!({"name": "a.b", "value": " "})).failed);
}

#[test]
fn a_setting_can_be_made_at_once() {
    let m = machine().file("/etc/sysctl.conf", "net.ipv4.ip_forward=1\n");
    let args = json!({"name": "net.ipv4.ip_forward", "value": "1", "sysctl_set": true});
    assert!(converge(&m, "sysctl", args).changed);
    assert_eq!(ran(&m), ["sysctl -w net.ipv4.ip_forward=1"]);
    let args = json!({"name": "net.ipv4.tcp_rmem", "value": "4096 131072 6291456", "sysctl_set": true});
    run(&m, "sysctl", args);
    assert_eq!(ran(&m).len(), 2, "it has that value: only the file is written and read");
}

const OLD: &str = "# mine\nssh-rsa OLD me\n\nfrom=\"10.0.0.1\" ssh-ed25519 KEEP you  \n";

fn alice() -> Memory {
    Memory::new().user("alice", 1000).dir("/home/alice").owner("/home/alice", 1000, 1000)
}

#[test]
fn a_key_is_added_and_the_rest_stays() {
    let m = alice();
    let done = converge(&m, "authorized_key", json!({"user": "alice", "key": "ssh-rsa OLD me"}));
    assert!(done.changed && !done.failed, "{done:?}");
    done.has(json!({"keyfile": "/home/alice/.ssh/authorized_keys", "user": "alice", "state": "present",
        "exclusive": false, "key": "ssh-rsa OLD me", "key_options": null, "path": null}));
    let (dir, file) =
        (m.meta("/home/alice/.ssh").unwrap(), m.meta("/home/alice/.ssh/authorized_keys").unwrap());
    assert_eq!((dir.mode, dir.uid, dir.gid), (0o700, 1000, 1000));
    assert_eq!((file.mode, file.uid, file.gid), (0o600, 1000, 1000));

    let m = alice().file("/home/alice/.ssh/authorized_keys", OLD.trim_end());
    let args = json!({"user": "alice", "key": "# two\nssh-ed25519 NEW n\nssh-rsa OLD me\n"});
    assert!(converge(&m, "authorized_key", args).changed);
    let text = m.text("/home/alice/.ssh/authorized_keys");
    assert_eq!(text, OLD.trim_end().to_owned() + "\nssh-ed25519 NEW n\n");
}

#[test]
fn options_and_comments_follow_the_task() {
    let m = alice().file("/home/alice/.ssh/authorized_keys", OLD);
    let args = json!({"user": "alice", "key": "ssh-rsa OLD", "key_options": "no-pty", "comment": "laptop"});
    assert!(converge(&m, "authorized_key", args).changed);
    let text = m.text("/home/alice/.ssh/authorized_keys");
    assert_eq!(text, OLD.replace("ssh-rsa OLD me", "no-pty ssh-rsa OLD laptop"));
    let gone = json!({"user": "alice", "key": "ssh-rsa OLD other", "state": "absent"});
    assert!(converge(&m, "authorized_key", gone).changed);
    assert!(!m.text("/home/alice/.ssh/authorized_keys").contains("OLD"));
    let only = json!({"user": "alice", "key": "ssh-ed25519 NEW", "exclusive": true});
    assert!(converge(&m, "authorized_key", only).changed);
    assert_eq!(m.text("/home/alice/.ssh/authorized_keys"), "# mine\n\nssh-ed25519 NEW\n");
}

#[test]
fn what_a_link_leads_to_is_not_given_away() {
    let m = alice().link("/root", "/home/alice/.ssh");
    run(&m, "authorized_key", json!({"user": "alice", "key": "ssh-rsa A"}));
    assert_eq!(m.meta("/root").unwrap().uid, 0);
}

#[test]
fn what_cannot_be_done_is_told() {
    let m = alice();
    let msg = |args| run(&m, "authorized_key", args).msg().to_owned();
    assert_eq!(msg(json!({"user": "alice", "key": "hello"})), "invalid key specified: hello");
    assert!(msg(json!({"user": "nobody", "key": "ssh-rsa A"})).starts_with("Failed to lookup user nobody"));
    assert!(msg(json!({"user": "alice", "key": "https://example.org/k"})).contains("not supported yet"));
    let elsewhere = json!({"user": "alice", "key": "ssh-rsa A", "path": "/srv/k/keys", "manage_dir": false});
    assert!(msg(elsewhere).contains("/srv/k does not exist"));
    assert!(m.ran().is_empty());
    let overlay = Overlay::new(&m);
    overlay.run(&Command::new(["useradd"]), provision_system::Effect::Change).unwrap();
    let (ok, result) =
        crate::apt::on(&overlay, "authorized_key", json!({"user": "nobody", "key": "ssh-rsa A"}));
    assert!(ok && result.contains_key("depends_on"), "{result:?}");
    assert!(
        predict(&m, &Store::default(), "authorized_key", json!({"user": "nobody", "key": "ssh-rsa A"}))
            .failed
    );
}
