use crate::{inner, put};
use provision_system::{Attrs, FileKind, Local, NewFile, System, text};
use rustix::fs::XattrFlags;
use std::ffi::OsString;
use std::io::{Cursor, Read};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const ACL: &str = "system.posix_acl_access";

fn names(dir: &Path) -> Vec<String> {
    Local::inherit().read_dir(dir).unwrap().iter().map(|name| text::to_text(name)).collect()
}

/// An ACL that gives user 1234 read access: version 2, then tag, permissions and id of each entry.
fn acl() -> Vec<u8> {
    let mut acl = 2u32.to_le_bytes().to_vec();
    let entries =
        [(1u16, 6u16, u32::MAX), (2, 4, 1234), (4, 4, u32::MAX), (16, 4, u32::MAX), (32, 0, u32::MAX)];
    for (tag, permissions, id) in entries {
        acl.extend(tag.to_le_bytes());
        acl.extend(permissions.to_le_bytes());
        acl.extend(id.to_le_bytes());
    }
    acl
}

fn xattr(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut buffer = [0u8; 256];
    let n = rustix::fs::lgetxattr(path, name, &mut buffer[..]).ok()?;
    Some(buffer[..n].to_vec())
}

#[test]
fn a_new_file_gets_the_mode_that_is_left_by_the_umask() {
    let dir = tempfile::tempdir().unwrap();
    let local = Local::inherit();
    let path = dir.path().join("new");
    put(&local, &path, b"hi").unwrap();
    assert_eq!(local.read(&path).unwrap(), b"hi");
    assert_eq!(local.stat(&path, false).unwrap().unwrap().mode, 0o666 & !local.umask());
    local.write(&path, &mut &b"ho"[..], &NewFile { mode: Some(0o4711), ..NewFile::default() }).unwrap();
    assert_eq!(local.stat(&path, false).unwrap().unwrap().mode, 0o4711);
    assert_eq!(names(dir.path()), ["new"]);
}

#[test]
fn what_is_not_said_is_kept_from_the_file_before() {
    let dir = tempfile::tempdir().unwrap();
    let local = Local::inherit();
    let path = dir.path().join("old");
    put(&local, &path, b"old").unwrap();
    rustix::fs::setxattr(&path, "user.note", b"mine", XattrFlags::empty())
        .expect("a file system with attributes");
    rustix::fs::setxattr(&path, ACL, &acl(), XattrFlags::empty()).expect("a file system with ACLs");
    let root = local.identity().uid == 0;
    let uid = if root { 1234 } else { local.identity().uid };
    std::os::unix::fs::chown(&path, Some(uid), None).unwrap();
    local.set_attrs(&path, &Attrs { mode: Some(0o2640), ..Attrs::default() }, false).unwrap();
    let before = local.stat(&path, false).unwrap().unwrap();

    put(&local, &path, b"new").unwrap();
    let after = local.stat(&path, false).unwrap().unwrap();
    assert_ne!(after.ino, before.ino, "it is another file");
    assert_eq!((after.mode, after.uid, after.gid), (before.mode, uid, before.gid));
    assert_eq!(xattr(&path, "user.note").unwrap(), b"mine");
    assert_eq!(xattr(&path, ACL).unwrap(), acl());
}

#[test]
fn the_directorys_default_acl_is_not_for_files_that_had_none() {
    let dir = tempfile::tempdir().unwrap();
    let local = Local::inherit();
    let path = dir.path().join("old");
    put(&local, &path, b"old").unwrap();
    local.set_attrs(&path, &Attrs { mode: Some(0o600), ..Attrs::default() }, false).unwrap();
    rustix::fs::setxattr(dir.path(), "system.posix_acl_default", &acl(), XattrFlags::empty()).unwrap();
    put(&local, &path, b"new").unwrap();
    assert_eq!(xattr(&path, ACL), None);
    assert_eq!(local.stat(&path, false).unwrap().unwrap().mode, 0o600);
    put(&local, dir.path().join("second"), b"").unwrap();
    assert!(xattr(&dir.path().join("second"), ACL).is_some(), "a new file inherits");
}

