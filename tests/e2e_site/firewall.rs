//! The firewall from both sides, over a reboot; and that the site comes back by itself.

use std::collections::HashSet;

use provision_testkit::fleet::Layer;

use crate::kit::{PLAIN, Site};
use crate::look::{self, home};

#[test]
fn the_firewall_holds_over_a_reboot() {
    let site = Site::layered(Layer::NGINX);
    // Something that must not be reached from outside, and rules from before us: a ban, and a "reject the rest" in
    // front of which ours have to stand.
    site.backend(&["127.0.0.1:8080", "0.0.0.0:8081", "[::]:8082"]);
    for command in ["iptables", "ip6tables"] {
        site.sh(&format!(
            "{command} -A INPUT -p tcp --dport 9999 -j DROP; {command} -A INPUT -p udp --dport 9998 -j REJECT"
        ));
    }
    site.vars(&format!("{PLAIN}\nfirewall_default_drop: true\n"));
    let open = look::nmap(&site, false, &["-p8081"]) + &look::nmap(&site, true, &["-p8082"]);
    assert!(open.contains("8081/tcp open") && open.contains("8082/tcp open"), "reachable before: {open}");
    site.converge();
    closed_but_for_three(&site);
    let rules = rules(&site);
    site.settled();
    assert_eq!(self::rules(&site), rules, "the second run leaves the rules alone");

    site.host.reboot().unwrap();
    assert_eq!(self::rules(&site), rules, "rules after a reboot");
    closed_but_for_three(&site);
    assert_eq!(
        site.sh("systemctl is-enabled nginx netfilter-persistent; systemctl is-active nginx"),
        "enabled\nenabled\nactive"
    );
    home(&site, &site.certificate()).expect(200);
    site.settled();
}

/// Rules in the table that others have made stay where they are: ours go in front of what rejects everything.
#[test]
fn rules_stand_in_front_of_a_reject() {
    let site = Site::layered(Layer::NGINX);
    site.sh(
        "iptables -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT; iptables -A INPUT -p tcp --dport 22 -j ACCEPT
         iptables -A INPUT -s 192.0.2.66 -j DROP; iptables -A INPUT -j REJECT --reject-with icmp-host-prohibited",
    );
    let before = look::nmap(&site, false, &["-p443"]);
    assert!(before.contains("443/tcp filtered"), "{before}");
    site.converge();
    let seen = look::nmap(&site, false, &["-p80,443"]);
    assert!(seen.contains("80/tcp  open") && seen.contains("443/tcp open"), "{seen}");
    let rules = site.sh("iptables -S INPUT");
    let at = |what: &str| {
        rules.lines().position(|l| l.contains(what)).unwrap_or_else(|| panic!("{what}: {rules}"))
    };
    assert!(
        at("192.0.2.66") < at("provision: tcp 443") && at("provision: tcp 443") < at("REJECT"),
        "{rules}"
    );
    assert!(rules.starts_with("-P INPUT ACCEPT"), "nobody asked for a default drop: {rules}");
    site.settled();
}

fn closed_but_for_three(site: &Site) {
    let four = look::nmap(site, false, &["-p22,80,443,8080,8081,9999"]);
    let six = look::nmap(site, true, &["-p22,80,443,8080,8082,9999"]);
    for seen in [four, six] {
        for open in ["22/tcp   open", "80/tcp   open", "443/tcp  open"] {
            assert!(seen.contains(open), "no {open}: {seen}");
        }
        assert_eq!(seen.matches("/tcp filtered").count() + seen.matches("/tcp closed").count(), 3, "{seen}");
    }
}

/// Both families' rules without counters; no line twice.
fn rules(site: &Site) -> String {
    let mut all = String::new();
    for command in ["iptables", "ip6tables"] {
        let rules = site.sh(&format!("{command} -S INPUT"));
        assert!(rules.starts_with("-P INPUT DROP"), "{rules}");
        let lines: Vec<&str> = rules.lines().collect();
        assert_eq!(lines.iter().collect::<HashSet<_>>().len(), lines.len(), "a rule twice: {rules}");
        assert!(rules.contains("--dport 9999 -j DROP"), "somebody else's rule is gone: {rules}");
        all += &rules;
    }
    all
}
