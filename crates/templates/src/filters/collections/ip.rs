//! Addresses and networks: the `ipaddr` family of `ansible.utils`.

use crate::args::{Args, Param, int_arg};
use crate::error::TemplateError;
use crate::filters::Table;
use crate::ops::{Result, iterate};
use crate::text::to_str;
use crate::value::{View, int, items, list, none, view};
use minijinja::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(in crate::filters) const TABLE: Table = &[
    ("ansible.utils.ipaddr", |_, value, args| ipaddr(&value, args, None)),
    ("ansible.utils.ipv4", |_, value, args| ipaddr(&value, args, Some(false))),
    ("ansible.utils.ipv6", |_, value, args| ipaddr(&value, args, Some(true))),
    ("ansible.utils.ipwrap", |_, value, args| {
        let [_query] = args.bind("ipwrap", ["query"])?;
        Ok(match view(&value) {
            View::Seq(_) => list(items(&value).unwrap_or_default().iter().map(wrap).collect()),
            _ => wrap(&value),
        })
    }),
    ("ansible.utils.ipsubnet", |_, value, args| ipsubnet(&value, args)),
    ("ansible.utils.network_in_network", |_, value, args| {
        let (net, test) = two("network_in_network", &value, args)?;
        Ok(Value::from(net.contains(&test)))
    }),
    ("ansible.utils.network_in_usable", |_, value, args| {
        let (net, test) = two("network_in_usable", &value, args)?;
        let inside = net.v6 == test.v6
            && net.usable().is_some_and(|(first, last)| first <= test.network() && test.last() <= last);
        Ok(Value::from(inside))
    }),
    ("ansible.utils.nthhost", |_, value, args| {
        let [nth] = args.bind("nthhost", ["query"])?;
        let net = Net::of(&value, "nthhost")?;
        let nth = int_arg(&nth.required("nthhost", "query")?)?;
        Ok(net.nth(nth).map_or_else(|| Value::from(false), |addr| Value::from(net.text(addr))))
    }),
    ("ansible.utils.next_nth_usable", |_, value, args| neighbour(&value, args, "next_nth_usable", 1)),
    ("ansible.utils.previous_nth_usable", |_, value, args| {
        neighbour(&value, args, "previous_nth_usable", -1)
    }),
    ("ansible.utils.cidr_merge", |_, value, args| cidr_merge(&value, args)),
    ("ansible.utils.ipmath", |_, value, args| {
        let [amount] = args.bind("ipmath", ["amount"])?;
        let net = Net::of(&value, "ipmath")?;
        let amount = int_arg(&amount.required("ipmath", "amount")?)?;
        match net.shifted(amount) {
            Some(addr) => Ok(Value::from(net.text(addr))),
            None => Err(TemplateError::runtime("You must pass a valid IP address: the result is none")),
        }
    }),
    ("ansible.utils.reduce_on_network", |_, value, args| {
        let [network] = args.bind("reduce_on_network", ["network"])?;
        let net = Net::of(&network.required("reduce_on_network", "network")?, "reduce_on_network")?;
        let mut kept = Vec::new();
        for item in iterate(&value)? {
            if Net::parse(&to_str(&item)).is_some_and(|item| net.contains(&item)) {
                kept.push(item);
            }
        }
        Ok(list(kept))
    }),
    ("ansible.utils.slaac", |_, value, args| {
        let [mac] = args.bind("slaac", ["query"])?;
        let net = Net::parse(&to_str(&value));
        let mac = mac_digits(&to_str(&mac.required("slaac", "query")?));
        let (Some(net), Some(mac)) = (net.filter(|net| net.v6), mac) else { return Ok(Value::from(false)) };
        let eui = u128::from((mac & 0xff_ff_ff) | (0xff_fe << 24) | ((mac >> 24) << 40) ^ (0x02 << 56));
        Ok(Value::from(net.text(net.network() + eui)))
    }),
    ("ansible.utils.hwaddr", |_, value, args| hwaddr(&value, args)),
    ("ansible.utils.macaddr", |_, value, args| hwaddr(&value, args)),
    ("ansible.utils.ip4_hex", |_, value, args| {
        let [delimiter] = args.bind("ip4_hex", ["delimiter"])?;
        let net = Net::of(&value, "ip4_hex")?;
        let bytes = u32::try_from(net.addr).unwrap_or(0).to_be_bytes().map(|byte| format!("{byte:02x}"));
        Ok(Value::from(bytes.join(&delimiter.text("")?)))
    }),
    ("ansible.utils.usable_range", |_, value, args| {
        args.none("usable_range")?;
        let net = Net::of(&value, "usable_range")?;
        if net.bits() - net.prefix > 16 {
            return Err(TemplateError::runtime("usable_range: a network of more than 65536 addresses"));
        }
        let all: Vec<Value> = (net.network()..=net.last()).map(|addr| Value::from(net.text(addr))).collect();
        let count = Value::from(all.len());
        Ok(crate::value::mapping([("usable_ips", list(all)), ("number_of_ips", count)]))
    }),
    ("ansible.utils.ipv6form", |_, value, args| {
        let [format] = args.bind("ipv6form", ["format"])?;
        let net = Net::of(&value, "ipv6form")?;
        let groups: Vec<u16> = Ipv6Addr::from(net.addr).segments().to_vec();
        Ok(Value::from(match &*format.text("compress")? {
            "compress" => net.text(net.addr),
            "expand" => groups.iter().map(|group| format!("{group:04x}")).collect::<Vec<_>>().join(":"),
            "x509" => groups.iter().map(|group| format!("{group:x}")).collect::<Vec<_>>().join(":"),
            other => return Err(TemplateError::runtime(format!("Invalid format: {other}"))),
        }))
    }),
];

