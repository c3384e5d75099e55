//! The module `iptables`. The commands expected here are those that Ansible runs for the same tasks.

use crate::machine::{Store, converge, predict, refused, run};
use provision_system::{Command, Memory, NewFile, Output, System};
use serde_json::{Value, json};

fn words(command: &Command) -> Vec<String> {
    command.argv.iter().map(|word| word.to_string_lossy().into_owned()).collect()
}

/// A packet filter that remembers rules as lines in a file: family, table, chain, rule.
fn filter(machine: &Memory, command: &Command) -> Option<Output> {
    let all = words(command);
    let file = format!("/rules/{}", all[0]);
    let mut rules: Vec<String> = machine.text(&file).lines().map(str::to_owned).collect();
    let chain = all.get(4).cloned().unwrap_or_default();
    let head = format!("{} {chain}", all[2]);
    let rest = |from: usize| format!("{head}: {}", all[from..].join("|"));
    let found = |line: &str| rules.iter().position(|rule| rule == line);
    let mut out = String::new();
    let rc = match all[3].as_str() {
        "-C" => i32::from(found(&rest(5)).is_none()),
        "-A" => {
            rules.push(rest(5));
            0
        }
        "-I" => {
            let number: usize = all[5].parse().unwrap();
            rules.insert(number - 1, rest(6));
            0
        }
        "-D" => {
            rules.remove(found(&rest(5)).unwrap());
            0
        }
        "-L" => match rules.iter().find(|rule| rule.starts_with(&format!("chain {head}"))) {
            Some(rule) => {
                out = format!("Chain {chain} ({})\n", rule.split_once('=').unwrap().1);
                0
            }
            None => 1,
        },
        "-N" => {
            rules.push(format!("chain {head}=1 references"));
            0
        }
        "-X" => {
            rules.retain(|rule| !rule.starts_with(&format!("chain {head}")));
            0
        }
        "-P" => {
            rules.retain(|rule| !rule.starts_with(&format!("chain {head}")));
            rules.push(format!("chain {head}=policy {}", all[5]));
            0
        }
        "-F" => {
            rules.retain(|rule| !rule.starts_with(&head));
            0
        }
        other => panic!("{other}"),
    };
    machine.write(file.as_ref(), &mut rules.join("\n").as_bytes(), &NewFile::default()).unwrap();
    Some(Output {
        rc,
        stdout: out.into(),
        stderr: if rc == 0 { Vec::new() } else { b"iptables: no\n".to_vec() },
    })
}

fn machine() -> Memory {
    let chains = "chain filter INPUT=policy ACCEPT\nfilter INPUT: -p|all";
    Memory::new()
        .program("/usr/sbin/iptables")
        .program("/usr/sbin/ip6tables")
        .file("/rules/iptables", chains)
        .file("/rules/ip6tables", chains)
        .on_command_with(filter)
}

#[test]
fn a_rule_is_added_once() {
    let m = machine();
    let args = json!({"chain": "INPUT", "protocol": "tcp", "destination_port": 22, "jump": "ACCEPT",
        "comment": "provision: tcp 22", "action": "insert", "rule_num": 1});
    let done = converge(&m, "iptables", args.clone());
    assert!(done.changed && !done.failed, "{done:?}");
    done.has(
        json!({"ip_version": "ipv4", "table": "filter", "chain": "INPUT", "flush": false, "state": "present",
        "chain_management": false, "wait": null,
        "rule": "-p tcp -j ACCEPT --destination-port 22 -m comment --comment provision: tcp 22"}),
    );
    assert_eq!(
        m.text("/rules/iptables").lines().next().unwrap(),
        "filter INPUT: -p|tcp|-j|ACCEPT|--destination-port|22|-m|comment|--comment|provision: tcp 22"
    );
    assert_eq!(m.ran().len(), 1);
    let mut gone = args;
    gone["state"] = json!("absent");
    assert!(converge(&m, "iptables", gone).changed);
    assert_eq!(m.text("/rules/iptables"), "chain filter INPUT=policy ACCEPT\nfilter INPUT: -p|all");
}

#[test]
fn both_families_at_once() {
    let m = machine();
    let args = json!({"chain": "INPUT", "ip_version": "both", "icmp_type": 8, "protocol": "icmp", "wait": 5});
    assert!(converge(&m, "iptables", args).changed);
    let ran: Vec<String> = m.ran().iter().map(Command::display).collect();
    assert_eq!(
        ran,
        [
            "iptables -t filter -A INPUT -w 5 -p icmp --icmp-type 8",
            "ip6tables -t filter -A INPUT -w 5 -p icmp --icmpv6-type 8"
        ]
    );
}

