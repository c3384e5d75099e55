//! The same operations on a real directory, on a machine in memory and on a dry run over a real directory: the
//! same answers, error numbers and trees.

use provision_system::{Attrs, FileKind, Local, Memory, NewFile, Overlay, SysResult, System, text};
use std::path::{Path, PathBuf};

/// What one system says of everything below a directory: names relative to it.
fn picture(system: &dyn System, root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        for name in system.read_dir(&dir).unwrap() {
            let path = dir.join(name);
            let meta = system.stat(&path, false).unwrap().unwrap();
            let shown = text::to_text(path.strip_prefix(root).unwrap().as_os_str());
            let content = match meta.kind {
                FileKind::File => format!("{} {:?}", meta.nlink, system.read(&path).unwrap()),
                FileKind::Symlink => {
                    let followed = system.stat(&path, true).map(|meta| meta.map(|meta| meta.kind));
                    let followed = followed.map_err(|e| e.errno);
                    format!("{:?} {followed:?}", system.read_link(&path).unwrap())
                }
                _ => String::new(),
            };
            let mode = if meta.is_link() { 0 } else { meta.mode };
            lines.push(format!("{shown} {:?} {mode:o} {} {content}", meta.kind, meta.uid));
            if meta.is_dir() {
                dirs.push(path);
            }
        }
    }
    lines.sort();
    lines
}

/// A small generator of numbers: the same seed, the same play.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn path(&mut self) -> String {
        const NAMES: [&str; 6] = ["a", "b", "c", "d", "..", "a"];
        let depth = 1 + self.roll(3);
        let mut path = vec![];
        for _ in 0..depth {
            path.push(NAMES[self.roll(NAMES.len() as u64) as usize]);
        }
        // Never above the root of the play.
        let mut level = 0i32;
        for name in &path {
            level += if *name == ".." { -1 } else { 1 };
            if level < 0 {
                return "a".to_owned();
            }
        }
        path.join("/")
    }
}

#[derive(Debug, Clone)]
enum Op {
    Write(String, u8, Option<u32>),
    CreateDir(String, Option<u32>),
    RemoveFile(String),
    RemoveDir(String),
    RemoveTree(String),
    Rename(String, String),
    Symlink(String, String),
    HardLink(String, String),
    Mode(String, u32, bool),
    Read(String),
    ReadDir(String),
    ReadLink(String),
}

fn random(dice: &mut Dice) -> Op {
    let modes = [0o600, 0o644, 0o755, 0o4755, 0o2775];
    let mode = modes[dice.roll(5) as usize];
    match dice.roll(20) {
        0..=3 => Op::Write(dice.path(), dice.roll(200) as u8, (dice.roll(2) == 0).then_some(mode)),
        4..=7 => Op::CreateDir(dice.path(), (dice.roll(2) == 0).then_some(0o755)),
        8 => Op::RemoveFile(dice.path()),
        9 => Op::RemoveDir(dice.path()),
        10 => Op::RemoveTree(dice.path()),
        11..=12 => Op::Rename(dice.path(), dice.path()),
        13..=14 => Op::Symlink(dice.path(), dice.path()),
        15 => Op::HardLink(dice.path(), dice.path()),
        16 => Op::Mode(dice.path(), mode | 0o700, dice.roll(2) == 0),
        17 => Op::Read(dice.path()),
        18 => Op::ReadDir(dice.path()),
        _ => Op::ReadLink(dice.path()),
    }
}

