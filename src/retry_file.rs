//! `retry_files_enabled`: after failures, the hosts to try again, for `--limit @FILE`.

use crate::commands::{print, tell};
use crate::config::{Config, table};
use provision_engine::event::{Event, HostStats, Reporter};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Writes the file at the end of a run in which a host failed or could not be reached, and says so.
pub struct RetryFile {
    path: PathBuf,
}

impl RetryFile {
    /// For a run of this playbook, if the configuration wants it.
    pub fn wanted(config: &Config, playbook: &Path) -> Option<Self> {
        if !config.flag(&table::RETRY_FILES_ENABLED) {
            return None;
        }
        let playbook = std::path::absolute(playbook).ok()?;
        let dir =
            config.path(&table::RETRY_FILES_SAVE_PATH).or_else(|| Some(playbook.parent()?.to_owned()))?;
        Some(Self { path: dir.join(playbook.file_stem()?).with_extension("retry") })
    }

    fn write(&self, stats: &[HostStats]) {
        let mut hosts: Vec<&str> =
            stats.iter().filter(|host| host.failed + host.unreachable > 0).map(|host| &*host.host).collect();
        if hosts.is_empty() {
            return;
        }
        hosts.sort_unstable();
        let path = &self.path;
        let beside = path.with_extension(format!("retry.{}", std::process::id()));
        let written = std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))
            .and_then(|()| std::fs::File::create(&beside))
            .and_then(|mut file| file.write_all((hosts.join("\n") + "\n").as_bytes()))
            .and_then(|()| std::fs::rename(&beside, path));
        match written {
            Ok(()) => print(&format!("\tto retry, use: --limit @{}\n", path.display())),
            Err(error) => {
                _ = std::fs::remove_file(&beside);
                tell(&format!("[WARNING]: Could not create retry file '{}': {error}", path.display()));
            }
        }
    }
}

impl Reporter for RetryFile {
    fn event(&mut self, event: &Event) {
        if let Event::RunEnd { stats, .. } = event {
            self.write(stats);
        }
    }
}
