//! Secrets never show, whatever is asked for.

use crate::kit::{Project, host};

#[test]
fn passwords_and_no_log_show_nowhere() {
    let host = host();
    host.sh("echo pw:Tr0ub4dor-and-3 | chpasswd").unwrap();
    let project = Project::with(&[&host], "ansible_user: pw\nansible_ssh_password: Tr0ub4dor-and-3");
    let inventory = std::fs::read_to_string(project.path("hosts.yaml")).unwrap();
    let key = format!("      ansible_ssh_private_key_file: {}\n", host.ssh_key().display());
    project.write("hosts.yaml", inventory.replace(&key, ""));
    project.playbook(
        r#"- hosts: all
  gather_facts: false
  vars: {api_token: h0rse-battery}
  tasks:
    - copy: {content: "token={{ api_token }}\n", dest: /etc/app.conf}
      become: true
      no_log: true
    - shell: echo {{ api_token }}; echo {{ api_token }} >&2; exit 1
      no_log: true
      ignore_errors: true
      register: leaky
    - shell: "echo loop {{ item }}"
      loop: ["{{ api_token }}"]
      no_log: true
    - shell: echo sudo password is {{ ansible_ssh_password }}
    - debug: {msg: "{{ ansible_ssh_password }}"}
    - debug: {var: leaky}
      no_log: true
    - copy: {content: "token={{ api_token }} changed\n", dest: /etc/app.conf}
      become: true
      no_log: true
    - debug: {msg: all done}
"#,
    );
    for args in [
        "-K",
        "-K -vvv",
        "-K --diff -vvv",
        "-K --output json -vvv --diff",
        "-K --check --diff -vvv",
        "-K --output human -vvv --diff",
    ] {
        let args: Vec<&str> = args.split(' ').collect();
        let done = project.run_with(&args, b"Tr0ub4dor-and-3\n").expect(0);
        done.never_says("Tr0ub4dor").never_says("h0rse").says("all done");
    }
    assert_eq!(host.sh("cat /etc/app.conf").unwrap(), "token=h0rse-battery changed\n");
}

#[test]
fn nothing_of_it_stands_in_the_process_list_or_on_disk() {
    let host = host();
    host.sh("echo pw:Tr0ub4dor-and-3 | chpasswd").unwrap();
    let project = Project::with(&[&host], "ansible_user: pw");
    project.tasks("- shell: cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' > /root/all\n  become: true\n");
    project.run_with(&["-K"], b"Tr0ub4dor-and-3\n").expect(0);
    let seen = host.sh("cat /root/all").unwrap();
    assert!(seen.contains("sudo") && !seen.contains("Tr0ub4dor"), "{seen}");
    let found =
        host.exec(&["grep", "-rl", "Tr0ub4dor", "/home", "/root", "/tmp", "/var/tmp", "/var/log"]).unwrap();
    assert_eq!(found.stdout, "");
}
