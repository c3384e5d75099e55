//! `ansible.cfg` and `ANSIBLE_*`.

use crate::kit::{Place, Said};

const PLAY: &str = "- name: pl\n  hosts: all\n  gather_facts: false\n  tasks:\n    - {name: one, ping: }\n    \
                    - {name: sk, ping: , when: false}\n    - {name: bad, fail: , when: inventory_hostname == 'a'}\n";

fn place() -> Place {
    let place = Place::new();
    place.write("p.yaml", PLAY);
    place
}

fn run(place: &Place, args: &[&str], vars: &[(&str, &str)]) -> Said {
    let whole: Vec<&str> = ["-i", "a,b,", "-c", "local", "p.yaml"].iter().chain(args).copied().collect();
    place.run_as("provision", &whole, vars, "")
}

#[test]
fn dump_says_where_a_value_comes_from() {
    let place = Place::new();
    let cfg = place.write("ansible.cfg", "[defaults]\nforks = 7 ; few\nroles_path = a:~/b\n");
    let vars = [("ANSIBLE_REMOTE_USER", "me"), ("ANSIBLE_TIMEOUT", "")];
    let (cfg, home) = (cfg.display(), place.path("home").display().to_string());
    let said = place.run_as("provision", &["config", "dump", "--only-changed"], &vars, "").expect(0);
    let here = place.path("a").display().to_string();
    assert_eq!(
        said.stdout,
        format!(
            "CONFIG_FILE() = {cfg}\nDEFAULT_FORKS({cfg}:2) = 7\nDEFAULT_REMOTE_USER(env: ANSIBLE_REMOTE_USER) = me\n\
             DEFAULT_ROLES_PATH({cfg}:3) = ['{here}', '{home}/b']\n"
        )
    );
    let json = place.run_as("provision", &["config", "dump", "--format", "json"], &vars, "").expect(0);
    let rows: Vec<serde_json::Value> = serde_json::from_str(&json.stdout).unwrap();
    assert!(rows.len() > 200 && rows.iter().any(|row| row["name"] == "DEFAULT_FORKS" && row["value"] == 7));
    place.run(&["config", "view"]).expect(0).says("roles_path = a:~/b");
    place.run(&["config", "list"]).expect(0).says("variable: ANSIBLE_FORKS");
}

#[test]
fn the_file_is_found_as_ansible_finds_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    place.write("home/.ansible.cfg", "[defaults]\nforks = 1\n");
    let forks = |vars: &[(&str, &str)]| {
        let said = place.run_as("provision", &["config", "dump", "--only-changed"], vars, "").expect(0);
        let line = said.stdout.lines().find(|line| line.starts_with("DEFAULT_FORKS")).unwrap().to_owned();
        (line.rsplit(' ').next().unwrap().to_owned(), said.stderr)
    };
    assert_eq!(forks(&[]).0, "1");
    place.write("ansible.cfg", "[defaults]\nforks = 2\n");
    assert_eq!(forks(&[]).0, "2");
    place.write("dir/ansible.cfg", "[defaults]\nforks = 3\n");
    assert_eq!(forks(&[("ANSIBLE_CONFIG", "dir")]).0, "3");
    assert_eq!(forks(&[("ANSIBLE_CONFIG", "nowhere")]).0, "2");
    let here = place.path(".");
    std::fs::set_permissions(&here, std::fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(forks(&[]).0, "1");
    // `config` reports values; what else is to be said comes with a run.
    place.write("p.yaml", PLAY);
    run(&place, &["--syntax-check"], &[]).expect(0).says("world writable directory");
}

#[test]
fn what_is_not_done_is_said_once() {
    let place = place();
    let said = run(
        &place,
        &["--syntax-check"],
        &[("ANSIBLE_CALLBACKS_ENABLED", "timer"), ("ANSIBLE_PIPELINING", "1")],
    );
    let said = said.expect(0);
    assert_eq!(said.stderr.matches("setting CALLBACKS_ENABLED").count(), 1, "{}", said.stderr);
    assert!(!said.stderr.contains("PIPELINING"), "{}", said.stderr);
    run(&place, &[], &[("ANSIBLE_STDOUT_CALLBACK", "dense")])
        .expect(2)
        .says("there is no stdout_callback `dense`");
    run(&place, &[], &[("ANSIBLE_GATHERING", "odd")])
        .expect(1)
        .says("DEFAULT_GATHERING (env: ANSIBLE_GATHERING)");
    run(&place, &["-M", "lib"], &[]).expect(2);
    place.write("lib/mine.py", "");
    run(&place, &["-M", "lib"], &[]).expect(1).says("--module-path lib");
}

