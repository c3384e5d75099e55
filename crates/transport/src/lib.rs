//! The ways to a host.

pub mod ssh;
