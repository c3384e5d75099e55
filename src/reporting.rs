//! Who reports a run: by the flags, the configuration, and the name the command is called by.

use crate::commands::tell;
use crate::config::{Config, table};
use crate::log_file;
use crate::name::Name;
use crate::retry_file::RetryFile;
use crate::setup::env;
use provision_engine::event::Reporter;
use provision_report::{Ansible, Display, Json, Kind, Minimal, Options, Tee, Terminal};
use std::io::IsTerminal;
use std::path::Path;

/// The reporter of playbooks. `output` is `--output`, `events` a file for the events as well.
///
/// # Errors
/// A format that is not there, or a file that cannot be written, as a text for the user.
pub fn reporter(
    config: &Config,
    output: Option<&str>,
    events: Option<&Path>,
    retry: Option<RetryFile>,
    options: Options,
) -> Result<Box<dyn Reporter>, String> {
    let (out, err) = (Box::new(std::io::stdout()), Box::new(std::io::stderr()));
    let callback = callback(config, output);
    let tty = std::io::stdout().is_terminal();
    // What calls ansible-playbook reads its lines, also where it has a terminal to read them from.
    let output = match output {
        None if Name::called().is_ansible() || callback != Callback::Unset => Some("ansible"),
        given => given,
    };
    let log = log_file::open(config, &options)?;
    let mut all: Box<dyn Reporter> = match (callback, provision_report::choose(output, tty, &env)?) {
        (Callback::Minimal, _) => Box::new(Minimal::new(out, err, options)),
        (Callback::OneLine, _) => Box::new(Minimal::new(out, err, options).one_line()),
        (_, Kind::Json) => Box::new(Json::new(out)),
        (_, Kind::Human) => Box::new(Terminal::new(out, err, options)),
        (_, Kind::Ansible) => {
            Box::new(Ansible::new(out, err, Options { columns: provision_report::columns(), ..options }))
        }
    };
    if let Some(retry) = retry {
        // Ansible tells of the file before the recap.
        all = Box::new(Tee { first: Box::new(retry), second: all });
    }
    if let Some(log) = log {
        all = Box::new(Tee { first: all, second: Box::new(log) });
    }
    let Some(path) = events else { return Ok(all) };
    let file = std::fs::File::create(path).map_err(|e| format!("--events {}: {e}", path.display()))?;
    Ok(Box::new(Tee { first: all, second: Box::new(Json::new(Box::new(file))) }))
}

/// How to write, without the terminal's columns.
pub fn options(config: &Config, color: &str, verbosity: u8) -> Options {
    Options {
        color: wants_color(config, color, std::io::stdout().is_terminal()),
        verbosity,
        display: Display {
            skipped_hosts: config.flag(&table::DISPLAY_SKIPPED_HOSTS),
            ok_hosts: config.flag(&table::DISPLAY_OK_HOSTS),
            failed_stderr: config.flag(&table::DISPLAY_FAILED_STDERR),
            check_mode_markers: config.flag(&table::CHECK_MODE_MARKERS),
            per_host_start: config.flag(&table::SHOW_PER_HOST_START),
            task_path_on_failure: config.flag(&table::SHOW_TASK_PATH_ON_FAILURE),
        },
        ..Options::default()
    }
}

/// Colours: by the flag, then by the environment, then by `ansible.cfg`.
fn wants_color(config: &Config, flag: &str, tty: bool) -> bool {
    use crate::config::Origin;
    let in_file = |setting| matches!(config.origin(setting), Origin::File(..)) && config.flag(setting);
    let flag = match flag {
        "auto" if in_file(&table::ANSIBLE_NOCOLOR) => "never",
        "auto" if in_file(&table::ANSIBLE_FORCE_COLOR) && env("NO_COLOR").is_none() => "always",
        other => other,
    };
    provision_report::color(tty, Some(flag), &env)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Callback {
    Unset,
    Default,
    Minimal,
    OneLine,
}

/// `stdout_callback`, which `--output` is stronger than.
fn callback(config: &Config, output: Option<&str>) -> Callback {
    let Some(name) = config.given(&table::DEFAULT_STDOUT_CALLBACK).filter(|_| output.is_none()) else {
        return Callback::Unset;
    };
    match name.strip_prefix("ansible.builtin.").unwrap_or(&name) {
        "default" => Callback::Default,
        "minimal" => Callback::Minimal,
        "oneline" => Callback::OneLine,
        _ => {
            let origin = config.origin(&table::DEFAULT_STDOUT_CALLBACK);
            tell(&format!(
                "[WARNING]: there is no stdout_callback `{name}` ({origin}); the lines of `default` are printed"
            ));
            Callback::Default
        }
    }
}
