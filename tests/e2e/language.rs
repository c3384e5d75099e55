//! Keywords whose effect shows on the host.

use crate::kit::{Project, host};

#[test]
fn this_machine_without_ssh() {
    let project = Project::empty();
    project.write("hosts.yaml", "all: {hosts: {localhost: {ansible_connection: local}}}\n");
    let made = project.path("made here");
    project.tasks(&format!(
        "- copy: {{content: 'by {{{{ inventory_hostname }}}}', dest: '{0}', mode: '0640'}}\n- command: cat '{0}'\n  \
         register: c\n  changed_when: false\n- assert: {{that: \"c.stdout == 'by localhost'\"}}\n",
        made.display()
    ));
    let first = project.run("").expect(0);
    assert_eq!(first.count("localhost", "changed"), 1);
    assert_eq!(std::fs::read_to_string(&made).unwrap(), "by localhost");
    assert_eq!(project.run("").expect(0).count("localhost", "changed"), 0);
}

#[test]
fn environment_reaches_the_command() {
    let host = host();
    let project = Project::of(&[&host]);
    project.playbook(
        r#"- hosts: all
  gather_facts: false
  environment: {OUTER: play, BOTH: play}
  tasks:
    - shell: printf '%s|' "$OUTER" "$BOTH" "$INNER" > /root/env
      environment: {BOTH: task, INNER: "it's {{ 1 + 1 }} \"quoted\""}
    - shell: printf '%s|' "$OUTER" "$BOTH" "$INNER" >> /root/env
"#,
    );
    project.run("").expect(0);
    assert_eq!(host.sh("cat /root/env").unwrap(), "play|task|it's 2 \"quoted\"|play|play||");
}

#[test]
fn what_is_made_has_the_modes_of_the_users_own_mask() {
    let host = host();
    let project = Project::with(&[&host], "ansible_user: deploy");
    project.tasks(
        r#"
- shell: umask > ~/mask; mkdir ~/d1; touch ~/f1
- file: {path: /home/deploy/d2, state: directory}
- file: {path: /home/deploy/f2, state: touch}
- copy: {content: x, dest: /home/deploy/f3}
- become: true
  block:
    - shell: umask > /root/mask
    - file: {path: /srv/d, state: directory}
    - copy: {content: x, dest: /srv/f}
"#,
    );
    // The agent is sent the first time and found the second time.
    for _ in 0..2 {
        project.run("").expect(0);
        let modes =
            host.sh("cd /home/deploy; stat -c %a d1 f1 d2 f2 f3 /srv/d /srv/f; cat mask /root/mask").unwrap();
        assert_eq!(modes, "755\n644\n755\n644\n644\n755\n644\n0022\n0022\n");
        host.sh("cd /home/deploy; rm -r d1 f1 d2 f2 f3 /srv/d /srv/f").unwrap();
    }
}

#[test]
fn retries_until_it_works() {
    let host = host();
    let project = Project::of(&[&host]);
    project.tasks(
        r#"
- shell: echo x >> /root/tries; test $(wc -l < /root/tries) -ge 3
  register: tried
  until: tried is success
  retries: 5
  delay: 0
- copy: {content: "{{ tried.attempts }}", dest: /root/attempts}
"#,
    );
    project.run("").expect(0);
    assert_eq!(host.sh("cat /root/tries /root/attempts").unwrap(), "x\nx\nx\n3");
    project.tasks("- shell: echo y >> /root/never; false\n  retries: 2\n  delay: 0\n  register: r\n  until: r.rc == 0\n");
    project.run("").expect(2);
    assert_eq!(host.sh("cat /root/never").unwrap(), "y\ny\ny\n");
}

#[test]
fn handlers_run_after_a_change_once_and_in_their_order() {
    let host = host();
    let project = Project::of(&[&host]);
    project.playbook(
        r#"- hosts: all
  gather_facts: false
  tasks:
    - copy: {content: x, dest: /root/a}
      notify: [second, first]
    - copy: {content: x, dest: /root/b}
      notify: first
    - shell: echo tasks >> /root/log
      changed_when: false
    - meta: flush_handlers
    - shell: echo flushed >> /root/log
      changed_when: false
    - copy: {content: "{{ v | default('x') }}", dest: /root/c}
      notify: topic
  handlers:
    - name: first
      shell: echo first >> /root/log
    - name: second
      shell: echo second >> /root/log
    - name: third
      listen: topic
      shell: echo third >> /root/log
"#,
    );
    project.run("").expect(0);
    assert_eq!(host.sh("cat /root/log; rm /root/log").unwrap(), "tasks\nfirst\nsecond\nflushed\nthird\n");
    project.run("").expect(0);
    assert_eq!(host.sh("cat /root/log; rm /root/log").unwrap(), "tasks\nflushed\n", "nothing has changed");
    project.run("-e v=new").expect(0);
    assert_eq!(host.sh("cat /root/log").unwrap(), "tasks\nflushed\nthird\n");
}

