//! `mount`: file systems, in fstab(5) and now.

mod fstab;

use crate::support::accounts::change;
use crate::support::files::{back_up, create_dirs, path_of, real_path, show};
use crate::{Ctx, Failure, Module, Outcome};
use fstab::{Entry, Table};
use provision_args::{Args, Choice, PathArg};
use provision_system::text::{bytes_to_text, text_to_bytes, to_os};
use provision_system::{Command, NewFile};
use std::path::{Path, PathBuf};

/// Keep a file system in fstab(5), mounted or not.
#[derive(Args)]
#[args(
    name = "mount",
    required_if("state", "mounted", ("src", "fstype")),
    required_if("state", "present", ("src", "fstype")),
    required_if("state", "ephemeral", ("src", "fstype"))
)]
pub struct MountArgs {
    /// Where it is mounted.
    #[arg(required, alias = "name")]
    pub path: PathArg,
    /// The device, or what else is mounted.
    pub src: Option<String>,
    /// The kind of file system.
    pub fstype: Option<String>,
    /// Options, as fstab(5) has them.
    pub opts: Option<String>,
    /// `mounted`: in fstab and mounted; `present`: in fstab; `unmounted`: not mounted, fstab stays; `absent`: neither,
    /// and the directory is removed; `absent_from_fstab`: not in fstab; `remounted`: mounted anew; `ephemeral`:
    /// mounted, fstab stays.
    #[arg(required)]
    pub state: State,
    /// Mount it at boot; otherwise `noauto` is added to the options.
    #[arg(default = "yes")]
    pub boot: bool,
    /// The fifth field: whether dump(8) saves it.
    #[arg(default = "0")]
    pub dump: String,
    /// The sixth field: when it is checked at boot.
    #[arg(default = "0")]
    pub passno: String,
    /// Another file instead of `/etc/fstab`.
    pub fstab: Option<PathArg>,
    /// Keep what was there under a name with the time in it (result `backup_file`).
    #[arg(default = "no")]
    pub backup: bool,
    /// Do not log the options.
    #[arg(default = "no", refused = "nothing is logged on the target; use no_log for the task")]
    pub opts_no_log: bool,
}

/// What shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum State {
    Absent,
    #[choice("absent_from_fstab")]
    AbsentFromFstab,
    Mounted,
    Present,
    Unmounted,
    Remounted,
    Ephemeral,
}

/// The module.
pub struct Mount;

impl Module for Mount {
    type Args = MountArgs;

    fn run(args: MountArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let swap = args.fstype.as_deref() == Some("swap") || ["none", "swap"].contains(&args.path.0.as_str());
        let path = if swap { PathBuf::from(&args.path.0) } else { path_of(ctx, &args.path)? };
        let entry = Entry::new(&args, &show(&path));
        let mounted = Mounted::find(ctx, &path)?;
        let mut outcome = Outcome::new();
        let in_table = |table: &mut Table| match args.state {
            State::Absent | State::AbsentFromFstab => table.remove(&entry),
            State::Mounted | State::Present => table.set(&entry),
            State::Unmounted | State::Remounted | State::Ephemeral => {}
        };
        let is_dir = match ctx.sys.stat(&path, true)? {
            Some(meta) => meta.is_dir(),
            None => false,
        };
        match args.state {
            State::Absent | State::AbsentFromFstab | State::Present => {
                args.edit(ctx, in_table, &mut outcome)?;
                if args.state == State::Absent && !swap {
                    if mounted.is_some() {
                        unmount(ctx, &path)?;
                    }
                    // What is under a mounted file system is not looked at before it is gone.
                    if is_dir && (mounted.is_some() && ctx.sys.dry() || ctx.sys.read_dir(&path)?.is_empty()) {
                        match ctx.sys.dry() && mounted.is_some() {
                            true => ctx.sys.note(&format!("directory {}", show(&path)), "there", "absent")?,
                            false => ctx.sys.remove_dir(&path)?,
                        }
                    }
                }
            }
            State::Unmounted => {
                if mounted.is_some() {
                    unmount(ctx, &path)?;
                }
            }
            State::Mounted | State::Ephemeral => {
                if swap {
                    return Err(Failure::new("swap space is not mounted: use state=present and swapon"));
                }
                if args.state == State::Ephemeral
                    && let Some(now) = &mounted
                    && now.source != entry.src
                {
                    return Err(Failure::new(format!(
                        "Ephemeral mount point is already mounted with a different source: {}",
                        now.source
                    )));
                }
                create_dirs(ctx, &path, None, &mut |_| Ok(()))?;
                let changed = args.edit(ctx, in_table, &mut outcome)?;
                match mounted {
                    None => args.mount(ctx, &entry, &path)?,
                    Some(_) if changed || args.state == State::Ephemeral => {
                        args.remount(ctx, &entry, &path)?
                    }
                    Some(_) => {}
                }
            }
            State::Remounted => {
                if mounted.is_none() && !ctx.sys.uncertain() {
                    return Err(Failure::new(format!("Error remounting {}: it is not mounted", show(&path))));
                }
                args.remount(ctx, &entry, &path)?;
            }
        }
        Ok(outcome
            .with("name", show(&path))
            .with("src", args.src.clone())
            .with("fstype", args.fstype.clone())
            .with("opts", entry.opts.as_str())
            .with("dump", args.dump.as_str())
            .with("passno", args.passno.as_str())
            .with("boot", if args.boot { "yes" } else { "no" })
            .with("fstab", show(&args.file(ctx)?)))
    }
}

