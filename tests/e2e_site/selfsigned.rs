//! One site with a self-signed certificate, from a fresh Debian 12: everything a client can see of it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use provision_testkit::fleet::Distro;
use provision_testkit::wss::Client;

use crate::kit::{APP, Background, Site, WWW, until};
use crate::look::{self, curl, home, ok, s_client, x509};

/// Only `/ws` carries WebSockets; all else must answer within two seconds.
const VARS: &str = "
proxy_sites:
  - domain: app.example.test
    aliases: [www.app.example.test]
    port: 8080
    websocket_paths: [/ws]
    read_timeout: 2s
  - domain: old.example.test
    port: 8080
";

#[test]
fn a_fresh_host_becomes_a_proxy_with_its_own_certificate() {
    let site = Site::fresh(Distro::Bookworm);
    site.vars(VARS);
    let first = site.run(&["--diff"]).expect(0);
    no_key_in(&first.to_string());

    second_run_changes_nothing(&site);
    let ca = site.certificate();
    configuration_is_clean(&site);
    redirects(&site, &ca);
    unknown_names_are_refused(&site, &ca);
    http_versions(&site, &ca);
    old_protocols_are_refused(&site, &ca);
    ciphers(&site);
    sessions(&site);
    assert!(s_client(&site, &["-status"]).contains("OCSP response: no response sent"), "stapling is off");
    web_sockets(&site, &ca);
    forwarded_headers(&site, &ca);
    backend_is_not_reachable(&site);
    files_are_private(&site);
    certificate(&site, &ca);
    pins(&site, &ca);
    hsts_everywhere(&site, &ca);

    a_dry_run_foretells_a_change(&site, &ca);
    removal_and_renewal(&site);
}

fn second_run_changes_nothing(site: &Site) {
    site.sh("touch /root/marker");
    let pids = site.nginx_pids();
    assert!(pids.len() > 1, "master and workers: {pids:?}");
    site.settled();
    assert_eq!(site.sh("find /etc -newer /root/marker"), "", "written by the second run");
    assert_eq!(site.nginx_pids(), pids, "nginx must not notice the second run");
}

fn configuration_is_clean(site: &Site) {
    let test = site.sh("nginx -t 2>&1");
    assert!(test.contains("test is successful") && !test.contains("[warn]"), "{test}");
    let dump = site.write("nginx.dump", &site.host.sh("nginx -T 2>/dev/null").unwrap());
    // Rules that do not fit: what the file system limits is not this role's; a reverse proxy has no "try_files".
    let mut gixy = Command::new(look::judges().join("gixy"));
    gixy.arg("-").stdin(std::fs::File::open(dump).unwrap());
    let done = gixy.output().unwrap();
    let report = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(report.contains("gixy") || report.contains("Results"), "gixy did not run: {done:?}");
    let problems: Vec<&str> = report
        .split(">> Problem:")
        .skip(1)
        .filter(|p| p.contains("Severity: HIGH") || p.contains("Severity: MEDIUM"))
        .filter(|p| !p.contains("[worker_rlimit"))
        .collect();
    assert!(problems.is_empty(), "gixy: {problems:#?}");
    assert_eq!(site.sh("systemctl is-enabled nginx; systemctl is-active nginx"), "enabled\nactive");
    assert_eq!(site.sh("ls /etc/nginx/sites-enabled"), "", "the distribution's site");
}

fn redirects(site: &Site, ca: &Path) {
    for family in ["-4", "-6"] {
        let to = |from: &str| curl(site, ca, &[family, from]);
        to(&format!("http://{APP}/p/q?x=1&y=2")).leads_to(&format!("https://{APP}/p/q?x=1&y=2"));
        to(&format!("http://{APP}")).leads_to(&format!("https://{APP}/"));
        to(&format!("http://{WWW}/p?x=1")).leads_to(&format!("https://{APP}/p?x=1"));
        let www = to(&format!("https://{WWW}/p?x=1"));
        www.leads_to(&format!("https://{APP}/p?x=1"));
        assert_eq!(www.verify, "0", "{www:#?}");
        to(&format!("https://{APP}/")).expect(200);
    }
}