/// An address, alone or in its network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Net {
    pub(crate) v6: bool,
    pub(crate) addr: u128,
    pub(crate) prefix: u8,
    /// Written with a slash.
    pub(crate) explicit: bool,
}

impl Net {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (addr, prefix) = match text.split_once('/') {
            Some((addr, prefix)) => (addr, Some(prefix)),
            None => (text, None),
        };
        let (v6, addr) = match addr.parse().ok()? {
            IpAddr::V4(addr) => (false, u128::from(u32::from(addr))),
            IpAddr::V6(addr) => (true, u128::from(addr)),
        };
        let bits = if v6 { 128 } else { 32 };
        let prefix = match prefix {
            None => bits,
            Some(prefix) => match prefix.parse::<u8>() {
                Ok(length) => length,
                Err(_) => mask_length(prefix)?,
            },
        };
        (prefix <= bits).then_some(Self { v6, addr, prefix, explicit: text.contains('/') })
    }

    fn of(value: &Value, what: &str) -> Result<Self> {
        let text = to_str(value);
        Self::parse(&text).ok_or_else(|| {
            TemplateError::runtime(format!("{what}: '{text}' is neither an address nor a network"))
        })
    }

    fn bits(&self) -> u8 {
        if self.v6 { 128 } else { 32 }
    }

    fn hostmask(&self) -> u128 {
        match self.bits() - self.prefix {
            128 => u128::MAX,
            free => (1u128 << free) - 1,
        }
    }

    fn netmask(&self) -> u128 {
        let all = if self.v6 { u128::MAX } else { u128::from(u32::MAX) };
        all & !self.hostmask()
    }

    pub(crate) fn network(&self) -> u128 {
        self.addr & self.netmask()
    }

    pub(crate) fn last(&self) -> u128 {
        self.addr | self.hostmask()
    }

    fn size(&self) -> u128 {
        self.hostmask().saturating_add(1)
    }

    fn text(&self, addr: u128) -> String {
        if self.v6 { Ipv6Addr::from(addr).to_string() } else { v4(addr).to_string() }
    }

    fn cidr(&self, addr: u128) -> String {
        format!("{}/{}", self.text(addr), self.prefix)
    }

    /// First and last address a host may have; none in a network of one.
    fn usable(&self) -> Option<(u128, u128)> {
        match self.size() {
            1 => None,
            2 => Some((self.network(), self.last())),
            _ => Some((self.network() + 1, self.last() - 1)),
        }
    }

    pub(crate) fn contains(&self, other: &Self) -> bool {
        self.v6 == other.v6 && self.network() <= other.network() && other.last() <= self.last()
    }

    /// An address of the network, from its end if negative.
    fn nth(&self, nth: i64) -> Option<u128> {
        let distance = u128::from(nth.unsigned_abs());
        if nth >= 0 {
            (distance <= self.hostmask()).then(|| self.network() + distance)
        } else {
            (distance - 1 <= self.hostmask()).then(|| self.last() - (distance - 1))
        }
    }

    fn shifted(&self, by: i64) -> Option<u128> {
        let distance = u128::from(by.unsigned_abs());
        let addr =
            if by >= 0 { self.addr.checked_add(distance)? } else { self.addr.checked_sub(distance)? };
        (self.v6 || addr <= u128::from(u32::MAX)).then_some(addr)
    }

    /// Is it a network rather than an address in one?
    fn is_network(&self) -> bool {
        self.explicit && self.size() > 1 && self.addr == self.network()
    }

    /// An address that a host may have.
    fn is_host(&self) -> bool {
        self.size() <= 2 || self.addr != self.network()
    }

    pub(crate) fn within(&self, network: &str) -> bool {
        Self::parse(network).is_some_and(|known| known.contains(&Self { prefix: self.bits(), ..*self }))
    }

    pub(crate) fn is_multicast(&self) -> bool {
        self.within("224.0.0.0/4") || self.within("ff00::/8")
    }

    pub(crate) fn is_loopback(&self) -> bool {
        self.within("127.0.0.0/8") || self.within("::1")
    }

    fn is_link_local(&self) -> bool {
        self.within("169.254.0.0/16") || self.within("fe80::/10")
    }

    /// Not routed in the internet, by IANA's registries of special addresses.
    pub(crate) fn is_private(&self) -> bool {
        const PRIVATE: [&str; 23] = [
            "0.0.0.0/8",
            "10.0.0.0/8",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/29",
            "192.0.0.170/31",
            "192.0.2.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "240.0.0.0/4",
            "::1/128",
            "::/128",
            "::ffff:0:0/96",
            "100::/64",
            "2001::/23",
            "2001:db8::/32",
            "3fff::/20",
            "5f00::/16",
            "fc00::/7",
            "fe80::/10",
        ];
        PRIVATE.iter().any(|network| self.within(network))
    }

    pub(crate) fn is_public(&self) -> bool {
        !self.is_multicast() && !self.is_private() && !self.within("100.64.0.0/10")
    }
}

