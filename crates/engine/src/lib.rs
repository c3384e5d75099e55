//! Runs playbooks: plan, per-host task loop, handlers, controller-side actions, events.

pub mod actions;
pub mod check;
mod connect;
mod contents;
pub mod event;
pub mod facts;
mod failure;
pub mod host_task;
mod includes;
pub mod lookups;
pub mod names;
mod render;
pub mod run;
mod scope;
pub mod secrets;
pub mod state;
pub mod tags;
pub mod transport;
mod vars;

pub use state::{Engine, Prompter, Settings};
