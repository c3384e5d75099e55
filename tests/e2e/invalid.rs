//! Playbooks and inventories that are wrong: every error in one pass, with its place, and no host is touched.

use crate::kit::{Done, Project, host};

/// Runs it against a host that must not be connected to, and gives what was said.
fn refused(project: &Project) -> Done {
    let done = project.run("").expect(4);
    assert!(!done.out.contains("PLAY"), "{}", done.all());
    done.says("no host was touched");
    done
}

/// An inventory whose host would answer with an unknown key at once: contact would show.
fn nowhere() -> Project {
    let project = Project::empty();
    project.write("hosts.yaml", "all: {hosts: {h: {ansible_host: 127.0.0.1, ansible_port: 1}}}\n");
    project
}

#[test]
fn all_errors_of_a_playbook_in_one_pass() {
    let host = host();
    let before = host.tree_hash(&["/var/log", "/run", "/tmp", "/var/lib/systemd", "/var/cache"]).unwrap();
    let project = Project::of(&[&host]);
    project.playbook(
        r#"- hosts: all
  gather_fact: false
  roles:
    - missing_role
  tasks:
    - name: touch first
      command: touch /root/touched
    - name: unknown module
      flie: {path: /x}
    - name: unknown argument
      file: {path: /x, stat: directory}
    - name: unknown choice
      file: {path: /x, state: directry}
    - name: wrong type
      file: {path: /x, recurse: perhaps}
    - name: missing argument
      copy: {content: x}
    - name: unknown keyword
      ping:
      whne: true
    - name: no such template
      template: {src: missing.j2, dest: /x}
    - name: no such file
      copy: {src: missing.txt, dest: /x}
    - name: broken template
      debug: {msg: "{{ 1 + }}"}
    - name: unknown filter
      debug: {msg: "{{ 1 | uper }}"}
    - name: unknown handler
      command: "true"
      notify: restrat nginx
  handlers:
    - name: restart nginx
      ping:
"#,
    );
    let done = refused(&project);
    for (line, what) in [
        (2, "gather_fact"),
        (4, "missing_role"),
        (9, "flie"),
        (11, "stat"),
        (13, "directry"),
        (15, "perhaps"),
        (17, "dest"),
        (20, "whne"),
        (22, "missing.j2"),
        (24, "missing.txt"),
        (26, ""),
        (28, "uper"),
        (31, "restrat nginx"),
    ] {
        let place = format!("site.yaml:{line}:");
        assert!(done.err.contains(&place) && done.err.contains(what), "{place} {what}: {}", done.all());
    }
    for hint in ["`gather_facts`", "`file`", "'directory'", "`when`", "`restart nginx`", "'upper'"] {
        assert!(done.err.contains(hint), "{hint}: {}", done.all());
    }
    assert!(done.err.contains("^"), "carets: {}", done.all());
    assert!(!host.root().join("root/touched").exists());
    let after = host.tree_hash(&["/var/log", "/run", "/tmp", "/var/lib/systemd", "/var/cache"]).unwrap();
    assert_eq!(before, after);
}

#[test]
fn an_undefined_variable_is_named_with_its_place() {
    let project = nowhere();
    project.playbook("- hosts: all\n  connection: local\n  gather_facts: false\n  vars: {package_name: x}\n  tasks:\n    - debug:\n        msg: \"{{ pakage_name }}\"\n");
    refused(&project)
        .says("`pakage_name` is not defined")
        .says("site.yaml:7:18")
        .says("did you mean `package_name`?");
    // What a variable holds is known only when it is used.
    project.playbook(
        "- hosts: all\n  connection: local\n  gather_facts: false\n  vars: {package: {name: x}}\n  tasks:\n    \
         - debug:\n        msg: \"{{ package.nam }}\"\n",
    );
    project.run("").expect(2).says("has no attribute 'nam'").says("site.yaml:7");
}

#[test]
fn yaml_that_cannot_be_read() {
    let project = nowhere();
    for (text, place) in [
        ("- hosts: all\n  tasks:\n    - ping:\n   - ping:\n", "site.yaml:4:"),
        ("- hosts: [all\n", "site.yaml:"),
        ("- hosts: all\n  tasks:\n\t- ping:\n", "site.yaml:3:"),
        ("- hosts: all\n  tasks:\n    - debug: msg={{ x }}: y: z\n", "site.yaml:3:"),
    ] {
        project.playbook(text);
        let done = refused(&project);
        assert!(done.err.contains(place) && done.err.contains('^'), "{place}: {}", done.all());
    }
    project.write("site.yaml", b"- hosts: all\n  name: \xff\n");
    refused(&project).says("UTF-8");
    for text in ["hosts: all\n", "- 7\n", "just words\n"] {
        project.playbook(text);
        refused(&project).says("site.yaml:1:");
    }
}

#[test]
fn an_inventory_that_cannot_be_read() {
    let project = nowhere();
    project.tasks("- ping:");
    project.write("hosts.yaml", "all:\n  hosts:\n    a: {ansible_host: [}\n");
    refused(&project).says("hosts.yaml:3:");
    // Ansible skips it with a warning; so do we.
    project.write("hosts.yaml", "all:\n  host:\n    a:\n");
    project.run("").expect(0).says("hosts.yaml:2:").says("did you mean `hosts`?");
}

#[test]
fn a_template_file_that_is_broken() {
    let project = nowhere();
    project.write("templates/t.j2", "ok\n{% if x %}\nno end\n");
    project.tasks("- template: {src: t.j2, dest: /x}");
    let done = refused(&project);
    assert!(done.err.contains("t.j2:"), "{}", done.all());
}

#[test]
fn errors_inside_roles_point_into_the_role() {
    let project = nowhere();
    project.write("roles/r/tasks/main.yml", "- name: x\n  comand: 'true'\n");
    project.playbook("- hosts: all\n  roles: [r]\n");
    refused(&project).says("roles/r/tasks/main.yml:2:").says("`command`");
}

#[test]
fn a_missing_required_argument_after_templating_fails_the_task_alone() {
    let project = nowhere();
    project.playbook(
        "- hosts: all\n  connection: local\n  gather_facts: false\n  vars: {how: directry}\n  tasks:\n    \
         - file: {path: /nowhere/x, state: '{{ how }}'}\n",
    );
    project.run("").expect(2).says("directry").says("directory");
}

#[test]
fn what_is_not_done_is_refused_by_name() {
    let project = nowhere();
    project.tasks("- ping:\n  debugger: always\n");
    refused(&project).says("the task debugger is not supported");
}

#[test]
fn strategies_that_are_not_there_are_not_passed_over_in_silence() {
    let project = nowhere();
    let play = |name: &str| {
        format!(
            "- hosts: all\n  connection: local\n  gather_facts: false\n  strategy: {name}\n  tasks: [{{ping: }}]\n"
        )
    };
    for name in ["debug", "nonsense"] {
        project.playbook(&play(name));
        refused(&project).says("site.yaml:4:").says(name);
    }
    for name in ["linear", "free", "host_pinned"] {
        project.playbook(&play(name)).run("").expect(0).never_says("strategy");
    }
}