fn v4(addr: u128) -> Ipv4Addr {
    Ipv4Addr::from(u32::try_from(addr & u128::from(u32::MAX)).unwrap_or(0))
}

/// `255.255.255.0` or `0.0.0.255` as 24.
fn mask_length(mask: &str) -> Option<u8> {
    let bits = u32::from(mask.parse::<Ipv4Addr>().ok()?);
    let mask = if bits.leading_ones() == 0 && bits != 0 { !bits } else { bits };
    let length = mask.leading_ones();
    (mask.count_ones() == length).then(|| u8::try_from(length).unwrap_or(32))
}

fn two(what: &str, value: &Value, args: Args) -> Result<(Net, Net)> {
    let [test] = args.bind(what, ["test"])?;
    Ok((Net::of(value, what)?, Net::of(&test.required(what, "test")?, what)?))
}

fn neighbour(value: &Value, args: Args, what: &str, sign: i64) -> Result {
    let [offset] = args.bind(what, ["offset"])?;
    let net = Net::of(value, what)?;
    let offset = int_arg(&offset.required(what, "offset")?)?;
    let wanted = offset.checked_mul(sign).and_then(|by| net.shifted(by));
    let fits = |addr: &u128| net.usable().is_some_and(|(first, last)| (first..=last).contains(addr));
    Ok(wanted.filter(fits).map_or_else(none, |addr| Value::from(net.text(addr))))
}

/// `ipaddr` and its versions for one kind of address: lists keep what fits.
fn ipaddr(value: &Value, args: Args, v6: Option<bool>) -> Result {
    let [query, _version, _alias] = args.bind("ipaddr", ["query", "version", "alias"])?;
    let query = query.text("")?;
    if let View::Seq(_) = view(value) {
        let mut kept = Vec::new();
        for item in items(value).unwrap_or_default() {
            let found = ask(&item, &query, v6)?;
            if crate::ops::truth(&found)? {
                kept.push(found);
            }
        }
        return Ok(list(kept));
    }
    ask(value, &query, v6)
}