#[test]
fn words_come_in_ansibles_order() {
    // Each as ansible-core 2.19 makes it of the same options.
    let cases: Vec<(Value, Vec<&str>)> = vec![
        (
            json!({"protocol": "tcp", "source": "1.2.3.4", "destination": "!5.6.7.8", "match": ["tcp", "foo"],
                "tcp_flags": {"flags": ["SYN", "ACK"], "flags_set": ["SYN"]}, "jump": "DROP", "gateway": "1.1.1.1",
                "to_destination": "9.9.9.9", "to_source": "8.8.8.8", "goto": "FOO", "in_interface": "!eth0",
                "out_interface": "eth1", "source_port": "99", "destination_port": "!80", "to_ports": "8080",
                "set_dscp_mark": "8", "syn": "match", "ctstate": ["NEW", "RELATED"], "limit": "2/s",
                "limit_burst": "20", "uid_owner": "!bob", "gid_owner": "staff", "icmp_type": "8", "comment": "a b",
                "destination_ports": ["80", "443"], "src_range": "1.1.1.1-1.1.1.2", "dst_range": "2.2.2.2-2.2.2.3",
                "match_set": "!admin", "match_set_flags": "src"}),
            vec![
                "-p",
                "tcp",
                "-s",
                "1.2.3.4",
                "!",
                "-d",
                "5.6.7.8",
                "-m",
                "tcp",
                "-m",
                "foo",
                "--tcp-flags",
                "SYN,ACK",
                "SYN",
                "-j",
                "DROP",
                "--to-destination",
                "9.9.9.9",
                "-m",
                "multiport",
                "--dports",
                "80,443",
                "--to-source",
                "8.8.8.8",
                "-g",
                "FOO",
                "!",
                "-i",
                "eth0",
                "-o",
                "eth1",
                "--source-port",
                "99",
                "!",
                "--destination-port",
                "80",
                "--to-ports",
                "8080",
                "--set-dscp",
                "8",
                "-j",
                "DSCP",
                "--syn",
                "-m",
                "conntrack",
                "--ctstate",
                "NEW,RELATED",
                "-m",
                "iprange",
                "--src-range",
                "1.1.1.1-1.1.1.2",
                "--dst-range",
                "2.2.2.2-2.2.2.3",
                "-m",
                "set",
                "!",
                "--match-set",
                "admin",
                "src",
                "-m",
                "limit",
                "--limit",
                "2/s",
                "--limit-burst",
                "20",
                "-m",
                "owner",
                "!",
                "--uid-owner",
                "bob",
                "-m",
                "owner",
                "--gid-owner",
                "staff",
                "--icmp-type",
                "8",
                "-m",
                "comment",
                "--comment",
                "a b",
            ],
        ),
        (
            json!({"jump": "DSCP", "set_dscp_mark_class": "CS1", "syn": "negate", "ctstate": "NEW",
                "match": ["conntrack", "iprange", "set", "comment", "limit", "owner"], "src_range": "a-b",
                "match_set": "q", "match_set_flags": "dst", "comment": "zz", "limit": "3/s", "uid_owner": 7}),
            vec![
                "-m",
                "conntrack",
                "-m",
                "iprange",
                "-m",
                "set",
                "-m",
                "comment",
                "-m",
                "limit",
                "-m",
                "owner",
                "-j",
                "DSCP",
                "--set-dscp-class",
                "CS1",
                "!",
                "--syn",
                "--ctstate",
                "NEW",
                "--src-range",
                "a-b",
                "--match-set",
                "q",
                "dst",
                "-m",
                "limit",
                "--limit",
                "3/s",
                "-m",
                "owner",
                "--uid-owner",
                "7",
                "-m",
                "comment",
                "--comment",
                "zz",
            ],
        ),
        (
            json!({"match": "state", "ctstate": "NEW", "dst_range": "c-d", "reject_with": "tcp-reset",
                "protocol": "tcp", "icmp_type": "echo"}),
            vec![
                "-p",
                "tcp",
                "-m",
                "state",
                "--state",
                "NEW",
                "-m",
                "iprange",
                "--dst-range",
                "c-d",
                "-j",
                "REJECT",
                "--reject-with",
                "tcp-reset",
                "--icmp-type",
                "echo",
            ],
        ),
        (
            json!({"jump": "TEE", "gateway": "1.1.1.1", "to_destination": "x", "to_source": "y"}),
            vec!["-j", "TEE", "--gateway", "1.1.1.1", "--to-destination", "x", "--to-source", "y"],
        ),
        (
            json!({"jump": "LOG", "log_prefix": "p q", "log_level": 4, "to_destination": "x", "reject_with": "z",
                "destination_ports": 80, "syn": "match", "icmp_type": 3, "to_ports": 8, "limit": 1, "goto": "g"}),
            vec![
                "-j",
                "LOG",
                "--log-prefix",
                "p q",
                "--log-level",
                "4",
                "--to-destination",
                "x",
                "-m",
                "multiport",
                "--dports",
                "80",
                "-g",
                "g",
                "--to-ports",
                "8",
                "--syn",
                "-m",
                "limit",
                "--limit",
                "1",
                "--reject-with",
                "z",
                "--icmp-type",
                "3",
            ],
        ),
        (
            json!({"log_prefix": "foo", "limit": "1/s", "fragment": "!"}),
            vec!["-j", "LOG", "--log-prefix", "foo", "!", "-f", "-m", "limit", "--limit", "1/s"],
        ),
    ];
    for (mut args, expected) in cases {
        let m = machine();
        args["chain"] = json!("INPUT");
        assert!(run(&m, "iptables", args).changed);
        assert_eq!(words(&m.ran()[0])[5..], expected);
    }
}

