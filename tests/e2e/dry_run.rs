//! `--check`: it writes nothing and says what a run would do.

use std::collections::BTreeSet;

use provision_testkit::fleet::Host;

use crate::kit::{Done, Project, host};

/// What the machine itself writes, whoever logs in. The agent's cache is ours: the one thing a dry run leaves, since the agent
/// is what looks.
const NOISE: &[&str] = &[
    "/var/log",
    "/var/lib/systemd",
    "/run",
    "/tmp",
    "/var/tmp",
    "/root/.cache/provision",
    "/home/deploy/.cache/provision",
];

const PLAYBOOK: &str = r#"- hosts: all
  tasks:
    - name: group
      group: {name: staff2, system: true}
    - name: user
      user: {name: app, group: staff2, shell: /bin/sh, create_home: true}
    - name: directory
      file: {path: /srv/app/conf, state: directory, owner: app, group: staff2, mode: "0750"}
    - name: file in it
      copy: {content: "a=1\n", dest: /srv/app/conf/main.conf, owner: app, mode: "0640"}
    - name: line in that file
      lineinfile: {path: /srv/app/conf/main.conf, line: b=2}
    - name: the same line
      lineinfile: {path: /srv/app/conf/main.conf, line: b=2}
    - name: template
      template: {src: t.j2, dest: /etc/app.conf}
      notify: restart
    - name: link
      file: {src: /etc/app.conf, dest: /srv/app/link, state: link}
    - name: replace
      replace: {path: /etc/app.conf, regexp: "port=.*", replace: "port=81"}
    - name: block
      blockinfile: {path: /etc/hosts, block: "192.0.2.7 app"}
    - name: mode of what is there
      file: {path: /etc/motd, mode: "0600"}
    - name: mode that is right
      file: {path: /etc/passwd, mode: "0644"}
    - name: remove
      file: {path: /etc/issue, state: absent}
    - name: remove what is not there
      file: {path: /etc/nothing-of-the-kind, state: absent}
    - name: look
      stat: {path: /srv/app/conf/main.conf}
      register: seen
    - name: only if it is there
      copy: {content: x, dest: /srv/app/seen}
      when: seen.stat.exists
  handlers:
    - name: restart
      copy: {content: restarted, dest: /srv/app/restarted}
"#;

fn project(host: &Host, user: &str) -> Project {
    let project =
        Project::with(&[host], &format!("ansible_user: {user}\nansible_become: {}", user != "root"));
    project.write("templates/t.j2", "port=80\nname={{ ansible_facts.hostname }}\n");
    project.playbook(PLAYBOOK);
    project
}

/// The names of the tasks that say they changed something.
fn changed(done: &Done) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut task = "";
    for line in done.out.lines() {
        if let Some((_, name)) =
            line.split_once(" [").filter(|(head, _)| ["TASK", "RUNNING HANDLER"].contains(head))
        {
            task = name.split(']').next().unwrap();
        } else if line.starts_with("changed: ") {
            names.insert(task.to_owned());
        }
    }
    names
}

#[test]
fn a_dry_run_writes_nothing_and_says_what_a_run_then_does() {
    for user in ["root", "deploy"] {
        let host = host();
        let project = project(&host, user);
        let before = host.tree(NOISE).unwrap();
        let dry = project.run("--check --diff").expect(0);
        let after = host.tree(NOISE).unwrap();
        let touched = before.changes(&after);
        // The directories above the agent's cache may be new.
        let ours = [["root", "root/.cache"], ["home/deploy", "home/deploy/.cache"]].concat();
        let touched: Vec<_> = touched.iter().filter(|p| !ours.iter().any(|o| p.as_os_str() == *o)).collect();
        assert!(touched.is_empty(), "{touched:?}");

        let real = project.run("").expect(0);
        assert_eq!(changed(&dry), changed(&real), "{}\n{}", dry.all(), real.all());
        assert_eq!(changed(&real).len(), 13, "{:?}", changed(&real));
        assert_eq!(host.sh("cat /srv/app/conf/main.conf /srv/app/restarted").unwrap(), "a=1\nb=2\nrestarted");
        for args in ["", "--check"] {
            let again = project.run(args).expect(0);
            // Two pairs of tasks undo each other; the handler finds its file as it is to be.
            let wanted = ["file in it", "line in that file", "template", "replace"].map(str::to_owned);
            assert_eq!(changed(&again), wanted.into(), "{}", again.all());
        }
    }
}

#[test]
fn a_second_dry_run_writes_nothing_at_all() {
    let host = host();
    let project = project(&host, "root");
    project.run("--check").expect(0);
    let noise = ["/var/log", "/var/lib/systemd", "/run", "/tmp"];
    let before = host.tree(&noise).unwrap();
    project.run("--check").expect(0);
    assert_eq!(before.changes(&host.tree(&noise).unwrap()), Vec::<std::path::PathBuf>::new());
}

#[test]
fn commands_are_not_run_and_what_depends_on_them_says_so() {
    let host = host();
    let project = Project::of(&[&host]);
    project.tasks(
        r#"
- command: touch /root/ran
- shell: touch /root/ran
- raw: touch /root/ran
- command: touch /root/looked
  check_mode: false
- command: cat /root/ran
  register: out
- debug: {msg: "{{ out.stdout }}"}
- copy: {content: x, dest: /root/made}
  when: out.rc == 0
"#,
    );
    let done = project.run("--check");
    assert!([0, 2].contains(&done.code), "{}", done.all());
    assert_eq!(host.sh("ls /root").unwrap(), "looked\n", "only what check_mode: false asks for");
}

#[test]
fn diffs_show_the_change_and_nothing_else() {
    let host = host();
    host.sh("printf 'a\\nb\\nc\\n' > /etc/app").unwrap();
    let project = Project::of(&[&host]);
    project.tasks(
        "- lineinfile: {path: /etc/app, regexp: '^b', line: B}\n- file: {path: /etc/app, mode: '0600'}\n",
    );
    let done = project.run("--check --diff").expect(0);
    done.says("-b\n+B\n").says("0600").says("0644");
    assert_eq!(host.sh("cat /etc/app").unwrap(), "a\nb\nc\n");
}
