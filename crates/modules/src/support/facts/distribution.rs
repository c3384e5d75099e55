//! Which Linux it is, under Ansible's names.

use super::{Facts, Probe, assigned, put};
use serde_json::json;

/// A distribution as found.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    name: String,
    version: String,
    release: String,
    /// The file that told, and how it was read.
    path: &'static str,
    variety: &'static str,
    minor: Option<String>,
}

pub(super) fn distribution(probe: &Probe<'_>, facts: &mut Facts) {
    let os = probe.text("/etc/os-release").or_else(|| probe.text("/usr/lib/os-release")).unwrap_or_default();
    let found = red_hat(probe, &os)
        .or_else(|| by_marker(probe, &os))
        .or_else(|| debian(probe, &os))
        .unwrap_or_else(|| other(&os));
    let family = FAMILIES.iter().find(|(_, members)| members.contains(&found.name.as_str()));
    let major = found.version.split('.').next().unwrap_or_default();
    put(facts, "distribution", found.name.as_str());
    put(facts, "distribution_version", found.version.as_str());
    put(facts, "distribution_release", found.release.as_str());
    put(facts, "distribution_major_version", major);
    if let Some(minor) = found.minor {
        put(facts, "distribution_minor_version", minor);
    }
    if !found.path.is_empty() {
        put(facts, "distribution_file_path", found.path);
        put(facts, "distribution_file_variety", found.variety);
        put(facts, "distribution_file_parsed", true);
    }
    put(facts, "os_family", family.map_or(found.name.as_str(), |(family, _)| family));
}

/// The families of the distributions that are not their own.
const FAMILIES: &[(&str, &[&str])] = &[
    (
        "RedHat",
        &[
            "RedHat",
            "RHEL",
            "Fedora",
            "CentOS",
            "Scientific",
            "SLC",
            "Ascendos",
            "CloudLinux",
            "PSBM",
            "OracleLinux",
            "OVS",
            "OEL",
            "Amazon",
            "Amzn",
            "Virtuozzo",
            "XenServer",
            "Alibaba",
            "EulerOS",
            "openEuler",
            "AlmaLinux",
            "Rocky",
            "TencentOS",
            "EuroLinux",
            "Kylin Linux Advanced Server",
            "MIRACLE",
        ],
    ),
    (
        "Debian",
        &[
            "Debian",
            "Ubuntu",
            "Raspbian",
            "Neon",
            "KDE neon",
            "Linux Mint",
            "SteamOS",
            "Devuan",
            "Kali",
            "Cumulus Linux",
            "Pop!_OS",
            "Parrot",
            "Pardus GNU/Linux",
            "Uos",
            "Deepin",
            "OSMC",
            "Linux Mint Debian Edition",
        ],
    ),
    (
        "Suse",
        &[
            "SuSE",
            "SLES",
            "SLED",
            "openSUSE",
            "openSUSE Tumbleweed",
            "SLES_SAP",
            "SUSE_LINUX",
            "openSUSE Leap",
            "ALP-Dolomite",
            "SL-Micro",
            "openSUSE MicroOS",
            "SLE_HPC",
        ],
    ),
    ("Archlinux", &["Archlinux", "Antergos", "Manjaro"]),
    ("Mandrake", &["Mandrake", "Mandriva"]),
    ("Slackware", &["Slackware"]),
    ("Altlinux", &["Altlinux"]),
    ("Gentoo", &["Gentoo", "Funtoo"]),
    ("Alpine", &["Alpine"]),
    ("NixOS", &["NixOS"]),
    ("ClearLinux", &["Clear Linux OS", "Clear Linux Mix"]),
];

/// Debian and what is made from it.
fn debian(probe: &Probe<'_>, os: &str) -> Option<Found> {
    let id = assigned(os, "ID")?;
    let version_id = assigned(os, "VERSION_ID").unwrap_or_default();
    let codename = assigned(os, "VERSION_CODENAME").or_else(|| assigned(os, "UBUNTU_CODENAME"));
    let found = |name: &str, version: String| Found {
        name: name.to_owned(),
        version,
        release: codename.clone().unwrap_or_else(|| in_brackets(os).unwrap_or_else(|| "NA".to_owned())),
        path: "/etc/os-release",
        variety: "Debian",
        minor: None,
    };
    Some(match id.as_str() {
        "debian" | "raspbian" => {
            // os-release knows the major version only; testing has none at all.
            let point = probe.line("/etc/debian_version");
            let point = point.filter(|text| text.starts_with(|first: char| first.is_ascii_digit()));
            let version = point.unwrap_or(version_id);
            let minor = version.split_once('.').map(|(_, minor)| minor.to_owned());
            Found { minor, ..found("Debian", version) }
        }
        "ubuntu" => found("Ubuntu", version_id),
        "linuxmint" => Found { variety: "Linux Mint", ..found("Linux Mint", version_id) },
        "kali" => found("Kali", version_id),
        "devuan" => found("Devuan", version_id),
        "neon" => found("KDE neon", version_id),
        "pop" => found("Pop!_OS", version_id),
        "parrot" => found("Parrot", version_id),
        "uos" => found("Uos", version_id),
        "deepin" => found("Deepin", version_id),
        "steamos" => found("SteamOS", version_id),
        _ => return None,
    })
}

/// The word in the brackets of `VERSION="12 (bookworm)"`.
fn in_brackets(os: &str) -> Option<String> {
    let version = assigned(os, "VERSION")?;
    let (_, rest) = version.split_once('(')?;
    Some(rest.split(')').next()?.to_owned())
}

