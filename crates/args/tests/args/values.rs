//! Paths, modes, amounts of bytes.

use provision_args::{CopyMode, FromArg, ModeArg, PathArg};
use serde_json::json;

#[test]
fn symbolic_modes_are_ansibles() {
    let mut compared = 0;
    for line in include_str!("observed/modes.txt").lines().filter(|line| !line.starts_with('#')) {
        let [mode, before, kind, umask, after] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let octal = |text| u32::from_str_radix(text, 8).unwrap();
        let parsed = ModeArg::from_arg(&json!(mode)).unwrap();
        let ours = parsed.apply(octal(before), kind == "dir", octal(umask));
        assert_eq!(format!("{ours:o}"), after, "{line}");
        compared += 1;
    }
    assert!(compared > 200);
}

#[test]
fn modes_are_octal_or_symbolic() {
    for (value, bits) in [
        (json!("0644"), 0o644),
        (json!("644"), 0o644),
        (json!(420), 0o644),
        (json!("0o1755"), 0o1755),
        (json!("+755"), 0o755),
        (json!(0), 0),
    ] {
        assert_eq!(ModeArg::from_arg(&value), Ok(ModeArg::Bits(bits)), "{value}");
    }
    for value in
        [json!("u+rq"), json!("x+r"), json!("aug=r"), json!("8"), json!(99999), json!(-1), json!("77777")]
    {
        assert!(ModeArg::from_arg(&value).is_err(), "{value}");
    }
    for value in [json!([]), json!({}), json!(true), json!(1.5), json!("preserve")] {
        assert!(ModeArg::from_arg(&value).is_err(), "{value}");
    }
    assert_eq!(CopyMode::from_arg(&json!("preserve")), Ok(CopyMode::Preserve));
    assert_eq!(CopyMode::from_arg(&json!("0600")), Ok(CopyMode::Mode(ModeArg::Bits(0o600))));
}

#[test]
fn paths_are_resolved_where_they_are() {
    let home = |user: &str| match user {
        "" => Some("/root".to_owned()),
        "www" => Some("/var/www/".to_owned()),
        "slash" => Some("/".to_owned()),
        _ => None,
    };
    let env = |name: &str| (name == "X_1").then(|| "é/x".to_owned());
    for (written, resolved) in [
        ("~", "/root"),
        ("~/.ssh", "/root/.ssh"),
        ("~www/a", "/var/www/a"),
        ("~slash", "/"),
        ("~slash/a", "/a"),
        ("~nobody/a", "~nobody/a"),
        ("/a/~", "/a/~"),
        ("$X_1/$X_1", "é/x/é/x"),
        ("a${X_1}b", "aé/xb"),
        ("$X_12 $ $$X_1 ${X_1 ${}", "$X_12 $ $é/x ${X_1 ${}"),
        ("/plain", "/plain"),
    ] {
        assert_eq!(PathArg::from(written).resolve(home, env), resolved, "{written}");
    }
}
