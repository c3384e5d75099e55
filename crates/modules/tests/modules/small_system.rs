//! The modules `mount`, `known_hosts`, `timezone`, `alternatives`, `debconf`, `dpkg_selections`, `getent` and the facts.

use crate::machine::{converge, refused, run};
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

const MOUNTS: &str = "22 1 8:1 / / rw - ext4 /dev/a rw\n";

/// mount(8) and umount(8) write what /proc shows.
fn mounting() -> Memory {
    let tools = |machine: &Memory, command: &Command| {
        let last = command.argv.last().unwrap().to_str().unwrap().to_owned();
        let line = format!("30 22 8:2 / {last} rw - ext4 /dev/b rw\n");
        match command.argv[0].to_str().unwrap() {
            "mount" if command.display().contains("remount") => {}
            "mount" => write(machine, "/proc/self/mountinfo", &format!("{MOUNTS}{line}")),
            "umount" => write(machine, "/proc/self/mountinfo", MOUNTS),
            _ => return None,
        }
        output(0, "")
    };
    Memory::new()
        .file("/etc/fstab", "/dev/a / ext4 defaults 0 1\n")
        .file("/proc/self/mountinfo", MOUNTS)
        .on_command_with(tools)
}

#[test]
fn a_file_system_is_mounted_and_goes_away() {
    let m = mounting();
    let args = |state: &str| json!({"path": "/srv/data", "src": "/dev/b", "fstype": "ext4", "opts": "noatime", "state": state});
    assert!(converge(&m, "mount", args("present")).changed && ran(&m).is_empty());
    assert_eq!(m.text("/etc/fstab"), "/dev/a / ext4 defaults 0 1\n/dev/b /srv/data ext4 noatime 0 0\n");
    let done = converge(&m, "mount", args("mounted"));
    assert!(done.changed && m.meta("/srv/data").unwrap().is_dir());
    done.has(json!({"name": "/srv/data", "src": "/dev/b", "fstype": "ext4", "opts": "noatime", "fstab": "/etc/fstab",
        "dump": "0", "passno": "0"}));
    let changed =
        json!({"path": "/srv/data", "src": "/dev/b", "fstype": "ext4", "state": "mounted", "boot": false});
    assert!(converge(&m, "mount", changed).changed);
    assert!(m.text("/etc/fstab").ends_with("/dev/b /srv/data ext4 noauto 0 0\n"));
    assert_eq!(ran(&m), ["mount /srv/data", "mount -o remount,noauto /srv/data"]);
    assert!(converge(&m, "mount", json!({"path": "/srv/data", "state": "unmounted"})).changed);
    assert!(converge(&m, "mount", json!({"path": "/srv/data", "state": "absent"})).changed);
    assert!(!m.exists("/srv/data") && m.text("/etc/fstab") == "/dev/a / ext4 defaults 0 1\n");
    assert!(
        run(&m, "mount", json!({"path": "/srv/data", "state": "remounted"})).msg().contains("not mounted")
    );
    assert!(refused("mount", json!({"path": "/a", "state": "mounted"})).contains("src"));
}

#[test]
fn keys_of_servers_are_kept() {
    let m = Memory::new().dir("/root/.ssh");
    let key = "web.example.org ssh-ed25519 AAAAC3Nz";
    let done = converge(&m, "known_hosts", json!({"name": "web.example.org", "key": key}));
    assert!(done.changed && !done.failed, "{done:?}");
    assert_eq!(m.text("/root/.ssh/known_hosts"), format!("{key}\n"));
    let args = json!({"name": "Web.example.org", "key": key, "hash_host": true});
    converge(&m, "known_hosts", args);
    assert!(m.text("/root/.ssh/known_hosts").starts_with("|1|"));
    assert!(converge(&m, "known_hosts", json!({"name": "web.example.org", "state": "absent"})).changed);
    assert_eq!(m.text("/root/.ssh/known_hosts"), "");
    assert!(run(&m, "known_hosts", json!({"name": "a"})).msg().contains("No key specified"));
    assert!(run(&m, "known_hosts", json!({"name": "a", "key": "b ssh-rsa AAAA"})).failed);
}

