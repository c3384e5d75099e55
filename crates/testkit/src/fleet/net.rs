//! Bridges and addresses. A fleet has a bridge `pfK`, the network BASE.K.0/24 and fd77:0:0:K::/64 on it.
//!
//! The bridge's existence is the claim to K, and its alias says whose: so fleets of several cache directories, users
//! and processes find free networks without knowing each other.

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::paths::Dirs;
use crate::run;

/// A claimed network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Net {
    base: [u8; 2],
    k: u8,
}

impl Net {
    /// The network of the fleet in `fleet_dir`: the one it had if that is still free, else a new one.
    ///
    /// # Errors
    /// If the bridge cannot be made or all 256 networks are taken.
    pub fn claim(dirs: &Dirs, fleet_dir: &Path) -> Result<Net> {
        let _lock = dirs.lock("net")?;
        fs::create_dir_all(fleet_dir)?;
        let base = base()?;
        let file = fleet_dir.join("net");
        let saved: Option<u8> = fs::read_to_string(&file).ok().and_then(|t| t.trim().parse().ok());
        let owner = fleet_dir.to_string_lossy();
        for k in saved.into_iter().chain(0..=255) {
            let net = Net { base, k };
            let bridge = net.bridge();
            let alias = fs::read_to_string(format!("/sys/class/net/{bridge}/ifalias"));
            if let Ok(alias) = &alias {
                if alias.trim() == owner {
                    return Ok(net);
                }
                continue;
            }
            if net.in_use()? {
                continue;
            }
            let made = run::output(&mut run::cmd("ip", ["link", "add", &bridge, "type", "bridge"]))?;
            if !made.ok() {
                // Somebody else was quicker, or we are not allowed to at all.
                if made.stderr.contains("File exists") {
                    continue;
                }
                bail!("cannot make the bridge {bridge}: {}", made.stderr.trim());
            }
            net.furnish(&owner)?;
            fs::write(&file, k.to_string())?;
            return Ok(net);
        }
        bail!("all networks {}.{}.0-255.0/24 are taken", base[0], base[1])
    }

    /// The network a fleet has now, if its bridge is up.
    pub fn existing(fleet_dir: &Path) -> Option<Net> {
        let k = fs::read_to_string(fleet_dir.join("net")).ok()?.trim().parse().ok()?;
        let net = Net { base: base().ok()?, k };
        let alias = fs::read_to_string(format!("/sys/class/net/{}/ifalias", net.bridge())).ok()?;
        (alias.trim() == fleet_dir.to_string_lossy()).then_some(net)
    }

    /// Gives the network back.
    pub fn release(self) -> Result<()> {
        run::check(&mut run::cmd("ip", ["link", "delete", &self.bridge()])).map(drop)
    }

    pub fn bridge(self) -> String {
        format!("pf{}", self.k)
    }
    /// The machine's side: where hosts reach it.
    pub fn gateway(self) -> Ipv4Addr {
        self.address(1)
    }
    pub fn gateway6(self) -> Ipv6Addr {
        self.address6(1)
    }
    /// The address of host number `n` (1 to 240).
    pub fn ip(self, n: u8) -> Ipv4Addr {
        self.address(10 + n)
    }
    pub fn ip6(self, n: u8) -> Ipv6Addr {
        self.address6(10 + n)
    }
    /// A unique name on this machine for host `n`: its network namespace, machine name and cgroup.
    pub fn unit(self, n: u8) -> String {
        format!("pf{}-h{n}", self.k)
    }
    pub fn veth(self, n: u8) -> String {
        format!("pf{}h{n}", self.k)
    }

    /// Makes host `n`'s network namespace and its cable to the bridge.
    pub fn plug(self, n: u8) -> Result<()> {
        let (ns, veth, bridge) = (self.unit(n), self.veth(n), self.bridge());
        let ip = |line: &str| run::check(&mut run::cmd("ip", line.split(' '))).map(drop);
        ip(&format!("netns add {ns}"))?;
        // Fixed hardware addresses: a new host behind an old address must not meet a stale neighbour entry.
        let mac = self.mac(10 + n);
        ip(&format!("link add {veth} type veth peer name eth0 address {mac} netns {ns}"))?;
        ip(&format!("link set {veth} master {bridge} up"))?;
        ip(&format!("-n {ns} link set lo up"))?;
        ip(&format!("-n {ns} link set eth0 up"))?;
        ip(&format!("-n {ns} address add {}/24 dev eth0", self.ip(n)))?;
        ip(&format!("-n {ns} address add {}/64 dev eth0 nodad", self.ip6(n)))?;
        ip(&format!("-n {ns} route add default via {}", self.gateway()))?;
        ip(&format!("-n {ns} -6 route add default via {}", self.gateway6()))
    }

