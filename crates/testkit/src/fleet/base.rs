//! Base roots and layers: made once by recipe, named by the recipe's hash, never written to again.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

use super::apt::{self, Mirrors};
use super::{Distro, Layer, Options, cache, mount, paths::Dirs};
use crate::{run, tools};

/// The directories an overlay of this kind of host stands on, topmost first; made if they are not there yet.
///
/// # Errors
/// If a root or layer cannot be built; the error ends with the tail of the build's log.
pub fn ensure(dirs: &Dirs, options: &Options) -> Result<Vec<PathBuf>> {
    let base = ensure_base(dirs, options)?;
    let Some(layer) = options.layer else { return Ok(vec![base]) };
    let name = layer_name(&base, &layer);
    let layer =
        ensure_one(dirs, &dirs.layers().join(name), |new| build_layer(dirs, &base, options, &layer, new))?;
    Ok(vec![layer, base])
}

/// Where [`ensure`] finds or puts what it returns.
pub fn paths(dirs: &Dirs, options: &Options) -> Result<Vec<PathBuf>> {
    let base = base_path(dirs, options)?;
    let layer = options.layer.map(|l| dirs.layers().join(layer_name(&base, &l)));
    Ok(layer.into_iter().chain([base]).collect())
}

const PACKAGES: &[&str] = &[
    "systemd",
    "systemd-sysv",
    "dbus",
    "openssh-server",
    "sudo",
    "ca-certificates",
    "iproute2",
    "iptables",
    "procps",
    "passwd",
];
const PYTHON: &[&str] = &["python3", "python3-apt"];
/// Noise, and things that take dpkg's lock behind one's back. The hosts' network is set up from outside.
const MASKED: &[&str] = &[
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "motd-news.timer",
    "systemd-tmpfiles-clean.timer",
    "console-getty.service",
    "getty@tty1.service",
    "getty.target",
    "systemd-resolved.service",
    "systemd-networkd.service",
    "systemd-networkd-wait-online.service",
    "systemd-networkd.socket",
    "networkd-dispatcher.service",
];
/// No DNS and no route out: apt needs neither with a proxy. Each host's way to it is the loopback address of the machine.
const APT_CONF: &str = "Acquire::Languages \"none\";\nAcquire::http::Timeout \"60\";\n";
/// To be raised when [`furnish`] changes in a way its constants do not show.
const VERSION: u32 = 1;

fn packages(options: &Options) -> Vec<&'static str> {
    let mut all = PACKAGES.to_vec();
    if options.python {
        all.extend(PYTHON);
    }
    if options.distro == Distro::Noble {
        all.push("apt"); // not even required there
    }
    all
}

/// Everything that goes into a base, as text; another text is another base.
fn recipe(options: &Options, lines: &[String], key: &str) -> String {
    let packages = packages(options).join(",");
    let masked = MASKED.join(",");
    format!("{VERSION}\n{}\n{packages}\n{masked}\n{APT_CONF}{}\n{key}\n", options.distro, lines.join("\n"))
}

fn base_path(dirs: &Dirs, options: &Options) -> Result<PathBuf> {
    // Without debootstrap there is no mirror for Ubuntu yet, and without a key no base at all.
    let lines = Mirrors::of(options.distro).map(|m| m.lines(options.distro)).unwrap_or_default();
    let key = fs::read_to_string(dirs.key().with_extension("pub")).unwrap_or_default();
    let bare = Options { layer: None, ..*options };
    Ok(dirs.bases().join(format!("{bare}-{}", hash(&recipe(&bare, &lines, &key)))))
}

fn layer_name(base: &Path, layer: &Layer) -> String {
    let under = base.file_name().unwrap_or_default().to_string_lossy();
    let recipe = format!("{VERSION}\n{under}\n{}\n{}", layer.packages.join(","), layer.script);
    let kind = under.rsplit_once('-').map_or(&*under, |(kind, _)| kind);
    format!("{kind}+{}-{}", layer.name, hash(&recipe))
}

