//! The files that tell other programs where the hosts are.

use std::path::Path;

use super::machine::Machine;

/// An inventory in YAML with one group.
pub fn yaml(group: &str, machines: &[&Machine], user: &str, key: &Path, known_hosts: &Path) -> String {
    let mut text = format!("{group}:\n  hosts:\n");
    for m in machines {
        text.push_str(&format!("    {}:\n      ansible_host: {}\n", m.name(), m.net.ip(m.number)));
    }
    text.push_str("  vars:\n");
    for (name, value) in vars(user, key, known_hosts) {
        text.push_str(&format!("    {name}: {value}\n"));
    }
    text
}

/// The same in INI.
pub fn ini(group: &str, machines: &[&Machine], user: &str, key: &Path, known_hosts: &Path) -> String {
    let mut text = format!("[{group}]\n");
    for m in machines {
        text.push_str(&format!("{} ansible_host={}\n", m.name(), m.net.ip(m.number)));
    }
    text.push_str(&format!("\n[{group}:vars]\n"));
    for (name, value) in vars(user, key, known_hosts) {
        text.push_str(&format!("{name}={value}\n"));
    }
    text
}

/// For `ssh -F`.
pub fn ssh_config(machines: &[&Machine], key: &Path, known_hosts: &Path) -> String {
    let mut text = String::new();
    for m in machines {
        text.push_str(&format!("Host {}\n  HostName {}\n", m.name(), m.net.ip(m.number)));
    }
    text.push_str(&format!(
        "Host h*\n  User root\n  IdentityFile \"{}\"\n  IdentitiesOnly yes\n  UserKnownHostsFile \"{}\"\n",
        key.display(),
        known_hosts.display()
    ));
    text
}

fn vars(user: &str, key: &Path, known_hosts: &Path) -> [(&'static str, String); 3] {
    [
        ("ansible_user", user.to_string()),
        ("ansible_ssh_private_key_file", key.display().to_string()),
        ("ansible_ssh_common_args", format!("-o UserKnownHostsFile={}", known_hosts.display())),
    ]
}
