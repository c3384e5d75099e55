//! What breaks while a run goes on: cables, daemons, disks.

use std::time::Duration;

use provision_testkit::fleet::Host;

use crate::kit::{Project, finish, host, nap, runs, start, until};

/// Three files; the second task takes its time on the first run.
fn slow(host: &Host, vars: &str) -> (Project, String) {
    let project = Project::with(&[host], vars);
    let nap = nap();
    project.tasks(&format!(
        "- copy: {{content: one, dest: /root/one}}\n- shell: touch /root/began; test -e /root/heal || sleep {nap}\n  \
         args: {{creates: /root/never}}\n- copy: {{content: three, dest: /root/three}}\n"
    ));
    (project, nap)
}

#[test]
fn the_cable_is_pulled_in_the_middle_of_a_task() {
    let host = host();
    let (project, _) = slow(
        &host,
        "ansible_user: root\nansible_ssh_extra_args: -o ServerAliveInterval=1 -o ServerAliveCountMax=2",
    );
    let child = start(&mut project.command(["-i", "hosts.yaml", "site.yaml"]));
    until("the task began", Duration::from_secs(30), || host.root().join("root/began").exists());
    host.cut_network().unwrap();
    let done = finish(child, b"").expect(3);
    assert!(done.took < Duration::from_secs(15), "{}", done.all());
    done.says("UNREACHABLE!").says("the connection was lost").says("run again");
    assert_eq!((done.count(host.name(), "unreachable"), done.count(host.name(), "changed")), (1, 1));
    assert!(!host.root().join("root/three").exists());

    host.restore_network().unwrap();
    host.sh("touch /root/heal").unwrap();
    let healed = project.run("").expect(0);
    assert_eq!((healed.count(host.name(), "changed"), healed.count(host.name(), "unreachable")), (2, 0));
    assert_eq!(host.sh("cat /root/one /root/three").unwrap(), "onethree");
}

#[test]
fn sshd_dies_in_the_middle_of_a_task() {
    let host = host();
    let (project, nap) = slow(&host, "ansible_user: root");
    let child = start(&mut project.command(["-i", "hosts.yaml", "site.yaml"]));
    until("the task sleeps", Duration::from_secs(30), || runs(&["sleep", &nap]));
    host.sh("pkill -KILL sshd || true").unwrap();
    let done = finish(child, b"").expect(3);
    done.says("UNREACHABLE!").says("the connection was lost");
    until("nothing of it is left on the host", Duration::from_secs(30), || !runs(&["sleep", &nap]));

    host.sh("touch /root/heal; systemctl restart ssh").unwrap();
    project.run("").expect(0);
    assert_eq!(host.sh("cat /root/one /root/three").unwrap(), "onethree");
}

#[test]
fn a_full_disk_leaves_the_old_file() {
    let host = host();
    host.tmpfs("/srv/small", 256).unwrap();
    host.sh("echo old > /srv/small/f; head -c 200000 /dev/zero > /srv/small/ballast").unwrap();
    let project = Project::of(&[&host]);
    project.write("files/big", vec![b'x'; 150_000]);
    project.write("templates/big.j2", "{{ 'y' * 150000 }}");
    for task in [
        "- copy: {src: big, dest: /srv/small/f}",
        "- template: {src: big.j2, dest: /srv/small/f}",
        "- copy: {content: \"{{ 'z' * 150000 }}\", dest: /srv/small/f}",
        "- lineinfile: {path: /srv/small/f, line: \"{{ 'l' * 150000 }}\"}",
    ] {
        let done = project.tasks(task).run("").expect(2);
        done.says("No space left").says("/srv/small");
        assert_eq!(host.sh("cat /srv/small/f; ls -A /srv/small").unwrap(), "old\nballast\nf\n", "{task}");
    }
    host.sh("rm /srv/small/ballast").unwrap();
    project.tasks("- copy: {src: big, dest: /srv/small/f}").run("").expect(0);
    assert_eq!(host.sh("wc -c < /srv/small/f").unwrap(), "150000\n");
}

