//! Names, kernel, user, environment and firmware.

use super::{Facts, Probe, put};
use provision_system::text::to_text;
use serde_json::{Map, Value, json};
use std::io::Read;
use std::net::IpAddr;
use std::path::Path;

pub(super) fn platform(probe: &Probe<'_>, facts: &mut Facts) {
    put(facts, "system", "Linux");
    for (name, file) in [("kernel", "osrelease"), ("kernel_version", "version")] {
        put(facts, name, probe.line(&format!("/proc/sys/kernel/{file}")).unwrap_or_default());
    }
    let machine = probe
        .line("/proc/sys/kernel/arch")
        .or_else(|| probe.ask(&["uname", "-m"]).map(|text| text.trim().to_owned()))
        .unwrap_or_default();
    put(facts, "machine", machine.clone());
    put(facts, "architecture", if is_x86_32(&machine) { "i386" } else { &machine });
    let bits = userspace_bits(probe).unwrap_or("64");
    let userspace = match (machine.as_str(), bits) {
        ("x86_64", "32") => "i386",
        (machine, _) if is_x86_32(machine) => "i386",
        (machine, _) => machine,
    };
    put(facts, "userspace_bits", bits);
    put(facts, "userspace_architecture", userspace);
    let node = probe.line("/proc/sys/kernel/hostname").unwrap_or_default();
    let fqdn = full_name(probe, &node);
    put(facts, "hostname", node.split('.').next().unwrap_or_default());
    put(facts, "domain", fqdn.split_once('.').map_or("", |(_, domain)| domain));
    put(facts, "fqdn", fqdn);
    put(facts, "nodename", node);
    let id = probe.line("/var/lib/dbus/machine-id").or_else(|| probe.line("/etc/machine-id"));
    if let Some(id) = id {
        put(facts, "machine_id", id);
    }
}

/// i386, i486, i586, i686.
fn is_x86_32(machine: &str) -> bool {
    machine.len() == 4 && machine.starts_with('i') && machine.ends_with("86")
}

/// By the header of a program that every machine has.
fn userspace_bits(probe: &Probe<'_>) -> Option<&'static str> {
    let mut start = [0; 5];
    probe.sys.open(Path::new("/bin/sh")).ok()?.read_exact(&mut start).ok()?;
    match start {
        [0x7f, b'E', b'L', b'F', 1] => Some("32"),
        [0x7f, b'E', b'L', b'F', 2] => Some("64"),
        _ => None,
    }
}

/// As Python's `getfqdn`: the first name with a dot that the address of the machine's name has, else the first.
fn full_name(probe: &Probe<'_>, node: &str) -> String {
    if node.is_empty() {
        return "localhost".to_owned();
    }
    let hosts = probe.text("/etc/hosts").unwrap_or_default();
    let names = names_of(&hosts, node).or_else(|| {
        let answer = probe.ask(&["getent", "ahosts", node])?;
        let address: IpAddr = answer.split_whitespace().next()?.parse().ok()?;
        let back = names_at(&hosts, address);
        if !back.is_empty() {
            return Some(back);
        }
        let answer = probe.ask(&["getent", "hosts", &address.to_string()])?;
        Some(answer.lines().next()?.split_whitespace().skip(1).map(str::to_owned).collect())
    });
    let names = names.unwrap_or_default();
    let dotted = names.iter().find(|name| name.contains('.'));
    dotted.or(names.first()).cloned().unwrap_or_else(|| node.to_owned())
}

/// The names of the address that the hosts file gives `node`; an IPv4 address goes first.
fn names_of(hosts: &str, node: &str) -> Option<Vec<String>> {
    let mut found: Vec<IpAddr> = entries(hosts)
        .filter(|(_, names)| names.iter().any(|name| name.eq_ignore_ascii_case(node)))
        .map(|(address, _)| address)
        .collect();
    found.sort_by_key(IpAddr::is_ipv6);
    found.first().map(|address| names_at(hosts, *address))
}

/// The names on the first line of an address.
fn names_at(hosts: &str, address: IpAddr) -> Vec<String> {
    let line = entries(hosts).find(|(found, _)| *found == address);
    line.map(|(_, names)| names.into_iter().map(str::to_owned).collect()).unwrap_or_default()
}

fn entries(hosts: &str) -> impl Iterator<Item = (IpAddr, Vec<&str>)> {
    hosts.lines().filter_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        Some((words.next()?.parse().ok()?, words.collect()))
    })
}

