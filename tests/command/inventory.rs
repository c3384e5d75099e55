//! `provision inventory` prints what ansible-inventory printed (`recorded/record-inventory.sh`).

use crate::kit::Place;
use std::path::Path;

#[test]
fn prints_what_ansible_inventory_prints() {
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/command/recorded/inventory");
    let place = Place::new();
    for name in ["hosts.yaml", "group_vars/db.yml", "host_vars/w2.yml"] {
        place.write(name, std::fs::read(recorded.join(name)).unwrap());
    }
    let expected = std::fs::read_to_string(recorded.join("expected")).unwrap();
    let cases: Vec<&str> = expected.split("$ ").skip(1).collect();
    assert!(cases.len() > 10);
    for case in cases {
        let (line, output) = case.split_once('\n').unwrap();
        let args: Vec<&str> = ["-i", "hosts.yaml"].into_iter().chain(line.split_whitespace()).collect();
        let said = place.run_as("ansible-inventory", &args, &[], "");
        assert_eq!(format!("{}exit: {}\n", said.stdout, said.code), output, "{line}\n{}", said.stderr);
    }
}

#[test]
fn writes_files_and_refuses_toml() {
    let place = Place::new();
    place.write("hosts.yaml", "all: {hosts: {a: {x: [1, 2]}, b: {}}}");
    let said = place.run(&["inventory", "-i", "hosts.yaml", "--list", "--yaml", "--output", "out"]).expect(0);
    assert_eq!(said.stdout, "");
    assert_eq!(
        place.read("out"),
        "all:\n  children:\n    ungrouped:\n      hosts:\n        a:\n          x:\n          - 1\n          - 2\n        b: {}\n"
    );
    place.run(&["inventory", "-i", "hosts.yaml", "--list", "--toml"]).expect(1).says("TOML is not written");
    place.run(&["inventory", "-i", "nowhere/", "--list"]).expect(4).says("nowhere");
}
