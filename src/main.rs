//! The `provision` command.
fn main() {}
