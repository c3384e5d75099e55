//! `provision galaxy`: roles and collections from git repositories and archives.

use super::{print, tell};
use crate::config::{Config, table};
use crate::exit::Exit;
use crate::galaxy::{self, Requirements, collection, role};
use crate::setup;
use clap::{Args, Subcommand};
use provision_source::{Diagnostics, Sources};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct GalaxyArgs {
    #[command(subcommand)]
    pub command: Galaxy,
}

#[derive(Debug, Subcommand)]
pub enum Galaxy {
    /// Install the roles and collections of a requirements file, or roles named by their sources
    Install(InstallArgs),
    /// Install, list or remove roles
    Role {
        #[command(subcommand)]
        command: RoleCommand,
    },
    /// Install or list collections
    Collection {
        #[command(subcommand)]
        command: CollectionCommand,
    },
    /// List installed roles
    List(RoleListArgs),
    /// Remove installed roles
    Remove(RoleRemoveArgs),
}

#[derive(Debug, Subcommand)]
pub enum RoleCommand {
    /// Install roles
    Install(InstallArgs),
    /// List installed roles
    List(RoleListArgs),
    /// Remove installed roles
    Remove(RoleRemoveArgs),
}

#[derive(Debug, Subcommand)]
pub enum CollectionCommand {
    /// Install collections
    Install(CollectionInstallArgs),
    /// List installed collections
    List(CollectionListArgs),
}

#[derive(Debug, Args)]
pub struct InstallArgs {
    /// Sources: git+URL, URL of a git repository, archive; SOURCE,VERSION,NAME
    #[arg(value_name = "SOURCE")]
    pub sources: Vec<String>,
    /// A file that lists roles and collections
    #[arg(short = 'r', long = "role-file", visible_alias = "requirements-file", value_name = "FILE")]
    pub requirements: Option<PathBuf>,
    /// Install roles into this directory; collections of the file are left out then
    #[arg(short = 'p', long, value_name = "DIR")]
    pub roles_path: Vec<PathBuf>,
    /// Replace what is installed
    #[arg(short, long)]
    pub force: bool,
    /// Replace what is installed, and what it depends on
    #[arg(long)]
    pub force_with_deps: bool,
    /// Leave dependencies out
    #[arg(short, long)]
    pub no_deps: bool,
    /// Go on with the next role after a failure
    #[arg(short, long)]
    pub ignore_errors: bool,
}

