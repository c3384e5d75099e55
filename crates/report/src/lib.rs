//! Reporters: folds of the engine's events into what a person, a text tool or a program reads.

mod ansible;
mod choose;
mod diff;
mod json;
mod minimal;
mod tee;
mod terminal;
mod text;

pub use ansible::{Ansible, Display, Options};
pub use choose::{Kind, choose, color, columns};
pub use json::Json;
pub use minimal::{Minimal, Tree};
pub use tee::Tee;
pub use terminal::Terminal;
pub use text::{dumps, python_str};