#[test]
fn an_error_leaves_the_old_file_and_nothing_else() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the checksum is wrong"))
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let local = Local::inherit();
    let path = dir.path().join("file");
    put(&local, &path, b"old").unwrap();
    let mut data = Cursor::new(vec![b'x'; 300_000]).chain(Broken);
    let error = local.write(&path, &mut data, &NewFile::default()).unwrap_err();
    assert!(error.to_string().contains("the checksum is wrong"), "{error}");
    assert_eq!(local.read(&path).unwrap(), b"old");
    assert_eq!(names(dir.path()), ["file"]);

    let error = put(&local, dir.path().join("no/file"), b"").unwrap_err();
    assert!(error.is_not_found());
    assert_eq!(error.why, "No such file or directory");
    assert_eq!(put(&local, dir.path(), b"").unwrap_err().errno, 21);
    assert_eq!(put(&local, "/dev/null", b"").unwrap_err().errno, 1);
}

#[test]
fn what_is_immutable_is_named_as_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let local = Local::inherit();
    let path = dir.path().join("file");
    put(&local, &path, b"old").unwrap();
    let chattr = |flag: &str, path: &Path| {
        std::process::Command::new("chattr")
            .arg(flag)
            .arg(path)
            .output()
            .is_ok_and(|output| output.status.success())
    };
    if !chattr("+i", &path) {
        eprintln!("not checked: chattr +i is not possible here");
        return;
    }
    let file = put(&local, &path, b"new").unwrap_err();
    let names_after = names(dir.path());
    assert!(chattr("-i", &path) && chattr("+i", dir.path()));
    let directory = put(&local, &path, b"new").unwrap_err();
    assert!(chattr("-i", dir.path()));
    assert!(file.errno == 1 && file.why.contains("it is immutable"), "{file}");
    assert!(directory.errno == 1 && directory.why.contains("its directory is immutable"), "{directory}");
    assert_eq!((names_after, local.read(&path).unwrap()), (vec!["file".to_owned()], b"old".to_vec()));
}

#[test]
fn a_symbolic_link_is_replaced_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let local = Local::inherit();
    let (target, link) = (dir.path().join("target"), dir.path().join("link"));
    put(&local, &target, b"target").unwrap();
    local.symlink(Path::new("target"), &link).unwrap();
    put(&local, &link, b"file").unwrap();
    assert_eq!(local.stat(&link, false).unwrap().unwrap().kind, FileKind::File);
    assert_eq!(local.read(&target).unwrap(), b"target");
}

#[test]
fn names_may_be_any_bytes_of_any_length() {
    let dir = tempfile::tempdir().unwrap();
    let local = Local::inherit();
    let odd = OsString::from_vec(b"a b\n'\"\xff".to_vec());
    let long = OsString::from("ü".repeat(127));
    for name in [&odd, &long] {
        put(&local, dir.path().join(name), b"1").unwrap();
        put(&local, dir.path().join(name), b"2").unwrap();
        assert_eq!(local.read(&dir.path().join(name)).unwrap(), b"2");
    }
    assert_eq!(local.read_dir(dir.path()).unwrap(), [odd, long]);
    assert_eq!(put(&local, dir.path().join("x".repeat(256)), b"").unwrap_err().errno, 36);
}

#[test]
fn links_take_the_place_of_files_in_one_step() {
    let dir = tempfile::tempdir().unwrap();
    let local = Local::inherit();
    let at = |name: &str| dir.path().join(name);
    put(&local, at("a"), b"a").unwrap();
    put(&local, at("b"), b"b").unwrap();
    local.hard_link(&at("a"), &at("b")).unwrap();
    local.hard_link(&at("a"), &at("b")).unwrap();
    assert_eq!(local.stat(&at("a"), false).unwrap().unwrap().nlink, 2);
    local.symlink(Path::new("a"), &at("b")).unwrap();
    local.symlink(Path::new("gone"), &at("b")).unwrap();
    assert_eq!(local.read_link(&at("b")).unwrap(), Path::new("gone"));
    assert_eq!(local.stat(&at("b"), true).unwrap(), None);
    local.create_dir(&at("d"), Some(0o2750)).unwrap();
    assert_eq!(local.stat(&at("d"), false).unwrap().unwrap().mode, 0o2750);
    assert_eq!(local.symlink(Path::new("a"), &at("d")).unwrap_err().errno, 21);
    assert_eq!(names(dir.path()), ["a", "b", "d"]);
}

