//! Who reports, and whether in colour.

/// A kind of report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `Terminal`
    Human,
    Ansible,
    Json,
}

/// The reporter for `--output`; without one (or with `auto`) a person's on a terminal that can be drawn on, else
/// Ansible's lines. `env` looks an environment variable up.
///
/// # Errors
/// An unknown name, as a text for the user.
pub fn choose(
    output: Option<&str>,
    stdout_is_tty: bool,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Kind, String> {
    match output {
        Some("human") => Ok(Kind::Human),
        Some("ansible") => Ok(Kind::Ansible),
        Some("json") => Ok(Kind::Json),
        // Build servers keep logs: what moves is noise in them, also when they lend a terminal.
        None | Some("auto") => match stdout_is_tty && !is_dumb(env) && !is_on(env, "CI") {
            true => Ok(Kind::Human),
            false => Ok(Kind::Ansible),
        },
        Some(other) => Err(format!("--output: `{other}` is none of human, ansible, json, auto")),
    }
}

/// Colours? `flag` is --color: `always`, `never`, anything else leaves it to the environment, in this order:
/// <https://no-color.org>, <https://bixense.com/clicolors>, a dumb terminal, no terminal.
pub fn color(stdout_is_tty: bool, flag: Option<&str>, env: &dyn Fn(&str) -> Option<String>) -> bool {
    match flag {
        Some("always") => return true,
        Some("never") => return false,
        _ => {}
    }
    if env("NO_COLOR").is_some_and(|value| !value.is_empty()) || is_on(env, "ANSIBLE_NOCOLOR") {
        return false;
    }
    if ["CLICOLOR_FORCE", "FORCE_COLOR", "ANSIBLE_FORCE_COLOR"].iter().any(|name| is_on(env, name)) {
        return true;
    }
    stdout_is_tty && !is_dumb(env) && env("CLICOLOR").is_none_or(|value| value != "0")
}

/// The columns of the terminal that stdout is; none when it is no terminal.
pub fn columns() -> Option<usize> {
    let term = console::Term::stdout();
    if !term.is_term() {
        return None;
    }
    term.size_checked().map(|(_, columns)| usize::from(columns))
}

fn is_dumb(env: &dyn Fn(&str) -> Option<String>) -> bool {
    env("TERM").is_some_and(|term| term == "dumb")
}

fn is_on(env: &dyn Fn(&str) -> Option<String>, name: &str) -> bool {
    env(name).is_some_and(|value| {
        !matches!(value.to_ascii_lowercase().as_str(), "" | "0" | "false" | "no" | "off" | "n" | "f")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup<'a>(vars: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        move |name| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn colours() {
        for (tty, flag, vars, expected) in [
            (true, None, &[][..], true),
            (false, None, &[], false),
            (true, Some("auto"), &[], true),
            (false, Some("always"), &[("NO_COLOR", "1")], true),
            (true, Some("never"), &[("FORCE_COLOR", "1")], false),
            (true, None, &[("NO_COLOR", "1")], false),
            (true, None, &[("NO_COLOR", "")], true),
            (true, None, &[("NO_COLOR", "0")], false),
            (false, None, &[("CLICOLOR_FORCE", "1")], true),
            (false, None, &[("CLICOLOR_FORCE", "0")], false),
            (false, None, &[("FORCE_COLOR", "3")], true),
            (false, None, &[("NO_COLOR", "1"), ("FORCE_COLOR", "1")], false),
            (true, None, &[("TERM", "dumb")], false),
            (true, None, &[("TERM", "xterm-256color")], true),
            (false, None, &[("TERM", "dumb"), ("CLICOLOR_FORCE", "1")], true),
            (true, None, &[("CLICOLOR", "0")], false),
            (true, None, &[("ANSIBLE_NOCOLOR", "True")], false),
            (true, None, &[("ANSIBLE_NOCOLOR", "no")], true),
            (false, None, &[("ANSIBLE_FORCE_COLOR", "true")], true),
            (false, None, &[("ANSIBLE_FORCE_COLOR", "false")], false),
        ] {
            assert_eq!(color(tty, flag, &lookup(vars)), expected, "{tty} {flag:?} {vars:?}");
        }
    }

    #[test]
    fn kinds() {
        for (output, tty, vars, expected) in [
            (None, true, &[][..], Kind::Human),
            (None, false, &[], Kind::Ansible),
            (Some("auto"), true, &[], Kind::Human),
            (Some("auto"), true, &[("TERM", "dumb")], Kind::Ansible),
            (Some("auto"), true, &[("CI", "true")], Kind::Ansible),
            (Some("auto"), true, &[("CI", "false")], Kind::Human),
            (Some("human"), false, &[("CI", "true")], Kind::Human),
            (Some("ansible"), true, &[], Kind::Ansible),
            (Some("json"), true, &[], Kind::Json),
        ] {
            assert_eq!(choose(output, tty, &lookup(vars)), Ok(expected), "{output:?} {tty} {vars:?}");
        }
        let error = choose(Some("jsno"), true, &lookup(&[])).unwrap_err();
        assert_eq!(error, "--output: `jsno` is none of human, ansible, json, auto");
    }
}
