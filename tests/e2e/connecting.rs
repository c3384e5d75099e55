//! Getting in: hosts, keys, passwords, host keys, jump hosts.

use std::time::Duration;

use provision_testkit::fleet::Host;

use crate::kit::{Project, host};

/// Tasks that leave a mark on the host.
const MARK: &str = "- command: touch /tmp/mark\n  args: {creates: /tmp/mark}\n";

fn marked(host: &Host) -> bool {
    host.exec(&["test", "-e", "/tmp/mark"]).unwrap().ok()
}

/// An inventory with one host and these variables, nothing else.
fn bare(host: &Host, vars: &str) -> Project {
    let project = Project::empty();
    let text = format!("all: {{hosts: {{{}: {{ansible_host: {}, {vars}}}}}}}\n", host.name(), host.ip());
    project.write("hosts.yaml", text);
    project.tasks(MARK);
    project
}

fn known(host: &Host) -> String {
    format!("ansible_ssh_common_args: '-o UserKnownHostsFile={}'", host.known_hosts().display())
}

fn keygen(project: &Project) -> String {
    let path = project.path("new_key");
    let made = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&path)
        .status();
    assert!(made.unwrap().success());
    path.display().to_string()
}

/// The known_hosts lines of this host with another host's key.
fn changed(host: &Host, project: &Project) -> String {
    keygen(project);
    let key = std::fs::read_to_string(project.path("new_key.pub")).unwrap();
    let key = key.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    format!("# a comment\n{} {key}\n", host.ip())
}

#[test]
fn a_wrong_key_is_refused_and_said() {
    let host = host();
    let project = bare(&host, &known(&host));
    let key = keygen(&project);
    let done = project.run(&format!("-u root --private-key {key}")).expect(3);
    done.says("UNREACHABLE!").says("refused to let root in").says("new_key");
    assert!(!marked(&host));
    let right = host.ssh_key().display().to_string();
    project.run(&format!("-u root --private-key {right}")).expect(0);
    assert!(marked(&host));
}

#[test]
fn a_refused_port_and_an_unknown_name() {
    let host = host();
    bare(&host, "ansible_port: 1").run("").expect(3).says("UNREACHABLE!").says("refused");
    let project = bare(&host, "ansible_user: root");
    project.write("hosts.yaml", "all: {hosts: {no-such-host.invalid: }}\n");
    project.run("").expect(3).says("no-such-host.invalid");
}

#[test]
fn an_unknown_host_key_is_refused_with_its_fingerprint() {
    let host = host();
    let key = host.ssh_key().display().to_string();
    let project = bare(&host, "ansible_user: root");
    project.write(".ssh/known_hosts", "");
    let done = project.run(&format!("--private-key {key}")).expect(3);
    let print = host.sh("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub").unwrap();
    done.says(print.split_whitespace().nth(1).unwrap()).says("accept-new");
    assert!(!marked(&host));
    assert_eq!(std::fs::read_to_string(project.path(".ssh/known_hosts")).unwrap(), "", "nothing is added");
}

#[test]
fn accept_new_learns_a_key_and_still_refuses_another() {
    let host = host();
    let key = host.ssh_key().display().to_string();
    let project = bare(&host, "ansible_user: root");
    let args = ["--private-key", &key, "--ssh-common-args", "-o StrictHostKeyChecking=accept-new"];
    project.run_with(&args, b"").expect(0);
    assert!(marked(&host));
    let learnt = std::fs::read_to_string(project.path(".ssh/known_hosts")).unwrap();
    assert!(learnt.contains("ssh-ed25519"), "{learnt}");
    // Strict now, with what was learnt.
    project.run(&format!("--private-key {key}")).expect(0);

    host.sh("rm /tmp/mark").unwrap();
    project.write(".ssh/known_hosts", changed(&host, &project));
    let done = project.run_with(&args, b"").expect(3);
    done.says("HAS CHANGED").says(&format!("{}:2", project.path(".ssh/known_hosts").display()));
    assert!(!marked(&host));
}

#[test]
fn a_changed_host_key_is_refused_naming_file_and_line() {
    let host = host();
    let key = host.ssh_key().display().to_string();
    let project = bare(&host, "ansible_user: root");
    project.write(".ssh/known_hosts", changed(&host, &project));
    let done = project.run(&format!("--private-key {key}")).expect(3);
    done.says("HAS CHANGED").says(&format!("{}:2", project.path(".ssh/known_hosts").display()));
    assert!(!marked(&host));
}

#[test]
fn a_password_opens_the_door() {
    let host = host();
    let project = bare(&host, &format!("ansible_user: pw, {}", known(&host)));
    let done = project.run_with(&["-k"], b"pw\n").expect(0);
    done.says("changed=1");
    assert_eq!(host.sh("stat -c %U /tmp/mark").unwrap(), "pw\n");

    let wrong = project.run_with(&["-k"], b"not-it\n").expect(3);
    wrong.says("UNREACHABLE!").says("password").never_says("not-it");
    project.write("pass", "pw\n");
    project.run("--connection-password-file pass").expect(0);
    // From the inventory.
    let project = bare(&host, &format!("ansible_user: pw, ansible_password: pw, {}", known(&host)));
    project.run("").expect(0);
}