#[test]
fn a_tree_is_removed_without_following_links() {
    let dir = tempfile::tempdir().unwrap();
    let local = Local::inherit();
    let at = |name: &str| dir.path().join(name);
    for name in ["tree", "tree/sub", "kept"] {
        local.create_dir(&at(name), None).unwrap();
    }
    put(&local, at("kept/file"), b"").unwrap();
    local.symlink(&at("kept"), &at("tree/sub/link")).unwrap();
    assert_eq!(local.remove_dir(&at("tree")).unwrap_err().errno, 39);
    local.symlink(&at("kept"), &at("link")).unwrap();
    assert_eq!(local.remove_tree(&at("link")).unwrap_err().errno, 20);
    local.remove_tree(&at("tree")).unwrap();
    assert_eq!(names(dir.path()), ["kept", "link"]);
    assert_eq!(names(&at("kept")), ["file"]);
}

#[test]
fn an_owners_change_does_not_cost_the_mode() {
    let dir = tempfile::tempdir().unwrap();
    let local = Local::inherit();
    let path = dir.path().join("program");
    put(&local, &path, b"").unwrap();
    local.set_attrs(&path, &Attrs { mode: Some(0o4755), ..Attrs::default() }, false).unwrap();
    if local.identity().uid == 0 {
        let attrs = Attrs { mode: Some(0o4755), uid: Some(1234), ..Attrs::default() };
        local.set_attrs(&path, &attrs, false).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().uid(), 1234);
    } else {
        let attrs = Attrs { uid: Some(0), ..Attrs::default() };
        assert_eq!(local.set_attrs(&path, &attrs, false).unwrap_err().errno, 1);
    }
    assert_eq!(local.stat(&path, false).unwrap().unwrap().mode, 0o4755);
    let times = Attrs { mtime: Some(1_000_000_000.25), atime: Some(-1.5), ..Attrs::default() };
    local.set_attrs(&path, &times, false).unwrap();
    let meta = local.stat(&path, false).unwrap().unwrap();
    assert_eq!((meta.mtime, meta.atime), (1_000_000_000.25, -1.5));
    local.symlink(Path::new("program"), &dir.path().join("link")).unwrap();
    let mode = Attrs { mode: Some(0o600), ..Attrs::default() };
    assert_eq!(local.set_attrs(&dir.path().join("link"), &mode, false).unwrap_err().errno, 95);
}

#[test]
fn what_is_no_file_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let local = Local::inherit();
    assert_eq!(local.read(dir.path()).unwrap_err().errno, 21);
    let fifo = dir.path().join("fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    assert!(local.read(&fifo).unwrap_err().to_string().contains("FIFO"));
    assert_eq!(local.stat(&fifo, false).unwrap().unwrap().kind, FileKind::Fifo);
    assert_eq!(local.stat(&fifo.join("below"), false).unwrap(), None);
}

#[test]
fn scratch_files_are_gone_with_the_system() {
    let dir = tempfile::tempdir().unwrap();
    let local = Local::inherit();
    let one = local.make_temp(Some(dir.path()), &mut &b"1"[..], 0o640).unwrap();
    local.make_temp(Some(dir.path()), &mut &b"2"[..], 0o600).unwrap();
    assert_eq!(local.read(&one).unwrap(), b"1");
    assert_eq!(local.stat(&one, false).unwrap().unwrap().mode, 0o640);
    put(&local, dir.path().join("kept"), b"").unwrap();
    assert_eq!(local.remove_temp(&dir.path().join("kept")).unwrap_err().errno, 22);
    local.remove_temp(&one).unwrap();
    assert_eq!(names(dir.path()).len(), 2);
    drop(local);
    assert_eq!(names(dir.path()), ["kept"]);
}