fn hash(text: &str) -> String {
    hex::encode(&Sha256::digest(text.as_bytes())[..6])
}

fn ensure_base(dirs: &Dirs, options: &Options) -> Result<PathBuf> {
    key_pair(dirs)?;
    if options.distro == Distro::Noble {
        tools::ensure(&[tools::Tool { file: apt::UBUNTU_SCRIPT, package: "debootstrap" }])?;
    }
    let path = base_path(dirs, options)?;
    ensure_one(dirs, &path, |new| build_base(dirs, options, new))
}

/// Builds beside the final name and renames, so that what exists is whole. One build at a time, on the whole machine.
fn ensure_one(dirs: &Dirs, path: &Path, build: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    if path.exists() {
        return Ok(path.to_path_buf());
    }
    let _lock = dirs.lock("build")?;
    if path.exists() {
        return Ok(path.to_path_buf());
    }
    let new = path.with_extension("new");
    mount::remove_tree(&new)?;
    fs::create_dir_all(&new)?;
    build(&new).with_context(|| format!("cannot build {}", path.display()))?;
    fs::rename(&new, path)?;
    Ok(path.to_path_buf())
}

fn build_base(dirs: &Dirs, options: &Options, root: &Path) -> Result<()> {
    let distro = options.distro;
    let mirrors = Mirrors::of(distro)?;
    cache::ensure(dirs, &mirrors.origins())?;
    let keyring = if distro == Distro::Noble {
        ubuntu_keyring(dirs)?
    } else {
        PathBuf::from("/usr/share/keyrings/debian-archive-keyring.gpg")
    };
    let proxy = format!("Acquire::http::Proxy \"http://127.0.0.1:{}\";", cache::PORT);
    let mut command = run::cmd("mmdebstrap", ["--quiet", "--variant=minbase"]);
    command.arg(format!("--include={}", packages(options).join(",")));
    command.arg(format!("--keyring={}", keyring.display()));
    command.args(["--aptopt", &proxy]);
    // A machine whose clock or snapshot mirror needs these needs them here too.
    for name in ["Acquire::Check-Valid-Until", "Acquire::Check-Date"] {
        if let Some(value) = apt::config(name) {
            command.args(["--aptopt", &format!("{name} \"{value}\";")]);
        }
    }
    command.arg(distro.suite()).arg(root).args(mirrors.lines(distro));
    command.env("DEBIAN_FRONTEND", "noninteractive").env("TMPDIR", dirs.top());
    run::check(&mut command)?;
    furnish(dirs, root)
}

/// Users, keys, quiet.
fn furnish(dirs: &Dirs, root: &Path) -> Result<()> {
    let at = |path: &str| root.join(path);
    for entry in fs::read_dir(at("etc/apt/apt.conf.d"))?.flatten() {
        let name = entry.file_name();
        if name == "99mmdebstrap" || name.to_string_lossy().contains("proxy") {
            fs::remove_file(entry.path())?;
        }
    }
    let proxy = format!("Acquire::http::Proxy \"http://{}:{}\";\n", cache::ADDRESS, cache::PORT);
    let mut conf = format!("{proxy}{APT_CONF}");
    for name in ["Acquire::Check-Valid-Until", "Acquire::Check-Date"] {
        if let Some(value) = apt::config(name) {
            conf.push_str(&format!("{name} \"{value}\";\n"));
        }
    }
    fs::write(at("etc/apt/apt.conf.d/01fleet"), conf)?;
    // Empty but young lists would look fresh to a tool that goes by their age.
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_577_836_800);
    fs::File::open(at("var/lib/apt/lists"))?.set_modified(old)?;
    fs::write(at("etc/machine-id"), "")?; // made anew at each first boot
    remove_if_there(&at("etc/resolv.conf"))?;
    for entry in fs::read_dir(at("etc/ssh"))?.flatten() {
        if entry.file_name().to_string_lossy().starts_with("ssh_host_") {
            fs::remove_file(entry.path())?;
        }
    }
    let key = fs::read(dirs.key().with_extension("pub"))?;
    authorize(&at("root"), &key)?;
    for user in ["deploy", "pw"] {
        in_root(root, &["useradd", "-m", "-s", "/bin/bash", user])?;
        authorize(&root.join("home").join(user), &key)?;
        in_root(root, &["chown", "-R", &format!("{user}:{user}"), &format!("/home/{user}/.ssh")])?;
    }
    in_root(root, &["sh", "-c", "echo pw:pw | chpasswd"])?;
    for (user, rule) in [("deploy", "NOPASSWD: ALL"), ("pw", "ALL")] {
        let file = root.join("etc/sudoers.d").join(user);
        fs::write(&file, format!("{user} ALL=(ALL) {rule}\n"))?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o440))?;
    }
    for unit in MASKED {
        let link = root.join("etc/systemd/system").join(unit);
        remove_if_there(&link)?;
        symlink("/dev/null", link)?;
    }
    Ok(())
}

