//! `log_path`: the run's report in a file, each message behind its time, as Ansible logs.

use crate::config::{Config, table};
use provision_report::{Ansible, Options};
use std::fs::File;
use std::io::{self, Write};

/// The reporter that writes the log; None when none is wanted.
///
/// # Errors
/// A file that cannot be written, as a text for the user.
pub fn open(config: &Config, options: &Options) -> Result<Option<Ansible>, String> {
    let Some(path) = config.path(&table::DEFAULT_LOG_PATH) else { return Ok(None) };
    let wrong = |error: io::Error| format!("the log {} cannot be written: {error}", path.display());
    let file = File::options().append(true).create(true).open(&path).map_err(wrong)?;
    let both = file.try_clone().map_err(wrong)?;
    let verbosity = config.number(&table::LOG_VERBOSITY).map_or(options.verbosity, |n| n.min(6) as u8);
    let options = Options { color: false, columns: None, verbosity, ..options.clone() };
    Ok(Some(Ansible::new(
        Box::new(Log { file, user: user() }),
        Box::new(Log { file: both, user: user() }),
        options,
    )))
}

/// Writes each message (one call of `write`) behind its time, process, user and level.
struct Log {
    file: File,
    user: String,
}

impl Write for Log {
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(message);
        let text = text.trim_start_matches('\n');
        if !text.is_empty() {
            let level = match text {
                text if text.starts_with("[ERROR]") => "ERROR",
                text if text.starts_with("[WARNING]") || text.starts_with("[DEPRECATION") => "WARNING",
                _ => "INFO",
            };
            let now = jiff::Zoned::now();
            let line = format!(
                "{},{:03} p={} u={} n=ansible {level}| {}\n",
                now.strftime("%Y-%m-%d %H:%M:%S"),
                now.millisecond(),
                std::process::id(),
                self.user,
                text.strip_suffix('\n').unwrap_or(text),
            );
            self.file.write_all(line.as_bytes())?;
        }
        Ok(message.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Who runs this: by the environment, else by the file of accounts.
fn user() -> String {
    use std::os::unix::fs::MetadataExt as _;
    let named = ["LOGNAME", "USER"].iter().find_map(|name| std::env::var(name).ok());
    let looked_up = || {
        let id = std::fs::metadata("/proc/self").ok()?.uid().to_string();
        let accounts = std::fs::read_to_string("/etc/passwd").ok()?;
        let own = accounts.lines().find(|line| line.split(':').nth(2) == Some(&id))?;
        own.split(':').next().map(str::to_owned)
    };
    named.or_else(looked_up).unwrap_or_default()
}