#[test]
fn a_user_without_a_home() {
    let host = host();
    host.sh(
        "useradd -M -d /nonexistent homeless; mkdir /etc/ssh/keys; cp /root/.ssh/authorized_keys /etc/ssh/keys/homeless; \
         chmod 644 /etc/ssh/keys/homeless; echo 'AuthorizedKeysFile .ssh/authorized_keys /etc/ssh/keys/%u' > \
         /etc/ssh/sshd_config.d/x.conf; systemctl restart ssh; echo 'homeless ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/homeless",
    )
    .unwrap();
    let project = Project::with(&[&host], "ansible_user: homeless");
    project.tasks(
        "- copy: {content: x, dest: /tmp/mine}\n- copy: {content: x, dest: /etc/roots}\n  become: true\n",
    );
    project.run("").expect(0);
    assert_eq!(host.sh("stat -c %U /tmp/mine /etc/roots").unwrap(), "homeless\nroot\n");
    let again = project.run("").expect(0);
    assert_eq!(again.count(host.name(), "changed"), 0);
    assert!(!host.root().join("nonexistent").exists());
}

#[test]
fn where_programs_may_not_be_run_the_agent_goes_elsewhere() {
    let host = host();
    host.noexec("/tmp").unwrap();
    host.noexec("/home").unwrap();
    let project = Project::with(&[&host], "ansible_user: deploy");
    project.tasks("- copy: {content: x, dest: /home/deploy/made}").run("").expect(0);
    assert_eq!(host.sh("stat -c %U /home/deploy/made").unwrap(), "deploy\n");
    let found = host.sh("find / -xdev -name 'agent-*' -user deploy -perm /100 2>/dev/null; find /dev/shm /run/user -name 'agent-*' || true").unwrap();
    assert!(!found.trim().is_empty() && !found.contains("/home/") && !found.contains("\n/tmp/"), "{found}");
}

#[test]
fn where_nothing_may_be_run_it_is_said() {
    let host = host();
    for dir in ["/tmp", "/home", "/var/tmp", "/dev/shm"] {
        host.noexec(dir).unwrap();
    }
    // Its runtime directory is made at login.
    host.sh("mkdir -p /etc/systemd/system/user-runtime-dir@.service.d; systemctl mask user-runtime-dir@.service || true").unwrap();
    let project = Project::with(&[&host], "ansible_user: deploy");
    let done = project.tasks("- copy: {content: x, dest: /home/deploy/made}").run("").expect(2);
    done.says("noexec").says("no directory of this user");
    assert!(!host.root().join("home/deploy/made").exists());
    // What needs no agent still works.
    project.tasks("- raw: touch /home/deploy/raw").run("").expect(0);
    assert!(host.exec(&["test", "-e", "/home/deploy/raw"]).unwrap().ok());
}

#[test]
fn a_full_disk_where_the_agent_is_to_be_kept() {
    let host = host();
    // Big enough for the probe, too small for the agent.
    for dir in ["/root/.cache", "/var/tmp", "/tmp", "/dev/shm"] {
        host.sh(&format!("mkdir -p {dir}; mount -t tmpfs -o size=16k,mode=1777 tmpfs {dir}")).unwrap();
    }
    host.sh("systemctl mask user-runtime-dir@.service; umount /run/user/0 || true; rm -rf /run/user/0")
        .unwrap();
    let project = Project::of(&[&host]);
    let done = project.tasks("- copy: {content: x, dest: /root/made}").run("").expect(2);
    done.says("cannot write the agent");
    assert!(!host.root().join("root/made").exists());
    assert_eq!(
        host.sh("find /root/.cache /var/tmp /tmp /dev/shm -name '*agent*'").unwrap(),
        "",
        "no half agent is left"
    );
}