#[test]
fn the_time_zone_is_a_link() {
    let m = Memory::new()
        .file("/usr/share/zoneinfo/Europe/Berlin", "TZ")
        .file("/etc/timezone", "Etc/UTC\n")
        .link("/usr/share/zoneinfo/Etc/UTC", "/etc/localtime")
        .on_command(|_| output(0, ""));
    assert!(converge(&m, "timezone", json!({"name": "Europe/Berlin"})).changed);
    assert_eq!(
        m.read_link("/etc/localtime".as_ref()).unwrap().to_str(),
        Some("../usr/share/zoneinfo/Europe/Berlin")
    );
    assert_eq!(m.text("/etc/timezone"), "Europe/Berlin\n");
    assert!(run(&m, "timezone", json!({"name": "../../etc/passwd"})).failed);
    assert!(run(&m, "timezone", json!({"name": "Mars/Base"})).msg().contains("not available"));
    assert!(!run(&m, "timezone", json!({"hwclock": "UTC"})).changed);
    assert!(run(&m, "timezone", json!({"hwclock": "local"})).changed);
    assert_eq!(ran(&m), ["timedatectl set-local-rtc 1"]);
}

#[test]
fn an_alternative_is_chosen() {
    let tools = |machine: &Memory, command: &Command| {
        let words = command.display();
        match words.split(' ').nth(1)? {
            "--query" => output(0, &machine.text("/q")),
            "--set" => {
                write(
                    machine,
                    "/q",
                    &machine
                        .text("/q")
                        .replace("Value: /bin/nano", "Value: /bin/ed")
                        .replace("auto", "manual"),
                );
                output(0, "")
            }
            "--install" => {
                write(machine, "/q", &(machine.text("/q") + "\nAlternative: /bin/vi\nPriority: 70\n"));
                output(0, "")
            }
            "--auto" => {
                write(machine, "/q", &machine.text("/q").replace("manual", "auto"));
                output(0, "")
            }
            other => panic!("{other}"),
        }
    };
    let query = "Name: editor\nLink: /usr/bin/editor\nStatus: auto\nValue: /bin/nano\n\nAlternative: /bin/ed\nPriority: 1\n\nAlternative: /bin/nano\nPriority: 40\n";
    let m = Memory::new().file("/q", query).program("/bin/ed").program("/bin/vi").on_command_with(tools);
    assert!(converge(&m, "alternatives", json!({"name": "editor", "path": "/bin/ed"})).changed);
    assert!(
        converge(&m, "alternatives", json!({"name": "editor", "state": "auto", "path": "/bin/ed"})).changed
    );
    assert!(
        converge(
            &m,
            "alternatives",
            json!({"name": "editor", "path": "/bin/vi", "priority": 70, "state": "present"})
        )
        .changed
    );
    assert_eq!(
        ran(&m),
        [
            "update-alternatives --set editor /bin/ed",
            "update-alternatives --auto editor",
            "update-alternatives --install /usr/bin/editor editor /bin/vi 70"
        ]
    );
    assert!(
        run(&m, "alternatives", json!({"name": "editor", "path": "/none"})).msg().contains("does not exist")
    );
}

#[test]
fn packages_are_held_and_answered_for() {
    let tools = |machine: &Memory, command: &Command| {
        let words = command.display();
        let input = command.stdin.clone().map(|data| String::from_utf8(data).unwrap());
        match words.as_str() {
            "dpkg --get-selections jq" => output(0, &machine.text("/sel")),
            "dpkg --get-selections none" => output(0, ""),
            "dpkg --set-selections" => {
                write(machine, "/sel", &input.unwrap());
                output(0, "")
            }
            "debconf-show tz" => output(0, &machine.text("/deb")),
            "debconf-set-selections" => {
                let input = input.unwrap();
                let words: Vec<&str> = input.trim().splitn(4, ' ').collect();
                write(machine, "/deb", &format!("* {}: {}\n", words[1], words[3]));
                output(0, "")
            }
            other => panic!("{other}"),
        }
    };
    let m = Memory::new()
        .file("/sel", "jq\tinstall\n")
        .file("/deb", "  tz/area: Etc\n")
        .program("/usr/bin/debconf-show")
        .program("/usr/bin/debconf-set-selections")
        .on_command_with(tools);
    let done = converge(&m, "dpkg_selections", json!({"name": "jq", "selection": "hold"}));
    done.has(json!({"before": "install", "after": "hold"}));
    assert!(run(&m, "dpkg_selections", json!({"name": "none", "selection": "hold"})).failed);
    let args = json!({"name": "tz", "question": "tz/area", "vtype": "select", "value": "Europe"});
    converge(&m, "debconf", args)
        .has(json!({"previous": {"tz/area": "Etc"}, "current": {"tz/area": "Europe"}}));
    let args = json!({"name": "tz", "question": "tz/on", "vtype": "boolean", "value": true});
    converge(&m, "debconf", args).has(json!({"current": {"tz/area": "Europe", "tz/on": "true"}}));
    assert!(!refused("debconf", json!({"name": "tz", "question": "x"})).is_empty());
}

