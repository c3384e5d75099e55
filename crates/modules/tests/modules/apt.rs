//! The modules `apt` and `package`, on a machine whose apt-get writes dpkg's list.

use crate::machine::{Done, Store, converge, predict, refused, run};
use provision_modules::{Ctx, find};
use provision_system::{Command, Journal, Memory, NewFile, Output, Overlay, System, changed};
use serde_json::{Map, Value, json};

const STATUS: &str = "/var/lib/dpkg/status";
const LISTS: &str = "/var/lib/apt/lists";
const PACKAGES: &str = "/var/lib/apt/lists/deb_Packages";

fn entry(name: &str, version: &str) -> String {
    format!(
        "Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\
         Description: x\n Package: fake\n\n"
    )
}

/// What the fake apt knows.
const KNOWN: &[(&str, &str)] = &[("nginx", "1.22.1-9"), ("tree", "2.1"), ("g++", "12"), ("mawk", "1.3")];

fn words(command: &Command) -> Vec<String> {
    command.argv.iter().map(|word| word.to_string_lossy().into_owned()).collect()
}

fn answer(rc: i32, out: &str, err: &str) -> Option<Output> {
    Some(Output { rc, stdout: out.into(), stderr: err.into() })
}

fn write(machine: &Memory, path: &str, text: &str) {
    machine.write(path.as_ref(), &mut text.as_bytes(), &NewFile::default()).unwrap();
}

fn apt_get(machine: &Memory, command: &Command) -> Option<Output> {
    let all = words(command);
    let simulate = all.iter().any(|word| word == "-s");
    let verb = all.iter().position(|word| {
        ["install", "remove", "update", "autoremove", "upgrade", "clean"].contains(&word.as_str())
    })?;
    if all[verb] == "update" {
        if !machine.exists(PACKAGES) {
            write(machine, PACKAGES, "x");
        }
        return answer(0, "Hit", "");
    }
    let (mut status, mut out) = (machine.text(STATUS), String::new());
    for name in all[verb + 1..].iter().filter(|word| !word.starts_with('-')) {
        let (name, asked) = name.split_once('=').unwrap_or((name, ""));
        let known = KNOWN.iter().find(|(known, _)| *known == name);
        let Some((_, version)) = known.filter(|_| machine.exists(PACKAGES)) else {
            return answer(100, "Reading", &format!("E: Unable to locate package {name}\n"));
        };
        if !asked.is_empty() && asked != *version {
            return answer(100, "", &format!("E: Version '{asked}' for '{name}' was not found\n"));
        }
        let there: Vec<&str> =
            status.split("\n\n").filter(|e| e.starts_with(&format!("Package: {name}\n"))).collect();
        if all[verb] == "remove" {
            out += &format!("Remv {name} [{version}]\n");
            for old in there.iter().map(ToString::to_string).collect::<Vec<_>>() {
                status = status.replace(&format!("{old}\n\n"), "");
            }
        } else if !there.iter().any(|entry| entry.contains(&format!("Version: {version}\n"))) {
            out += &format!("Inst {name} ({version} Debian:12/stable [amd64])\n");
            for old in there.iter().map(ToString::to_string).collect::<Vec<_>>() {
                status = status.replace(&format!("{old}\n\n"), "");
            }
            status += &entry(name, version);
        }
    }
    if !simulate {
        write(machine, STATUS, &status);
    }
    answer(0, &out, "")
}

fn apt_cache(command: &Command) -> Option<Output> {
    let all = words(command);
    let known = |name: &&String| KNOWN.iter().find(|(known, _)| known == name);
    match all[1].as_str() {
        "pkgnames" => answer(0, &KNOWN.iter().map(|(name, _)| format!("{name}\n")).collect::<String>(), ""),
        _ => {
            let policy = |name: &String| match known(&name) {
                Some((name, version)) => format!("{name}:\n  Installed: (none)\n  Candidate: {version}\n"),
                None if name == "awk" => "awk:\n  Installed: (none)\n  Candidate: (none)\n".to_owned(),
                None => String::new(),
            };
            answer(0, &all[2..].iter().map(policy).collect::<String>(), "")
        }
    }
}