/// The answer in words that do not depend on where the root is.
fn perform(system: &dyn System, root: &Path, op: &Op) -> String {
    let at = |path: &String| root.join(path);
    let unit = |done: SysResult<()>| done.map(|()| String::new());
    let done = match op {
        Op::Write(path, byte, mode) => {
            let new = NewFile { mode: *mode, ..NewFile::default() };
            unit(system.write(&at(path), &mut &[*byte][..], &new))
        }
        Op::CreateDir(path, mode) => unit(system.create_dir(&at(path), *mode)),
        Op::RemoveFile(path) => unit(system.remove_file(&at(path))),
        Op::RemoveDir(path) => unit(system.remove_dir(&at(path))),
        Op::RemoveTree(path) => unit(system.remove_tree(&at(path))),
        Op::Rename(from, to) => unit(system.rename(&at(from), &at(to))),
        Op::Symlink(target, link) => unit(system.symlink(Path::new(target), &at(link))),
        Op::HardLink(original, link) => unit(system.hard_link(&at(original), &at(link))),
        Op::Mode(path, mode, follow) => {
            unit(system.set_attrs(&at(path), &Attrs { mode: Some(*mode), ..Attrs::default() }, *follow))
        }
        Op::Read(path) => system.read(&at(path)).map(|data| format!("{data:?}")),
        Op::ReadDir(path) => system.read_dir(&at(path)).map(|names| format!("{names:?}")),
        Op::ReadLink(path) => system.read_link(&at(path)).map(|target| format!("{target:?}")),
    };
    done.unwrap_or_else(|error| format!("error {}", error.errno))
}

/// What ends in `..` names no entry: system calls differ in which number they refuse it with.
fn vague(op: &Op) -> bool {
    let up = |path: &String| path.ends_with("..");
    match op {
        Op::Rename(one, two) | Op::HardLink(one, two) => up(one) || up(two),
        Op::Symlink(_, path)
        | Op::Write(path, ..)
        | Op::CreateDir(path, _)
        | Op::RemoveFile(path)
        | Op::RemoveDir(path)
        | Op::RemoveTree(path) => up(path),
        _ => false,
    }
}

/// In memory where there is such a place: thousands of flushes to a disk take their time.
fn place() -> tempfile::TempDir {
    let shm = Path::new("/dev/shm");
    if shm.is_dir() { tempfile::tempdir_in(shm).unwrap() } else { tempfile::tempdir().unwrap() }
}

fn play(seed: u64) -> Vec<Op> {
    let mut dice = Dice(seed);
    (0..60).map(|_| random(&mut dice)).filter(|op| !vague(op)).collect()
}

#[test]
fn memory_answers_as_a_real_machine() {
    let local = Local::inherit();
    let umask = local.umask();
    for seed in 0..100 {
        let dir = place();
        let memory = Memory::new().dir("/root/play").as_user(local.identity().uid, local.identity().gid);
        assert_eq!(umask, memory.umask(), "the play needs the usual umask");
        let mut past = Vec::new();
        for op in play(seed) {
            past.push(op.clone());
            let real = perform(&local, dir.path(), &op);
            let ours = perform(&memory, Path::new("/root/play"), &op);
            assert_eq!(ours, real, "seed {seed}: {past:?}");
        }
        assert_eq!(
            picture(&memory, Path::new("/root/play")),
            picture(&local, dir.path()),
            "seed {seed}: {past:?}"
        );
    }
}

#[test]
fn a_dry_run_answers_as_the_real_run() {
    let local = Local::inherit();
    for seed in 1000..1100 {
        let (dir, dry) = (place(), place());
        let ops = play(seed);
        let (before, after) = ops.split_at(ops.len() / 2);
        for op in before {
            perform(&local, dir.path(), op);
            perform(&local, dry.path(), op);
        }
        let untouched = picture(&local, dry.path());
        let overlay = Overlay::new(&local);
        let dry_path: PathBuf = dry.path().to_owned();
        for op in after {
            let real = perform(&local, dir.path(), op);
            assert_eq!(
                perform(&overlay, &dry_path, op),
                real,
                "seed {seed}: {op:?} in {before:?} | {after:?}"
            );
        }
        assert_eq!(
            picture(&overlay, &dry_path),
            picture(&local, dir.path()),
            "seed {seed}: {before:?} | {after:?}"
        );
        assert_eq!(picture(&local, &dry_path), untouched, "the dry run wrote");
    }
}
