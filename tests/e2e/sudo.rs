//! Becoming root and others.

use std::time::Duration;

use crate::kit::{Project, host};

const WHO: &str = "- shell: id -un > /tmp/who\n  become: true\n";

#[test]
fn sudo_without_a_password() {
    let host = host();
    let project = Project::with(&[&host], "ansible_user: deploy");
    project.tasks(&format!("{WHO}- shell: id -un > /tmp/me\n")).run("").expect(0);
    assert_eq!(host.sh("cat /tmp/who /tmp/me").unwrap(), "root\ndeploy\n");
    // -b is become for every task.
    project.tasks("- shell: id -un > /tmp/all").run("-b").expect(0);
    assert_eq!(host.sh("cat /tmp/all").unwrap(), "root\n");
}

#[test]
fn sudo_with_a_password() {
    let host = host();
    let project = Project::with(&[&host], "ansible_user: pw");
    project.tasks(WHO);
    project.run_with(&["-K"], b"pw\n").expect(0);
    assert_eq!(host.sh("cat /tmp/who; rm /tmp/who").unwrap(), "root\n");
    project.write("pass", "pw\n");
    project.run("--become-password-file pass").expect(0);
    assert_eq!(host.sh("cat /tmp/who; rm /tmp/who").unwrap(), "root\n");
    project.run("-e ansible_become_password=pw").expect(0);
    assert_eq!(host.sh("cat /tmp/who").unwrap(), "root\n");
}

#[test]
fn a_wrong_sudo_password_is_an_error_at_once() {
    let host = host();
    let project = Project::with(&[&host], "ansible_user: pw");
    project.tasks(WHO);
    let done = project.run_with(&["-K"], b"gu3ss3d\n").expect(2);
    done.says("Incorrect sudo password").never_says("gu3ss3d");
    assert!(done.took < Duration::from_secs(20), "{}", done.all());
    assert_eq!(done.count(host.name(), "failed"), 1);
    assert!(!host.exec(&["test", "-e", "/tmp/who"]).unwrap().ok());
}

#[test]
fn a_missing_sudo_password_is_an_error_at_once() {
    let host = host();
    let project = Project::with(&[&host], "ansible_user: pw");
    let done = project.tasks(WHO).run("").expect(2);
    done.says("Missing sudo password").says("-K");
    assert!(done.took < Duration::from_secs(20), "{}", done.all());
    project.run_with(&["-K"], b"").expect(1);
}

#[test]
fn an_unprivileged_user() {
    let host = host();
    host.sh("useradd -m app").unwrap();
    let project = Project::with(&[&host], "ansible_user: deploy");
    project.tasks(
        r#"
- become: true
  become_user: app
  block:
    - shell: id -un > ~/who; pwd >> ~/who
      args: {chdir: /home/app}
    - copy: {content: "from template\n", dest: /home/app/made, mode: "0640"}
    - template: {src: t.j2, dest: /home/app/rendered}
    - command: touch /etc/not-mine
      register: denied
      failed_when: denied.rc == 0
- copy: {content: x, dest: /etc/made-by-root}
  become: true
"#,
    );
    project.write("templates/t.j2", "user={{ ansible_user }}\n");
    project.run("").expect(0);
    assert_eq!(host.sh("cat /home/app/who").unwrap(), "app\n/home/app\n");
    assert_eq!(host.sh("stat -c '%U:%G %a' /home/app/made").unwrap(), "app:app 640\n");
    assert_eq!(
        host.sh("stat -c %U /home/app/rendered; cat /home/app/rendered").unwrap(),
        "app\nuser=deploy\n"
    );
    assert_eq!(host.sh("stat -c %U /etc/made-by-root").unwrap(), "root\n");
    assert!(!host.root().join("etc/not-mine").exists());
}

#[test]
fn su_from_root_and_a_user_that_is_not_there() {
    let host = host();
    host.sh("useradd -m app").unwrap();
    let project = Project::of(&[&host]);
    project
        .tasks("- shell: id -un > ~/who\n  become: true\n  become_user: app\n  become_method: su\n")
        .run("")
        .expect(0);
    assert_eq!(host.sh("cat /home/app/who").unwrap(), "app\n");
    let done = project.tasks("- command: id\n  become: true\n  become_user: nobody-here\n").run("").expect(2);
    done.says("nobody-here");
}
