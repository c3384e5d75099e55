use crate::put;
use provision_system::{
    ALGORITHMS, Attrs, Command, Effect, Group, Identity, Journal, Memory, Meta, NewFile, Output, Overlay,
    Ran, SysResult, System, User, digest_of,
};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A machine that nobody may write to.
struct Sealed(Memory);

impl System for Sealed {
    fn stat(&self, path: &Path, follow: bool) -> SysResult<Option<Meta>> {
        self.0.stat(path, follow)
    }
    fn read(&self, path: &Path) -> SysResult<Vec<u8>> {
        self.0.read(path)
    }
    fn open(&self, path: &Path) -> SysResult<Box<dyn Read>> {
        self.0.open(path)
    }
    fn read_dir(&self, path: &Path) -> SysResult<Vec<OsString>> {
        self.0.read_dir(path)
    }
    fn read_link(&self, path: &Path) -> SysResult<PathBuf> {
        self.0.read_link(path)
    }
    fn digest(&self, path: &Path, algorithm: &str) -> SysResult<String> {
        self.0.digest(path, algorithm)
    }
    fn write(&self, _: &Path, _: &mut dyn Read, _: &NewFile) -> SysResult<()> {
        panic!("write")
    }
    fn create_dir(&self, _: &Path, _: Option<u32>) -> SysResult<()> {
        panic!("create_dir")
    }
    fn remove_file(&self, _: &Path) -> SysResult<()> {
        panic!("remove_file")
    }
    fn remove_dir(&self, _: &Path) -> SysResult<()> {
        panic!("remove_dir")
    }
    fn remove_tree(&self, _: &Path) -> SysResult<()> {
        panic!("remove_tree")
    }
    fn rename(&self, _: &Path, _: &Path) -> SysResult<()> {
        panic!("rename")
    }
    fn symlink(&self, _: &Path, _: &Path) -> SysResult<()> {
        panic!("symlink")
    }
    fn hard_link(&self, _: &Path, _: &Path) -> SysResult<()> {
        panic!("hard_link")
    }
    fn set_attrs(&self, _: &Path, _: &Attrs, _: bool) -> SysResult<()> {
        panic!("set_attrs")
    }
    fn user(&self, name: &str) -> SysResult<Option<User>> {
        System::user(&self.0, name)
    }
    fn group(&self, name: &str) -> SysResult<Option<Group>> {
        System::group(&self.0, name)
    }
    fn predict_user(&self, _: &User) {
        panic!("predict_user")
    }
    fn predict_group(&self, _: &Group) {
        panic!("predict_group")
    }
    fn identity(&self) -> Identity {
        self.0.identity()
    }
    fn umask(&self) -> u32 {
        self.0.umask()
    }
    fn environment(&self) -> BTreeMap<OsString, OsString> {
        self.0.environment()
    }
    fn now(&self) -> f64 {
        self.0.now()
    }
    fn make_temp(&self, _: Option<&Path>, _: &mut dyn Read, _: u32) -> SysResult<PathBuf> {
        panic!("make_temp")
    }
    fn remove_temp(&self, _: &Path) -> SysResult<()> {
        panic!("remove_temp")
    }
    fn query(&self, command: &Command) -> SysResult<Output> {
        self.0.query(command)
    }
    fn run(&self, _: &Command, _: Effect) -> SysResult<Ran> {
        panic!("run")
    }
    fn note(&self, _: &str, _: &str, _: &str) -> SysResult<()> {
        panic!("note")
    }
}

fn bob() -> User {
    User {
        name: "bob".into(),
        uid: 77,
        gid: 78,
        gecos: String::new(),
        home: "/home/bob".into(),
        shell: "/bin/sh".into(),
    }
}