#[test]
fn an_owner_that_cannot_be_kept_costs_the_setuid_bit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("program");
    std::fs::write(&path, "old").unwrap();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&path, Some(1234), Some(1234)).unwrap();
    } else {
        eprintln!("not checked: only root can make a file somebody else's");
        return;
    }
    for (path, mode) in [(dir.path(), 0o777), (&*path, 0o6755)] {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    }
    // The binary must be reachable for another user.
    let program = dir.path().join("it");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let mut process = std::process::Command::new("setpriv");
    process.args(["--reuid", "4321", "--regid", "4321", "--clear-groups"]).arg(&program);
    process.args(["--exact", "--ignored", "local::inside_as_another_user"]).env("TEST_DIR", dir.path());
    let output = process.output().expect("setpriv (of util-linux) is needed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let meta = std::fs::metadata(&path).unwrap();
    assert_eq!(
        (meta.uid(), meta.mode() & 0o7777, std::fs::read(&path).unwrap()),
        (4321, 0o755, b"new".to_vec())
    );
}

#[test]
#[ignore = "run by an_owner_that_cannot_be_kept_costs_the_setuid_bit, as another user"]
fn inside_as_another_user() {
    let path =
        std::path::PathBuf::from(std::env::var_os("TEST_DIR").expect("run by another test")).join("program");
    let local = Local::inherit();
    let asked = NewFile { uid: Some(1234), ..NewFile::default() };
    assert_eq!(local.write(&path, &mut &b"new"[..], &asked).unwrap_err().errno, 1);
    assert_eq!(local.read(&path).unwrap(), b"old");
    put(&local, &path, b"new").unwrap();
}

#[test]
fn users_are_found_without_name_services() {
    let local = Local::inherit();
    let root = local.user("root").unwrap().unwrap();
    assert_eq!((root.uid, local.user("0").unwrap().unwrap().name.as_str()), (0, "root"));
    assert_eq!(local.group("0").unwrap().unwrap().name, "root");
    assert_eq!(local.user("no-such-user-here").unwrap(), None);
    assert_eq!(local.user("4294967290").unwrap(), None);
    assert_eq!(local.group("").unwrap(), None);
    assert_eq!(local.user("-s").unwrap(), None);
}

#[test]
fn a_full_disk_and_a_mounted_file_leave_the_old_content() {
    let dir = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=64k none \"$TEST_DIR\"; exec \"$@\"";
    inner("local::inside_a_small_file_system", script, &[("TEST_DIR", dir.path())]);
}

#[test]
#[ignore = "run by a_full_disk_and_a_mounted_file_leave_the_old_content, in a name space"]
fn inside_a_small_file_system() {
    let dir = std::path::PathBuf::from(std::env::var_os("TEST_DIR").expect("run by another test"));
    let local = Local::inherit();
    let path = dir.join("file");
    put(&local, &path, b"old").unwrap();
    let error = put(&local, &path, &vec![b'x'; 1 << 20]).unwrap_err();
    assert_eq!((error.errno, error.why.as_str()), (28, "No space left on device"));
    assert_eq!(local.read(&path).unwrap(), b"old");
    assert_eq!(names(&dir), ["file"]);

    assert!(
        std::process::Command::new("mount").arg("--bind").args([&path, &path]).status().unwrap().success()
    );
    let error = put(&local, &path, b"new").unwrap_err();
    assert!(error.errno == 16 && error.why.contains("mount point"), "{error}");
    assert_eq!(local.read(&path).unwrap(), b"old");
    assert_eq!(names(&dir), ["file"]);
    assert_eq!(local.rename(&path, &dir.join("other")).unwrap_err().errno, 16);
}
