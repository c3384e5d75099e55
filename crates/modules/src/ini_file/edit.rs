//! What becomes of the text.

use super::{Has, IniFileArgs, State};
use std::ops::Range;

/// The new text and Ansible's word for what was done.
pub struct Change {
    pub text: String,
    pub message: &'static str,
}

/// The text with the option as the task wants it.
pub fn edit(before: &str, args: &IniFileArgs, values: &[String]) -> Change {
    let mut lines: Vec<String> = before.split_inclusive('\n').map(str::to_owned).collect();
    match lines.last_mut() {
        Some(last) if !last.ends_with('\n') => last.push('\n'),
        Some(_) => {}
        // Ansible reads an empty file as one empty line, and keeps that.
        None => lines.push("\n".to_owned()),
    }
    let found = section(&lines, args);
    let message = match (found, args.state) {
        (None, State::Absent) => "OK",
        (None, State::Present) => add_section(&mut lines, args, values),
        (Some(range), State::Absent) => remove(&mut lines, range, args, values),
        (Some(range), State::Present) => set(&mut lines, range, args, values),
    };
    let text = lines.concat();
    if before.is_empty() && message == "OK" {
        return Change { text: String::new(), message };
    }
    Change { text, message }
}

/// The lines of the section without its header.
fn section(lines: &[String], args: &IniFileArgs) -> Option<Range<usize>> {
    let end =
        |from: usize| (from..lines.len()).find(|&at| header(&lines[at]).is_some()).unwrap_or(lines.len());
    let Some(name) = &args.section else {
        let range = 0..end(0);
        return has(lines, &range, args.section_has_values.as_deref()).then_some(range);
    };
    let starts = (0..lines.len()).filter(|&at| header(&lines[at]) == Some(name.trim()));
    let mut ranges = starts.map(|at| at + 1..end(at + 1));
    ranges.find(|range| has(lines, range, args.section_has_values.as_deref()))
}

/// The name in `[name]`.
fn header(line: &str) -> Option<&str> {
    let (name, _) = line.trim().strip_prefix('[')?.split_once(']')?;
    Some(name.trim())
}

fn has(lines: &[String], range: &Range<usize>, wanted: Option<&[Has]>) -> bool {
    wanted.unwrap_or_default().iter().all(|wanted| {
        let lines = lines[range.clone()].iter().filter_map(|line| Line::parse(line, &wanted.option));
        let active: Vec<Line<'_>> = lines.filter(|line| line.active).collect();
        let values: Vec<&String> = wanted.value.iter().chain(wanted.values.iter().flatten()).collect();
        match values.is_empty() {
            true => !active.is_empty(),
            false => values.iter().any(|value| active.iter().any(|line| line.value == Some(value.as_str()))),
        }
    })
}

/// A line that sets an option, commented out or not.
struct Line<'a> {
    active: bool,
    /// None: its name stands alone.
    value: Option<&'a str>,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str, option: &str) -> Option<Self> {
        let line = line.trim_end_matches('\n');
        let (active, rest) = match line.strip_prefix(['#', ';']) {
            Some(rest) => (false, rest),
            None => (true, line),
        };
        let rest = rest.trim_start_matches([' ', '\t']).strip_prefix(option)?.trim_start_matches([' ', '\t']);
        let value = match rest.strip_prefix('=') {
            Some(value) => Some(value.trim()),
            None if rest.is_empty() => None,
            None => return None,
        };
        Some(Self { active, value })
    }
}

/// The line for a value.
fn written(args: &IniFileArgs, option: &str, value: Option<&str>) -> String {
    match value {
        None => format!("{option}\n"),
        Some(value) if args.no_extra_spaces => format!("{option}={value}\n"),
        Some(value) => format!("{option} = {value}\n"),
    }
}

