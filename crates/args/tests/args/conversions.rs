//! `observed/conversions.jsonl` holds what ansible-core 2.19's argument validation made of each value: an array of
//! the value and an object from type to result; a type that is missing was an error. Numbers beyond 64 bits, which Python
//! has, are errors there as well.

use provision_args::{Arguments, ByteSize, FromArg};
use serde_json::{Value, json};

type Convert = fn(&Value) -> Option<Value>;

#[test]
fn every_conversion_is_ansibles() {
    let types: &[(&str, Convert)] = &[
        ("bool", |value| bool::from_arg(value).ok().map(Value::from)),
        ("int", |value| i64::from_arg(value).ok().map(Value::from)),
        ("float", |value| f64::from_arg(value).ok().map(Value::from)),
        ("str", |value| String::from_arg(value).ok().map(Value::from)),
        ("dict", |value| Arguments::from_arg(value).ok().map(Value::from)),
        ("bytes", |value| ByteSize::from_arg(value).ok().map(|size| size.0.into())),
        ("list of str", |value| Vec::<String>::from_arg(value).ok().map(Value::from)),
        ("list of int", |value| Vec::<i64>::from_arg(value).ok().map(Value::from)),
        ("list of dict", |value| Vec::<Arguments>::from_arg(value).ok().map(Value::from)),
    ];
    let mut wrong = Vec::new();
    let mut compared = 0;
    for line in include_str!("observed/conversions.jsonl").lines() {
        let (value, results): (Value, Arguments) = serde_json::from_str(line).unwrap();
        for (name, convert) in types {
            let (ours, theirs) = (convert(&value), results.get(*name).cloned());
            compared += 1;
            if ours != theirs {
                wrong.push(format!("{value} as {name}: {ours:?}, should be {theirs:?}"));
            }
        }
    }
    assert!(compared > 1000, "only {compared} comparisons");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn null_is_not_given() {
    assert_eq!(Option::<i64>::from_arg(&Value::Null), Ok(None));
    assert_eq!(Vec::<i64>::from_arg(&Value::Null), Ok(vec![]));
    // Among a list's items it is the empty string.
    assert_eq!(Vec::<String>::from_arg(&json!([null])), Ok(vec![String::new()]));
    assert!(i64::from_arg(&Value::Null).is_err());
}

#[test]
fn numbers_keep_within_their_type() {
    assert_eq!(u8::from_arg(&json!("255")), Ok(255));
    assert_eq!(u8::from_arg(&json!(256)), Err("256 is out of range".to_owned()));
    assert_eq!(u32::from_arg(&json!(-1)), Err("-1 is out of range".to_owned()));
}
