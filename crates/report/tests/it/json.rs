use crate::script::*;
use provision_report::Json;

#[test]
fn one_object_per_line() {
    let out = Sink::default();
    let events = tour(false);
    tell(&mut Json::new(out.boxed()), &events);
    let text = out.text();
    assert_eq!(text.lines().count(), events.len());
    for line in text.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(value["event"].is_string(), "{line}");
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_closed_pipe_ends_the_report() {
    let pipe = Closed::default();
    tell(&mut Json::new(Box::new(pipe.clone())), &tour(false));
    assert_eq!(*pipe.0.lock().unwrap(), 1);
}
