//! Inventories: the first byte says whether the rest is YAML, INI, or decided by its look.
#![no_main]

use libfuzzer_sys::fuzz_target;
use provision_project::inventory::Inventory;
use provision_source::{Diagnostics, Sources};
use std::path::Path;

fuzz_target!(|data: &[u8]| {
    let Some((kind, text)) = data.split_first() else { return };
    let name = ["hosts.yml", "hosts.ini", "hosts"][usize::from(*kind) % 3];
    let sources = Sources::new();
    let mut diags = Diagnostics::new();
    let inventory = Inventory::read_bytes(&sources, Path::new(name), text.to_vec(), &mut diags);
    for host in inventory.hosts.values().take(100) {
        let _ = inventory.vars_of(host);
        let _ = inventory.group_names(host);
    }
    let _ = provision_source::render(&diags, &sources, false, Some(80));
});
