//! The live area: one bar whose lines are made when it is drawn, so that seconds go on while nothing happens.

use crate::text::{Colour, clean, cut, paint};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// A host is named with its seconds from here on, when many are running.
const LONG: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_millis(125);

/// What is going on.
pub struct View {
    pub started: Instant,
    pub play: String,
    pub tasks: BTreeMap<u64, Progress>,
    /// The last line that a command wrote, or what else a host has to say.
    pub word: Option<(Arc<str>, String)>,
}

/// One task that is not done on all its hosts.
#[derive(Default)]
pub struct Progress {
    pub name: String,
    pub total: usize,
    pub done: usize,
    pub failed: Vec<Arc<str>>,
    pub running: BTreeMap<Arc<str>, Instant>,
}

/// Draws a `View` below what is printed.
pub struct Live {
    view: Arc<Mutex<View>>,
    multi: MultiProgress,
    bar: Option<ProgressBar>,
    target: Box<dyn Fn() -> ProgressDrawTarget + Send>,
    style: ProgressStyle,
}

impl Live {
    /// `columns`: asked at each drawing, since terminals are resized.
    pub fn new(
        target: Box<dyn Fn() -> ProgressDrawTarget + Send>,
        columns: impl Fn() -> usize + Clone + Send + Sync + 'static,
        color: bool,
    ) -> Live {
        let view = View { started: Instant::now(), play: String::new(), tasks: BTreeMap::new(), word: None };
        let view = Arc::new(Mutex::new(view));
        let seen = view.clone();
        let draw = move |_: &ProgressState, out: &mut dyn std::fmt::Write| {
            let view = seen.lock().unwrap_or_else(|e| e.into_inner());
            // An error here is the terminal's, which indicatif notices itself.
            let _ = out.write_str(&lines(&view, Instant::now(), columns(), color).join("\n"));
        };
        let style = ProgressStyle::with_template("{spinner} {live}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let style = style.with_key("live", draw);
        Live { view, multi: MultiProgress::with_draw_target(target()), bar: None, target, style }
    }

    /// The lock must not be held over calls of this type's other methods: they draw.
    pub fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub fn start(&mut self) {
        if self.bar.is_none() {
            let bar = self.multi.add(ProgressBar::new_spinner().with_style(self.style.clone()));
            bar.enable_steady_tick(TICK);
            self.bar = Some(bar);
        }
    }

    pub fn stop(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
            self.multi.remove(&bar);
        }
    }

    /// Out of the way of a question, until `show`.
    pub fn hide(&mut self) {
        if let Some(bar) = &self.bar {
            bar.disable_steady_tick();
            // An error is the terminal's: then nothing is drawn either.
            let _ = self.multi.clear();
            self.multi.set_draw_target(ProgressDrawTarget::hidden());
        }
    }

    pub fn show(&mut self) {
        if let Some(bar) = &self.bar {
            self.multi.set_draw_target((self.target)());
            bar.enable_steady_tick(TICK);
        }
    }

