//! The primitives.
