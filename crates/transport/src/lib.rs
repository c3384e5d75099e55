//! The ways to a host, and the agent at their end.

mod bootstrap;
mod connections;
mod embedded;
mod escalate;
mod link;
pub mod ssh;

pub use connections::Connections;
