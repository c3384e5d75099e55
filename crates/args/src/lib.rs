//! Module arguments: declared once on a struct, from which come parsing, the manual and every error.
//!
//! ```
//! use provision_args::{Args, Choice, PathArg};
//!
//! /// Manage files and directories.
//! #[derive(Args)]
//! #[args(name = "file", mutually_exclusive("src", "recurse"), required_if("state", "link", ("src")))]
//! pub struct FileArgs {
//!     /// Path of the file being managed.
//!     #[arg(required, alias = "dest", alias = "name")]
//!     pub path: PathArg,
//!     /// What shall be there.
//!     #[arg(default = "file")]
//!     pub state: State,
//!     /// Where the link points to.
//!     pub src: Option<String>,
//!     #[arg(default = "no")]
//!     pub recurse: bool,
//!     #[arg(refused = "extended attributes are not set yet")]
//!     pub attributes: (),
//! }
//!
//! #[derive(Choice, PartialEq, Debug)]
//! pub enum State {
//!     Absent,
//!     File,
//!     Link,
//! }
//!
//! let args = serde_json::json!({"dest": "/etc/motd", "state": "absent"});
//! let args = FileArgs::from_json(args.as_object().expect("a mapping")).expect("no problems");
//! assert_eq!(args.state, State::Absent);
//! ```
//!
//! A field without `required` or `default` must be able to be absent: `Option<_>`, `Vec<_>`, a map, a raw
//! [`Argument`]; anything else does not compile:
//!
//! ```compile_fail,E0080
//! #[derive(provision_args::Args)]
//! struct Unclear {
//!     recurse: bool,
//! }
//! ```
//!
//! A null counts as not given. A struct that derives [`Args`] is itself a type of option.
//!
//! Options that several modules share are a struct of their own, taken in with `#[arg(flatten)]`:
//!
//! ```
//! # use provision_args::{Args, ModeArg, PathArg};
//! #[derive(Args)]
//! struct Attributes {
//!     owner: Option<String>,
//!     mode: Option<ModeArg>,
//! }
//!
//! #[derive(Args)]
//! #[args(name = "copy")]
//! struct CopyArgs {
//!     #[arg(required)]
//!     dest: PathArg,
//!     #[arg(flatten)]
//!     attributes: Attributes,
//! }
//! # assert!(CopyArgs::SPEC.find("mode").is_some());
//! ```
//!
//! A refused option with a default may be given with exactly that default (`unsafe_writes: false`), since that asks
//! for nothing.

// The derives write `::provision_args::…`, here too.
extern crate self as provision_args;

mod check;
mod convert;
mod manual;
pub mod parse;
pub mod spec;
pub mod types;

pub use parse::{FromArg, Problem};
pub use provision_args_derive::{Args, Choice};
pub use spec::{ArgSpec, Kind, Opt};
pub use types::{ByteSize, CopyMode, ModeArg, PathArg};

/// One argument's value.
pub type Argument = serde_json::Value;
/// A task's arguments.
pub type Arguments = serde_json::Map<String, Argument>;

/// A module's arguments.
pub trait Args: Sized {
    /// The declaration, as data.
    const SPEC: &'static ArgSpec;

    /// Typed values from templated arguments; every problem of the task at once.
    fn from_json(args: &Arguments) -> Result<Self, Vec<Problem>> {
        let mut reader = parse::Reader::new(Self::SPEC, args);
        let this = Self::read(&mut reader, 0);
        reader.finish(this)
    }

    /// Reads the options whose rows in the reader's table begin at `first`; None after noting a problem.
    #[doc(hidden)]
    fn read(reader: &mut parse::Reader, first: usize) -> Option<Self>;
}

/// An enum whose variants are an option's choices.
pub trait Choice: FromArg {
    /// The choice as a playbook writes it.
    fn as_str(&self) -> &'static str;
}
