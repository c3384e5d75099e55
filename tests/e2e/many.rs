//! Many hosts at once.

use provision_testkit::fleet::{Distro, Host};

use crate::kit::Project;

#[test]
fn ten_hosts_at_once_and_nothing_to_do_the_second_time() {
    let hosts = Host::boot_many(Distro::Bookworm, 10).unwrap();
    let all: Vec<&Host> = hosts.iter().collect();
    let project = Project::of(&all);
    project.write(
        "templates/motd.j2",
        "{{ inventory_hostname }} of {{ ansible_play_hosts | length }}, {{ ansible_facts.distribution }}\n",
    );
    project.playbook(
        r#"- hosts: all
  tasks:
    - template: {src: motd.j2, dest: /etc/motd, mode: "0644"}
      notify: say
    - file: {path: /srv/app/data, state: directory, mode: "0750"}
    - lineinfile: {path: /etc/environment, regexp: "^APP=", line: "APP={{ inventory_hostname }}"}
    - copy: {content: "{{ range(200) | join('\n') }}", dest: /srv/app/numbers}
    - command: hostname
      changed_when: false
      register: name
    - assert: {that: name.stdout == inventory_hostname}
  handlers:
    - name: say
      shell: echo called >> /srv/handler
"#,
    );
    let first = project.run("").expect(0);
    for host in &hosts {
        assert_eq!((first.count(host.name(), "changed"), first.count(host.name(), "failed")), (5, 0));
        let motd = format!("{} of 10, Debian\n", host.name());
        assert_eq!(std::fs::read_to_string(host.root().join("etc/motd")).unwrap(), motd);
        assert_eq!(std::fs::read_to_string(host.root().join("srv/handler")).unwrap(), "called\n");
    }
    let second = project.run("").expect(0);
    for host in &hosts {
        assert_eq!((second.count(host.name(), "changed"), second.count(host.name(), "ok")), (0, 7));
        assert_eq!(std::fs::read_to_string(host.root().join("srv/handler")).unwrap(), "called\n");
    }
}

#[test]
fn serial_batches_one_after_the_other() {
    let hosts = Host::boot_many(Distro::Bookworm, 3).unwrap();
    let all: Vec<&Host> = hosts.iter().collect();
    let project = Project::of(&all);
    project.playbook(
        r#"- hosts: all
  serial: [1, 2]
  gather_facts: false
  tasks:
    - shell: date +%s%N > /root/first; sleep 0.3
    - shell: date +%s%N > /root/second
"#,
    );
    project.run("").expect(0);
    let time = |host: &Host, name: &str| -> u64 {
        host.sh(&format!("cat /root/{name}")).unwrap().trim().parse().unwrap()
    };
    // The canary is done before the others begin; the others go together.
    assert!(time(&hosts[0], "second") < time(&hosts[1], "first"));
    assert!(time(&hosts[0], "second") < time(&hosts[2], "first"));
    assert!(
        time(&hosts[1], "first") < time(&hosts[2], "second")
            && time(&hosts[2], "first") < time(&hosts[1], "second")
    );

    // A canary that dies keeps the others from being touched.
    project.playbook(
        "- hosts: all\n  serial: 1\n  gather_facts: false\n  tasks:\n    - command: touch /root/begun\n    - command: 'false'\n",
    );
    project.run("").expect(2);
    assert!(hosts[0].root().join("root/begun").exists());
    assert!(!hosts[1].root().join("root/begun").exists() && !hosts[2].root().join("root/begun").exists());
}

#[test]
fn delegation_and_tasks_for_one() {
    let hosts = Host::boot_many(Distro::Bookworm, 2).unwrap();
    let (a, b) = (&hosts[0], &hosts[1]);
    let project = Project::of(&[a, b]);
    project.tasks(&format!(
        r#"
- shell: echo {{{{ inventory_hostname }}}} >> /root/delegated
  delegate_to: {b}
  throttle: 1
- shell: echo once >> /root/once
  run_once: true
  register: once
- copy: {{content: "{{{{ once.rc }}}}", dest: /root/shared}}
- shell: echo {{{{ inventory_hostname }}}} >> {here}/local
  delegate_to: localhost
  throttle: 1
- command: hostname
  delegate_to: {b}
  register: there
- copy: {{content: "{{{{ there.stdout }}}}", dest: /root/there}}
- setup:
  delegate_to: {b}
  delegate_facts: true
- copy: {{content: "{{{{ hostvars['{b}'].ansible_facts.hostname }}}}", dest: /root/facts}}
"#,
        b = b.name(),
        here = project.path("").display(),
    ));
    project.run("").expect(0);
    let both = [a.name(), b.name()];
    let lines = |text: &str| -> Vec<String> {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(lines(&b.sh("cat /root/delegated").unwrap()), both);
    assert!(!a.root().join("root/delegated").exists());
    assert_eq!(lines(&std::fs::read_to_string(project.path("local")).unwrap()), both);
    assert_eq!(a.sh("cat /root/once").unwrap(), "once\n");
    assert!(!b.root().join("root/once").exists());
    for host in [a, b] {
        assert_eq!(
            host.sh("cat /root/shared /root/there /root/facts").unwrap(),
            format!("0{0}{0}", b.name())
        );
    }
}

#[test]
fn when_too_many_fail_the_rest_is_left_alone() {
    let hosts = Host::boot_many(Distro::Bookworm, 3).unwrap();
    let all: Vec<&Host> = hosts.iter().collect();
    let project = Project::of(&all);
    let play = |how: &str| {
        format!(
            "- hosts: all\n  gather_facts: false\n  {how}\n  tasks:\n    - command: 'test {{{{ inventory_hostname }}}} != {}'\n    \
             - command: touch /root/second\n",
            hosts[0].name()
        )
    };
    let second = |host: &Host| host.root().join("root/second").exists();
    project.playbook(&play("any_errors_fatal: true")).run("").expect(2);
    assert!(!hosts.iter().any(second));
    project.playbook(&play("max_fail_percentage: 20")).run("").expect(2);
    assert!(!hosts.iter().any(second));
    project.playbook(&play("max_fail_percentage: 50")).run("").expect(2);
    assert_eq!(hosts.iter().map(second).collect::<Vec<_>>(), [false, true, true]);
}
