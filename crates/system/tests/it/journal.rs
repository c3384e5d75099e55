use crate::put;
use provision_system::{
    Attrs, Command, Effect, Journal, Local, Memory, Mutation, NewFile, Overlay, Side, System, changed, diff,
};
use serde_json::{Value, json};
use std::io::Cursor;
use std::path::Path;

fn mode(mode: u32) -> Attrs {
    Attrs { mode: Some(mode), ..Attrs::default() }
}

/// As results carry it.
fn shown(record: &[Mutation]) -> Value {
    serde_json::to_value(diff(record)).unwrap()
}

#[test]
fn a_write_of_what_is_there_touches_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::new(Local::inherit());
    let path = dir.path().join("file");
    for size in [0, 10, 3_000_000] {
        let data = vec![b'x'; size];
        put(&journal, &path, &data).unwrap();
        assert!(changed(&journal.take()), "{size}");
        let look = || journal.stat(&path, false).unwrap().map(|meta| (meta.ino, meta.mtime, meta.ctime));
        let before = look();
        put(&journal, &path, &data).unwrap();
        assert_eq!(journal.take(), []);
        assert_eq!(look(), before, "not even its times or inode");
    }
    // The same content with another mode is a change of attributes.
    let data = vec![b'x'; 3_000_000];
    journal.write(&path, &mut &data[..], &NewFile { mode: Some(0o600), ..NewFile::default() }).unwrap();
    assert!(matches!(&journal.take()[..], [Mutation::Attrs { after: Attrs { mode: Some(0o600), .. }, .. }]));
}

#[test]
fn a_write_that_differs_late_arrives_whole() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::new(Local::inherit());
    let path = dir.path().join("file");
    for size in [500_000, 3_000_000] {
        let old: Vec<u8> = (0..size).map(|n: u32| (n % 241) as u8).collect();
        put(&journal, &path, &old).unwrap();
        let mut new = old.clone();
        new[size as usize - 7] ^= 1;
        for new in [new, old[..old.len() - 1].to_vec(), [&old[..], b"more"].concat()] {
            put(&journal, &path, &old).unwrap();
            journal.take();
            put(&journal, &path, &new).unwrap();
            assert!(std::fs::read(&path).unwrap() == new);
            let [Mutation::Write { before, after, .. }] = &journal.take()[..] else { panic!() };
            let sum = |data: &[u8]| provision_system::digest_of(data, "sha256");
            assert_eq!((&before.as_ref().unwrap().sha256, &after.sha256), (&sum(&old), &sum(&new)));
            assert_eq!(after.content.is_some(), new.len() <= 1 << 20);
        }
    }
}

#[test]
fn a_source_that_fails_leaves_the_file_and_no_record() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("cut"))
        }
    }
    let machine = Memory::new().file("/etc/x", b"same");
    let journal = Journal::new(&machine);
    let mut data = std::io::Read::chain(Cursor::new(b"same".to_vec()), Broken);
    let error = journal.write(Path::new("/etc/x"), &mut data, &NewFile::default()).unwrap_err();
    assert!(error.to_string().contains("cut"), "{error}");
    assert_eq!((machine.text("/etc/x").as_str(), journal.take().len()), ("same", 0));
    let failing = Memory::new().fail_write("/etc/y", 28);
    let journal = Journal::new(&failing);
    put(&journal, "/etc/y", b"").unwrap_err();
    assert_eq!(journal.take(), []);
}

#[test]
fn what_was_undone_is_no_change() {
    let machine = Memory::new().file("/etc/x", b"old").dir("/srv").answer(&["reload"], 0, "");
    let journal = Journal::new(&machine);
    let at = Path::new;
    // Written and written back, by way of a temporary file.
    put(&journal, "/etc/.x.tmp", b"new").unwrap();
    journal.rename(at("/etc/.x.tmp"), at("/etc/x")).unwrap();
    put(&journal, "/etc/x", b"old").unwrap();
    // Made and removed.
    journal.create_dir(at("/srv/d"), None).unwrap();
    put(&journal, "/srv/d/f", b"").unwrap();
    journal.rename(at("/srv/d"), at("/srv/e")).unwrap();
    journal.remove_tree(at("/srv/e")).unwrap();
    // Changed there and back, and what was equal from the start.
    journal.set_attrs(at("/etc/x"), &mode(0o600), true).unwrap();
    journal.set_attrs(at("/etc/x"), &mode(0o644), true).unwrap();
    journal.symlink(at("x"), at("/etc/l")).unwrap();
    journal.remove_file(at("/etc/l")).unwrap();
    journal.note("sysctl", "0", "1").unwrap();
    journal.note("sysctl", "1", "0").unwrap();
    journal.note("equal", "0", "0").unwrap();
    journal.run(&Command::new(["reload"]), Effect::Upkeep).unwrap();
    let record = journal.take();
    assert_eq!(record.len(), 14);
    assert!(!changed(&record));
    assert_eq!(shown(&record), json!([]));
}