fn unknown_names_are_refused(site: &Site, ca: &Path) {
    let spoofed = curl(site, ca, &["-H", "Host: evil.example.test", &format!("http://{APP}/p")]);
    assert!(spoofed.header("location").is_none() && [0, 404].contains(&spoofed.status), "{spoofed:#?}");
    let connect = format!("{}:443", site.host.ip());
    for name in [&["-servername", "evil.example.test"][..], &["-noservername"]] {
        let args = [&["s_client", "-connect", &connect][..], name].concat();
        let (_, said) = look::said(Command::new("openssl").args(&args));
        assert!(said.contains("unrecognized name") || said.contains("unrecognized_name"), "{name:?}: {said}");
    }
    let bare = curl(site, ca, &["-k", &format!("https://{}/", site.host.ip())]);
    assert_eq!((bare.curl, bare.status), (35, 0), "{bare:#?}");
}

fn http_versions(site: &Site, ca: &Path) {
    let two = home(site, ca).expect(200);
    assert_eq!((two.http.as_str(), two.verify.as_str()), ("2", "0"), "{two:#?}");
    let one = curl(site, ca, &["--http1.1", &format!("https://{APP}/")]).expect(200);
    assert_eq!(one.http, "1.1", "{one:#?}");
    for version in ["h2", "http/1.1"] {
        let said = s_client(site, &["-alpn", version]);
        assert!(said.contains(&format!("ALPN protocol: {version}")), "{said}");
    }
}

