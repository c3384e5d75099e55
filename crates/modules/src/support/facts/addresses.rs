//! The machine's IP addresses, by interface.

use super::Probe;
use std::net::{Ipv4Addr, Ipv6Addr};

/// An IPv4 address of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct V4 {
    /// The interface, or a name given to this address alone (`eth0:1`).
    pub label: String,
    pub address: Ipv4Addr,
    pub prefix: u8,
    pub broadcast: Option<Ipv4Addr>,
}

impl V4 {
    pub fn netmask(&self) -> Ipv4Addr {
        mask(self.prefix)
    }

    pub fn network(&self) -> Ipv4Addr {
        self.address & self.netmask()
    }
}

/// An IPv6 address of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct V6 {
    pub interface: String,
    pub address: Ipv6Addr,
    pub prefix: u8,
    pub scope: &'static str,
}

/// All IPv4 addresses. No file of the kernel's says which interface has which, so `ip` is asked; on a machine
/// without it, an address belongs to the interface whose network it is in.
pub fn v4(probe: &Probe<'_>) -> Vec<V4> {
    if let Some(text) = probe.ask(&["ip", "-4", "-o", "addr", "show"]) {
        return text.lines().filter_map(from_ip).collect();
    }
    let routes: Vec<Route4> = routes4(probe);
    let local = local_v4(&probe.text("/proc/net/fib_trie").unwrap_or_default());
    local
        .into_iter()
        .filter_map(|(address, prefix)| {
            if prefix != 32 {
                return None;
            }
            if address.is_loopback() {
                return Some(V4 { label: "lo".to_owned(), address, prefix: 8, broadcast: None });
            }
            let link = |route: &&Route4| {
                route.gateway.is_unspecified()
                    && route.prefix > 0
                    && (address & mask(route.prefix)) == route.to
            };
            let route = routes.iter().filter(link).max_by_key(|route| route.prefix)?;
            let host = !u32::from(mask(route.prefix));
            let broadcast = (route.prefix < 31).then(|| Ipv4Addr::from(u32::from(address) | host));
            Some(V4 { label: route.interface.clone(), address, prefix: route.prefix, broadcast })
        })
        .collect()
}

/// `4: eth0    inet 192.0.2.2/24 brd 192.0.2.255 scope global eth0\       valid_lft …`
fn from_ip(line: &str) -> Option<V4> {
    let line = line.split('\\').next()?;
    let mut words = line.split_whitespace().skip(1);
    let interface = words.next()?.split('@').next()?;
    if words.next()? != "inet" {
        return None;
    }
    let found = words.next()?;
    let (mut broadcast, mut label) = (None, interface);
    while let Some(word) = words.next() {
        match word {
            "brd" => broadcast = words.next().and_then(|address| address.parse().ok()),
            // On a point-to-point link the prefix stands behind the other end.
            "peer" => {
                let prefix = words.next()?.split('/').nth(1)?;
                let address = found.split('/').next()?.parse().ok()?;
                let label = label.to_owned();
                return Some(V4 { label, address, prefix: prefix.parse().ok()?, broadcast });
            }
            "scope" => drop(words.next()),
            word if word.starts_with(interface) => label = word,
            _ => {}
        }
    }
    let (address, prefix) = found.split_once('/').unwrap_or((found, "32"));
    Some(V4 {
        label: label.to_owned(),
        address: address.parse().ok()?,
        prefix: prefix.parse().ok()?,
        broadcast,
    })
}

/// What /proc/net/fib_trie calls local, with the prefix; each once.
pub fn local_v4(trie: &str) -> Vec<(Ipv4Addr, u8)> {
    let mut found = Vec::new();
    let mut at: Option<Ipv4Addr> = None;
    for line in trie.lines() {
        if let Some(address) = line.trim().strip_prefix("|-- ") {
            at = address.parse().ok();
        } else if line.contains(" host LOCAL") {
            let prefix = line.trim().split(' ').next().and_then(|word| word.strip_prefix('/')?.parse().ok());
            if let (Some(address), Some(prefix)) = (at, prefix)
                && !found.contains(&(address, prefix))
            {
                found.push((address, prefix));
            }
        }
    }
    found
}

