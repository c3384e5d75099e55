//! Block devices, file systems and what else holds data.

use super::{Facts, Probe, put};
use provision_system::text::{bytes_to_text, text_to_bytes};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub(super) fn disks(probe: &Probe<'_>, facts: &mut Facts) {
    let links = Links::read(probe);
    put(facts, "device_links", links.facts());
    put(facts, "devices", devices(probe, &links));
    put(facts, "mounts", mounts(probe, &links));
    put(facts, "lvm", volumes(probe));
}

/// Logical volumes, with sizes in GiB. LVM's programs are only asked where the kernel has mapped devices or LVM has
/// seen a volume: each of them takes longer than all other facts together.
fn volumes(probe: &Probe<'_>) -> Value {
    if probe.sys.identity().uid != 0 || !probe.has_program("vgs") {
        return "N/A".into();
    }
    let mapped = probe.names("/sys/block").iter().any(|name| name.starts_with("dm-"));
    let any = mapped || !probe.names("/run/lvm/pvs_online").is_empty();
    let table = |program: &str| -> Vec<Vec<String>> {
        let argv = [program, "--noheadings", "--nosuffix", "--units", "g", "--separator", ","];
        let text = if any { probe.ask(&argv).unwrap_or_default() } else { String::new() };
        text.lines().map(|line| line.trim().split(',').map(str::to_owned).collect()).collect()
    };
    let (mut vgs, mut lvs, mut pvs) = (Map::new(), Map::new(), Map::new());
    for row in table("vgs") {
        if let [name, _, volumes, _, _, size, free] = row.as_slice() {
            put(
                &mut vgs,
                name,
                json!({"size_g": size, "free_g": free, "num_lvs": volumes, "num_pvs": row[1]}),
            );
        }
    }
    for row in table("lvs") {
        if let [name, group, _, size, ..] = row.as_slice() {
            put(&mut lvs, name, json!({"size_g": size, "vg": group}));
        }
    }
    for row in table("pvs") {
        if let [device, group, _, _, size, free] = row.as_slice() {
            put(&mut pvs, device, json!({"size_g": size, "free_g": free, "vg": group}));
        }
    }
    json!({"lvs": lvs, "vgs": vgs, "pvs": pvs})
}

/// Names under /dev/disk, by device.
struct Links {
    /// In the order ids, labels, uuids.
    by: [BTreeMap<String, Vec<String>>; 3],
    masters: BTreeMap<String, Vec<String>>,
}

impl Links {
    fn read(probe: &Probe<'_>) -> Self {
        let by = ["by-id", "by-label", "by-uuid"].map(|dir| {
            let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for name in probe.names(&format!("/dev/disk/{dir}")) {
                if let Some(device) = probe.link_name(&format!("/dev/disk/{dir}/{name}")) {
                    found.entry(device).or_default().push(unescape(&name));
                }
            }
            found
        });
        let mut masters: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for device in probe.names("/sys/block") {
            for slave in probe.names(&format!("/sys/block/{device}/slaves")) {
                masters.entry(slave).or_default().push(device.clone());
            }
        }
        Self { by, masters }
    }

    fn facts(&self) -> Value {
        let [ids, labels, uuids] = &self.by;
        json!({"ids": ids, "labels": labels, "uuids": uuids, "masters": self.masters})
    }

    fn of(&self, device: &str) -> Value {
        let get = |map: &BTreeMap<String, Vec<String>>| map.get(device).cloned().unwrap_or_default();
        let [ids, labels, uuids] = &self.by;
        json!({"ids": get(ids), "labels": get(labels), "uuids": get(uuids), "masters": get(&self.masters)})
    }

    fn uuid(&self, device: &str) -> Option<&str> {
        self.by[2].get(device)?.first().map(String::as_str)
    }
}

/// `\x20` as udev writes special bytes.
fn unescape(name: &str) -> String {
    let bytes = text_to_bytes(name);
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at..at + 4).filter(|part| part.starts_with(b"\\x"));
        let byte = hex.and_then(|part| u8::from_str_radix(std::str::from_utf8(&part[2..]).ok()?, 16).ok());
        out.push(byte.unwrap_or(bytes[at]));
        at += if byte.is_some() { 4 } else { 1 };
    }
    bytes_to_text(&out)
}