fn old_protocols_are_refused(site: &Site, ca: &Path) {
    // The same command against a server that does speak TLS 1.0 and 1.1, or the check would prove nothing.
    let key = site.path("control.key").display().to_string();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let certificate = site.path("control.crt").display().to_string();
    let make = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=control", "-keyout"];
    ok("openssl", &[&make[..], &[&key, "-out", &certificate]].concat());
    let mut server = Command::new("openssl");
    server.args(["s_server", "-quiet", "-accept", &port, "-cert", &certificate, "-key", &key]);
    server
        .args(["-cipher", "ALL:@SECLEVEL=0"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let _server = Background(server.spawn().unwrap());
    let control = format!("127.0.0.1:{port}");
    until("the control server listens", Duration::from_secs(10), || {
        std::net::TcpStream::connect(&control).is_ok()
    });
    for version in ["-tls1", "-tls1_1"] {
        let old = [version, "-cipher", "ALL:@SECLEVEL=0"];
        let (_, said) =
            look::said(Command::new("openssl").args(["s_client", "-connect", &control]).args(old));
        assert!(
            said.contains("New, TLSv1") && !said.contains("(NONE)"),
            "{version} cannot be judged: {said}"
        );
        let said = s_client(site, &old);
        assert!(said.contains("New, (NONE)"), "{version} is accepted: {said}");
    }
    for version in ["-tls1_2", "-tls1_3"] {
        let said = s_client(site, &[version, "-CAfile", &ca.display().to_string()]);
        assert!(!said.contains("New, (NONE)") && said.contains("Verification: OK"), "{version}: {said}");
    }
}

fn ciphers(site: &Site) {
    let script = format!("--script-args=tls.servername={APP}");
    let seen = look::nmap(site, false, &["-p443", "--script", "ssl-enum-ciphers", &script]);
    let lists: Vec<&str> = seen.split("  TLSv").skip(1).collect();
    let [two, three] = lists[..] else { panic!("protocols: {seen}") };
    assert!(two.starts_with("1.2:") && three.starts_with("1.3:"), "{seen}");
    for list in [two, three] {
        assert_eq!(list.lines().filter(|l| l.contains("TLS_")).count(), 3, "three suites each: {seen}");
        assert!(list.contains("cipher preference: client"), "{seen}");
    }
    assert!(seen.contains("least strength: A"), "{seen}");
}

fn sessions(site: &Site) {
    let said = s_client(site, &["-tls1_2", "-reconnect"]);
    let count = |what: &str| said.lines().filter(|l| l.starts_with(what)).count();
    assert_eq!((count("New, "), count("Reused, ")), (1, 5), "{said}");
    assert!(!said.contains("TLS session ticket:"), "{said}");
}

fn web_sockets(site: &Site, ca: &Path) {
    let mut socket = Client::connect(look::https(site), APP, "/ws", ca).unwrap();
    assert_eq!(socket.text("hello").unwrap(), "hello");
    let long = "0123456789".repeat(10_000);
    assert!(socket.text(&long).unwrap() == long, "100 KB come back as they went");
    let bytes: Vec<u8> = (0..=255).collect();
    assert_eq!(socket.binary(&bytes).unwrap(), bytes);
    socket.ping().unwrap();
    // Silent for longer than any other path may be…
    let slow = curl(site, ca, &[&format!("https://{APP}/sleep/4")]);
    assert_eq!(slow.status, 504, "the short time-out must bite: {slow:#?}");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(socket.text("still there").unwrap(), "still there");
    // … and where none are meant to be, there are none.
    assert!(Client::connect(look::https(site), APP, "/", ca).is_err(), "a WebSocket on /");
    let plain = curl(site, ca, &[&format!("https://{APP}/ws")]).expect(200).json();
    assert!(
        plain["headers"].get("upgrade").is_none() && plain["headers"]["connection"] != "upgrade",
        "{plain}"
    );
}

fn forwarded_headers(site: &Site, ca: &Path) {
    let args = [
        "-H",
        "X-Forwarded-For: 1.2.3.4",
        "-H",
        "X-Forwarded-Proto: http",
        "-H",
        "X-Forwarded-Host: evil.example.test",
        "-H",
        "X-Real-IP: 1.2.3.4",
    ];
    let url = format!("https://{APP}/a%20b/?q=%2F&r");
    let seen = curl(site, ca, &[&args[..], &["-4", &url]].concat()).expect(200).json();
    let client = site.host.gateway().to_string();
    let header = |name: &str| seen["headers"][name].as_str().unwrap_or_else(|| panic!("no {name}: {seen:#}"));
    assert_eq!(seen["path"], "/a%20b/?q=%2F&r");
    assert_eq!(header("host"), APP);
    assert_eq!(header("x-real-ip"), client);
    assert_eq!(header("x-forwarded-for"), format!("1.2.3.4, {client}"));
    assert_eq!(header("x-forwarded-proto"), "https");
    assert_eq!(header("x-forwarded-host"), APP);
    assert_eq!(header("x-forwarded-port"), "443");
}

fn backend_is_not_reachable(site: &Site) {
    let seen = look::nmap(site, false, &["-p8080,443"]);
    assert!(seen.contains("443/tcp  open") && !seen.contains("8080/tcp open"), "{seen}");
}

fn files_are_private(site: &Site) {
    let dir = site.sh("stat -c '%a %U:%G' /etc/ssl/private");
    assert!(["700 root:root", "710 root:ssl-cert"].contains(&&*dir), "{dir}");
    let keys = site.sh(
        "find / -xdev \\( -name '*.key' -o -name 'privkey*.pem' \\) -type f -exec stat -c '%a %U:%G %n' {} +",
    );
    assert!(keys.contains(&format!("/etc/ssl/private/{APP}.key")), "{keys}");
    assert!(keys.lines().all(|l| l.starts_with("600 root:root ")), "{keys}");
    assert_eq!(site.sh(&format!("stat -c '%a %U:%G' /etc/nginx/certs/{APP}.crt")), "644 root:root");
    assert_eq!(site.sh("find /etc /root /home /var/log -name '*.key' -perm /077"), "");
    let logs = site.sh("grep -rl 'PRIVATE KEY-----' /var/log /run/log 2>/dev/null || true");
    assert_eq!(logs, "", "keys in logs");
    // What rolls back has keys in it too.
    assert_eq!(site.sh("stat -c %a /var/lib/provision/nginx"), "700");
}

fn certificate(site: &Site, ca: &Path) {
    let text = x509(ca, &["-text"]);
    assert!(text.contains(&format!("DNS:{APP}, DNS:{WWW}")), "{text}");
    assert!(text.contains("sha256WithRSAEncryption") && text.contains("(2048 bit)"), "{text}");
    x509(ca, &["-checkend", &(364 * 86400).to_string()]);
    let (code, _) = look::said(
        Command::new("openssl")
            .args(["x509", "-noout", "-checkend", &(366 * 86400).to_string(), "-in"])
            .arg(ca),
    );
    assert_eq!(code, 1, "lasts a year and no longer: {text}");
    let of_key = site.sh(&format!("openssl pkey -in /etc/ssl/private/{APP}.key -pubout"));
    assert_eq!(x509(ca, &["-pubkey"]).trim(), of_key, "key and certificate are a pair");
}

/// The pin that the run reports is the pin of what is served.
fn pins(site: &Site, ca: &Path) {
    let run = site.play("pins.yaml", &[]).expect(0);
    // One mapping per site, its keys sorted.
    let ours = |m: &&str| m.contains(&format!("\"domain\": \"{APP}\""));
    let pins = run.out.split('{').find(ours).unwrap_or_else(|| panic!("no pins: {run}"));
    let values: Vec<&str> = ["key", "csr", "certificate", "live"]
        .iter()
        .map(|name| pins.split(&format!("\"{name}\": \"")).nth(1).unwrap_or_else(|| panic!("{name}: {run}")))
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert!(values.iter().all(|v| *v == values[0] && v.len() == 44), "{values:?}");
    let url = format!("https://{APP}/");
    curl(site, ca, &["--pinnedpubkey", &format!("sha256//{}", values[0]), &url]).expect(200);
    let wrong = curl(site, ca, &["--pinnedpubkey", &format!("sha256//{}=", "A".repeat(43)), &url]);
    assert_eq!(wrong.curl, 90, "{wrong:#?}");
}

fn hsts_everywhere(site: &Site, ca: &Path) {
    let wanted = Some("max-age=63072000");
    let apex = format!("https://{APP}/");
    let check = |status: u16, url: &str| {
        let answer = curl(site, ca, &[url]).expect(status);
        assert_eq!(answer.header("strict-transport-security"), wanted, "{answer:#?}");
        assert_eq!(answer.header("public-key-pins"), None, "{answer:#?}");
    };
    check(200, &apex);
    check(301, &format!("https://{WWW}/"));
    check(404, &format!("https://{APP}/status/404"));
    let plain = curl(site, ca, &[&format!("http://{APP}/")]);
    assert_eq!(plain.header("strict-transport-security"), None, "{plain:#?}");
    let version = curl(site, ca, &[&format!("http://{APP}/")]).header("server").map(str::to_owned);
    assert_eq!(version.as_deref(), Some("nginx"), "no version for strangers");
    site.sh("systemctl stop echo-backend");
    check(502, &apex);
    site.sh("systemctl start echo-backend");
    until("the backend is back", Duration::from_secs(10), || home(site, ca).status == 200);
}

/// The change of one site: the dry run names the same tasks and shows the same differences as the run after it, which
/// reloads nginx once.
fn a_dry_run_foretells_a_change(site: &Site, ca: &Path) {
    site.vars(&VARS.replace("read_timeout: 2s", "read_timeout: 7s\n    body_size: 3m"));
    let before = site.host.tree(&["/var/log", "/run", "/tmp"]).unwrap();
    let dry = site.run(&["--check", "--diff"]).expect(0);
    let after = site.host.tree(&["/var/log", "/run", "/tmp"]).unwrap();
    let written: Vec<_> = before.changes(&after).into_iter().filter(|p| !outside_of_the_run(p)).collect();
    assert!(written.is_empty(), "a dry run wrote {written:?}");
    let (pids, loads) = (site.nginx_pids(), site.nginx_loads());
    let real = site.run(&["--diff"]).expect(0);
    no_key_in(&dry.to_string());
    no_key_in(&real.to_string());
    real.says("+    client_max_body_size 3m;").says("-    client_max_body_size 10m;");
    assert_eq!(differences(&dry.out), differences(&real.out), "dry run: {dry}\nreal run: {real}");
    let task = format!("reverse_proxy : Write the site {APP}");
    for run in [&dry, &real] {
        assert!(run.changed().contains(&task), "{run}");
    }
    let only_real: Vec<_> = real.changed().difference(&dry.changed()).cloned().collect();
    let only_dry: Vec<_> = dry.changed().difference(&real.changed()).cloned().collect();
    assert!(only_dry.is_empty(), "foretold and not done: {only_dry:?}");
    // What is not yet written cannot be "newer than what nginx has loaded".
    let newer = "nginx_guard : Find configuration that nginx has not loaded yet";
    assert!(only_real.iter().all(|t| t == newer), "done and not foretold: {only_real:?}");

    let now = site.nginx_loads();
    assert_eq!((now.0 - loads.0, now.1 - loads.1), (1, 0), "one reload and no start");
    assert_eq!(site.nginx_pids()[0], pids[0], "the same master");
    let body = site.write("body", &"x".repeat(4 << 20)).display().to_string();
    curl(site, ca, &["--data-binary", &format!("@{body}"), &format!("https://{APP}/")]).expect(413);
}

/// Another run without HSTS and without the second site, and with a certificate that ends soon: one reload does it all.
fn removal_and_renewal(site: &Site) {
    let old = |site: &Site| site.sh("find /etc /var/lib/provision -name '*old.example.test*'");
    assert!(!old(site).is_empty(), "the second site is there");
    site.sh(&format!(
        "cd /etc/nginx/certs; openssl req -x509 -new -key /etc/ssl/private/{APP}.key -days 10 -subj /CN={APP} \
         -addext subjectAltName=DNS:{APP},DNS:{WWW} -out {APP}.crt"
    ));
    let short = site.sh(&format!("openssl x509 -in /etc/nginx/certs/{APP}.crt -noout -fingerprint -sha256"));
    let key = site.sh(&format!("sha256sum /etc/ssl/private/{APP}.key"));
    let loads = site.nginx_loads();
    let gone = "\n  - domain: old.example.test\n    state: absent\ntls_hsts: false\n";
    site.vars(&VARS.replace("\n  - domain: old.example.test\n    port: 8080\n", gone));
    site.converge();
    let new = site.certificate();
    x509(&new, &["-checkend", &(364 * 86400).to_string()]);
    assert_ne!(x509(&new, &["-fingerprint", "-sha256"]).trim(), short);
    assert_eq!(site.sh(&format!("sha256sum /etc/ssl/private/{APP}.key")), key, "the key stays, pins hold");
    let answer = home(site, &new).expect(200);
    assert_eq!(answer.header("strict-transport-security"), None, "{answer:#?}");
    assert_eq!(old(site), "");
    let removed = curl(site, &new, &["-k", "https://old.example.test/"]);
    assert_eq!((removed.curl, removed.status), (35, 0), "{removed:#?}");
    let now = site.nginx_loads();
    assert_eq!((now.0 - loads.0, now.1 - loads.1), (1, 0), "one reload and no start");
    site.settled();
}

fn no_key_in(text: &str) {
    assert!(!text.contains("PRIVATE KEY"), "{text}");
}

/// Files that the login itself touches.
fn outside_of_the_run(path: &Path) -> bool {
    ["var/lib/systemd", "var/lib/sudo", "home/deploy", "var/log", "var/cache/nginx"]
        .iter()
        .any(|p| path.starts_with(p))
}

/// The lines of the diffs, without the file names, which differ between a dry run's and a real one's temporaries.
fn differences(out: &str) -> Vec<&str> {
    let is_line = |l: &&str| {
        (l.starts_with('+') || l.starts_with('-')) && !l.starts_with("+++") && !l.starts_with("---")
    };
    out.lines().filter(is_line).collect()
}
