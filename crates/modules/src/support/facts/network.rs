//! Interfaces, addresses and the routes to everywhere.

use super::addresses::{self, V4, V6};
use super::{Facts, Probe, put};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::net::Ipv6Addr;

pub(super) fn network(probe: &Probe<'_>, facts: &mut Facts) {
    let (v4, v6) = (addresses::v4(probe), addresses::v6(probe));
    let interfaces = interfaces(probe, &v4, &v6);
    default_v4(probe, &v4, &interfaces, facts);
    default_v6(probe, &v6, &interfaces, facts);
    put(facts, "interfaces", interfaces.keys().map(String::as_str).collect::<Vec<_>>());
    let all_v4 = v4.iter().filter(|found| !found.address.is_loopback());
    put(facts, "all_ipv4_addresses", all_v4.map(|found| found.address.to_string()).collect::<Vec<_>>());
    let all_v6 = v6.iter().filter(|found| !found.address.is_loopback());
    put(facts, "all_ipv6_addresses", all_v6.map(|found| found.address.to_string()).collect::<Vec<_>>());
    put(facts, "locally_reachable_ips", locally_reachable(probe));
    for (name, interface) in interfaces {
        put(facts, &name.replace(['-', ':'], "_"), interface);
    }
}

type Interfaces = BTreeMap<String, Map<String, Value>>;

fn interfaces(probe: &Probe<'_>, v4: &[V4], v6: &[V6]) -> Interfaces {
    let mut found = Interfaces::new();
    for name in probe.names("/sys/class/net") {
        // Bonding's switch board is a file in between.
        if probe.exists(&format!("/sys/class/net/{name}/mtu")) {
            found.insert(name.clone(), describe(probe, &name));
        }
    }
    for address in v4 {
        let alias = |found: &Interfaces| {
            let main = address.label.split(':').next().and_then(|name| found.get(name));
            let mut fields = main.cloned().unwrap_or_default();
            fields.retain(|name, _| !name.starts_with("ipv"));
            fields
        };
        if !found.contains_key(&address.label) {
            let fields = alias(&found);
            found.insert(address.label.clone(), fields);
        }
        let Some(fields) = found.get_mut(&address.label) else { continue };
        let described = json!({
            "address": address.address.to_string(),
            "broadcast": address.broadcast.map(|address| address.to_string()).unwrap_or_default(),
            "netmask": address.netmask().to_string(),
            "network": address.network().to_string(),
            "prefix": address.prefix.to_string(),
        });
        if fields.contains_key("ipv4") {
            push(fields, "ipv4_secondaries", described);
        } else {
            fields.insert("ipv4".to_owned(), described);
        }
    }
    for address in v6 {
        let Some(fields) = found.get_mut(&address.interface) else { continue };
        let described = json!({
            "address": address.address.to_string(),
            "prefix": address.prefix.to_string(),
            "scope": address.scope,
        });
        push(fields, "ipv6", described);
    }
    found
}

fn push(fields: &mut Map<String, Value>, name: &str, value: Value) {
    if let Value::Array(list) = fields.entry(name).or_insert_with(|| json!([])) {
        list.push(value);
    }
}

/// What /sys knows of an interface.
fn describe(probe: &Probe<'_>, name: &str) -> Map<String, Value> {
    let base = format!("/sys/class/net/{name}");
    let line = |file: &str| probe.line(&format!("{base}/{file}"));
    let mut fields = Map::new();
    put(&mut fields, "device", name);
    if let Some(address) = line("address").filter(|address| address != "00:00:00:00:00:00") {
        put(&mut fields, "macaddress", address);
    }
    if let Some(mtu) = line("mtu").and_then(|mtu| mtu.parse::<u64>().ok()) {
        put(&mut fields, "mtu", mtu);
    }
    put(&mut fields, "active", line("operstate").as_deref() != Some("down"));
    if let Some(module) = probe.link_name(&format!("{base}/device/driver/module")) {
        put(&mut fields, "module", module);
    }
    let kind = match line("type").as_deref() {
        Some("1") => "ether",
        Some("32") => "infiniband",
        Some("512") => "ppp",
        Some("772") => "loopback",
        Some("65534") => "tunnel",
        _ => "unknown",
    };
    put(&mut fields, "type", kind);
    if probe.exists(&format!("{base}/bridge")) {
        put(&mut fields, "type", "bridge");
        put(&mut fields, "interfaces", probe.names(&format!("{base}/brif")));
        if let Some(id) = line("bridge/bridge_id") {
            put(&mut fields, "id", id);
        }
        if let Some(stp) = line("bridge/stp_state") {
            put(&mut fields, "stp", stp == "1");
        }
    }
    if probe.exists(&format!("{base}/bonding")) {
        put(&mut fields, "type", "bonding");
        let first =
            |file: &str| line(&format!("bonding/{file}"))?.split_whitespace().next().map(str::to_owned);
        let slaves = line("bonding/slaves").unwrap_or_default();
        put(&mut fields, "slaves", slaves.split_whitespace().collect::<Vec<_>>());
        put(&mut fields, "mode", first("mode").unwrap_or_default());
        put(&mut fields, "miimon", first("miimon").unwrap_or_default());
        put(&mut fields, "lacp_rate", first("lacp_rate").unwrap_or_default());
        if let Some(primary) = first("primary") {
            put(&mut fields, "primary", primary);
            put(&mut fields, "all_slaves_active", first("all_slaves_active").as_deref() == Some("1"));
        }
    }
    if let Some(perm) = line("bonding_slave/perm_hwaddr") {
        put(&mut fields, "perm_macaddress", perm);
    }
    if let Some(device) = probe.link_name(&format!("{base}/device")) {
        put(&mut fields, "pciid", device);
    }
    if let Some(speed) = line("speed").and_then(|speed| speed.parse::<i64>().ok()) {
        put(&mut fields, "speed", speed);
    }
    let flags = line("flags").and_then(|flags| u32::from_str_radix(flags.trim_start_matches("0x"), 16).ok());
    let promiscuous = 0x100;
    put(&mut fields, "promisc", flags.is_some_and(|flags| flags & promiscuous != 0));
    fields
}