#[test]
fn nothing_reaches_the_machine() {
    let machine = Memory::new()
        .file("/etc/old", b"old")
        .file("/srv/tree/file", b"x")
        .dir("/srv/empty")
        .link("/srv/tree", "/opt/link")
        .answer(&["id"], 0, "root");
    let dry = Journal::new(Overlay::new(Sealed(machine)));
    let at = Path::new;
    let attrs = Attrs { mode: Some(0o600), uid: Some(7), gid: Some(8), mtime: Some(1.0), atime: Some(2.0) };
    put(&dry, "/etc/old", b"new").unwrap();
    put(&dry, "/etc/new", b"new").unwrap();
    dry.create_dir(at("/opt/link/sub"), None).unwrap();
    put(&dry, "/opt/link/sub/deep", b"deep").unwrap();
    dry.set_attrs(at("/opt/link/file"), &attrs, true).unwrap();
    dry.set_attrs(at("/opt/link"), &Attrs { uid: Some(9), ..Attrs::default() }, false).unwrap();
    dry.rename(at("/etc/new"), at("/etc/newer")).unwrap();
    dry.symlink(at("old"), at("/etc/link")).unwrap();
    dry.hard_link(at("/etc/old"), at("/etc/hard")).unwrap();
    dry.remove_dir(at("/srv/empty")).unwrap();
    dry.remove_file(at("/opt/link")).unwrap();
    dry.rename(at("/srv/tree"), at("/srv/moved")).unwrap();
    dry.note("sysctl", "0", "1").unwrap();
    dry.predict_user(&bob());
    dry.predict_group(&Group { name: "bobs".into(), gid: 78, members: vec![] });
    assert!(dry.make_temp(None, &mut &b""[..], 0o600).unwrap_err().is_not_in_dry_run());
    assert!(dry.remove_temp(at("/tmp/x")).is_err());
    assert_eq!(dry.query(&Command::new(["id"])).unwrap().out(), "root");
    assert!(!dry.uncertain());
    assert_eq!(dry.run(&Command::new(["reboot"]), Effect::Upkeep).unwrap(), Ran::NotRun);
    assert!(!dry.uncertain());
    assert_eq!(dry.run(&Command::new(["reboot"]), Effect::Change).unwrap(), Ran::NotRun);
    assert!(dry.uncertain() && dry.dry());

    assert_eq!(dry.read(at("/srv/moved/sub/deep")).unwrap(), b"deep");
    assert_eq!(dry.read(at("/etc/link")).unwrap(), b"new");
    let meta = dry.stat(at("/srv/moved/file"), false).unwrap().unwrap();
    assert_eq!((meta.mode, meta.uid, meta.gid, meta.mtime, meta.atime), (0o600, 7, 8, 1.0, 2.0));
    assert_eq!(dry.read(at("/srv/moved/file")).unwrap(), b"x", "its content is still the one below");
    assert_eq!(dry.stat(at("/etc/hard"), false).unwrap().unwrap().nlink, 2);
    assert_eq!(dry.read_dir(at("/srv")).unwrap(), ["moved"]);
    assert_eq!(dry.user("77").unwrap().unwrap().name, "bob");
    assert_eq!(dry.group("bobs").unwrap().unwrap().gid, 78);
    dry.remove_tree(at("/srv/moved")).unwrap();
    assert_eq!(dry.stat(at("/srv/moved/file"), true).unwrap(), None);
    dry.create_dir(at("/srv/moved"), None).unwrap();
    assert_eq!(
        dry.read_dir(at("/srv/moved")).unwrap(),
        Vec::<OsString>::new(),
        "what was below does not come back"
    );
}

#[test]
fn what_is_missing_is_assumed_once_a_command_is_pending() {
    let dry = Overlay::new(Memory::new());
    assert!(put(&dry, "/etc/nginx/conf.d/x.conf", b"x").unwrap_err().is_not_found());
    assert!(dry.stat(Path::new("/etc/nginx"), false).unwrap().is_none());
    dry.run(&Command::new(["apt-get", "install", "nginx"]), Effect::Change).unwrap();
    put(&dry, "/etc/nginx/conf.d/x.conf", b"x").unwrap();
    assert_eq!(dry.read(Path::new("/etc/nginx/conf.d/x.conf")).unwrap(), b"x");
    dry.symlink(Path::new("x"), Path::new("/etc/apache2/on/x")).unwrap();
    assert_eq!(dry.remove_file(Path::new("/etc/gone")).unwrap_err().errno, 2);
    assert_eq!(
        put(&dry, "/etc/passwd/x", b"").unwrap_err().errno,
        20,
        "a file is no directory, whatever runs"
    );
}