/// All IPv6 addresses, those that reach farthest first.
pub fn v6(probe: &Probe<'_>) -> Vec<V6> {
    let text = probe.text("/proc/net/if_inet6").unwrap_or_default();
    let mut found: Vec<V6> = text
        .lines()
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let &[address, _, prefix, scope, _, interface] = words.as_slice() else { return None };
            let scope = match u8::from_str_radix(scope, 16).ok()? & 0xf0 {
                0x10 => "host",
                0x20 => "link",
                0x40 => "site",
                _ => "global",
            };
            Some(V6 {
                interface: interface.to_owned(),
                address: u128::from_str_radix(address, 16).ok()?.into(),
                prefix: u8::from_str_radix(prefix, 16).ok()?,
                scope,
            })
        })
        .collect();
    found.sort_by_key(|found| {
        ["global", "site", "link", "host"].iter().position(|scope| *scope == found.scope)
    });
    found
}

/// A line of /proc/net/route.
#[derive(Debug)]
pub struct Route4 {
    pub interface: String,
    pub to: Ipv4Addr,
    pub prefix: u8,
    pub gateway: Ipv4Addr,
    pub metric: u32,
}

/// The IPv4 routes that are up and reject nothing.
pub fn routes4(probe: &Probe<'_>) -> Vec<Route4> {
    let text = probe.text("/proc/net/route").unwrap_or_default();
    let address = |hex: &str| u32::from_str_radix(hex, 16).ok().map(|bits| Ipv4Addr::from(bits.swap_bytes()));
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let flags = u32::from_str_radix(words.get(3)?, 16).ok()?;
            let (up, reject) = (0x1, 0x200);
            (flags & up != 0 && flags & reject == 0).then_some(())?;
            Some(Route4 {
                interface: (*words.first()?).to_owned(),
                to: address(words.get(1)?)?,
                prefix: u32::from(address(words.get(7)?)?).count_ones() as u8,
                gateway: address(words.get(2)?)?,
                metric: words.get(6)?.parse().ok()?,
            })
        })
        .collect()
}

/// A line of /proc/net/ipv6_route.
#[derive(Debug)]
pub struct Route6 {
    pub interface: String,
    pub to: Ipv6Addr,
    pub prefix: u8,
    pub gateway: Ipv6Addr,
    pub metric: u32,
    /// Leads to the machine itself.
    pub local: bool,
}

/// The IPv6 routes that are up and reject nothing.
pub fn routes6(probe: &Probe<'_>) -> Vec<Route6> {
    let text = probe.text("/proc/net/ipv6_route").unwrap_or_default();
    let address = |hex: &str| u128::from_str_radix(hex, 16).ok().map(Ipv6Addr::from);
    text.lines()
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let &[to, prefix, _, _, gateway, metric, _, _, flags, interface] = words.as_slice() else {
                return None;
            };
            let flags = u32::from_str_radix(flags, 16).ok()?;
            let (up, reject, local) = (0x1, 0x200, 0x8000_0000);
            (flags & up != 0 && flags & reject == 0).then_some(())?;
            Some(Route6 {
                interface: interface.to_owned(),
                to: address(to)?,
                prefix: u8::from_str_radix(prefix, 16).ok()?,
                gateway: address(gateway)?,
                metric: u32::from_str_radix(metric, 16).ok()?,
                local: flags & local != 0,
            })
        })
        .collect()
}

pub fn mask(prefix: u8) -> Ipv4Addr {
    Ipv4Addr::from(u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_ip_are_read() {
        let one = |line| from_ip(line).unwrap();
        let plain = one(
            r"4: eth0    inet 192.0.2.2/24 brd 192.0.2.255 scope global dynamic eth0\       valid_lft 1sec",
        );
        assert_eq!((plain.label.as_str(), plain.prefix), ("eth0", 24));
        assert_eq!(
            (plain.netmask().to_string(), plain.network().to_string()),
            ("255.255.255.0".into(), "192.0.2.0".into())
        );
        assert_eq!(plain.broadcast.unwrap().to_string(), "192.0.2.255");
        let alias = one(r"2: eth0    inet 10.0.0.7/8 scope global secondary eth0:1\       valid_lft forever");
        assert_eq!((alias.label.as_str(), alias.broadcast), ("eth0:1", None));
        let peer =
            one(r"3: tun0    inet 10.8.0.1 peer 10.8.0.2/32 scope global tun0\       valid_lft forever");
        assert_eq!((peer.address.to_string(), peer.prefix), ("10.8.0.1".to_owned(), 32));
        assert_eq!((mask(0).to_string(), mask(32).to_string()), ("0.0.0.0".into(), "255.255.255.255".into()));
    }
}
