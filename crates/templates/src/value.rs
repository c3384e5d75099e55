//! Values: minijinja's, plus the markers that travel in them (undefined, unknown, omit, errors).

use crate::error::TemplateError;
use indexmap::IndexMap;
use minijinja::Value;
use minijinja::value::{DynObject, Object, ObjectRepr, Tuple, ValueKind};
use std::fmt;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A dict as it is built here: keys in insertion order.
pub type Dict = IndexMap<Value, Value>;

/// A value that stands for something that is not there. It may be passed around and asked whether it is
/// defined; every real use fails with its error.
#[derive(Debug, Clone)]
pub(crate) enum Marker {
    /// A variable that nobody has defined. The words of the error are only put together if it is one.
    Undefined(crate::ir::Name, crate::ir::Place),
    /// An attribute or item that a value of this type does not have.
    Missing(&'static str, Value, crate::ir::Place),
    /// Defined by something that failed.
    Failed(TemplateError),
    /// Exists only once changes are applied.
    Unknown(String),
}

impl Object for Marker {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
    fn is_true(self: &Arc<Self>) -> bool {
        false
    }
    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &**self {
            Marker::Unknown(reason) => write!(f, "<unknown until applied: {reason}>"),
            _ => f.write_str("<undefined>"),
        }
    }
}

impl Marker {
    pub(crate) fn error(&self) -> TemplateError {
        match self {
            Marker::Undefined(name, place) => {
                let error = TemplateError::undefined(&**name, format!("'{name}' is undefined"));
                error.at(place.line, place.start as usize..place.end as usize)
            }
            Marker::Missing(kind, key, place) => {
                let message = format!("object of type '{kind}' has no attribute {}", crate::text::repr(key));
                let error = TemplateError::undefined(crate::text::to_str(key), message);
                error.at(place.line, place.start as usize..place.end as usize)
            }
            Marker::Failed(error) => error.clone(),
            Marker::Unknown(reason) => TemplateError::unknown(reason.clone()),
        }
    }
}

impl Marker {
    /// Is it missing, and not there but failed?
    pub(crate) fn is_undefined(&self) -> bool {
        match self {
            Marker::Undefined(..) | Marker::Missing(..) => true,
            Marker::Failed(error) => error.is_undefined(),
            Marker::Unknown(_) => false,
        }
    }
}

#[derive(Debug)]
struct Omit;

impl Object for Omit {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<Omit>")
    }
}

/// The value of the variable `omit`: the engine drops arguments that have it.
pub fn omit_value() -> Value {
    Value::from_object(Omit)
}

/// Is it [`omit_value`]?
pub fn is_omit(value: &Value) -> bool {
    value.downcast_object_ref::<Omit>().is_some()
}

/// "Unknown until applied": what a dry run registers for results it cannot foresee. Attributes of it are
/// unknown too; any other use fails with [`crate::ErrorKind::Unknown`].
pub fn unknown_value(reason: impl Into<String>) -> Value {
    Value::from_object(Marker::Unknown(reason.into()))
}

/// The reason of an [`unknown_value`].
pub fn is_unknown(value: &Value) -> Option<String> {
    match value.downcast_object_ref::<Marker>() {
        Some(Marker::Unknown(reason)) => Some(reason.clone()),
        _ => None,
    }
}

/// A value whose own template failed: it fails where it is used, not where it is stored. `is defined` and
/// `default` treat it as missing if the error's kind is `Undefined`.
pub fn error_value(error: TemplateError) -> Value {
    Value::from_object(Marker::Failed(error))
}

/// The error behind a marker value (missing, failed or unknown); none for a real value.
pub fn value_error(value: &Value) -> Option<TemplateError> {
    marker(value).map(Marker::error)
}

pub(crate) fn marker(value: &Value) -> Option<&Marker> {
    value.downcast_object_ref::<Marker>()
}

/// A list made by a list literal of a template that also calls mutating methods.
#[derive(Debug)]
pub(crate) struct MutList(RwLock<Vec<Value>>);

