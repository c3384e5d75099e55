//! What tests, the demo and the benches of `provision` stand on: real Debian and Ubuntu hosts that boot in about a
//! second ([`fleet`]), the outside judges they are looked at with ([`tools`]), and the backend behind the proxy ([`bins`]).

pub mod acme;
pub mod bins;
pub mod fleet;
mod run;
pub mod tools;
#[cfg(feature = "wss")]
pub mod wss;

pub use run::Ran;
