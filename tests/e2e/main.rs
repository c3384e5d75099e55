//! The real command against real hosts, looked at from outside. These tests fail where hosts cannot be booted.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod kit;

mod breaking;
mod cli;
mod connecting;
mod dry_run;
mod files;
mod invalid;
mod language;
mod many;
mod odd_hosts;
mod secrets;
mod sudo;
