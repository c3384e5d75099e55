//! The end: what all hosts came to, and a table of those that are not plain ok.

use crate::text::{Colour, duration, names, paint, width};
use provision_engine::event::HostStats;

/// The recap's lines.
pub fn recap(
    stats: &[HostStats],
    seconds: f64,
    interrupted: bool,
    check: bool,
    columns: usize,
    color: bool,
) -> String {
    // Hosts of the inventory that no play touched are none of this run's.
    let stats: Vec<&HostStats> = stats.iter().filter(|stat| is_touched(stat)).collect();
    let stats = &*stats;
    let changed = if check { "would change" } else { "changed" };
    let kinds = [
        ("unreachable", Colour::Unreachable, count(stats, |s| s.unreachable > 0)),
        ("failed", Colour::Error, count(stats, |s| s.unreachable == 0 && s.failed > 0)),
        (changed, Colour::Changed, count(stats, |s| !is_broken(s) && s.changed > 0)),
        ("ok", Colour::Ok, count(stats, |s| !is_broken(s) && s.changed == 0)),
    ];
    let totals: Vec<String> = kinds
        .iter()
        .filter(|(_, _, count)| *count > 0)
        .map(|(word, colour, count)| paint(&format!("{count} {word}"), *colour, color))
        .collect();
    let hosts = if stats.len() == 1 { "1 host".to_owned() } else { format!("{} hosts", stats.len()) };
    let totals = if totals.is_empty() { "nothing done".to_owned() } else { totals.join(", ") };
    let mut out = String::from("\n");
    if interrupted {
        out += &paint("Interrupted: not all tasks were run.", Colour::Error, color);
        out.push('\n');
    }
    out += &format!("{hosts}: {totals} in {}\n", duration(seconds));
    out += &table(stats, changed, columns, color);
    out
}

fn is_touched(stat: &HostStats) -> bool {
    let s = stat;
    s.ok + s.changed + s.unreachable + s.failed + s.skipped + s.rescued + s.ignored > 0
}

fn is_broken(stat: &HostStats) -> bool {
    stat.unreachable > 0 || stat.failed > 0
}

fn count(stats: &[&HostStats], is: impl Fn(&HostStats) -> bool) -> usize {
    stats.iter().filter(|stat| is(stat)).count()
}

/// Hosts with equal counts share a row; the broken come first.
fn table(stats: &[&HostStats], changed: &str, columns: usize, color: bool) -> String {
    let mut rows: Vec<([u64; 7], Vec<&str>)> = Vec::new();
    for stat in stats.iter().filter(|stat| is_broken(stat) || stat.changed > 0) {
        let row =
            [stat.unreachable, stat.failed, stat.changed, stat.ok, stat.skipped, stat.rescued, stat.ignored];
        match rows.iter_mut().find(|(counts, _)| *counts == row) {
            Some((_, hosts)) => hosts.push(&stat.host),
            None => rows.push((row, vec![&stat.host])),
        }
    }
    if rows.is_empty() {
        return String::new();
    }
    rows.sort_by_key(|(row, _)| (row[0] == 0, row[1] == 0));
    let heads = ["unreachable", "failed", changed, "ok", "skipped", "rescued", "ignored"];
    let used: Vec<usize> = (0..heads.len()).filter(|at| rows.iter().any(|(row, _)| row[*at] > 0)).collect();
    let numbers: usize = used.iter().map(|at| heads[*at].len() + 2).sum();
    let room = columns.saturating_sub(numbers + 2).max(16);
    let names: Vec<String> = rows.iter().map(|(_, hosts)| names(hosts, room)).collect();
    let widest = names.iter().map(|name| width(name)).max().unwrap_or(0);
    let mut out = format!("  {}", " ".repeat(widest));
    for at in &used {
        out += &format!("  {}", heads[*at]);
    }
    out.push('\n');
    for ((row, _), name) in rows.iter().zip(&names) {
        let mut line = format!("  {name}{}", " ".repeat(widest - width(name)));
        for at in &used {
            line += &format!("  {:>1$}", row[*at], heads[*at].len());
        }
        let colour = if row[0] > 0 || row[1] > 0 { Colour::Error } else { Colour::Changed };
        out += &paint(&line, colour, color);
        out.push('\n');
    }
    out
}