fn ask(value: &Value, query: &str, v6: Option<bool>) -> Result {
    let no = || Value::from(false);
    let raw = match view(value) {
        View::Str(text) => text.to_owned(),
        View::Int(0) | View::Bool(_) => return Ok(no()),
        View::Int(number) => match u32::try_from(number) {
            Ok(number) => Ipv4Addr::from(number).to_string(),
            Err(_) => Ipv6Addr::from(number.unsigned_abs()).to_string(),
        },
        _ => {
            return Err(TemplateError::runtime(format!(
                "Unrecognized type <{}> for ipaddr filter <value>",
                crate::value::type_name(value)
            )));
        }
    };
    let Some(net) = Net::parse(&raw) else { return Ok(no()) };
    if v6.is_some_and(|v6| v6 != net.v6) {
        return Ok(no());
    }
    let text = |addr: u128| Value::from(net.text(addr));
    let cidr = |addr: u128| Value::from(net.cidr(addr));
    let raw_if = |fits: bool| if fits { Value::from(raw.as_str()) } else { none() };
    let needs_network = || {
        if net.explicit { Ok(()) } else { Err(TemplateError::runtime("Not a network address")) }
    };
    // an address in a network that has more than one
    let in_network = net.is_host() && net.size() > 1;
    Ok(match query {
        "" => Value::from(if net.explicit { net.cidr(net.addr) } else { net.text(net.addr) }),
        "address" | "ip" => {
            if net.is_host() {
                text(net.addr)
            } else {
                none()
            }
        }
        "bool" => Value::from(true),
        "broadcast" => {
            if net.size() > 2 {
                text(net.last())
            } else {
                none()
            }
        }
        "cidr" => cidr(net.addr),
        "first_usable" => {
            needs_network()?;
            net.usable().map_or_else(none, |(first, _)| text(first))
        }
        "last_usable" => {
            needs_network()?;
            net.usable().map_or_else(none, |(_, last)| text(last))
        }
        "range_usable" => {
            needs_network()?;
            net.usable().map_or_else(none, |(first, last)| {
                Value::from(format!("{}-{}", net.text(first), net.text(last)))
            })
        }
        "next_usable" | "previous_usable" => {
            needs_network()?;
            let by = if query == "next_usable" { 1 } else { -1 };
            let fits = |addr: &u128| net.usable().is_some_and(|(first, last)| (first..=last).contains(addr));
            net.shifted(by).filter(fits).map_or_else(none, text)
        }
        "peer" => {
            needs_network()?;
            match net.size() {
                2 => text(net.addr ^ 1),
                4 if net.addr == net.network() => {
                    return Err(TemplateError::runtime("Network address of /30 has no peer"));
                }
                4 if net.addr == net.last() => {
                    return Err(TemplateError::runtime("Broadcast address of /30 has no peer"));
                }
                4 => text(net.addr ^ 3),
                _ => return Err(TemplateError::runtime("Not a point-to-point network")),
            }
        }
        "host" => {
            if net.is_host() {
                cidr(net.addr)
            } else {
                none()
            }
        }
        "gateway" | "host/prefix" | "hostnet" | "router" => {
            if net.is_host() {
                cidr(net.addr)
            } else {
                no()
            }
        }
        "hostmask" | "wildcard" => text(net.hostmask()),
        "int" => {
            let number = int(i128::try_from(net.addr).unwrap_or(i128::MAX));
            if net.explicit { Value::from(format!("{}/{}", net.addr, net.prefix)) } else { number }
        }
        "ipv4" | "v4" if !net.v6 => Value::from(raw.as_str()),
        "ipv4" | "v4" => {
            let mapped = net.addr >> 32 == 0 || net.addr >> 32 == 0xffff;
            match net.prefix.checked_sub(96) {
                Some(prefix) if mapped => Value::from(format!("{}/{prefix}", v4(net.addr))),
                _ => no(),
            }
        }
        "ipv6" | "v6" if net.v6 => Value::from(raw.as_str()),
        "ipv6" | "v6" => Value::from(format!("::ffff:{}/{}", v4(net.addr), net.prefix + 96)),
        "ip/prefix" => {
            if in_network {
                cidr(net.addr)
            } else {
                none()
            }
        }
        "ip_netmask" if in_network => {
            Value::from(format!("{} {}", net.text(net.addr), net.text(net.netmask())))
        }
        "ip_netmask" => none(),
        "link-local" => raw_if(net.is_link_local()),
        "loopback" | "lo" => raw_if(net.is_loopback()),
        "multicast" => raw_if(net.is_multicast()),
        "unicast" => raw_if(!net.is_multicast()),
        "private" => raw_if(net.is_private()),
        "public" => raw_if(net.is_public()),
        "net" => {
            if net.is_network() {
                cidr(net.network())
            } else {
                none()
            }
        }
        "netmask" => text(net.netmask()),
        "network" | "network_id" => text(net.network()),
        "network/prefix" | "subnet" => cidr(net.network()),
        "network_netmask" => Value::from(format!("{} {}", net.text(net.network()), net.text(net.netmask()))),
        "network_wildcard" => {
            Value::from(format!("{} {}", net.text(net.network()), net.text(net.hostmask())))
        }
        "prefix" => Value::from(net.prefix),
        "revdns" => Value::from(reverse_name(&net)),
        "size" => int(i128::try_from(net.size()).unwrap_or(i128::MAX)),
        "size_usable" => {
            let usable = match net.size() {
                1 => 0,
                2 => 2,
                size => size - 2,
            };
            int(i128::try_from(usable).unwrap_or(i128::MAX))
        }
        "type" => Value::from(if net.is_network() { "network" } else { "address" }),
        "6to4" => {
            if net.v6 {
                let known = net.within("2002::/16");
                if known { Value::from(raw.as_str()) } else { no() }
            } else if net.is_network() || net.is_multicast() {
                no()
            } else {
                let [a, b, c, d] = v4(net.addr).octets();
                Value::from(format!("2002:{a:02x}{b:02x}:{c:02x}{d:02x}::1/48"))
            }
        }
        "wrap" => wrap(&Value::from(raw.as_str())),
        other => {
            if let Ok(nth) = other.parse::<i64>() {
                if net.size() == 1 {
                    return Ok(Value::from(raw.as_str()));
                }
                return Ok(net.nth(nth).map_or_else(no, cidr));
            }
            match Net::parse(other) {
                Some(network) => raw_if(network.contains(&net)),
                None => return Err(TemplateError::runtime(format!("ipaddr: unknown filter type: {other}"))),
            }
        }
    })
}

