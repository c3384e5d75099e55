//! Arguments of filters, tests, functions and methods.

use crate::error::TemplateError;
use crate::ir::Name;
use crate::ops::{Result, check};
use crate::value::{View, type_name, view};
use minijinja::Value;

/// Evaluated call arguments.
#[derive(Debug, Default, Clone)]
pub(crate) struct Args {
    pub(crate) pos: Vec<Value>,
    pub(crate) named: Vec<(Name, Value)>,
}

impl Args {
    /// Fails on the first argument that is missing or unknown.
    pub(crate) fn check(&self) -> Result<()> {
        self.pos.iter().chain(self.named.iter().map(|(_, value)| value)).try_for_each(check)
    }

    /// The same for lists and dicts all the way down.
    pub(crate) fn check_deep(&self) -> Result<()> {
        let named = self.named.iter().map(|(_, value)| value);
        self.pos.iter().chain(named).try_for_each(crate::ops::check_deep)
    }

    /// Takes a named argument out.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.named.iter().position(|(known, _)| &**known == name)?;
        Some(self.named.remove(at).1)
    }

    /// Distributes the arguments over parameters; too many or unknown ones are an error.
    pub(crate) fn bind<const N: usize>(self, what: &str, names: [&str; N]) -> Result<[Option<Value>; N]> {
        let mut out = [const { None }; N];
        if self.pos.len() > N {
            return Err(TemplateError::runtime(format!(
                "{what} takes at most {N} argument{} ({} given)",
                if N == 1 { "" } else { "s" },
                self.pos.len()
            )));
        }
        for (slot, value) in out.iter_mut().zip(self.pos) {
            *slot = Some(value);
        }
        for (name, value) in self.named {
            let Some(at) = names.iter().position(|known| *known == &*name) else {
                return Err(TemplateError::runtime(format!(
                    "{what} got an unexpected keyword argument '{name}'"
                )));
            };
            if out[at].is_some() {
                return Err(TemplateError::runtime(format!(
                    "{what} got multiple values for argument '{name}'"
                )));
            }
            out[at] = Some(value);
        }
        Ok(out)
    }

    /// For what takes no arguments.
    pub(crate) fn none(self, what: &str) -> Result<()> {
        self.bind::<0>(what, []).map(|_| ())
    }
}

/// Reading an optional argument as what it must be.
pub(crate) trait Param {
    fn text(&self, default: &str) -> Result<String>;
    fn int(&self, default: i64) -> Result<i64>;
    fn flag(&self, default: bool) -> Result<bool>;
    fn required(self, what: &str, name: &str) -> Result;
    /// Given and not none.
    fn given(&self) -> Option<&Value>;
}

impl Param for Option<Value> {
    fn text(&self, default: &str) -> Result<String> {
        match self.given() {
            None => Ok(default.to_owned()),
            Some(value) => Ok(crate::text::to_str(value)),
        }
    }

    fn int(&self, default: i64) -> Result<i64> {
        match self.given() {
            None => Ok(default),
            Some(value) => int_arg(value),
        }
    }

    fn flag(&self, default: bool) -> Result<bool> {
        match self {
            None => Ok(default),
            Some(value) => crate::ops::truth(value),
        }
    }

    fn required(self, what: &str, name: &str) -> Result {
        self.ok_or_else(|| TemplateError::runtime(format!("{what}: missing required argument '{name}'")))
    }

    fn given(&self) -> Option<&Value> {
        self.as_ref().filter(|value| !value.is_none())
    }
}

/// An argument that must be an integer.
pub(crate) fn int_arg(value: &Value) -> Result<i64> {
    match view(value) {
        View::Int(number) => i64::try_from(number).ok(),
        View::Bool(flag) => Some(i64::from(flag)),
        View::Float(number) if number.fract() == 0.0 => Some(number as i64),
        View::Str(text) => text.trim().parse().ok(),
        _ => None,
    }
    .ok_or_else(|| {
        TemplateError::runtime(format!(
            "expected an integer, got {} of type '{}'",
            crate::text::repr(value),
            type_name(value)
        ))
    })
}
