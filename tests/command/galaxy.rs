//! `provision galaxy` with repositories and archives of this machine, and a playbook that uses what was installed.

use crate::kit::Place;

const REPOSITORY: &str = "git init -q . && git config user.email a@b.test && git config user.name n && git add -A && git commit -q -m one";

/// A role in a repository with two versions, one in an archive, a collection in a repository.
fn sources() -> Place {
    let place = Place::new();
    for (role, word) in [("one", "first"), ("two", "packed")] {
        place
            .write(&format!("{role}/tasks/main.yml"), format!("- ansible.builtin.debug:\n    msg: {word}\n"));
        place.write(&format!("{role}/meta/main.yml"), "galaxy_info:\n  author: me\ndependencies: []\n");
    }
    place.sh(&format!("cd one && {REPOSITORY} && git tag v1"));
    place.write("one/tasks/main.yml", "- ansible.builtin.debug:\n    msg: second\n");
    place.sh("cd one && git commit -q -a -m two && git tag v2");
    place.sh("tar czf two.tar.gz --transform 's,^two,two-1.0,' two && rm -r two");
    place.write(
        "kit/galaxy.yml",
        "namespace: my\nname: kit\nversion: 1.2.3\nreadme: README.md\nauthors: [me]\nbuild_ignore: ['*.tmp']\n",
    );
    place.write("kit/README.md", "a kit\n");
    place.write("kit/left.tmp", "");
    place.write("kit/roles/third/tasks/main.yml", "- ansible.builtin.debug:\n    msg: from the kit\n");
    place.sh(&format!("cd kit && {REPOSITORY}"));
    let here = place.path("");
    let here = here.display();
    place.write(
        "requirements.yml",
        format!(
            "roles:\n  - src: file://{here}one\n    scm: git\n    version: v1\n  - src: two.tar.gz\n    name: web\n\
             collections:\n  - name: git+file://{here}kit\n"
        ),
    );
    place
}

#[test]
fn roles_and_collections_are_installed_and_used() {
    let place = sources();
    let said = place.run(&["galaxy", "install", "-r", "requirements.yml"]).expect(0);
    said.says("- one (v1) was installed successfully").says("- web was installed successfully");
    said.says("my.kit:1.2.3 was installed successfully");
    let collection = "home/.ansible/collections/ansible_collections/my/kit";
    for left_out in ["left.tmp", "galaxy.yml", ".git"] {
        assert!(!place.path(&format!("{collection}/{left_out}")).exists(), "{left_out}");
    }
    assert!(place.read(&format!("{collection}/MANIFEST.json")).contains("\"version\": \"1.2.3\""));
    let sums = place.sh(&format!("cd {collection} && sha256sum README.md FILES.json | cut -d' ' -f1"));
    let (readme, files) = sums.trim().split_once('\n').unwrap();
    assert!(place.read(&format!("{collection}/FILES.json")).contains(readme));
    assert!(place.read(&format!("{collection}/MANIFEST.json")).contains(files));
    place.write("play.yml", "- hosts: localhost\n  gather_facts: false\n  roles: [one, web, my.kit.third]\n");
    let said = place.run(&["-i", "localhost,", "-c", "local", "--output", "ansible", "play.yml"]).expect(0);
    said.says("\"msg\": \"first\"").says("\"msg\": \"packed\"").says("\"msg\": \"from the kit\"");

    let again = place.run(&["galaxy", "install", "-r", "requirements.yml"]).expect(0);
    again.says("- one (v1) is already installed, skipping.").says("- web is already installed, skipping.");
    let said = place.run(&["galaxy", "role", "list"]).expect(0);
    said.says("- one, v1\n").says("- web, (unknown version)\n");
    place.run(&["galaxy", "collection", "list"]).expect(0).says("my.kit     1.2.3");
}

#[test]
fn another_version_needs_force_and_replaces_everything() {
    let place = sources();
    let source = format!("git+file://{}one,v1", place.path("").display());
    place.run(&["galaxy", "install", &source, "-p", "roles"]).expect(0);
    place.write("roles/one/files/old", "");
    let other = source.replace(",v1", ",v2");
    let said = place.run(&["galaxy", "install", &other, "-p", "roles"]).expect(0);
    said.says("- one (v1) is already installed - use --force to change version to v2");
    assert!(place.read("roles/one/tasks/main.yml").contains("first"));
    place.run(&["galaxy", "install", &other, "-p", "roles", "--force"]).expect(0);
    assert!(place.read("roles/one/tasks/main.yml").contains("second"));
    assert!(!place.path("roles/one/files").exists());
    assert_eq!(place.sh("ls -A roles"), "one\n", "nothing is left over");
    place.run(&["galaxy", "remove", "one", "-p", "roles"]).expect(0).says("- successfully removed one");
    assert_eq!(place.sh("ls -A roles"), "");
}

#[test]
fn what_fails_keeps_what_was_there() {
    let place = sources();
    let source = format!("git+file://{}one,v1", place.path("").display());
    place.run(&["galaxy", "install", &source, "-p", "roles"]).expect(0);
    let wrong = source.replace(",v1", ",v9");
    place
        .run(&["galaxy", "install", &wrong, "-p", "roles", "--force"])
        .expect(1)
        .says("NOT installed successfully");
    place.write("evil/meta/main.yml", "");
    place.sh("tar cPzf out.tar.gz --transform 's,^evil,../evil2,' evil");
    place
        .run(&["galaxy", "install", "out.tar.gz,,one", "-p", "roles", "--force"])
        .expect(1)
        .says("leads out of the archive");
    assert!(!place.path("evil2").exists() && !place.path("roles/evil2").exists());
    assert!(place.read("roles/one/tasks/main.yml").contains("first"));
    assert_eq!(place.sh("ls -A roles"), "one\n");
    place.run(&["galaxy", "install", "someone.else"]).expect(1).says("there is no Galaxy server to ask");
    place.write("wrong.yml", "roles:\n  - scr: x\n");
    place.run(&["galaxy", "install", "-r", "wrong.yml"]).expect(4).says("wrong.yml:2:5").says("`src`");
}