impl MutList {
    pub(crate) fn new(items: Vec<Value>) -> Self {
        Self(RwLock::new(items))
    }
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Vec<Value>> {
        self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Vec<Value>> {
        self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Object for MutList {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.read().get(key.as_usize()?).cloned()
    }
    fn enumerate(self: &Arc<Self>) -> minijinja::value::Enumerator {
        minijinja::value::Enumerator::Seq(self.read().len())
    }
}

/// A dict made by a dict literal (or `dict()`, `namespace()`) of a template that also changes dicts.
#[derive(Debug)]
pub(crate) struct MutDict {
    map: RwLock<Dict>,
    /// Made by `namespace()`: its attributes can be assigned.
    pub(crate) namespace: bool,
}

impl MutDict {
    pub(crate) fn new(map: Dict, namespace: bool) -> Self {
        Self { map: RwLock::new(map), namespace }
    }
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Dict> {
        self.map.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Dict> {
        self.map.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Object for MutDict {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.read().get(key).cloned()
    }
    fn enumerate(self: &Arc<Self>) -> minijinja::value::Enumerator {
        minijinja::value::Enumerator::Values(self.read().keys().cloned().collect())
    }
}

/// A value seen the way Python sees it.
pub(crate) enum View<'a> {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Str(&'a str),
    Bytes(&'a [u8]),
    /// Lists, tuples and everything else with positions.
    Seq(&'a DynObject),
    Map(&'a DynObject),
    /// Ranges, generators.
    Iter,
    Marker(&'a Marker),
    /// What an inline `if` without `else` leaves behind: prints as nothing, is false, is not defined.
    Absent,
    /// Functions, macros, dates, omit.
    Other,
}

pub(crate) fn view(value: &Value) -> View<'_> {
    match value.kind() {
        ValueKind::None => View::None,
        ValueKind::Bool => View::Bool(value.is_true()),
        ValueKind::Number => {
            if value.is_integer() {
                i128::try_from(value.clone()).map_or(View::Other, View::Int)
            } else {
                f64::try_from(value.clone()).map_or(View::Other, View::Float)
            }
        }
        ValueKind::String => value.as_str().map_or(View::Other, View::Str),
        ValueKind::Bytes => value.as_bytes().map_or(View::Other, View::Bytes),
        ValueKind::Seq => value.as_object().map_or(View::Other, View::Seq),
        ValueKind::Map => value.as_object().map_or(View::Other, View::Map),
        ValueKind::Iterable => View::Iter,
        ValueKind::Undefined => View::Absent,
        _ => marker(value).map_or(View::Other, View::Marker),
    }
}

/// Python's name of the type, as Ansible's messages and `type_debug` say it.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match view(value) {
        View::None => "NoneType",
        View::Bool(_) => "bool",
        View::Int(_) => "int",
        View::Float(_) => "float",
        View::Str(_) => "str",
        View::Bytes(_) => "bytes",
        View::Seq(_) if value.is_tuple() => "tuple",
        View::Seq(_) => "list",
        View::Map(_) => "dict",
        View::Iter => "range",
        View::Absent => "Undefined",
        View::Marker(Marker::Unknown(_)) => "Unknown",
        View::Marker(_) => "UndefinedMarker",
        View::Other if is_omit(value) => "Omit",
        View::Other => crate::time::type_name(value).unwrap_or("function"),
    }
}

/// An integer of any size as the smallest representation.
pub(crate) fn int(value: i128) -> Value {
    i64::try_from(value).map_or_else(|_| Value::from(value), Value::from)
}

pub(crate) fn list(items: Vec<Value>) -> Value {
    Value::from(items)
}

pub(crate) fn tuple(items: Vec<Value>) -> Value {
    Value::from(Tuple::new(items))
}

pub(crate) fn dict(map: Dict) -> Value {
    Value::from(map)
}

/// A mapping of these pairs, in order.
pub fn mapping<K: Into<Value>, V: Into<Value>>(pairs: impl IntoIterator<Item = (K, V)>) -> Value {
    dict(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
}

pub(crate) fn none() -> Value {
    Value::from(())
}

/// The items of a dict, in order.
pub(crate) fn pairs(map: &DynObject) -> Vec<(Value, Value)> {
    map.try_iter_pairs().into_iter().flatten().collect()
}

/// The items of a list, tuple or iterable; the keys of a dict. Nothing for scalars.
pub(crate) fn items(value: &Value) -> Option<Vec<Value>> {
    match view(value) {
        View::Seq(_) | View::Iter => value.try_iter().ok().map(Iterator::collect),
        View::Map(map) => Some(pairs(map).into_iter().map(|(key, _)| key).collect()),
        _ => None,
    }
}

/// JSON's view of a value: maps and lists deeply, other keys as text, bytes as text, omit and markers as
/// null. Integers and floats are kept exactly; integers beyond 64 bits and nan/inf become strings.
pub fn to_json(value: &Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match view(value) {
        View::None | View::Marker(_) | View::Absent => Json::Null,
        View::Bool(flag) => Json::Bool(flag),
        View::Int(number) => match (i64::try_from(number), u64::try_from(number)) {
            (Ok(small), _) => Json::from(small),
            (_, Ok(big)) => Json::from(big),
            _ => Json::String(number.to_string()),
        },
        View::Float(number) => serde_json::Number::from_f64(number)
            .map_or_else(|| Json::String(crate::text::float(number)), Json::Number),
        View::Str(text) => Json::String(text.to_owned()),
        View::Bytes(bytes) => Json::String(String::from_utf8_lossy(bytes).into_owned()),
        View::Seq(_) | View::Iter => {
            Json::Array(items(value).unwrap_or_default().iter().map(to_json).collect())
        }
        View::Map(map) => Json::Object(
            pairs(map).iter().map(|(key, value)| (crate::text::to_str(key), to_json(value))).collect(),
        ),
        View::Other if is_omit(value) => Json::Null,
        View::Other => Json::String(crate::text::to_str(value)),
    }
}

/// The template value of a JSON value.
pub fn from_json(json: serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match json {
        Json::Null => none(),
        Json::Bool(flag) => Value::from(flag),
        Json::Number(number) => {
            if let Some(number) = number.as_i64() {
                Value::from(number)
            } else if let Some(number) = number.as_u64() {
                Value::from(number)
            } else {
                Value::from(number.as_f64().unwrap_or(f64::NAN))
            }
        }
        Json::String(text) => Value::from(text),
        Json::Array(items) => list(items.into_iter().map(from_json).collect()),
        Json::Object(map) => {
            dict(map.into_iter().map(|(key, value)| (Value::from(key), from_json(value))).collect())
        }
    }
}

/// Deepest value that is walked through: deeper is one that holds itself, or a template that never ends.
const DEEPEST: usize = 100;

/// The value as it may leave templating: lists and dicts plain all the way down (lazy ones made, mutable ones frozen,
/// tuples as lists), without what is `omit`.
///
/// # Errors
/// The first missing or failed value within, and functions, which cannot be stored.
pub fn finalize(value: &Value) -> Result<Value, TemplateError> {
    settle(value, true, 0)
}

/// The value of a variable as other templates see it: missing members fail only where they are used.
pub(crate) fn variable(value: Value, mutable: bool) -> Result<Value, TemplateError> {
    match view(&value) {
        View::Seq(_) | View::Map(_) if mutable => settle(&value, false, 0),
        View::Seq(_) | View::Map(_) => Ok(value),
        _ => settle(&value, true, 0),
    }
}

fn settle(value: &Value, strict: bool, depth: usize) -> Result<Value, TemplateError> {
    if depth > DEEPEST {
        return Err(too_deep());
    }
    match view(value) {
        View::None | View::Bool(_) | View::Int(_) | View::Float(_) | View::Str(_) | View::Bytes(_) => {
            Ok(value.clone())
        }
        View::Marker(Marker::Unknown(_)) => Ok(value.clone()),
        View::Marker(_) | View::Absent if !strict => Ok(value.clone()),
        View::Marker(marker) => Err(marker.error()),
        View::Absent => Err(TemplateError::undefined(
            "",
            "the inline if-expression evaluated to false and no else section was defined",
        )),
        View::Seq(_) | View::Map(_) if is_plain(value, depth) => Ok(value.clone()),
        View::Seq(_) | View::Iter => {
            let mut kept = Vec::with_capacity(value.len().unwrap_or(0));
            for item in value.try_iter().into_iter().flatten().filter(|item| !is_omit(item)) {
                kept.push(settle(&item, strict, depth + 1)?);
            }
            Ok(list(kept))
        }
        View::Map(map) => {
            let mut kept = Dict::new();
            for (key, value) in
                map.try_iter_pairs().into_iter().flatten().filter(|(_, value)| !is_omit(value))
            {
                kept.insert(settle(&key, strict, depth + 1)?, settle(&value, strict, depth + 1)?);
            }
            Ok(dict(kept))
        }
        View::Other if strict && crate::stmt::is_callable(value) => Err(TemplateError::runtime(
            "a function or macro cannot be the value of a variable: it is to be called",
        )),
        View::Other => Ok(value.clone()),
    }
}

pub(crate) fn too_deep() -> TemplateError {
    TemplateError::new(
        crate::ErrorKind::Recursion,
        format!("a value is nested more than {DEEPEST} levels deep, or holds itself"),
    )
}

/// Is it nested deeper than anything may be? Looks at a part of large values only.
pub(crate) fn check_depth(value: &Value) -> Result<(), TemplateError> {
    fn walk(value: &Value, depth: usize, budget: &mut usize) -> bool {
        if depth > DEEPEST {
            return false;
        }
        let inner: Vec<Value> = if let Some(items) = value.downcast_object_ref::<Vec<Value>>() {
            items.iter().rev().take(*budget).cloned().collect()
        } else if let Some(items) = value.downcast_object_ref::<MutList>() {
            items.read().iter().rev().take(*budget).cloned().collect()
        } else if let Some(map) = value.downcast_object_ref::<Dict>() {
            map.values().rev().take(*budget).cloned().collect()
        } else if let Some(map) = value.downcast_object_ref::<MutDict>() {
            map.read().values().rev().take(*budget).cloned().collect()
        } else if value.is_tuple() {
            items(value).unwrap_or_default()
        } else {
            return true;
        };
        *budget = budget.saturating_sub(inner.len());
        inner.iter().all(|inner| walk(inner, depth + 1, budget))
    }
    if walk(value, 0, &mut 1000) { Ok(()) } else { Err(too_deep()) }
}

/// Lists and dicts of scalars, lists and dicts all the way down: nothing to convert, nothing hidden.
fn is_plain(value: &Value, depth: usize) -> bool {
    match view(value) {
        View::None | View::Bool(_) | View::Int(_) | View::Float(_) | View::Str(_) | View::Bytes(_) => true,
        _ if depth > DEEPEST => false,
        View::Seq(_) => value
            .downcast_object_ref::<Vec<Value>>()
            .is_some_and(|items| items.iter().all(|item| is_plain(item, depth + 1))),
        View::Map(_) => value.downcast_object_ref::<Dict>().is_some_and(|map| {
            map.iter().all(|(key, value)| is_plain(key, depth + 1) && is_plain(value, depth + 1))
        }),
        _ => false,
    }
}