fn machine() -> Memory {
    Memory::new()
        .program("/usr/bin/apt-get")
        .file("/etc/debian_version", "12.1\n")
        .mtime("/etc/debian_version", 1_000_000_000.0)
        .file("/etc/apt/sources.list", "deb x\n")
        .mtime("/etc/apt/sources.list", 1_000_000_000.0)
        .dir(LISTS)
        .file(STATUS, entry("dpkg", "1.21") + &entry("bash", "5.2-1"))
        .on_command_with(|machine, command| match words(command)[0].as_str() {
            "apt-get" => apt_get(machine, command),
            "apt-cache" => apt_cache(command),
            "apt-mark" => {
                write(machine, "/var/lib/apt/extended_states", "");
                answer(0, "", "")
            }
            "touch" => {
                let attrs = provision_system::Attrs { mtime: Some(machine.now()), ..Default::default() };
                machine.set_attrs(words(command)[1].as_ref(), &attrs, true).unwrap();
                answer(0, "", "")
            }
            _ => None,
        })
}

fn with_lists() -> Memory {
    machine().file(PACKAGES, "x")
}

fn processes(machine: &Memory) -> usize {
    machine.ran().len() + machine.queried().len()
}

#[test]
fn what_is_installed_costs_no_process() {
    let m = with_lists();
    let done = run(&m, "apt", json!({"name": ["bash", "dpkg"]}));
    assert!(!done.changed && !done.failed);
    done.has(json!({"cache_updated": false, "cache_update_time": 1_700_000_000}));
    run(&m, "package", json!({"name": "bash", "state": "present"}));
    let lists_are_fresh = json!({"name": "bash", "update_cache": true, "cache_valid_time": 3600});
    assert!(!run(&m, "apt", lists_are_fresh).changed);
    assert!(!run(&m, "apt", json!({"name": "nosuch", "state": "absent"})).changed);
    assert!(!run(&m, "apt", json!({"name": "bash=5.2*"})).changed);
    assert!(!run(&m, "apt", json!({"name": "bash>=5.1"})).changed);
    assert_eq!(processes(&m), 0);
}

#[test]
fn what_is_missing_is_installed_in_one_go() {
    let m = with_lists();
    let done = converge(&m, "apt", json!({"name": "nginx, tree,bash"}));
    assert!(done.changed && !done.failed, "{done:?}");
    assert!(done.get("stdout").as_str().unwrap().contains("Inst nginx"));
    assert!(m.text(STATUS).contains("Package: nginx\n"));
    let ran = m.ran();
    assert_eq!(ran.len(), 1);
    assert_eq!(
        ran[0].display(),
        "apt-get -y -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
         -o DPkg::Lock::Timeout=60 install nginx tree"
    );
    assert_eq!(
        ran[0].env.get("DEBIAN_FRONTEND".as_ref() as &std::ffi::OsStr),
        Some(&Some("noninteractive".into()))
    );
}

#[test]
fn options_reach_apt_get() {
    let m = with_lists();
    let args = json!({"name": "tree", "install_recommends": false, "default_release": "sid", "force": true,
        "dpkg_options": "force-overwrite", "lock_timeout": 3, "autoremove": true, "fail_on_autoremove": true,
        "only_upgrade": false});
    assert!(run(&m, "apt", args).changed);
    assert_eq!(
        m.ran()[0].display(),
        "apt-get -y -o Dpkg::Options::=--force-overwrite -o APT::Install-Recommends=no -t sid --no-remove \
         --allow-unauthenticated --allow-downgrades --allow-change-held-packages --allow-remove-essential \
         -o DPkg::Lock::Timeout=3 install --auto-remove tree"
    );
}

fn failed(done: &Done) -> &str {
    assert!(done.failed, "{done:?}");
    done.msg()
}

#[test]
fn what_nobody_knows_is_named() {
    let m = with_lists();
    assert_eq!(
        failed(&run(&m, "apt", json!({"name": "nosuch"}))),
        "No package matching 'nosuch' is available"
    );
    let done = predict(&m, &Store::default(), "apt", json!({"name": "nosuch"}));
    assert_eq!(failed(&done), "No package matching 'nosuch' is available");
    done.has(json!({"rc": 100}));
    let done = run(&m, "apt", json!({"name": "tree=9"}));
    assert_eq!(failed(&done), "no available installation candidate for tree=9");
    let done = run(&m, "apt", json!({"name": "tree>=9"}));
    assert_eq!(failed(&done), "no available installation candidate for tree>=9");
    assert_eq!(failed(&run(&m, "apt", json!({"name": "no*"}))), "No package(s) matching 'no*' available");
    // apt-get would take these for a pattern and for an order to remove.
    let before = m.ran().len();
    assert_eq!(failed(&run(&m, "apt", json!({"name": "tr.e"}))), "No package matching 'tr.e' is available");
    assert_eq!(failed(&run(&m, "apt", json!({"name": "bash-"}))), "No package matching 'bash-' is available");
    assert_eq!(failed(&run(&m, "apt", json!({"name": [""]}))), "No package matching '' is available");
    assert_eq!(failed(&run(&m, "apt", json!({"name": "-o=x"}))), "No package matching '-o=x' is available");
    assert_eq!(m.ran().len(), before);
    assert!(converge(&m, "apt", json!({"name": "g++"})).changed);
    assert!(converge(&m, "apt", json!({"name": "tree>=2.0"})).changed);
    assert!(refused("apt", json!({"name": "a", "upgrade": "dist"})).contains("upgrade"));
}

