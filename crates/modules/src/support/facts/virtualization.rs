//! Whether the machine is a guest, and of what.

use super::{Facts, Probe, put};
use std::collections::BTreeSet;

/// The first finding says what the machine is; the others say what else it could be taken for.
#[derive(Default)]
struct Findings {
    kind: Option<(String, &'static str)>,
    guest: BTreeSet<String>,
    host: BTreeSet<String>,
}

impl Findings {
    fn guest(&mut self, name: &str) {
        self.guest.insert(name.to_owned());
        self.kind.get_or_insert_with(|| (name.to_owned(), "guest"));
    }

    fn host(&mut self, name: &str) {
        self.host.insert(name.to_owned());
        self.kind.get_or_insert_with(|| (name.to_owned(), "host"));
    }
}

pub(super) fn virtualization(probe: &Probe<'_>, facts: &mut Facts) {
    let mut found = Findings::default();
    containers(probe, &mut found);
    firmware(probe, &mut found);
    kernel(probe, &mut found);
    hosts(probe, &mut found);
    let (kind, role) = found.kind.unwrap_or_else(|| ("NA".to_owned(), "NA"));
    put(facts, "virtualization_type", kind);
    put(facts, "virtualization_role", role);
    put(facts, "virtualization_tech_guest", found.guest.into_iter().collect::<Vec<_>>());
    put(facts, "virtualization_tech_host", found.host.into_iter().collect::<Vec<_>>());
}

fn containers(probe: &Probe<'_>, found: &mut Findings) {
    let groups = probe.text("/proc/1/cgroup").unwrap_or_default();
    let in_docker = groups
        .lines()
        .any(|line| line.contains("/docker/") || line.contains("/docker-") || line.contains("/containerd/"));
    if in_docker || probe.exists("/.dockerenv") || probe.exists("/.dockerinit") {
        found.guest("docker");
        found.guest("container");
    }
    if groups.lines().any(|line| line.contains("/lxc/") || line.contains("/lxc.payload")) {
        found.guest("lxc");
        found.guest("container");
    }
    let first = probe.text("/proc/1/environ").unwrap_or_default();
    let container = first.split('\0').find_map(|variable| variable.strip_prefix("container="));
    match container {
        Some("lxc") => found.guest("lxc"),
        Some("podman") => found.guest("podman"),
        Some(_) => {}
        None => {}
    }
    if container.is_some_and(|name| !name.is_empty()) {
        found.guest("container");
    }
    if probe.exists("/proc/vz") && !probe.exists("/proc/lve") {
        if probe.exists("/proc/bc") {
            found.host("openvz");
        } else {
            found.guest("openvz");
        }
    }
    if let Some(name) = probe.line("/run/systemd/container") {
        found.guest(&name);
    }
    if probe.exists("/proc/xen") {
        let is_host = probe.line("/proc/xen/capabilities").is_some_and(|text| text.contains("control_d"));
        if is_host {
            found.host("xen");
        } else {
            found.guest("xen");
        }
    }
}

/// By what the firmware calls the machine and its maker.
fn firmware(probe: &Probe<'_>, found: &mut Findings) {
    let dmi = |file: &str| probe.line(&format!("/sys/devices/virtual/dmi/id/{file}")).unwrap_or_default();
    let (product, vendor, family, bios) =
        (dmi("product_name"), dmi("sys_vendor"), dmi("product_family"), dmi("bios_vendor"));
    let vdsm = product == "RHEV Hypervisor" || product == "oVirt Node" || product.starts_with("RHEL");
    match product.as_str() {
        "RHEV Hypervisor" => found.guest("RHEV"),
        "oVirt Node" => found.guest("oVirt"),
        "OpenStack Compute" | "OpenStack Nova" => found.guest("openstack"),
        "VirtualBox" => found.guest("virtualbox"),
        "VMware Virtual Platform" | "VMware7,1" | "VMware20,1" => found.guest("VMware"),
        "HVM domU" => found.guest("xen"),
        _ => {}
    }
    let kvm_products = ["KVM", "KVM Server", "Bochs", "AHV", "Google Compute Engine", "Alibaba Cloud ECS"];
    let is_kvm = kvm_products.contains(&product.as_str())
        || ["QEMU", "Amazon EC2", "DigitalOcean", "Hetzner", "Linode", "Scaleway", "Nutanix"]
            .contains(&vendor.as_str())
        || (vendor == "Red Hat" && !vdsm)
        || family == "KubeVirt";
    if is_kvm {
        found.guest("kvm");
    }
    match bios.as_str() {
        "Xen" => found.guest("xen"),
        "innotek GmbH" => found.guest("virtualbox"),
        "Parallels Software International Inc." => found.guest("parallels"),
        _ => {}
    }
    match vendor.as_str() {
        "Microsoft Corporation" if product == "Virtual Machine" => found.guest("VirtualPC"),
        "Parallels Software International Inc." => found.guest("parallels"),
        "VMware, Inc." => found.guest("VMware"),
        "OpenStack Foundation" => found.guest("openstack"),
        _ => {}
    }
}

/// By what the kernel shows of the processor and its devices.
fn kernel(probe: &Probe<'_>, found: &mut Findings) {
    let status = probe.text("/proc/self/status").unwrap_or_default();
    if let Some(line) = status.lines().find_map(|line| line.strip_prefix("VxID:")) {
        if line.trim() == "0" {
            found.host("linux_vserver");
        } else {
            found.guest("linux_vserver");
        }
    }
    let cpu = probe.text("/proc/cpuinfo").unwrap_or_default();
    for line in cpu.lines() {
        if line.starts_with("model name") && line.contains("QEMU Virtual CPU") {
            found.guest("kvm");
        } else if line.starts_with("vendor_id") && line.ends_with(": User Mode Linux") {
            found.guest("uml");
        } else if line.starts_with("vendor_id") && line.contains("PowerVM Lx86") {
            found.guest("powervm_lx86");
        }
    }
    for (module, name) in [("vboxguest", "virtualbox"), ("vmballoon", "VMware"), ("xen_front", "xen")] {
        if found.kind.is_none() && probe.exists(&format!("/sys/module/{module}/refcnt")) {
            found.guest(name);
        }
    }
}

fn hosts(probe: &Probe<'_>, found: &mut Findings) {
    if probe.exists("/dev/kvm") {
        found.host("kvm");
    }
    let modules = probe.text("/proc/modules").unwrap_or_default();
    let loaded = |name: &str| modules.lines().any(|line| line.split(' ').next() == Some(name));
    if loaded("kvm") && !found.host.contains("kvm") {
        found.host("kvm");
    }
    if loaded("vboxdrv") {
        found.host("virtualbox");
    }
}