/// A chroot shows another root directory than the first process has.
pub(super) fn is_chroot(probe: &Probe<'_>, facts: &mut Facts) {
    let chroot = probe.sys.environment().contains_key(std::ffi::OsStr::new("debian_chroot"))
        || match (probe.node("/"), probe.node("/proc/1/root/.")) {
            (Some(here), Some(first)) => here != first,
            // Without the right to look: the usual inode of a root directory.
            (Some((_, inode)), None) => {
                let fstype = probe.text("/proc/self/mounts").and_then(|mounts| {
                    let root = mounts.lines().rfind(|line| line.split(' ').nth(1) == Some("/"))?.to_owned();
                    root.split(' ').nth(2).map(str::to_owned)
                });
                let usual = match fstype.as_deref() {
                    Some("btrfs") => 256,
                    Some("xfs") => 128,
                    _ => 2,
                };
                inode != usual
            }
            (None, _) => false,
        };
    put(facts, "is_chroot", chroot);
}

/// The kernel's parameters: with the last value of each, and with all.
pub(super) fn command_line(probe: &Probe<'_>, facts: &mut Facts) {
    let line = probe.line("/proc/cmdline").unwrap_or_default();
    let words = crate::support::words::split(&line)
        .unwrap_or_else(|_| line.split_whitespace().map(str::to_owned).collect());
    let (mut last, mut all) = (Map::new(), Map::new());
    for word in &words {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Value::from(value)),
            None => (word.as_str(), Value::Bool(true)),
        };
        last.insert(name.to_owned(), value.clone());
        match all.get_mut(name) {
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = json!([first.take(), value]),
            None => drop(all.insert(name.to_owned(), value)),
        }
    }
    put(facts, "cmdline", last);
    put(facts, "proc_cmdline", all);
}

/// What resolv.conf(5) says.
pub(super) fn dns(probe: &Probe<'_>, facts: &mut Facts) {
    let text = probe.text("/etc/resolv.conf").unwrap_or_default();
    let mut dns = Map::new();
    for line in text.lines().filter(|line| !line.starts_with(['#', ';'])) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.split_first() {
            Some((&"nameserver", values)) => {
                if let Value::Array(list) = dns.entry("nameservers").or_insert_with(|| json!([])) {
                    list.extend(values.iter().map(|value| Value::from(*value)));
                }
            }
            Some((&"domain", [name, ..])) => drop(dns.insert("domain".to_owned(), (*name).into())),
            Some((name @ (&"search" | &"sortlist"), values)) => {
                dns.insert((*name).to_owned(), values.into());
            }
            Some((&"options", values)) => {
                let options = values.iter().map(|option| match option.split_once(':') {
                    Some((name, value)) => (name.to_owned(), Value::from(value)),
                    None => ((*option).to_owned(), Value::Bool(true)),
                });
                dns.insert("options".to_owned(), options.collect::<Map<_, _>>().into());
            }
            _ => {}
        }
    }
    put(facts, "dns", dns);
}

pub(super) fn environment(probe: &Probe<'_>, facts: &mut Facts) {
    let variables = probe.sys.environment();
    let env: Map<_, _> =
        variables.iter().map(|(name, value)| (to_text(name), Value::from(to_text(value)))).collect();
    put(facts, "env", env);
}

pub(super) fn fips(probe: &Probe<'_>, facts: &mut Facts) {
    put(facts, "fips", probe.line("/proc/sys/crypto/fips_enabled").as_deref() == Some("1"));
}

pub(super) fn load(probe: &Probe<'_>, facts: &mut Facts) {
    let Some(text) = probe.line("/proc/loadavg") else { return };
    let mut loads = Map::new();
    for (name, load) in ["1m", "5m", "15m"].iter().zip(text.split(' ')) {
        loads.insert((*name).to_owned(), load.parse::<f64>().map_or(Value::Null, Value::from));
    }
    put(facts, "loadavg", loads);
}

