//! Runs playbooks: plan, per-host task loop, handlers, controller-side actions, events.

pub mod event;
pub mod transport;
