//! Hosts that are a little different from what one hopes for.

use std::time::Duration;

use crate::kit::{Project, finish, host, nap, runs, start, until};

#[test]
fn login_shells_that_talk_do_not_disturb() {
    let host = host();
    host.sh("for f in /root/.bashrc /home/deploy/.bashrc /etc/bash.bashrc; do printf 'echo welcome to this host\\necho warning >&2\\n' | cat - $f > /tmp/x; cp /tmp/x $f; done").unwrap();
    for user in ["root", "deploy"] {
        let project = Project::with(&[&host], &format!("ansible_user: {user}\nansible_become: true"));
        let done = project.tasks(&format!("- command: echo hi\n  register: r\n- copy: {{content: '{{{{ r.stdout }}}}', dest: /root/{user}}}\n"));
        done.run("").expect(0);
        assert_eq!(host.sh(&format!("cat /root/{user}")).unwrap(), "hi");
    }
}

#[test]
fn another_login_shell_is_no_obstacle_and_none_is_said() {
    let host = host();
    host.sh("chsh -s /bin/dash deploy").unwrap();
    let project = Project::with(&[&host], "ansible_user: deploy");
    project.tasks("- copy: {content: \"it's\", dest: /home/deploy/made}\n- copy: {content: x, dest: /root/made}\n  become: true\n");
    project.run("").expect(0);
    assert_eq!(host.sh("cat /home/deploy/made /root/made").unwrap(), "it'sx");
    host.sh("chsh -s /usr/sbin/nologin deploy").unwrap();
    let done = project.run("");
    assert!([2, 3].contains(&done.code), "{}", done.all());
    done.says("not available");
}

#[test]
fn a_broken_cached_agent_is_replaced() {
    let host = host();
    let project = Project::of(&[&host]);
    project.tasks("- copy: {content: '{{ v }}', dest: /root/made}");
    project.run("-e v=1").expect(0);
    for damage in ["truncate -s 1000", "truncate -s 0", "chmod 600", "rm"] {
        let whole = host.sh("sha256sum /root/.cache/provision/agent-*").unwrap();
        host.sh(&format!("{damage} /root/.cache/provision/agent-*")).unwrap();
        project.run(&format!("-e v={}", damage.split(' ').next().unwrap())).expect(0);
        assert_eq!(host.sh("sha256sum /root/.cache/provision/agent-*").unwrap(), whole, "{damage}");
        assert_eq!(
            host.sh("ls -A /root/.cache/provision | wc -l; cat /root/made").unwrap(),
            format!("1\n{}", damage.split(' ').next().unwrap())
        );
    }
}

#[test]
fn a_cache_that_others_can_write_is_not_trusted() {
    let host = host();
    let project = Project::with(&[&host], "ansible_user: deploy");
    project.tasks("- copy: {content: x, dest: /home/deploy/made}");
    // Its own directories forbid execution, and somebody else has made those that would be next.
    host.noexec("/home").unwrap();
    host.sh(
        "systemctl mask user-runtime-dir@.service; u=$(id -u deploy); for d in /var/tmp /tmp; do mkdir -p $d/provision-$u; \
         chown pw $d/provision-$u; chmod 777 $d/provision-$u; done",
    )
    .unwrap();
    project.run("").expect(0);
    assert_eq!(host.sh("find /var/tmp/provision-* /tmp/provision-* -type f").unwrap(), "");
    assert!(host.sh("find /dev/shm -name 'agent-*' -user deploy").unwrap().contains("provision-"));
}

#[test]
fn two_runs_at_once_on_a_fresh_host() {
    let host = host();
    let project = Project::of(&[&host]);
    project.tasks("- lineinfile: {path: /root/lines, line: '{{ v }}', create: true}\n- command: sleep 1\n");
    let one = start(&mut project.command(["-i", "hosts.yaml", "-e", "v=one", "site.yaml"]));
    let two = start(&mut project.command(["-i", "hosts.yaml", "-e", "v=two", "site.yaml"]));
    finish(one, b"").expect(0);
    finish(two, b"").expect(0);
    assert_eq!(host.sh("ls -A /root/.cache/provision | wc -l").unwrap(), "1\n");
}

