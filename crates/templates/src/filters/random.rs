//! Chance: `random`, `shuffle`.

use super::Table;
use crate::args::{Args, Param, int_arg};
use crate::error::TemplateError;
use crate::eval::Eval;
use crate::mersenne::Mersenne;
use crate::ops::{Result, iterate};
use crate::value::{View, list, view};
use minijinja::Value;
use std::hash::{BuildHasher, Hasher};

pub(super) const TABLE: Table = &[("random", random), ("shuffle", shuffle)];

/// A number below `limit`, from the process's random hash keys: fair enough for choices, not for secrets.
pub(crate) fn below(limit: usize) -> usize {
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    usize::try_from(random % (limit.max(1) as u64)).unwrap_or(0)
}

/// Random letters for the salt of a password.
pub(crate) fn salt(len: usize) -> Result<String> {
    const LETTERS: &[u8] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut bytes = vec![0; len];
    getrandom::fill(&mut bytes)
        .map_err(|error| TemplateError::runtime(format!("no random bytes from the system: {error}")))?;
    Ok(bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 64)])).collect())
}

/// Random numbers: those of Python's generator for a seed.
struct Source(Option<Mersenne>);

impl Source {
    fn new(seed: &Option<Value>) -> Self {
        Self(seed.given().map(Mersenne::new))
    }

    fn below(&mut self, limit: usize) -> usize {
        match &mut self.0 {
            Some(source) => usize::try_from(source.below(limit as u64)).unwrap_or(0),
            None => below(limit),
        }
    }
}

fn random(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [start, step, seed] = args.bind("random", ["start", "step", "seed"])?;
    let mut source = Source::new(&seed);
    if let View::Int(_) | View::Bool(_) = view(&value) {
        let end = int_arg(&value)?;
        let (start, step) = (start.int(0)?, step.int(1)?);
        if step <= 0 || end <= start {
            return Err(TemplateError::runtime(format!("empty range in random ({start}, {end}, {step})")));
        }
        let count = usize::try_from((end - start + step - 1) / step).unwrap_or(1);
        let chosen = i64::try_from(source.below(count)).unwrap_or(0);
        return Ok(Value::from(start + chosen * step));
    }
    if start.given().is_some() || step.given().is_some() {
        return Err(TemplateError::runtime("start and step can only be used with integer values"));
    }
    let all = iterate(&value)?;
    all.get(source.below(all.len()))
        .cloned()
        .ok_or_else(|| TemplateError::runtime("random() of an empty sequence"))
}

fn shuffle(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [seed] = args.bind("shuffle", ["seed"])?;
    let mut source = Source::new(&seed);
    let mut all = iterate(&value)?;
    for at in (1..all.len()).rev() {
        all.swap(at, source.below(at + 1));
    }
    Ok(list(all))
}
