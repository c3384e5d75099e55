//! The test hosts themselves, for real. These tests fail where hosts cannot be booted.

use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use provision_testkit::acme::Pebble;
use provision_testkit::fleet::{Distro, Fleet, Host, Layer, Options};
use provision_testkit::wss::Client;

fn ssh(host: &Host, user: &str, command: &str) -> std::process::Output {
    let mut ssh = Command::new("ssh");
    ssh.arg("-F").arg(host.ssh_config()).args(["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"]);
    ssh.args(["-o", "ConnectTimeout=5", "-l", user, host.name(), command]).output().expect("ssh runs")
}

fn reachable(host: &Host) -> bool {
    TcpStream::connect_timeout(&(host.ip(), 22).into(), Duration::from_millis(500)).is_ok()
}

fn sleeps(how_long: &str) -> bool {
    let wanted = format!("sleep\0{how_long}\0");
    let all = std::fs::read_dir("/proc").expect("/proc").flatten();
    all.into_iter().any(|p| std::fs::read(p.path().join("cmdline")).is_ok_and(|c| c == wanted.as_bytes()))
}

#[test]
fn a_host_is_a_machine_of_its_own() {
    let start = Instant::now();
    let host = Host::boot(Distro::Bookworm).unwrap();
    let took = start.elapsed();

    assert_eq!(host.sh("hostname").unwrap().trim(), host.name());
    assert_eq!(host.sh("systemctl is-system-running").unwrap().trim(), "running", "booted in {took:?}");
    assert!(host.sh("command -v python3 || echo none").unwrap().contains("none"));
    assert_eq!(host.exec(&["sh", "-c", "exit 7"]).unwrap().code, 7);
    host.sh("iptables -A INPUT -p tcp --dport 81 -j ACCEPT; ip6tables -A INPUT -p tcp --dport 81 -j ACCEPT")
        .unwrap();

    let root = ssh(&host, "root", "id -u");
    assert_eq!(String::from_utf8_lossy(&root.stdout).trim(), "0", "{root:?}");
    let deploy = ssh(&host, "deploy", "sudo -n id -u");
    assert_eq!(String::from_utf8_lossy(&deploy.stdout).trim(), "0", "{deploy:?}");
    assert!(!ssh(&host, "pw", "sudo -n id -u").status.success(), "sudo asks pw for a password");
    let pw = ssh(&host, "pw", "echo pw | sudo -S id -u");
    assert_eq!(String::from_utf8_lossy(&pw.stdout).trim(), "0", "{pw:?}");
    assert!(TcpStream::connect_timeout(&(host.ip6(), 22).into(), Duration::from_secs(2)).is_ok(), "IPv6");
}

#[test]
fn a_reboot_keeps_the_disk_and_power_off_ends_it() {
    let host = Host::boot(Distro::Bookworm).unwrap();
    host.sh("echo kept > /etc/kept; echo gone > /run/gone").unwrap();
    let before = host.sh("cat /proc/sys/kernel/random/boot_id; stat -c %Y /proc/1").unwrap();
    host.reboot().unwrap();
    assert_eq!(host.sh("cat /etc/kept").unwrap(), "kept\n");
    assert_eq!(std::fs::read_to_string(host.root().join("etc/kept")).unwrap(), "kept\n");
    assert!(host.sh("cat /run/gone").is_err(), "memory is empty after {before}");

    host.kill().unwrap();
    assert!(host.exec(&["true"]).is_err());
    assert!(!reachable(&host));
    host.start_again().unwrap();
    assert_eq!(host.sh("cat /etc/kept").unwrap(), "kept\n");
}

#[test]
fn a_cut_cable_and_a_dropped_host() {
    let host = Host::boot(Distro::Bookworm).unwrap();
    assert!(reachable(&host));
    host.cut_network().unwrap();
    assert!(!reachable(&host));
    host.restore_network().unwrap();
    let start = Instant::now();
    while !reachable(&host) {
        assert!(start.elapsed() < Duration::from_secs(10), "the network does not come back");
    }

    // The next test may have the same name and address a moment later, so look for what only this host has.
    let nap = format!("4242{}", std::process::id());
    host.sh(&format!("touch /etc/of-this-test; setsid sleep {nap} > /dev/null 2>&1 &")).unwrap();
    let root = host.root().to_path_buf();
    assert!(root.join("etc/of-this-test").exists());
    let start = Instant::now();
    while !sleeps(&nap) {
        assert!(start.elapsed() < Duration::from_secs(10), "the process on the host does not show here");
    }
    drop(host);
    assert!(!root.join("etc/of-this-test").exists() && !sleeps(&nap));
}