fn default_v4(probe: &Probe<'_>, all: &[V4], interfaces: &Interfaces, facts: &mut Facts) {
    let mut fields = Map::new();
    let routes = addresses::routes4(probe);
    let default = routes.iter().filter(|route| route.prefix == 0 && route.to.is_unspecified());
    if let Some(route) = default.min_by_key(|route| route.metric) {
        put(&mut fields, "interface", route.interface.as_str());
        if !route.gateway.is_unspecified() {
            put(&mut fields, "gateway", route.gateway.to_string());
        }
        let mine = |found: &&V4| found.label.split(':').next() == Some(route.interface.as_str());
        // The kernel sends from the address that shares the gateway's network.
        let near = |found: &&V4| found.network() == route.gateway & found.netmask();
        let address = all.iter().filter(mine).find(near).or_else(|| all.iter().find(mine));
        if let Some(address) = address {
            put(&mut fields, "address", address.address.to_string());
            put(
                &mut fields,
                "broadcast",
                address.broadcast.map(|address| address.to_string()).unwrap_or_default(),
            );
            put(&mut fields, "netmask", address.netmask().to_string());
            put(&mut fields, "network", address.network().to_string());
            put(&mut fields, "prefix", address.prefix.to_string());
            put(&mut fields, "alias", address.label.as_str());
        }
        of_interface(interfaces, &route.interface, &mut fields);
    }
    put(facts, "default_ipv4", fields);
}

fn default_v6(probe: &Probe<'_>, all: &[V6], interfaces: &Interfaces, facts: &mut Facts) {
    let mut fields = Map::new();
    let routes = addresses::routes6(probe);
    let default = routes.iter().filter(|route| {
        route.prefix == 0 && route.to == Ipv6Addr::UNSPECIFIED && !route.local && route.interface != "lo"
    });
    if let Some(route) = default.min_by_key(|route| route.metric) {
        put(&mut fields, "interface", route.interface.as_str());
        if !route.gateway.is_unspecified() {
            put(&mut fields, "gateway", route.gateway.to_string());
        }
        let address = all.iter().find(|found| found.interface == route.interface && found.scope == "global");
        if let Some(address) = address {
            put(&mut fields, "address", address.address.to_string());
            put(&mut fields, "prefix", address.prefix.to_string());
            put(&mut fields, "scope", address.scope);
        }
        of_interface(interfaces, &route.interface, &mut fields);
    }
    put(facts, "default_ipv6", fields);
}

fn of_interface(interfaces: &Interfaces, name: &str, fields: &mut Map<String, Value>) {
    for field in ["macaddress", "mtu", "type"] {
        if let Some(value) = interfaces.get(name).and_then(|interface| interface.get(field)) {
            put(fields, field, value.clone());
        }
    }
}

/// Addresses and networks that lead to the machine itself.
fn locally_reachable(probe: &Probe<'_>) -> Value {
    let trie = probe.text("/proc/net/fib_trie").unwrap_or_default();
    let mut v4 = addresses::local_v4(&trie);
    v4.sort_unstable();
    let show = |address: String, host: bool, prefix: u8| {
        if host { address } else { format!("{address}/{prefix}") }
    };
    let v4: Vec<String> =
        v4.into_iter().map(|(address, prefix)| show(address.to_string(), prefix == 32, prefix)).collect();
    let mut v6: Vec<(Ipv6Addr, u8)> = addresses::routes6(probe)
        .into_iter()
        .filter(|route| route.local)
        .map(|route| (route.to, route.prefix))
        .collect();
    v6.sort_unstable();
    v6.dedup();
    let v6: Vec<String> =
        v6.into_iter().map(|(address, prefix)| show(address.to_string(), prefix == 128, prefix)).collect();
    json!({"ipv4": v4, "ipv6": v6})
}
