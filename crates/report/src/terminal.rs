//! For people at a terminal: results grouped so that five hundred hosts can be read, above one live area.
//!
//! Results go to stdout, they are the data; the live area and warnings go to stderr.

mod live;
mod recap;
mod summary;

use crate::Options;
use crate::text::{Colour, clean, cut, paint, wrap};
use indicatif::ProgressDrawTarget;
use live::{Live, Progress};
use provision_engine::event::{AsyncState, Done, Event, Reporter, TaskInfo};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Write;
use std::sync::Arc;
use std::time::Instant;
use summary::{Style, Summary};

/// Wide enough when the terminal does not say, and when there is none.
const COLUMNS: usize = 80;

/// The live display.
pub struct Terminal {
    out: Option<Box<dyn Write + Send>>,
    err: Option<Box<dyn Write + Send>>,
    options: Options,
    live: Live,
    check: bool,
    /// Tasks that some host has not finished.
    open: BTreeMap<u64, Summary>,
    order: HashMap<Arc<str>, usize>,
    /// Output that does not end in a newline yet.
    partial: HashMap<(u64, Arc<str>, &'static str), String>,
    said: HashSet<String>,
}

impl Terminal {
    /// The live area is drawn on stderr, if that is a terminal. `options.columns`: none asks the terminal at each
    /// line, as it may be resized.
    pub fn new(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>, options: Options) -> Terminal {
        Terminal::on(Box::new(ProgressDrawTarget::stderr), out, err, options)
    }

    /// With the live area drawn elsewhere.
    pub fn on(
        target: Box<dyn Fn() -> ProgressDrawTarget + Send>,
        out: Box<dyn Write + Send>,
        err: Box<dyn Write + Send>,
        options: Options,
    ) -> Terminal {
        let fixed = options.columns;
        let live = Live::new(target, move || fixed.unwrap_or_else(columns), options.color);
        Terminal {
            out: Some(out),
            err: Some(err),
            options,
            live,
            check: false,
            open: BTreeMap::new(),
            order: HashMap::new(),
            partial: HashMap::new(),
            said: HashSet::new(),
        }
    }

    fn play(&mut self, name: &str, hosts: &[Arc<str>]) {
        self.close_all();
        self.order = hosts.iter().enumerate().map(|(index, host)| (host.clone(), index)).collect();
        self.live.view().play = name.trim().to_owned();
        let count = match hosts.len() {
            0 => String::new(),
            1 => format!("   {}", clean(&hosts[0])),
            count => format!("   {count} hosts"),
        };
        let name = cut(&clean(name.trim()), self.columns().saturating_sub(count.len()).max(20));
        let line = format!("\n{}{count}\n", paint(&name, Colour::Bold, self.options.color));
        self.print(&line);
    }

    fn task(&mut self, info: &Arc<TaskInfo>, hosts: usize) {
        self.open.insert(info.id, Summary::new(info.clone(), hosts));
        {
            let mut view = self.live.view();
            let task = Progress { name: info.name.trim().to_owned(), total: hosts, ..Progress::default() };
            view.tasks.insert(info.id, task);
            view.word = None;
        }
        self.live.start();
    }

    fn host(&mut self, done: &Done) {
        self.flush_partial(done.task, &done.host);
        {
            let mut view = self.live.view();
            if view.word.as_ref().is_some_and(|(host, _)| *host == done.host) {
                view.word = None;
            }
            if let Some(task) = view.tasks.get_mut(&done.task) {
                task.running.remove(&done.host);
                task.done += 1;
                if summary::is_failure(done.outcome) {
                    task.failed.push(done.host.clone());
                }
            }
        }
        if let Some(open) = self.open.get_mut(&done.task) {
            open.host(done, self.options.verbosity);
            if open.is_complete() {
                self.close(done.task);
            }
        }
    }

    fn output(&mut self, task: u64, host: &Arc<str>, stream: &'static str, text: &str) {
        let key = (task, host.clone(), stream);
        let all = self.partial.remove(&key).unwrap_or_default() + text;
        let (lines, rest) = all.rsplit_once('\n').map_or(("", all.as_str()), |(lines, rest)| (lines, rest));
        if let Some(last) =
            [rest].into_iter().chain(lines.lines().rev()).map(shown_part).find(|l| !l.trim().is_empty())
        {
            self.live.view().word = Some((host.clone(), last.trim().to_owned()));
        }
        if self.options.verbosity > 0 && all.contains('\n') {
            self.stream(host, lines);
        }
        if !rest.is_empty() {
            self.partial.insert(key, rest.to_owned());
        }
    }

    /// Whole lines of a command, each with its host.
    fn stream(&mut self, host: &Arc<str>, lines: &str) {
        let head = paint(&format!("{} |", clean(host)), Colour::Dim, self.options.color);
        let lines: String =
            lines.split('\n').map(|line| format!("{head} {}\n", clean(shown_part(line)))).collect();
        self.print(&lines);
    }

