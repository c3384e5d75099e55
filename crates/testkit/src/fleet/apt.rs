//! The mirrors: read from the machine's own apt configuration, or from debootstrap's defaults. None is named here.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::Distro;
use crate::run;

/// One `deb` entry: where, which suites, which components.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub uri: String,
    pub suites: Vec<String>,
    pub components: Vec<String>,
}

/// Where a distribution's packages come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirrors {
    pub main: String,
    /// The security archive, if it is known.
    pub security: Option<String>,
}

impl Mirrors {
    /// The mirrors for `distro`, with `http` or `https` as the machine has them.
    ///
    /// # Errors
    /// If the machine's apt configuration names no Debian mirror and debootstrap's defaults are not there either.
    pub fn of(distro: Distro) -> Result<Mirrors> {
        if distro == Distro::Noble { ubuntu() } else { debian() }
    }

    /// The lines for the new host's sources.list. Over plain http: packages are signed, and the cache can keep them.
    pub fn lines(&self, distro: Distro) -> Vec<String> {
        let (suite, components) = (distro.suite(), distro.components());
        let main = plain(&self.main);
        let mut lines = vec![
            format!("deb {main} {suite} {components}"),
            format!("deb {main} {suite}-updates {components}"),
        ];
        if let Some(security) = &self.security {
            lines.push(format!("deb {} {suite}-security {components}", plain(security)));
        }
        lines
    }

    /// `scheme://host` of each mirror.
    pub fn origins(&self) -> Vec<String> {
        let uris = [Some(&self.main), self.security.as_ref()];
        let mut all: Vec<String> = uris.into_iter().flatten().filter_map(|uri| origin(uri)).collect();
        all.dedup();
        all
    }
}

/// Reads one-line style (`sources.list`, `*.list`). Entries over anything but http(s) are left out.
pub fn parse_list(text: &str) -> Vec<Source> {
    let mut found = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let Some(rest) = line.trim().strip_prefix("deb ").map(str::trim_start) else { continue };
        let rest = match rest.strip_prefix('[') {
            Some(options) => options.split_once(']').map_or("", |(_, after)| after),
            None => rest,
        };
        let words: Vec<String> = rest.split_whitespace().map(String::from).collect();
        if let [uri, suite, components @ ..] = words.as_slice()
            && is_http(uri)
        {
            found.push(Source {
                uri: trim(uri),
                suites: vec![suite.clone()],
                components: components.to_vec(),
            });
        }
    }
    found
}

/// Reads deb822 style (`*.sources`), with continuation lines, comments and `Enabled: no`.
pub fn parse_deb822(text: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let lines: Vec<&str> = text.lines().filter(|l| !l.starts_with('#')).collect();
    for stanza in lines.split(|l| l.trim().is_empty()) {
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in stanza {
            if line.starts_with([' ', '\t']) {
                if let Some((_, value)) = fields.last_mut() {
                    value.push(' ');
                    value.push_str(line.trim());
                }
            } else if let Some((name, value)) = line.split_once(':') {
                fields.push((name.trim().to_ascii_lowercase(), value.trim().to_string()));
            }
        }
        let get = |name: &str| -> Vec<String> {
            let value = fields.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str());
            value.split_whitespace().map(String::from).collect()
        };
        let disabled = get("enabled").first().is_some_and(|v| matches!(v.as_str(), "no" | "false" | "0"));
        if disabled || !get("types").iter().any(|t| t == "deb") {
            continue;
        }
        for uri in get("uris").iter().filter(|u| is_http(u)) {
            found.push(Source { uri: trim(uri), suites: get("suites"), components: get("components") });
        }
    }
    found
}

/// Picks Debian's own mirrors out of everything a machine has configured (other vendors' entries stand beside them).
pub fn pick(sources: &[Source], codename: &str) -> Option<Mirrors> {
    const ALIASES: [&str; 5] = ["stable", "oldstable", "testing", "unstable", "sid"];
    let is_ours = |suite: &str| suite == codename || ALIASES.contains(&suite);
    let has_main = |s: &&Source| s.components.iter().any(|c| c == "main");
    let main = sources.iter().filter(has_main).find(|s| s.suites.iter().any(|suite| is_ours(suite)))?;
    let security = sources.iter().filter(has_main).find(|s| {
        s.suites.iter().any(|suite| {
            let name = suite.strip_suffix("-security").or_else(|| suite.strip_suffix("/updates"));
            name.is_some_and(is_ours)
        })
    });
    Some(Mirrors { main: main.uri.clone(), security: security.map(|s| s.uri.clone()) })
}

/// A value of apt's own configuration, such as `Acquire::http::Proxy`; `None` if it is not set.
pub fn config(name: &str) -> Option<String> {
    let out = run::output(&mut run::cmd("apt-config", ["shell", "V", name])).ok()?;
    let value = out.stdout.trim().strip_prefix("V='")?.strip_suffix('\'')?;
    Some(value.to_string()).filter(|v| !v.is_empty())
}

const DEBOOTSTRAP: &str = "/usr/sbin/debootstrap";
/// debootstrap's script for all Ubuntu suites of our time (`noble` is a link to it).
pub const UBUNTU_SCRIPT: &str = "/usr/share/debootstrap/scripts/gutsy";

