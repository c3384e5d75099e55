//! A certificate from a CA of one's own: copied to the host, judged by sslyze, stapled, and TLS 1.3 alone.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use provision_testkit::fleet::Layer;

use crate::kit::{APP, Background, Site, WWW, until};
use crate::look::{self, curl, home, ok, s_client, x509};

#[test]
fn a_certificate_of_ones_own_is_stapled_and_compliant() {
    let site = Site::layered(Layer::NGINX);
    let authority = Authority::new(&site);
    let vars = |more: &str| {
        site.vars(&format!(
            "proxy_sites:\n  - domain: {APP}\n    aliases: [{WWW}]\n    port: 8080\n    certificate:\n      mode: files\n      \
             certificate_file: '{{{{ inventory_dir }}}}/app.crt'\n      key_file: '{{{{ inventory_dir }}}}/app.key'\n      \
             chain_file: '{{{{ inventory_dir }}}}/ca.crt'\n{more}"
        ));
    };
    vars("");
    let key = std::fs::read_to_string(site.path("app.key")).unwrap();
    let secret = key.lines().nth(1).unwrap();
    let run = site.run(&["--check", "--diff", "-v"]).expect(0);
    run.never_says(secret).never_says("PRIVATE KEY");
    let run = site.run(&["--diff", "-v"]).expect(0);
    run.never_says(secret).never_says("PRIVATE KEY");
    let ca = site.path("ca.crt");
    let answer = home(&site, &ca).expect(200);
    assert_eq!(answer.verify, "0", "{answer:#?}");
    curl(&site, &ca, &[&format!("https://{WWW}/x")]).leads_to(&format!("https://{APP}/x"));
    assert_eq!(site.sh(&format!("stat -c '%a %U:%G' /etc/ssl/private/{APP}.key")), "600 root:root");
    assert!(
        s_client(&site, &["-status"]).contains("OCSP response: no response sent"),
        "stapling is off by default"
    );
    let mut sslyze = Command::new(look::judges().join("sslyze"));
    sslyze.args(["--mozilla_config", "intermediate", "--certinfo_ca_file"]).arg(&ca);
    sslyze.arg(format!("{APP}:443{{{}}}", site.host.ip()));
    let (code, report) = look::said(&mut sslyze);
    assert_eq!(code, 0, "{report}");
    assert!(report.contains("443: OK - Compliant."), "{report}");

    let _responder = authority.responder(&site);
    vars("tls_stapling: true\ntls_profile: modern\n");
    site.converge();
    let test = site.sh("nginx -t 2>&1");
    assert!(!test.contains("[warn]"), "{test}");
    // nginx asks the responder when the first client asks nginx; that one goes without.
    let began = Instant::now();
    let said = loop {
        let said = s_client(&site, &["-status"]);
        if said.contains("OCSP Response Status: successful") {
            break said;
        }
        let log = || site.sh("cat /var/log/nginx/error.log");
        assert!(began.elapsed() < Duration::from_secs(20), "nothing stapled: {said}\n{}", log());
        std::thread::sleep(Duration::from_millis(200));
    };
    assert!(said.contains("Cert Status: good"), "{said}");
    let old = s_client(&site, &["-tls1_2"]);
    assert!(old.contains("New, (NONE)"), "the profile \"modern\" speaks TLS 1.3 alone: {old}");
    home(&site, &ca).expect(200);
    site.settled();
}

/// A CA in the site's directory, and the certificate and key it made: `ca.crt`, `app.crt`, `app.key`.
struct Authority {
    port: u16,
}

impl Authority {
    fn new(site: &Site) -> Authority {
        let gateway = site.host.gateway();
        let port = std::net::TcpListener::bind((gateway, 0)).unwrap().local_addr().unwrap().port();
        let at = |name: &str| site.path(name).display().to_string();
        let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
        let own = [
            "req",
            "-x509",
            "-days",
            "365",
            "-subj",
            "/CN=Test CA",
            "-addext",
            "keyUsage=critical,keyCertSign,cRLSign,digitalSignature",
        ];
        ok("openssl", &[&own[..], &curve, &["-keyout", &at("ca.key"), "-out", &at("ca.crt")]].concat());
        let request = ["req", "-new", "-subj", &format!("/CN={APP}")];
        ok("openssl", &[&request[..], &curve, &["-keyout", &at("app.key"), "-out", &at("app.csr")]].concat());
        let extensions = site.write(
            "app.ext",
            &format!(
                "subjectAltName = DNS:{APP}, DNS:{WWW}\nbasicConstraints = critical, CA:FALSE\nkeyUsage = critical, digitalSignature\n\
                 extendedKeyUsage = serverAuth\nauthorityKeyIdentifier = keyid\nsubjectKeyIdentifier = hash\n\
                 authorityInfoAccess = OCSP;URI:http://{gateway}:{port}\n"
            ),
        );
        let extensions = extensions.display().to_string();
        let sign =
            ["x509", "-req", "-sha256", "-days", "90", "-set_serial", "0x1001", "-extfile", &extensions];
        let files =
            ["-in", &at("app.csr"), "-CA", &at("ca.crt"), "-CAkey", &at("ca.key"), "-out", &at("app.crt")];
        ok("openssl", &[&sign[..], &files].concat());
        Authority { port }
    }

    /// Says of the certificate that it is good.
    fn responder(&self, site: &Site) -> Background {
        let index = site.write("index.txt", &format!("V\t491231235959Z\t\t1001\tunknown\t/CN={APP}\n"));
        let (ca, key) = (site.path("ca.crt"), site.path("ca.key"));
        assert_eq!(x509(&site.path("app.crt"), &["-serial"]).trim(), "serial=1001");
        let mut server = Command::new("openssl");
        server.args(["ocsp", "-ndays", "1", "-port", &self.port.to_string(), "-index"]).arg(index);
        server.arg("-rsigner").arg(&ca).arg("-rkey").arg(key).arg("-CA").arg(&ca);
        server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let server = Background(server.spawn().unwrap());
        // A question rather than a bare connection, which makes the responder give up.
        let url = format!("http://{}:{}", site.host.gateway(), self.port);
        until("the responder answers", Duration::from_secs(10), || {
            let mut ask = Command::new("openssl");
            ask.args(["ocsp", "-url", &url, "-issuer"]).arg(&ca).arg("-CAfile").arg(&ca);
            look::said(ask.arg("-cert").arg(site.path("app.crt"))).1.contains("app.crt: good")
        });
        server
    }
}
