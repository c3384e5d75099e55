use crate::put;
use provision_system::{Attrs, Command, Effect, Memory, NewFile, Ran, SysError, System, digest_of};
use std::path::Path;

#[test]
fn links_are_followed_as_the_kernel_does() {
    let machine = Memory::new()
        .file("/srv/real/file", b"content")
        .link("../srv/real", "/opt/dir")
        .link("/opt/dir/file", "/abs")
        .link("b", "/a")
        .link("a", "/b")
        .link("nowhere", "/broken");
    for path in ["/opt/dir/file", "/abs", "/opt/dir/../real/file", "/srv/./real/../../abs", "/../abs"] {
        assert_eq!(machine.text(path), "content", "{path}");
    }
    assert_eq!(machine.read(Path::new("/a")).unwrap_err().errno, 40);
    assert_eq!(machine.stat(Path::new("/broken"), true).unwrap(), None);
    assert!(machine.stat(Path::new("/broken"), false).unwrap().unwrap().is_link());
    assert_eq!(machine.read(Path::new("/abs/x")).unwrap_err().errno, 20);
    assert_eq!(machine.stat(Path::new("/abs/x"), true).unwrap(), None);
    assert_eq!(machine.read_dir(Path::new("/opt/dir")).unwrap(), ["file"]);
    machine.create_dir(Path::new("/opt/dir/sub"), Some(0o750)).unwrap();
    assert_eq!(machine.meta("/srv/real/sub").unwrap().mode, 0o750);
    assert_eq!(machine.digest(Path::new("/abs"), "md5").unwrap(), digest_of(b"content", "md5").unwrap());
    assert!(machine.digest(Path::new("/abs"), "rot13").unwrap_err().to_string().contains("sha256"));
}

#[test]
fn written_files_keep_what_they_had() {
    let machine = Memory::new().file("/etc/x", b"1").mode("/etc/x", 0o600).owner("/etc/x", 5, 6).clock(42.0);
    put(&machine, "/etc/x", b"22").unwrap();
    let meta = machine.meta("/etc/x").unwrap();
    assert_eq!((meta.mode, meta.uid, meta.gid, meta.size, meta.mtime), (0o600, 5, 6, 2, 42.0));
    let new = NewFile { mode: Some(0o640), gid: Some(9), ..NewFile::default() };
    machine.write(Path::new("/etc/x"), &mut &b"3"[..], &new).unwrap();
    let meta = machine.meta("/etc/x").unwrap();
    assert_eq!((meta.mode, meta.uid, meta.gid), (0o640, 5, 9));
    machine.advance(8.0);
    machine.set_attrs(Path::new("/etc/x"), &Attrs { uid: Some(1), ..Attrs::default() }, true).unwrap();
    assert_eq!((machine.meta("/etc/x").unwrap().ctime, machine.now()), (50.0, 50.0));
}

#[test]
fn commands_are_answered_and_recorded() {
    let machine = Memory::new()
        .answer(&["dpkg-query", "-W"], 1, "")
        .answer(&["dpkg-query", "-W"], 0, "nginx 1.2\n")
        .on_command_with(|machine, command| {
            (command.argv.first()?.to_str()? == "useradd").then(|| {
                let passwd = machine.text("/etc/passwd") + "bob:x:7:7::/home/bob:/bin/sh\n";
                put(machine, "/etc/passwd", passwd.as_bytes()).unwrap();
                Default::default()
            })
        });
    assert_eq!(machine.query(&Command::new(["dpkg-query", "-W"])).unwrap().out(), "nginx 1.2\n");
    assert_eq!(System::user(&machine, "bob").unwrap(), None);
    assert!(matches!(machine.run(&Command::new(["useradd", "bob"]), Effect::Change), Ok(Ran::Done(_))));
    assert_eq!(System::user(&machine, "bob").unwrap().unwrap().uid, 7);
    let error = machine.run(&Command::new(["rm", "-rf", "a b"]), Effect::Change).unwrap_err();
    assert_eq!(
        error,
        SysError { doing: "run rm -rf 'a b'".into(), why: "No such file or directory".into(), errno: 2 }
    );
    assert_eq!(
        machine.ran().iter().map(Command::display).collect::<Vec<_>>(),
        ["useradd bob", "rm -rf 'a b'"]
    );
    assert_eq!(machine.queried().len(), 1);
}

#[test]
fn faults_and_accounts() {
    let machine = Memory::new()
        .user("alice", 1000)
        .fail_write("/etc/x", 28)
        .as_user(1000, 1000)
        .program("/usr/bin/nginx");
    let error = put(&machine, "/etc/x", b"").unwrap_err();
    assert_eq!(error.to_string(), "cannot write /etc/x: No space left on device");
    assert!(!machine.exists("/etc/x"));
    assert_eq!(System::user(&machine, "1000").unwrap().unwrap().name, "alice");
    assert_eq!(System::group(&machine, "alice").unwrap().unwrap().gid, 1000);
    assert_eq!(machine.identity().user, "alice");
    put(&machine, "/tmp/mine", b"").unwrap();
    assert_eq!(machine.meta("/tmp/mine").unwrap().uid, 1000);
    assert_eq!(machine.find_program("nginx").unwrap().unwrap(), Path::new("/usr/bin/nginx"));
    let temp = machine.make_temp(None, &mut &b"x"[..], 0o600).unwrap();
    assert_eq!(machine.text(&temp), "x");
    machine.remove_temp(&temp).unwrap();
    assert!(!machine.exists(&temp));
    machine.note("sysctl x", "0", "1").unwrap();
    assert_eq!(machine.notes(), [("sysctl x".to_owned(), "0".to_owned(), "1".to_owned())]);
}
