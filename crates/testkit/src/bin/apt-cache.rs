//! The package cache of the test hosts, as a process of its own: `apt-cache DIRECTORY`.

use std::path::Path;

use anyhow::{Context as _, Result};

fn main() -> Result<()> {
    let dir = std::env::args_os().nth(1).context("usage: apt-cache DIRECTORY")?;
    provision_testkit::fleet::cache::serve(Path::new(&dir))
}