    /// Does `print` with the area away, and draws it again below.
    pub fn above(&self, print: impl FnOnce()) {
        self.multi.suspend(print);
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The area's lines at a time, none wider than the terminal.
pub fn lines(view: &View, now: Instant, columns: usize, color: bool) -> Vec<String> {
    // The spinner and a blank stand before the first line; a full line would wrap on some terminals.
    let room = columns.saturating_sub(3);
    let elapsed = clock(now.duration_since(view.started));
    let Some(task) = view.tasks.values().next_back() else {
        return vec![spread(&clean(&view.play), "", &elapsed, room)];
    };
    let more = view.tasks.len() - 1;
    let failed: usize = view.tasks.values().map(|task| task.failed.len()).sum();
    let running: Vec<(&Arc<str>, Duration)> = {
        let all = view.tasks.values().flat_map(|task| &task.running);
        let mut all: Vec<_> = all.map(|(host, since)| (host, now.duration_since(*since))).collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        all
    };
    let mut counts = format!("{}/{} done", task.done, task.total);
    if running.len() > 1 {
        let _ = write!(counts, ", {} running", running.len());
    }
    if failed > 0 {
        let _ = write!(counts, ", {failed} failed");
    }
    if more > 0 {
        let _ = write!(counts, ", {more} more tasks");
    }
    let mut lines = vec![spread(&clean(&format!("{} › {}", view.play, task.name)), &counts, &elapsed, room)];
    let named: Vec<String> = running
        .iter()
        .filter(|(_, age)| running.len() <= 3 || *age >= LONG)
        .map(|(host, age)| match age.as_secs() {
            0 => clean(host),
            seconds => format!("{} {seconds}s", clean(host)),
        })
        .collect();
    let mut detail = |text: String| lines.push(paint(&format!("  {}", cut(&text, room)), Colour::Dim, color));
    let alone = task.total <= 1 && more == 0;
    let slow = running.iter().any(|(_, age)| age.as_secs() > 0);
    if !named.is_empty() && (!alone || slow) {
        detail(crate::text::names(&named, room));
    }
    if failed > 0 && !alone {
        let hosts: Vec<&Arc<str>> = view.tasks.values().flat_map(|task| &task.failed).collect();
        detail(format!("failed: {}", crate::text::names(&hosts, room.saturating_sub(8))));
    }
    if let Some((host, text)) = &view.word {
        detail(clean(&format!("{host} | {text}")));
    }
    lines
}

/// What gives way when the terminal is narrow is the name.
fn spread(name: &str, counts: &str, elapsed: &str, room: usize) -> String {
    let tail = if counts.is_empty() { elapsed.to_owned() } else { format!("{counts}  {elapsed}") };
    let left = room.saturating_sub(tail.len() + 2);
    match left {
        0..8 => cut(&tail, room),
        _ => format!("{}  {tail}", cut(name, left)),
    }
}

fn clock(time: Duration) -> String {
    let all = time.as_secs();
    match all / 3600 {
        0 => format!("{}:{:02}", all / 60, all % 60),
        hours => format!("{hours}:{:02}:{:02}", all / 60 % 60, all % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(started: Instant) -> View {
        let hosts = ["web1", "web2", "db"].map(Arc::<str>::from);
        let running = hosts
            .iter()
            .zip([41, 12, 0])
            .map(|(h, age)| (h.clone(), started + Duration::from_secs(60 - age)));
        let task = Progress {
            name: "nginx : Install packages".into(),
            total: 500,
            done: 496,
            failed: vec!["web9".into()],
            running: running.collect(),
        };
        View {
            started,
            play: "Web servers".into(),
            tasks: BTreeMap::from([(7, task)]),
            word: Some(("web1".into(), "Unpacking \u{1b}[31mlibc6 (2.36-9+deb12u4)…".into())),
        }
    }

    #[test]
    fn what_is_going_on() {
        let started = Instant::now();
        let view = view(started);
        let shown = lines(&view, started + Duration::from_secs(60), 90, false);
        assert_eq!(
            shown,
            [
                "Web servers › nginx : Install packages  496/500 done, 3 running, 1 failed  1:00",
                "  web1 41s, web2 12s, db",
                "  failed: web9",
                "  web1 | Unpacking \\u{1b}[31mlibc6 (2.36-9+deb12u4)…",
            ]
        );
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let started = Instant::now();
        let view = view(started);
        for columns in 1..120 {
            let shown = lines(&view, started + Duration::from_secs(3600), columns, false);
            for (index, line) in shown.iter().enumerate() {
                // The spinner and a blank stand before the first.
                let width = crate::text::width(line) + if index == 0 { 2 } else { 0 };
                assert!(width <= columns.max(2), "{columns}: {line:?}");
            }
        }
    }

    #[test]
    fn one_host_is_named_when_it_takes_long() {
        let started = Instant::now();
        let task = Progress {
            name: "wait".into(),
            total: 1,
            running: BTreeMap::from([("h1".into(), started)]),
            ..Progress::default()
        };
        let view = View { started, play: "p".into(), tasks: BTreeMap::from([(1, task)]), word: None };
        assert_eq!(lines(&view, started, 80, false), ["p › wait  0/1 done  0:00"]);
        let later = started + Duration::from_secs(8);
        assert_eq!(lines(&view, later, 80, false), ["p › wait  0/1 done  0:08", "  h1 8s"]);
    }
}
