//! The module `setup`.

use crate::machine::{Store, predict, run};
use provision_system::Memory;
use serde_json::{Map, Value, json};

#[track_caller]
fn facts(machine: &Memory, args: Value) -> Map<String, Value> {
    let done = run(machine, "setup", args);
    assert!(!done.failed && !done.changed, "{done:?}");
    let predicted = predict(machine, &Store::default(), "setup", json!({}));
    assert!(!predicted.changed && !predicted.failed);
    done.get("ansible_facts").as_object().unwrap().clone()
}

fn debian() -> Memory {
    Memory::new()
        .file("/etc/os-release", "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nVERSION=\"12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\n")
        .file("/etc/debian_version", "12.11\n")
        .file("/proc/sys/kernel/hostname", "web1\n")
        .file("/proc/sys/kernel/arch", "x86_64\n")
        .file("/proc/sys/kernel/osrelease", "6.1.0\n")
        .file("/proc/1/comm", "systemd\n")
        .file("/etc/hosts", "127.0.0.1 localhost\n127.0.1.1 web1.example.org web1\n")
        .file("/etc/resolv.conf", "search a b\nnameserver 1.1.1.1\nnameserver 8.8.8.8\noptions ndots:2 rotate\n")
        .file("/proc/cmdline", "console=tty0 quiet console=ttyS0\n")
        .program("/usr/bin/apt-get")
}

fn networked() -> Memory {
    let mut machine = debian()
        .file("/proc/net/route", "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\neth1\t00000000\t0100000A\t0003\t0\t0\t200\t00000000\t0\t0\t0\neth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\neth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n")
        .file("/proc/net/fib_trie", "Main:\n  +-- 0.0.0.0/0 3 0 5\n        |-- 127.0.0.0\n           /8 host LOCAL\n        |-- 127.0.0.1\n           /32 host LOCAL\n        |-- 192.0.2.2\n           /32 host LOCAL\n        |-- 192.0.2.255\n           /32 link BROADCAST\nLocal:\n        |-- 192.0.2.2\n           /32 host LOCAL\n")
        .file("/proc/net/if_inet6", "fe8000000000000000fc00fffe000001 04 40 20 80     eth0\n00000000000000000000000000000001 01 80 10 80       lo\nfd000000000000000000000000000002 04 40 00 80     eth0\n")
        .file("/proc/net/ipv6_route", "00000000000000000000000000000000 00 00000000000000000000000000000000 00 fd000000000000000000000000000001 00000400 00000001 00000000 00000003     eth0\nfd000000000000000000000000000002 80 00000000000000000000000000000000 00 00000000000000000000000000000000 00000000 00000001 00000000 80200001     eth0\n00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n");
    for (name, file, content) in [
        ("eth0", "address", "02:fc:00:00:00:01"),
        ("eth0", "mtu", "1400"),
        ("eth0", "operstate", "up"),
        ("eth0", "type", "1"),
        ("eth0", "flags", "0x1103"),
        ("eth0", "speed", "1000"),
        ("lo", "address", "00:00:00:00:00:00"),
        ("lo", "mtu", "65536"),
        ("lo", "operstate", "unknown"),
        ("lo", "type", "772"),
        ("br-x", "mtu", "1500"),
        ("br-x", "operstate", "down"),
        ("br-x", "type", "1"),
        ("br-x", "bridge/bridge_id", "8000.00"),
        ("br-x", "bridge/stp_state", "0"),
        ("br-x", "brif/v1", ""),
    ] {
        machine = machine.file(format!("/sys/class/net/{name}/{file}"), format!("{content}\n"));
    }
    machine
}

