//! Names of filters and tests: collections and "did you mean".

use crate::error::{ErrorKind, TemplateError};
use crate::filters::Filter;
use crate::ops::Result;
use crate::tests::Test;
use std::borrow::Cow;

/// What ansible-core has itself goes by its short name, or with this before it.
const BUILTIN: &str = "ansible.builtin.";

/// Short names of old that mean a filter of a collection: ansible-core sends the first two there, and sent the
/// others, which roles written for older versions still use, to `ansible.netcommon`.
const MOVED: [(&str, &str); 18] = [
    ("json_query", "community.general."),
    ("random_mac", "community.general."),
    ("cidr_merge", "ansible.utils."),
    ("hwaddr", "ansible.utils."),
    ("ip4_hex", "ansible.utils."),
    ("ipaddr", "ansible.utils."),
    ("ipmath", "ansible.utils."),
    ("ipsubnet", "ansible.utils."),
    ("ipv4", "ansible.utils."),
    ("ipv6", "ansible.utils."),
    ("ipwrap", "ansible.utils."),
    ("macaddr", "ansible.utils."),
    ("network_in_network", "ansible.utils."),
    ("network_in_usable", "ansible.utils."),
    ("next_nth_usable", "ansible.utils."),
    ("nthhost", "ansible.utils."),
    ("previous_nth_usable", "ansible.utils."),
    ("reduce_on_network", "ansible.utils."),
];

/// The name without `ansible.builtin.`.
pub(crate) fn short(name: &str) -> &str {
    name.strip_prefix(BUILTIN).unwrap_or(name)
}

/// The filter of this name, and the name it is kept under: the short one for ansible-core's own, else the full one.
pub(crate) fn filter(name: &str) -> Result<(Cow<'_, str>, Filter)> {
    find(name, crate::filters::find).ok_or_else(|| unknown_filter(name))
}

/// The test of this name, as [`filter`].
pub(crate) fn test(name: &str) -> Result<(Cow<'_, str>, Test)> {
    find(name, crate::tests::find).ok_or_else(|| unknown_test(name))
}

fn find<T>(name: &str, known: impl Fn(&str) -> Option<T>) -> Option<(Cow<'_, str>, T)> {
    let own = short(name);
    if let Some(found) = known(own) {
        return Some((Cow::Borrowed(own), found));
    }
    let bare = match name.strip_prefix("ansible.netcommon.") {
        Some(bare) => bare,
        None if own.contains('.') => return None,
        None => own,
    };
    let (_, collection) = MOVED.iter().find(|(moved, _)| *moved == bare)?;
    let full = format!("{collection}{bare}");
    known(&full).map(|found| (Cow::Owned(full), found))
}

pub(crate) fn unknown_filter(name: &str) -> TemplateError {
    unknown(name, "filter", &crate::filters::names(), ErrorKind::UnknownFilter { name: name.to_owned() })
}

pub(crate) fn unknown_test(name: &str) -> TemplateError {
    unknown(name, "test", &crate::tests::names(), ErrorKind::UnknownTest { name: name.to_owned() })
}

fn unknown(name: &str, what: &str, known: &[&str], kind: ErrorKind) -> TemplateError {
    let mut message = format!("No {what} named '{name}'.");
    // the same word in another collection is what was meant
    let elsewhere = known.iter().find(|known| {
        let word = name.rsplit('.').next().unwrap_or(name);
        known.rsplit('.').next() == Some(word) && **known != name
    });
    if let Some(near) = elsewhere.map(|near| (*near).to_owned()).or_else(|| nearest(name, known)) {
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
        .max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)))
        .map(|(_, candidate)| candidate.to_owned())
}