    fn flush_partial(&mut self, task: u64, host: &Arc<str>) {
        for stream in ["stdout", "stderr"] {
            let rest = self.partial.remove(&(task, host.clone(), stream));
            if let Some(rest) = rest.filter(|_| self.options.verbosity > 0) {
                self.stream(host, &rest);
            }
        }
    }

    /// The task is done on all hosts, or will not be.
    fn close(&mut self, id: u64) {
        self.live.view().tasks.remove(&id);
        let Some(summary) = self.open.remove(&id) else { return };
        if summary.is_trivial() {
            return;
        }
        let style = Style {
            color: self.options.color,
            columns: self.columns(),
            verbosity: self.options.verbosity,
            order: &self.order,
        };
        let text = summary.render(&style);
        self.print(&text);
    }

    fn close_all(&mut self) {
        for id in self.open.keys().copied().collect::<Vec<_>>() {
            self.close(id);
        }
    }

    fn warn(&mut self, text: &str, place: Option<&str>) {
        let place = place.map_or(String::new(), |place| format!(" ({place})"));
        let text = wrap(&clean(&format!("warning: {text}{place}")), self.columns(), 0);
        if !self.said.insert(text.clone()) {
            return;
        }
        let text = paint(text.trim_end(), Colour::Warning, self.options.color) + "\n";
        let err = &mut self.err;
        self.live.above(|| write(err, &text));
    }

    fn line(&mut self, text: &str, colour: Colour) {
        let text = paint(text, colour, self.options.color) + "\n";
        self.print(&text);
    }

    fn print(&mut self, text: &str) {
        let out = &mut self.out;
        self.live.above(|| write(out, text));
    }

    fn columns(&self) -> usize {
        self.options.columns.unwrap_or_else(columns)
    }
}

impl Reporter for Terminal {
    fn event(&mut self, event: &Event) {
        match event {
            Event::RunStart { check, .. } => {
                self.check = *check;
                self.live.view().started = Instant::now();
                if *check {
                    self.line("Dry run: nothing is changed.", Colour::Bold);
                }
            }
            Event::PlayStart { name, hosts, .. } => self.play(name, hosts),
            Event::NoHosts { pattern, .. } => {
                self.line(&format!("- no hosts match `{}`", clean(pattern)), Colour::Skip);
            }
            Event::TaskStart { task, hosts } => self.task(task, *hosts),
            Event::HostStart { task, host } => {
                if let Some(task) = self.live.view().tasks.get_mut(task) {
                    task.running.insert(host.clone(), Instant::now());
                }
            }
            Event::Output { task, host, stream, text } => self.output(*task, host, stream, text),
            Event::Retry { host, attempts_left, .. } => {
                let text = format!("failed, tried again ({attempts_left} left)");
                if self.options.verbosity > 0 {
                    self.stream(host, &text);
                }
                self.live.view().word = Some((host.clone(), text));
            }
            Event::Async { host, state: AsyncState::Running, .. } => {
                self.live.view().word = Some((host.clone(), "still at it in the background".to_owned()));
            }
            Event::Async { .. } => {}
            Event::Item(done) => {
                if let Some(open) = self.open.get_mut(&done.task) {
                    open.item(done, self.options.verbosity);
                }
            }
            Event::Host(done) => self.host(done),
            Event::Included { file, item, .. } if self.options.verbosity > 0 => {
                let item = item.as_ref().map_or(String::new(), |item| format!(" ({item})"));
                let text = format!("    included {}", clean(&format!("{file}{item}")));
                self.line(&text, Colour::Dim);
            }
            Event::Included { .. } => {}
            Event::Say { text } => self.line(&clean(text), Colour::Dim),
            Event::NoMoreHosts => {
                self.close_all();
                self.line("✗ no hosts left", Colour::Error);
            }
            Event::Warning { text, place } => self.warn(text, place.as_deref()),
            Event::RunEnd { stats, seconds, interrupted, .. } => {
                self.close_all();
                self.live.stop();
                let text = recap::recap(
                    stats,
                    *seconds,
                    *interrupted,
                    self.check,
                    self.columns(),
                    self.options.color,
                );
                self.print(&text);
            }
        }
    }

    fn suspend(&mut self) {
        self.live.hide();
    }

    fn resume(&mut self) {
        self.live.show();
    }
}

/// The terminal's columns now; results are seen where the live area is drawn.
fn columns() -> usize {
    let size = [console::Term::stdout(), console::Term::stderr()]
        .into_iter()
        .filter(console::Term::is_term)
        .find_map(|term| term.size_checked());
    size.map_or(COLUMNS, |(_, columns)| usize::from(columns)).max(20)
}

/// Programs that draw progress bars overwrite their line: what stands there in the end counts.
fn shown_part(line: &str) -> &str {
    let line = line.strip_suffix('\r').unwrap_or(line);
    line.rsplit('\r').next().unwrap_or(line)
}

/// Nobody reads on after an error.
fn write(to: &mut Option<Box<dyn Write + Send>>, text: &str) {
    if to.as_mut().is_some_and(|to| to.write_all(text.as_bytes()).and_then(|()| to.flush()).is_err()) {
        *to = None;
    }
}
