//! Dry runs on a host that has nothing yet: they write nothing, and show what each family would get.

use provision_testkit::fleet::Distro;

use crate::kit::{APP, Site};

#[test]
fn a_dry_run_on_a_fresh_host_writes_nothing() {
    let site = Site::fresh(Distro::Bookworm);
    // The first login of each user leaves the agent there, whatever the play does.
    let greeting =
        site.write("greeting.yaml", "- hosts: proxies\n  tasks: [{ping: {}, become: true}, {ping: {}}]\n");
    site.play(greeting.to_str().unwrap(), &[]).expect(0);
    let debian = checked(&site, &[]);
    debian.says(&format!("/etc/nginx/conf.d/proxy-{APP}.ssl.conf")).says("+listen 443 ssl http2;");
    debian.says("/etc/ssl/private").says("/etc/iptables/rules.v4");
    let redhat = checked(&site, &["-e", "platform_family=RedHat"]);
    redhat.says(&format!("+ssl_certificate_key /etc/pki/tls/private/{APP}.key;"));
    redhat.says("TASK [firewall : Install firewalld]").says("/etc/nginx/conf.d/default.conf");
    redhat.never_says("/etc/ssl/private").never_says("/etc/iptables");
    assert!(site.host.exec(&["sh", "-c", "command -v nginx"]).unwrap().code != 0, "nginx is not there");
}

fn checked(site: &Site, more: &[&str]) -> crate::kit::Run {
    let before = site.host.tree(&["/var/log"]).unwrap();
    let run = site.run(&[&["--check", "--diff"], more].concat()).expect(0);
    let after = site.host.tree(&["/var/log"]).unwrap();
    assert_eq!(before.changes(&after), Vec::<std::path::PathBuf>::new(), "written by {run}");
    assert!(run.count("changed") > 10, "{run}");
    run.never_says("PRIVATE KEY");
    run
}
