//! Against what ansible-core printed for `testdata` (`testdata/generate.py` writes `expected.json`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use provision_source::{Diagnostics, Node, Sources, render};
use serde_json::{Map, Value};

use super::{Inventory, LoadContext, PatternError, Vars};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/inventory/testdata").join(name)
}

fn expected() -> Value {
    serde_json::from_str(include_str!("testdata/expected.json")).expect("expected.json")
}

fn strings(value: &Value) -> Vec<String> {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().map(|v| v.as_str().unwrap_or_default().to_string()).collect()
}

fn names(hosts: &[&super::Host]) -> Vec<String> {
    hosts.iter().map(|h| h.name.to_string()).collect()
}

fn load(specs: &[String], playbook_dir: Option<PathBuf>) -> (Inventory, Diagnostics, Sources) {
    let sources = Sources::new();
    let mut diags = Diagnostics::new();
    let inventory = Inventory::load(&sources, specs, &LoadContext { playbook_dir }, &mut diags);
    (inventory, diags, sources)
}

fn load_text(name: &str, text: &str) -> (Inventory, Diagnostics, Sources) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join(name);
    std::fs::write(&path, text).expect("written");
    load(&[path.to_str().expect("UTF-8").to_string()], None)
}

/// Integral floats and integers are the same to JSON's readers.
fn json(vars: &Vars) -> Value {
    Value::Object(vars.iter().map(|(k, v)| (k.to_string(), v.to_json())).collect::<Map<_, _>>())
}

