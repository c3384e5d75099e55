//! What dpkg knows, read from its own files: no process is needed to see that a package is installed.

use super::glob;
use crate::{Ctx, Failure};
use provision_system::text::{bytes_to_text, to_text};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::Path;

const DIR: &str = "/var/lib/dpkg";

/// One package of dpkg's list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Package {
    pub name: String,
    pub arch: String,
    pub version: String,
    /// The third word of its status: "installed", "config-files", "half-configured", …
    pub state: String,
    pub section: String,
    /// Names it stands in for.
    pub provides: Vec<String>,
}

impl Package {
    /// Unpacked and configured; what its triggers have left to do does not count.
    pub fn is_installed(&self) -> bool {
        matches!(self.state.as_str(), "installed" | "triggers-pending" | "triggers-awaited")
    }

    /// Its files are there, configured or not.
    pub fn has_files(&self) -> bool {
        !matches!(self.state.as_str(), "not-installed" | "config-files" | "")
    }
}

/// All packages that dpkg knows, by name; one entry per processor.
#[derive(Debug, Default)]
pub struct Database {
    packages: BTreeMap<String, Vec<Package>>,
}

impl Database {
    /// Reads dpkg's status, and what an interrupted dpkg has not merged into it. Empty where dpkg never ran.
    pub fn read(ctx: &Ctx<'_>) -> Result<Self, Failure> {
        let mut this = Self::default();
        let dir = Path::new(DIR);
        if ctx.sys.stat(&dir.join("status"), true)?.is_some() {
            this.merge(&ctx.sys.read(&dir.join("status"))?);
        }
        let updates = dir.join("updates");
        if ctx.sys.stat(&updates, true)?.is_some() {
            for name in ctx.sys.read_dir(&updates)? {
                if to_text(&name).bytes().all(|byte| byte.is_ascii_digit()) {
                    this.merge(&ctx.sys.read(&updates.join(&name))?);
                }
            }
        }
        Ok(this)
    }

    fn merge(&mut self, text: &[u8]) {
        let mut package = Package::default();
        for line in text.split(|&byte| byte == b'\n') {
            if line.is_empty() {
                self.add(std::mem::take(&mut package));
                continue;
            }
            let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
            // Continuation lines begin with a space and match no name.
            let value = || bytes_to_text(line[colon + 1..].trim_ascii());
            match &line[..colon] {
                b"Package" => package.name = value(),
                b"Architecture" => package.arch = value(),
                b"Version" => package.version = value(),
                b"Section" => package.section = value(),
                b"Status" => package.state = value().split(' ').nth(2).unwrap_or_default().to_owned(),
                b"Provides" => {
                    let word = |item: &str| item.split_whitespace().next().map(str::to_owned);
                    package.provides = value().split(',').filter_map(word).collect();
                }
                _ => {}
            }
        }
        self.add(package);
    }

    fn add(&mut self, package: Package) {
        if package.name.is_empty() {
            return;
        }
        let same = self.packages.entry(package.name.clone()).or_default();
        same.retain(|other| other.arch != package.arch);
        same.push(package);
    }

    /// The processor that packages are for when none is named.
    fn native(&self) -> Option<&str> {
        self.packages.get("dpkg").and_then(|all| all.first()).map(|dpkg| dpkg.arch.as_str())
    }

    /// The package of that name for this processor, or for the one named.
    pub fn find(&self, name: &str, arch: Option<&str>) -> Option<&Package> {
        let all = self.packages.get(name)?;
        let native = self.native();
        let fits = |package: &&Package| match arch {
            Some("any") => true,
            None | Some("native") => {
                package.arch == "all" || native.is_none_or(|native| native == package.arch)
            }
            Some(arch) => package.arch == arch || (package.arch == "all" && native == Some(arch)),
        };
        all.iter().filter(fits).max_by_key(|package| (package.is_installed(), package.has_files()))
    }

    /// An installed package that stands in for `name`.
    pub fn provider(&self, name: &str) -> Option<&Package> {
        let provides = |package: &&Package| package.provides.iter().any(|other| other == name);
        self.packages.values().flatten().filter(|package| package.is_installed()).find(provides)
    }