/// IPv6 addresses in brackets, everything else as it is.
fn wrap(value: &Value) -> Value {
    match value.as_str().and_then(Net::parse) {
        Some(net) if net.v6 => {
            let addr = net.text(net.addr);
            Value::from(if net.explicit { format!("[{addr}]/{}", net.prefix) } else { format!("[{addr}]") })
        }
        _ => value.clone(),
    }
}

fn reverse_name(net: &Net) -> String {
    if net.v6 {
        let digits: Vec<String> = format!("{:032x}", net.addr).chars().rev().map(String::from).collect();
        format!("{}.ip6.arpa.", digits.join("."))
    } else {
        let [a, b, c, d] = v4(net.addr).octets();
        format!("{d}.{c}.{b}.{a}.in-addr.arpa.")
    }
}

fn ipsubnet(value: &Value, args: Args) -> Result {
    let [query, index] = args.bind("ipsubnet", ["query", "index"])?;
    let no = || Ok(Value::from(false));
    let Some(net) = Net::parse(&to_str(value)) else { return no() };
    let own = |prefix: u8| Net { prefix, ..net };
    let query = match query.given() {
        None => return Ok(Value::from(net.cidr(net.network()))),
        Some(query) => query,
    };
    let index = index.given().map(int_arg).transpose()?;
    let Ok(wanted) = int_arg(query) else {
        let Some(outer) = Net::parse(&to_str(query)) else {
            return Err(TemplateError::runtime(format!(
                "You must pass a valid subnet or IP address; {} is invalid",
                to_str(query)
            )));
        };
        if !outer.contains(&net) {
            return Err(TemplateError::runtime(format!(
                "{} is not in the subnet {}",
                net.cidr(net.network()),
                outer.cidr(outer.network())
            )));
        }
        // which one of the subnets of this size it is, from 1
        let rank = (net.network() - outer.network()) >> (net.bits() - net.prefix).min(127);
        return Ok(Value::from((rank + 1).to_string()));
    };
    let Some(prefix) = u8::try_from(wanted).ok().filter(|prefix| *prefix <= net.bits()) else { return no() };
    if !net.explicit || net.size() == 1 {
        // the networks around an address, from the widest
        let count = i64::from(net.bits() - prefix);
        let nth = match index {
            None => 0,
            Some(index) if index < 0 => index + count,
            Some(index) => index,
        };
        if !(0..count).contains(&nth) {
            return no();
        }
        let around = own(prefix + u8::try_from(nth).unwrap_or(0));
        return Ok(Value::from(around.cidr(around.network())));
    }
    if prefix < net.prefix {
        return no();
    }
    let count = 1u128.checked_shl(u32::from(prefix - net.prefix)).unwrap_or(u128::MAX);
    let Some(index) = index else { return Ok(Value::from(count.to_string())) };
    let distance = u128::from(index.unsigned_abs());
    let nth = if index >= 0 { Some(distance) } else { count.checked_sub(distance) };
    match nth.filter(|nth| *nth < count) {
        None => no(),
        Some(nth) => {
            let step = u32::from(net.bits() - prefix);
            Ok(Value::from(own(prefix).cidr(net.network() + nth.checked_shl(step).unwrap_or(0))))
        }
    }
}

