//! Where the chores' words go: results to standard output, everything else to standard error.

use std::fmt::Display;
use std::io::Write as _;

/// A result. A reader that has gone away (`| head`) is no error.
pub fn result(text: impl Display) {
    writeln!(std::io::stdout(), "{text}").ok();
}

/// What is going on.
pub fn note(text: impl Display) {
    writeln!(std::io::stderr(), "{text}").ok();
}
