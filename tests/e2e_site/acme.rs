//! Certificates from an ACME server: the first, a renewal nobody notices, and a server that is gone.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use provision_testkit::acme::Pebble;
use provision_testkit::fleet::{Distro, Layer};
use provision_testkit::wss::Client;

use crate::kit::{APP, Site, WWW};
use crate::look::{self, curl, home, s_client, x509};

fn vars(pebble: &Pebble, aliases: &str) -> String {
    format!(
        "proxy_sites:\n  - domain: {APP}\n    aliases: [{aliases}]\n    port: 8080\ncertificate_mode: acme\n\
         acme_email: ops@example.test\nacme_server: {}\nacme_ca_file: {}\n",
        pebble.url(),
        pebble.ca_file().display()
    )
}

#[test]
fn certificates_come_from_an_acme_server_and_are_renewed() {
    let site = Site::layered(Layer::CERTBOT);
    let mut pebble = Pebble::start(&site.host).unwrap();
    site.vars(&vars(&pebble, WWW));
    site.converge();
    let root = pebble.root_file().unwrap();
    let served = served(&site);
    let issuer = x509(&served, &["-issuer", "-ext", "subjectAltName"]);
    assert!(issuer.contains("Pebble") && issuer.contains(APP) && issuer.contains(WWW), "{issuer}");
    let answer = home(&site, &root).expect(200);
    assert_eq!(answer.verify, "0", "{answer:#?}");
    curl(&site, &root, &[&format!("https://{WWW}/x")]).leads_to(&format!("https://{APP}/x"));
    let mut socket = Client::connect(look::https(&site), APP, "/", &root).unwrap();
    assert_eq!(socket.text("trusted").unwrap(), "trusted");
    let keys = site.sh("find /etc/letsencrypt /etc/ssl/private -name '*.pem' -path '*privkey*' -type f -exec stat -c '%a %U' {} +");
    assert!(!keys.is_empty() && keys.lines().all(|l| l == "600 root"), "{keys}");
    assert_eq!(
        site.sh("systemctl is-enabled certbot.timer; systemctl is-active certbot.timer"),
        "enabled\nactive"
    );
    let lineage = site.sh(&format!("cat /etc/letsencrypt/renewal/{APP}.conf"));
    site.settled();
    assert_eq!(
        site.sh(&format!("cat /etc/letsencrypt/renewal/{APP}.conf")),
        lineage,
        "nothing asked for twice"
    );

    renewal_interrupts_nobody(&site, &root);
    let dry = site
        .sh(&format!("certbot renew --dry-run --no-random-sleep-on-renew --server {} 2>&1", pebble.url()));
    assert!(dry.contains("simulated renewals succeeded"), "{dry}");
    site.settled();

    // The server is gone when another name is wanted.
    pebble.stop();
    site.vars(&vars(&pebble, &format!("{WWW}, api.{APP}")));
    let before = x509(&self::served(&site), &["-fingerprint"]);
    let run = site.run(&[]).expect(2);
    run.says("certbot got no certificate for app.example.test").says(&pebble.url());
    assert_eq!(x509(&self::served(&site), &["-fingerprint"]), before, "{run}");
    home(&site, &root).expect(200);
    site.host.reboot().unwrap();
    home(&site, &root).expect(200);

    // It comes back, as another one: all it knew is forgotten.
    let pebble = Pebble::start(&site.host).unwrap();
    site.vars(&vars(&pebble, &format!("{WWW}, api.{APP}")));
    site.converge();
    let root = pebble.root_file().unwrap();
    home(&site, &root).expect(200);
    let names = x509(&self::served(&site), &["-ext", "subjectAltName"]);
    assert!(names.contains(&format!("api.{APP}")), "{names}");
    site.settled();
}

/// Without certbot on the host, and without the server: the placeholder serves, and the next run has what is missing.
#[test]
fn without_an_acme_server_a_placeholder_serves() {
    let site = Site::fresh(Distro::Bookworm);
    let mut pebble = Pebble::start(&site.host).unwrap();
    site.vars(&vars(&pebble, WWW));
    pebble.stop();
    let run = site.run(&[]).expect(2);
    run.says("certbot got no certificate for app.example.test");
    let placeholder = site.certificate();
    home(&site, &placeholder).expect(200);

    let pebble = Pebble::start(&site.host).unwrap();
    site.vars(&vars(&pebble, WWW));
    site.converge();
    home(&site, &pebble.root_file().unwrap()).expect(200);
    site.settled();
}

/// certbot's own timer job replaces the certificate while clients come and go.
fn renewal_interrupts_nobody(site: &Site, root: &Path) {
    let (old, pids) = (x509(&served(site), &["-serial"]), site.nginx_pids());
    // pebble's certificates last five years; the option is commented out in a new file.
    site.sh(&format!(
        "sed -i 's/^.*renew_before_expiry.*$/renew_before_expiry = 2000 days/' /etc/letsencrypt/renewal/{APP}.conf
         grep -q '^renew_before_expiry = 2000' /etc/letsencrypt/renewal/{APP}.conf
         mkdir -p /etc/systemd/system/certbot.service.d
         printf '[Service]\\nExecStart=\\nExecStart=/usr/bin/certbot -q renew --no-random-sleep-on-renew\\n' > /etc/systemd/system/certbot.service.d/now.conf
         systemctl daemon-reload"
    ));
    let done = AtomicBool::new(false);
    let (answers, bad) = std::thread::scope(|scope| {
        let client = scope.spawn(|| {
            let (mut answers, mut bad) = (0, Vec::new());
            while answers < 200 || !done.load(Ordering::SeqCst) {
                let answer = home(site, root);
                answers += 1;
                if answer.status != 200 {
                    bad.push(answer);
                }
            }
            (answers, bad)
        });
        let renewed = site.host.sh("systemctl start certbot.service");
        done.store(true, Ordering::SeqCst);
        renewed.unwrap();
        client.join().unwrap()
    });
    assert!(bad.is_empty(), "{} of {answers} requests failed: {bad:#?}", bad.len());
    let new = x509(&served(site), &["-serial"]);
    assert_ne!(
        new,
        old,
        "{}",
        site.sh("journalctl -u certbot -o cat --no-pager; tail -n 40 /var/log/letsencrypt/letsencrypt.log")
    );
    assert_eq!(site.nginx_pids()[0], pids[0], "a reload, no restart");
    home(site, root).expect(200);
    site.sh(&format!(
        "sed -i 's/^renew_before_expiry.*$/# renew_before_expiry = 30 days/' /etc/letsencrypt/renewal/{APP}.conf"
    ));
}

/// The certificate that clients get, as a file.
fn served(site: &Site) -> std::path::PathBuf {
    let said = s_client(site, &[]);
    let start = said.find("-----BEGIN CERTIFICATE").unwrap_or_else(|| panic!("{said}"));
    let name = format!(
        "served-{:?}.pem",
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap()
    );
    site.write(&name, &said[start..])
}
