//! What the derives make of a declaration.

use provision_args::{Args, Argument, Arguments, Choice, FromArg, Kind, ModeArg, PathArg};
use serde_json::json;

/// Manage files.
///
/// More of it.
#[derive(Args, Debug, PartialEq)]
#[args(
    name = "file",
    mutually_exclusive("src", "content"),
    required_one_of("src", "content", "count"),
    required_together("owner", "group"),
    required_if("state", "link", ("src")),
    required_if("recurse", "yes", ("owner")),
    free_form = "path"
)]
pub struct FileArgs {
    /// Where it is;
    /// a | b.
    #[arg(required, alias = "dest", alias = "name")]
    pub path: PathArg,
    #[arg(default = "file")]
    pub state: State,
    pub src: Option<String>,
    pub content: Option<String>,
    pub owner: Option<String>,
    pub group: Option<String>,
    pub mode: Option<ModeArg>,
    #[arg(default = "no")]
    pub recurse: bool,
    pub r#type: Option<String>,
    #[arg(choices("a", "b"))]
    pub flags: Vec<String>,
    #[arg(choices("no", "always"))]
    pub pull: Option<String>,
    pub count: Option<u32>,
    #[arg(secret)]
    pub pin: Option<i64>,
    #[arg(refused = "not set yet")]
    pub attributes: (),
    #[arg(refused = "never", default = "no")]
    pub unsafe_writes: bool,
    #[arg(sub)]
    pub rules: Vec<Rule>,
    #[arg(sub)]
    pub rule: Option<Rule>,
    #[arg(name = "env-vars")]
    pub env: Arguments,
    pub raw: Argument,
    #[arg(internal)]
    pub _blob: Option<String>,
}

#[derive(Args, Debug, PartialEq)]
#[args(name = "rule", mutually_exclusive("host", "user"))]
pub struct Rule {
    #[arg(required)]
    pub port: i64,
    #[arg(default = "any")]
    pub host: String,
    pub user: Option<String>,
}

#[derive(Args, Debug, PartialEq)]
pub struct Attributes {
    pub owner: Option<String>,
    pub mode: Option<ModeArg>,
}

#[derive(Args, Debug, PartialEq)]
pub struct Backup {
    #[arg(default = "no")]
    pub backup: bool,
    #[arg(flatten)]
    pub attributes: Attributes,
}

#[derive(Args, Debug, PartialEq)]
#[args(name = "copy", required_one_of("dest", "owner"), mutually_exclusive("owner", "gone"))]
pub struct CopyArgs {
    #[arg(flatten)]
    pub backup: Backup,
    pub dest: Option<String>,
    #[arg(flatten)]
    pub rule: Rules,
    #[arg(default = "1")]
    pub last: u8,
}

#[derive(Args, Debug, PartialEq)]
pub struct Rules {
    #[arg(required, alias = "mode")]
    pub level: i64,
}

#[derive(Choice, Debug, PartialEq)]
pub enum State {
    Absent,
    File,
    Link,
    HardLink,
    #[choice("build-dep")]
    BuildDep,
}

#[derive(Choice, Debug, PartialEq)]
#[choice(kebab)]
enum Kebab {
    FullUpgrade,
    Plain,
}

/// Arguments from JSON.
pub fn object(value: Argument) -> Arguments {
    match value {
        Argument::Object(map) => map,
        other => panic!("{other} is no mapping"),
    }
}

