//! Files, spans, YAML nodes and diagnostics: everything that was read keeps its place, so that every
//! error can point at it.
//!
//! YAML is what PyYAML (and so Ansible) makes of it: YAML 1.1 scalars, merge keys, `!vault` and `!unsafe`.

mod de;
mod diagnostic;
mod explain;
mod export;
mod node;
mod parse;
mod place;
mod render;
mod scalar;
mod span;
mod suggest;

pub use de::{DeError, from_node};
pub use diagnostic::{Diagnostic, Diagnostics, Label, Severity};
pub use export::{github, json, sarif};
pub use node::{Mapping, Node, Yaml};
pub use parse::{load, parse, parse_str};
pub use render::render;
pub use scalar::resolve_plain;
pub use span::{FileId, Sources, Span};
pub use suggest::nearest;