fn build_layer(dirs: &Dirs, base: &Path, options: &Options, layer: &Layer, upper: &Path) -> Result<()> {
    let scratch = upper.with_extension("scratch");
    mount::remove_tree(&scratch)?;
    let (work, root) = (scratch.join("work"), scratch.join("root"));
    fs::create_dir_all(&work)?;
    fs::create_dir_all(&root)?;
    cache::ensure(dirs, &Mirrors::of(options.distro)?.origins())?;
    mount::overlay("layer", &[base.to_path_buf()], upper, &work, &root)?;
    let script = format!(
        "export DEBIAN_FRONTEND=noninteractive\napt-get update -qq\n\
         apt-get install -qq -y --no-install-recommends {}\n{}\n\
         apt-get clean\nrm -rf /var/lib/apt/lists/*\ntouch -d 2020-01-01 /var/lib/apt/lists\n\
         find /etc/ssl/private /etc/ssl/certs -name 'ssl-cert-snakeoil*' -delete\n",
        layer.packages.join(" "),
        layer.script
    );
    // Without a booted systemd inside, packages enable their services and start none.
    let mut command = run::cmd("systemd-nspawn", ["--quiet", "--pipe", "--register=no", "--keep-unit"]);
    command.args(["--resolv-conf=off", "--timezone=off", "--machine=provision-layer", "-D"]).arg(&root);
    command.args(["sh", "-euc", &script]).env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1");
    let built = run::check(&mut command);
    mount::unmount(&root)?;
    mount::remove_tree(&scratch)?;
    built.map(drop)
}

