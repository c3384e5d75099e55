//! `locale_gen`: locales of the C library (locale-gen(8)).

use crate::support::accounts::change;
use crate::support::files::depends;
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, Choice};
use provision_system::text::{bytes_to_text, text_to_bytes};
use provision_system::{Command, NewFile};
use std::path::Path;

/// Have locales made, or no longer: their lines in `/etc/locale.gen` are enabled or commented out, and `locale-gen` runs.
#[derive(Args)]
#[args(name = "locale_gen")]
pub struct LocaleGenArgs {
    /// The locales, as in `en_GB.UTF-8`.
    #[arg(required)]
    pub name: Vec<String>,
    /// Whether they shall be there.
    #[arg(default = "present")]
    pub state: State,
}

/// Whether they shall be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum State {
    Absent,
    Present,
}

/// The module.
pub struct LocaleGen;

const LIST: &str = "/etc/locale.gen";

impl Module for LocaleGen {
    type Args = LocaleGenArgs;

    fn run(args: LocaleGenArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let outcome = Outcome::new().with("name", args.name.clone()).with("mechanism", "glibc");
        let list = Path::new(LIST);
        if ctx.sys.stat(list, true)?.is_none() || ctx.sys.find_program("locale-gen")?.is_none() {
            if ctx.sys.uncertain() {
                ctx.sys.note("locales", "unknown", &args.name.join(", "))?;
                return Ok(depends(outcome, "locales may come with an earlier task"));
            }
            return Err(Failure::new(
                "/etc/locale.gen and locale-gen are missing: install the package \"locales\"",
            ));
        }
        let old = bytes_to_text(&ctx.sys.read(list)?);
        let unknown: Vec<&String> = args.name.iter().filter(|name| !available(ctx, &old, name)).collect();
        if !unknown.is_empty() {
            return Err(Failure::new(format!(
                "The following locales you have entered are not available on your system: {}",
                unknown.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ")
            )));
        }
        let made = bytes_to_text(&ctx.sys.query(&Command::new(["locale", "-a"]))?.stdout);
        let is_made = |name: &String| made.lines().any(|line| normal(line) == normal(name));
        let want = args.state == State::Present;
        let new = args.name.iter().fold(old.clone(), |text, name| set(&text, name, want));
        if new != old {
            ctx.sys.write(list, &mut text_to_bytes(&new).as_slice(), &NewFile::default())?;
        }
        if new != old || args.name.iter().any(|name| is_made(name) != want) {
            change(ctx, &Command::new(["locale-gen"]), "locale-gen failed: ")?;
        }
        Ok(outcome)
    }
}

/// Does the C library know how to make it?
fn available(ctx: &Ctx<'_>, list: &str, name: &str) -> bool {
    let supported = ctx.sys.read(Path::new("/usr/share/i18n/SUPPORTED")).unwrap_or_default();
    let first = |line: &str| line.trim_start_matches(['#', ' ']).split(' ').next() == Some(name);
    !name.contains(char::is_whitespace)
        && (bytes_to_text(&supported).lines().any(first) || list.lines().any(first))
}

/// A name without regard to how its encoding is spelled: `en_GB.UTF-8` and `en_GB.utf8`.
fn normal(name: &str) -> String {
    match name.split_once('.') {
        Some((language, encoding)) => format!("{language}.{}", encoding.to_lowercase().replace('-', "")),
        None => name.to_owned(),
    }
}

/// The list with the locale's line enabled or not; without one it is added.
fn set(text: &str, name: &str, on: bool) -> String {
    let mut found = false;
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        let plain = line.trim_start_matches(['#', ' ']);
        if plain.split_whitespace().next() != Some(name) {
            out.push_str(line);
            continue;
        }
        found = true;
        let active = !line.starts_with('#');
        match (on, active) {
            (true, false) => out.push_str(plain),
            (false, true) => out.push_str(&format!("# {line}")),
            _ => out.push_str(line),
        }
    }
    if on && !found {
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        let encoding =
            name.split_once('.').map_or("ISO-8859-1", |(_, rest)| rest.split('@').next().unwrap_or(rest));
        out.push_str(&format!("{name} {encoding}\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_switched() {
        let text = "# This file\n# en_GB.UTF-8 UTF-8\nde_DE.UTF-8 UTF-8\n";
        assert_eq!(set(text, "en_GB.UTF-8", true), text.replace("# en", "en"));
        assert_eq!(set(text, "de_DE.UTF-8", false), text.replace("de_DE", "# de_DE"));
        assert_eq!(set(text, "de_DE.UTF-8", true), text);
        assert_eq!(set("", "fr_FR.UTF-8", true), "fr_FR.UTF-8 UTF-8\n");
        assert_eq!(normal("en_GB.UTF-8"), normal("en_GB.utf8"));
    }
}
