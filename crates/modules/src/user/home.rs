//! Home directories and SSH keys.

use super::Task;
use crate::support::accounts;
use crate::support::files::{create_dirs, expand, show};
use crate::{Failure, Outcome};
use provision_system::text::{bytes_to_text, to_os, to_path};
use provision_system::{Attrs, Command, NewFile, User as Entry};
use std::path::Path;

impl Task<'_> {
    /// Makes the home directory of an account that is there already, filled as a new one's would be.
    pub(super) fn make_home(&self, user: &Entry) -> Result<(), Failure> {
        let home = &user.home;
        // `usermod -m` of a dry run has not moved it.
        if self.sys.stat(home, true)?.is_some() || (self.sys.dry() && self.o.move_home) {
            return Ok(());
        }
        let umask = self.home_umask();
        create_dirs(self.ctx, home, None, &mut |_| Ok(()))?;
        let skeleton = to_path(self.o.skeleton.as_deref().unwrap_or("/etc/skel"));
        if self.sys.stat(&skeleton, true)?.is_some_and(|meta| meta.is_dir()) {
            self.fill(&skeleton, home, user)?;
        }
        self.sys.set_attrs(home, &Attrs { mode: Some(0o777 & !umask), ..owned(user) }, true)?;
        Ok(())
    }

    fn fill(&self, from: &Path, to: &Path, user: &Entry) -> Result<(), Failure> {
        for name in self.sys.read_dir(from)? {
            let (from, to) = (from.join(&name), to.join(&name));
            let Some(meta) = self.sys.stat(&from, false)? else { continue };
            if meta.is_dir() {
                self.sys.create_dir(&to, Some(meta.mode))?;
                self.fill(&from, &to, user)?;
                self.sys.set_attrs(&to, &owned(user), false)?;
            } else if meta.is_link() {
                self.sys.symlink(&self.sys.read_link(&from)?, &to)?;
                self.sys.set_attrs(&to, &owned(user), false)?;
            } else if meta.is_file() {
                let new = NewFile {
                    mode: Some(meta.mode),
                    uid: Some(user.uid),
                    gid: Some(user.gid),
                    secret: false,
                };
                self.sys.write(&to, &mut *self.sys.open(&from)?, &new)?;
            }
        }
        Ok(())
    }

    /// The task's umask, else the one of login.defs(5).
    fn home_umask(&self) -> u32 {
        let octal = |text: &str| u32::from_str_radix(text.trim_start_matches("0o"), 8).ok();
        if let Some(umask) = self.o.umask.as_deref().and_then(octal) {
            return umask;
        }
        let defs = self.sys.read(Path::new("/etc/login.defs")).unwrap_or_default();
        let text = bytes_to_text(&defs);
        let value = |key: &str| {
            let mut lines = text.lines().filter_map(|line| line.trim_start().strip_prefix(key));
            lines.find_map(|rest| rest.starts_with([' ', '\t']).then(|| rest.trim().to_owned()))
        };
        if let Some(mode) = value("HOME_MODE").as_deref().and_then(octal) {
            return 0o777 & !mode;
        }
        value("UMASK").as_deref().and_then(octal).unwrap_or(0o022)
    }

    pub(super) fn ssh_key(&self, user: &Entry, outcome: Outcome) -> Result<Outcome, Failure> {
        let o = self.o;
        let file = match &o.ssh_key_file {
            Some(file) => user.home.join(to_os(&expand(self.ctx, file))),
            None => user.home.join(to_os(&format!(".ssh/id_{}", o.ssh_key_type))),
        };
        let public = to_path(&format!("{}.pub", show(&file)));
        let outcome = outcome.with("ssh_key_file", show(&file));
        if o.force || self.sys.stat(&file, true)?.is_none() {
            if let Some(dir) = file.parent().filter(|dir| dir.starts_with(&user.home))
                && self.sys.stat(dir, true)?.is_none()
            {
                self.sys.create_dir(dir, Some(0o700))?;
                self.sys.set_attrs(dir, &owned(user), false)?;
            }
            // ssh-keygen would ask whether to write over it.
            for old in [&file, &public] {
                if self.sys.stat(old, false)?.is_some() {
                    self.sys.remove_file(old)?;
                }
            }
            let comment = match &o.ssh_key_comment {
                Some(comment) => comment.clone(),
                None => format!("ansible-generated on {}", self.host_name()),
            };
            let mut command = Command::new(["ssh-keygen", "-q", "-t"]).arg(to_os(&o.ssh_key_type));
            if let Some(bits) = o.ssh_key_bits {
                command = command.arg("-b").arg(bits.to_string());
            }
            command = command.arg("-C").arg(to_os(&comment)).arg("-f").arg(&file);
            command = command.arg("-N").arg(to_os(o.ssh_key_passphrase.as_deref().unwrap_or_default()));
            command.secret = o.ssh_key_passphrase.is_some();
            if !accounts::change(self.ctx, &command, "the SSH key could not be made: ")? {
                return Ok(outcome);
            }
            for (path, mode) in [(&file, 0o600), (&public, 0o644)] {
                self.sys.set_attrs(path, &Attrs { mode: Some(mode), ..owned(user) }, false)?;
            }
        }
        if self.sys.stat(&public, true)?.is_none() {
            return Ok(outcome);
        }
        let key = bytes_to_text(&self.sys.read(&public)?);
        let shown = self.sys.query(&Command::new(["ssh-keygen", "-l", "-f"]).arg(&public))?;
        Ok(outcome.with("ssh_public_key", key.trim()).with("ssh_fingerprint", shown.out().trim()))
    }

    fn host_name(&self) -> String {
        let name = self.sys.read(Path::new("/proc/sys/kernel/hostname")).unwrap_or_default();
        bytes_to_text(&name).trim().to_owned()
    }
}

fn owned(user: &Entry) -> Attrs {
    Attrs { uid: Some(user.uid), gid: Some(user.gid), ..Attrs::default() }
}
