//! Filters of collections that roles use, by their full names.

pub(crate) mod csv;
pub(super) mod general;
pub(crate) mod ini;
pub(crate) mod ip;
pub(super) mod keys;
pub(crate) mod paths;
