//! Editing a text file in place: what `lineinfile`, `blockinfile` and `replace` share.

use super::files::{self, Edit, Validated, show};
use super::options::FileOptions;
use crate::{Ctx, Failure, Outcome};
use provision_args::PathArg;
use provision_system::text::{bytes_to_text, text_to_bytes};

/// The file to edit.
pub struct Target<'a> {
    pub path: &'a PathArg,
    /// A missing one counts as empty.
    pub create: bool,
    pub backup: bool,
    pub validate: Option<&'a str>,
    pub attributes: &'a FileOptions,
}

/// What is there.
pub enum Found {
    Text(String),
    Missing(String),
    /// An earlier command of this dry run may bring it.
    Unknown(Outcome),
}

/// A changed text and what was done to it.
pub struct Edited {
    pub text: String,
    pub message: String,
}

impl Target<'_> {
    /// The file's text.
    pub fn read(&self, ctx: &Ctx<'_>) -> Result<Found, Failure> {
        let path = files::path_of(ctx, self.path)?;
        Ok(match ctx.sys.stat(&path, true)? {
            Some(meta) if meta.is_dir() => {
                return Err(Failure::new(format!("Path {} is a directory !", show(&path))).with("rc", 256));
            }
            Some(_) => Found::Text(bytes_to_text(&ctx.sys.read(&path)?)),
            None if self.create => Found::Text(String::new()),
            None if ctx.sys.uncertain() => {
                Found::Unknown(files::unknown(ctx, &path, "the edited file", "the file does not exist yet")?)
            }
            None => Found::Missing(show(&path)),
        })
    }

    /// Writes what was edited, if anything, and sets the attributes. `backup` is the name of the result that holds
    /// the backup's path.
    pub fn finish(
        &self,
        ctx: &Ctx<'_>,
        before: &str,
        edited: Option<Edited>,
        backup: &str,
    ) -> Result<Outcome, Failure> {
        let path = files::real_path(ctx.sys, &files::path_of(ctx, self.path)?)?;
        let owner = self.attributes.wanted().look_up(ctx)?;
        let mut outcome = Outcome::new();
        if backup == "backup" {
            outcome = outcome.with("backup", "");
        }
        let mut message = String::new();
        if let Some(edited) = edited {
            message = edited.message;
            let exists = ctx.sys.stat(&path, true)?.is_some();
            if edited.text != before || !exists {
                if let Some(parent) = path.parent().filter(|_| self.create) {
                    files::create_dirs(ctx, parent, None, &mut |_| Ok(()))?;
                }
                let edit = Edit { path: &path, backup: self.backup, validate: self.validate, owner: &owner };
                let (copy, validated) = edit.write(ctx, &text_to_bytes(&edited.text))?;
                if let Some(copy) = copy {
                    outcome = outcome.with(backup, show(&copy));
                }
                if validated == Validated::Skipped {
                    outcome = outcome.with("validated", "not in a dry run");
                }
            }
        }
        if let Some(meta) = ctx.sys.stat(&path, true)? {
            let wanted = owner.attrs(ctx, &meta);
            let differs = wanted.mode.is_some_and(|mode| mode != meta.mode)
                || wanted.uid.is_some_and(|uid| uid != meta.uid)
                || wanted.gid.is_some_and(|gid| gid != meta.gid);
            owner.apply(ctx, &path, true)?;
            if differs {
                let and = if message.is_empty() { "" } else { " and " };
                message.push_str(and);
                message.push_str("ownership, perms or SE linux context changed");
            }
        }
        Ok(owner.finish(outcome.msg(message)))
    }
}
