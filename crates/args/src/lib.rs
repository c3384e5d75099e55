//! Module arguments: declared once on a struct, from which come parsing, the manual and every error.
//!
//! ```ignore
//! /// Manage files and directories.
//! #[derive(Args)]
//! #[args(name = "file", mutually_exclusive("src", "recurse"))]
//! pub struct FileArgs {
//!     /// Path of the file being managed.
//!     #[arg(required, alias = "dest", alias = "name")]
//!     pub path: PathArg,
//!     /// What shall be there.
//!     #[arg(choices("absent", "directory", "file", "hard", "link", "touch"))]
//!     pub state: Option<String>,
//!     #[arg(default = "no")]
//!     pub recurse: bool,
//!     #[arg(refused = "extended attributes are not set yet")]
//!     pub attributes: (),
//! }
//! ```

pub mod parse;
pub mod spec;
pub mod types;

pub use parse::{FromArg, Problem};
pub use provision_args_derive::Args;
pub use spec::{ArgSpec, Kind, Opt};
pub use types::{ModeArg, PathArg};

use serde_json::{Map, Value};

/// A module's arguments.
pub trait Args: Sized {
    /// The declaration, as data.
    const SPEC: &'static ArgSpec;
    /// Typed values from templated arguments; every problem of the task at once.
    fn from_json(args: &Map<String, Value>) -> Result<Self, Vec<Problem>>;
}