#[test]
fn facts_are_gathered() {
    let status =
        "Package: jq\nStatus: install ok installed\nSection: utils\nArchitecture: amd64\nVersion: 1.6\n\n";
    let m = Memory::new()
        .file("/var/lib/dpkg/status", status)
        .dir("/run/systemd/system")
        .program("/usr/bin/systemctl")
        .on_command(|command| match command.display().as_str() {
            "getent passwd root" => output(0, "root:x:0:0:root:/root:/bin/sh\n"),
            "getent group none" => output(2, ""),
            words if words.contains("list-units") => output(
                0,
                "UNIT LOAD ACTIVE SUB\na.service loaded active running A\nb.service loaded inactive dead B\n",
            ),
            words if words.contains("list-unit-files") => {
                output(0, "a.service enabled enabled\nc.service disabled enabled\nd@.service static -\n")
            }
            words if words.contains("show") => output(0, "Id=c.service\nActiveState=inactive\n"),
            other => panic!("{other}"),
        });
    let facts = |module, args| run(&m, module, args).get("ansible_facts").clone();
    assert_eq!(
        facts("getent", json!({"database": "passwd", "key": "root"})),
        json!({"getent_passwd": {"root": ["x", "0", "0", "root", "/root", "/bin/sh"]}})
    );
    let done = run(&m, "getent", json!({"database": "group", "key": "none"}));
    assert!(done.failed && done.msg() == "One or more supplied key could not be found in the database.");
    assert_eq!(
        facts("getent", json!({"database": "group", "key": "none", "fail_key": false})),
        json!({"getent_group": {"none": null}})
    );
    assert_eq!(
        facts("package_facts", json!({})),
        json!({"packages": {"jq": [{"name": "jq", "version": "1.6", "arch": "amd64",
        "category": "utils", "origin": "", "source": "apt"}]}})
    );
    let services = facts("service_facts", json!({}));
    let service = |name: &str| services["services"][name].clone();
    assert_eq!(
        service("a.service"),
        json!({"name": "a.service", "state": "running", "status": "enabled", "source": "systemd"})
    );
    assert_eq!(service("b.service")["status"], "unknown");
    assert_eq!(
        service("c.service"),
        json!({"name": "c.service", "state": "inactive", "status": "disabled", "source": "systemd"})
    );
    assert_eq!(service("d@.service")["state"], "unknown");
}

#[test]
fn fragments_become_one_file() {
    let m = Memory::new()
        .file("/d/10-b", "b\n")
        .file("/d/05-a", "a")
        .file("/d/.hidden", "h\n")
        .file("/d/x.bak", "x")
        .dir("/etc");
    let args = json!({"src": "/d", "dest": "/etc/out", "delimiter": "# --", "ignore_hidden": true, "regexp": "^\\d", "mode": "0600"});
    let done = converge(&m, "assemble", args);
    assert!(done.changed && !done.failed, "{done:?}");
    assert_eq!(m.text("/etc/out"), "a\n# --\nb\n");
    done.has(json!({"dest": "/etc/out", "src": "/d", "mode": "0600", "state": "file", "msg": "OK"}));
    assert!(
        run(&m, "assemble", json!({"src": "/none", "dest": "/etc/out"})).msg().contains("does not exist")
    );
}