impl MountArgs {
    fn file(&self, ctx: &Ctx<'_>) -> Result<PathBuf, Failure> {
        self.fstab.as_ref().map_or_else(|| Ok(PathBuf::from("/etc/fstab")), |path| path_of(ctx, path))
    }

    /// Edits fstab; whether it changed.
    fn edit(
        &self,
        ctx: &Ctx<'_>,
        change: impl FnOnce(&mut Table),
        outcome: &mut Outcome,
    ) -> Result<bool, Failure> {
        let path = real_path(ctx.sys, &self.file(ctx)?)?;
        let exists = ctx.sys.stat(&path, true)?.is_some();
        let old = if exists { bytes_to_text(&ctx.sys.read(&path)?) } else { String::new() };
        let mut table = Table::parse(&old);
        change(&mut table);
        let new = table.text();
        if new == old {
            return Ok(false);
        }
        if self.backup && exists {
            let copy = back_up(ctx, &path)?;
            outcome.result.insert("backup_file".to_owned(), show(&copy).into());
        }
        if let Some(dir) = path.parent() {
            create_dirs(ctx, dir, None, &mut |_| Ok(()))?;
        }
        ctx.sys.write(&path, &mut text_to_bytes(&new).as_slice(), &NewFile::default())?;
        Ok(true)
    }

    fn mount(&self, ctx: &Ctx<'_>, entry: &Entry, path: &Path) -> Result<(), Failure> {
        let mut command = Command::new(["mount"]);
        if self.state == State::Ephemeral {
            command = command.arg("-t").arg(to_os(&entry.fstype)).arg("-o").arg(to_os(&entry.opts));
            command = command.arg(to_os(&entry.src));
        } else if self.fstab.is_some() {
            command = command.arg("-T").arg(self.file(ctx)?);
        }
        let failed = format!("Error mounting {}: ", show(path));
        change(ctx, &command.arg(path), &failed).map(|_| ())
    }

    /// With the new options where that works, else by unmounting first.
    fn remount(&self, ctx: &Ctx<'_>, entry: &Entry, path: &Path) -> Result<(), Failure> {
        let options = match (self.state, &self.opts) {
            (State::Remounted, None) => "remount".to_owned(),
            _ => format!("remount,{}", entry.opts),
        };
        let mut command = Command::new(["mount"]);
        if let Some(fstab) = &self.fstab {
            command = command.arg("-T").arg(path_of(ctx, fstab)?);
        }
        let command = command.arg("-o").arg(to_os(&options)).arg(path);
        if change(ctx, &command, "").is_ok() {
            return Ok(());
        }
        unmount(ctx, path)?;
        self.mount(ctx, entry, path)
    }
}

/// What is mounted at a path.
struct Mounted {
    source: String,
}

impl Mounted {
    /// The last one counts: it covers those before it.
    fn find(ctx: &Ctx<'_>, path: &Path) -> Result<Option<Self>, Failure> {
        let text = bytes_to_text(&ctx.sys.read(Path::new("/proc/self/mountinfo"))?);
        let wanted = show(path);
        let found = text.lines().rev().find_map(|line| {
            let (front, back) = line.split_once(" - ")?;
            let place = fstab::unescape(front.split(' ').nth(4)?);
            let source = fstab::unescape(back.split(' ').nth(1)?);
            (place == wanted).then_some(Self { source })
        });
        Ok(found)
    }
}

fn unmount(ctx: &Ctx<'_>, path: &Path) -> Result<(), Failure> {
    change(ctx, &Command::new(["umount"]).arg(path), &format!("Error unmounting {}: ", show(path)))
        .map(|_| ())
}
