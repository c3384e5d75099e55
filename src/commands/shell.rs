//! `provision completions` and `provision man`: made from the declarations of the flags.

use super::{print, tell};
use crate::cli::{Cli, CompletionsArgs, ManArgs};
use crate::exit::Exit;
use clap::CommandFactory;

pub fn completions(args: &CompletionsArgs) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "provision", &mut script);
    print(&String::from_utf8_lossy(&script));
    Exit::Done
}

pub fn man(args: &ManArgs) -> Exit {
    let mut whole = Cli::command();
    whole.build();
    let command = match &args.command {
        None => whole,
        Some(name) => match whole.find_subcommand(name) {
            Some(found) => found.clone(),
            None => {
                let names: Vec<&str> = whole.get_subcommands().map(clap::Command::get_name).collect();
                let near = provision_source::nearest(name, names.iter().copied());
                let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                tell(&format!("error: there is no command `{name}`{hint}"));
                return Exit::Usage;
            }
        },
    };
    let mut page = Vec::new();
    match clap_mangen::Man::new(command).render(&mut page) {
        Ok(()) => {
            print(&String::from_utf8_lossy(&page));
            Exit::Done
        }
        Err(error) => {
            tell(&format!("error: {error}"));
            Exit::Usage
        }
    }
}
