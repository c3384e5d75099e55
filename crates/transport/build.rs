//! Builds the agent for this machine's processor and embeds it, compressed.
//!
//! The agent is a package of this workspace built by a cargo of its own, in a target directory of its own (the outer cargo
//! holds the lock of the usual one): static, and small in release builds.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let manifest = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let root = manifest.parent().and_then(Path::parent).ok_or("no workspace above")?.to_owned();
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    for part in ["agent", "modules", "wire", "system", "args"] {
        println!("cargo::rerun-if-changed={}", root.join("crates").join(part).display());
    }
    println!("cargo::rerun-if-env-changed=PROVISION_AGENT_TARGET");
    println!("cargo::rerun-if-changed={}", root.join("Cargo.lock").display());

    let profile = if std::env::var("PROFILE")? == "release" { "agent" } else { "agent-dev" };
    let host = std::env::var("TARGET")?;
    // A musl target makes a smaller agent, where it is installed; glibc is everywhere.
    let target = std::env::var("PROVISION_AGENT_TARGET").unwrap_or(host);
    let target_dir = out.join("agent-build");
    let mut cargo = Command::new(std::env::var("CARGO")?);
    cargo
        .current_dir(&root)
        .args([
            "build",
            "--locked",
            "--package",
            "provision-agent",
            "--profile",
            profile,
            "--target",
            &target,
        ])
        .arg("--target-dir")
        .arg(&target_dir)
        .env("RUSTFLAGS", "-C target-feature=+crt-static -C relocation-model=static");
    // The outer cargo's settings are not the inner one's.
    for (name, _) in std::env::vars() {
        let inherited = name.starts_with("CARGO_")
            && !["CARGO_HOME", "CARGO_NET_OFFLINE", "CARGO_HTTP_CAINFO"].contains(&name.as_str());
        if inherited
            || name == "RUSTC_WORKSPACE_WRAPPER"
            || name == "RUSTC_WRAPPER"
            || name == "CLIPPY_ARGS"
            || name == "MAKEFLAGS"
        {
            cargo.env_remove(name);
        }
    }
    let status = cargo.status()?;
    if !status.success() {
        return Err(format!("cargo build of provision-agent: {status}").into());
    }
    let program = std::fs::read(target_dir.join(&target).join(profile).join("provision-agent"))?;
    let hash = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&program));
    let level = if profile == "agent" { flate2::Compression::best() } else { flate2::Compression::fast() };
    let mut encoder = flate2::write::GzEncoder::new(std::fs::File::create(out.join("agent.gz"))?, level);
    encoder.write_all(&program)?;
    encoder.finish()?;
    let machine = target.split('-').next().unwrap_or_default();
    let code = format!(
        "/// The agent built with this program.\npub const EMBEDDED: Agent = Agent {{ hash: {hash:?}, machine: {machine:?}, \
         compressed: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/agent.gz\")) }};\n"
    );
    std::fs::write(out.join("embedded.rs"), code)?;
    Ok(())
}
