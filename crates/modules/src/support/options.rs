//! Options that every module managing files has.

use super::files::Wanted;
use provision_args::{Args, ModeArg};

/// Whose a file is and who may use it.
#[derive(Args, Debug, Clone)]
pub struct FileOptions {
    /// The mode as an octal number in quotes ('0644') or as chmod writes it (u=rw,g=r,o=).
    pub mode: Option<ModeArg>,
    /// The user who shall own it: a name or a number.
    pub owner: Option<String>,
    /// The group that shall own it: a name or a number.
    pub group: Option<String>,
    #[arg(flatten)]
    pub unmanaged: Unmanaged,
}

impl FileOptions {
    pub fn wanted(&self) -> Wanted<'_> {
        Wanted { mode: self.mode.as_ref(), owner: self.owner.as_deref(), group: self.group.as_deref() }
    }
}

/// What Ansible can set and we do not.
#[derive(Args, Debug, Clone)]
pub struct Unmanaged {
    /// File attributes as chattr sets them.
    #[arg(alias = "attr", refused = "file attributes (chattr) are not managed")]
    pub attributes: (),
    /// The user part of the SELinux context.
    #[arg(refused = "SELinux contexts are not managed")]
    pub seuser: (),
    /// The role part of the SELinux context.
    #[arg(refused = "SELinux contexts are not managed")]
    pub serole: (),
    /// The type part of the SELinux context.
    #[arg(refused = "SELinux contexts are not managed")]
    pub setype: (),
    /// The level part of the SELinux context.
    #[arg(refused = "SELinux contexts are not managed")]
    pub selevel: (),
    /// Write in place where a file cannot be replaced in one step.
    #[arg(default = "no", refused = "files are only ever replaced in one step")]
    pub unsafe_writes: bool,
}
