//! The command line: flags, exit codes, what goes to which stream. Most of it needs no host but this machine.

use std::io::Read as _;
use std::process::Stdio;
use std::time::Duration;

use crate::kit::{Done, Project, finish, host, nap, runs, start, until};

/// Two names for this machine.
fn here() -> Project {
    let project = Project::empty();
    project.write("hosts.yaml", "all:\n  hosts: {a: , b: }\n  vars: {ansible_connection: local}\n");
    project
}

/// Which of `a`, `b`, `c` … a run's debug tasks have said.
fn said(done: &Done) -> Vec<&str> {
    done.out.lines().filter_map(|l| l.trim().strip_prefix("\"msg\": \"said ")?.strip_suffix('"')).collect()
}

#[test]
fn version_help_and_manuals() {
    let project = Project::empty();
    let version = project.provision(&["--version"]).expect(0);
    assert_eq!(version.out, format!("provision {}\n", env!("CARGO_PKG_VERSION")));
    let help = project.provision(&["--help"]).expect(0);
    for text in ["Exit codes:", "130  interrupted", "--start-at-task", "--skip-tags"] {
        assert!(help.out.contains(text), "{}", help.out);
    }
    let docs = project.provision(&["docs", "file"]).expect(0);
    assert!(docs.out.contains("state") && docs.out.contains("directory"), "{}", docs.out);
    let full = project.provision(&["docs", "ansible.builtin.file"]).expect(0);
    assert_eq!(docs.out, full.out);
    let schema = project.provision(&["docs", "--schema", "file"]).expect(0);
    let schema: serde_json::Value = serde_json::from_str(&schema.out).unwrap();
    assert!(schema["properties"]["state"].is_object(), "{schema}");
    project.provision(&["docs", "fiel"]).expect(1).says("did you mean `file`?");
}

#[test]
fn wrong_usage_is_1() {
    let project = here();
    project.tasks("- ping:");
    for args in [
        &["--nonsense", "site.yaml"][..],
        &[],
        &["-f", "0", "-i", "hosts.yaml", "site.yaml"],
        &["-f", "many"],
    ] {
        let done = project.provision(args).expect(1);
        assert!(done.out.is_empty() && !done.err.is_empty(), "{}", done.all());
    }
    let missing = project.run("--become-password-file nowhere").expect(1);
    missing.says("nowhere");
}

#[test]
fn what_is_not_there_is_4() {
    let project = here();
    project.provision(&["-i", "hosts.yaml", "nowhere.yaml"]).expect(4).says("nowhere.yaml");
    project.tasks("- ping:");
    project.provision(&["-i", "nowhere.yaml", "site.yaml"]).expect(4).says("nowhere.yaml");
    project.run("-e @nowhere.yaml").expect(4).says("nowhere.yaml");
    project.run("-e nonsense").expect(4).says("name=value");
    project.run("-l nobody").expect(4).says("nobody");
}

#[test]
fn lists() {
    let project = here();
    project.playbook(
        "- name: first\n  hosts: a\n  tags: [play]\n  tasks:\n    - {name: one, ping: , tags: [x, y]}\n    \
         - {name: two, debug: {msg: hi}}\n- hosts: all\n  gather_facts: false\n  tasks: [{ping: , tags: z}]\n",
    );
    let hosts = project.run("--list-hosts").expect(0);
    assert!(
        hosts
            .out
            .contains("  play #1 (a): first\tTAGS: [play]\n    pattern: ['a']\n    hosts (1):\n      a\n"),
        "{}",
        hosts.out
    );
    assert!(hosts.out.contains("    hosts (2):\n      a\n      b\n"), "{}", hosts.out);
    assert!(!project.run("--list-hosts -l b").expect(0).out.contains("      a\n"));
    let tasks = project.run("--list-tasks").expect(0);
    assert!(tasks.out.contains("      one\tTAGS: [play, x, y]\n      two\tTAGS: [play]\n"), "{}", tasks.out);
    let tags = project.run("--list-tags").expect(0);
    assert!(
        tags.out.contains("TASK TAGS: [play, x, y]") && tags.out.contains("TASK TAGS: [z]"),
        "{}",
        tags.out
    );
    let syntax = project.run("--syntax-check").expect(0);
    assert_eq!(syntax.out, "\nplaybook: site.yaml\n");
    for done in [hosts, tasks, tags, syntax] {
        assert!(!done.out.contains("PLAY"), "{}", done.out);
    }
}