#[test]
fn large_contents_are_known_by_their_digests() {
    let dry = Overlay::new(Memory::new());
    let large: Vec<u8> = (0..3_000_000u32).map(|n| (n % 253) as u8).collect();
    put(&dry, "/srv-image", &large).unwrap();
    assert_eq!(dry.stat(Path::new("/srv-image"), false).unwrap().unwrap().size, 3_000_000);
    for algorithm in ALGORITHMS {
        assert_eq!(
            dry.digest(Path::new("/srv-image"), algorithm).unwrap(),
            digest_of(&large, algorithm).unwrap()
        );
    }
    let error = dry.read(Path::new("/srv-image")).unwrap_err();
    assert!(error.is_not_in_dry_run() && error.why.contains("3000000 bytes"), "{error}");
    let whole = vec![7; 1024 * 1024];
    put(&dry, "/srv-whole", &whole).unwrap();
    assert!(dry.read(Path::new("/srv-whole")).unwrap() == whole);
}

#[test]
fn a_layer_outlives_the_machine_it_is_over() {
    let machine = Memory::new().file("/etc/x", b"x");
    let first = Overlay::new(&machine);
    put(&first, "/etc/y", b"y").unwrap();
    first.predict_user(&bob());
    first.run(&Command::new(["x"]), Effect::Change).unwrap();
    let second = Overlay::with_layer(&machine, first.into_layer());
    assert_eq!(second.read(Path::new("/etc/y")).unwrap(), b"y");
    assert_eq!(second.read(Path::new("/etc/x")).unwrap(), b"x");
    assert!(second.user("bob").unwrap().is_some() && second.uncertain());
}

#[test]
fn a_record_can_be_laid_under_another_dry_run() {
    let machine = Memory::new().file("/etc/old", b"old").file("/srv/a/b", b"b").link("old", "/etc/link");
    let first = Journal::new(Overlay::new(&machine));
    let at = Path::new;
    first.create_dir(at("/srv/new"), Some(0o750)).unwrap();
    put(&first, "/srv/new/file", b"file").unwrap();
    let secret = NewFile { mode: Some(0o600), secret: true, ..NewFile::default() };
    first.write(at("/srv/new/key"), &mut &b"key"[..], &secret).unwrap();
    first.rename(at("/srv/a"), at("/srv/c")).unwrap();
    first.symlink(at("/srv/c/b"), at("/etc/link")).unwrap();
    first.hard_link(at("/srv/c/b"), at("/srv/hard")).unwrap();
    first.set_attrs(at("/etc/link"), &Attrs { mode: Some(0o640), ..Attrs::default() }, true).unwrap();
    first.remove_file(at("/etc/old")).unwrap();
    first.predict_user(&bob());
    first.run(&Command::new(["x"]), Effect::Change).unwrap();

    let second = Overlay::new(&machine);
    second.apply(&first.take()).unwrap();
    assert_eq!(second.read(at("/srv/new/file")).unwrap(), b"file");
    assert_eq!(second.read(at("/etc/link")).unwrap(), b"b");
    assert_eq!(second.stat(at("/srv/hard"), false).unwrap().unwrap().mode, 0o640);
    assert_eq!(second.stat(at("/srv/new"), false).unwrap().unwrap().mode, 0o750);
    assert_eq!(second.stat(at("/etc/old"), false).unwrap(), None);
    assert_eq!(second.digest(at("/srv/new/key"), "sha256").unwrap(), digest_of(b"key", "sha256").unwrap());
    assert!(second.digest(at("/srv/new/key"), "md5").unwrap_err().is_not_in_dry_run());
    assert!(second.read(at("/srv/new/key")).unwrap_err().is_not_in_dry_run());
    assert!(second.user("bob").unwrap().is_some() && second.uncertain());
}