#[test]
fn the_minimum_names_the_machine() {
    let found = facts(&debian(), json!({"gather_subset": "!all"}));
    for (name, value) in [
        ("distribution", json!("Debian")),
        ("distribution_version", json!("12.11")),
        ("distribution_major_version", json!("12")),
        ("distribution_minor_version", json!("11")),
        ("distribution_release", json!("bookworm")),
        ("os_family", json!("Debian")),
        ("hostname", json!("web1")),
        ("fqdn", json!("web1.example.org")),
        ("domain", json!("example.org")),
        ("machine", json!("x86_64")),
        ("service_mgr", json!("systemd")),
        ("pkg_mgr", json!("apt")),
        ("user_id", json!("root")),
        ("cmdline", json!({"console": "ttyS0", "quiet": true})),
        ("proc_cmdline", json!({"console": ["tty0", "ttyS0"], "quiet": true})),
        (
            "dns",
            json!({"search": ["a", "b"], "nameservers": ["1.1.1.1", "8.8.8.8"], "options": {"ndots": "2", "rotate": true}}),
        ),
        ("selinux", json!({"status": "disabled"})),
        ("local", json!({})),
    ] {
        assert_eq!(found[&format!("ansible_{name}")], value, "{name}");
    }
    assert_eq!(found["module_setup"], json!(true));
    assert_eq!(found["gather_subset"], json!(["!all"]));
    assert!(!found.contains_key("ansible_interfaces") && !found.contains_key("ansible_python"));
}

#[test]
fn time_is_the_machines() {
    let found = facts(&debian(), json!({"gather_subset": ["!all", "!min", "date_time"]}));
    let time = &found["ansible_date_time"];
    for (name, value) in [
        ("iso8601", "2023-11-14T22:13:20Z"),
        ("iso8601_basic", "20231114T221320000000"),
        ("weekday", "Tuesday"),
        ("weekday_number", "2"),
        ("weeknumber", "46"),
        ("epoch", "1700000000"),
        ("tz", "UTC"),
        ("tz_dst", "UTC"),
        ("tz_offset", "+0000"),
    ] {
        assert_eq!(time[name], value, "{name}");
    }
    assert_eq!(found.len(), 3);
}

#[test]
fn networks_are_read_without_ip() {
    let found = facts(&networked(), json!({"gather_subset": "network"}));
    assert_eq!(found["ansible_interfaces"], json!(["br-x", "eth0", "lo"]));
    assert_eq!(
        found["ansible_default_ipv4"],
        json!({"interface": "eth0", "gateway": "192.0.2.1", "address": "192.0.2.2",
            "broadcast": "192.0.2.255", "netmask": "255.255.255.0", "network": "192.0.2.0", "prefix": "24",
            "alias": "eth0", "macaddress": "02:fc:00:00:00:01", "mtu": 1400, "type": "ether"})
    );
    assert_eq!(
        found["ansible_default_ipv6"],
        json!({"interface": "eth0", "gateway": "fd00::1", "address": "fd00::2", "prefix": "64",
            "scope": "global", "macaddress": "02:fc:00:00:00:01", "mtu": 1400, "type": "ether"})
    );
    assert_eq!(found["ansible_all_ipv4_addresses"], json!(["192.0.2.2"]));
    assert_eq!(found["ansible_all_ipv6_addresses"], json!(["fd00::2", "fe80::fc:ff:fe00:1"]));
    assert_eq!(
        found["ansible_locally_reachable_ips"],
        json!({"ipv4": ["127.0.0.0/8", "127.0.0.1", "192.0.2.2"], "ipv6": ["fd00::2"]})
    );
    assert_eq!(
        found["ansible_br_x"],
        json!({"device": "br-x", "mtu": 1500, "active": false, "type": "bridge", "interfaces": ["v1"],
            "id": "8000.00", "stp": false, "promisc": false})
    );
    assert_eq!(found["ansible_eth0"]["promisc"], json!(true));
    assert!(found["ansible_lo"].get("macaddress").is_none());
    // Groups that network builds on come along.
    assert_eq!(found["ansible_distribution"], "Debian");
}

