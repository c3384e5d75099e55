//! A configuration that nginx refuses: taken back, still serving, also after a reboot.

use provision_testkit::fleet::Layer;

use crate::kit::{APP, PLAIN, Site};
use crate::look::{curl, home, x509};

#[test]
fn a_refused_configuration_is_taken_back() {
    let site = Site::layered(Layer::NGINX);
    site.converge();
    let ca = site.certificate();
    let files = || {
        site.sh("cd /etc/nginx; find . -type f -exec sha256sum {} + | sort; find . -exec stat -c '%n %a %U %G' {} + | sort")
    };
    let (before, pids) = (files(), site.nginx_pids());

    // Besides the broken line the change touches other files, which must come back as well.
    site.vars(&format!("{PLAIN}    extra_config: listen 443 sl;\ntls_hsts: {{max_age: 300}}\n"));
    let run = site.run(&["--diff"]).expect(2);
    run.says("nginx refuses the new configuration").says("invalid parameter").says("sl");
    assert_eq!(run.count("failed"), 1, "{run}");
    assert_eq!(files(), before, "what is on disk");
    assert_eq!(site.sh("nginx -t 2>&1 | grep -c warn || true"), "0");
    assert_eq!(site.nginx_pids()[0], pids[0], "nginx was not restarted");
    let hsts = |when: &str| {
        let answer = home(&site, &ca).expect(200);
        assert_eq!(
            answer.header("strict-transport-security"),
            Some("max-age=63072000"),
            "{when}: {answer:#?}"
        );
    };
    hsts("after the failed run");
    assert!(
        site.sh("grep -r 'listen 443 sl' /var/lib/provision/nginx/refused").contains("conf.d"),
        "kept to look at"
    );

    // The same again: the second failure must not remember the broken files as the good ones.
    site.run(&[]).expect(2);
    assert_eq!(files(), before, "what is on disk after a second failure");
    site.host.reboot().unwrap();
    assert_eq!(site.sh("systemctl is-active nginx"), "active");
    hsts("after a reboot");

    // The next change goes through: another header, and another name, for which the certificate is made anew.
    let (pin, fingerprint) = (x509(&ca, &["-pubkey"]), x509(&ca, &["-fingerprint", "-sha256"]));
    let named = PLAIN.replace("[www.app.example.test]", "[www.app.example.test, api.example.test]");
    site.vars(&format!("{named}tls_hsts: {{max_age: 300}}\n"));
    site.converge();
    let ca = site.certificate();
    assert_ne!(x509(&ca, &["-fingerprint", "-sha256"]), fingerprint);
    assert_eq!(x509(&ca, &["-pubkey"]), pin, "the key stays");
    curl(&site, &ca, &["https://api.example.test/x"]).leads_to(&format!("https://{APP}/x"));
    let healed = home(&site, &ca).expect(200);
    assert_eq!(healed.header("strict-transport-security"), Some("max-age=300"), "{healed:#?}");
    site.settled();
}