#[test]
fn each_of_these_is_a_change() {
    let machine =
        || Memory::new().file("/etc/x", b"old").link("x", "/etc/l").dir("/srv/d").answer(&["do"], 1, "");
    let at = Path::new;
    type Change<'a> = &'a dyn Fn(&dyn System);
    let changes: [Change<'_>; 14] = [
        &|s| put(s, "/etc/x", b"new").unwrap(),
        &|s| put(s, "/etc/y", b"").unwrap(),
        &|s| s.create_dir(at("/srv/n"), None).unwrap(),
        &|s| s.remove_file(at("/etc/x")).unwrap(),
        &|s| s.remove_dir(at("/srv/d")).unwrap(),
        &|s| s.remove_tree(at("/srv")).unwrap(),
        &|s| s.rename(at("/srv/d"), at("/srv/e")).unwrap(),
        &|s| s.symlink(at("y"), at("/etc/l")).unwrap(),
        &|s| s.hard_link(at("/etc/x"), at("/etc/h")).unwrap(),
        &|s| s.set_attrs(at("/etc/x"), &mode(0o600), true).unwrap(),
        &|s| s.set_attrs(at("/etc/x"), &Attrs { mtime: Some(5.0), ..Attrs::default() }, true).unwrap(),
        &|s| s.note("unit", "stopped", "started").unwrap(),
        &|s| drop(s.run(&Command::new(["do"]), Effect::Change).unwrap()),
        &|s| {
            // To what it was, but for the mode.
            s.remove_file(at("/etc/x")).unwrap();
            s.write(at("/etc/x"), &mut &b"old"[..], &NewFile { mode: Some(0o600), ..NewFile::default() })
                .unwrap();
        },
    ];
    for (n, change) in changes.iter().enumerate() {
        for contents in [true, false] {
            let journal = Journal::new(machine()).contents(contents);
            change(&journal);
            let record = journal.take();
            assert!(changed(&record), "number {n}");
            let dry = Journal::new(Overlay::new(machine())).contents(contents);
            change(&dry);
            assert!(changed(&dry.take()), "number {n}, dry");

            let frame = postcard::to_allocvec(&record).unwrap();
            assert_eq!(postcard::from_bytes::<Vec<Mutation>>(&frame).unwrap(), record);
            let text = serde_json::to_string(&record).unwrap();
            assert_eq!(serde_json::from_str::<Vec<Mutation>>(&text).unwrap(), record);
        }
    }
}

#[test]
fn nothing_is_recorded_of_what_is_so_already() {
    let machine = Memory::new().file("/etc/x", b"x").link("x", "/etc/l");
    machine.hard_link(Path::new("/etc/x"), Path::new("/etc/h")).unwrap();
    let journal = Journal::new(&machine);
    let at = Path::new;
    let meta = journal.stat(at("/etc/x"), false).unwrap().unwrap();
    journal.symlink(at("x"), at("/etc/l")).unwrap();
    journal.hard_link(at("/etc/x"), at("/etc/h")).unwrap();
    journal.rename(at("/etc/x"), at("/etc/h")).unwrap();
    let same = Attrs {
        mode: Some(0o644),
        uid: Some(0),
        gid: Some(0),
        mtime: Some(meta.mtime),
        atime: Some(meta.atime),
    };
    journal.set_attrs(at("/etc/x"), &same, true).unwrap();
    let temp = journal.make_temp(None, &mut &b""[..], 0o600).unwrap();
    journal.remove_temp(&temp).unwrap();
    journal.predict_group(&provision_system::Group { name: "g".into(), gid: 1, members: vec![] });
    assert_eq!(journal.take(), []);
}

