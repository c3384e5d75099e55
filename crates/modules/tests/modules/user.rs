//! The modules `user` and `group`, on a machine whose tools write the files.

use crate::machine::{Store, converge, predict, refused, run};
use provision_system::{Command, Memory, NewFile, Output, Overlay, System};
use serde_json::json;

fn words(command: &Command) -> Vec<String> {
    command.argv.iter().map(|word| word.to_string_lossy().into_owned()).collect()
}

fn write(machine: &Memory, path: &str, text: &str) {
    machine.write(path.as_ref(), &mut text.as_bytes(), &NewFile::default()).unwrap();
}

/// The line of `path` that begins with `name`, its fields changed; None removes it.
fn edit(machine: &Memory, path: &str, name: &str, change: impl Fn(&mut Vec<String>) -> bool) {
    let text = machine.text(path);
    let mut out = String::new();
    for line in text.lines() {
        let mut fields: Vec<String> = line.split(':').map(str::to_owned).collect();
        if fields[0] != name || change(&mut fields) {
            out += &(fields.join(":") + "\n");
        }
    }
    write(machine, path, &out);
}

fn tools(machine: &Memory, command: &Command) -> Option<Output> {
    let all = words(command);
    let name = all.last().unwrap().clone();
    let value = |flag: &str| {
        let at = all.iter().position(|word| word == flag)?;
        all.get(at + 1).cloned()
    };
    let set_groups = |groups: &str, append: bool| {
        let groups: Vec<&str> = groups.split(',').filter(|group| !group.is_empty()).collect();
        let text = machine.text("/etc/group");
        let mut out = String::new();
        for line in text.lines() {
            let (head, members) = line.rsplit_once(':').unwrap();
            let group = head.split(':').next().unwrap();
            let mut members: Vec<&str> = members.split(',').filter(|member| !member.is_empty()).collect();
            let listed = groups.contains(&group);
            if listed && !members.contains(&name.as_str()) {
                members.push(&name);
            } else if !listed && !append {
                members.retain(|member| *member != name);
            }
            out += &format!("{head}:{}\n", members.join(","));
        }
        write(machine, "/etc/group", &out);
    };
    let done = Some(Output::default());
    match all[0].as_str() {
        "groupadd" => {
            let gid = value("-g").unwrap_or("2000".into());
            write(machine, "/etc/group", &format!("{}{name}:x:{gid}:\n", machine.text("/etc/group")));
        }
        "groupmod" => edit(machine, "/etc/group", &name, |fields| {
            fields[2] = value("-g").unwrap();
            true
        }),
        "groupdel" => edit(machine, "/etc/group", &name, |_| false),
        "useradd" => {
            let uid = value("-u").unwrap_or("1000".into());
            let gid = value("-g")
                .map_or(uid.clone(), |group| machine.group(&group).unwrap().unwrap().gid.to_string());
            let home = value("-d").unwrap_or(format!("/home/{name}"));
            let comment = value("-c").unwrap_or_default();
            let shell = value("-s").unwrap_or("/bin/sh".into());
            let line = format!("{name}:x:{uid}:{gid}:{comment}:{home}:{shell}\n");
            write(machine, "/etc/passwd", &(machine.text("/etc/passwd") + &line));
            if value("-g").is_none() {
                write(machine, "/etc/group", &format!("{}{name}:x:{uid}:\n", machine.text("/etc/group")));
            }
            write(
                machine,
                "/etc/shadow",
                &format!("{}{name}:!:19000:0:99999:7:::\n", machine.text("/etc/shadow")),
            );
            if all.contains(&"-m".to_owned()) {
                machine.create_dir(home.as_ref(), Some(0o755)).unwrap();
            }
            set_groups(&value("-G").unwrap_or_default(), true);
        }
        "usermod" => {
            edit(machine, "/etc/passwd", &name, |fields| {
                for (flag, index) in [("-u", 2), ("-g", 3), ("-c", 4), ("-d", 5), ("-s", 6)] {
                    if let Some(value) = value(flag) {
                        fields[index] = match flag {
                            "-g" => machine.group(&value).unwrap().unwrap().gid.to_string(),
                            _ => value,
                        };
                    }
                }
                true
            });
            if let (Some(home), true) = (value("-d"), all.contains(&"-m".to_owned())) {
                machine.rename("/home/bob".as_ref(), home.as_ref()).unwrap();
            }
            edit(machine, "/etc/shadow", &name, |fields| {
                if all.contains(&"-L".to_owned()) {
                    fields[1] = format!("!{}", fields[1]);
                }
                if all.contains(&"-U".to_owned()) {
                    fields[1] = fields[1].trim_start_matches('!').to_owned();
                }
                if let Some(date) = value("-e") {
                    fields[7] = match date.as_str() {
                        "" => String::new(),
                        "2030-01-01" => "21915".into(),
                        other => panic!("{other}"),
                    };
                }
                true
            });
            if let Some(groups) = value("-G") {
                set_groups(&groups, all.contains(&"-a".to_owned()));
            }
        }
        "chpasswd" => {
            let line = String::from_utf8(command.stdin.clone().unwrap()).unwrap();
            let (name, hash) = line.trim_end().split_once(':').unwrap();
            edit(machine, "/etc/shadow", name, |fields| {
                fields[1] = hash.to_owned();
                true
            });
        }
        "chage" => edit(machine, "/etc/shadow", &name, |fields| {
            for (flag, index) in [("-m", 3), ("-M", 4), ("-W", 5), ("-I", 6)] {
                if let Some(value) = value(flag) {
                    fields[index] = if value == "-1" { String::new() } else { value };
                }
            }
            true
        }),
        "userdel" => {
            edit(machine, "/etc/passwd", &name, |_| false);
            edit(machine, "/etc/shadow", &name, |_| false);
        }
        "ssh-keygen" if all[1] == "-l" => {
            return Some(Output { stdout: b"256 SHA256:x me (ED25519)\n".to_vec(), ..Output::default() });
        }
        "ssh-keygen" => {
            let file = value("-f").unwrap();
            write(machine, &file, "private");
            write(machine, &format!("{file}.pub"), "ssh-ed25519 AAAA me\n");
        }
        _ => return None,
    }
    done
}

