//! What a rule matches and what becomes of the packet, and how iptables is told: in the order in which Ansible
//! tells it, since `-C` finds a rule only by the same matches in the same order.

use crate::Failure;
use provision_args::{Args, Choice};

/// A rule. `!` in front of a value turns its meaning around where iptables can do that.
#[derive(Args, Debug, Clone)]
pub struct Rule {
    /// The protocol: `tcp`, `udp`, `icmp`, …, or its number.
    pub protocol: Option<String>,
    /// Where packets come from: an address, with a mask or without.
    pub source: Option<String>,
    /// Where packets go to: an address, with a mask or without.
    pub destination: Option<String>,
    /// Extensions to load, in this order.
    pub r#match: Vec<String>,
    /// TCP flags to look at, and those of them that are set.
    #[arg(sub)]
    pub tcp_flags: Option<TcpFlags>,
    /// What becomes of the packet: `ACCEPT`, `DROP`, …, or a chain.
    pub jump: Option<String>,
    /// As `jump`, but what that chain returns goes on in the chain that called this one.
    pub goto: Option<String>,
    /// Where copies of packets are sent to, with `jump: TEE`.
    pub gateway: Option<String>,
    /// Text in front of log lines. Without `jump` it means `LOG`.
    pub log_prefix: Option<String>,
    /// How important log lines are. Without `jump` it means `LOG`.
    #[arg(choices(
        "0", "1", "2", "3", "4", "5", "6", "7", "emerg", "alert", "crit", "error", "warning", "notice",
        "info", "debug"
    ))]
    pub log_level: Option<String>,
    /// The address that DNAT puts in.
    pub to_destination: Option<String>,
    /// Ports that packets go to, for the extension multiport.
    pub destination_ports: Vec<String>,
    /// The address that SNAT puts in.
    pub to_source: Option<String>,
    /// The interface that packets come in by.
    pub in_interface: Option<String>,
    /// The interface that packets leave by.
    pub out_interface: Option<String>,
    /// Second and further fragments.
    pub fragment: Option<String>,
    /// The counters to begin with, of packets and bytes.
    pub set_counters: Option<String>,
    /// The port, or first:last, that packets come from.
    pub source_port: Option<String>,
    /// The port, or first:last, that packets go to.
    pub destination_port: Option<String>,
    /// The ports that REDIRECT or MASQUERADE put in.
    pub to_ports: Option<String>,
    /// The DSCP mark to set. Together with `jump`.
    pub set_dscp_mark: Option<String>,
    /// The DiffServ class to set. Together with `jump`.
    pub set_dscp_mark_class: Option<String>,
    /// The packet that opens a TCP connection: `match` it, or all others (`negate`).
    #[arg(default = "ignore")]
    pub syn: Syn,
    /// States of the connection, for conntrack: `NEW`, `ESTABLISHED`, …
    pub ctstate: Vec<String>,
    /// First-last of the addresses that packets come from.
    pub src_range: Option<String>,
    /// First-last of the addresses that packets go to.
    pub dst_range: Option<String>,
    /// The name of an ipset.
    pub match_set: Option<String>,
    /// Which of the packet's addresses are looked up in the ipset.
    #[arg(choices("src", "dst", "src,dst", "dst,src", "dst,dst", "src,src"))]
    pub match_set_flags: Option<String>,
    /// How often the rule matches at most, as in `5/minute`.
    pub limit: Option<String>,
    /// How many more may match at first.
    pub limit_burst: Option<String>,
    /// The user whose process sent the packet.
    pub uid_owner: Option<String>,
    /// The group whose process sent the packet.
    pub gid_owner: Option<String>,
    /// What is sent back. Without `jump` it means `REJECT`.
    pub reject_with: Option<String>,
    /// The type of ICMP packets.
    pub icmp_type: Option<String>,
    /// A comment for those who list the rules.
    pub comment: Option<String>,
}

/// TCP flags.
#[derive(Args, Debug, Clone)]
#[args(name = "tcp_flags")]
pub struct TcpFlags {
    /// The flags to look at.
    pub flags: Vec<String>,
    /// Those of them that are set.
    pub flags_set: Vec<String>,
}

/// The packet that opens a TCP connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum Syn {
    Ignore,
    Match,
    Negate,
}

impl Rule {
    /// What goes together.
    pub fn check(&self) -> Result<(), Failure> {
        let logs = self.log_prefix.is_some() || self.log_level.is_some();
        if logs && self.jump.as_deref().is_some_and(|jump| jump != "LOG") {
            return Err(Failure::new("Logging options can only be used with the LOG jump target."));
        }
        for (name, value) in
            [("set_dscp_mark", &self.set_dscp_mark), ("set_dscp_mark_class", &self.set_dscp_mark_class)]
        {
            if value.is_some() && self.jump.is_none() {
                return Err(Failure::new(format!("missing parameter(s) required by '{name}': jump")));
            }
        }
        if self.tcp_flags.as_ref().is_some_and(|flags| flags.flags.is_empty() || flags.flags_set.is_empty()) {
            return Err(Failure::new("tcp_flags needs both flags and flags_set"));
        }
        Ok(())
    }

