//! The same playbook on the other distributions: each nginx and OpenSSL gets the forms it knows.

use std::process::Command;

use provision_testkit::fleet::Distro;
use provision_testkit::wss::Client;

use crate::kit::{APP, Site, WWW};
use crate::look::{self, curl, home, s_client};

#[test]
fn debian_11() {
    let site = proxy(Distro::Bullseye, "listen 443 ssl http2;", false);
    // nginx 1.18 cannot refuse a handshake: it shows a certificate of no site and hangs up.
    let connect = format!("{}:443", site.host.ip());
    let other = ["s_client", "-connect", &connect, "-servername", "evil.example.test"];
    let (_, said) = look::said(Command::new("openssl").args(other));
    assert!(said.contains("CN = refused.invalid") && !said.contains(APP), "{said}");
    let refused = curl(&site, &site.certificate(), &["-k", "https://evil.example.test/"]);
    assert_eq!(refused.status, 0, "{refused:#?}");
}

#[test]
fn debian_13() {
    let site = proxy(Distro::Trixie, "http2 on;", true);
    refuses_unknown_names(&site);
    let said = site.sh(&format!(
        "openssl s_client -connect 127.0.0.1:443 -servername {APP} -groups X25519MLKEM768 </dev/null 2>&1 || true"
    ));
    assert!(said.contains("X25519MLKEM768") && !said.contains("New, (NONE)"), "{said}");
}

#[test]
fn ubuntu_24() {
    let site = proxy(Distro::Noble, "listen 443 ssl http2;", false);
    refuses_unknown_names(&site);
}

fn proxy(distro: Distro, http2: &str, post_quantum: bool) -> Site {
    let site = Site::fresh(distro);
    site.converge();
    site.settled();
    let test = site.sh("nginx -t 2>&1");
    assert!(test.contains("test is successful") && !test.contains("[warn]"), "{test}");
    let all = site.sh("nginx -T 2>/dev/null");
    assert!(all.contains(http2), "no {http2}: {all}");
    assert_eq!(all.contains("X25519MLKEM768"), post_quantum, "{all}");
    let ca = site.certificate();
    let answer = home(&site, &ca).expect(200);
    assert_eq!((answer.http.as_str(), answer.verify.as_str()), ("2", "0"), "{answer:#?}");
    assert_eq!(answer.header("strict-transport-security"), Some("max-age=63072000"), "{answer:#?}");
    curl(&site, &ca, &["-6", &format!("http://{WWW}/p?x=1")]).leads_to(&format!("https://{APP}/p?x=1"));
    let mut socket = Client::connect(look::https(&site), APP, "/", &ca).unwrap();
    assert_eq!(socket.text("hello").unwrap(), "hello");
    let old = s_client(&site, &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]);
    assert!(old.contains("New, (NONE)"), "{old}");
    let rules = site.sh("iptables -S INPUT; ip6tables -S INPUT");
    assert_eq!(rules.matches("--dport 443 ").count(), 2, "{rules}");
    let kept = site.sh("systemctl is-enabled nginx netfilter-persistent");
    assert_eq!(kept, "enabled\nenabled");
    site
}

fn refuses_unknown_names(site: &Site) {
    let refused = curl(site, &site.certificate(), &["-k", "https://evil.example.test/"]);
    assert_eq!((refused.curl, refused.status), (35, 0), "{refused:#?}");
}
