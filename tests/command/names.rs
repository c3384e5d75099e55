//! The names of Ansible's programs: exit codes (those of ansible-core 2.19.14), usage, versions.

use crate::kit::{Place, Said};

fn playbook(place: &Place, args: &[&str], vars: &[(&str, &str)]) -> Said {
    let whole: Vec<&str> = ["-i", "a,", "-c", "local"].iter().chain(args).copied().collect();
    place.run_as("ansible-playbook", &whole, vars, "")
}

fn place() -> Place {
    let place = Place::new();
    let with = |name: &str, task: &str| {
        place.write(name, format!("- hosts: all\n  gather_facts: false\n  tasks: [{task}]\n"));
    };
    with("ok.yaml", "{ping: }");
    with("fail.yaml", "{fail: }");
    with("nomod.yaml", "{nosuch: }");
    place.write("syntax.yaml", "- hosts: [\n");
    place.write("keyword.yaml", "- hosts: all\n  gather_fact: false\n");
    place
}

#[test]
fn exit_codes() {
    let place = place();
    for (args, code) in [
        (&["ok.yaml"][..], 0),
        (&["fail.yaml"], 2),
        (&["nomod.yaml"], 4),
        (&["syntax.yaml"], 4),
        (&["keyword.yaml"], 4),
        (&["nowhere.yaml"], 1),
        (&["-l", "zz", "ok.yaml"], 1),
        (&["--become-password-file", "zz", "ok.yaml"], 1),
        (&["--bogus", "ok.yaml"], 2),
        (&["-f", "0", "ok.yaml"], 2),
        (&["-f", "x", "ok.yaml"], 2),
        (&["-k", "--connection-password-file", "zz", "ok.yaml"], 2),
        (&[], 2),
        (&["--chec", "-C", "-u", "x", "-u", "y", "ok.yaml"], 0),
        (&["--list-tasks", "ok.yaml"], 0),
    ] {
        let said = playbook(&place, args, &[]);
        assert_eq!(said.code, code, "{args:?}\n{said:?}");
    }
    playbook(&place, &["ok.yaml"], &[("ANSIBLE_FORKS", "x")]).expect(5).says("DEFAULT_FORKS");
    let gone = place.run_as("ansible-playbook", &["-i", "nobody.invalid,", "-T", "1", "ok.yaml"], &[], "");
    gone.expect(4);
    place.run(&["-i", "nobody.invalid,", "-T", "1", "ok.yaml"]).expect(3);
}

#[test]
fn versions_and_usage() {
    let place = place();
    for name in [
        "ansible",
        "ansible-playbook",
        "ansible-inventory",
        "ansible-config",
        "ansible-vault",
        "ansible-galaxy",
    ] {
        let said = place.run_as(name, &["--version"], &[], "").expect(0);
        assert!(
            said.stdout.starts_with(&format!("{name} [core 2.19.0]\n  config file = None\n")),
            "{}",
            said.stdout
        );
        place.run_as(name, &["--nonsense"], &[], "").expect(2).says(&format!("{name}: error: "));
    }
    // A playbook may be named like a command: always under Ansible's name, with ./ under our own.
    place.write("docs", "- {hosts: all, gather_facts: false, tasks: [{ping: }]}\n");
    playbook(&place, &["docs"], &[]).expect(0).says("PLAY RECAP");
    place.run(&["-i", "a,", "-c", "local", "./docs"]).expect(0).says("PLAY RECAP");
    place.run(&["invent"]).expect(4).says("invent");
    place.run(&["completions", "bash"]).expect(0).says("complete -F _provision");
    place.run(&["completions", "zsh"]).expect(0).says("#compdef provision");
    place.run(&["completions", "fish"]).expect(0).says("complete -c provision");
    place.run(&["man"]).expect(0).says(".TH provision");
    place.run(&["man", "adhoc"]).expect(0).says("adhoc");
    place.run(&["man", "adhok"]).expect(1).says("did you mean `adhoc`?");
}
