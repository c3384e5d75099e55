//! Reporters: folds of the engine's events into what a person, a text tool or a program reads.

mod ansible;
mod diff;
mod json;
mod text;

pub use ansible::{Ansible, Options};
pub use json::Json;