#[derive(Debug, Args)]
pub struct RoleListArgs {
    /// Only this role
    pub role: Option<String>,
    /// Look here
    #[arg(short = 'p', long, value_name = "DIR")]
    pub roles_path: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub struct RoleRemoveArgs {
    /// Roles
    #[arg(required = true)]
    pub roles: Vec<String>,
    /// Look here
    #[arg(short = 'p', long, value_name = "DIR")]
    pub roles_path: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub struct CollectionInstallArgs {
    /// Sources: git+URL, URL of a git repository, archive, directory; SOURCE,VERSION
    #[arg(value_name = "SOURCE")]
    pub sources: Vec<String>,
    /// A file that lists collections
    #[arg(short = 'r', long = "requirements-file", value_name = "FILE")]
    pub requirements: Option<PathBuf>,
    /// Install into DIR/ansible_collections
    #[arg(short = 'p', long, value_name = "DIR")]
    pub collections_path: Option<PathBuf>,
    /// Replace what is installed
    #[arg(short, long, visible_alias = "upgrade")]
    pub force: bool,
    /// Do not look for dependencies
    #[arg(short, long)]
    pub no_deps: bool,
}

#[derive(Debug, Args)]
pub struct CollectionListArgs {
    /// Look here
    #[arg(short = 'p', long, value_name = "DIR")]
    pub collections_path: Vec<PathBuf>,
}

pub fn run(args: GalaxyArgs) -> Exit {
    let config = match setup::config() {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    match args.command {
        Galaxy::Install(args) => install(args, &config, true),
        Galaxy::Role { command: RoleCommand::Install(args) } => install(args, &config, false),
        Galaxy::List(args) | Galaxy::Role { command: RoleCommand::List(args) } => {
            let paths = role_paths(&args.roles_path, &config);
            print(&role::list(&paths, args.role.as_deref(), &warn));
            Exit::Done
        }
        Galaxy::Remove(args) | Galaxy::Role { command: RoleCommand::Remove(args) } => remove(&args, &config),
        Galaxy::Collection { command: CollectionCommand::Install(args) } => {
            install_collections(args, &config)
        }
        Galaxy::Collection { command: CollectionCommand::List(args) } => {
            print(&collection::list(&collection_paths(&args.collections_path, &config)));
            Exit::Done
        }
    }
}

fn warn(text: &str) {
    tell(&format!("[WARNING]: {text}"));
}

fn say(text: &str) {
    print(&format!("{text}\n"));
}

fn fail(text: &str) -> Exit {
    tell(&format!("[ERROR]: {text}"));
    Exit::Usage
}

fn role_paths(given: &[PathBuf], config: &Config) -> Vec<PathBuf> {
    if given.is_empty() { config.paths(&table::DEFAULT_ROLES_PATH) } else { given.to_vec() }
}

fn collection_paths(given: &[PathBuf], config: &Config) -> Vec<PathBuf> {
    if given.is_empty() { config.paths(&table::COLLECTIONS_PATHS) } else { given.to_vec() }
}

/// What a requirements file asks for; its mistakes are told here.
fn requirements(path: &Path) -> Result<Requirements, Exit> {
    let (sources, mut diags) = (Sources::new(), Diagnostics::new());
    let found = galaxy::read(&sources, path, &mut diags);
    if !diags.is_empty() {
        let color =
            provision_report::color(std::io::stderr().is_terminal(), None, &|name| std::env::var(name).ok());
        tell(provision_source::render(&diags, &sources, color, None).trim_end());
    }
    if diags.has_errors() {
        tell("\nnothing was installed");
        return Err(Exit::Invalid);
    }
    Ok(found)
}

fn install(args: InstallArgs, config: &Config, collections_too: bool) -> Exit {
    let asked = match (&args.requirements, args.sources.is_empty()) {
        (Some(_), false) => return fail("name sources or a requirements file, not both"),
        (None, true) => return fail("name a requirements file with -r, or the sources of roles"),
        (Some(path), true) => match requirements(path) {
            Ok(found) => found,
            Err(exit) => return exit,
        },
        (None, false) => {
            let roles = args.sources.iter().map(|text| galaxy::from_argument(text, Path::new("."))).collect();
            Requirements { roles, collections: Vec::new() }
        }
    };
    if !asked.roles.is_empty() {
        say("Starting galaxy role install process");
        let options = role::Options {
            force: args.force,
            force_with_deps: args.force_with_deps,
            no_deps: args.no_deps,
            ignore_errors: args.ignore_errors,
        };
        let paths = role_paths(&args.roles_path, config);
        match role::install(&asked.roles, &paths, &options, &say, &warn) {
            Ok(_) => {}
            Err(text) => return fail(&text),
        }
    }
    if asked.collections.is_empty() {
        return Exit::Done;
    }
    if !collections_too || !args.roles_path.is_empty() {
        warn(
            "The requirements file contains collections which will be ignored. To install these collections run \
             'galaxy collection install -r', or 'galaxy install -r' without a path of roles.",
        );
        return Exit::Done;
    }
    let options = collection::Options { force: args.force || args.force_with_deps, no_deps: args.no_deps };
    place_collections(&asked, &collection_paths(&[], config), &options)
}

fn install_collections(args: CollectionInstallArgs, config: &Config) -> Exit {
    let asked = match (&args.requirements, args.sources.is_empty()) {
        (Some(_), false) => return fail("name sources or a requirements file, not both"),
        (None, true) => return fail("name a requirements file with -r, or the sources of collections"),
        (Some(path), true) => match requirements(path) {
            Ok(found) => found,
            Err(exit) => return exit,
        },
        (None, false) => {
            let collections =
                args.sources.iter().map(|text| galaxy::from_argument(text, Path::new("."))).collect();
            Requirements { roles: Vec::new(), collections }
        }
    };
    if !asked.roles.is_empty() {
        warn(
            "The requirements file contains roles which will be ignored. To install them run 'galaxy role install -r'.",
        );
    }
    let given: Vec<PathBuf> = args.collections_path.into_iter().collect();
    let mut paths = given;
    paths.extend(config.paths(&table::COLLECTIONS_PATHS));
    place_collections(&asked, &paths, &collection::Options { force: args.force, no_deps: args.no_deps })
}

fn place_collections(asked: &Requirements, paths: &[PathBuf], options: &collection::Options) -> Exit {
    let Some(root) = paths.first() else {
        return fail("there is no directory for collections: name one with -p");
    };
    say("Starting galaxy collection install process");
    match collection::install(&asked.collections, root, paths, options, &say) {
        Ok(()) => Exit::Done,
        Err(text) => fail(&text),
    }
}

fn remove(args: &RoleRemoveArgs, config: &Config) -> Exit {
    let paths = role_paths(&args.roles_path, config);
    let mut exit = Exit::Done;
    for name in &args.roles {
        match role::remove(name, &paths) {
            Ok(true) => say(&format!("- successfully removed {name}")),
            Ok(false) => say(&format!("- {name} is not installed, skipping.")),
            Err(text) => exit = fail(&text),
        }
    }
    exit
}
