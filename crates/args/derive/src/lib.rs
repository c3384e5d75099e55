//! `#[derive(Args)]`.
