//! Files: odd names, big contents, directories. Bytes on the target are compared with what was meant.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::kit::{Project, host};

/// Names as bytes.
const ODD: &[&[u8]] = &[
    b"with blank",
    b" leading and trailing ",
    b"single'quote",
    b"double\"quote",
    b"new\nline",
    b"tab\tand\\backslash",
    b"$(touch pwned);`id`&|<>*?[x]",
    "Größe – 🦀".as_bytes(),
    b"latin1-\xe9\xff",
    b"-n",
    b"{{ x }}",
];

fn names(dir: &Path) -> Vec<Vec<u8>> {
    let mut names: Vec<_> =
        std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().as_bytes().to_vec()).collect();
    names.sort();
    names
}

#[test]
fn a_directory_with_odd_names_is_copied_byte_for_byte() {
    let host = host();
    let project = Project::of(&[&host]);
    for name in ODD {
        let path = Path::new("files/tree/sub").join(OsStr::from_bytes(name));
        project.write(&path, [b"content of ", *name].concat());
    }
    project.write("files/tree/top", "");
    project.tasks("- copy: {src: tree, dest: /srv/, mode: \"0640\", directory_mode: \"0750\"}");
    project.run("").expect(0);
    let sub = host.root().join("srv/tree/sub");
    let mut wanted: Vec<Vec<u8>> = ODD.iter().map(|n| n.to_vec()).collect();
    wanted.sort();
    assert_eq!(names(&sub), wanted);
    for name in ODD {
        let content = std::fs::read(sub.join(OsStr::from_bytes(name))).unwrap();
        assert_eq!(content, [b"content of ", *name].concat());
    }
    assert_eq!(host.sh("stat -c %a /srv/tree/top /srv/tree /srv/tree/sub").unwrap(), "640\n750\n750\n");
    assert_eq!(project.run("").expect(0).count(host.name(), "changed"), 0);
}

#[test]
fn found_names_go_through_loops_unharmed() {
    let host = host();
    let project = Project::of(&[&host]);
    std::fs::create_dir(host.root().join("srv/in")).unwrap();
    for name in ODD {
        std::fs::write(
            host.root().join("srv/in").join(OsStr::from_bytes(name)),
            [b"<", *name, b">"].concat(),
        )
        .unwrap();
    }
    project.tasks(
        r#"
- file: {path: /srv/out, state: directory}
- find: {paths: /srv/in, hidden: true}
  register: found
- stat: {path: "{{ item.path }}"}
  loop: "{{ found.files }}"
  register: stats
- assert: {that: "item.stat.exists and item.stat.size > 2"}
  loop: "{{ stats.results }}"
- copy: {src: "{{ item.path }}", dest: "/srv/out/{{ item.path | basename }}", remote_src: true}
  loop: "{{ found.files }}"
- lineinfile: {path: "{{ item.path }}", line: more}
  loop: "{{ found.files }}"
- command: {argv: [cp, "--", "{{ item.path }}", "{{ item.path }}.copy"]}
  loop: "{{ found.files }}"
- shell: "cat {{ item.path | quote }} > /srv/last"
  loop: "{{ found.files }}"
- file: {path: "{{ item.path }}", state: absent}
  loop: "{{ found.files }}"
"#,
    );
    let done = project.run("").expect(0);
    done.says("ok=");
    let mut wanted: Vec<Vec<u8>> = ODD.iter().map(|n| n.to_vec()).collect();
    wanted.sort();
    assert_eq!(names(&host.root().join("srv/out")), wanted);
    let mut copies: Vec<Vec<u8>> = ODD.iter().map(|n| [*n, b".copy"].concat()).collect();
    copies.sort();
    assert_eq!(names(&host.root().join("srv/in")), copies, "the originals are gone");
    for name in ODD {
        let out = host.root().join("srv/out").join(OsStr::from_bytes(name));
        assert_eq!(std::fs::read(out).unwrap(), [b"<", *name, b">"].concat());
        let copy = host.root().join("srv/in").join(OsStr::from_bytes(&[*name, b".copy"].concat()));
        assert_eq!(std::fs::read(copy).unwrap(), [b"<", *name, b">\nmore\n"].concat());
    }
    assert!(!host.root().join("root/pwned").exists());
}