#[test]
fn what_is_written_shows_and_what_is_not_does_not() {
    let host = Host::boot(Distro::Bookworm).unwrap();
    let noise = ["/var/log", "/var/lib/systemd", "/run", "/tmp"];
    let before = host.tree(&noise).unwrap();
    host.sh("cat /etc/passwd > /dev/null; ls -R /etc > /dev/null").unwrap();
    assert_eq!(before.changes(&host.tree(&noise).unwrap()), Vec::<std::path::PathBuf>::new());
    host.sh("chmod 600 /etc/issue; rm /etc/motd").unwrap();
    let after = host.tree(&noise).unwrap();
    let mut changes = before.changes(&after);
    changes.retain(|p| p.starts_with("etc") && p.components().count() > 1);
    changes.sort();
    assert_eq!(changes, [std::path::Path::new("etc/issue"), std::path::Path::new("etc/motd")]);
    assert_ne!(before.hash(), after.hash());
}

#[test]
fn a_small_disk_fills_up_and_noexec_does_not_execute() {
    let host = Host::boot(Distro::Bookworm).unwrap();
    host.tmpfs("/srv/small", 64).unwrap();
    let full = host.exec(&["sh", "-c", "head -c 100000 /dev/zero > /srv/small/f"]).unwrap();
    assert!(!full.ok() && full.stderr.contains("No space left"), "{full:?}");
    host.sh("printf '#!/bin/sh\\n' > /tmp/x; chmod 755 /tmp/x; /tmp/x").unwrap();
    host.noexec("/tmp").unwrap();
    assert_eq!(host.exec(&["/tmp/x"]).unwrap().code, 126);
}

#[test]
fn several_at_once_with_a_layer() {
    let options = Options { layer: Some(Layer::NGINX), ..Options::of(Distro::Bookworm) };
    let hosts = Host::boot_many_with(&options, 3).unwrap();
    for host in &hosts {
        host.sh("nginx -t 2>&1; systemctl is-active nginx").unwrap();
    }
    assert_ne!(hosts[0].ip(), hosts[1].ip());
    let ping = format!(
        "timeout 5 sh -c ': < /dev/tcp/{}/80' || timeout 5 bash -c ': < /dev/tcp/{0}/80'",
        hosts[1].ip()
    );
    hosts[0].sh(&ping).expect("hosts reach each other");
    hosts[2].sh("apt-get update -qq && apt-get install -qq -y --no-install-recommends tree").unwrap();
}

#[test]
fn the_backend_says_what_arrived() {
    let host = Host::boot(Distro::Bookworm).unwrap();
    host.install_backend(&["0.0.0.0:8080"]).unwrap();
    let url = format!("http://{}:8080/a/b?c=1", host.ip());
    let start = Instant::now();
    let said = loop {
        let curl =
            Command::new("curl").args(["-sS", "-d", "12345", "-H", "X-Some: thing", &url]).output().unwrap();
        if curl.status.success() {
            break String::from_utf8(curl.stdout).unwrap();
        }
        assert!(start.elapsed() < Duration::from_secs(10), "{curl:?}");
    };
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["method"], "POST");
    assert_eq!(said["path"], "/a/b?c=1");
    assert_eq!(said["headers"]["x-some"], "thing");
    assert_eq!(said["body_bytes"], 5);
}

