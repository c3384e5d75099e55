//! Chance.
use std::hash::{BuildHasher, Hasher};

/// A number below `limit`, from the process's random hash keys: fair enough for choices, not for secrets.
pub(crate) fn below(limit: usize) -> usize {
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    usize::try_from(random % (limit.max(1) as u64)).unwrap_or(0)
}
