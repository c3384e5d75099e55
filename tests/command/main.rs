//! The command where no test host is needed: on files and on this machine.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod adhoc;
mod fact_cache;
mod galaxy;
mod inventory;
mod kit;
mod names;
mod settings;
mod vault;
