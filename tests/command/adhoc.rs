//! `provision adhoc`, and the name `ansible`. Outputs are those of ansible-core 2.19.14.

use crate::kit::{Place, Said};

fn ansible(place: &Place, args: &[&str]) -> Said {
    place.run_as("ansible", args, &[], "")
}

#[test]
fn commands_and_results() {
    let place = Place::new();
    for (args, code, wanted) in [
        (&["-a", "echo hi"][..], 0, "a | CHANGED | rc=0 >>\nhi\n"),
        (&["-m", "raw", "-a", "printf 'x\\n'"], 0, "a | CHANGED | rc=0 >>\nx\n\n"),
        (&["-m", "ping"], 0, "a | SUCCESS => {\n    \"changed\": false,\n    \"ping\": \"pong\"\n}\n"),
        (&["-m", "ping", "-o"], 0, "a | SUCCESS => {\"changed\": false,\"ping\": \"pong\"}\n"),
        (
            &["-a", "true creates=/tmp"],
            0,
            "a | SUCCESS | rc=0 >>\nskipped, since /tmp existsDid not run command since '/tmp' exists\n",
        ),
        (&["-C", "-a", "true"], 0, "a | SKIPPED\n"),
        (
            &["-o", "-m", "shell", "-a", "echo hi; echo x; echo e >&2"],
            0,
            "a | CHANGED | rc=0 | (stdout) hi\\nx (stderr) e\n",
        ),
        (
            &["-m", "debug", "-a", "msg='hi {{ x }}'", "-e", "x=3"],
            0,
            "a | SUCCESS => {\n    \"msg\": \"hi 3\"\n}\n",
        ),
        (&["-m", "debug", "-a", "{\"msg\": \"k=v\"}"], 0, "a | SUCCESS => {\n    \"msg\": \"k=v\"\n}\n"),
        (&["--list-hosts"], 0, "  hosts (1):\n    a\n"),
    ] {
        let whole: Vec<&str> = ["all", "-i", "a,", "-c", "local"].iter().chain(args).copied().collect();
        let said = ansible(&place, &whole).expect(code);
        assert_eq!(said.stdout, wanted, "{args:?}");
    }
}

#[test]
fn failures() {
    let place = Place::new();
    let said =
        ansible(&place, &["all", "-i", "a,b,", "-f1", "-c", "local", "-m", "shell", "-a", "echo hi; exit 3"]);
    assert_eq!(
        said.expect(2).stdout,
        "[ERROR]: Task failed: Module failed: non-zero return code\nOrigin: <adhoc 'shell' task>\n\n\
         {'action': 'shell', 'args': {'_raw_params': 'echo hi; exit 3'}, 'timeout': 0, 'async_val': 0, 'poll': 15}\n\n\
         a | FAILED | rc=3 >>\nhinon-zero return code\nb | FAILED | rc=3 >>\nhinon-zero return code\n"
    );
    let one = ansible(&place, &["localhost", "-o", "-m", "fail", "-a", "msg=x"]).expect(2);
    assert!(one.stdout.ends_with("localhost | FAILED! => {\"changed\": false,\"msg\": \"x\"}\n"), "{one:?}");
    let gone = ansible(&place, &["all", "-i", "nobody.invalid,", "-m", "ping", "-T", "1"]).expect(4);
    gone.says("nobody.invalid | UNREACHABLE! => {").says("\"unreachable\": true");
    ansible(&place, &["localhost"]).expect(5).says("No argument passed to command module");
    ansible(&place, &["localhost", "-m", "import_tasks", "-a", "x"]).expect(5).says("not a valid action");
    ansible(&place, &["localhost", "-m", "nosuch"]).expect(2).says("nosuch");
    ansible(&place, &["nobody", "-i", "a,", "-m", "ping"]).expect(0).says("No hosts matched, nothing to do");
    ansible(&place, &["all", "-i", "a,", "-l", "zz", "-m", "ping"]).expect(1);
    ansible(&place, &["a", "b"]).expect(2).says("ansible: error: ");
    // Under the command's own name the codes are its own.
    place.run(&["adhoc", "all", "-i", "nobody.invalid,", "-m", "ping", "-T", "1"]).expect(3);
    place.run(&["adhoc", "localhost", "-m", "nosuch"]).expect(4);
}

#[test]
fn differences_and_trees() {
    let place = Place::new();
    place.write("f", "old\n");
    let path = place.path("f").display().to_string();
    let copy = format!("content='new\\n' dest={path}");
    let said = ansible(&place, &["localhost", "-m", "copy", "-a", &copy, "-D", "-C", "-t", "tree"]).expect(0);
    assert!(
        said.stdout.starts_with(&format!(
            "--- before: {path}\n+++ after: {path}\n@@ -1 +1 @@\n-old\n+new\n\nlocalhost | CHANGED => {{\n"
        )),
        "{}",
        said.stdout
    );
    assert_eq!(place.read("f"), "old\n");
    assert!(
        place.read("tree/localhost").starts_with("{\"changed\": true"),
        "{}",
        place.read("tree/localhost")
    );
}