/// Red Hat and what is made from it: the release file goes before os-release.
fn red_hat(probe: &Probe<'_>, os: &str) -> Option<Found> {
    let id = assigned(os, "ID").unwrap_or_default();
    if id == "amzn" {
        let version = assigned(os, "VERSION_ID").unwrap_or_default();
        let minor = version.split_once('.').map_or("NA", |(_, minor)| minor).to_owned();
        return Some(Found {
            name: "Amazon".to_owned(),
            version,
            release: "NA".to_owned(),
            path: "/etc/os-release",
            variety: "Amazon",
            minor: Some(minor),
        });
    }
    let (path, variety, text) = [("/etc/oracle-release", "OracleLinux"), ("/etc/redhat-release", "RedHat")]
        .into_iter()
        .find_map(|(path, variety)| Some((path, variety, probe.line(path)?)))?;
    let name = [
        ("CentOS", "CentOS"),
        ("Red Hat", "RedHat"),
        ("Rocky", "Rocky"),
        ("AlmaLinux", "AlmaLinux"),
        ("Fedora", "Fedora"),
        ("Oracle", "OracleLinux"),
        ("Scientific", "Scientific"),
        ("CloudLinux", "CloudLinux"),
        ("EuroLinux", "EuroLinux"),
        ("MIRACLE", "MIRACLE"),
        ("Virtuozzo", "Virtuozzo"),
    ]
    .iter()
    .find(|(start, _)| text.starts_with(start))
    .map_or_else(|| text.split_whitespace().next().unwrap_or_default(), |(_, name)| name);
    let version = text
        .split_whitespace()
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))
        .map(str::to_owned)
        .or_else(|| assigned(os, "VERSION_ID"))
        .unwrap_or_default();
    let release = text.split_once('(').and_then(|(_, rest)| rest.split(')').next()).unwrap_or_default();
    let release = match () {
        () if text.contains("Stream") => "Stream",
        () if name == "Fedora" => "",
        () => release,
    };
    Some(Found { name: name.to_owned(), version, release: release.to_owned(), path, variety, minor: None })
}

/// Distributions known by a file of their own.
fn by_marker(probe: &Probe<'_>, os: &str) -> Option<Found> {
    let id = assigned(os, "ID").unwrap_or_default();
    let version_id = || assigned(os, "VERSION_ID").unwrap_or_default();
    let found = |name: &str, version: String, release: &str, path, variety| {
        Some(Found {
            name: name.to_owned(),
            version,
            release: release.to_owned(),
            path,
            variety,
            minor: None,
        })
    };
    if let Some(version) = probe.line("/etc/alpine-release") {
        return found("Alpine", version, "NA", "/etc/alpine-release", "Alpine");
    }
    if probe.exists("/etc/arch-release") && id != "manjaro" {
        let version = assigned(os, "BUILD_ID").unwrap_or_else(|| "NA".to_owned());
        return found("Archlinux", version, "NA", "/etc/arch-release", "Archlinux");
    }
    if probe.exists("/etc/gentoo-release") {
        let text = probe.line("/etc/gentoo-release").unwrap_or_default();
        let version = text.split_whitespace().last().unwrap_or_default().to_owned();
        return found("Gentoo", version, "NA", "/etc/gentoo-release", "Gentoo");
    }
    let suse = match id.as_str() {
        "opensuse-leap" => "openSUSE Leap",
        "opensuse-tumbleweed" => "openSUSE Tumbleweed",
        "opensuse-microos" => "openSUSE MicroOS",
        "opensuse" => "openSUSE",
        "sles" => "SLES",
        "sles_sap" => "SLES_SAP",
        "sled" => "SLED",
        "sle_hpc" => "SLE_HPC",
        "sl-micro" => "SL-Micro",
        _ => return None,
    };
    let version = version_id();
    // The service pack, where the version has one.
    let release = version.split_once('.').map_or("0", |(_, minor)| minor).to_owned();
    found(suse, version, &release, "/etc/os-release", "SUSE")
}

/// A distribution nobody has heard of, by what it says of itself.
fn other(os: &str) -> Found {
    let name = assigned(os, "NAME").or_else(|| assigned(os, "ID")).unwrap_or_else(|| "Linux".to_owned());
    let version = assigned(os, "VERSION_ID").unwrap_or_else(|| "NA".to_owned());
    let release = assigned(os, "VERSION_CODENAME").unwrap_or_else(|| "NA".to_owned());
    let path = if os.is_empty() { "" } else { "/etc/os-release" };
    Found { name, version, release, path, variety: "NA", minor: None }
}

/// Linux Standard Base: as `lsb_release` or its file tell it; empty where there is neither.
pub(super) fn lsb(probe: &Probe<'_>, facts: &mut Facts) {
    let text = probe.text("/etc/lsb-release").filter(|text| text.contains("DISTRIB_ID="));
    let described = match text {
        Some(text) => ["ID", "RELEASE", "CODENAME", "DESCRIPTION"]
            .map(|key| assigned(&text, &format!("DISTRIB_{key}")).unwrap_or_default()),
        None if probe.has_program("lsb_release") => {
            // The program's own source, without starting it.
            let os = probe.text("/etc/os-release").unwrap_or_default();
            let name = assigned(&os, "NAME").unwrap_or_default();
            [
                name.split_whitespace().next().unwrap_or_default().to_owned(),
                assigned(&os, "VERSION_ID").unwrap_or_default(),
                assigned(&os, "VERSION_CODENAME").unwrap_or_default(),
                assigned(&os, "PRETTY_NAME").unwrap_or_default(),
            ]
        }
        None => return put(facts, "lsb", json!({})),
    };
    let [id, release, codename, description] = described;
    let major = release.split('.').next().unwrap_or_default().to_owned();
    put(
        facts,
        "lsb",
        json!({"id": id, "release": release, "codename": codename, "description": description,
            "major_release": major}),
    );
}