fn add_section(lines: &mut Vec<String>, args: &IniFileArgs, values: &[String]) -> &'static str {
    if let Some(name) = &args.section {
        lines.push(format!("[{name}]\n"));
    }
    for wanted in args.section_has_values.iter().flatten() {
        if args.option.as_ref() == Some(&wanted.option) {
            continue;
        }
        let values: Vec<&String> = wanted.value.iter().chain(wanted.values.iter().flatten()).collect();
        lines.extend(values.iter().map(|value| written(args, &wanted.option, Some(value))));
        if values.is_empty() && args.allow_no_value {
            lines.push(written(args, &wanted.option, None));
        }
    }
    match &args.option {
        None => "only section added",
        Some(option) => {
            let same = args.section_has_values.iter().flatten().filter(|_| !args.exclusive);
            let same = same.filter(|wanted| wanted.option == *option);
            let more = same.flat_map(|wanted| wanted.value.iter().chain(wanted.values.iter().flatten()));
            lines.extend(values.iter().chain(more).map(|value| written(args, option, Some(value))));
            if values.is_empty() {
                lines.push(written(args, option, None));
            }
            "section and option added"
        }
    }
}

fn remove(
    lines: &mut Vec<String>,
    range: Range<usize>,
    args: &IniFileArgs,
    values: &[String],
) -> &'static str {
    let Some(option) = &args.option else {
        // Without an option the whole section goes; what stands before the first section is none.
        if args.section.is_none() {
            return "OK";
        }
        lines.drain(range.start - 1..range.end);
        return "section removed";
    };
    let goes = |line: &String| {
        Line::parse(line, option).is_some_and(|line| {
            let meant =
                args.exclusive || line.value.is_some_and(|value| values.iter().any(|one| one == value));
            line.active && meant
        })
    };
    let kept: Vec<String> = lines[range.clone()].iter().filter(|line| !goes(line)).cloned().collect();
    let message = if kept.len() == range.len() { "OK" } else { "option changed" };
    lines.splice(range, kept);
    message
}

fn set(lines: &mut Vec<String>, range: Range<usize>, args: &IniFileArgs, values: &[String]) -> &'static str {
    let Some(option) = &args.option else { return "OK" };
    let mut wanted: Vec<Option<&str>> = values.iter().map(|value| Some(value.as_str())).collect();
    if wanted.is_empty() {
        wanted.push(None);
    }
    let mut message = "OK";
    let parse = |line: &str| {
        let inactive = args.modify_inactive_option;
        Line::parse(line, option)
            .filter(|line| line.active || inactive)
            .map(|line| (line.active, line.value.map(str::to_owned)))
    };
    let mut settled = vec![false; range.len()];
    // Lines that have a value that is wanted.
    for at in range.clone() {
        let Some((active, value)) = parse(&lines[at]) else { continue };
        let Some(index) = wanted.iter().position(|one| one.is_none() || *one == value.as_deref()) else {
            continue;
        };
        let new = written(args, option, wanted.remove(index));
        settled[at - range.start] = true;
        if lines[at] != new && !(active && args.ignore_spaces) {
            lines[at] = new;
            message = "option changed";
        }
    }
    // The others take the values that are left, or go.
    let mut gone = Vec::new();
    if args.exclusive {
        for at in range.clone().filter(|at| !settled[at - range.start]) {
            if parse(&lines[at]).is_none() {
                continue;
            }
            message = "option changed";
            if wanted.is_empty() {
                gone.push(at);
            } else {
                lines[at] = written(args, option, wanted.remove(0));
            }
        }
    }
    if !wanted.is_empty() {
        // Behind the last line that says something.
        let says = |line: &&String| {
            let line = line.trim();
            !line.is_empty() && !line.starts_with(['#', ';'])
        };
        let last = lines[range.clone()].iter().rposition(|line| says(&line));
        let at = last.map_or(range.start, |last| range.start + last + 1);
        let new: Vec<String> = wanted.iter().map(|value| written(args, option, *value)).collect();
        lines.splice(at..at, new);
        message = "option added";
    }
    for at in gone.into_iter().rev() {
        lines.remove(at);
    }
    message
}