#[test]
fn which_tasks_run() {
    let project = here();
    project.tasks(
        "- {name: the first, debug: {msg: said one}, tags: [x, y]}\n- {name: the second, debug: {msg: said two}, tags: z}\n\
         - {name: the third, debug: {msg: said three}}\n- {debug: {msg: said always}, tags: always}\n\
         - {debug: {msg: said never}, tags: [never, odd]}\n",
    );
    for (args, wanted) in [
        ("", "one two three always"),
        ("-t x", "one always"),
        ("--tags x,z", "one two always"),
        ("-t x -t z", "one two always"),
        ("-t tagged", "one two always"),
        ("-t untagged", "three always"),
        ("-t odd", "always never"),
        ("--skip-tags x,z", "three always"),
        ("--skip-tags always", "one two three"),
        ("-t x,z --skip-tags y", "two always"),
    ] {
        let args = format!("-l a {args}");
        assert_eq!(said(&project.run(&args).expect(0)), wanted.split(' ').collect::<Vec<_>>(), "{args}");
    }
    let start = project.run_with(&["-l", "a", "--start-at-task", "the second"], b"").expect(0);
    assert_eq!(said(&start), ["two", "three", "always"]);
    let start = project.run_with(&["-l", "a", "--start-at-task", "*third"], b"").expect(0);
    assert_eq!(said(&start), ["three", "always"]);
}

#[test]
fn which_hosts_run() {
    let project = Project::empty();
    project.write("hosts.ini", "[web]\nw[1:3]\n[db]\nd1\n[all:vars]\nansible_connection=local\n");
    project.write("only", "w1\nd1\n");
    project.tasks("- debug: {msg: 'said {{ inventory_hostname }}'}");
    for (limit, wanted) in [
        ("web", "w1 w2 w3"),
        ("web:!w2", "w1 w3"),
        ("w1,d1", "w1 d1"),
        ("all:&db", "d1"),
        ("~w[23]", "w2 w3"),
        ("web[0]", "w1"),
        ("@only", "w1 d1"),
    ] {
        let done = project.provision(&["-i", "hosts.ini", "-l", limit, "site.yaml"]).expect(0);
        // Whoever answers first stands first.
        let mut said = said(&done);
        said.sort_unstable();
        let mut wanted: Vec<&str> = wanted.split(' ').collect();
        wanted.sort_unstable();
        assert_eq!(said, wanted, "{limit}");
    }
    let list = project.provision(&["-i", "x,y,", "-c", "local", "site.yaml"]).expect(0);
    let mut said = said(&list);
    said.sort_unstable();
    assert_eq!(said, ["x", "y"]);
}

#[test]
fn extra_variables_in_every_form() {
    let project = here();
    project.write("more.yaml", "v: from file\nn: 3\n");
    project.write("more.json", "{\"v\": \"from json\", \"n\": 4}");
    project.playbook(
        "- hosts: a\n  gather_facts: false\n  vars: {v: weak, n: 0}\n  tasks:\n    \
         - debug: {msg: 'said {{ v }} {{ n }} {{ n is number }}'}\n",
    );
    for (args, wanted) in [
        (&["-e", "v=x n=1"][..], "x 1 False"),
        (&["-e", "v='two words'"], "two words 0 True"),
        (&["-e", "{\"v\": \"j\", \"n\": 2}"], "j 2 True"),
        (&["-e", "{v: y, n: 2}"], "y 2 True"),
        (&["-e", "@more.yaml"], "from file 3 True"),
        (&["-e", "@more.json"], "from json 4 True"),
        (&["-e", "@more.yaml", "-e", "v=later"], "later 3 True"),
        (&["--extra-vars", "v={{n}}{{n}}"], "00 0 True"),
    ] {
        assert_eq!(said(&project.run_with(args, b"").expect(0)), [wanted], "{args:?}");
    }
}

#[test]
fn data_goes_to_stdout_and_colours_only_where_they_are_wanted() {
    let project = here();
    project.tasks("- debug: {msg: said x}\n- fail: {msg: red}\n  ignore_errors: true\n");
    let plain = project.run("-l a").expect(0);
    assert!(
        plain.out.contains("PLAY RECAP") && !plain.out.contains('\x1b') && !plain.err.contains('\x1b'),
        "{}",
        plain.all()
    );
    let run = |name: &str, value: &str| {
        let mut command = project.command(["-i", "hosts.yaml", "-l", "a", "site.yaml"]);
        finish(start(command.env(name, value)), b"").expect(0)
    };
    assert!(!run("NO_COLOR", "1").out.contains('\x1b'));
    assert!(run("CLICOLOR_FORCE", "1").out.contains("\x1b["));
    let mut both = project.command(["-i", "hosts.yaml", "-l", "a", "--color", "never", "site.yaml"]);
    assert!(!finish(start(both.env("CLICOLOR_FORCE", "1")), b"").expect(0).out.contains('\x1b'));
}