#[test]
fn handlers_of_a_failed_run_wait_unless_they_are_forced() {
    let host = host();
    let project = Project::of(&[&host]);
    project.playbook(
        "- hosts: all\n  gather_facts: false\n  tasks:\n    - shell: 'true'\n      notify: h\n    - command: 'false'\n  \
         handlers:\n    - name: h\n      command: touch /root/handled\n",
    );
    project.run("").expect(2);
    assert!(!host.root().join("root/handled").exists());
    project.run("--force-handlers").expect(2);
    assert!(host.root().join("root/handled").exists());
}

#[test]
fn blocks_rescue_and_always() {
    let host = host();
    let project = Project::of(&[&host]);
    project.tasks(
        r#"
- block:
    - shell: echo block >> /root/log
    - command: ls /nowhere-at-all
    - shell: echo not reached >> /root/log
  rescue:
    - shell: echo "rescue {{ ansible_failed_task.action }} {{ ansible_failed_result.rc }}" >> /root/log
  always:
    - shell: echo always >> /root/log
- shell: echo after >> /root/log
- block:
    - command: "false"
  always:
    - shell: echo always2 >> /root/log
- shell: echo not reached >> /root/log
"#,
    );
    let done = project.run("").expect(2);
    assert_eq!(host.sh("cat /root/log").unwrap(), "block\nrescue command 2\nalways\nafter\nalways2\n");
    assert_eq!((done.count(host.name(), "rescued"), done.count(host.name(), "failed")), (1, 1));
}

#[test]
fn conditions_loops_and_results() {
    let host = host();
    let project = Project::of(&[&host]);
    project.playbook(
        r#"- hosts: all
  vars: {names: [a, b, c]}
  tasks:
    - file: {path: "/srv/{{ item }}", state: directory}
      loop: "{{ names }}"
      when: item != 'b'
      register: made
    - copy: {content: "{{ made.results | map(attribute='skipped', default=false) | list }}", dest: /srv/skips}
    - copy: {content: "{{ ansible_facts.distribution_major_version }} {{ ansible_facts['pkg_mgr'] }}", dest: /srv/facts}
      when: ansible_facts.os_family == 'Debian'
    - shell: exit 3
      register: three
      failed_when: three.rc != 3
      changed_when: false
    - stat: {path: /srv/a}
      register: st
    - set_fact: {mode: "{{ st.stat.mode }} {{ st.stat.isdir }}"}
    - copy: {content: "{{ mode }}", dest: /srv/mode}
"#,
    );
    project.run("").expect(0);
    assert_eq!(host.sh("ls /srv").unwrap(), "a\nc\nfacts\nmode\nskips\n");
    assert_eq!(host.sh("cat /srv/facts").unwrap(), "12 apt");
    assert_eq!(host.sh("cat /srv/mode").unwrap(), "0755 True");
    assert_eq!(project.run("").expect(0).count(host.name(), "changed"), 0);
}

#[test]
fn long_output_streams_with_v() {
    let host = host();
    let project = Project::of(&[&host]);
    project.tasks("- shell: echo early-bird; sleep 2; test -e /root/seen");
    let mut child =
        crate::kit::start(&mut project.command(["-i", "hosts.yaml", "-v", "--output", "human", "site.yaml"]));
    let (sender, lines) = std::sync::mpsc::channel();
    for stream in [
        Box::new(child.stdout.take().unwrap()) as Box<dyn std::io::Read + Send>,
        Box::new(child.stderr.take().unwrap()),
    ] {
        let sender = sender.clone();
        std::thread::spawn(move || {
            use std::io::BufRead as _;
            for line in std::io::BufReader::new(stream).lines().map_while(Result::ok) {
                sender.send(line).ok();
            }
        });
    }
    drop(sender);
    let mut all = Vec::new();
    for line in lines {
        if line.contains("early-bird") && !line.contains("echo") {
            // Only if it is shown before the command ends does the command succeed.
            host.sh("touch /root/seen").ok();
        }
        all.push(line);
    }
    assert!(child.wait().unwrap().success(), "{all:#?}");
}
