//! `provision vault`, and what a run with vaulted data shows.

use crate::kit::{Place, Said};
use std::os::unix::fs::PermissionsExt;

fn place() -> Place {
    let place = Place::new();
    place.write("pw", "hunter22\n");
    place.write("pw2", "second-password\n");
    place.write("plain", "the content\n");
    place
}

fn mode(place: &Place, name: &str) -> u32 {
    place.path(name).metadata().unwrap().permissions().mode() & 0o7777
}

fn script(place: &Place, name: &str, text: &str) {
    let path = place.write(name, format!("#!/bin/sh\n{text}\n"));
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[track_caller]
fn says(said: &Said, part: &str) {
    assert!(said.stderr.contains(part), "{said:?}");
}

/// Nothing but what is expected lies about.
#[track_caller]
fn files(place: &Place, expected: &[&str]) {
    let mut names: Vec<String> = std::fs::read_dir(place.path("."))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| !["home", "pw", "pw2", "plain"].contains(&name.as_str()))
        .collect();
    names.sort();
    assert_eq!(names, expected);
}

#[test]
fn a_file_is_encrypted_shown_rekeyed_and_decrypted_in_its_place() {
    let place = place();
    place.line("$P vault encrypt --vault-id dev@pw plain").expect(0);
    assert!(place.read("plain").starts_with("$ANSIBLE_VAULT;1.2;AES256;dev\n"));
    assert_eq!(mode(&place, "plain"), 0o600);
    says(&place.line("$P vault encrypt --vault-id pw plain").expect(1), "input is already encrypted");
    assert_eq!(place.line("$P vault view --vault-password-file pw plain").expect(0).stdout, "the content\n");
    let wrong = place.line("$P vault view --vault-id other@pw2 plain").expect(1);
    says(&wrong, "Decryption failed (no vault secrets were found that could decrypt).");
    says(&wrong, "vault ids other; it was encrypted under the id `dev`");
    place.sh("chmod 640 plain");
    place.line("$P vault rekey --vault-id pw --new-vault-id prod@pw2 plain").expect(0);
    assert!(place.read("plain").starts_with("$ANSIBLE_VAULT;1.2;AES256;prod\n"));
    assert_eq!(mode(&place, "plain"), 0o640);
    place.line("$P vault decrypt --vault-id pw2 plain").expect(0);
    assert_eq!(place.read("plain"), "the content\n");
    says(
        &place.line("$P vault decrypt --vault-id pw plain").expect(1),
        "Input is not vault encrypted data. for plain",
    );
    files(&place, &[]);
}

#[test]
fn pipes_and_output_files() {
    let place = place();
    let line =
        "printf 'a\\377b' | $P vault encrypt --vault-id pw | $P vault decrypt --vault-id pw - | od -An -c";
    assert_eq!(place.line(line).expect(0).stdout.split_whitespace().collect::<Vec<_>>(), ["a", "377", "b"]);
    place.line("$P vault encrypt --vault-id pw --output out plain").expect(0);
    assert_eq!((place.read("plain").as_str(), mode(&place, "out")), ("the content\n", 0o600));
    assert_eq!(place.line("$P vault decrypt --vault-id pw --output - out").expect(0).stdout, "the content\n");
    let said = place.line("$P vault encrypt --vault-id pw --output x plain out").expect(1);
    says(&said, "At most one input file may be used with the --output option");
    files(&place, &["out"]);
}

#[test]
fn the_password_to_encrypt_with_must_be_certain() {
    let place = place();
    let said = place.line("$P vault encrypt --vault-id pw --vault-id dev@pw2 plain").expect(1);
    says(
        &said,
        "The vault-ids default,dev are available to encrypt. Specify the vault-id to encrypt with --encrypt-vault-id",
    );
    let said = place.line("$P vault encrypt --vault-id pw --encrypt-vault-id x plain").expect(1);
    says(&said, "Did not find a match for --encrypt-vault-id=x in the known vault-ids");
    place
        .line("ANSIBLE_VAULT_ENCRYPT_IDENTITY=dev $P vault encrypt --vault-id pw --vault-id dev@pw2 plain")
        .expect(0);
    assert!(place.read("plain").starts_with("$ANSIBLE_VAULT;1.2;AES256;dev\n"));
    // Another id's password opens it unless ids must match.
    place.line("$P vault view --vault-id other@pw2 plain").expect(0);
    place.line("ANSIBLE_VAULT_ID_MATCH=1 $P vault view --vault-id other@pw2 plain").expect(1);
    assert_eq!(
        place.line("ANSIBLE_VAULT_PASSWORD_FILE=pw2 $P vault view plain").expect(0).stdout,
        "the content\n"
    );
    place.line("ANSIBLE_VAULT_IDENTITY_LIST=a@pw,dev@pw2 $P vault view plain").expect(0);
    place.write("ansible.cfg", "[defaults]\nvault_password_file = pw2\n");
    place.line("mkdir below && cd below && ANSIBLE_CONFIG=../ansible.cfg $P vault view ../plain").expect(0);
    says(&place.line("cd below && $P vault view --vault-id nope ../plain").expect(1), "nope was not found");
}