#[test]
fn odd_names_written_in_a_playbook() {
    let host = host();
    let project = Project::of(&[&host]);
    project.write("templates/a b'c.j2", "t={{ 1 + 1 }}\n");
    project.tasks(
        r#"
- file: {path: "/srv/a b/it's \"so\"\nreally", state: directory}
- copy: {content: "x", dest: "/srv/a b/it's \"so\"\nreally/f $1 %s"}
- template: {src: "a b'c.j2", dest: "/srv/a b/t\tt"}
- file: {src: "/srv/a b/t\tt", dest: "/srv/a b/link to\nit", state: link}
"#,
    );
    project.run("").expect(0);
    let top = host.root().join("srv/a b");
    assert_eq!(names(&top), [&b"it's \"so\"\nreally"[..], b"link to\nit", b"t\tt"]);
    assert_eq!(std::fs::read(top.join("it's \"so\"\nreally/f $1 %s")).unwrap(), b"x");
    assert_eq!(std::fs::read(top.join("t\tt")).unwrap(), b"t=2\n");
    assert_eq!(std::fs::read_link(top.join("link to\nit")).unwrap(), Path::new("/srv/a b/t\tt"));
    assert_eq!(project.run("").expect(0).count(host.name(), "changed"), 0);
}

#[test]
fn contents_that_are_not_text_arrive_as_they_are() {
    let host = host();
    let project = Project::of(&[&host]);
    let bytes: Vec<u8> = (0..=255u8).cycle().take(70_000).collect();
    project.write("files/binary", &bytes);
    project.write("files/empty", "");
    project.tasks("- copy: {src: '{{ item }}', dest: '/srv/{{ item }}'}\n  loop: [binary, empty]\n");
    project.run("--diff").expect(0);
    assert_eq!(std::fs::read(host.root().join("srv/binary")).unwrap(), bytes);
    assert_eq!(std::fs::read(host.root().join("srv/empty")).unwrap(), b"");
}

#[test]
fn a_big_file_is_sent_once() {
    let host = host();
    let project = Project::of(&[&host]);
    // Nothing compresses it, so that what goes over the wire can be counted.
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as u8
    };
    let bytes: Vec<u8> = (0..5 << 20).map(|_| next()).collect();
    project.write("files/big", &bytes);
    project.tasks("- copy: {src: big, dest: /srv/big}");
    let received = || -> u64 {
        host.sh("cat /sys/class/net/[!l]*/statistics/rx_bytes").unwrap().trim().parse().unwrap()
    };
    project.tasks("- ping:").run("").expect(0);
    project.tasks("- copy: {src: big, dest: /srv/big}");

    let before = received();
    project.run("").expect(0);
    let first = received() - before;
    let sum = host.sh("sha256sum /srv/big").unwrap();
    let wanted: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
    assert!(sum.starts_with(&wanted), "{sum}");
    assert!(first > 5 << 20, "{first}");

    let before = received();
    let again = project.run("").expect(0);
    let second = received() - before;
    assert_eq!(again.count(host.name(), "changed"), 0);
    assert!(second < 200 << 10, "{second} bytes the second time");

    // A mode alone sends nothing either.
    let before = received();
    let done = project.tasks("- copy: {src: big, dest: /srv/big, mode: '0600'}").run("").expect(0);
    assert_eq!(done.count(host.name(), "changed"), 1);
    assert!(received() - before < 200 << 10);
    assert_eq!(host.sh("stat -c %a /srv/big").unwrap(), "600\n");
}

#[test]
fn odd_names_on_this_machine_reach_templates_and_copies() {
    let host = host();
    let project = Project::of(&[&host]);
    for name in [&b"t-\xe9\xff.j2"[..], b"new\nline.j2", b"it's.j2"] {
        project.write(Path::new("templates").join(OsStr::from_bytes(name)), "v={{ 40 + 2 }}\n");
    }
    project.tasks(
        "- template: {src: '{{ item }}', dest: '/srv/{{ item | basename }}'}\n  with_fileglob: '{{ playbook_dir }}/templates/*'\n\
         - copy: {src: '{{ item }}', dest: '/srv/c-{{ item | basename }}'}\n  loop: \"{{ query('fileglob', playbook_dir ~ '/templates/*') }}\"\n",
    );
    project.run("").expect(0);
    for name in [&b"t-\xe9\xff.j2"[..], b"new\nline.j2", b"it's.j2"] {
        let made = host.root().join("srv").join(OsStr::from_bytes(name));
        assert_eq!(std::fs::read(&made).unwrap(), b"v=42\n", "{made:?}");
        let copied = host.root().join("srv").join(OsStr::from_bytes(&[b"c-", name].concat()));
        assert_eq!(std::fs::read(&copied).unwrap(), b"v={{ 40 + 2 }}\n", "{copied:?}");
    }
}
