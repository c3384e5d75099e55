//! Questions to the person at the terminal.

use provision_engine::Prompter;
use provision_transport::ssh::Secret;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

/// Asks on the terminal. Without one, answers come from standard input, without questions repeated.
pub struct Terminal;

impl Prompter for Terminal {
    fn ask(&self, prompt: &str, private: bool) -> Option<String> {
        if private && io::stdin().is_terminal() {
            return rpassword::prompt_password(prompt).ok();
        }
        let mut err = io::stderr();
        let _ = write!(err, "{prompt}");
        let _ = err.flush();
        let mut line = String::new();
        match io::stdin().lock().read_line(&mut line) {
            Ok(n) if n > 0 => Some(line.trim_end_matches(['\n', '\r']).to_owned()),
            _ => None,
        }
    }
}

impl provision_transport::ssh::Prompter for Terminal {
    fn ask(&self, prompt: &str) -> io::Result<Secret> {
        match Prompter::ask(self, prompt, true) {
            Some(answer) => Ok(Secret::new(answer)),
            None => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "nobody answered")),
        }
    }
}

/// The first line of a password file.
pub fn file(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let line = text.lines().next().unwrap_or_default().to_owned();
    if line.is_empty() { Err(format!("{} holds no password", path.display())) } else { Ok(line) }
}
