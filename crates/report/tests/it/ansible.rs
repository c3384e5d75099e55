use crate::script::*;
use provision_engine::event::Event;
use provision_report::{Ansible, Options};

pub fn report(events: &[Event], options: Options) -> (String, String) {
    let (out, err) = (Sink::default(), Sink::default());
    let mut ansible = Ansible::new(out.boxed(), err.boxed(), options);
    tell(&mut ansible, events);
    (out.text(), err.text())
}

#[test]
fn tour_as_lines() {
    let (out, err) = report(&tour(false), Options::default());
    insta::assert_snapshot!(out);
    assert_eq!(err, "[WARNING]: Could not match supplied host pattern, ignoring: nope\n");
}

#[test]
fn a_closed_pipe_ends_the_report() {
    let pipe = Closed::default();
    let mut ansible = Ansible::new(Box::new(pipe.clone()), Box::new(Closed::default()), Options::default());
    tell(&mut ansible, &tour(false));
    assert_eq!(*pipe.0.lock().unwrap(), 1);
}
