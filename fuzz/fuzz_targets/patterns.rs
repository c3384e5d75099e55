//! Host patterns over a small inventory.
#![no_main]

use libfuzzer_sys::fuzz_target;
use provision_project::inventory::Inventory;
use provision_source::{Diagnostics, Sources};
use std::path::Path;
use std::sync::OnceLock;

static INVENTORY: OnceLock<Inventory> = OnceLock::new();

fuzz_target!(|pattern: &str| {
    let inventory = INVENTORY.get_or_init(|| {
        let text = "[web]\nweb[01:20].example.com\n[db]\ndb-[a:c] x=1\n2001:db8::1\n[all_of:children]\nweb\ndb\n";
        let mut diags = Diagnostics::new();
        Inventory::read_bytes(&Sources::new(), Path::new("hosts.ini"), text.into(), &mut diags)
    });
    let _ = inventory.select(pattern);
    // A limit may name files.
    if !pattern.contains('@') {
        let _ = inventory.limit(inventory.hosts.values().collect(), pattern);
    }
});