fn machine() -> Memory {
    Memory::new()
        .file("/etc/shadow", "root:*:19000:0:99999:7:::\n")
        .file("/etc/skel/.profile", "skel")
        .dir("/home")
        .dir("/srv")
        .group("staff", 50)
        .group("sudo", 27)
        .file("/proc/sys/kernel/hostname", "h1\n")
        .on_command_with(tools)
}

fn ran(machine: &Memory) -> Vec<String> {
    machine.ran().iter().map(Command::display).collect()
}

#[test]
fn groups_come_and_go() {
    let m = machine();
    let done = converge(&m, "group", json!({"name": "g1", "gid": 77, "system": true}));
    assert!(done.changed && !done.failed, "{done:?}");
    done.has(json!({"gid": 77, "name": "g1", "state": "present", "system": true}));
    assert!(converge(&m, "group", json!({"name": "g1", "gid": 78, "non_unique": true})).changed);
    assert!(!run(&m, "group", json!({"name": "g1"})).changed);
    let done = converge(&m, "group", json!({"name": "g1", "state": "absent", "force": true}));
    done.has(json!({"name": "g1", "state": "absent"}));
    let expected = ["groupadd -g 77 -r -- g1", "groupmod -g 78 -o -- g1", "groupdel -f -- g1"];
    assert_eq!(ran(&m), expected);
    assert!(run(&m, "group", json!({"name": "x", "non_unique": true})).msg().contains("gid"));
    assert!(refused("group", json!({"name": "x", "local": true})).contains("lgroupadd"));
    // 50 is staff's number, and no group's name.
    assert!(predict(&m, &Store::default(), "group", json!({"name": "50"})).changed);
}