#[test]
fn addresses_are_what_ip_says() {
    let text = "2: eth0    inet 192.0.2.2/24 brd 192.0.2.255 scope global eth0\\       valid_lft forever\n\
        2: eth0    inet 192.0.2.3/24 scope global secondary eth0\\       valid_lft forever\n\
        2: eth0    inet 192.0.2.4/24 scope global secondary eth0:1\\       valid_lft forever\n";
    let machine = networked().answer(&["ip", "-4", "-o", "addr", "show"], 0, text);
    let found = facts(&machine, json!({"gather_subset": "network"}));
    assert_eq!(found["ansible_eth0"]["ipv4"]["address"], "192.0.2.2");
    assert_eq!(
        found["ansible_eth0"]["ipv4_secondaries"],
        json!([{"address": "192.0.2.3", "broadcast": "", "netmask": "255.255.255.0", "network": "192.0.2.0", "prefix": "24"}])
    );
    assert_eq!(found["ansible_eth0_1"]["ipv4"]["address"], "192.0.2.4");
    assert_eq!(found["ansible_interfaces"], json!(["br-x", "eth0", "eth0:1", "lo"]));
}

#[test]
fn distributions_have_ansibles_names() {
    let os = |text: &str| Memory::new().file("/etc/os-release", text);
    for (machine, name, version, release, family, variety) in [
        (
            os("NAME=\"Ubuntu\"\nID=ubuntu\nVERSION_ID=\"22.04\"\nVERSION_CODENAME=jammy\n"),
            "Ubuntu",
            "22.04",
            "jammy",
            "Debian",
            "Debian",
        ),
        (
            os("NAME=\"Rocky Linux\"\nID=\"rocky\"\nVERSION_ID=\"9.3\"\n")
                .file("/etc/redhat-release", "Rocky Linux release 9.3 (Blue Onyx)\n"),
            "Rocky",
            "9.3",
            "Blue Onyx",
            "RedHat",
            "RedHat",
        ),
        (
            os("ID=centos\n").file("/etc/redhat-release", "CentOS Stream release 9\n"),
            "CentOS",
            "9",
            "Stream",
            "RedHat",
            "RedHat",
        ),
        (
            os("ID=alpine\nVERSION_ID=3.19.1\n").file("/etc/alpine-release", "3.19.1\n"),
            "Alpine",
            "3.19.1",
            "NA",
            "Alpine",
            "Alpine",
        ),
        (
            os("NAME=\"openSUSE Leap\"\nID=\"opensuse-leap\"\nVERSION_ID=\"15.5\"\n"),
            "openSUSE Leap",
            "15.5",
            "5",
            "Suse",
            "SUSE",
        ),
    ] {
        let found = facts(&machine, json!({"gather_subset": ["!all", "!min", "distribution"]}));
        let fact = |fact: &str| found[&format!("ansible_{fact}")].as_str().unwrap().to_owned();
        assert_eq!(
            [
                fact("distribution"),
                fact("distribution_version"),
                fact("distribution_release"),
                fact("os_family"),
                fact("distribution_file_variety")
            ],
            [name, version, release, family, variety]
        );
    }
}

#[test]
fn the_owners_facts_are_read_and_run() {
    let machine = Memory::new()
        .file("/etc/ansible/facts.d/a.fact", "{\"x\": [1]}")
        .file("/etc/ansible/facts.d/b.fact", "[s]\nKey = v\n")
        .file("/etc/ansible/facts.d/bad.fact", "nothing\n")
        .program("/etc/ansible/facts.d/run.fact")
        .program("/etc/ansible/facts.d/fails.fact")
        .file("/etc/ansible/facts.d/other.txt", "x")
        .answer(&["/etc/ansible/facts.d/run.fact"], 0, "{\"ran\": true}")
        .answer(&["/etc/ansible/facts.d/fails.fact"], 3, "");
    let found = facts(&machine, json!({"gather_subset": "!all,!min,local"}));
    let local = found["ansible_local"].as_object().unwrap();
    assert_eq!(local["a"], json!({"x": [1]}));
    assert_eq!(local["b"], json!({"s": {"key": "v"}}));
    assert_eq!(local["run"], json!({"ran": true}));
    assert!(local["bad"].as_str().unwrap().starts_with("error loading facts as JSON or ini"));
    assert!(local["fails"].as_str().unwrap().contains("rc: 3"));
    assert_eq!(local.len(), 5);
    let found =
        facts(&machine, json!({"gather_subset": "local", "fact_path": "/none", "filter": "ansible_local"}));
    assert_eq!(found["ansible_local"], json!({}));
}

