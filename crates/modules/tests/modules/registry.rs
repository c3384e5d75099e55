//! The list of modules and the directory agree.

use provision_modules::{find, registry};
use provision_system::{Local, System};

#[test]
fn every_module_is_listed() {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    let other = ["context", "lib", "registry"];
    let names = Local::inherit().read_dir(source.as_ref()).unwrap();
    let mut files: Vec<String> = names
        .iter()
        .filter_map(|name| name.to_str().unwrap().strip_suffix(".rs").map(str::to_owned))
        .filter(|name| !other.contains(&name.as_str()))
        .collect();
    files.sort_unstable();
    let short = |name: &str| name.rsplit('.').next().unwrap().to_owned();
    let mut listed: Vec<String> = registry().iter().map(|entry| short(entry.name)).collect();
    listed.sort_unstable();
    assert_eq!(listed, files);
}

#[test]
fn a_module_answers_to_its_names_and_describes_its_options() {
    for entry in registry() {
        let short = entry.name.rsplit('.').next().unwrap();
        let mut names = vec![entry.name.to_owned(), short.to_owned()];
        // What ships with Ansible itself has this name too; collections have not.
        names.extend(entry.name.starts_with("ansible.builtin.").then(|| format!("ansible.legacy.{short}")));
        for name in names {
            assert_eq!(find(&name).map(|found| found.name), Some(entry.name), "{name}");
        }
        assert_eq!(entry.spec.name, short);
    }
}