#[test]
fn json_is_one_object_per_line() {
    let project = here();
    project.tasks("- debug: {msg: \"two\\nlines\"}\n- command: 'true'\n");
    let done = project.run("--output json").expect(0);
    let events: Vec<serde_json::Value> = done.out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(events.len() > 6 && events.iter().all(serde_json::Value::is_object), "{}", done.out);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let project = here();
    project.write(
        "many.yaml",
        format!("- hosts: a\n  gather_facts: false\n  tasks:\n{}", "    - debug: {msg: x}\n".repeat(300)),
    );
    for args in [
        &["-i", "hosts.yaml", "many.yaml"][..],
        &["docs"],
        &["-i", "hosts.yaml", "--list-tasks", "many.yaml"],
    ] {
        let mut child = project
            .command(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = [0];
        let mut out = child.stdout.take().unwrap();
        out.read_exact(&mut first).unwrap();
        drop(out);
        let mut err = String::new();
        child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        let status = child.wait().unwrap();
        assert!(!err.contains("panicked"), "{args:?}: {status}: {err}");
        assert!(status.success(), "{args:?}: {status}: {err}");
    }
}

#[test]
fn exit_codes_of_runs() {
    let host = host();
    let project = Project::of(&[&host]);
    project.tasks("- command: echo hi").run("").expect(0);
    project.tasks("- command: 'false'").run("").expect(2);
    project.tasks("- command: 'false'\n  ignore_errors: true").run("").expect(0);
    let text = std::fs::read_to_string(project.path("hosts.yaml")).unwrap();
    let text = text.replacen(
        "  vars:",
        &format!("    nobody:\n      ansible_host: {}\n      ansible_timeout: 1\n  vars:", dark(&host)),
        1,
    );
    project.write("hosts.yaml", text);
    let name = host.name();

    let some = project.tasks("- command: touch /root/went-on").run("").expect(3);
    some.says("UNREACHABLE!");
    assert_eq!((some.count("nobody", "unreachable"), some.count(name, "changed")), (1, 1));
    host.sh("test -f /root/went-on").unwrap();
    // A failure weighs more than a host that is not there.
    let both = project.tasks("- command: 'false'").run("").expect(2);
    assert_eq!((both.count("nobody", "unreachable"), both.count(name, "failed")), (1, 1));
}

/// An address of the hosts' network that nobody has.
fn dark(host: &provision_testkit::fleet::Host) -> String {
    let [a, b, c, _] = host.ip().octets();
    format!("{a}.{b}.{c}.250")
}

#[test]
fn one_interrupt_waits_and_130() {
    let host = host();
    let project = Project::of(&[&host]);
    project.tasks("- shell: touch /root/began; until test -e /root/go; do sleep 0.1; done; touch /root/ended\n- command: touch /root/next");
    let child = start(&mut project.command(["-i", "hosts.yaml", "site.yaml"]));
    until("the task began", Duration::from_secs(30), || host.root().join("root/began").exists());
    interrupt(child.id());
    std::thread::sleep(Duration::from_millis(500));
    host.sh("touch /root/go").unwrap();
    let done = finish(child, b"").expect(130);
    done.says("interrupted");
    host.sh("test -f /root/ended").unwrap();
    assert!(!host.root().join("root/next").exists(), "nothing new is begun");
}

#[test]
fn a_second_interrupt_stops_at_once() {
    let host = host();
    let project = Project::of(&[&host]);
    let nap = nap();
    project.tasks(&format!("- command: sleep {nap}"));
    let child = start(&mut project.command(["-i", "hosts.yaml", "site.yaml"]));
    until("it sleeps", Duration::from_secs(30), || runs(&["sleep", &nap]));
    interrupt(child.id());
    std::thread::sleep(Duration::from_millis(300));
    interrupt(child.id());
    let done = finish(child, b"").expect(130);
    assert!(done.took < Duration::from_secs(15), "{}", done.all());
    until("the command on the host is ended", Duration::from_secs(30), || !runs(&["sleep", &nap]));
    until("so is the agent", Duration::from_secs(30), || {
        !host.exec(&["pgrep", "-f", "agent-"]).unwrap().ok()
    });
}

fn interrupt(pid: u32) {
    let killed = std::process::Command::new("kill").args(["-INT", &pid.to_string()]).status().unwrap();
    assert!(killed.success());
}

/// Ctrl-C at a terminal goes to the whole process group.
#[test]
fn interrupts_at_a_terminal_leave_this_machine_in_order() {
    use std::os::unix::process::CommandExt as _;
    let project = here();
    let nap = nap();
    project.tasks("- shell: touch began; until test -e go; do sleep 0.1; done; touch ended\n  args: {chdir: '{{ playbook_dir }}'}\n- command: touch {{ playbook_dir }}/next\n");
    let child = start(project.command(["-i", "hosts.yaml", "-l", "a", "site.yaml"]).process_group(0));
    until("the task began", Duration::from_secs(30), || project.path("began").exists());
    interrupt_group(child.id());
    std::thread::sleep(Duration::from_millis(500));
    project.write("go", "");
    finish(child, b"").expect(130);
    assert!(project.path("ended").exists() && !project.path("next").exists());

    project.tasks(&format!("- shell: sleep {nap}; true\n"));
    let child = start(project.command(["-i", "hosts.yaml", "-l", "a", "site.yaml"]).process_group(0));
    until("it sleeps", Duration::from_secs(30), || runs(&["sleep", &nap]));
    interrupt_group(child.id());
    std::thread::sleep(Duration::from_millis(300));
    interrupt_group(child.id());
    finish(child, b"").expect(130);
    until("the command is ended", Duration::from_secs(30), || !runs(&["sleep", &nap]));
}

fn interrupt_group(pid: u32) {
    let killed =
        std::process::Command::new("kill").args(["-INT", "--", &format!("-{pid}")]).status().unwrap();
    assert!(killed.success());
}