#[test]
fn subsets_and_filters() {
    let m = networked();
    let names = |args: Value| facts(&m, args).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert!(names(json!({})).iter().any(|name| name == "ansible_interfaces"));
    assert!(names(json!({"gather_subset": "!hardware"})).iter().any(|name| name == "ansible_interfaces"));
    assert!(!names(json!({"gather_subset": "all,!network"})).iter().any(|name| name == "ansible_interfaces"));
    let base = ["gather_subset", "module_setup"];
    assert_eq!(names(json!({"gather_subset": "!all,!min"})), base);
    let filtered = names(json!({"filter": ["ansible_distribution*", "os_f?mily"]}));
    assert_eq!(filtered.len(), 9, "as in Ansible, a filter takes these away, too: {filtered:?}");
    let done = run(&m, "setup", json!({"gather_subset": "network,nonsense"}));
    assert!(done.failed && done.msg().starts_with("Bad subset 'nonsense' given to Ansible."), "{done:?}");
}

#[test]
fn hardware_is_counted() {
    let cpu = |id| {
        format!(
            "processor\t: {id}\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC\nphysical id\t: 0\nsiblings\t: 4\ncpu cores\t: 2\nflags\t\t: fpu vme\n\n"
        )
    };
    let m = Memory::new()
        .file("/proc/cpuinfo", (0..4).map(cpu).collect::<String>())
        .file("/proc/self/status", "Name:\tx\nCpus_allowed_list:\t0-1,3\n")
        .file("/proc/meminfo", "MemTotal: 2048000 kB\nMemFree: 1024000 kB\nBuffers: 1024 kB\nCached: 1024 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\nSwapCached: 0 kB\n")
        .file("/proc/self/mounts", "proc /proc proc rw 0 0\n/dev/vda1 / ext4 ro 0 1\n/dev/vda1 / ext4 rw 0 1\nh:/x /mnt/a\\040b nfs rw 0 0\n")
        .file("/proc/self/mountinfo", "22 1 254:1 / / rw - ext4 /dev/vda1 rw\n")
        .file("/sys/block/vda/size", "2097152\n")
        .file("/sys/block/vda/queue/scheduler", "none [mq-deadline]\n")
        .file("/sys/block/vda/vda1/start", "2048\n")
        .file("/sys/block/vda/vda1/size", "2048\n")
        .link("../../vda1", "/dev/disk/by-uuid/1234-ab")
        .answer(&["stat", "-f", "-c", "%n|%s %S %b %a %c %d", "--", "/", "/mnt/a b"], 0, "/|4096 4096 100 40 10 4\n");
    let found = facts(&m, json!({"gather_subset": "hardware"}));
    for (name, value) in [
        ("processor_count", 1),
        ("processor_cores", 2),
        ("processor_threads_per_core", 2),
        ("processor_vcpus", 4),
        ("processor_nproc", 3),
        ("memtotal_mb", 2000),
        ("memfree_mb", 1000),
    ] {
        assert_eq!(found[&format!("ansible_{name}")], value, "{name}");
    }
    assert_eq!(found["ansible_processor"].as_array().unwrap().len(), 12);
    assert_eq!(found["ansible_memory_mb"]["nocache"], json!({"free": 1002, "used": 998}));
    let mounts = found["ansible_mounts"].as_array().unwrap();
    assert_eq!(mounts.len(), 2);
    assert_eq!((&mounts[0]["size_available"], &mounts[0]["options"]), (&json!(163_840), &json!("rw")));
    assert_eq!((&mounts[0]["block_used"], &mounts[0]["inode_used"]), (&json!(60), &json!(6)));
    assert_eq!((&mounts[0]["uuid"], &mounts[1]["mount"]), (&json!("1234-ab"), &json!("/mnt/a b")));
    let disk = &found["ansible_devices"]["vda"];
    assert_eq!((&disk["size"], &disk["scheduler_mode"]), (&json!("1.00 GB"), &json!("mq-deadline")));
    assert_eq!(disk["partitions"]["vda1"]["uuid"], "1234-ab");
}