#[test]
fn websockets_over_tls_go_to_those_we_trust() {
    let options = Options { layer: Some(Layer::NGINX), ..Options::of(Distro::Bookworm) };
    let host = Host::boot_with(&options).unwrap();
    host.install_backend(&["127.0.0.1:8080"]).unwrap();
    let make = "openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=$1 -addext subjectAltName=DNS:$1 \
        -keyout /etc/ssl/private/$1.key -out /etc/ssl/certs/$1.crt";
    for name in ["app.example.test", "other.example.test"] {
        let ran = host.exec(&["sh", "-ec", make, "sh", name]).unwrap();
        assert!(ran.ok(), "{ran:?}");
    }
    let site = "server { listen 443 ssl; server_name app.example.test;
        ssl_certificate /etc/ssl/certs/app.example.test.crt; ssl_certificate_key /etc/ssl/private/app.example.test.key;
        location / { proxy_pass http://127.0.0.1:8080; proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; } }";
    std::fs::write(host.root().join("etc/nginx/conf.d/app.conf"), site).unwrap();
    host.sh("nginx -t -q; systemctl reload nginx").unwrap();

    let https = (host.ip(), 443).into();
    let trusted = host.root().join("etc/ssl/certs/app.example.test.crt");
    let start = Instant::now();
    let mut client = loop {
        match Client::connect(https, "app.example.test", "/ws", &trusted) {
            Ok(client) => break client,
            Err(error) => assert!(start.elapsed() < Duration::from_secs(10), "{error:#}"),
        }
    };
    assert_eq!(client.text("grüß dich").unwrap(), "grüß dich");
    let bytes: Vec<u8> = (0..100_000u32).map(|n| n as u8).collect();
    assert_eq!(client.binary(&bytes).unwrap(), bytes);
    client.ping().unwrap();

    let other = host.root().join("etc/ssl/certs/other.example.test.crt");
    let error = Client::connect(https, "app.example.test", "/ws", &other).err().expect("another certificate");
    assert!(format!("{error:#}").contains("certificate"), "{error:#}");
    let error = Client::connect(https, "wrong.example.test", "/ws", &trusted).err().expect("another name");
    assert!(format!("{error:#}").contains("certificate"), "{error:#}");
}

#[test]
fn certbot_gets_a_certificate_from_pebble_until_it_is_away() {
    let options = Options { layer: Some(Layer::CERTBOT), ..Options::of(Distro::Bookworm) };
    let host = Host::boot_with(&options).unwrap();
    let mut pebble = Pebble::start(&host).unwrap();
    std::fs::copy(pebble.ca_file(), host.root().join("usr/local/share/ca-certificates/pebble.crt")).unwrap();
    host.sh("update-ca-certificates").unwrap();
    let url = pebble.url();
    let certbot = |name: &str| {
        host.sh(&format!(
            "timeout 60 certbot certonly -n --webroot -w /var/www/html --server {url} \
             --register-unsafely-without-email --agree-tos -d {name} 2>&1"
        ))
    };
    certbot("app.example.test").unwrap_or_else(|e| panic!("{e}\n{}", pebble.log()));
    let chain = host.root().join("etc/letsencrypt/live/app.example.test/fullchain.pem");
    let chain = std::fs::canonicalize(&chain).unwrap();
    let mut verify = Command::new("openssl");
    verify
        .args(["verify", "-CAfile"])
        .arg(pebble.root_file().unwrap())
        .arg("-untrusted")
        .arg(&chain)
        .arg(&chain);
    let verified = verify.output().unwrap();
    assert!(verified.status.success(), "{verified:?}");
    pebble.stop();
    let error = certbot("other.example.test").unwrap_err().to_string();
    assert!(error.contains("refused") || error.contains("Connection"), "{error}");
}

#[test]
fn a_named_fleet_goes_up_is_reset_and_goes_down() {
    let name = format!("selftest-{}", std::process::id());
    let fleet = Fleet::open(&name).unwrap();
    assert_eq!(fleet.up(2, &Options::default()).unwrap(), ["h1", "h2"]);
    assert_eq!(fleet.up(2, &Options::default()).unwrap(), [""; 0], "what runs is left alone");
    for host in ["h1", "h2"] {
        assert!(fleet.machine(host).unwrap().exec(&["touch", "/etc/used"]).unwrap().ok());
    }
    fleet.reset(&["h1".into()]).unwrap();
    assert!(!fleet.machine("h1").unwrap().exec(&["test", "-e", "/etc/used"]).unwrap().ok());
    assert!(fleet.machine("h2").unwrap().exec(&["test", "-e", "/etc/used"]).unwrap().ok());
    assert!(fleet.machine("h3").unwrap_err().to_string().contains("h1, h2"));
    assert!(fleet.inventory("ini", "web", "deploy").unwrap().contains("ansible_user=deploy"));

    let mut ssh = Command::new("ssh");
    ssh.arg("-F").arg(fleet.ssh_config()).args(["-o", "StrictHostKeyChecking=yes", "h1", "hostname"]);
    assert_eq!(ssh.output().unwrap().stdout, b"h1\n", "the keys of a reset host are the same");

    assert_eq!(fleet.down(&[]).unwrap(), ["h1", "h2"]);
    assert!(fleet.status().unwrap().is_empty() && fleet.gateway().is_none());
    std::fs::remove_dir_all(fleet.ssh_config().parent().unwrap()).unwrap();
}