#[test]
fn diffs_have_ansibles_shape() {
    let machine = Memory::new()
        .file("/etc/x", b"one\n")
        .file("/srv/d/sub/f", b"f")
        .link("a", "/etc/l")
        .file("/etc/bin", b"\x00\x01");
    let journal = Journal::new(&machine);
    let at = Path::new;
    put(&journal, "/etc/x", b"two\n").unwrap();
    put(&journal, "/etc/x", b"three\n").unwrap();
    journal
        .set_attrs(at("/etc/x"), &Attrs { mode: Some(0o600), uid: Some(7), ..Attrs::default() }, true)
        .unwrap();
    put(&journal, "/etc/new", b"new\n").unwrap();
    put(&journal, "/etc/empty", b"").unwrap();
    journal.create_dir(at("/etc/dir"), None).unwrap();
    journal.symlink(at("b"), at("/etc/l")).unwrap();
    journal.remove_tree(at("/srv/d")).unwrap();
    put(&journal, "/etc/bin", b"\x00\x02").unwrap();
    journal.note("service nginx", "stopped", "started").unwrap();
    let mut record = journal.take();
    let text = shown(&record);
    let sum = |data: &[u8]| provision_system::digest_of(data, "sha256").unwrap();
    assert_eq!(
        text,
        json!([
            {"before": "one\n", "after": "three\n", "before_header": "/etc/x", "after_header": "/etc/x"},
            {"before": {"path": "/etc/x", "mode": "0644", "owner": 0}, "after": {"path": "/etc/x", "mode": "0600", "owner": 7},
             "before_header": "/etc/x", "after_header": "/etc/x"},
            {"before": "", "after": "new\n", "after_header": "/etc/new"},
            {"before": {"path": "/etc/empty", "state": "absent"}, "after": {"path": "/etc/empty", "state": "file"},
             "before_header": "/etc/empty", "after_header": "/etc/empty"},
            {"before": {"path": "/etc/dir", "state": "absent"}, "after": {"path": "/etc/dir", "state": "directory"},
             "before_header": "/etc/dir", "after_header": "/etc/dir"},
            {"before": {"path": "/etc/l", "src": "a"}, "after": {"path": "/etc/l", "src": "b"},
             "before_header": "/etc/l", "after_header": "/etc/l"},
            {"before": {"path": "/srv/d", "state": "directory",
                        "path_content": {"directories": ["/srv/d/sub"], "files": ["/srv/d/sub/f"]}},
             "after": {"path": "/srv/d", "state": "absent"}, "before_header": "/srv/d", "after_header": "/srv/d"},
            {"before": format!("(binary content: 2 bytes, sha256 {})\n", sum(b"\x00\x01")),
             "after": format!("(binary content: 2 bytes, sha256 {})\n", sum(b"\x00\x02")),
             "before_header": "/etc/bin", "after_header": "/etc/bin"},
            {"before": "stopped\n", "after": "started\n", "before_header": "service nginx", "after_header": "service nginx"},
        ])
    );
    record.retain(|mutation| matches!(mutation, Mutation::Remove { .. }));
    let [Mutation::Remove { below, complete: true, .. }] = &record[..] else { panic!() };
    assert_eq!(below[1].snapshot.content.as_deref(), Some(&b"f"[..]), "enough to undo it");
}

#[test]
fn secrets_are_neither_kept_nor_shown() {
    let machine = Memory::new().file("/etc/key", b"OLDSECRET").answer(&["passwd", "NEWSECRET"], 0, "");
    let journal = Journal::new(&machine);
    let secret = NewFile { secret: true, ..NewFile::default() };
    journal.write(Path::new("/etc/.tmp"), &mut &b"NEWSECRET"[..], &secret).unwrap();
    journal.rename(Path::new("/etc/.tmp"), Path::new("/etc/key2")).unwrap();
    journal.write(Path::new("/etc/key"), &mut &b"NEWSECRET"[..], &secret).unwrap();
    let mut command = Command::new(["passwd", "NEWSECRET"]);
    command.secret = true;
    journal.run(&command, Effect::Change).unwrap();
    journal.remove_file(Path::new("/etc/key2")).unwrap();
    let record = journal.take();
    assert!(changed(&record));
    for mutation in &record {
        let text = format!("{mutation:?}");
        assert!(!text.contains("SECRET") && !text.contains(&format!("{:?}", b"SECRET")[1..10]), "{text}");
    }
    let diffs = diff(&record);
    assert_eq!(diffs.len(), 1);
    assert_eq!(diffs[0].before, Side::Text("(old content not shown)\n".into()));
    assert_eq!(diffs[0].after, Side::Text("(new content not shown)\n".into()));
}

#[test]
fn what_cannot_be_kept_is_not_lost_silently() {
    let machine = Memory::new();
    let journal = Journal::new(&machine).contents(false);
    put(&journal, "/etc/x", b"x").unwrap();
    let record = journal.take();
    let [Mutation::Write { after, .. }] = &record[..] else { panic!() };
    assert_eq!((after.content.as_ref(), after.sha256.is_some()), (None, true));
    let Side::Text(text) = &diff(&record)[0].after else { panic!() };
    assert!(text.contains("1 bytes, sha256 "), "{text}");
}