#[test]
fn an_unreachable_host_takes_no_longer_than_its_timeout_and_the_others_go_on() {
    let (one, two) = (host(), host());
    let project = Project::of(&[&one, &two]);
    one.cut_network().unwrap();
    project.tasks(&format!("{MARK}- command: touch /tmp/second\n"));
    let done = project.run("-T 2").expect(3);
    assert!(done.took < Duration::from_secs(30), "{}", done.all());
    assert_eq!((done.count(one.name(), "unreachable"), done.count(two.name(), "changed")), (1, 2));
    assert!(!marked(&one) && marked(&two));
    one.restore_network().unwrap();
    let done = project.run("").expect(0);
    assert_eq!((done.count(one.name(), "changed"), done.count(two.name(), "unreachable")), (2, 0));
}

#[test]
fn through_a_jump_host() {
    let (jump, inner) = (host(), host());
    // Only the jump host may come in.
    inner.sh(&format!("iptables -A INPUT -p tcp --dport 22 ! -s {} -j REJECT", jump.ip())).unwrap();
    let project = Project::empty();
    let keys =
        [jump.known_hosts(), inner.known_hosts()].map(|f| std::fs::read_to_string(f).unwrap()).concat();
    let keys = project.write("known", keys);
    let key = inner.ssh_key();
    let config = format!(
        "Host gate\n  HostName {}\nHost inner\n  HostName {}\n  ProxyJump gate\nHost *\n  User root\n  IdentityFile {}\n  \
         UserKnownHostsFile {}\n",
        jump.ip(),
        inner.ip(),
        key.display(),
        keys.display()
    );
    project.write(".ssh/config", config);
    project.write("hosts.yaml", "all: {hosts: {inner: }}\n");
    project.tasks(MARK).run("").expect(0);
    assert!(marked(&inner) && !marked(&jump));

    // The same by arguments, without a configuration file for the target.
    inner.sh("rm /tmp/mark").unwrap();
    let vars = format!(
        "ansible_host: {}, ansible_user: root, ansible_ssh_private_key_file: {}, ansible_ssh_common_args: \
         '-J gate -o UserKnownHostsFile={}'",
        inner.ip(),
        key.display(),
        keys.display()
    );
    project.write("hosts.yaml", format!("all: {{hosts: {{other: {{{vars}}}}}}}\n"));
    project.run("").expect(0);
    assert!(marked(&inner) && !marked(&jump));
}

#[test]
fn a_key_with_a_passphrase() {
    let host = host();
    let project = bare(&host, &format!("ansible_user: root, {}", known(&host)));
    let key = keygen(&project);
    let public = std::fs::read_to_string(project.path("new_key.pub")).unwrap();
    host.sh(&format!("echo '{}' >> /root/.ssh/authorized_keys", public.trim())).unwrap();
    let locked = std::process::Command::new("ssh-keygen")
        .args(["-q", "-p", "-P", "", "-N", "open sesame", "-f", &key])
        .output()
        .unwrap();
    assert!(locked.status.success(), "{locked:?}");
    let done = project.run_with(&["--private-key", &key], b"open sesame\n").expect(0);
    done.never_says("open sesame");
    assert!(marked(&host));
    project
        .run_with(&["--private-key", &key], b"wrong one\n")
        .expect(3)
        .says("new_key")
        .never_says("wrong one");
}

#[test]
fn by_ipv6_and_settings_of_ansible_cfg() {
    let host = host();
    let project = Project::empty();
    project.write(
        "ansible.cfg",
        format!(
            "[defaults]\ninventory = inv/hosts.ini\nremote_user = deploy\nhost_key_checking = False\nprivate_key_file = {}\n\
             roles_path = elsewhere\n[privilege_escalation]\nbecome = True\n",
            host.ssh_key().display()
        ),
    );
    project.write("inv/hosts.ini", format!("{} ansible_host={}\n", host.name(), host.ip6()));
    project.write("inv/group_vars/all.yml", "v: from group_vars\n");
    project.write(format!("inv/host_vars/{}.yml", host.name()), "w: from host_vars\n");
    project.write(
        "elsewhere/r/tasks/main.yml",
        "- copy: {content: '{{ v }}, {{ w }}, {{ d }}', dest: /root/made}\n",
    );
    project.write("elsewhere/r/defaults/main.yml", "v: weak\nd: from defaults\n");
    project.playbook("- hosts: all\n  gather_facts: false\n  roles: [r]\n");
    project.provision(&["site.yaml"]).expect(0);
    assert_eq!(host.sh("cat /root/made").unwrap(), "from group_vars, from host_vars, from defaults");
}
