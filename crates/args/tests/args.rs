//! The derives and the conversions, against what Ansible was seen to do.

use provision_args::{Args, Choice, ModeArg, PathArg};
use serde_json::json;

/// Manage files.
///
/// More of it.
#[derive(Args, Debug)]
#[args(
    name = "file",
    mutually_exclusive("src", "content"),
    required_one_of("path", "src"),
    required_together("owner", "group"),
    required_if("state", "link", ("src")),
    free_form = "path"
)]
struct FileArgs {
    /// Where it is.
    #[arg(required, alias = "dest", alias = "name")]
    path: PathArg,
    #[arg(default = "file")]
    state: State,
    src: Option<String>,
    content: Option<String>,
    owner: Option<String>,
    group: Option<String>,
    mode: Option<ModeArg>,
    #[arg(default = "no")]
    recurse: bool,
    r#type: Option<String>,
    #[arg(choices("a", "b"))]
    flags: Vec<String>,
    count: Option<u32>,
    #[arg(secret)]
    pin: Option<i64>,
    #[arg(refused = "not set yet")]
    attributes: (),
    #[arg(refused = "never", default = "no")]
    unsafe_writes: bool,
    #[arg(sub)]
    rules: Vec<Rule>,
    #[arg(sub)]
    rule: Option<Rule>,
    #[arg(internal)]
    _blob: Option<String>,
}

#[derive(Args, Debug, PartialEq)]
#[args(name = "rule", mutually_exclusive("port", "user"))]
struct Rule {
    #[arg(required)]
    port: i64,
    user: Option<String>,
}

#[derive(Choice, Debug, PartialEq)]
enum State {
    Absent,
    File,
    Link,
    #[choice("build-dep")]
    BuildDep,
}

#[test]
fn reads() {
    let args = json!({"dest": "/x", "flags": "a,b", "type": 5, "rules": [{"port": "80"}], "mode": 420, "recurse": "yes", "_blob": "x"});
    let args = FileArgs::from_json(args.as_object().unwrap()).unwrap();
    assert_eq!(args.path, PathArg::from("/x"));
    assert_eq!(args.state, State::File);
    assert_eq!(args.rules, [Rule { port: 80, user: None }]);
    assert_eq!(args.r#type.as_deref(), Some("5"));
    assert_eq!(args.mode, Some(ModeArg::Bits(0o644)));
}