#[test]
fn a_new_account() {
    let m = machine();
    let args = json!({"name": "bob", "uid": 1500, "groups": ["staff", "sudo"], "shell": "/bin/bash",
        "comment": "Bob B", "password": "$6$salt$hash", "expires": 1_893_456_000.0, "umask": "077"});
    let done = run(&m, "user", args);
    assert!(done.changed && !done.failed, "{done:?}");
    done.has(json!({"name": "bob", "uid": 1500, "group": 1500, "home": "/home/bob", "shell": "/bin/bash",
        "comment": "Bob B", "create_home": true, "system": false, "state": "present", "groups": "staff,sudo",
        "password": "NOT_LOGGING_PASSWORD"}));
    assert_eq!(
        ran(&m),
        [
            "useradd -u 1500 -G staff,sudo -c 'Bob B' -s /bin/bash -e 2030-01-01 -m -K UMASK=077 -- bob",
            "chpasswd -e"
        ]
    );
    // Nobody sees the hash among the processes or in the journal.
    assert!(m.ran()[1].secret);
    assert_eq!(m.ran()[1].stdin.as_deref(), Some(b"bob:$6$salt$hash\n".as_slice()));
    let m = machine().group("www", 33);
    run(&m, "user", json!({"name": "www", "group": "www", "create_home": false, "system": true}));
    run(&m, "user", json!({"name": "staff", "home": "/srv/s"}));
    assert_eq!(ran(&m), ["useradd -g www -M -r -- www", "useradd -N -d /srv/s -m -- staff"]);
}

fn bob() -> Memory {
    let m = machine().user("bob", 1000).dir("/home/bob").group("extra", 60);
    write(&m, "/etc/shadow", "bob:$6$old:19000:0:99999:7:::\n");
    m
}

#[test]
fn what_differs_is_changed_and_nothing_else() {
    let m = bob();
    assert!(!run(&m, "user", json!({"name": "bob"})).changed);
    assert!(m.ran().is_empty());
    let args = json!({"name": "bob", "groups": "staff,sudo,bob", "comment": "B", "shell": "/bin/zsh"});
    let done = converge(&m, "user", args);
    assert!(done.changed, "{done:?}");
    done.has(json!({"append": false, "move_home": false, "uid": 1000, "comment": "B", "shell": "/bin/zsh"}));
    assert_eq!(ran(&m), ["usermod -G staff,sudo -c B -s /bin/zsh -- bob"]);
    assert!(
        converge(&m, "user", json!({"name": "bob", "groups": ["extra", "staff"], "append": true})).changed
    );
    assert_eq!(ran(&m)[1], "usermod -a -G extra -- bob");
    assert!(converge(&m, "user", json!({"name": "bob", "groups": ""})).changed);
    assert!(!m.text("/etc/group").contains(":bob"));
    let args = json!({"name": "bob", "uid": 1001, "group": "staff", "home": "/srv/bob", "move_home": true});
    assert!(converge(&m, "user", args).changed);
    assert!(m.text("/etc/passwd").contains("bob:x:1001:50:B:/srv/bob:/bin/zsh"));
    let done = run(&m, "user", json!({"name": "bob", "groups": "nosuch"}));
    assert!(done.failed && done.msg() == "Group nosuch does not exist", "{done:?}");
}

