use crate::script::*;
use indicatif::{InMemoryTerm, ProgressDrawTarget};
use provision_engine::event::{Event, Outcome, Reporter, TaskKind};
use provision_report::{Options, Terminal};
use serde_json::json;

fn report(events: &[Event], options: Options) -> String {
    let out = Sink::default();
    let hidden = Box::new(ProgressDrawTarget::hidden);
    let mut terminal = Terminal::on(hidden, out.boxed(), out.boxed(), options);
    tell(&mut terminal, events);
    drop(terminal);
    out.text()
}

fn at(columns: usize) -> Options {
    Options { columns: Some(columns), ..Options::default() }
}

#[test]
fn tour_at_80_columns() {
    insta::assert_snapshot!(report(&tour(false), at(80)));
}

#[test]
fn tour_at_41_columns() {
    insta::assert_snapshot!(report(&tour(false), at(41)));
}

#[test]
fn tour_as_a_dry_run() {
    insta::assert_snapshot!(report(&tour(true), at(100)));
}

#[test]
fn tour_in_colour_with_places() {
    let options = Options { color: true, verbosity: 2, columns: Some(80), ..Options::default() };
    insta::assert_snapshot!(report(&tour(false), options).replace('\x1b', "␛"));
}

#[test]
fn five_hundred_hosts_in_few_lines() {
    let hosts: Vec<String> = (1..=500).map(|n| format!("web{n:03}")).collect();
    let names: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let mut events =
        vec![run(false), play("Web servers", &names), task(1, "nginx : Install packages", "apt", 500)];
    for (index, name) in names.iter().enumerate().rev() {
        events.push(match index {
            3 | 99 => host(1, name, Outcome::Changed, json!({})),
            50 => host(1, name, Outcome::Unreachable, json!({"msg": "timed out"})),
            200..=260 => {
                host(1, name, Outcome::Failed, json!({"msg": "No package matching 'ngnix'", "rc": 100}))
            }
            270 => {
                host(1, name, Outcome::Failed, json!({"msg": "disk full", "stderr": "E: no space\nE: left"}))
            }
            _ => host(1, name, Outcome::Ok, json!({})),
        });
    }
    events.push(task(2, "Reload", "service", 437));
    events.extend(names.iter().take(437).map(|name| host(2, name, Outcome::Ok, json!({}))));
    let result = |index: usize| match index {
        50 => [0, 0, 1, 0, 0, 0, 0],
        200..=260 | 270 => [0, 0, 0, 1, 0, 0, 0],
        3 | 99 => [2, 1, 0, 0, 0, 0, 0],
        _ => [2, 0, 0, 0, 0, 0, 0],
    };
    events.push(end(names.iter().enumerate().map(|(index, name)| stats(name, result(index))).collect()));
    let text = report(&events, at(80));
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn what_targets_send_cannot_steer_the_terminal() {
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{202e}\u{8}";
    let events = [
        run(false),
        play("p", &["h1", "h2"]),
        task(1, "say", "debug", 2),
        host(1, "h1", Outcome::Ok, json!({"msg": evil, "_ansible_verbose_always": true})),
        host(1, "h2", Outcome::Failed, json!({"msg": evil, "stderr": evil, "rc": evil})),
        task(2, "copy", "copy", 2),
        with_diff(2, "h1", vec![diff(evil, evil, "a\n", evil)]),
        item(2, "h2", Outcome::Failed, json!(evil), json!({"msg": evil})),
        looped(2, "h2", Outcome::Failed),
        task(3, "command", "command", 1),
        output(3, "h1", &format!("{evil}\n")),
        Event::Warning { text: evil.into(), place: Some(evil.into()) },
        host(3, "h1", Outcome::Ok, json!({})),
        end(vec![stats("h1", [3, 0, 0, 0, 0, 0, 0])]),
    ];
    let text = report(&events, Options { verbosity: 1, ..at(80) });
    let bad: Vec<char> = text.chars().filter(|c| c.is_control() && *c != '\n' || *c == '\u{202e}').collect();
    assert!(bad.is_empty(), "{bad:?}\n{text}");
    assert!(text.contains(r"\u{1b}]0;owned"), "{text}");
}

#[test]
fn output_streams_with_its_host() {
    let events = [
        run(false),
        play("p", &["h1", "h2"]),
        task(1, "build", "command", 2),
        output(1, "h1", "one\ntw"),
        output(1, "h2", "10%\r50%\r100%\r\n"),
        output(1, "h1", "o\nlast"),
        host(1, "h1", Outcome::Changed, json!({})),
        host(1, "h2", Outcome::Changed, json!({})),
    ];
    let verbose = report(&events, Options { verbosity: 1, ..at(80) });
    assert_eq!(verbose, "\np   2 hosts\nh1 | one\nh2 | 100%\nh1 | two\nh1 | last\n✓ build   2 changed\n");
    assert_eq!(report(&events, at(80)), "\np   2 hosts\n✓ build   2 changed\n");
}

#[test]
fn interruption_is_said_and_what_was_running_is_shown() {
    let events = [
        run(false),
        play("p", &["h1", "h2"]),
        task(1, "build", "command", 2),
        host(1, "h1", Outcome::Changed, json!({})),
        Event::RunEnd {
            stats: vec![stats("h1", [1, 1, 0, 0, 0, 0, 0])],
            seconds: 3.04,
            interrupted: true,
            aborted: None,
        },
    ];
    insta::assert_snapshot!(report(&events, at(80)));
}

#[test]
fn tasks_of_strategy_free_do_not_mix() {
    let events = [
        play("p", &["h1", "h2"]),
        task(1, "one", "command", 2),
        host(1, "h1", Outcome::Ok, json!({})),
        task(2, "two", "command", 2),
        host(2, "h1", Outcome::Changed, json!({})),
        host(1, "h2", Outcome::Ok, json!({})),
        host(2, "h2", Outcome::Changed, json!({})),
    ];
    assert_eq!(report(&events, at(80)), "\np   2 hosts\n✓ one   2 ok\n✓ two   2 changed\n");
}

#[test]
fn the_live_area_shows_what_runs_and_goes_away() {
    let screen = InMemoryTerm::new(10, 60);
    let target = screen.clone();
    let out = Sink::default();
    let mut terminal = Terminal::on(
        Box::new(move || ProgressDrawTarget::term_like(Box::new(target.clone()))),
        out.boxed(),
        out.boxed(),
        at(60),
    );
    let begin = [
        run(false),
        play("Web", &["h1", "h2"]),
        task(1, "Install", "apt", 2),
        Event::HostStart { task: 1, host: "h1".into() },
        Event::HostStart { task: 1, host: "h2".into() },
        output(1, "h2", "Unpacking libc6\n"),
        host(1, "h1", Outcome::Failed, json!({"msg": "no"})),
    ];
    tell(&mut terminal, &begin);
    let shown = wait(&screen, "failed: h1");
    assert!(shown.contains("Web › Install  1/2 done, 1 failed  0:0"), "{shown}");
    assert!(shown.contains("  h2") && shown.contains("h2 | Unpacking libc6"), "{shown}");

    terminal.suspend();
    assert_eq!(screen.contents(), "");
    terminal.resume();
    wait(&screen, "Web › Install");

    tell(
        &mut terminal,
        &[host(1, "h2", Outcome::Ok, json!({})), end(vec![stats("h1", [0, 0, 0, 1, 0, 0, 0])])],
    );
    assert_eq!(screen.contents(), "");
    assert!(out.text().contains("✗ Install   1 failed, 1 ok"), "{}", out.text());
}

/// Drawing is the ticker's; it comes within a moment.
fn wait(screen: &InMemoryTerm, text: &str) -> String {
    for _ in 0..100 {
        let shown = screen.contents();
        if shown.contains(text) {
            return shown;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("{text:?} is not on the screen:\n{}", screen.contents());
}

#[test]
fn a_closed_pipe_ends_the_report() {
    let pipe = Closed::default();
    let hidden = Box::new(ProgressDrawTarget::hidden);
    let mut terminal = Terminal::on(hidden, Box::new(pipe.clone()), Box::new(Closed::default()), at(80));
    tell(&mut terminal, &tour(false));
    assert_eq!(*pipe.0.lock().unwrap(), 1);
}

#[test]
fn includes_that_only_bring_tasks_say_nothing() {
    let events = [
        play("p", &["h1"]),
        kind(1, "include_tasks", "include_tasks", 1, TaskKind::Silent),
        host(1, "h1", Outcome::Ok, json!({})),
        kind(2, "include_tasks", "include_tasks", 1, TaskKind::Silent),
        host(2, "h1", Outcome::Failed, json!({"msg": "Could not find or access 'x.yaml'"})),
    ];
    let text = report(&events, at(80));
    let expected =
        "\np   h1\n✗ include_tasks   failed\n      Could not find or access 'x.yaml'\n      at site.yaml:2\n";
    assert_eq!(text, expected);
}