fn devices(probe: &Probe<'_>, links: &Links) -> Map<String, Value> {
    let mut found = Map::new();
    for name in probe.names("/sys/block") {
        let base = format!("/sys/block/{name}");
        let line = |file: &str| probe.line(&format!("{base}/{file}"));
        let optional = |file: &str| line(file).map_or(Value::Null, Value::from);
        // Kernel sectors have 512 bytes, whatever the disk's have.
        let sectors: u64 = line("size").and_then(|size| size.parse().ok()).unwrap_or(0);
        let sector_size = line("queue/logical_block_size").or_else(|| line("queue/hw_sector_size"));
        let mut partitions = Map::new();
        for part in probe.names(&base) {
            let number = |file: &str| probe.line(&format!("{base}/{part}/{file}"));
            let Some(start) = number("start").filter(|_| part.starts_with(&name)) else { continue };
            let sectors: u64 = number("size").and_then(|size| size.parse().ok()).unwrap_or(0);
            let described = json!({
                "holders": holders(probe, &format!("{base}/{part}")),
                "links": links.of(&part),
                "sectors": sectors,
                "sectorsize": 512,
                "size": human(sectors.saturating_mul(512)),
                "start": start,
                "uuid": links.uuid(&part),
            });
            partitions.insert(part, described);
        }
        let scheduler = line("queue/scheduler").unwrap_or_default();
        let scheduler = scheduler.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
        found.insert(
            name.clone(),
            json!({
                "holders": holders(probe, &base),
                "host": "",
                "links": links.of(&name),
                "model": optional("device/model"),
                "partitions": partitions,
                "removable": optional("removable"),
                "rotational": optional("queue/rotational"),
                "sas_address": Value::Null,
                "sas_device_handle": Value::Null,
                "scheduler_mode": scheduler.map(|(name, _)| name).unwrap_or_default(),
                "sectors": sectors,
                "sectorsize": sector_size.unwrap_or_else(|| "512".to_owned()),
                "size": human(sectors.saturating_mul(512)),
                "support_discard": line("queue/discard_granularity").unwrap_or_else(|| "0".to_owned()),
                "vendor": optional("device/vendor"),
                "virtual": 1,
            }),
        );
    }
    found
}

/// What is built upon a device; device mapper's by their names.
fn holders(probe: &Probe<'_>, base: &str) -> Vec<String> {
    let name = |holder: String| probe.line(&format!("{base}/holders/{holder}/dm/name")).unwrap_or(holder);
    probe.names(&format!("{base}/holders")).into_iter().map(name).collect()
}

/// As Ansible prints a size: `256.00 GB`.
fn human(bytes: u64) -> String {
    let units = [("TB", 40), ("GB", 30), ("MB", 20), ("KB", 10)];
    match units.iter().find(|(_, shift)| bytes >> shift > 0) {
        Some((unit, shift)) => format!("{:.2} {unit}", bytes as f64 / (1_u64 << shift) as f64),
        None => format!("{:.2} Bytes", bytes as f64),
    }
}

/// File systems on a device or over the network.
fn mounts(probe: &Probe<'_>, links: &Links) -> Vec<Value> {
    let text = probe.text("/proc/self/mounts").or_else(|| probe.text("/etc/mtab")).unwrap_or_default();
    let binds = binds(&probe.text("/proc/self/mountinfo").unwrap_or_default());
    let mut found: Vec<(String, Map<String, Value>)> = Vec::new();
    for line in text.lines() {
        let words: Vec<String> = line.split_whitespace().map(octal_escapes).collect();
        let [device, mount, fstype, options, rest @ ..] = words.as_slice() else { continue };
        if fstype == "none" || !(device.starts_with(['/', '\\']) || device.contains(":/")) {
            continue;
        }
        let number = |at: usize| rest.get(at).and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
        let bound = binds.contains(mount) && !options.split(',').any(|option| option == "bind");
        let name = device.rsplit('/').next().unwrap_or_default();
        let mut fields = Map::new();
        put(&mut fields, "mount", mount.as_str());
        put(&mut fields, "device", device.as_str());
        put(&mut fields, "fstype", fstype.as_str());
        put(&mut fields, "options", format!("{options}{}", if bound { ",bind" } else { "" }));
        put(&mut fields, "dump", number(0));
        put(&mut fields, "passno", number(1));
        put(&mut fields, "uuid", links.uuid(name).unwrap_or("N/A"));
        // What is mounted over something hides it.
        match found.iter_mut().find(|(name, _)| name == mount) {
            Some((_, hidden)) => *hidden = fields,
            None => found.push((mount.clone(), fields)),
        }
    }
    sizes(probe, &mut found);
    found.into_iter().map(|(_, fields)| fields.into()).collect()
}