#[test]
fn policies_and_chains() {
    let m = machine();
    assert!(converge(&m, "iptables", json!({"chain": "INPUT", "policy": "DROP", "numeric": true})).changed);
    assert_eq!(m.queried()[0].display(), "iptables -t filter -L INPUT --numeric");
    assert!(m.text("/rules/iptables").contains("chain filter INPUT=policy DROP"));
    let done = run(&m, "iptables", json!({"chain": "NONE", "policy": "DROP"}));
    assert!(done.failed, "{done:?}");
    assert!(converge(&m, "iptables", json!({"chain": "MINE", "chain_management": true})).changed);
    let done = run(&m, "iptables", json!({"chain": "MINE", "policy": "DROP"}));
    assert!(done.failed && done.msg().contains("not built in"), "{done:?}");
    let rule = json!({"chain": "YOURS", "chain_management": true, "protocol": "tcp"});
    assert!(converge(&m, "iptables", rule).changed);
    assert!(m.text("/rules/iptables").contains("chain filter YOURS"));
    let gone = json!({"chain": "MINE", "chain_management": true, "state": "absent"});
    assert!(converge(&m, "iptables", gone).changed);
    assert!(!m.text("/rules/iptables").contains("MINE"));
    assert!(!run(&m, "iptables", json!({"chain": "INPUT", "state": "absent"})).changed);
    assert!(run(&m, "iptables", json!({"chain": "INPUT", "flush": true})).changed);
    assert!(!m.text("/rules/iptables").contains("-p|all"));
    run(&m, "iptables", json!({"table": "nat", "flush": true}));
    assert_eq!(m.ran().last().unwrap().display(), "iptables -t nat -F");
}

#[test]
fn what_does_not_go_together_is_refused() {
    let m = machine();
    let msg = |args: Value| run(&m, "iptables", args).msg().to_owned();
    assert_eq!(
        msg(json!({"chain": "INPUT", "jump": "ACCEPT", "log_level": 4})),
        "Logging options can only be used with the LOG jump target."
    );
    let done = msg(json!({"chain": "INPUT", "set_dscp_mark": 1}));
    assert_eq!(done, "missing parameter(s) required by 'set_dscp_mark': jump");
    assert!(refused("iptables", json!({"protocol": "tcp"})).contains("chain"));
    assert!(
        refused("iptables", json!({"chain": "INPUT", "flush": true, "policy": "DROP"})).contains("policy")
    );
    assert!(refused("iptables", json!({"chain": "INPUT", "jump": "TEE"})).contains("gateway"));
    assert!(refused("iptables", json!({"chain": "INPUT", "match_set": "x"})).contains("match_set_flags"));
    assert!(m.ran().is_empty());
}

#[test]
fn without_iptables_only_an_unfinished_dry_run_goes_on() {
    let m = Memory::new();
    let done = run(&m, "iptables", json!({"chain": "INPUT", "protocol": "tcp"}));
    assert!(done.failed && done.msg().contains("\"iptables\""), "{done:?}");
    let done = predict(&m, &Store::default(), "iptables", json!({"chain": "INPUT", "protocol": "tcp"}));
    assert!(done.failed);
    let overlay = provision_system::Overlay::new(&m);
    overlay.run(&Command::new(["apt-get"]), provision_system::Effect::Change).unwrap();
    let done = crate::apt::on(&overlay, "iptables", json!({"chain": "INPUT", "protocol": "tcp"}));
    assert!(done.0, "{done:?}");
    assert_eq!(done.1.get("depends_on").unwrap(), "unknown until applied: iptables is not installed yet");
}