    /// Undoes [`Net::plug`], as far as there is something to undo.
    pub fn unplug(self, n: u8) -> Result<()> {
        run::output(&mut run::cmd("ip", ["netns", "delete", &self.unit(n)]))?;
        run::output(&mut run::cmd("ip", ["link", "delete", &self.veth(n)]))?;
        Ok(())
    }

    /// Pulls host `n`'s cable: packets vanish, neither side is told.
    pub fn cut(self, n: u8) -> Result<()> {
        run::check(&mut run::cmd("ip", ["link", "set", &self.veth(n), "nomaster"])).map(drop)
    }

    pub fn restore(self, n: u8) -> Result<()> {
        let (veth, bridge) = (self.veth(n), self.bridge());
        run::check(&mut run::cmd("ip", ["link", "set", &veth, "master", &bridge])).map(drop)
    }

    fn furnish(self, owner: &str) -> Result<()> {
        // Many systemd hosts on one kernel: the default of 128 inotify instances per user is too few.
        raise("fs/inotify/max_user_instances", 8192);
        raise("fs/inotify/max_user_watches", 1 << 20);
        raise("net/ipv4/neigh/default/gc_thresh2", 4096);
        raise("net/ipv4/neigh/default/gc_thresh3", 8192);
        // Bridged packets must not run through this machine's own packet filter.
        for file in ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables"] {
            fs::write(Path::new("/proc/sys/net/bridge").join(file), "0").ok();
        }
        let bridge = self.bridge();
        let ip = |line: &str| run::check(&mut run::cmd("ip", line.split(' '))).map(drop);
        run::check(&mut run::cmd("ip", ["link", "set", "dev", &bridge, "alias", owner]))?;
        // A bridge without an address of its own takes the lowest of its ports', which come and go.
        ip(&format!(
            "link set dev {bridge} address {} type bridge stp_state 0 forward_delay 0",
            self.mac(1)
        ))?;
        ip(&format!("address add {}/24 dev {bridge}", self.gateway()))?;
        ip(&format!("address add {}/64 dev {bridge} nodad", self.gateway6()))?;
        ip(&format!("link set {bridge} up"))
    }

    fn in_use(self) -> Result<bool> {
        let all = run::check(&mut run::cmd("ip", ["-o", "-4", "address", "show"]))?;
        let net = format!("inet {}.{}.{}.", self.base[0], self.base[1], self.k);
        Ok(all.contains(&net))
    }

    fn address(self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(self.base[0], self.base[1], self.k, last)
    }
    fn address6(self, last: u8) -> Ipv6Addr {
        Ipv6Addr::new(0xfd77, 0, 0, u16::from(self.k), 0, 0, 0, u16::from(last))
    }
    fn mac(self, last: u8) -> String {
        format!("02:{:02x}:{:02x}:{:02x}:00:{last:02x}", self.base[0], self.base[1], self.k)
    }
}

/// The first two parts of every fleet's IPv4 network; `PROVISION_FLEET_NET` where 10.86 is taken.
fn base() -> Result<[u8; 2]> {
    let Ok(text) = std::env::var("PROVISION_FLEET_NET") else { return Ok([10, 86]) };
    let parts: Vec<u8> = text.split('.').filter_map(|p| p.parse().ok()).collect();
    <[u8; 2]>::try_from(parts).ok().context("PROVISION_FLEET_NET must be two numbers, such as 10.86")
}

fn raise(sysctl: &str, to: u64) {
    let path = Path::new("/proc/sys").join(sysctl);
    let now: Option<u64> = fs::read_to_string(&path).ok().and_then(|t| t.trim().parse().ok());
    if now.is_some_and(|n| n < to) {
        // Where this is not allowed, few hosts still work.
        fs::write(&path, to.to_string()).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_follow_from_the_numbers() {
        let net = Net { base: [10, 86], k: 3 };
        assert_eq!(net.ip(2).to_string(), "10.86.3.12");
        assert_eq!(net.ip6(2).to_string(), "fd77:0:0:3::c");
        assert!(
            Net { base: [10, 86], k: 255 }.veth(240).len() <= 15,
            "the kernel's limit for interface names"
        );
    }
}
