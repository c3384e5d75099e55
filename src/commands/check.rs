//! `provision check`: what can be known of playbooks without connecting to any host.

use super::{print, tell};
use crate::cli::{CheckCommand, CheckFormat};
use crate::exit::Exit;
use crate::setup::{self, Setup, env};
use provision_engine::check::Asked;
use std::io::IsTerminal;

pub fn run(args: &CheckCommand) -> Exit {
    match look(args) {
        Ok(exit) | Err(exit) => exit,
    }
}

fn look(args: &CheckCommand) -> Result<Exit, Exit> {
    let config = setup::config()?;
    let dir = setup::playbook_dir(&args.playbooks);
    let mut setup = Setup::read(config, &args.hosts, &args.vars, &args.vault, dir)?;
    let asked = Asked { limit: args.hosts.limit.clone(), everything: true, ..Asked::default() };
    setup.playbooks(&args.playbooks, asked)?;
    let (diags, sources) = (&setup.diags, &setup.sources);
    // What was decrypted is not to be shown, in messages neither.
    let hide = |text: &str| setup.secrets.redact(text);
    let root = std::env::current_dir().unwrap_or_default();
    match args.format {
        CheckFormat::Human => {
            let color = provision_report::color(std::io::stdout().is_terminal(), Some(&args.say.color), &env);
            print(&hide(&provision_source::render(diags, sources, color, None)));
        }
        CheckFormat::Json => print(&hide(&provision_source::json(diags, sources))),
        CheckFormat::Sarif => {
            let text = provision_source::sarif(diags, sources, &root, env!("CARGO_PKG_VERSION"));
            print(&hide(&text));
        }
        CheckFormat::Github => print(&hide(&provision_source::github(diags, sources, &root))),
    }
    if let Some(span) = setup.unchecked {
        tell(&format!(
            "note: variables were not checked behind {}: what is included there is known in the run only",
            sources.location(span)
        ));
    }
    let errors = diags.error_count();
    let warnings = diags.sorted(sources).len() - errors;
    if args.format == CheckFormat::Human {
        let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        tell(&format!("{}, {}", count(errors, "error"), count(warnings, "warning")));
    }
    Ok(if errors > 0 { Exit::Invalid } else { Exit::Done })
}
