//! Reporters fed with events made by hand.

mod ansible;
mod json;
#[cfg(test)]
mod script;
mod terminal;
