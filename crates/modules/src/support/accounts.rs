//! The files that hold users and groups, read line by line.

use crate::{Ctx, Failure};
use provision_system::text::bytes_to_text;
use provision_system::{Command, Effect, Ran};
use std::path::Path;

/// A line of shadow(5). Days count from 1970; empty fields are None.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shadow {
    pub hash: String,
    pub min: Option<i64>,
    pub max: Option<i64>,
    pub warn: Option<i64>,
    pub inactive: Option<i64>,
    pub expire: Option<i64>,
}

/// The user's entry; None when there is none or the file may not be read.
pub fn shadow(ctx: &Ctx<'_>, name: &str) -> Option<Shadow> {
    let text = bytes_to_text(&ctx.sys.read(Path::new("/etc/shadow")).ok()?);
    let line = text.lines().find(|line| line.split(':').next() == Some(name))?;
    let fields: Vec<&str> = line.split(':').collect();
    let days = |index: usize| fields.get(index).and_then(|field| field.parse().ok());
    Some(Shadow {
        hash: (*fields.get(1)?).to_owned(),
        min: days(3),
        max: days(4),
        warn: days(5),
        inactive: days(6),
        expire: days(7),
    })
}

/// Names of the groups that list the user as a member, sorted.
pub fn groups_of(ctx: &Ctx<'_>, user: &str) -> Result<Vec<String>, Failure> {
    let mut names: Vec<String> = lines(ctx, "/etc/group")?
        .iter()
        .filter(|fields| fields.get(3).is_some_and(|members| members.split(',').any(|member| member == user)))
        .filter_map(|fields| fields.first().cloned())
        .collect();
    names.sort();
    names.dedup();
    Ok(names)
}

/// The next number that passwd and group do not use, for a dry run: what useradd will choose is its own affair.
pub fn next_id(ctx: &Ctx<'_>, system: bool) -> Result<u32, Failure> {
    let range = if system { 100..1000 } else { 1000..60_000 };
    let mut used = Vec::new();
    for path in ["/etc/passwd", "/etc/group"] {
        used.extend(lines(ctx, path)?.iter().filter_map(|fields| fields.get(2)?.parse::<u32>().ok()));
    }
    Ok(range.clone().find(|id| !used.contains(id)).unwrap_or(range.end))
}

/// Runs a tool of the shadow suite. False in a dry run.
pub fn change(ctx: &Ctx<'_>, command: &Command, failed: &str) -> Result<bool, Failure> {
    match ctx.sys.run(command, Effect::Change)? {
        Ran::Done(output) if !output.ok() => {
            let why = [output.err(), output.out()].into_iter().find(|text| !text.trim().is_empty());
            let why = why.unwrap_or_else(|| format!("exit status {}", output.rc));
            Err(Failure::new(format!("{failed}{}", why.trim())).with("rc", output.rc))
        }
        Ran::Done(_) => Ok(true),
        Ran::NotRun => Ok(false),
    }
}

fn lines(ctx: &Ctx<'_>, path: &str) -> Result<Vec<Vec<String>>, Failure> {
    if ctx.sys.stat(Path::new(path), true)?.is_none() {
        return Ok(Vec::new());
    }
    let text = bytes_to_text(&ctx.sys.read(Path::new(path))?);
    Ok(text.lines().map(|line| line.split(':').map(str::to_owned).collect()).collect())
}