#[test]
fn answers_are_asked_for() {
    let place = place();
    place.line("printf 'asked\\nasked\\n' | $P vault encrypt plain").expect(0);
    let said = place.line("printf 'asked\\n' | $P vault view plain").expect(0);
    assert_eq!((said.stdout.as_str(), said.stderr.as_str()), ("the content\n", "Vault password: "));
    let said = place.line("printf 'one\\nother\\n' | $P vault encrypt --vault-id a@prompt pw2").expect(1);
    says(&said, "New vault password (a): Confirm new vault password (a): ");
    says(&said, "Passwords do not match");
    assert_eq!(place.read("pw2"), "second-password\n");
    says(
        &place.line("$P vault view plain </dev/null").expect(1),
        "EOFError (ctrl-d) on prompt for (default)",
    );
}

#[test]
fn strings_are_encrypted_for_yaml() {
    let place = place();
    let said = place.line("$P vault encrypt-string --vault-id dev@pw 'a secret' --name token").expect(0);
    assert!(
        said.stdout.starts_with("token: !vault |\n          $ANSIBLE_VAULT;1.2;AES256;dev\n          "),
        "{said:?}"
    );
    let vars = said.stdout;
    place.write("vars.yaml", &vars);
    place.write("play.yaml", "- hosts: localhost\n  gather_facts: false\n  tasks:\n    - assert: {that: \"token == 'a secret'\"}\n");
    place.line("$P play.yaml -i localhost, -c local -e @vars.yaml --vault-id dev@pw").expect(0);
    let said = place.line("printf x | $P vault encrypt_string --vault-id pw --stdin-name n").expect(0);
    assert!(said.stdout.starts_with("n: !vault |\n"), "{said:?}");
    let said = place.line("$P vault encrypt-string --vault-id pw one two -n a").expect(0);
    says(&said, "# The encrypted version of variable (\"a\", the string #1 from the command line args).");
    says(&said, "The last named variable will be \"a\". The rest will not have names.");
    assert_eq!(said.stdout.matches("!vault |").count(), 2);
    says(
        &place.line("$P vault encrypt-string --vault-id pw </dev/null").expect(1),
        "stdin was empty, not encrypting",
    );
    let salted = "ANSIBLE_VAULT_ENCRYPT_SALT=s $P vault encrypt-string --vault-id pw x";
    assert_eq!(place.line(salted).expect(0).stdout, place.line(salted).expect(0).stdout);
}

#[test]
fn an_editor_changes_what_is_encrypted() {
    let place = place();
    script(
        &place,
        "editor",
        "stat -c '%a %a' \"$1\" \"$(dirname \"$1\")\" >seen\necho \"$1\" >>seen\necho more >>\"$1\"",
    );
    script(&place, "fails", "echo lost >\"$1\"; exit 3");
    script(&place, "nothing", "true");
    let edit = |editor: &str| place.line(&format!("EDITOR=./{editor} $P vault edit --vault-id pw plain"));
    place.line("$P vault encrypt --vault-id dev@pw plain; chmod 640 plain").expect(0);
    edit("editor").expect(0);
    assert_eq!(place.line("$P vault view --vault-id pw plain").expect(0).stdout, "the content\nmore\n");
    assert!(place.read("plain").starts_with("$ANSIBLE_VAULT;1.2;AES256;dev\n"));
    assert_eq!(mode(&place, "plain"), 0o640);
    let seen = place.read("seen");
    let lines: Vec<&str> = seen.lines().collect();
    assert_eq!(lines[..2], ["600 600", "700 700"]);
    assert!(lines[2].ends_with("/plain") && !std::path::Path::new(lines[2]).exists(), "{seen}");
    let before = place.read("plain");
    says(&edit("fails").expect(1), "nothing was changed");
    edit("nothing").expect(0);
    says(&edit("no-such-editor").expect(1), "cannot run the editor");
    says(&place.line("EDITOR=./editor $P vault edit --vault-id pw2 plain").expect(1), "Decryption failed");
    assert_eq!(place.read("plain"), before);
    place.line("EDITOR=./editor $P vault create --vault-id pw --skip-tty-check new/file").expect(0);
    assert_eq!(place.line("$P vault view --vault-id pw new/file").expect(0).stdout, "more\n");
    says(
        &place.line("$P vault create --vault-id pw --skip-tty-check plain").expect(1),
        "plain exists, please use 'edit' instead",
    );
    says(&place.line("$P vault create --vault-id pw other").expect(1), "not a tty, editor cannot be opened");
}

