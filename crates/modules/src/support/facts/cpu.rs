//! Processors and memory.

use super::{Facts, Probe, put};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What /proc/cpuinfo tells. Where it names no sockets (ARM, many virtual machines) every processor is one.
pub(super) fn processor(probe: &Probe<'_>, facts: &mut Facts) {
    let Some(text) = probe.text("/proc/cpuinfo") else { return };
    let mut list: Vec<Value> = Vec::new();
    // By socket: cores and siblings as the processors of it say.
    let mut sockets: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut processors: u64 = 0;
    let mut socket = String::new();
    for line in text.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        let number = || value.parse::<u64>().unwrap_or(1).max(1);
        match name.trim() {
            "processor" => {
                processors += 1;
                socket.clear();
                list.push(value.into());
            }
            // The keys by which the architectures name a processor.
            "model name" | "Processor" | "vendor_id" | "cpu" | "Vendor" => list.push(value.into()),
            "physical id" => {
                value.clone_into(&mut socket);
                sockets.entry(socket.clone()).or_insert((1, 1));
            }
            "cpu cores" => sockets.entry(socket.clone()).or_insert((1, 1)).0 = number(),
            "siblings" => sockets.entry(socket.clone()).or_insert((1, 1)).1 = number(),
            "flags" | "Features" if !facts.contains_key("flags") => {
                put(facts, "flags", value.split_whitespace().collect::<Vec<_>>());
            }
            _ => {}
        }
    }
    let (count, cores, threads) = match sockets.values().next() {
        Some(&(cores, siblings)) => (sockets.len() as u64, cores, (siblings / cores).max(1)),
        None => (processors.max(1), 1, 1),
    };
    let available = available(probe).unwrap_or(processors);
    put(facts, "processor", list);
    put(facts, "processor_count", count);
    put(facts, "processor_cores", cores);
    put(facts, "processor_threads_per_core", threads);
    put(facts, "processor_vcpus", count * cores * threads);
    put(facts, "processor_nproc", available);
}

/// On how many processors this process may run.
fn available(probe: &Probe<'_>) -> Option<u64> {
    let status = probe.text("/proc/self/status")?;
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    list.trim().split(',').try_fold(0, |sum, range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(sum + last.parse::<u64>().ok()?.checked_sub(first.parse().ok()?)? + 1)
    })
}

/// In MiB.
pub(super) fn memory(probe: &Probe<'_>, facts: &mut Facts) {
    let Some(text) = probe.text("/proc/meminfo") else { return };
    let kib = |name: &str| -> u64 {
        let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        found.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    };
    let mib = |name: &str| kib(name) / 1024;
    let (total, free) = (mib("MemTotal"), mib("MemFree"));
    let really_free = (kib("MemFree") + kib("Cached") + kib("Buffers")) / 1024;
    let (swap_total, swap_free) = (mib("SwapTotal"), mib("SwapFree"));
    put(facts, "memtotal_mb", total);
    put(facts, "memfree_mb", free);
    put(facts, "swaptotal_mb", swap_total);
    put(facts, "swapfree_mb", swap_free);
    put(
        facts,
        "memory_mb",
        json!({
            "real": {"total": total, "used": total.saturating_sub(free), "free": free},
            "nocache": {"free": really_free, "used": total.saturating_sub(really_free)},
            "swap": {"total": swap_total, "free": swap_free,
                "used": swap_total.saturating_sub(swap_free), "cached": mib("SwapCached")},
        }),
    );
}
