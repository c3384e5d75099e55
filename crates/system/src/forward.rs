//! A reference to a system is a system: a journal or an overlay can be laid over one that goes on afterwards.

use crate::{Attrs, Command, Effect, Group, Identity, Meta, NewFile, Output, Ran, SysResult, System, User};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};

impl<T: System + ?Sized> System for &T {
    fn stat(&self, path: &Path, follow: bool) -> SysResult<Option<Meta>> {
        (**self).stat(path, follow)
    }
    fn read(&self, path: &Path) -> SysResult<Vec<u8>> {
        (**self).read(path)
    }
    fn open(&self, path: &Path) -> SysResult<Box<dyn Read>> {
        (**self).open(path)
    }
    fn read_dir(&self, path: &Path) -> SysResult<Vec<OsString>> {
        (**self).read_dir(path)
    }
    fn read_link(&self, path: &Path) -> SysResult<PathBuf> {
        (**self).read_link(path)
    }
    fn digest(&self, path: &Path, algorithm: &str) -> SysResult<String> {
        (**self).digest(path, algorithm)
    }
    fn write(&self, path: &Path, data: &mut dyn Read, new: &NewFile) -> SysResult<()> {
        (**self).write(path, data, new)
    }
    fn create_dir(&self, path: &Path, mode: Option<u32>) -> SysResult<()> {
        (**self).create_dir(path, mode)
    }
    fn remove_file(&self, path: &Path) -> SysResult<()> {
        (**self).remove_file(path)
    }
    fn remove_dir(&self, path: &Path) -> SysResult<()> {
        (**self).remove_dir(path)
    }
    fn remove_tree(&self, path: &Path) -> SysResult<()> {
        (**self).remove_tree(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> SysResult<()> {
        (**self).rename(from, to)
    }
    fn symlink(&self, target: &Path, link: &Path) -> SysResult<()> {
        (**self).symlink(target, link)
    }
    fn hard_link(&self, original: &Path, link: &Path) -> SysResult<()> {
        (**self).hard_link(original, link)
    }
    fn set_attrs(&self, path: &Path, attrs: &Attrs, follow: bool) -> SysResult<()> {
        (**self).set_attrs(path, attrs, follow)
    }
    fn user(&self, name: &str) -> SysResult<Option<User>> {
        (**self).user(name)
    }
    fn group(&self, name: &str) -> SysResult<Option<Group>> {
        (**self).group(name)
    }
    fn predict_user(&self, user: &User) {
        (**self).predict_user(user)
    }
    fn predict_group(&self, group: &Group) {
        (**self).predict_group(group)
    }
    fn identity(&self) -> Identity {
        (**self).identity()
    }
    fn umask(&self) -> u32 {
        (**self).umask()
    }
    fn environment(&self) -> BTreeMap<OsString, OsString> {
        (**self).environment()
    }
    fn now(&self) -> f64 {
        (**self).now()
    }
    fn make_temp(&self, dir: Option<&Path>, data: &mut dyn Read, mode: u32) -> SysResult<PathBuf> {
        (**self).make_temp(dir, data, mode)
    }
    fn remove_temp(&self, path: &Path) -> SysResult<()> {
        (**self).remove_temp(path)
    }
    fn query(&self, command: &Command) -> SysResult<Output> {
        (**self).query(command)
    }
    fn run(&self, command: &Command, effect: Effect) -> SysResult<Ran> {
        (**self).run(command, effect)
    }
    fn note(&self, what: &str, before: &str, after: &str) -> SysResult<()> {
        (**self).note(what, before, after)
    }
    fn find_program(&self, name: &str) -> SysResult<Option<PathBuf>> {
        (**self).find_program(name)
    }
    fn uncertain(&self) -> bool {
        (**self).uncertain()
    }
    fn dry(&self) -> bool {
        (**self).dry()
    }
}
