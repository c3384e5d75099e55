//! The one place where modules talk to the network: connecting, and finding the address of a name.
//!
//! Connecting is not part of `System`: it changes nothing on the machine and is the same for every implementation
//! that runs there. Names are never given to the C library, whose look-up crashes in a static binary: they are read
//! from /etc/hosts, then asked of `getent`.

use provision_system::{Command, System};
use std::io::{Error, ErrorKind, Result};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

/// Connects to the first address of `host` that answers. The time is for all of them together.
pub fn connect(sys: &dyn System, host: &str, port: u16, timeout: Duration) -> Result<TcpStream> {
    let end = Instant::now() + timeout;
    let mut last = Error::new(ErrorKind::NotFound, format!("{host} has no address"));
    for address in resolve(sys, host)? {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        match TcpStream::connect_timeout(&SocketAddr::new(address, port), left) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The addresses of a name; an address is its own.
pub fn resolve(sys: &dyn System, host: &str) -> Result<Vec<IpAddr>> {
    let plain = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = plain.parse() {
        return Ok(vec![address]);
    }
    let unknown = |why: String| Error::new(ErrorKind::NotFound, why);
    // It becomes an argument of a command.
    if plain.is_empty() || plain.starts_with('-') || plain.contains(['\0', '\n', ' ']) {
        return Err(unknown(format!("{host:?} is no host name")));
    }
    let name = plain.trim_end_matches('.');
    let hosts = sys.read(Path::new("/etc/hosts")).unwrap_or_default();
    let hosts = String::from_utf8_lossy(&hosts);
    let listed: Vec<IpAddr> = hosts
        .lines()
        .filter_map(|line| {
            let mut words = line.split('#').next()?.split_whitespace();
            let address = words.next()?.parse().ok()?;
            words.any(|word| word.eq_ignore_ascii_case(name)).then_some(address)
        })
        .collect();
    if !listed.is_empty() {
        return Ok(listed);
    }
    if name.eq_ignore_ascii_case("localhost") {
        return Ok(vec![Ipv4Addr::LOCALHOST.into()]);
    }
    let mut command = Command::new(["getent", "ahosts", name]);
    command.timeout = Some(Duration::from_secs(30));
    let output = sys
        .query(&command)
        .map_err(|error| unknown(format!("the address of {host} cannot be looked up: {error}")))?;
    let mut found: Vec<IpAddr> = Vec::new();
    for word in output.out().lines().filter_map(|line| line.split_whitespace().next()) {
        // An address with a zone (fe80::1%eth0) is of no use to a program that has no interface to name.
        if let Ok(address) = word.parse()
            && !found.contains(&address)
        {
            found.push(address);
        }
    }
    if found.is_empty() {
        return Err(unknown(format!("the name {host} is not known")));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use provision_system::Memory;

    #[test]
    fn names_come_from_the_hosts_file_then_from_getent() {
        let machine = Memory::new()
            .file("/etc/hosts", "127.0.0.1 localhost\n10.0.0.1 Web1 # x\n::2 web1\n")
            .answer(
                &["getent", "ahosts", "far.example"],
                0,
                "9.9.9.9 STREAM far\n9.9.9.9 DGRAM\n::9 STREAM\n",
            )
            .answer(&["getent", "ahosts", "none.example"], 2, "");
        let names = |host| {
            resolve(&machine, host).map(|list| list.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(names("web1").unwrap(), ["10.0.0.1", "::2"]);
        assert_eq!(names("far.example").unwrap(), ["9.9.9.9", "::9"]);
        assert_eq!(names("[::1]").unwrap(), ["::1"]);
        assert_eq!(names("192.0.2.1").unwrap(), ["192.0.2.1"]);
        assert_eq!(names("none.example").unwrap_err().to_string(), "the name none.example is not known");
        assert!(names("--help").is_err());
        assert!(!machine.queried().iter().any(|command| command.argv.len() != 3));
    }
}
