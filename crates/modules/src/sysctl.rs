//! `sysctl`: settings of the kernel, in sysctl.conf(5) and now.

use crate::support::accounts::change;
use crate::support::files::{path_of, real_path};
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, Argument, Choice, PathArg};
use provision_system::text::{bytes_to_text, text_to_bytes, to_os};
use provision_system::{Command, Effect, NewFile, Ran};
use std::path::{Path, PathBuf};

/// Keep a setting of the kernel in a file that is read at boot, and bring it into effect.
#[derive(Args)]
#[args(name = "sysctl", required_if("state", "present", ("value")))]
pub struct SysctlArgs {
    /// The setting, as in `net.ipv4.ip_forward`.
    #[arg(required, alias = "key")]
    pub name: String,
    /// Its value.
    #[arg(alias = "val")]
    pub value: Argument,
    /// Whether the file shall have it. Removing it from the file changes nothing in the running kernel.
    #[arg(default = "present")]
    pub state: State,
    /// Have the file read again after it changed.
    #[arg(default = "yes")]
    pub reload: bool,
    /// Set it in the running kernel too when it differs there.
    #[arg(default = "no")]
    pub sysctl_set: bool,
    /// Take no notice of settings that the kernel does not know.
    #[arg(default = "no")]
    pub ignoreerrors: bool,
    /// The file.
    #[arg(default = "/etc/sysctl.conf")]
    pub sysctl_file: PathArg,
}

/// Whether the file shall have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum State {
    Absent,
    Present,
}

/// The module.
pub struct Sysctl;

impl Module for Sysctl {
    type Args = SysctlArgs;

    fn run(args: SysctlArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let name = args.name.trim();
        let value = match (&args.value, args.state) {
            (_, State::Absent) => None,
            (Argument::Bool(on), _) => Some(u8::from(*on).to_string()),
            (Argument::String(text), _) => Some(text.trim().to_owned()),
            (Argument::Number(number), _) => Some(number.to_string()),
            (other, _) => return Err(Failure::new(format!("value must be text or a number, not {other}"))),
        };
        if name.is_empty()
            || name.contains(['=', '\n'])
            || value.as_ref().is_some_and(|value| value.contains('\n'))
        {
            return Err(Failure::new(format!("{name:?} cannot be a line of a sysctl file")));
        }
        if value.as_ref().is_some_and(String::is_empty) {
            return Err(Failure::new("value cannot be blank"));
        }
        let path = real_path(ctx.sys, &path_of(ctx, &args.sysctl_file)?)?;
        let old = match ctx.sys.stat(&path, true)? {
            Some(_) => bytes_to_text(&ctx.sys.read(&path)?),
            None => String::new(),
        };
        let new = edit(&old, name, value.as_deref());
        // Before the file is loaded: it may fail on others' settings.
        if let (Some(value), true) = (&value, args.sysctl_set) {
            set(ctx, name, value, args.ignoreerrors)?;
        }
        if new != old {
            ctx.sys.write(&path, &mut text_to_bytes(&new).as_slice(), &NewFile::default())?;
            if args.reload {
                reload(ctx, &path, args.ignoreerrors)?;
            }
        }
        Ok(Outcome::new())
    }
}

/// The file with the setting as wanted; its other lines stay as they are.
fn edit(text: &str, name: &str, value: Option<&str>) -> String {
    let mut out = String::new();
    let mut done = false;
    // The last of several lines is the one in effect.
    let last = text.lines().filter_map(|line| setting(line, name)).next_back();
    if value.is_some()
        && last == value
        && text.lines().filter(|line| setting(line, name).is_some()).count() == 1
    {
        return text.to_owned();
    }
    for line in text.split_inclusive('\n') {
        if setting(line, name).is_none() {
            out.push_str(line);
            continue;
        }
        if let (Some(value), false) = (value, done) {
            out.push_str(&format!("{name}={value}\n"));
            done = true;
        }
    }
    if let (Some(value), false) = (value, done) {
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        out.push_str(&format!("{name}={value}\n"));
    }
    out
}

/// The value if this line sets `name`.
fn setting<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let line = line.trim();
    if line.starts_with(['#', ';']) {
        return None;
    }
    let (key, value) = line.split_once('=')?;
    (key.trim().trim_start_matches('-') == name).then(|| value.trim())
}

fn set(ctx: &Ctx<'_>, name: &str, value: &str, ignore: bool) -> Result<(), Failure> {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let now = ctx.sys.read(&live(name)).ok().map(|now| words(&bytes_to_text(&now)));
    if now == Some(words(value)) || (now.is_none() && ignore) {
        return Ok(());
    }
    let mut command = Command::new(["sysctl"]);
    command.argv.extend(ignore.then(|| "-e".into()));
    command = command.arg("-w").arg(to_os(&format!("{name}={value}")));
    change(ctx, &command, &format!("setting {name} failed: ")).map(|_| ())
}

fn reload(ctx: &Ctx<'_>, path: &Path, ignore: bool) -> Result<(), Failure> {
    let mut command = Command::new(["sysctl"]);
    command.argv.extend(ignore.then(|| "-e".into()));
    command = command.arg("-p").arg(path);
    match ctx.sys.run(&command, Effect::Upkeep)? {
        Ran::Done(output) if !output.ok() => {
            let why = output.err().trim().to_owned();
            Err(Failure::new(format!("Failed to reload sysctl: {why}")).with("rc", output.rc))
        }
        // What a file says is in effect already is no error of this task.
        Ran::Done(_) | Ran::NotRun => Ok(()),
    }
}

/// Where the kernel shows it. A dot parts names unless a slash does (sysctl(8)): then dots belong to a name.
fn live(name: &str) -> PathBuf {
    let slashed = match name.find(['.', '/']).map(|at| &name[at..=at]) {
        Some(".") => name
            .chars()
            .map(|c| {
                if c == '.' {
                    '/'
                } else if c == '/' {
                    '.'
                } else {
                    c
                }
            })
            .collect(),
        _ => name.to_owned(),
    };
    Path::new("/proc/sys").join(to_os(&slashed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::files::show;

    #[test]
    fn only_its_own_line_is_touched() {
        let text = "# a = 1\n a =  1 \n\nb = 2\n;c=3\nd=4";
        assert_eq!(edit(text, "a", Some("1")), text);
        assert_eq!(edit(text, "a", Some("2")), "# a = 1\na=2\n\nb = 2\n;c=3\nd=4");
        assert_eq!(edit(text, "e", Some("5")), format!("{text}\ne=5\n"));
        assert_eq!(edit(text, "d", None), "# a = 1\n a =  1 \n\nb = 2\n;c=3\n");
        assert_eq!(edit("a=1\nb=2\na=3\n", "a", Some("3")), "a=3\nb=2\n");
        assert_eq!(edit("", "a", None), "");
    }

    #[test]
    fn names_are_paths() {
        assert_eq!(show(&live("net.ipv4.ip_forward")), "/proc/sys/net/ipv4/ip_forward");
        assert_eq!(show(&live("net.ipv4.conf.eth0/1.rp_filter")), "/proc/sys/net/ipv4/conf/eth0.1/rp_filter");
        assert_eq!(show(&live("net/ipv4/conf/eth0.1/rp_filter")), "/proc/sys/net/ipv4/conf/eth0.1/rp_filter");
    }
}
