//! `provision check`: what is found before the first connection, and what is left alone.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn provision(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
    command.current_dir(dir).env("HOME", "/home/nobody").args(args).output().expect("provision")
}

/// The findings of JSON as `severity code line message`, errors of usage as a panic.
fn findings(dir: &Path, args: &[&str]) -> Vec<String> {
    let output = provision(dir, &[&["check", "--format", "json"], args].concat());
    let value: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    let errors = value["errors"].as_u64().expect("errors");
    assert_eq!(output.status.code(), Some(if errors > 0 { 4 } else { 0 }));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    value["diagnostics"]
        .as_array()
        .expect("diagnostics")
        .iter()
        .map(|d| {
            format!("{} {} {} {}", text(&d["severity"]), text(&d["code"]), d["line"], text(&d["message"]))
        })
        .collect()
}

/// A directory with these files.
fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        std::fs::write(path, text).expect("a file");
    }
    dir
}

const HOSTS: &str = "
all:
  hosts: {web1: {only_web1: 1}, web2: , db1: {engine: pg, spare: \"{{ nowhere }}\"}}
  children:
    web: {hosts: {web1: , web2: }, vars: {vhost: x, indirect: \"{{ only_web1 }}\"}}
    db: {hosts: {db1: }}
";

/// Tasks of one play on all hosts, with what else is there.
fn tasks(tasks: &str, more: &[(&str, &str)]) -> Vec<String> {
    let play = format!("- hosts: all\n  gather_facts: false\n  tasks:\n{tasks}");
    let dir = project(&[&[("site.yml", play.as_str()), ("hosts.yml", HOSTS)], more].concat());
    findings(dir.path(), &["-i", "hosts.yml", "site.yml"])
}

#[track_caller]
fn finds(text: &str, more: &[(&str, &str)], expected: &[&str]) {
    let found = tasks(text, more);
    let same = found.len() == expected.len()
        && found.iter().zip(expected).all(|(found, expected)| found.contains(expected));
    assert!(same, "found {found:#?}\nexpected {expected:#?}\nin\n{text}");
}

#[track_caller]
fn silent(text: &str, more: &[(&str, &str)]) {
    finds(text, more, &[]);
}

#[test]
fn roles_in_the_wild_are_clean() {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/roles-in-the-wild");
    let mut playbooks: Vec<String> = std::fs::read_dir(&dir)
        .expect("the roles")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".yml"))
        .collect();
    playbooks.extend(["converge.yml", "verify.yml"].map(|name| format!("roles/ntp/molecule/default/{name}")));
    assert!(playbooks.len() > 12, "{playbooks:?}");
    for playbook in &playbooks {
        let found = findings(&dir, &["-i", "inventory.ini", playbook]);
        assert!(found.is_empty(), "{playbook}: {found:#?}");
        // It is not silent because something stopped it from looking.
        let said = provision(&dir, &["check", "-i", "inventory.ini", playbook]);
        assert_eq!(String::from_utf8_lossy(&said.stderr), "0 errors, 0 warnings\n", "{playbook}");
    }
}

#[test]
fn a_default_taken_away_is_noticed() {
    let wild = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/roles-in-the-wild");
    let dir = tempfile::tempdir().expect("a directory");
    copy(&wild, dir.path());
    for (role, name) in [
        ("firewall", "firewall_template"),
        ("certbot", "certbot_auto_renew_minute"),
        ("ntp", "ntp_manage_config"),
        ("backup", "backup_keep"),
    ] {
        let file = dir.path().join("roles").join(role).join("defaults/main.yml");
        let text = std::fs::read_to_string(&file).expect("defaults");
        let without: String =
            text.lines().filter(|l| !l.starts_with(&format!("{name}:"))).map(|l| format!("{l}\n")).collect();
        assert_ne!(text, without);
        std::fs::write(&file, without).expect("defaults");
        let found = findings(dir.path(), &["-i", "inventory.ini", &format!("{role}.yml")]);
        let expected = "error undefined-variable";
        assert!(
            !found.is_empty() && found.iter().all(|f| f.starts_with(expected) && f.contains(name)),
            "{name}: {found:#?}"
        );
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory").flatten() {
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target),
            false => _ = std::fs::copy(entry.path(), target).expect("a file"),
        }
    }
}