    /// Names of packages with files that match a shell pattern.
    pub fn matching(&self, pattern: &str, with_config: bool) -> Vec<&str> {
        let there =
            |package: &Package| package.has_files() || (with_config && package.state == "config-files");
        let all = self.packages.iter().filter(|(_, all)| all.iter().any(there));
        all.map(|(name, _)| name.as_str()).filter(|name| glob::matches(pattern, name)).collect()
    }

    /// What is installed, by name.
    pub fn installed(&self) -> impl Iterator<Item = &Package> {
        self.packages.values().flatten().filter(|package| package.is_installed())
    }

    /// What is installed: versions by name (with `:arch` where it is not this processor's).
    pub fn versions(&self) -> BTreeMap<String, String> {
        let native = self.native();
        let shown = |package: &Package| {
            let foreign = package.arch != "all" && native.is_some_and(|native| native != package.arch);
            if foreign { format!("{}:{}", package.name, package.arch) } else { package.name.clone() }
        };
        let there = self.packages.values().flatten().filter(|package| package.has_files());
        there.map(|package| (shown(package), package.version.clone())).collect()
    }
}

/// Whether a version is older or newer, as dpkg orders them (deb-version(7)).
pub fn compare(one: &str, other: &str) -> Ordering {
    let (one_epoch, one) = epoch(one);
    let (other_epoch, other) = epoch(other);
    let (one, one_revision) = one.rsplit_once('-').unwrap_or((one, ""));
    let (other, other_revision) = other.rsplit_once('-').unwrap_or((other, ""));
    one_epoch
        .cmp(&other_epoch)
        .then_with(|| compare_part(one, other))
        .then_with(|| compare_part(one_revision, other_revision))
}

fn epoch(version: &str) -> (u64, &str) {
    match version.split_once(':') {
        Some((epoch, rest)) => (epoch.parse().unwrap_or(0), rest),
        None => (0, version),
    }
}

fn compare_part(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one.as_bytes(), other.as_bytes());
    while !one.is_empty() || !other.is_empty() {
        // Letters first, up to the next digit in either.
        loop {
            let not_digit = |text: &[u8]| text.first().is_some_and(|byte| !byte.is_ascii_digit());
            if !not_digit(one) && !not_digit(other) {
                break;
            }
            match weight(one.first()).cmp(&weight(other.first())) {
                Ordering::Equal => (one, other) = (&one[1..], &other[1..]),
                unequal => return unequal,
            }
        }
        let (one_number, one_rest) = number(one);
        let (other_number, other_rest) = number(other);
        let by_length = one_number.len().cmp(&other_number.len());
        match by_length.then_with(|| one_number.cmp(other_number)) {
            Ordering::Equal => (one, other) = (one_rest, other_rest),
            unequal => return unequal,
        }
    }
    Ordering::Equal
}

/// `~` goes before the end, the end before letters, letters before everything else.
fn weight(byte: Option<&u8>) -> i32 {
    match byte {
        Some(b'~') => -1,
        None => 0,
        Some(byte) if byte.is_ascii_digit() => 0,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    }
}

/// The digits in front, without leading zeros, and the rest.
fn number(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let zeros = digits.iter().position(|&byte| byte != b'0').unwrap_or(digits.len());
    (&digits[zeros..], rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_dpkg_orders_them() {
        for pair in [
            ["1.0~rc1", "1.0"],
            ["1.0", "1.0a"],
            ["1.0a", "1.0+b1"],
            ["1.9", "1.10"],
            ["1.0-1", "1.0-1.1"],
            ["9.9", "1:0.1"],
            ["1.22.1-9~deb11", "1.22.1-9"],
            ["1.0", "1.0-1"],
        ] {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(compare(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
        }
        assert_eq!(compare("1.01", "1.1"), Ordering::Equal);
        assert_eq!(compare("0:1.0", "1.0"), Ordering::Equal);
    }
}