#[test]
fn passwords() {
    let m = bob();
    let hash = |m: &Memory| m.text("/etc/shadow").split(':').nth(1).unwrap().to_owned();
    assert!(!run(&m, "user", json!({"name": "bob", "password": "$6$old"})).changed);
    let on_create = json!({"name": "bob", "password": "$6$new", "update_password": "on_create"});
    assert!(!run(&m, "user", on_create).changed);
    assert!(converge(&m, "user", json!({"name": "bob", "password": "$6$new"})).changed);
    assert_eq!(hash(&m), "$6$new");
    let locked =
        json!({"name": "bob", "password": "$6$new", "password_lock": true, "expires": 1_893_456_000.0});
    assert!(converge(&m, "user", locked).changed);
    assert_eq!(hash(&m), "!$6$new");
    assert!(converge(&m, "user", json!({"name": "bob", "password_lock": false, "expires": -1})).changed);
    assert_eq!(hash(&m), "$6$new");
    let args = json!({"name": "bob", "password_expire_max": 90, "password_expire_min": 1,
        "password_expire_warn": 7, "password_expire_account_disable": 5});
    assert!(converge(&m, "user", args).changed);
    assert_eq!(ran(&m).last().unwrap(), "chage -M 90 -m 1 -I 5 -- bob");
}

#[test]
fn a_missing_home_is_made_as_a_new_one_would_be() {
    let m = machine().user("bob", 1000).file("/etc/login.defs", "# UMASK 000\nHOME_MODE\t0700\nUMASK 022\n");
    assert!(!run(&m, "user", json!({"name": "bob", "create_home": false})).changed);
    assert!(converge(&m, "user", json!({"name": "bob"})).changed);
    let home = m.meta("/home/bob").unwrap();
    assert_eq!((home.mode, home.uid, home.gid), (0o700, 1000, 1000));
    assert_eq!(m.text("/home/bob/.profile"), "skel");
    assert_eq!(m.meta("/home/bob/.profile").unwrap().uid, 1000);
}

#[test]
fn keys_are_made_once() {
    let m = bob();
    let args = json!({"name": "bob", "generate_ssh_key": true, "ssh_key_type": "ed25519"});
    let done = converge(&m, "user", args.clone());
    assert!(done.changed, "{done:?}");
    done.has(json!({"ssh_key_file": "/home/bob/.ssh/id_ed25519", "ssh_public_key": "ssh-ed25519 AAAA me",
        "ssh_fingerprint": "256 SHA256:x me (ED25519)"}));
    let made = "ssh-keygen -q -t ed25519 -C 'ansible-generated on h1' -f /home/bob/.ssh/id_ed25519 -N ''";
    assert_eq!(ran(&m), [made]);
    for (path, mode) in [(".ssh", 0o700), (".ssh/id_ed25519", 0o600), (".ssh/id_ed25519.pub", 0o644)] {
        let meta = m.meta(format!("/home/bob/{path}")).unwrap();
        assert_eq!((meta.mode, meta.uid), (mode, 1000), "{path}");
    }
    let mut again = args;
    again["force"] = json!(true);
    assert!(run(&m, "user", again).changed);
    assert_eq!(m.ran().len(), 2);
}

#[test]
fn accounts_go() {
    let m = bob();
    let done = converge(&m, "user", json!({"name": "bob", "state": "absent", "remove": true, "force": true}));
    done.has(json!({"name": "bob", "state": "absent", "remove": true, "force": true}));
    assert_eq!(ran(&m), ["userdel -f -r -- bob"]);
    assert!(refused("user", json!({"name": "x", "local": true})).contains("luseradd"));
}

#[test]
fn a_dry_run_knows_accounts_that_do_not_exist_yet() {
    let m = machine();
    let overlay = Overlay::new(&m);
    let (ok, _) = crate::apt::on(&overlay, "group", json!({"name": "app"}));
    assert!(ok);
    let (ok, result) =
        crate::apt::on(&overlay, "user", json!({"name": "app", "group": "app", "home": "/srv/app"}));
    assert!(ok, "{result:?}");
    assert_eq!(result["home"], "/srv/app");
    assert_eq!(overlay.user("app").unwrap().unwrap().home.to_str(), Some("/srv/app"));
    assert!(m.ran().is_empty());
}
