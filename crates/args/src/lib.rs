//! Module arguments.
