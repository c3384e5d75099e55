//! What a site can be told to do: several backends, backends behind TLS, caches, compression, classic key exchange.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::Duration;

use provision_testkit::fleet::Layer;
use provision_testkit::wss::Client;

use crate::kit::{APP, Background, Site, until};
use crate::look::{self, curl, home, ok, s_client};

#[test]
fn backends_caches_and_compression() {
    let site = Site::layered(Layer::NGINX);
    site.backend(&["127.0.0.1:8080", "127.0.0.1:8081"]);
    let (_server, port) = tls_backend(&site);
    site.host
        .sh(&format!(
            "cat > /etc/ssl/backend.crt <<'END'\n{}END",
            std::fs::read_to_string(site.path("backend.crt")).unwrap()
        ))
        .unwrap();
    let secure = format!(
        "upstreams: ['{}:{port}']\n    upstream_scheme: https\n    upstream_ca: /etc/ssl/backend.crt",
        site.host.gateway()
    );
    // Of the three backends of the first site, one is down.
    site.vars(&format!(
        "
tls_dhe: true
tls_deferred: true
certificate_key_type: rsa
proxy_websocket: false
proxy_sites:
  - domain: {APP}
    upstreams: ['127.0.0.1:8080', '127.0.0.1:8081', '127.0.0.1:8083']
    websocket: true
    compression: true
    extra_config: |
      # a line of the user's own
      location = /own {{ return 204; }}
    hsts: {{max_age: 31536000, include_subdomains: true, preload: true}}
  - domain: cached.example.test
    port: 8080
    cache: {{valid: 5m, keys_size: 1m}}
    hsts: false
  - domain: secure.example.test
    upstream_name: backend.example.test
    {secure}
  - domain: liar.example.test
    upstream_name: other.example.test
    {secure}
"
    ));
    site.converge();
    site.settled();
    let ca = site.certificate();

    let mut seen = BTreeSet::new();
    for _ in 0..12 {
        let answer = home(&site, &ca).expect(200);
        assert_eq!(
            answer.header("strict-transport-security"),
            Some("max-age=31536000; includeSubDomains; preload"),
            "{answer:#?}"
        );
        seen.insert(answer.json()["backend"].as_str().unwrap().to_owned());
    }
    assert_eq!(seen, BTreeSet::from(["127.0.0.1:8080".to_owned(), "127.0.0.1:8081".to_owned()]));
    curl(&site, &ca, &[&format!("https://{APP}/own")]).expect(204);
    let pad = format!("X-Pad: {}", "y".repeat(2000));
    let small = curl(&site, &ca, &["-H", "Accept-Encoding: gzip", "-H", &pad, &format!("https://{APP}/")])
        .expect(200);
    assert_eq!(small.header("content-encoding"), Some("gzip"), "{}", small.head);
    let mut socket = Client::connect(look::https(&site), APP, "/", &ca).unwrap();
    assert_eq!(socket.text("hello").unwrap(), "hello");

    // The other sites have certificates of their own.
    let certificate = |name: &str| site.copy_out(&format!("/etc/nginx/certs/{name}.example.test.crt"));
    let cached = |path: &str| {
        let answer =
            curl(&site, &certificate("cached"), &[&format!("https://cached.example.test{path}")]).expect(200);
        assert_eq!(answer.header("strict-transport-security"), None, "{answer:#?}");
        assert_eq!(answer.header("content-encoding"), None, "{answer:#?}");
        answer.header("x-cache-status").map(str::to_owned)
    };
    assert_eq!(cached("/a").as_deref(), Some("MISS"));
    assert_eq!(cached("/a").as_deref(), Some("HIT"));
    assert_eq!(cached("/b").as_deref(), Some("MISS"));
    assert!(
        Client::connect(look::https(&site), "cached.example.test", "/", &certificate("cached")).is_err(),
        "WebSockets are off"
    );

    let secure = curl(&site, &certificate("secure"), &["https://secure.example.test/"]).expect(200);
    assert!(secure.body.contains("s_server"), "{secure:#?}");
    let liar = curl(&site, &certificate("liar"), &["https://liar.example.test/"]).expect(502);
    let log = site.sh("cat /var/log/nginx/error.log");
    assert!(log.contains("upstream SSL certificate does not match"), "{liar:#?}\n{log}");

    let dhe = s_client(&site, &["-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256"]);
    assert!(dhe.contains("DH, 2048 bits"), "{dhe}");
    assert!(site.sh("nginx -T 2>/dev/null").contains("default_server deferred"), "tls_deferred");

    // One site less; the others go on.
    site.play("remove.yaml", &["-e", "domain=liar.example.test"]).expect(0);
    assert_eq!(site.sh("find /etc /var/lib/provision -name '*liar.example.test*'"), "");
    // A reload is graceful: workers with the old configuration take connections until the new ones stand.
    until("the removed site is refused", Duration::from_secs(20), || {
        let gone = curl(&site, &ca, &["-k", "https://liar.example.test/"]);
        (gone.curl, gone.status) == (35, 0)
    });
    home(&site, &ca).expect(200);
}

/// A web server with a certificate for backend.example.test on this machine: `backend.crt`, and its port.
fn tls_backend(site: &Site) -> (Background, u16) {
    let (key, certificate) = (site.path("backend.key"), site.path("backend.crt"));
    let make = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=backend", "-addext"];
    let files = [
        "subjectAltName=DNS:backend.example.test",
        "-keyout",
        key.to_str().unwrap(),
        "-out",
        certificate.to_str().unwrap(),
    ];
    ok("openssl", &[&make[..], &files].concat());
    let gateway = site.host.gateway();
    let port = std::net::TcpListener::bind((gateway, 0)).unwrap().local_addr().unwrap().port();
    let mut server = Command::new("openssl");
    server
        .args(["s_server", "-www", "-accept", &port.to_string(), "-cert"])
        .arg(certificate)
        .arg("-key")
        .arg(key);
    server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let server = Background(server.spawn().unwrap());
    until("the TLS backend listens", Duration::from_secs(10), || {
        std::net::TcpStream::connect((gateway, port)).is_ok()
    });
    (server, port)
}
