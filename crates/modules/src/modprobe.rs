//! `modprobe`: modules of the kernel.

use crate::support::accounts::change;
use crate::support::files::show;
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, Choice};
use provision_system::text::{bytes_to_text, text_to_bytes, to_os, to_text};
use provision_system::{Command, NewFile};
use std::path::{Path, PathBuf};

/// Load a module of the kernel or unload it, now and at boot.
#[derive(Args)]
#[args(name = "modprobe")]
pub struct ModprobeArgs {
    /// The module.
    #[arg(required)]
    pub name: String,
    /// Whether it shall be loaded.
    #[arg(default = "present")]
    pub state: State,
    /// Its parameters.
    #[arg(default = "")]
    pub params: String,
    /// Whether it is loaded at boot: kept in `/etc/modules-load.d` and its parameters in `/etc/modprobe.d`, kept out of
    /// them, or left alone.
    #[arg(default = "disabled")]
    pub persistent: Persistent,
}

/// Whether it shall be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum State {
    Absent,
    Present,
}

/// Whether it is loaded at boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum Persistent {
    Disabled,
    Absent,
    Present,
}

/// The module.
pub struct Modprobe;

impl Module for Modprobe {
    type Args = ModprobeArgs;

    fn run(args: ModprobeArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let valid = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if args.name.is_empty()
            || args.name.starts_with('-')
            || !args.name.chars().all(valid)
            || args.params.contains('\n')
        {
            return Err(Failure::new(format!("{:?} is no module of the kernel", args.name)));
        }
        let loaded = loaded(ctx, &args.name)?;
        match (args.state, loaded) {
            (State::Present, false) => {
                let mut command = Command::new(["modprobe"]).arg(to_os(&args.name));
                command.argv.extend(args.params.split_whitespace().map(to_os));
                change(ctx, &command, &format!("loading {} failed: ", args.name))?;
            }
            (State::Absent, true) => {
                change(
                    ctx,
                    &Command::new(["modprobe", "-r"]).arg(to_os(&args.name)),
                    &format!("unloading {} failed: ", args.name),
                )?;
            }
            _ => {}
        }
        match args.persistent {
            Persistent::Disabled => {}
            Persistent::Present => {
                if listed(ctx, Path::new(LOAD), |line| is_module(line, &args.name))?.is_empty() {
                    write(ctx, &file(LOAD, &args.name), &format!("{}\n", args.name))?;
                }
                let options: String = args
                    .params
                    .split_whitespace()
                    .map(|param| format!("options {} {param}\n", args.name))
                    .collect();
                if !args.params.trim().is_empty() && !has_params(ctx, &args)? {
                    comment_out(ctx, Path::new(OPTIONS), |line| is_option(line, &args.name))?;
                    write(ctx, &file(OPTIONS, &args.name), &options)?;
                }
            }
            Persistent::Absent => {
                comment_out(ctx, Path::new(LOAD), |line| is_module(line, &args.name))?;
                comment_out(ctx, Path::new(OPTIONS), |line| is_option(line, &args.name))?;
            }
        }
        let state = args.state.as_str();
        Ok(Outcome::new().with("name", args.name).with("params", args.params).with("state", state))
    }
}

const LOAD: &str = "/etc/modules-load.d";
const OPTIONS: &str = "/etc/modprobe.d";

fn file(dir: &str, name: &str) -> PathBuf {
    Path::new(dir).join(to_os(&format!("{name}.conf")))
}

fn write(ctx: &Ctx<'_>, path: &Path, text: &str) -> Result<(), Failure> {
    crate::support::files::create_dirs(ctx, path.parent().unwrap_or(Path::new("/")), None, &mut |_| Ok(()))?;
    Ok(ctx.sys.write(path, &mut text_to_bytes(text).as_slice(), &NewFile::default())?)
}

/// Loaded, or part of the kernel itself. Dashes and underscores are the same in these names.
fn loaded(ctx: &Ctx<'_>, name: &str) -> Result<bool, Failure> {
    let name = name.replace('-', "_");
    let live = bytes_to_text(&ctx.sys.read(Path::new("/proc/modules"))?);
    if live.lines().any(|line| line.split(' ').next() == Some(&name)) {
        return Ok(true);
    }
    let release = bytes_to_text(&ctx.sys.read(Path::new("/proc/sys/kernel/osrelease"))?);
    let built_in = Path::new("/lib/modules").join(to_os(release.trim())).join("modules.builtin");
    if ctx.sys.stat(&built_in, true)?.is_none() {
        return Ok(false);
    }
    let text = bytes_to_text(&ctx.sys.read(&built_in)?);
    let stem = |line: &str| {
        line.rsplit('/').next().and_then(|file| file.split('.').next()).map(|stem| stem.replace('-', "_"))
    };
    Ok(text.lines().any(|line| stem(line).as_deref() == Some(&name)))
}

fn is_module(line: &str, name: &str) -> bool {
    line.trim() == name
}

fn is_option(line: &str, name: &str) -> bool {
    let mut words = line.split_whitespace();
    words.next() == Some("options") && words.next() == Some(name)
}

/// Files of a directory with a line that fits.
fn listed(ctx: &Ctx<'_>, dir: &Path, fits: impl Fn(&str) -> bool) -> Result<Vec<(PathBuf, String)>, Failure> {
    let mut found = Vec::new();
    if ctx.sys.stat(dir, true)?.is_none() {
        return Ok(found);
    }
    for name in ctx.sys.read_dir(dir)? {
        let path = dir.join(&name);
        if !to_text(&name).ends_with(".conf")
            || !ctx.sys.stat(&path, true)?.is_some_and(|meta| meta.is_file())
        {
            continue;
        }
        let text = bytes_to_text(&ctx.sys.read(&path)?);
        if text.lines().any(&fits) {
            found.push((path, text));
        }
    }
    Ok(found)
}

fn has_params(ctx: &Ctx<'_>, args: &ModprobeArgs) -> Result<bool, Failure> {
    let mut there: Vec<String> = Vec::new();
    for (_, text) in listed(ctx, Path::new(OPTIONS), |line| is_option(line, &args.name))? {
        let lines = text.lines().filter(|line| is_option(line, &args.name));
        there.extend(lines.flat_map(|line| line.split_whitespace().skip(2).map(str::to_owned)));
    }
    let mut wanted: Vec<String> = args.params.split_whitespace().map(str::to_owned).collect();
    there.sort();
    wanted.sort();
    Ok(there == wanted)
}

fn comment_out(ctx: &Ctx<'_>, dir: &Path, fits: impl Fn(&str) -> bool) -> Result<(), Failure> {
    for (path, text) in listed(ctx, dir, &fits)? {
        let line = |line: &str| if fits(line) { format!("#{line}\n") } else { format!("{line}\n") };
        let new: String = text.lines().map(line).collect();
        write(ctx, &crate::support::files::real_path(ctx.sys, &path)?, &new)
            .map_err(|failure| Failure { msg: format!("{}: {}", show(&path), failure.msg), ..failure })?;
    }
    Ok(())
}
