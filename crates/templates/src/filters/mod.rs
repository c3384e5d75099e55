//! The filters, grouped by what they work on. Each group is one visible table. Those of collections have their full
//! names.

use crate::args::Args;
use crate::eval::Eval;
use crate::ops::Result;
use minijinja::Value;
use std::collections::HashMap;
use std::sync::LazyLock;

mod basic;
mod collections;
pub(crate) mod dicts;
mod encode;
pub(crate) mod lists;
mod numbers;
pub(crate) mod password;
mod paths;
pub(crate) mod random;
mod strings;
mod vault;
mod web;
mod yaml;

/// What a filter is called as.
pub(crate) type Call = fn(&mut Eval<'_>, Value, Args) -> Result;

/// A registered filter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filter {
    pub(crate) call: Call,
    /// Looks at missing and unknown values itself instead of failing on them.
    pub(crate) lazy: bool,
    /// Passes members on without looking at them: missing ones fail only where they are used.
    pub(crate) shallow: bool,
}

/// A group's table.
pub(crate) type Table = &'static [(&'static str, Call)];

/// Filters that take missing values as they are.
const LAZY: [&str; 4] = ["default", "d", "mandatory", "type_debug"];

/// Filters that pass members on.
const SHALLOW: [&str; 21] = [
    "community.general.json_query",
    "list",
    "length",
    "count",
    "first",
    "last",
    "map",
    "select",
    "reject",
    "selectattr",
    "rejectattr",
    "batch",
    "slice",
    "reverse",
    "ternary",
    "extract",
    "default",
    "d",
    "mandatory",
    "type_debug",
    "attr",
];

static ALL: LazyLock<HashMap<&'static str, Filter>> = LazyLock::new(|| {
    [
        basic::TABLE,
        strings::TABLE,
        lists::TABLE,
        dicts::TABLE,
        encode::TABLE,
        yaml::TABLE,
        numbers::TABLE,
        paths::TABLE,
        random::TABLE,
        password::TABLE,
        web::TABLE,
        collections::general::TABLE,
        collections::ip::TABLE,
        collections::keys::TABLE,
        collections::paths::TABLE,
        vault::TABLE,
    ]
    .into_iter()
    .flatten()
    .map(|(name, call)| {
        (*name, Filter { call: *call, lazy: LAZY.contains(name), shallow: SHALLOW.contains(name) })
    })
    .collect()
});

pub(crate) fn find(name: &str) -> Option<Filter> {
    ALL.get(name).copied()
}

pub(crate) fn names() -> Vec<&'static str> {
    ALL.keys().copied().collect()
}

pub(crate) use collections::{csv, ini, ip, paths as data_paths};