/// The public keys by which sshd is known.
pub(super) fn host_keys(probe: &Probe<'_>, facts: &mut Facts) {
    for dir in ["/etc/ssh", "/etc/openssh", "/etc"] {
        let mut any = false;
        for kind in ["dsa", "rsa", "ecdsa", "ed25519"] {
            let Some(text) = probe.line(&format!("{dir}/ssh_host_{kind}_key.pub")) else { continue };
            let mut words = text.split_whitespace();
            if let (Some(keytype), Some(key)) = (words.next(), words.next()) {
                any = true;
                put(facts, &format!("ssh_host_key_{kind}_public"), key);
                put(facts, &format!("ssh_host_key_{kind}_public_keytype"), keytype);
            }
        }
        if any {
            return;
        }
    }
}

pub(super) fn user(probe: &Probe<'_>, facts: &mut Facts) {
    let me = probe.sys.identity();
    put(facts, "user_id", me.user.clone());
    put(facts, "user_uid", me.uid);
    put(facts, "user_gid", me.gid);
    put(facts, "user_dir", to_text(me.home.as_os_str()));
    if let Ok(Some(user)) = probe.sys.user(&me.user) {
        put(facts, "user_gid", user.gid);
        put(facts, "user_gecos", user.gecos);
        put(facts, "user_dir", to_text(user.home.as_os_str()));
        put(facts, "user_shell", to_text(user.shell.as_os_str()));
    }
    for kind in ["real", "effective"] {
        put(facts, &format!("{kind}_user_id"), me.uid);
        put(facts, &format!("{kind}_group_id"), me.gid);
    }
}

/// Seconds since the machine was started.
pub(super) fn uptime(probe: &Probe<'_>, facts: &mut Facts) {
    let seconds = probe.line("/proc/uptime").and_then(|text| text.split('.').next()?.parse::<u64>().ok());
    if let Some(seconds) = seconds {
        put(facts, "uptime_seconds", seconds);
    }
}

/// What the firmware says of the machine (DMI).
pub(super) fn firmware(probe: &Probe<'_>, facts: &mut Facts) {
    for (fact, file) in [
        ("bios_date", "bios_date"),
        ("bios_vendor", "bios_vendor"),
        ("bios_version", "bios_version"),
        ("board_asset_tag", "board_asset_tag"),
        ("board_name", "board_name"),
        ("board_serial", "board_serial"),
        ("board_vendor", "board_vendor"),
        ("board_version", "board_version"),
        ("chassis_asset_tag", "chassis_asset_tag"),
        ("chassis_serial", "chassis_serial"),
        ("chassis_vendor", "chassis_vendor"),
        ("chassis_version", "chassis_version"),
        ("product_name", "product_name"),
        ("product_serial", "product_serial"),
        ("product_uuid", "product_uuid"),
        ("product_version", "product_version"),
        ("system_vendor", "sys_vendor"),
    ] {
        let value = probe.line(&format!("/sys/devices/virtual/dmi/id/{file}"));
        put(facts, fact, value.unwrap_or_else(|| "NA".to_owned()));
    }
    let form = probe.line("/sys/devices/virtual/dmi/id/chassis_type").map(|number| {
        let name = number.parse::<usize>().ok().and_then(|number| FORM_FACTORS.get(number));
        name.map_or_else(|| format!("unknown ({number})"), |name| (*name).to_owned())
    });
    put(facts, "form_factor", form.unwrap_or_else(|| "NA".to_owned()));
}

/// System Management BIOS reference specification, table "System Enclosure or Chassis Types".
const FORM_FACTORS: [&str; 37] = [
    "Unknown",
    "Other",
    "Unknown",
    "Desktop",
    "Low Profile Desktop",
    "Pizza Box",
    "Mini Tower",
    "Tower",
    "Portable",
    "Laptop",
    "Notebook",
    "Hand Held",
    "Docking Station",
    "All In One",
    "Sub Notebook",
    "Space-saving",
    "Lunch Box",
    "Main Server Chassis",
    "Expansion Chassis",
    "Sub Chassis",
    "Bus Expansion Chassis",
    "Peripheral Chassis",
    "RAID Chassis",
    "Rack Mount Chassis",
    "Sealed-case PC",
    "Multi-system",
    "CompactPCI",
    "AdvancedTCA",
    "Blade",
    "Blade Enclosure",
    "Tablet",
    "Convertible",
    "Detachable",
    "IoT Gateway",
    "Embedded PC",
    "Mini PC",
    "Stick PC",
];
