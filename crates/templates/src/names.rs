//! Names of filters and tests: namespaces and "did you mean".

use crate::error::{ErrorKind, TemplateError};

/// Collections whose filters and tests of ours may be written with their full name.
const NAMESPACES: [&str; 7] = [
    "ansible.builtin.",
    "ansible.legacy.",
    "ansible.utils.",
    "ansible.netcommon.",
    "ansible.posix.",
    "community.general.",
    "community.crypto.",
];

/// The name without a namespace we know.
pub(crate) fn short(name: &str) -> &str {
    NAMESPACES.iter().find_map(|namespace| name.strip_prefix(namespace)).unwrap_or(name)
}

pub(crate) fn unknown_filter(name: &str) -> TemplateError {
    unknown(name, "filter", &crate::filters::names(), ErrorKind::UnknownFilter { name: name.to_owned() })
}

pub(crate) fn unknown_test(name: &str) -> TemplateError {
    unknown(name, "test", &crate::tests::names(), ErrorKind::UnknownTest { name: name.to_owned() })
}

fn unknown(name: &str, what: &str, known: &[&str], kind: ErrorKind) -> TemplateError {
    let mut message = format!("No {what} named '{name}'.");
    if let Some(near) = nearest(name, known) {
        message.push_str(&format!(" Did you mean '{near}'?"));
    }
    TemplateError::new(kind, message)
}

/// The known name that looks most like `name`, if one does.
pub(crate) fn nearest(name: &str, known: &[&str]) -> Option<String> {
    let name = short(name);
    known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), *candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate.to_owned())
}
