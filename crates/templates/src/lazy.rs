//! Lists and dicts whose members are templated when they are asked for.

use crate::ErrorKind;
use crate::error::TemplateError;
use crate::ops::Result;
use crate::value::{error_value, unknown_value};
use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// Where the members of a lazy list or dict come from.
pub trait Members: Send + Sync + fmt::Debug + 'static {
    /// How many there are.
    fn len(&self) -> usize;

    /// Are there none?
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The key of a dict's member, which never is a template.
    fn key(&self, index: usize) -> Value;

    /// The place of a key.
    fn find(&self, key: &Value) -> Option<usize>;

    /// The place of a key that is a text.
    fn find_name(&self, name: &str) -> Option<usize> {
        self.find(&Value::from(name))
    }

    /// The member itself. Asked once for each.
    ///
    /// # Errors
    /// Its template failed: whoever uses the member gets the error, its neighbours stay usable.
    fn make(&self, index: usize) -> Result<Value>;
}

/// A list of these members.
pub fn lazy_list(members: impl Members) -> Value {
    Value::from_object(LazyList(Lazy::new(members)))
}

/// A dict of these members.
pub fn lazy_dict(members: impl Members) -> Value {
    Value::from_object(LazyDict(Lazy::new(members)))
}

struct Lazy<M> {
    members: M,
    made: Box<[OnceLock<Value>]>,
}

impl<M: Members> Lazy<M> {
    fn new(members: M) -> Self {
        let made = std::iter::repeat_with(OnceLock::new).take(members.len()).collect();
        Self { members, made }
    }

    fn get(&self, index: usize) -> Option<Value> {
        let slot = self.made.get(index)?;
        if let Some(made) = slot.get() {
            return Some(made.clone());
        }
        // not `get_or_init`: a member that needs itself must end as an error, not wait for itself
        let made = self.members.make(index).unwrap_or_else(failed);
        Some(slot.get_or_init(|| made).clone())
    }
}

fn failed(error: TemplateError) -> Value {
    match &error.kind {
        ErrorKind::Unknown { reason } => unknown_value(reason.clone()),
        _ => error_value(error.without_place()),
    }
}

impl<M: Members> fmt::Debug for Lazy<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} members", self.made.len())
    }
}

#[derive(Debug)]
struct LazyList<M: Members>(Lazy<M>);

impl<M: Members> Object for LazyList<M> {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_usize()?)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.made.len())
    }
}

#[derive(Debug)]
struct LazyDict<M: Members>(Lazy<M>);

impl<M: Members> Object for LazyDict<M> {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(self.0.members.find(key)?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.0.get(self.0.members.find_name(key)?)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values((0..self.0.made.len()).map(|index| self.0.members.key(index)).collect())
    }
}
