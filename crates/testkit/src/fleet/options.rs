//! What kind of host: which distribution, with or without Python, with which packages already installed.

use std::fmt;
use std::str::FromStr;

use anyhow::{Result, bail};

/// A distribution we can boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Distro {
    /// Debian 11
    Bullseye,
    /// Debian 12
    #[default]
    Bookworm,
    /// Debian 13
    Trixie,
    /// Ubuntu 24.04
    Noble,
}

impl Distro {
    pub const ALL: [Distro; 4] = [Distro::Bullseye, Distro::Bookworm, Distro::Trixie, Distro::Noble];

    /// The release's code name, as sources.list has it.
    pub fn suite(self) -> &'static str {
        match self {
            Distro::Bullseye => "bullseye",
            Distro::Bookworm => "bookworm",
            Distro::Trixie => "trixie",
            Distro::Noble => "noble",
        }
    }

    pub(crate) fn components(self) -> &'static str {
        // certbot and iptables-persistent are in Ubuntu's universe.
        if self == Distro::Noble { "main universe" } else { "main" }
    }
}

impl fmt::Display for Distro {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.suite())
    }
}

impl FromStr for Distro {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Distro> {
        match Distro::ALL.into_iter().find(|d| d.suite() == name) {
            Some(distro) => Ok(distro),
            None => bail!("no distribution {name}: there are {}", Distro::ALL.map(|d| d.suite()).join(", ")),
        }
    }
}

/// Packages (and a script run after them) put on top of a base once and shared by all hosts that ask for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layer {
    pub name: &'static str,
    pub packages: &'static [&'static str],
    /// Run with `sh -eu` in the new root, without systemd; may be empty.
    pub script: &'static str,
}

impl Layer {
    /// What the site playbook installs, minus certbot.
    pub const NGINX: Layer =
        Layer { name: "nginx", packages: &["nginx", "openssl", "iptables-persistent"], script: "" };
    /// The same with certbot.
    pub const CERTBOT: Layer = Layer {
        name: "certbot",
        packages: &["nginx", "openssl", "iptables-persistent", "certbot"],
        script: "",
    };
    /// The layers that have a name on the command line.
    pub const ALL: [Layer; 2] = [Layer::NGINX, Layer::CERTBOT];

    /// # Errors
    /// If no built-in layer has this name.
    pub fn named(name: &str) -> Result<Layer> {
        match Layer::ALL.into_iter().find(|l| l.name == name) {
            Some(layer) => Ok(layer),
            None => bail!("no layer {name}: there are {}", Layer::ALL.map(|l| l.name).join(", ")),
        }
    }
}

/// Which host to boot. The default is a bookworm without Python and without further packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    pub distro: Distro,
    /// python3 and python3-apt, for tools that need an interpreter on the target.
    pub python: bool,
    pub layer: Option<Layer>,
}

impl Options {
    pub fn of(distro: Distro) -> Options {
        Options { distro, ..Options::default() }
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.distro, if self.python { "-py" } else { "" })?;
        self.layer.map_or(Ok(()), |layer| write!(f, "+{}", layer.name))
    }
}

impl FromStr for Options {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Options> {
        let (base, layer) = text.split_once('+').map_or((text, None), |(b, l)| (b, Some(l)));
        let (distro, python) = base.strip_suffix("-py").map_or((base, false), |d| (d, true));
        Ok(Options { distro: distro.parse()?, python, layer: layer.map(Layer::named).transpose()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for distro in Distro::ALL {
            assert_eq!(distro.to_string().parse::<Distro>().unwrap(), distro);
        }
        assert!("etch".parse::<Distro>().unwrap_err().to_string().contains("bookworm"));
        let options = Options { python: true, layer: Some(Layer::NGINX), ..Options::of(Distro::Noble) };
        assert_eq!(options.to_string(), "noble-py+nginx");
        assert_eq!("noble-py+nginx".parse::<Options>().unwrap(), options);
    }
}