/// Mount points that show a part of a file system only.
fn binds(mountinfo: &str) -> Vec<String> {
    let bound = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let fstype = words.iter().position(|word| *word == "-").and_then(|at| words.get(at + 1));
        // A subvolume of btrfs is no bind mount.
        (words.get(3) != Some(&"/") && fstype != Some(&"btrfs"))
            .then(|| octal_escapes(words.get(4)?).into())
            .flatten()
    };
    mountinfo.lines().filter_map(bound).collect()
}

/// `\040` as the kernel writes blanks.
fn octal_escapes(word: &str) -> String {
    let mut out = String::new();
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        match after.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                out.push(char::from(byte));
                rest = &after[3..];
            }
            None => {
                out.push('\\');
                rest = after;
            }
        }
    }
    out + rest
}

/// Asks `stat` for all file systems at once; if one keeps it waiting, none has sizes.
fn sizes(probe: &Probe<'_>, mounts: &mut [(String, Map<String, Value>)]) {
    if mounts.is_empty() {
        return;
    }
    let mut argv = vec!["stat", "-f", "-c", "%n|%s %S %b %a %c %d", "--"];
    argv.extend(mounts.iter().map(|(mount, _)| mount.as_str()));
    let mut command = provision_system::Command::new(argv.into_iter().map(provision_system::text::to_os));
    command.timeout = Some(probe.timeout);
    let Ok(output) = probe.sys.query(&command) else { return };
    // It fails when one of them does, and tells the others nevertheless.
    let text = output.out();
    for (mount, fields) in mounts {
        let numbers = text.lines().find_map(|line| {
            let (name, numbers) = line.rsplit_once('|')?;
            (name == mount)
                .then(|| numbers.split(' ').map_while(|number| number.parse().ok()).collect::<Vec<u64>>())
        });
        let Some(&[block, fragment, total, available, inodes, inodes_free]) = numbers.as_deref() else {
            continue;
        };
        put(fields, "size_total", fragment * total);
        put(fields, "size_available", fragment * available);
        put(fields, "block_size", block);
        put(fields, "block_total", total);
        put(fields, "block_available", available);
        put(fields, "block_used", total.saturating_sub(available));
        put(fields, "inode_total", inodes);
        put(fields, "inode_available", inodes_free);
        put(fields, "inode_used", inodes.saturating_sub(inodes_free));
    }
}

pub(super) fn fibre_channel(probe: &Probe<'_>, facts: &mut Facts) {
    let port = |host: String| probe.line(&format!("/sys/class/fc_host/{host}/port_name"));
    let names: Vec<String> = probe.names("/sys/class/fc_host").into_iter().filter_map(port).collect();
    let names = names.into_iter().map(|name| name.trim_start_matches("0x").to_owned());
    put(facts, "fibre_channel_wwn", names.collect::<Vec<_>>());
}

pub(super) fn iscsi(probe: &Probe<'_>, facts: &mut Facts) {
    let text = probe.text("/etc/iscsi/initiatorname.iscsi").unwrap_or_default();
    let name = text.lines().find_map(|line| line.trim().strip_prefix("InitiatorName="));
    put(facts, "iscsi_iqn", name.unwrap_or_default());
}

pub(super) fn nvme(probe: &Probe<'_>, facts: &mut Facts) {
    let text = probe.text("/etc/nvme/hostnqn").unwrap_or_default();
    let name = text.lines().map(str::trim).find(|line| line.starts_with("nqn."));
    put(facts, "hostnqn", name.unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_sizes() {
        assert_eq!(unescape(r"a\x20b\x2f"), "a b/");
        assert_eq!(octal_escapes(r"/mnt/a\040b\134"), r"/mnt/a b\");
        assert_eq!(human(274_877_906_944), "256.00 GB");
        assert_eq!(human(0), "0.00 Bytes");
        assert_eq!(human(1536), "1.50 KB");
    }
}