const FIVE: &str = "- hosts: all
  vars: {package_name: x}
  tasks:
    - apt: {nam: nginx}
    - copy: {contnet: x, dest: /x}
    - service: {name: nginx, state: startd}
    - debug: {msg: \"{{ pakage_name }}\"}
    - command: 'true'
      notify: restrat
  handlers:
    - name: restart
      ping:
";

#[test]
fn five_faults_are_named_at_once() {
    let dir = project(&[("site.yml", FIVE)]);
    let found = findings(dir.path(), &["-i", "h,", "site.yml"]);
    let expected = [
        "error unknown-option 4 'apt' has no option 'nam'",
        "error unknown-option 5 'copy' has no option 'contnet'",
        "error invalid-value 6 option 'state' of 'service': 'startd' is not one of reloaded, restarted, started, stopped",
        "error undefined-variable 7 `pakage_name` is not defined anywhere",
        "error unknown-handler 9 there is no handler `restrat`",
    ];
    assert_eq!(found, expected);
    // A run says the same and touches nothing.
    let run = provision(dir.path(), &["-i", "h,", "-c", "local", "site.yml"]);
    assert_eq!(run.status.code(), Some(4));
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(said.contains("5 errors found; no host was touched"), "{said}");
    assert!(!String::from_utf8_lossy(&run.stdout).contains("PLAY"));
}

#[test]
fn formats_go_to_standard_output() {
    let dir = project(&[("site.yml", FIVE), ("good.yml", "- hosts: all\n  tasks: [{ping: }]\n")]);
    let output = |args: &[&str]| {
        let output = provision(dir.path(), &[&["check", "-i", "h,"], args].concat());
        (output.status.code(), String::from_utf8(output.stdout).expect("text"))
    };
    let (code, human) = output(&["site.yml"]);
    assert!(
        code == Some(4) && human.contains("site.yml:4:13") && human.contains("did you mean 'name'?"),
        "{human}"
    );
    let (code, github) = output(&["--format", "github", "site.yml"]);
    assert!(code == Some(4) && github.lines().count() == 5, "{github}");
    assert!(
        github
            .starts_with("::error file=site.yml,line=4,endLine=4,col=13,endColumn=16,title=unknown-option::")
    );
    let (code, sarif) = output(&["--format", "sarif", "site.yml"]);
    let sarif: Value = serde_json::from_str(&sarif).expect("JSON");
    assert!(code == Some(4) && sarif["runs"][0]["results"].as_array().is_some_and(|r| r.len() == 5));
    assert_eq!(output(&["good.yml"]), (Some(0), String::new()));
    assert_eq!(output(&["--format", "github", "good.yml"]), (Some(0), String::new()));
    // Warnings alone are no failure.
    std::fs::write(dir.path().join("warn.yml"), "- hosts: all\n  hosts: all\n  tasks: [{ping: }]\n")
        .expect("a file");
    assert_eq!(findings(dir.path(), &["-i", "h,", "warn.yml"]), ["warning invalid 2 duplicate key `hosts`"]);
}

#[test]
fn hosts_that_lack_a_variable_are_named() {
    finds("    - debug: {msg: \"{{ only_web1 }}\"}\n", &[], &["`only_web1` is not defined for web2, db1"]);
    finds(
        "    - debug: {msg: \"{{ vhost }} {{ engine }}\"}\n",
        &[],
        &["`vhost` is not defined for db1", "`engine` is not defined for web1, web2"],
    );
    // A value that is there but needs one that is not.
    finds("    - debug: {msg: \"{{ indirect }}\"}\n", &[], &["`indirect` is not defined for web2, db1"]);
    finds("    - debug: {msg: \"{{ spare }}\"}\n", &[], &["`spare` is not defined for web1, web2, db1"]);
    finds(
        "    - debug: {msg: \"{{ x }}\"}\n      vars: {x: \"{{ y }}\", y: \"{{ engine }}\"}\n",
        &[],
        &["`x` is not defined for web1, web2"],
    );
    // Many are counted.
    let hosts = "all: {hosts: {\"h[1:100]\": , good: {x: 1}}}\n";
    finds(
        "    - debug: {msg: \"{{ x }}\"}\n",
        &[("hosts.yml", hosts)],
        &["not defined for h1, h2, h3 and 97 more hosts"],
    );
    // The files beside the playbook count.
    silent("    - debug: {msg: \"{{ engine }}\"}\n", &[("group_vars/web/more.yml", "engine: none\n")]);
    silent(
        "    - debug: {msg: \"{{ only_web1 }}\"}\n",
        &[("host_vars/web2.yml", "only_web1: 1\n"), ("host_vars/db1.yml", "only_web1: 1\n")],
    );
}

#[test]
fn conditions_on_the_inventory_are_understood() {
    for when in [
        "inventory_hostname in groups['db']",
        "\"'db' in group_names\"",
        "inventory_hostname == 'db1'",
        "engine is defined",
        "engine is defined and engine == 'pg'",
        "[engine is defined, engine | length > 0]",
        "not (engine is undefined)",
        "inventory_hostname.startswith('db') and true",
        "false",
        "something_registered is changed",
        "ansible_os_family == 'Debian'",
    ] {
        let text = format!(
            "    - ping:\n      register: something_registered\n    - debug: {{msg: \"{{{{ engine }}}}\"}}\n      when: {when}\n"
        );
        silent(&text, &[]);
        let block = format!(
            "    - ping:\n      register: something_registered\n    - when: {when}\n      block:\n        - debug: {{msg: \"{{{{ engine }}}}\"}}\n"
        );
        silent(&block, &[]);
    }
    let on = |when: &str| format!("    - debug: {{msg: \"{{{{ engine }}}}\"}}\n      when: {when}\n");
    finds(&on("inventory_hostname in groups['web']"), &[], &["`engine` is not defined for web1, web2"]);
    finds(&on("inventory_hostname != 'web1'"), &[], &["`engine` is not defined for web2"]);
    finds(&on("engine == 'pg'"), &[], &["undefined-variable 5 `engine` is not defined for web1, web2"]);
    finds(&on("true"), &[], &["undefined-variable 4 `engine` is not defined for web1, web2"]);
}

#[test]
fn what_the_run_may_define_is_left_alone() {
    silent(
        "    - command: 'true'
      register: out
    - set_fact: {fact: 1, cacheable: true}
    - set_fact: old=style
    - debug: {msg: \"{{ out.stdout }} {{ fact }} {{ old }} {{ ansible_whatever }} {{ ansible_facts.x }}\"}
    - debug: {msg: \"{{ thing }} {{ number }} {{ ansible_loop.index }}\"}
      loop: [1, 2]
      loop_control: {loop_var: thing, index_var: number, extended: true}
    - debug: {msg: \"{{ prompted | default(prompted2) }} {{ hostvars['x'].y }} {{ vars['z'] | d }} {{ lookup('vars', 'zz') }}\"}
      when: maybe is defined
    - debug: {msg: \"{{ a | default(b | default('c')) }} {{ d if d is defined else '' }} {{ e | d(omit) }}\"}
    - debug: {msg: \"{% for x in [1] %}{{ x }}{{ loop.index }}{% endfor %}{% set q = 1 %}{{ q }}\"}
    - block: [{debug: {msg: \"{{ saved }}\"}}]
      rescue: [{debug: {msg: \"{{ ansible_failed_task.name }} {{ ansible_failed_result }}\"}}]
    - {debug: {msg: \"{{ ignored }}\"}, ignore_errors: yes}
    - {debug: {msg: \"{{ never }}\"}, tags: never}
    - {debug: {var: not_there}}
    - assert: {that: not_there is undefined}
    - {debug: {msg: \"{{ item.x }}\"}, with_items: \"{{ out.results | default([]) }}\"}
    - {set_fact: {\"{{ item }}_port\": 1}, loop: [a, b]}
    - debug: {msg: \"{{ a_port + b_port }}\"}
",
        &[],
    );
    finds(
        "    - {set_fact: {\"{{ item }}_port\": 1}, loop: [a, b]}\n    - debug: {msg: \"{{ c_port }}\"}\n",
        &[],
        &["`c_port`"],
    );
    silent(
        "    - {set_fact: {\"{{ item }}_port\": 1}, loop: \"{{ groups.all }}\"}\n    - debug: {msg: \"{{ c_port }}\"}\n",
        &[],
    );
    silent(
        "    - {add_host: {name: new, groups: fresh, colour: red}}\n    - debug: {msg: \"{{ colour }}\"}\n",
        &[],
    );
    silent(
        "    - {group_by: {key: os_x}}\n    - debug: {msg: \"{{ of_os }}\"}\n",
        &[("group_vars/os_x.yml", "of_os: 1\n")],
    );
    silent("    - {meta: end_host, when: ansible_x == 1}\n    - debug: {msg: \"{{ engine }}\"}\n", &[]);
    let dir = project(&[
        (
            "site.yml",
            "- hosts: all\n  vars_prompt: [{name: p}]\n  vars_files: [v.yml, [\"{{ x }}.yml\", w.yml]]\n  tasks: [{debug: {msg: '{{ p }} {{ v }} {{ w }} {{ e }}'}}]\n",
        ),
        ("v.yml", "v: 1\n"),
        ("w.yml", "w: 1\n"),
    ]);
    assert!(findings(dir.path(), &["-i", "h,", "-e", "e=1", "site.yml"]).is_empty());
}

#[test]
fn includes_are_followed() {
    let names = |names: &[&str]| {
        let all: Vec<String> = names.iter().map(|name| format!("{{{{ {name} }}}}")).collect();
        format!("    - debug: {{msg: \"{}\"}}\n", all.join(" "))
    };
    let vars =
        [("vars/Debian.yml", "deb: 1\n"), ("vars/RedHat.yml", "red: 1\n"), ("vars/more/x.yml", "x: 1\n")];
    for include in [
        "include_vars: \"{{ ansible_os_family }}.yml\"",
        "{include_vars: \"{{ item }}\", with_first_found: [\"{{ ansible_distribution }}.yml\", \"{{ ansible_os_family }}.yml\"]}",
        "{include_vars: \"{{ item }}\", with_first_found: [{files: [\"{{ ansible_os_family }}.yml\"], paths: [vars]}]}",
        "{include_vars: \"{{ lookup('first_found', names) }}\", vars: {names: {files: [\"{{ ansible_os_family }}.yml\"], paths: [vars]}}}",
        "{include_vars: \"{{ playbook_dir }}/vars/{{ item }}.yml\", loop: [Debian, RedHat]}",
        "include_vars: {dir: vars}",
    ] {
        let text = format!("    - {include}\n{}", names(&["deb", "red", "blue"]));
        finds(&text, &vars, &["`blue` is not defined anywhere"]);
    }
    // What can be anything is not judged, and said.
    silent(&format!("    - include_vars: \"{{{{ ansible_env.FILE }}}}\"\n{}", names(&["blue"])), &vars);
    finds(
        &format!("    - include_vars: {{file: Debian.yml, name: os}}\n{}", names(&["os", "deb"])),
        &vars,
        &["`deb`"],
    );

    let files = [
        (
            "tasks/setup-Debian.yml",
            "- command: 'true'\n  register: setup\n- debug: {msg: '{{ unknown_there }}'}\n",
        ),
        ("tasks/setup-RedHat.yml", "- no_such_module:\n  register: setup_redhat\n- set_fact: {os: 1}\n"),
        ("tasks/plain.yml", "- debug: {msg: '{{ given }} {{ not_given }}'}\n- flie: {path: /x}\n"),
    ];
    let text = format!(
        "    - include_tasks: \"setup-{{{{ ansible_os_family }}}}.yml\"\n{}",
        names(&["setup", "setup_redhat", "os"])
    );
    // Modules that are missing in files for other systems are a warning here and nothing in a run.
    finds(&text, &files, &["warning unknown-module 1 `no_such_module`"]);
    finds(
        "    - include_tasks: plain.yml\n      vars: {given: 1}\n",
        &files[2..],
        &["error unknown-module 2 there is no module `flie`"],
    );
    let good = [("tasks/plain.yml", "- debug: {msg: '{{ given }} {{ not_given }}'}\n")];
    finds(
        "    - include_tasks: plain.yml\n      vars: {given: 1}\n",
        &good,
        &["error undefined-variable 1 `not_given`"],
    );
    silent("    - {include_tasks: plain.yml, vars: {given: 1}, when: ansible_x == 1}\n", &good);
    silent(
        "    - {include_tasks: plain.yml, vars: {given: 1}, when: inventory_hostname == 'other'}\n",
        &good,
    );
    finds(
        "    - {include_tasks: plain.yml, vars: {given: 1}, when: inventory_hostname == 'web1'}\n",
        &good,
        &["`not_given`"],
    );
    finds("    - include_tasks: absent.yml\n", &[], &["error missing-file 4 task file `absent.yml`"]);
    silent("    - {include_tasks: absent.yml, when: ansible_x == 1}\n", &[]);
    finds("    - include_role: {name: absent}\n", &[], &["error missing-role 4 there is no role `absent`"]);
    let role = [
        ("roles/r/tasks/main.yml", "- debug: {msg: '{{ d }} {{ gone }}'}\n- set_fact: {from_r: 1}\n"),
        ("roles/r/defaults/main.yml", "d: 1\n"),
    ];
    finds(
        &format!("    - include_role: {{name: r}}\n{}", names(&["from_r", "d"])),
        &role,
        &["`d` is not defined", "`gone`"],
    );
    finds(
        &format!("    - include_role: {{name: r, public: true}}\n{}", names(&["from_r", "d"])),
        &role,
        &["`gone`"],
    );
    finds(&format!("    - import_role: {{name: r}}\n{}", names(&["from_r", "d"])), &role, &["`gone`"]);
    // A file that includes itself ends.
    silent(
        "    - include_tasks: self.yml\n",
        &[("self.yml", "- {include_tasks: self.yml, when: more | default(false)}\n")],
    );
}

#[test]
fn template_files_and_those_they_name() {
    let with = |text: &'static str| {
        [
            ("templates/t.j2", text),
            ("templates/m.j2", "{% macro m(a) %}{{ a }}{{ 1 | nofilter }}{% endmacro %}"),
            ("templates/ok.j2", "{% macro m(a) %}{{ a }}{% endmacro %}"),
        ]
    };
    let task = "    - template: {src: t.j2, dest: /x}\n";
    finds(
        task,
        &with("{{ inventory_hostname }}\n{{ engine }}\n"),
        &["error undefined-variable 2 `engine` is not defined for web1, web2"],
    );
    finds(
        task,
        &with("{% import 'm.j2' as m %}{{ m.m(1) }}\n"),
        &["error unknown-filter 1 No filter named 'nofilter'"],
    );
    finds(task, &with("{% if x %\n"), &["error template-syntax 1"]);
    silent(
        task,
        &with(
            "{% from 'ok.j2' import m as n %}{{ n(1) }}{% import 'ok.j2' as o %}{{ o.m(2) }}{% if x is defined %}{{ x }}{% endif %}\n",
        ),
    );
    let gone = "    - copy: {src: gone.txt, dest: /x}\n";
    finds(gone, &[], &["error missing-file 4 the file `gone.txt` is not there"]);
    silent(&format!("{gone}      ignore_errors: true\n"), &[]);
    silent(
        "    - template: {src: t.j2, dest: /x, variable_start_string: '[[', variable_end_string: ']]'}\n",
        &with("{{ not_ours | at_all }}\n"),
    );
    silent(
        "    - {template: {src: t.j2, dest: /x}, loop: '{{ groups.none | default([]) }}'}\n",
        &with("{{ gone }}\n"),
    );
    finds(
        "    - {template: {src: t.j2, dest: /x}, loop: [1]}\n",
        &with("{{ gone }} {{ item }}\n"),
        &["`gone`"],
    );
}

#[test]
fn what_will_not_run_holds_up_nothing() {
    let play = "- hosts: all\n  gather_facts: false\n  tasks:\n    - {debug: {msg: '{{ engine }}'}, tags: db}\n    - {debug: {msg: hello}, tags: hello}\n";
    let dir = project(&[("site.yml", play), ("hosts.yml", HOSTS)]);
    let run = |args: &[&str]| {
        let all = [&["-i", "hosts.yml", "-c", "local", "site.yml"], args].concat();
        provision(dir.path(), &all).status.code()
    };
    assert_eq!(run(&[]), Some(4));
    assert_eq!(run(&["--limit", "db1"]), Some(0));
    assert_eq!(run(&["--tags", "hello"]), Some(0));
    assert_eq!(run(&["--skip-tags", "db"]), Some(0));
    assert_eq!(run(&["--start-at-task", "debug"]), Some(2));
    assert!(findings(dir.path(), &["-i", "hosts.yml", "--limit", "db1", "site.yml"]).is_empty());
}
