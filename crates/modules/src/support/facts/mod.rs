//! What is known of a machine: one file per group of facts, read from /proc, /sys and /etc.
//!
//! A fact that cannot be read is left out or has the value that Ansible gives it then; gathering does not fail.

mod addresses;
mod cpu;
mod disks;
mod distribution;
mod host;
mod local;
mod network;
mod services;
mod time;
mod virtualization;

use provision_system::text::{bytes_to_text, to_path, to_text};
use provision_system::{Command, System};
use serde_json::{Map, Value};
use std::path::Path;
use std::time::Duration;

pub use local::local;

/// Facts by their names, without `ansible_`.
pub type Facts = Map<String, Value>;

/// One group of facts: the names by which `gather_subset` asks for it, and what reads it.
pub struct Collector {
    pub name: &'static str,
    /// Further names: those of its facts that Ansible takes as subsets.
    pub also: &'static [&'static str],
    /// Part of the subset `min`.
    pub minimal: bool,
    /// Groups that come with this one.
    pub needs: &'static [&'static str],
    pub collect: fn(&Probe<'_>, &mut Facts),
}

const fn group(
    name: &'static str,
    also: &'static [&'static str],
    minimal: bool,
    collect: fn(&Probe<'_>, &mut Facts),
) -> Collector {
    Collector { name, also, minimal, needs: &[], collect }
}

impl Collector {
    const fn needs(mut self, needs: &'static [&'static str]) -> Self {
        self.needs = needs;
        self
    }
}

/// All of them, in the order in which they are read.
pub const COLLECTORS: &[Collector] = &[
    group(
        "platform",
        &["system", "kernel", "kernel_version", "machine", "architecture", "machine_id"],
        true,
        host::platform,
    ),
    group(
        "distribution",
        &["distribution_version", "distribution_release", "distribution_major_version", "os_family"],
        true,
        distribution::distribution,
    ),
    group("apparmor", &[], true, services::apparmor),
    group("caps", &["system_capabilities", "system_capabilities_enforced"], true, services::capabilities),
    group("chroot", &["is_chroot"], false, host::is_chroot),
    group("cmdline", &[], true, host::command_line),
    group("date_time", &[], true, time::date_time),
    group("dns", &[], true, host::dns),
    group("env", &[], true, host::environment),
    group("fibre_channel_wwn", &[], false, disks::fibre_channel),
    group("fips", &[], true, host::fips),
    group(
        "hardware",
        &["devices", "mounts", "processor", "processor_cores", "processor_count"],
        false,
        hardware,
    )
    .needs(&["platform"]),
    group("iscsi", &[], false, disks::iscsi),
    group("loadavg", &[], false, host::load),
    group("lsb", &[], true, distribution::lsb),
    group(
        "network",
        &["interfaces", "default_ipv4", "default_ipv6", "all_ipv4_addresses", "all_ipv6_addresses"],
        false,
        network::network,
    )
    .needs(&["platform", "distribution"]),
    group("nvme", &[], false, disks::nvme),
    group("pkg_mgr", &[], true, services::package_manager).needs(&["distribution"]),
    group("selinux", &[], true, services::selinux),
    group("service_mgr", &[], true, services::service_manager).needs(&["platform", "distribution"]),
    group(
        "ssh_pub_keys",
        &[
            "ssh_host_pub_keys",
            "ssh_host_key_dsa_public",
            "ssh_host_key_rsa_public",
            "ssh_host_key_ecdsa_public",
            "ssh_host_key_ed25519_public",
        ],
        true,
        host::host_keys,
    ),
    group("systemd", &[], false, services::systemd),
    group(
        "user",
        &[
            "user_id",
            "user_uid",
            "user_gid",
            "user_gecos",
            "user_dir",
            "user_shell",
            "real_user_id",
            "effective_user_id",
            "effective_group_ids",
        ],
        true,
        host::user,
    ),
    group(
        "virtual",
        &[
            "virtualization_type",
            "virtualization_role",
            "virtualization_tech_guest",
            "virtualization_tech_host",
        ],
        false,
        virtualization::virtualization,
    ),
];

fn hardware(probe: &Probe<'_>, facts: &mut Facts) {
    cpu::processor(probe, facts);
    cpu::memory(probe, facts);
    host::firmware(probe, facts);
    host::uptime(probe, facts);
    disks::disks(probe, facts);
}

/// Looks at the machine.
pub struct Probe<'a> {
    pub sys: &'a dyn System,
    /// How long a single look may take.
    pub timeout: Duration,
}

impl Probe<'_> {
    /// A file's content without the blanks around it; None when it cannot be read or holds nothing.
    fn line(&self, path: &str) -> Option<String> {
        self.text(path).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// A file's content; None when it cannot be read.
    fn text(&self, path: &str) -> Option<String> {
        self.sys.read(&to_path(path)).ok().map(|data| bytes_to_text(&data))
    }

    fn exists(&self, path: &str) -> bool {
        self.sys.stat(&to_path(path), true).is_ok_and(|meta| meta.is_some())
    }

    /// Names in a directory; none when it cannot be read.
    fn names(&self, dir: &str) -> Vec<String> {
        let names = self.sys.read_dir(&to_path(dir)).unwrap_or_default();
        names.iter().map(|name| to_text(name)).collect()
    }

    /// The last component of where a symbolic link points.
    fn link_name(&self, path: &str) -> Option<String> {
        let target = self.sys.read_link(&to_path(path)).ok()?;
        target.file_name().map(to_text)
    }

    fn has_program(&self, name: &str) -> bool {
        self.sys.find_program(name).is_ok_and(|path| path.is_some())
    }

    /// What a command prints; None when it is missing, takes too long or fails.
    fn ask(&self, argv: &[&str]) -> Option<String> {
        let mut command = Command::new(argv).env("LC_ALL", "C");
        command.timeout = Some(self.timeout);
        let output = self.sys.query(&command).ok()?;
        output.ok().then(|| output.out())
    }

    /// Device and inode of a path.
    fn node(&self, path: &str) -> Option<(u64, u64)> {
        self.sys.stat(Path::new(path), true).ok()?.map(|meta| (meta.dev, meta.ino))
    }
}

/// Adds a fact.
fn put(facts: &mut Facts, name: &str, value: impl Into<Value>) {
    facts.insert(name.to_owned(), value.into());
}

/// The value of `key` in lines of `key=value` as in os-release, unquoted.
fn assigned(text: &str, key: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (name, value) = line.trim().split_once('=')?;
        (name == key).then(|| value.trim().trim_matches(['"', '\'']).to_owned())
    })
}