    /// The rule's words for iptables, or for ip6tables.
    pub fn words(&self, ipv6: bool) -> Vec<String> {
        let mut w = Words::default();
        let jump = match &self.jump {
            None if self.log_prefix.is_some() || self.log_level.is_some() => Some("LOG"),
            jump => jump.as_deref().filter(|jump| !jump.is_empty()),
        };
        w.value("-p", self.protocol.as_ref());
        w.value("-s", self.source.as_ref());
        w.value("-d", self.destination.as_ref());
        for name in &self.r#match {
            w.all(&["-m", name]);
        }
        if let Some(flags) = &self.tcp_flags {
            w.all(&["--tcp-flags", &flags.flags.join(","), &flags.flags_set.join(",")]);
        }
        if let Some(jump) = jump {
            w.all(&["-j", jump]);
            if jump.eq_ignore_ascii_case("TEE") {
                w.plain("--gateway", self.gateway.as_ref());
            }
        }
        w.plain("--log-prefix", self.log_prefix.as_ref());
        w.plain("--log-level", self.log_level.as_ref());
        w.plain("--to-destination", self.to_destination.as_ref());
        if !self.destination_ports.is_empty() {
            w.all(&["-m", "multiport", "--dports", &self.destination_ports.join(",")]);
        }
        w.plain("--to-source", self.to_source.as_ref());
        w.plain("-g", self.goto.as_ref());
        w.value("-i", self.in_interface.as_ref());
        w.value("-o", self.out_interface.as_ref());
        self.fragment(&mut w);
        if let Some(counters) = &self.set_counters {
            w.all(&["-c"]);
            w.0.extend(counters.split_whitespace().map(str::to_owned));
        }
        w.value("--source-port", self.source_port.as_ref());
        w.value("--destination-port", self.destination_port.as_ref());
        w.plain("--to-ports", self.to_ports.as_ref());
        w.plain("--set-dscp", self.set_dscp_mark.as_ref());
        w.plain("--set-dscp-class", self.set_dscp_mark_class.as_ref());
        if (self.set_dscp_mark.is_some() || self.set_dscp_mark_class.is_some())
            && !jump.is_some_and(|jump| jump.eq_ignore_ascii_case("DSCP"))
        {
            w.all(&["-j", "DSCP"]);
        }
        match self.syn {
            Syn::Ignore => {}
            Syn::Match => w.all(&["--syn"]),
            Syn::Negate => w.all(&["!", "--syn"]),
        }
        self.extensions(&mut w);
        if let Some(reject) = &self.reject_with {
            if jump.is_none() {
                w.all(&["-j", "REJECT"]);
            }
            w.all(&["--reject-with", reject]);
        }
        w.value(if ipv6 { "--icmpv6-type" } else { "--icmp-type" }, self.icmp_type.as_ref());
        if let Some(comment) = &self.comment {
            w.all(&["-m", "comment", "--comment", comment]);
        }
        w.0
    }

    fn extensions(&self, w: &mut Words) {
        let loaded = |name: &str| self.r#match.iter().any(|other| other == name);
        if !self.ctstate.is_empty() {
            let states = self.ctstate.join(",");
            // The old extension has its own word.
            if loaded("state") {
                w.all(&["--state", &states]);
            } else {
                w.load("conntrack", loaded("conntrack"));
                w.all(&["--ctstate", &states]);
            }
        }
        if self.src_range.is_some() || self.dst_range.is_some() {
            w.load("iprange", loaded("iprange"));
            w.value("--src-range", self.src_range.as_ref());
            w.value("--dst-range", self.dst_range.as_ref());
        }
        if let (Some(set), Some(flags)) = (&self.match_set, &self.match_set_flags) {
            w.load("set", loaded("set"));
            w.value("--match-set", Some(set));
            w.all(&[flags]);
        }
        if self.limit.is_some() || self.limit_burst.is_some() {
            w.load("limit", false);
            w.plain("--limit", self.limit.as_ref());
            w.plain("--limit-burst", self.limit_burst.as_ref());
        }
        if let Some(owner) = &self.uid_owner {
            w.load("owner", false);
            w.value("--uid-owner", Some(owner));
        }
        if let Some(owner) = &self.gid_owner {
            w.load("owner", false);
            w.value("--gid-owner", Some(owner));
        }
    }

    /// `-f` has no value; whatever the option holds only says that it is there, or with `!` that it is not.
    fn fragment(&self, w: &mut Words) {
        match self.fragment.as_deref().map(str::trim) {
            None => {}
            Some(text) if text.starts_with('!') => w.all(&["!", "-f"]),
            Some(_) => w.all(&["-f"]),
        }
    }
}

#[derive(Default)]
struct Words(Vec<String>);

impl Words {
    fn all(&mut self, words: &[&str]) {
        self.0.extend(words.iter().map(|&word| word.to_owned()));
    }

    fn load(&mut self, extension: &str, already: bool) {
        if !already {
            self.all(&["-m", extension]);
        }
    }

    fn plain(&mut self, flag: &str, value: Option<&String>) {
        if let Some(value) = value {
            self.all(&[flag, value]);
        }
    }

    /// A value that `!` may stand in front of; it goes in front of the flag.
    fn value(&mut self, flag: &str, value: Option<&String>) {
        match value.map(|value| (value, value.strip_prefix('!'))) {
            None => {}
            Some((value, None)) => self.all(&[flag, value]),
            Some((_, Some(value))) => self.all(&["!", flag, value.trim_start()]),
        }
    }
}
