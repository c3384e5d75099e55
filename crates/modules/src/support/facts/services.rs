//! What manages the machine: services, packages, mandatory access control.

use super::{Facts, Probe, put};
use serde_json::{Value, json};

/// By the name of the first process; where that is a shell or unknown, by what is installed.
pub(super) fn service_manager(probe: &Probe<'_>, facts: &mut Facts) {
    let first = probe.line("/proc/1/comm").unwrap_or_default();
    let name = match first.as_str() {
        "systemd" => "systemd".to_owned(),
        "procd" => "openwrt_init".to_owned(),
        "runit-init" => "runit".to_owned(),
        "" | "init" | "sh" | "bash" | "dash" => installed_manager(probe).to_owned(),
        "openrc-init" => "openrc".to_owned(),
        name => name.to_owned(),
    };
    put(facts, "service_mgr", name);
}

fn installed_manager(probe: &Probe<'_>) -> &'static str {
    let any = |paths: &[&str]| paths.iter().any(|path| probe.exists(path));
    let is_systemd = || {
        let init = ["/sbin/init", "/usr/sbin/init"];
        init.iter().any(|path| probe.link_name(path).as_deref() == Some("systemd"))
    };
    match () {
        () if any(&["/run/systemd/system", "/dev/.run/systemd", "/dev/.systemd"]) => "systemd",
        () if probe.has_program("initctl") && probe.exists("/etc/init/") => "upstart",
        () if any(&["/sbin/openrc"]) => "openrc",
        () if is_systemd() => "systemd",
        () if any(&["/etc/init.d/"]) => "sysvinit",
        () if any(&["/etc/dinit.d/"]) => "dinit",
        () => "service",
    }
}

/// The program that installs packages. Where there are several, the distribution's own.
pub(super) fn package_manager(probe: &Probe<'_>, facts: &mut Facts) {
    let family = facts.get("os_family").and_then(Value::as_str).unwrap_or_default().to_owned();
    let any = |paths: &[&str]| paths.iter().any(|path| probe.exists(path));
    let dnf = || match () {
        () if any(&["/usr/bin/microdnf"]) && !any(&["/usr/bin/dnf", "/usr/bin/dnf5"]) => Some("dnf"),
        () if probe.link_name("/usr/bin/dnf").as_deref() == Some("dnf5") => Some("dnf5"),
        () if any(&["/usr/bin/dnf", "/usr/bin/dnf-3"]) => Some("dnf"),
        () if any(&["/usr/bin/dnf5"]) => Some("dnf5"),
        () if any(&["/usr/bin/yum"]) => Some("yum"),
        () => None,
    };
    let found = match family.as_str() {
        "RedHat" if probe.exists("/run/ostree-booted") => Some("atomic_container"),
        "RedHat" => dnf(),
        "Debian" if any(&["/usr/bin/apt-get"]) => Some("apt"),
        _ => None,
    };
    let found = found.or_else(|| {
        [
            ("/usr/bin/apt-get", if family == "Altlinux" { "apt_rpm" } else { "apt" }),
            ("/usr/bin/zypper", "zypper"),
            ("/usr/bin/pacman", "pacman"),
            ("/sbin/apk", "apk"),
            ("/usr/bin/emerge", "portage"),
            ("/usr/bin/xbps-install", "xbps"),
            ("/bin/opkg", "opkg"),
            ("/usr/bin/swupd", "swupd"),
            ("/usr/sbin/swupd", "swupd"),
            ("/usr/sbin/urpmi", "urpmi"),
            ("/usr/sbin/pkg", "pkgng"),
        ]
        .iter()
        .find(|(path, _)| probe.exists(path))
        .map(|(_, name)| *name)
        .or_else(dnf)
    });
    put(facts, "pkg_mgr", found.unwrap_or("unknown"));
}

/// Version of systemd and what it is built with.
pub(super) fn systemd(probe: &Probe<'_>, facts: &mut Facts) {
    if !probe.exists("/run/systemd/system") {
        return;
    }
    let Some(text) = probe.ask(&["systemctl", "--version"]) else { return };
    let mut lines = text.lines();
    let version = lines.next().and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    if let Some(version) = version {
        put(facts, "systemd", json!({"version": version, "features": lines.next().unwrap_or_default()}));
    }
}

pub(super) fn selinux(probe: &Probe<'_>, facts: &mut Facts) {
    let config = probe.text("/etc/selinux/config").unwrap_or_default();
    let setting = |name: &str| super::assigned(&config, name).unwrap_or_else(|| "unknown".to_owned());
    let selinux = match probe.line("/sys/fs/selinux/enforce") {
        None => json!({"status": "disabled"}),
        Some(enforce) => {
            let version = probe.line("/sys/fs/selinux/policyvers");
            let version = version.and_then(|version| version.parse::<u64>().ok());
            json!({
                "status": "enabled",
                "policyvers": version.map_or_else(|| "unknown".into(), Value::from),
                "config_mode": setting("SELINUX"),
                "mode": if enforce == "1" { "enforcing" } else { "permissive" },
                "type": setting("SELINUXTYPE"),
            })
        }
    };
    put(facts, "selinux", selinux);
    // Ansible tells so whether it can look; we always can.
    put(facts, "selinux_python_present", true);
}

pub(super) fn apparmor(probe: &Probe<'_>, facts: &mut Facts) {
    let enabled = probe.exists("/sys/kernel/security/apparmor");
    put(facts, "apparmor", json!({"status": if enabled { "enabled" } else { "disabled" }}));
}

/// What the kernel lets the module's process do. All capabilities: nothing is enforced.
pub(super) fn capabilities(probe: &Probe<'_>, facts: &mut Facts) {
    let status = probe.text("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let Some(mask) = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()) else {
        put(facts, "system_capabilities", Vec::<Value>::new());
        return put(facts, "system_capabilities_enforced", "NA");
    };
    let last = probe.line("/proc/sys/kernel/cap_last_cap").and_then(|last| last.parse::<u32>().ok());
    let all = u64::MAX >> (63 - last.unwrap_or(40).min(63));
    if mask & all == all {
        put(facts, "system_capabilities", Vec::<Value>::new());
        return put(facts, "system_capabilities_enforced", "False");
    }
    let names = CAPABILITIES.iter().enumerate().filter(|(bit, _)| mask >> bit & 1 == 1);
    put(facts, "system_capabilities", names.map(|(_, name)| format!("cap_{name}")).collect::<Vec<_>>());
    put(facts, "system_capabilities_enforced", "True");
}

/// Names by bit (linux/capability.h).
const CAPABILITIES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];