#[test]
fn what_is_displayed() {
    let place = place();
    let skipped = run(&place, &[], &[("ANSIBLE_DISPLAY_SKIPPED_HOSTS", "0")]).expect(2);
    assert!(!skipped.stdout.contains("sk]") && !skipped.stdout.contains("skipping"), "{}", skipped.stdout);
    let ok = run(&place, &[], &[("ANSIBLE_DISPLAY_OK_HOSTS", "no")]).expect(2);
    assert!(!ok.stdout.contains("TASK [one]") && ok.stdout.contains("TASK [sk]"), "{}", ok.stdout);
    let err = run(&place, &[], &[("ANSIBLE_DISPLAY_FAILED_STDERR", "yes")]).expect(2);
    assert!(err.stderr.contains("fatal: [a]: FAILED!") && !err.stdout.contains("fatal"), "{err:?}");
    let marked = run(&place, &["-C"], &[("ANSIBLE_CHECK_MODE_MARKERS", "1")]).expect(2);
    marked.says("TASK [one] [CHECK MODE] ***").says("PLAY [pl] [CHECK MODE] ***");
    assert_eq!(marked.stdout.matches("\nDRY RUN ***").count(), 2);
    run(&place, &[], &[("ANSIBLE_SHOW_PER_HOST_START", "1")]).expect(2).says(" [started TASK: one on b]\n");
    run(&place, &[], &[("ANSIBLE_SHOW_TASK_PATH_ON_FAILURE", "1")]).expect(2).says("\ntask path: ");
    run(&place, &[], &[("ANSIBLE_STDOUT_CALLBACK", "minimal")]).expect(2).says("b | SUCCESS => {");
}

#[test]
fn retry_files_and_logs() {
    let place = place();
    let vars = [("ANSIBLE_RETRY_FILES_ENABLED", "1"), ("ANSIBLE_LOG_PATH", "log"), ("USER", "me")];
    let said = run(&place, &[], &vars).expect(2);
    let path = place.path("p.retry");
    assert_eq!(place.read("p.retry"), "a\n");
    said.says(&format!("\tto retry, use: --limit @{}\n\nPLAY RECAP", path.display()));
    let log = place.read("log");
    assert!(
        log.contains(" u=me n=ansible INFO| PLAY [pl] ****") && log.contains(" n=ansible INFO| ok: [b]\n"),
        "{log}"
    );
    assert!(log.contains("n=ansible ERROR| [ERROR]: "), "{log}");
    run(&place, &["-l", &format!("@{}", path.display())], &[]).expect(2).says("a  ");
}

#[test]
fn plays_get_keywords() {
    let place = place();
    run(&place, &[], &[("ANSIBLE_NO_LOG", "1")]).expect(2).says("\"censored\"");
    place.write("p.yaml", "- hosts: all\n  gather_facts: false\n  tasks:\n    - fail:\n      when: inventory_hostname == 'a'\n    - debug: {msg: went on}\n");
    run(&place, &[], &[]).expect(2).says("went on");
    let fatal = run(&place, &[], &[("ANSIBLE_ANY_ERRORS_FATAL", "1")]).expect(2);
    assert!(!fatal.stdout.contains("went on"), "{}", fatal.stdout);
    place.write("p.yaml", "- hosts: all\n  gather_facts: false\n  tasks: [{command: sleep 9}]\n");
    run(&place, &[], &[("ANSIBLE_TASK_TIMEOUT", "1")]).expect(2).says("imed out");
    place.write("p.yaml", "- hosts: nobody\n  tasks: []\n");
    run(&place, &[], &[("ANSIBLE_HOST_PATTERN_MISMATCH", "error")]).expect(4).says("nobody");
    let quiet = run(&place, &[], &[("ANSIBLE_HOST_PATTERN_MISMATCH", "ignore")]).expect(0);
    assert!(!quiet.stderr.contains("nobody"), "{}", quiet.stderr);
    run(&place, &[], &[]).expect(0).says("Could not match supplied host pattern, ignoring: nobody");
}

#[test]
fn step_asks() {
    let place = Place::new();
    place.write("p.yaml", "- hosts: all\n  gather_facts: false\n  tasks:\n    - {name: one, debug: {msg: 1}}\n    - {name: two, debug: {msg: 2}}\n    - {name: three, debug: {msg: 3}}\n    - {name: four, debug: {msg: 4}}\n");
    let args = ["-i", "a,", "-c", "local", "--step", "p.yaml"];
    let said = place.run_as("provision", &args, &[], "y\nn\nc\n").expect(0);
    said.says("Perform task: TASK: two (N)o/(y)es/(c)ontinue: ");
    let ran: Vec<bool> = ["one", "two", "three", "four"]
        .iter()
        .map(|name| said.stdout.contains(&format!("TASK [{name}]")))
        .collect();
    assert_eq!(ran, [true, false, true, true]);
    assert!(!said.stderr.contains("TASK: four"), "{}", said.stderr);
}
