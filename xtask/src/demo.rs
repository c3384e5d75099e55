//! `cargo xtask demo`: the whole way, from a fresh host to HTTPS and WSS through nginx, with the release binary.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use provision_testkit::fleet::{Fleet, Machine, Options};
use provision_testkit::{bins, wss::Client};

use crate::{fleet, say};

const NAME: &str = "demo";
const SITE: &str = "app.example.test";

pub fn run() -> Result<ExitCode> {
    step("building provision and the demo backend");
    let provision = release_binary()?;
    let backend = bins::echo_backend()?;

    step("booting a fresh Debian 12 host");
    fleet::build(&Options::default())?;
    let fleet = Fleet::open(NAME)?;
    fleet.down(&[])?;
    let start = Instant::now();
    fleet.up(1, &Options::default())?;
    let host = fleet.machine("h1")?;
    say::note(format_args!("h1 is up at {} after {:.1} s", host.ip(), start.elapsed().as_secs_f32()));
    host.install_backend(&backend, &["127.0.0.1:8080"])?;
    let dir = bins::workspace().join("target/demo");
    fs::create_dir_all(&dir)?;
    let inventory = dir.join("inventory.yaml");
    fs::write(&inventory, inventory_yaml(&fleet)?)?;

    let play = |extra: &[&str]| {
        let mut command = Command::new(&provision);
        command
            .current_dir(bins::workspace())
            .arg("-i")
            .arg(&inventory)
            .arg("playbooks/site.yaml")
            .args(extra);
        command
    };
    step(&format!("provision -i {} playbooks/site.yaml", inventory.display()));
    let start = Instant::now();
    let status = play(&[]).status().context("cannot run provision")?;
    ensure!(status.success(), "the first run failed: {status}");
    say::note(format_args!("first run: {:.1} s", start.elapsed().as_secs_f32()));

    let certificate = dir.join("certificate.pem");
    fs::write(&certificate, site_certificate(&host)?)?;
    step("HTTPS: what the backend got");
    let https = SocketAddr::from((host.ip(), 443));
    say::result(curl(&https, &certificate)?.trim_end());
    step("WSS: an echo through nginx");
    let mut socket = Client::connect(https, SITE, "/socket", &certificate)?;
    let (sent, back) = ("hello over wss", socket.text("hello over wss")?);
    ensure!(back == sent, "sent {sent:?}, got {back:?}");
    say::result(format_args!("sent {sent:?}, got {back:?}"));

    step("the same run again");
    let start = Instant::now();
    let second =
        play(&["--output", "ansible"]).stderr(Stdio::inherit()).output().context("cannot run provision")?;
    let said = String::from_utf8_lossy(&second.stdout);
    ensure!(second.status.success(), "the second run failed: {}\n{said}", second.status);
    let recap = recap(&said).with_context(|| format!("no recap in\n{said}"))?;
    say::result(recap);
    let counts = ["changed=0 ", "unreachable=0 ", "failed=0 "];
    ensure!(counts.iter().all(|c| recap.contains(c)), "the second run was to change nothing:\n{said}");
    say::note(format_args!("second run: {:.1} s, nothing changed", start.elapsed().as_secs_f32()));

    let (ip, certificate) = (host.ip(), certificate.display());
    step("the host stays up");
    say::note(format_args!("  log in   cargo xtask fleet --name {NAME} ssh h1"));
    say::note(format_args!(
        "  ask      curl --cacert {certificate} --resolve {SITE}:443:{ip} https://{SITE}/"
    ));
    say::note(format_args!("  remove   cargo xtask fleet --name {NAME} down"));
    Ok(ExitCode::SUCCESS)
}

fn step(text: &str) {
    say::note(format_args!("\n==> {text}"));
}

/// Builds `provision` as users get it. Returns where it is.
pub fn release_binary() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let root = bins::workspace();
    let status = Command::new(cargo)
        .current_dir(root)
        .args(["build", "--release", "--package", "provision"])
        .status()?;
    if !status.success() {
        bail!("cargo build --release failed");
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |d| root.join(d));
    Ok(target.join("release/provision"))
}

/// As a user would write it: an unprivileged user with sudo, and one site.
fn inventory_yaml(fleet: &Fleet) -> Result<String> {
    let mut text = fleet.inventory("yaml", "proxies", "deploy")?;
    text.push_str(&format!(
        "    proxy_sites:\n      - domain: {SITE}\n        aliases: [www.{SITE}]\n        port: 8080\n"
    ));
    Ok(text)
}

fn site_certificate(host: &Machine) -> Result<String> {
    let find =
        "cat $(nginx -T 2>/dev/null | sed -n 's/^ *ssl_certificate  *\\([^;]*\\);.*/\\1/p' | head -n 1)";
    let ran = host.exec(&["sh", "-c", find])?;
    ensure!(ran.stdout.contains("BEGIN CERTIFICATE"), "nginx serves no certificate: {}", ran.stderr.trim());
    Ok(ran.stdout)
}

fn curl(address: &SocketAddr, certificate: &Path) -> Result<String> {
    let resolve = format!("{SITE}:443:{}", address.ip());
    let url = format!("https://{SITE}/hello?from=demo");
    let mut command = Command::new("curl");
    command.args([
        "-q",
        "-sS",
        "--fail",
        "--noproxy",
        "*",
        "--max-time",
        "20",
        "--resolve",
        &resolve,
        "--cacert",
    ]);
    let out = command.arg(certificate).arg(url).output().context("cannot run curl")?;
    ensure!(out.status.success(), "curl: {}", String::from_utf8_lossy(&out.stderr).trim());
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// The host's line below `PLAY RECAP`.
fn recap(said: &str) -> Option<&str> {
    let (_, after) = said.split_once("PLAY RECAP")?;
    after.lines().find(|l| l.trim_start().starts_with("h1 "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recap_is_read_as_ansible_writes_it() {
        let said = "PLAY [x] ***\nh1 : decoy\nPLAY RECAP ****\nh1   : ok=3    changed=0    unreachable=0    failed=0\n";
        assert!(recap(said).unwrap().contains("changed=0 "));
        assert_eq!(recap("nothing"), None);
    }
}