#[test]
fn few_sessions_per_connection() {
    let host = host();
    host.sh("echo MaxSessions 1 > /etc/ssh/sshd_config.d/x.conf; systemctl restart ssh").unwrap();
    let project = Project::with(&[&host], "ansible_user: deploy");
    project.tasks("- shell: id -un > /tmp/me\n- shell: id -un > /tmp/root\n  become: true\n- shell: id -un >> /tmp/me\n");
    project.run("").expect(0);
    assert_eq!(host.sh("cat /tmp/me /tmp/root").unwrap(), "deploy\ndeploy\nroot\n");
}

#[test]
fn commands_have_nothing_on_standard_input_and_may_leave_daemons() {
    let host = host();
    let project = Project::of(&[&host]);
    let nap = nap();
    project.tasks(&format!(
        "- shell: cat > /root/input; echo done >> /root/input\n- shell: setsid sleep {nap} > /dev/null 2>&1 &\n\
         - command: bash -c 'read -t 1 x; echo \"read $?\"'\n  register: r\n- copy: {{content: '{{{{ r.stdout }}}}', dest: /root/read}}\n"
    ));
    let done = project.run("").expect(0);
    assert!(done.took < Duration::from_secs(25), "{}", done.all());
    assert_eq!(host.sh("cat /root/input /root/read").unwrap(), "done\nread 1");
    std::thread::sleep(Duration::from_millis(500));
    assert!(runs(&["sleep", &nap]), "a daemon outlives the run");
}

#[test]
fn much_output_and_output_that_is_not_text() {
    let host = host();
    let project = Project::of(&[&host]);
    project.tasks(
        r#"
- shell: head -c 6000000 /dev/zero | tr '\0' x; echo end >&2
  register: much
- copy: {content: "{{ much.stdout | length }} {{ much.stderr }}", dest: /root/length}
- shell: printf 'a\377b\0c'
  register: odd
- copy: {content: "{{ odd.stdout }}", dest: /root/odd}
"#,
    );
    project.run("").expect(0);
    assert_eq!(host.sh("cat /root/length").unwrap(), "6000000 end");
    assert_eq!(std::fs::read(host.root().join("root/odd")).unwrap(), b"a\xffb\0c");
    let json = project.run("--output json").expect(0);
    for line in json.out.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
}

#[test]
fn a_reboot_in_the_middle_of_a_play() {
    let host = host();
    let project = Project::with(
        &[&host],
        "ansible_user: root\nansible_ssh_extra_args: -o ServerAliveInterval=1 -o ServerAliveCountMax=2",
    );
    project.tasks(
        r#"
- shell: cat /proc/sys/kernel/random/boot_id > /root/before; cat /proc/1/stat | cut -d' ' -f22 > /root/before
- shell: systemctl reboot
  ignore_unreachable: true
  failed_when: false
- wait_for_connection: {delay: 1, timeout: 30, sleep: 1}
- shell: cat /proc/1/stat | cut -d' ' -f22 > /root/after
"#,
    );
    let done = project.run("-T 3").expect(0);
    assert_ne!(host.sh("cat /root/before").unwrap(), host.sh("cat /root/after").unwrap(), "{}", done.all());
}

#[test]
fn the_controller_dies_in_the_middle_of_a_transfer() {
    let host = host();
    let project = Project::of(&[&host]);
    host.sh("mkdir /srv/t; echo old > /srv/t/f").unwrap();
    project.write("files/huge", vec![7; 80 << 20]);
    project.tasks("- copy: {src: huge, dest: /srv/t/f}");
    let mut child = start(&mut project.command(["-i", "hosts.yaml", "site.yaml"]));
    let dir = host.root().join("srv/t");
    until("the transfer has begun", Duration::from_secs(30), || std::fs::read_dir(&dir).unwrap().count() > 1);
    child.kill().unwrap();
    child.wait().unwrap();
    until("the half file is gone", Duration::from_secs(30), || std::fs::read_dir(&dir).unwrap().count() == 1);
    assert_eq!(host.sh("cat /srv/t/f").unwrap(), "old\n");
    until("the agent has ended", Duration::from_secs(30), || {
        !host.exec(&["pgrep", "-f", "agent-"]).unwrap().ok()
    });
}