#[test]
fn latest_asks_apt() {
    let m = with_lists().file(STATUS, entry("dpkg", "1") + &entry("tree", "2.0"));
    assert!(converge(&m, "apt", json!({"name": "tree", "state": "latest"})).changed);
    assert!(m.text(STATUS).contains("Version: 2.1\n"));
    assert!(!run(&m, "apt", json!({"name": "nginx", "state": "latest", "only_upgrade": true})).changed);
}

#[test]
fn removed_packages_are_gone() {
    let m =
        with_lists().file(STATUS, entry("dpkg", "1") + &entry("tree", "2.1") + &entry("nginx", "1.22.1-9"));
    assert!(!run(&m, "apt", json!({"name": "tree=3", "state": "absent"})).changed);
    let done = converge(&m, "apt", json!({"name": ["tr*", "bash"], "state": "absent", "purge": true}));
    assert!(done.changed, "{done:?}");
    assert!(!m.text(STATUS).contains("tree") && m.text(STATUS).contains("nginx"));
    assert!(m.ran()[0].display().ends_with("remove --purge tree"), "{}", m.ran()[0].display());
}

#[test]
fn lists_are_fetched_when_there_are_none_or_sources_changed() {
    // Empty lists with a time of today are not fresh.
    let m = machine().mtime(LISTS, 1_699_999_999.0);
    let args = json!({"name": "tree", "update_cache": true, "cache_valid_time": 3600});
    let done = converge(&m, "apt", args.clone());
    assert!(done.changed && !done.failed, "{done:?}");
    done.has(json!({"cache_updated": true}));
    let ran = m.ran().len();
    m.advance(100.0);
    assert!(!run(&m, "apt", args.clone()).changed);
    assert_eq!(m.ran().len(), ran);
    write(&m, "/etc/apt/sources.list", "deb y\n");
    assert!(!run(&m, "apt", args.clone()).changed);
    assert_eq!(m.ran().len(), ran + 2, "fetched, and their time set");
    m.advance(3601.0);
    assert!(!run(&m, "apt", args).changed);
    assert_eq!(m.ran().len(), ran + 4);
    assert!(!run(&m, "apt", json!({"cache_valid_time": 1, "update_cache": false})).changed);
    assert_eq!(m.ran().len(), ran + 4);
}

#[test]
fn a_dry_run_without_lists_cannot_know_more() {
    let m = machine();
    let args = json!({"name": "nosuch", "update_cache": true});
    let done = predict(&m, &Store::default(), "apt", args);
    assert!(done.changed && !done.failed, "{done:?}");
    done.has(json!({"depends_on": "unknown until applied: the package lists have to be fetched first",
        "cache_updated": true}));
    assert!(m.ran().is_empty());
    // The task before would have fetched them.
    let overlay = Overlay::new(&m);
    for args in [json!({"update_cache": true}), json!({"name": "tree"})] {
        let (ok, result) = on(&overlay, "apt", args);
        assert!(ok, "{result:?}");
    }
}

#[test]
fn fetching_alone_is_a_change_when_something_was_new() {
    let m = machine();
    assert!(run(&m, "apt", json!({"update_cache": true})).changed);
    m.advance(50.0);
    let done = run(&m, "apt", json!({"update_cache": true}));
    assert!(!done.changed, "{done:?}");
    done.has(json!({"cache_updated": false}));
}