fn cidr_merge(value: &Value, args: Args) -> Result {
    let [action] = args.bind("cidr_merge", ["action"])?;
    let mut nets: Vec<Net> = iterate(value)?
        .iter()
        .map(|item| Net::of(item, "cidr_merge").map(|net| Net { addr: net.network(), explicit: true, ..net }))
        .collect::<Result<_>>()?;
    match &*action.text("merge")? {
        "span" => {
            let Some(first) = nets.first().copied() else { return Ok(none()) };
            if nets.iter().any(|net| net.v6 != first.v6) {
                return Err(TemplateError::runtime("cidr_merge: addresses of different versions"));
            }
            let low = nets.iter().map(Net::network).min().unwrap_or(0);
            let high = nets.iter().map(Net::last).max().unwrap_or(0);
            let mut span = Net { addr: low, prefix: first.bits(), ..first };
            while span.last() < high || span.network() > low {
                span.prefix -= 1;
            }
            Ok(Value::from(span.cidr(span.network())))
        }
        "merge" => {
            nets.sort_by_key(|net| (net.v6, net.addr, net.prefix));
            let mut merged: Vec<Net> = Vec::new();
            for net in nets {
                if merged.last().is_some_and(|known| known.contains(&net)) {
                    continue;
                }
                merged.push(net);
                // two halves of one network become that network
                while let [.., a, b] = merged[..] {
                    let whole = Net { prefix: a.prefix.saturating_sub(1), ..a };
                    if a.prefix == 0
                        || a.prefix != b.prefix
                        || a.v6 != b.v6
                        || whole.network() != a.addr
                        || !whole.contains(&b)
                    {
                        break;
                    }
                    merged.truncate(merged.len() - 2);
                    merged.push(whole);
                }
            }
            Ok(list(merged.iter().map(|net| Value::from(net.cidr(net.network()))).collect()))
        }
        other => Err(TemplateError::runtime(format!("cidr_merge: invalid action '{other}'"))),
    }
}

/// The number behind a hardware address in any of the usual notations.
pub(crate) fn mac_digits(text: &str) -> Option<u64> {
    let parts: Vec<&str> = text.split([':', '-', '.']).collect();
    let width = match parts.len() {
        6 => 2,
        3 => 4,
        2 => 6,
        1 => 12,
        _ => return None,
    };
    let mut number: u64 = 0;
    for part in &parts {
        if part.is_empty() || part.len() > width || (width == 12 && part.len() != 12) {
            return None;
        }
        number = (number << (width * 4)) | u64::from_str_radix(part, 16).ok()?;
    }
    Some(number)
}

fn hwaddr(value: &Value, args: Args) -> Result {
    let [query, _alias] = args.bind("hwaddr", ["query", "alias"])?;
    let query = query.text("")?;
    let text = to_str(value);
    let Some(number) = mac_digits(&text) else {
        return if query.is_empty() || query == "bool" {
            Ok(none())
        } else {
            Err(TemplateError::runtime(format!("hwaddr: not a hardware address: {text}")))
        };
    };
    let digits = format!("{number:012x}");
    let groups = |size: usize, separator: &str| {
        let parts: Vec<&str> = (0..12).step_by(size).map(|at| &digits[at..at + size]).collect();
        parts.join(separator)
    };
    Ok(match &*query {
        "" => value.clone(),
        "bool" => Value::from(true),
        "int" => Value::from(number),
        "bare" => Value::from(digits.to_uppercase()),
        "linux" => Value::from(groups(2, ":")),
        "unix" => {
            let bytes = (0..6).rev().map(|at| format!("{:x}", number >> (at * 8) & 0xff));
            Value::from(bytes.collect::<Vec<_>>().join(":"))
        }
        "win" | "eui48" => Value::from(groups(2, "-").to_uppercase()),
        "cisco" => Value::from(groups(4, ".")),
        "pgsql" | "postgresql" | "psql" => Value::from(groups(6, ":")),
        other => return Err(TemplateError::runtime(format!("hwaddr: unknown filter type: {other}"))),
    })
}