#[test]
fn a_signal_ends_the_editor_and_its_text_is_gone() {
    let place = place();
    script(&place, "editor", "echo \"$1\" >seen; exec sleep 60");
    place.line("$P vault encrypt --vault-id pw plain").expect(0);
    let before = place.read("plain");
    let said = place.line(
        "EDITOR=./editor $P vault edit --vault-id pw plain & pid=$!\n\
         while ! [ -s seen ]; do sleep 0.1; done; kill -INT $pid; sleep 0.3; kill -TERM $pid; wait $pid",
    );
    says(&said.expect(1), "nothing was changed");
    assert!(!std::path::Path::new(place.read("seen").trim()).exists());
    assert_eq!(place.read("plain"), before);
}

#[test]
fn nothing_is_lost_where_nothing_can_be_written() {
    let place = place();
    place.line("$P vault encrypt --vault-id pw plain && cp plain other && $P vault rekey --vault-id pw --new-vault-id pw2 other").expect(0);
    let (plain, other) = (place.read("plain"), place.read("other"));
    // The second file has another password: the first stays as it is, too.
    place.line("$P vault rekey --vault-id pw --new-vault-id pw2 plain other").expect(1);
    assert_eq!((place.read("plain"), place.read("other")), (plain.clone(), other));
    // The largest file allowed is smaller than what is to be written.
    let said = place.line("ulimit -f 0; trap '' XFSZ; $P vault decrypt --vault-id pw plain");
    assert_ne!(said.code, 0, "{said:?}");
    assert_eq!(place.read("plain"), plain);
    files(&place, &["other"]);
}

#[test]
fn secrets_of_a_run_are_not_shown() {
    let place = place();
    let inline = place.line("$P vault encrypt-string --vault-id pw inline-secret -n inline").expect(0).stdout;
    place.write("group_vars/all.yaml", format!("{inline}shown: open\n"));
    place.write(
        "vars.yaml",
        "whole: whole-secret\nurl: 'db://u:url-secret@{{ inventory_hostname }}/x'\nport: 8080\n",
    );
    place.write("t.j2", "a={{ inline }}\nb={{ whole }}\nc={{ shown }}\n");
    place.write("f", "file-secret\n");
    place.write("tasks.yaml", "# a comment-secret\n- fail: {msg: it failed}\n  ignore_errors: true\n");
    place.write("parts/1", "part-secret\n");
    place.line("$P vault encrypt --vault-id pw vars.yaml f tasks.yaml parts/1").expect(0);
    place.write(
        "play.yaml",
        "- hosts: localhost\n  gather_facts: false\n  vars_files: [vars.yaml]\n  tasks:\n    \
         - debug: {msg: 'x {{ inline }} {{ whole }} {{ url }} {{ port }}'}\n    \
         - template: {src: t.j2, dest: '{{ playbook_dir }}/t'}\n    \
         - copy: {src: f, dest: '{{ playbook_dir }}/copied'}\n    \
         - assemble: {src: parts, dest: '{{ playbook_dir }}/whole', remote_src: false}\n    \
         - include_vars: vars.yaml\n    \
         - include_tasks: tasks.yaml\n    \
         - name: 'told {{ whole }}'\n      command: echo {{ inline }}\n    \
         - debug: {msg: '{{ lookup(\"file\", \"f\") }}'}\n    \
         - fail: {msg: '{{ inline }}'}\n",
    );
    for output in ["ansible", "human", "json"] {
        let line = format!(
            "$P play.yaml -i localhost, -c local --vault-id pw -vvv --diff --output {output}; rm -f t copied whole"
        );
        let said = place.line(&line).expect(0);
        for secret in
            ["inline-secret", "whole-secret", "url-secret", "file-secret", "comment-secret", "part-secret"]
        {
            assert!(!said.stdout.contains(secret) && !said.stderr.contains(secret), "{secret}: {said:?}");
        }
        assert!(said.stdout.contains("c=open") && said.stdout.contains("8080"), "{said:?}");
    }
    place.line("$P play.yaml -i localhost, -c local --vault-id pw").expect(2);
    assert_eq!(place.read("t"), "a=inline-secret\nb=whole-secret\nc=open\n");
    assert_eq!(place.read("copied"), "file-secret\n");
    // Nor does a message about an encrypted file show its text.
    place.write("vars.yaml", "whole: whole-secret\n  bad: [other-secret\n");
    place.line("$P vault encrypt --vault-id pw vars.yaml").expect(0);
    let said = place.line("$P play.yaml -i localhost, -c local --vault-id pw").expect(4);
    assert!(!said.stderr.contains("-secret") && said.stderr.contains("vars.yaml:2"), "{said:?}");
    let said = place.line("$P play.yaml -i localhost, -c local").expect(4);
    says(&said, "Attempting to decrypt but no vault secrets found.");
}