/// Ubuntu's keys, from the keyring package of a Debian release that has them, checked by apt against Debian's own.
fn ubuntu_keyring(dirs: &Dirs) -> Result<PathBuf> {
    let dir = dirs.top().join("keyring");
    let keyring = dir.join("usr/share/keyrings/ubuntu-archive-keyring.gpg");
    if keyring.exists() {
        return Ok(keyring);
    }
    let mirrors = Mirrors::of(Distro::Trixie)?;
    let scratch = dirs.top().join("keyring.new");
    mount::remove_tree(&scratch)?;
    fs::create_dir_all(scratch.join("lists/partial"))?;
    fs::create_dir_all(scratch.join("cache/archives/partial"))?;
    let list = scratch.join("sources.list");
    let signed = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]";
    let main = mirrors.lines(Distro::Trixie).swap_remove(0).replacen("deb ", &format!("deb {signed} "), 1);
    fs::write(&list, main + "\n")?;
    fs::write(scratch.join("status"), "")?;
    let apt = |args: &[&str]| -> Result<String> {
        let mut command = run::cmd("apt-get", ["-q", "-o", "Dir::Etc::sourceparts=/dev/null"]);
        for (name, value) in [
            ("Dir::Etc::sourcelist", list.clone()),
            ("Dir::State::lists", scratch.join("lists")),
            ("Dir::State::status", scratch.join("status")),
            ("Dir::Cache", scratch.join("cache")),
        ] {
            command.arg("-o").arg(format!("{name}={}", value.display()));
        }
        command.args(["-o", &format!("Acquire::http::Proxy=http://127.0.0.1:{}", cache::PORT)]);
        command.args(["-o", "APT::Sandbox::User=root"]);
        run::check(command.args(args).current_dir(&scratch))
    };
    cache::ensure(dirs, &mirrors.origins())?;
    apt(&["update"])?;
    apt(&["download", "ubuntu-keyring"])?;
    let deb = fs::read_dir(&scratch)?
        .flatten()
        .map(|e| e.path())
        .find(|p| p.extension().is_some_and(|e| e == "deb"))
        .context("apt downloaded no ubuntu-keyring")?;
    run::check(&mut run::cmd("dpkg-deb", [Path::new("-x"), &deb, &scratch.join("out")]))?;
    mount::remove_tree(&dir)?;
    fs::rename(scratch.join("out"), &dir)?;
    mount::remove_tree(&scratch)?;
    Ok(keyring)
}

/// The key that opens root, deploy and pw on every host.
fn key_pair(dirs: &Dirs) -> Result<()> {
    let _lock = dirs.lock("key")?;
    if !dirs.key().exists() {
        let mut command = run::cmd("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "fleet", "-f"]);
        run::check(command.arg(dirs.key()))?;
    }
    Ok(())
}

fn authorize(home: &Path, key: &[u8]) -> Result<()> {
    let dir = home.join(".ssh");
    fs::create_dir_all(&dir)?;
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o700))?;
    fs::write(dir.join("authorized_keys"), key)?;
    fs::set_permissions(dir.join("authorized_keys"), fs::Permissions::from_mode(0o600))?;
    Ok(())
}

fn in_root(root: &Path, argv: &[&str]) -> Result<()> {
    run::check(run::cmd("chroot", [root]).args(argv)).map(drop)
}

fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_the_recipe_names_another_base() {
        let options = Options::default();
        let lines = vec!["deb http://m.example/debian bookworm main".to_string()];
        let base = hash(&recipe(&options, &lines, "key"));
        assert_eq!(base, hash(&recipe(&options, &lines, "key")));
        for other in [
            recipe(&Options { python: true, ..options }, &lines, "key"),
            recipe(&Options::of(Distro::Trixie), &lines, "key"),
            recipe(&options, &[], "key"),
            recipe(&options, &lines, "another key"),
        ] {
            assert_ne!(base, hash(&other));
        }
    }

    #[test]
    fn a_layer_belongs_to_its_base_and_its_packages() {
        let base = Path::new("/x/bookworm-py-0123");
        let name = layer_name(base, &Layer::NGINX);
        assert!(name.starts_with("bookworm-py+nginx-"), "{name}");
        assert_ne!(name, layer_name(Path::new("/x/bookworm-py-4567"), &Layer::NGINX));
        assert_ne!(name, layer_name(base, &Layer { packages: &["nginx"], ..Layer::NGINX }));
    }

    #[test]
    fn what_exists_is_whole() {
        let top = tempfile::tempdir().unwrap();
        let dirs = Dirs::at(top.path()).unwrap();
        let path = dirs.bases().join("b");
        assert!(ensure_one(&dirs, &path, |_| anyhow::bail!("no")).is_err());
        assert!(!path.exists());
        ensure_one(&dirs, &path, |new| Ok(fs::write(new.join("f"), "")?)).unwrap();
        assert!(path.join("f").exists());
        ensure_one(&dirs, &path, |_| panic!("built twice")).unwrap();
    }
}