#[test]
fn a_virtual_package_is_there_when_another_stands_in_for_it() {
    let mawk = entry("mawk", "1.3").replace("Version", "Provides: awk (= 1), x\nVersion");
    let m = with_lists().file(STATUS, entry("dpkg", "1") + &mawk);
    assert!(!run(&m, "apt", json!({"name": "awk"})).changed);
    let half = entry("tree", "2.1").replace("ok installed", "ok half-configured");
    let m = with_lists().file(STATUS, entry("dpkg", "1") + &half);
    assert!(run(&m, "apt", json!({"name": "tree"})).changed);
}

#[test]
fn a_package_wanted_for_its_own_sake_is_marked() {
    let states =
        "Package: bash\nArchitecture: amd64\nAuto-Installed: 1\n\nPackage: dpkg\nAuto-Installed: 0\n";
    let m = with_lists().file("/var/lib/apt/extended_states", states);
    assert!(!run(&m, "apt", json!({"name": ["bash", "dpkg"]})).changed);
    assert_eq!(m.ran()[0].display(), "apt-mark manual bash");
    assert!(!run(&m, "apt", json!({"name": ["bash", "dpkg"]})).changed);
    assert_eq!(m.ran().len(), 1);
}

#[test]
fn services_can_be_kept_from_starting() {
    let m = with_lists().dir("/usr/sbin").on_command_with(|machine, command| {
        if machine.exists("/usr/sbin/policy-rc.d") && words(command)[1] == "-y" {
            let policy = machine.text("/usr/sbin/policy-rc.d");
            write(machine, "/tmp/seen", &policy);
        }
        None
    });
    assert!(converge(&m, "apt", json!({"name": "nginx", "policy_rc_d": 101})).changed);
    assert_eq!(m.text("/tmp/seen"), "#!/bin/sh\nexit 101\n");
    assert!(!m.exists("/usr/sbin/policy-rc.d"));
    let m = m.file("/usr/sbin/policy-rc.d", "mine").mode("/usr/sbin/policy-rc.d", 0o700);
    run(&m, "apt", json!({"name": "tree", "policy_rc_d": 101}));
    assert_eq!(m.text("/usr/sbin/policy-rc.d"), "mine");
    assert_eq!(m.meta("/usr/sbin/policy-rc.d").unwrap().mode, 0o700);
}

#[test]
fn a_held_lock_is_waited_for_and_named() {
    let line =
        "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7 (unattended-upgr)\n";
    let m = with_lists().on_command(move |command| {
        (words(command)[1] == "-y").then(|| Output { rc: 100, stdout: Vec::new(), stderr: line.into() })
    });
    let done = run(&m, "apt", json!({"name": "tree", "lock_timeout": 1}));
    assert_eq!(m.ran().len(), 2);
    assert!(failed(&done).contains("held by process 7 (unattended-upgr)"), "{done:?}");
}

#[test]
fn lists_that_cannot_be_fetched_are_a_failure() {
    let m = machine().on_command(|command| {
        let update = words(command).iter().any(|word| word == "update");
        let err = "W: Failed to fetch http://x  Could not resolve\nW: Some index files failed\n";
        update.then(|| Output { rc: 0, stdout: Vec::new(), stderr: err.into() })
    });
    let done = run(&m, "apt", json!({"update_cache": true, "update_cache_retries": 0}));
    let msg = "Failed to update apt cache after 0 retries: W: Failed to fetch http://x  Could not resolve, W: Some \
               index files failed";
    assert_eq!(failed(&done), msg);
}

#[test]
fn other_package_managers_are_refused_by_name() {
    let m = Memory::new().program("/usr/bin/dnf");
    let done = run(&m, "package", json!({"name": "x"}));
    assert!(failed(&done).contains("dnf is not supported yet"), "{done:?}");
    assert!(failed(&run(&m, "apt", json!({"name": "x"}))).contains("apt-get is not on this host"));
    assert!(failed(&run(&with_lists(), "apt", json!({"deb": "http://x/y.deb"}))).contains("get_url"));
    assert!(!refused("package", json!({"state": "present"})).is_empty());
}

/// Runs in a dry run that goes on: whether it was fine and predicts a change, and the result.
pub fn on(overlay: &Overlay<&Memory>, module: &str, args: Value) -> (bool, Map<String, Value>) {
    let journal = Journal::new(overlay);
    let ctx = Ctx { sys: &journal, check: true, diff: true, blobs: &Store::default() };
    match (find(module).unwrap().run)(args.as_object().unwrap(), &ctx) {
        Ok(outcome) => (changed(&journal.take()), outcome.result),
        Err(error) => (false, Map::from_iter([("error".to_owned(), format!("{error:?}").into())])),
    }
}