/// All problems as text.
pub fn problems<T: Args>(value: Argument) -> Vec<String> {
    T::from_json(&object(value)).err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

#[test]
fn everything_is_read_into_its_type() {
    let args = object(json!({
        "dest": "/x", "content": "c", "flags": "a,b", "type": 5, "rules": [{"port": "80"}, "port=1,user=u,host=h"],
        "rule": {"port": 2.0, "host": null}, "mode": 420, "recurse": "yes", "_blob": "x", "pull": false, "owner": true,
        "group": 0, "env-vars": "a=1 b=2", "raw": [1], "unsafe_writes": "off", "pin": "12", "attributes": null,
        "count": "7",
    }));
    // Rule 1 breaks its own rule.
    let mut fixed = args.clone();
    fixed["rules"] = json!([{"port": "80"}, "port=1,user=u"]);
    assert_eq!(
        FileArgs::from_json(&args).unwrap_err()[0].message,
        "'rules' of 'file' takes only one of 'host', 'user'"
    );
    let rule = |port, user: Option<&str>| Rule { port, host: "any".into(), user: user.map(Into::into) };
    let wanted = FileArgs {
        path: "/x".into(),
        state: State::File,
        src: None,
        content: Some("c".into()),
        owner: Some("True".into()),
        group: Some("0".into()),
        mode: Some(ModeArg::Bits(0o644)),
        recurse: true,
        r#type: Some("5".into()),
        flags: vec!["a".into(), "b".into()],
        pull: Some("no".into()),
        count: Some(7),
        pin: Some(12),
        attributes: (),
        unsafe_writes: false,
        rules: vec![rule(80, None), rule(1, Some("u"))],
        rule: Some(rule(2, None)),
        env: object(json!({"a": "1", "b": "2"})),
        raw: json!([1]),
        _blob: Some("x".into()),
    };
    assert_eq!(FileArgs::from_json(&fixed).unwrap(), wanted);
}

#[test]
fn every_problem_is_told_at_once() {
    let told = problems::<FileArgs>(json!({
        "pth": 1, "state": "lnk", "attributes": "x", "unsafe_writes": true, "count": -1, "pin": "geheim",
        "rules": [{"user": 1, "prt": 1}], "owner": "x", "mode": {}, "flags": "a,c", "src": "a", "content": "b",
    }));
    let wanted = [
        "'file' has no option 'pth' (did you mean 'path'?)",
        "option 'state' of 'file': 'lnk' is not one of absent, file, link, hard_link, build-dep (did you mean 'link'?)",
        "option 'attributes' of 'file' is not supported: not set yet",
        "option 'unsafe_writes' of 'file' is not supported: never",
        "option 'pin' of 'file' is of type str and cannot be converted to int",
        "'file' has no option 'rules.prt' (did you mean 'port'?)",
        "'rules' of 'file' needs the option 'port'",
        "option 'mode' of 'file' is of type dict and cannot be converted to mode: {} is no file mode; write '0644' \
         or 'u=rw,g=r,o='",
        "option 'flags' of 'file': 'c' is not one of a, b",
        "'file' needs the option 'path'",
        "'file' takes only one of 'src', 'content'",
        "'file': 'owner' needs 'group' as well",
        "option 'count' of 'file' cannot take this value: -1 is out of range",
    ];
    assert_eq!(told, wanted);
}

#[test]
fn rules() {
    for (args, told) in [
        (json!({"path": "/", "count": 1}), &[][..]),
        (json!({"path": "/", "count": null}), &["'file' needs one of 'src', 'content', 'count'"]),
        (json!({"path": null, "count": 1}), &["'file' needs the option 'path'"]),
        (
            json!({"path": "/", "dest": "/", "count": 1}),
            &["option 'path' of 'file' is given twice: as 'path' and as 'dest' (keep 'path')"],
        ),
        (json!({"path": "/", "count": 1, "state": "link"}), &["'file': state=link needs 'src'"]),
        (json!({"path": "/", "count": 1, "recurse": "on"}), &["'file': recurse=yes needs 'owner'"]),
        (json!({"path": "/", "count": 1, "recurse": "no"}), &[]),
        (json!({"_raw_params": "/", "count": 1}), &[]),
        (
            json!({"path": "/", "count": 1, "zzzzzzzz": 1, "state": "FILE"}),
            &[
                "'file' has no option 'zzzzzzzz' (it has path, state, src, content, owner, group, mode, recurse, type, \
             flags, pull, count, pin, rules, rule, env-vars, raw)",
                "option 'state' of 'file': 'FILE' is not one of absent, file, link, hard_link, build-dep (did you mean \
             'file'?)",
            ],
        ),
    ] {
        assert_eq!(problems::<FileArgs>(args.clone()), told, "{args}");
    }
}

#[test]
fn choices_have_names() {
    assert_eq!(State::CHOICES, ["absent", "file", "link", "hard_link", "build-dep"]);
    assert_eq!(State::from_arg(&json!("build-dep")), Ok(State::BuildDep));
    assert_eq!(State::HardLink.as_str(), "hard_link");
    assert_eq!(Kebab::CHOICES, ["full-upgrade", "plain"]);
    assert_eq!(Kebab::from_arg(&json!("plain")), Ok(Kebab::Plain));
    assert_eq!(Kebab::from_arg(&json!("full-upgrade")), Ok(Kebab::FullUpgrade));
    assert!(Kebab::from_arg(&json!("full_upgrade")).is_err());
}

#[test]
fn the_table_says_what_was_declared() {
    let spec = FileArgs::SPEC;
    let kinds: Vec<String> =
        spec.options.iter().map(|option| format!("{}: {}", option.name, option.kind)).collect();
    assert_eq!(
        kinds.join(", "),
        "path: path, state: str, src: str, content: str, owner: str, group: str, mode: mode, recurse: bool, type: str, \
         flags: list of str, pull: str, count: int, pin: int, attributes: raw, unsafe_writes: bool, rules: list of \
         dict, rule: dict, env-vars: dict, raw: raw, _blob: str"
    );
    assert_eq!(spec.find("dest").map(|option| option.name), Some("path"));
    assert_eq!(spec.find("rule").map(|option| option.kind), Some(Kind::Sub(Rule::SPEC)));
    assert!(spec.find("pin").is_some_and(|option| option.secret));
}

#[derive(Args, Debug, PartialEq)]
#[args(name = "wrong")]
pub struct Wrong {
    #[arg(default = "many")]
    pub count: i64,
    #[arg(default = "c", choices("a", "b"))]
    pub letter: String,
    pub sub: Option<WrongSub>,
}

#[derive(Args, Debug, PartialEq)]
#[args(required_if("on", "perhaps", ("on")))]
pub struct WrongSub {
    #[arg(default = "yes")]
    pub on: bool,
}

#[test]
fn self_test_finds_wrong_declarations() {
    let wrong: Vec<String> = Wrong::SPEC.self_test().into_iter().map(|problem| problem.option).collect();
    assert_eq!(wrong, ["count", "letter", "on"]);
    assert_eq!(FileArgs::SPEC.self_test(), []);
    // At run time too it is an error, not a guess.
    let told = problems::<Wrong>(json!({"sub": {"on": "perhaps"}}));
    assert_eq!(told.len(), 2, "{told:?}");
    let right = Wrong::from_json(&object(json!({"count": 1, "letter": "a", "sub": {"on": "no"}}))).unwrap();
    assert_eq!(right, Wrong { count: 1, letter: "a".into(), sub: Some(WrongSub { on: false }) });
}

#[test]
fn manual() {
    let page = FileArgs::SPEC.manual();
    for wanted in [
        "# file\n\nManage files.\n\nMore of it.\n",
        "| `path` | path | **required** | Where it is; a \\| b.<br>Aliases: `dest`, `name`. |",
        "| `recurse` | bool | `no` |  |",
        "| `flags` | list of str |  | Choices: `a`, `b`. |",
        "- `attributes`: not set yet\n",
        "## rules\n",
        "| `rules.port` | int | **required** |  |",
        "- `state: link` needs `src`.\n",
        "- The free form (`file: text`) fills `path`.\n",
    ] {
        assert!(page.contains(wanted), "{wanted} is missing in\n{page}");
    }
    assert!(!page.contains("_blob"));
    assert_eq!(FileArgs::SPEC.summary(), "Manage files.");
}

#[test]
fn json_schema() {
    let schema = FileArgs::SPEC.json_schema();
    let option = |name: &str| schema["properties"][name].clone();
    assert_eq!(option("recurse")["default"], json!(false));
    assert_eq!(option("dest"), option("path"));
    assert_eq!(option("rules")["anyOf"][0]["items"]["anyOf"][0]["required"], json!(["port"]));
    assert_eq!(option("state")["anyOf"][0]["enum"][4], json!("build-dep"));
    assert_eq!(schema["additionalProperties"], json!(false));
    assert!(option("attributes").is_null() && option("_blob").is_null());
}

#[test]
fn structs_can_be_taken_in() {
    let names: Vec<&str> = CopyArgs::SPEC.options.iter().map(|option| option.name).collect();
    assert_eq!(names, ["dest", "last", "backup", "owner", "mode", "level"]);
    let args = object(json!({"dest": 1, "level": "3", "backup": "yes", "mode": "u+x", "last": 7}));
    let attributes = Attributes { owner: None, mode: Some(ModeArg::Symbolic("u+x".into())) };
    let wanted = CopyArgs {
        backup: Backup { backup: true, attributes },
        dest: Some("1".into()),
        rule: Rules { level: 3 },
        last: 7,
    };
    assert_eq!(CopyArgs::from_json(&args).unwrap(), wanted);
    assert_eq!(
        problems::<CopyArgs>(json!({"mode": [], "last": 256, "backup": 3})),
        [
            "option 'mode' of 'copy' is of type list and cannot be converted to mode: [] is no file mode; write '0644' \
             or 'u=rw,g=r,o='",
            "option 'backup' of 'copy' is of type int and cannot be converted to bool: '3' is neither true nor false; \
             say yes or no",
            "'copy' needs the option 'level'",
            "'copy' needs one of 'dest', 'owner'",
            "option 'last' of 'copy' cannot take this value: 256 is out of range",
        ]
    );
    let wrong: Vec<String> = CopyArgs::SPEC.self_test().iter().map(ToString::to_string).collect();
    assert_eq!(
        wrong,
        [
            "'mode' is declared twice",
            "'mode' is declared twice",
            "a rule mentions 'gone', which no option is called"
        ]
    );
}