fn debian() -> Result<Mirrors> {
    if let Some(mirrors) = pick(&configured(Path::new("/etc/apt")), &codename()) {
        return Ok(mirrors);
    }
    // Not a Debian machine: debootstrap knows the default.
    let script = fs::read_to_string(DEBOOTSTRAP).context(
        "no Debian mirror in /etc/apt/sources.list*, and debootstrap is not installed to ask for its default",
    )?;
    let main = script
        .lines()
        .find_map(|l| l.trim().strip_prefix("DEF_MIRROR="))
        .map(|v| v.trim_matches('"').to_string())
        .filter(|v| is_http(v))
        .context("debootstrap's DEF_MIRROR cannot be read")?;
    Ok(Mirrors { main: trim(&main), security: None })
}

fn ubuntu() -> Result<Mirrors> {
    // The script is shell code that calls default_mirror with the right URL for this architecture and suite.
    let stub = "set -u; default_mirror() { echo \"$1\"; }; \
        for f in mirror_style download_style finddebs_style variants keyring info warning; do eval \"$f() { :; }\"; done; \
        doing_variant() { false; }; . \"$1\"";
    let mut command = run::cmd("sh", ["-c", stub, "sh", UBUNTU_SCRIPT]);
    command.env("SUITE", Distro::Noble.suite()).env("ARCH", dpkg_architecture()?);
    let said = run::output(&mut command)?;
    let Some(main) = said.stdout.split_whitespace().rfind(|u| is_http(u)) else {
        bail!("debootstrap's scripts name no Ubuntu mirror: {}", run::tail(&said.stderr));
    };
    // The main archive carries the -security pocket too.
    Ok(Mirrors { main: trim(main), security: Some(trim(main)) })
}

/// Debian's name for this machine's architecture, such as `amd64`.
pub fn dpkg_architecture() -> Result<String> {
    Ok(run::check(&mut run::cmd("dpkg", ["--print-architecture"]))?.trim().to_string())
}

fn configured(etc: &Path) -> Vec<Source> {
    let mut files = vec![etc.join("sources.list")];
    if let Ok(dir) = fs::read_dir(etc.join("sources.list.d")) {
        let mut more: Vec<_> = dir.flatten().map(|e| e.path()).collect();
        more.sort();
        files.extend(more);
    }
    let mut found = Vec::new();
    for file in files {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        match file.extension().and_then(|e| e.to_str()) {
            Some("list") => found.extend(parse_list(&text)),
            Some("sources") => found.extend(parse_deb822(&text)),
            _ => {}
        }
    }
    found
}

fn codename() -> String {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let value = text.lines().find_map(|l| l.strip_prefix("VERSION_CODENAME="));
    value.unwrap_or("stable").trim_matches('"').to_string()
}

fn origin(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once("://")?;
    Some(format!("{scheme}://{}", rest.split('/').next()?))
}

fn is_http(uri: &str) -> bool {
    uri.starts_with("http://") || uri.starts_with("https://")
}

fn trim(uri: &str) -> String {
    uri.trim_end_matches('/').to_string()
}

fn plain(uri: &str) -> String {
    uri.strip_prefix("https://").map_or_else(|| uri.to_string(), |rest| format!("http://{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_entries_with_options_and_comments() {
        let text = "# deb http://old.example/debian bookworm main\n\
            deb [arch=amd64 signed-by=/k.gpg] https://mirror.example/debian/ bookworm main contrib # near\n\
            deb-src http://mirror.example/debian bookworm main\n\
            deb cdrom:[Debian 12]/ bookworm main\n";
        let found = parse_list(text);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].uri, "https://mirror.example/debian");
        assert_eq!(found[0].components, ["main", "contrib"]);
    }

    #[test]
    fn deb822_stanzas_with_continuations_and_disabled_ones() {
        let text = "Types: deb deb-src\n# a comment\nURIs: http://mirror.example/debian\nSuites: bookworm\n bookworm-updates\n\
            Components: main\n\nTypes: deb\nURIs: http://off.example/debian\nSuites: bookworm\nComponents: main\nEnabled: no\n\n\
            Types: deb-src\nURIs: http://src.example/\nSuites: bookworm\nComponents: main\n";
        let found = parse_deb822(text);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].suites, ["bookworm", "bookworm-updates"]);
    }

    #[test]
    fn debian_is_told_from_other_vendors() {
        let sources = [
            parse_list("deb https://vendor.example/apt tool-bookworm main"),
            parse_list(
                "deb http://m.example/debian bookworm main\ndeb http://s.example/sec bookworm-security main",
            ),
        ]
        .concat();
        let mirrors = pick(&sources, "bookworm").unwrap();
        assert_eq!(mirrors.main, "http://m.example/debian");
        assert_eq!(mirrors.security.as_deref(), Some("http://s.example/sec"));
        assert_eq!(pick(&sources[..1], "bookworm"), None);
    }

    #[test]
    fn the_cache_sees_plain_http_and_the_suite_of_the_new_host() {
        let mirrors = Mirrors {
            main: "https://m.example/debian".into(),
            security: Some("https://s.example/sec".into()),
        };
        assert_eq!(
            mirrors.lines(Distro::Trixie),
            [
                "deb http://m.example/debian trixie main",
                "deb http://m.example/debian trixie-updates main",
                "deb http://s.example/sec trixie-security main"
            ]
        );
        assert_eq!(mirrors.origins(), ["https://m.example", "https://s.example"]);
    }
}