#[test]
fn inventories_as_ansible() {
    let mut wrong = Vec::new();
    let expected = expected();
    let cases = expected["inventories"].as_array().unwrap();
    assert!(cases.len() >= 20);
    for case in cases {
        let mut args = strings(&case["args"]);
        let playbook_dir = args.iter().position(|a| a == "--playbook-dir").map(|at| {
            let dir = args.remove(at + 1);
            args.remove(at);
            data(&dir)
        });
        let specs: Vec<String> = args
            .iter()
            .map(|a| if data(a).exists() { data(a).to_str().unwrap().to_string() } else { a.clone() })
            .collect();
        let (inventory, diags, sources) = load(&specs, playbook_dir);
        if diags.has_errors() {
            wrong.push(format!("{args:?}: {}", render(&diags, &sources, false, None)));
        }
        let hosts = names(&inventory.select("all").unwrap_or_default());
        if hosts != strings(&case["hosts"]) {
            wrong.push(format!("{args:?}: hosts {hosts:?}\n  Ansible: {:?}", strings(&case["hosts"])));
        }
        for host in inventory.hosts.values() {
            let found = json(&inventory.vars_of(host));
            let none = Value::Object(Map::new());
            let theirs = case["hostvars"].get(&*host.name).unwrap_or(&none);
            if found != *theirs {
                wrong.push(format!("{args:?} {}: {found}\n  Ansible: {theirs}", host.name));
            }
        }
        // ansible-inventory leaves out groups that hold nothing.
        for (name, group) in case["groups"].as_object().unwrap() {
            let Some(ours) = inventory.group(name) else {
                wrong.push(format!("{args:?}: no group {name}"));
                continue;
            };
            let children: Vec<String> = ours.children.iter().map(|c| c.to_string()).collect();
            let members: Vec<String> = ours.hosts.iter().map(|c| c.to_string()).collect();
            if children != strings(&group["children"]) {
                wrong.push(format!(
                    "{args:?}: children of {name}: {children:?}, Ansible: {}",
                    group["children"]
                ));
            }
            // It does not print `all`'s own hosts.
            if name != "all" && members != strings(&group["hosts"]) {
                wrong.push(format!("{args:?}: hosts of {name}: {members:?}, Ansible: {}", group["hosts"]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn patterns_as_ansible() {
    let (inventory, _, _) = load(&[data("order.ini").to_str().unwrap().to_string()], None);
    let mut wrong = Vec::new();
    let expected = expected();
    let cases = expected["patterns"].as_array().unwrap();
    assert!(cases.len() >= 70);
    for case in cases {
        let pattern = case[0].as_str().unwrap();
        let selection = inventory.select_reporting(pattern).unwrap();
        let found = (names(&selection.hosts), !selection.unmatched.is_empty());
        let theirs = (strings(&case[1]), case[2].as_bool().unwrap());
        if found != theirs {
            wrong.push(format!("{pattern}: {found:?}\n  Ansible: {theirs:?}"));
        }
    }
    for case in expected["limits"].as_array().unwrap() {
        let limit = case[0].as_str().unwrap().replace('@', &format!("@{}/", data("").display()));
        let all = inventory.select("all").unwrap();
        let found = names(&inventory.limit(all, &limit).unwrap());
        if found != strings(&case[1]) {
            wrong.push(format!("-l {limit}: {found:?}\n  Ansible: {}", case[1]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pattern_errors() {
    let (inventory, _, _) = load(&["web1,web2,db1".to_string()], None);
    let error = |p: &str| inventory.select(p).unwrap_err();
    assert_eq!(error("wbe1").to_string(), "no host matches `wbe1`; did you mean `web1`?");
    assert!(matches!(error("~("), PatternError::Syntax { .. }));
    assert!(matches!(error("web1["), PatternError::Syntax { .. }));
    assert!(matches!(error(""), PatternError::Syntax { .. }));
    assert!(matches!(error("web1:!"), PatternError::Syntax { .. }));
    assert_eq!(inventory.select("web1:&web2").unwrap().len(), 0);
    let all = inventory.select("all").unwrap();
    assert!(matches!(
        inventory.limit(all.clone(), "@/nonexistent").unwrap_err(),
        PatternError::LimitFile { .. }
    ));
    assert!(matches!(inventory.limit(all, "nope").unwrap_err(), PatternError::NoMatch { .. }));
}

#[test]
fn implicit_localhost() {
    let (inventory, _, _) = load(&["web1,".to_string()], None);
    let local = inventory.select("localhost").unwrap()[0];
    assert!(local.implicit);
    assert_eq!(local.vars["ansible_connection"].as_str(), Some("local"));
    assert!(inventory.group_names(local).is_empty());
    assert_eq!(names(&inventory.select("all").unwrap()), ["web1"]);
    let (inventory, _, _) = load(&["localhost,".to_string()], None);
    assert!(!inventory.host("localhost").unwrap().implicit);
    // group_vars/all is for the implicit one, too
    let (inventory, _, _) = load(&[data("tree").to_str().unwrap().to_string()], None);
    assert_eq!(inventory.vars_of(inventory.host("localhost").unwrap())["x"].as_str(), Some("all"));
}

/// Title, place and help of each finding.
#[track_caller]
fn check(name: &str, text: &str, expected: &[(&str, &str, &str)]) {
    let (_, diags, sources) = load_text(name, text);
    let found: Vec<(String, String, String)> = diags
        .sorted(&sources)
        .iter()
        .map(|d| {
            let (line, col) = sources.line_col(d.span());
            (d.title.clone(), format!("{line}:{col}"), d.help.clone().unwrap_or_default())
        })
        .collect();
    let expected: Vec<(String, String, String)> =
        expected.iter().map(|(a, b, c)| (a.to_string(), b.to_string(), c.to_string())).collect();
    assert_eq!(found, expected, "\n{}", render(&diags, &sources, false, None));
}

#[test]
fn ini_mistakes() {
    check(
        "h.ini",
        "[web]\nw1\n[all:children]\nwbe\n",
        &[("`[all:children]` names an undefined group `wbe`", "4:1", "did you mean `web`?")],
    );
    check(
        "h.ini",
        "[wbe:vars]\nx=1\n[web]\nh\n",
        &[("`[wbe:vars]` is for an undefined group", "1:1", "did you mean `web`?")],
    );
    check(
        "h.ini",
        "h x\n",
        &[("host variables are written `name=value`", "1:3", "quote values with spaces: name='a value'")],
    );
    check("h.ini", "h x=\"1\n", &[("a quoted string is not closed", "1:5", "")]);
    check("h.ini", "[a:var]\nh\n", &[("unknown kind of section: `var`", "1:1", "did you mean `vars`?")]);
    check("h.ini", "[a\nh\n", &[("a section is written `[name]`", "1:1", "")]);
    check("h.ini", "[a b]\nh\n", &[("invalid section `[a b]`", "1:1", "remove the spaces")]);
    check("h.ini", "[a:vars]\nnoeq\n[a]\n", &[("a line of a `:vars` section is `name=value`", "2:1", "")]);
    check("h.ini", "x\nh[3:a]\n", &[("bad host range: `a` is neither a number nor a letter", "2:1", "")]);
    check(
        "h.ini",
        "all:\n  hosts:\n",
        &[
            ("a host's name cannot end with a colon", "1:1", ""),
            ("a host's name cannot end with a colon", "2:3", ""),
        ],
    );
    check(
        "h.ini",
        "[a]\n[b]\nh\n[a:children]\nb\n[b:children]\na\n",
        &[("group `a` cannot be a child of `b`: `b` is below `a`", "7:1", "")],
    );
    check("h.ini", "[a:children]\na\n", &[("group `a` is its own child", "2:1", "")]);
    check("h.ini", "[a]\nb\n[b]\nc\n", &[("`b` is both a host and a group", "2:1", "")]);
}

#[test]
fn yaml_mistakes() {
    check(
        "h.yml",
        "all:\n  hosst:\n    a:\n",
        &[("unknown key `hosst` in group `all` is skipped", "2:3", "did you mean `hosts`?")],
    );
    check(
        "h.yml",
        "all:\n  hosts: [a, b]\n",
        &[(
            "`hosts` of group `all` must be a mapping",
            "2:10",
            "write each name with a colon behind it: `a:`",
        )],
    );
    check("h.yml", "a: x\n", &[("`a` is no group and is skipped", "1:4", "")]);
    check("h.yml", "a:\n  hosts:\n    h: 3\n", &[("the variables of host `h` must be a mapping", "3:8", "")]);
    check(
        "h.yml",
        "- a\n",
        &[("an inventory is a mapping of groups", "1:1", "start with `all:` and put hosts under `hosts:`")],
    );
    check("h.yml", "1:\n  hosts:\n", &[("a group's name must be a string", "1:1", "quote it")]);
    check("h.yml", "a:\n  hosts:\n    2:\n", &[("a host's name must be a string", "3:5", "quote it")]);
    check("h.yml", "a:\n  children:\n    a:\n", &[("group `a` is its own child", "3:5", "")]);
    check("h.yml", "plugin: aws_ec2\n", &[("the inventory plugin `aws_ec2` is not supported", "1:9", "")]);
    check(
        "h.yml",
        "a:\n  vars: {ansible_group_priority: x}\n",
        &[("`ansible_group_priority` must be an integer", "2:34", "")],
    );
    let (_, diags, _) = load(&["/no/such/file".to_string()], None);
    assert_eq!(diags.iter().next().unwrap().title, "inventory `/no/such/file` does not exist");
}

#[test]
fn vars_files_mistakes_and_vault() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("hosts", "[web]\nw1\n");
    write("group_vars/web.yml", "secret: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\n1: one\n");
    write("group_vars/all.yml", "- a\n");
    write("host_vars/w1.yml", "$ANSIBLE_VAULT;1.1;AES256\n6162\n");
    write("group_vars/unused.yml", "- not read: [\n");
    let (inventory, diags, sources) = load(&[dir.path().join("hosts").to_str().unwrap().to_string()], None);
    let titles: Vec<&str> = diags.sorted(&sources).iter().map(|d| d.title.as_str()).collect();
    assert_eq!(
        titles,
        [
            "a variables file is a mapping of names to values",
            "Vault format error: it has fewer than three parts: salt, HMAC and ciphertext"
        ]
    );
    let vars = inventory.vars_of(inventory.host("w1").unwrap());
    assert!(vars["secret"].is_vault());
    assert_eq!(vars["1"].as_str(), Some("one"));
}

#[test]
fn scripts_that_fail() {
    let dir = tempfile::tempdir().unwrap();
    let script = |text: &str| {
        use std::os::unix::fs::PermissionsExt;
        let path = dir.path().join("inv.sh");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let (_, diags, _) = load(&[path.to_str().unwrap().to_string()], None);
        diags.iter().map(|d| d.title.split_once(": ").unwrap().1.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(script("#!/bin/sh\necho oops >&2; exit 3\n"), ["failed (exit status: 3)"]);
    assert_eq!(script("#!/bin/sh\necho '[]'\n"), ["printed JSON that is no object"]);
    assert!(script("#!/bin/sh\necho '{'\n")[0].starts_with("did not print JSON"));
    assert_eq!(
        script("#!/bin/sh\necho '{\"g\": 3}'\n"),
        ["group `g` is neither an object nor a list of hosts"]
    );
    assert!(script("#!/no/such/interpreter\n")[0].starts_with("cannot be run"));
}

#[test]
fn hosts_and_groups_at_run_time() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("group_vars")).unwrap();
    std::fs::write(dir.path().join("hosts"), "[web]\nw1\n").unwrap();
    std::fs::write(dir.path().join("group_vars/new.yml"), "v: 1\n").unwrap();
    let (mut inventory, _, sources) = load(&[dir.path().join("hosts").to_str().unwrap().to_string()], None);
    let mut diags = Diagnostics::new();
    let vars = Vars::from([(Arc::from("port"), Node::str("22"))]);
    assert!(inventory.add_host("n1", &["new", "web"], vars.clone(), &sources, &mut diags));
    assert!(!inventory.add_host("n1", &["new"], vars, &sources, &mut diags));
    assert!(inventory.add_to_group("w1", "os_debian", &["os"], &sources, &mut diags));
    assert!(!inventory.add_to_group("w1", "os_debian", &["os"], &sources, &mut diags));
    assert!(diags.is_empty());
    assert_eq!(names(&inventory.select("web").unwrap()), ["w1", "n1"]);
    assert_eq!(names(&inventory.select("os").unwrap()), ["w1"]);
    let n1 = inventory.host("n1").unwrap();
    assert_eq!(inventory.vars_of(n1)["v"].as_int(), Some(1));
    assert_eq!(inventory.group_names(n1).join(" "), "new web");
}

#[test]
fn never_panics_on_mutations() {
    let ini = "[a]\nh[1:2]:22 x='y' z=[1, {'k': (None, )}]\n[a:vars]\nü=\"\\x41\"\n[b:children]\na\n";
    let yaml = "all:\n  children:\n    a: {hosts: {'h[1:2]': {x: 1}}, vars: {}}\n";
    for (name, base) in [("h.ini", ini), ("h.yml", yaml), ("h", ini)] {
        let chars: Vec<char> = base.chars().collect();
        for i in 0..chars.len() {
            for insert in
                [None, Some('['), Some(']'), Some('"'), Some(':'), Some('é'), Some('\\'), Some('\n')]
            {
                let mut text = chars.clone();
                match insert {
                    None => drop(text.remove(i)),
                    Some(c) => text.insert(i, c),
                }
                let sources = Sources::new();
                let file = sources.add(name, text.iter().collect::<String>());
                let mut builder = super::build::Builder::new();
                let mut diags = Diagnostics::new();
                super::source::read_text(&sources, file, Path::new(name), &mut builder, &mut diags);
                let inventory = builder.finish(&mut diags);
                inventory.hosts.values().for_each(|h| drop(inventory.vars_of(h)));
                render(&diags, &sources, false, None);
            }
        }
    }
}

/// 10,000 hosts in 500 groups; the bound is wide, for it runs unoptimised and beside other work.
#[test]
fn large() {
    let mut text = String::from("all:\n  children:\n");
    for g in 0..500 {
        text.push_str(&format!("    g{g}:\n      vars: {{a: {g}}}\n      hosts:\n"));
        for h in 0..40 {
            text.push_str(&format!("        host{}: {{x: 1, y: [1, 2]}}\n", (g * 20 + h) % 10_000));
        }
    }
    let start = std::time::Instant::now();
    let (inventory, diags, _) = load_text("big.yml", &text);
    assert!(diags.is_empty());
    let all = inventory.select("all:!g1").unwrap();
    assert_eq!(all.len(), 9_960);
    let layers: usize = all.iter().map(|h| inventory.vars_layers(h).len()).sum();
    assert!(layers >= 2 * all.len());
    let by_group: BTreeMap<&str, usize> =
        inventory.groups.keys().map(|g| (&**g, inventory.hosts_of(g).len())).collect();
    assert_eq!(by_group["g7"], 40);
    println!("{:?}", start.elapsed());
    assert!(start.elapsed().as_secs() < 20, "took {:?}", start.elapsed());
}

/// The errors of a plugin's configuration after two hosts.
fn configured(text: &str) -> String {
    let dir = tempfile::tempdir().expect("a directory");
    for (name, text) in [("1.yml", "all: {hosts: {a: {x: 1}, b: {x: \"{{ x }}\"}}}\n"), ("2.yml", text)] {
        std::fs::write(dir.path().join(name), text).expect("written");
    }
    let (_, diags, sources) = load(&[dir.path().to_str().expect("UTF-8").to_string()], None);
    render(&diags, &sources, false, None)
}

#[test]
fn configurations_of_plugins_that_are_wrong() {
    let constructed = |rest: &str| configured(&format!("plugin: constructed\n{rest}\n"));
    for (rest, expected) in [
        ("strict: true\ncompose: {y: nosuch}", "cannot set `y` for host `a`"),
        ("strict: true\ngroups: {g: nosuch}", "cannot tell whether host `a` is in group `g`"),
        ("strict: true\nkeyed_groups: [{key: nosuch}]", "cannot tell the group of host `a`"),
        ("strict: true\nkeyed_groups: [{prefix: p}]", "needs a `key`"),
        ("keyed_groups: [{key: x}]", "a group is named by a string, a list or a mapping, not by `1`"),
        ("keyed_groups: [{key: x, default_value: d, trailing_separator: no}]", "exclude each other"),
        ("keyed_groups: [{key: x, seperator: d}]", "did you mean `separator`?"),
        ("keyed_groups: {}", "`keyed_groups` must be a list"),
        ("compose: [1]", "`compose` must be a mapping"),
        ("use_extra_vars: true", "`use_extra_vars` is not supported"),
        ("nonsense: 1", "warning: `nonsense` is no option of `constructed`"),
        ("keyed_groups: [{key: '\"g\"', prefix: p, parent_group: p_g}]", "own child"),
    ] {
        let said = constructed(rest);
        assert!(said.contains(expected), "{rest}: {said}");
    }
    // A variable that needs itself is an expression that fails, and no endless loop.
    assert_eq!(constructed("compose: {y: x}"), "");
    let generator = |rest: &str| configured(&format!("plugin: generator\n{rest}\n"));
    assert!(generator("layers: {a: [1]}").contains("needs `hosts`"));
    assert!(generator("hosts: {name: '{{ nosuch }}'}\nlayers: {a: [1]}").contains("nosuch"));
    let layers = (0..8).map(|n| format!("l{n}: [0,1,2,3,4,5,6,7,8,9]")).collect::<Vec<_>>().join(", ");
    assert!(
        generator(&format!("hosts: {{name: x}}\nlayers: {{{layers}}}")).contains("more than 1000000 hosts")
    );
}

#[test]
fn constructed_sees_files_when_it_is_told_to() {
    for (told, expected) in [("", 0), ("use_vars_plugins: true\n", 1)] {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(dir.path().join("host_vars")).expect("a directory");
        for (name, text) in [
            ("1.yml", "all: {hosts: {a: , b: }}\n"),
            ("2.yml", &format!("plugin: constructed\n{told}groups: {{blue: colour == 'blue'}}\n")),
            ("host_vars/a.yml", "colour: blue\n"),
        ] {
            std::fs::write(dir.path().join(name), text).expect("written");
        }
        let (inventory, diags, _) = load(&[dir.path().to_str().expect("UTF-8").to_string()], None);
        assert!(!diags.has_errors());
        assert_eq!(inventory.hosts_of("blue").len(), expected, "{told}");
    }
}
