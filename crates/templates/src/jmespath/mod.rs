//! JMESPath (<https://jmespath.org/specification.html>), for `json_query`.
//!
//! Ours, because the crate there is sorts the keys of objects and takes no values but its own.

mod functions;
mod parse;

use crate::error::TemplateError;
use crate::ops::{self, Result};
use crate::value::{View, dict, items, list, none, pairs, view};
use minijinja::Value;
use std::cmp::Ordering;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compare {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

#[derive(Debug)]
enum Node {
    Current,
    Field(String),
    Index(i64),
    Slice([Option<i64>; 3]),
    Literal(Value),
    /// The second looks at what the first yields.
    Sub(Box<Node>, Box<Node>),
    /// The second for each item of the list that the first yields.
    Project(Box<Node>, Box<Node>),
    /// The same for the values of an object.
    ProjectValues(Box<Node>, Box<Node>),
    /// The same for the items that fulfil the third.
    ProjectIf(Box<Node>, Box<Node>, Box<Node>),
    Flatten(Box<Node>),
    Or(Box<Node>, Box<Node>),
    And(Box<Node>, Box<Node>),
    Not(Box<Node>),
    Compare(Compare, Box<Node>, Box<Node>),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
    Call(String, Vec<Node>),
    /// `&expression`, for functions that apply it themselves.
    Reference(Box<Node>),
}

/// What the expression finds in the value; none where it finds nothing.
pub(crate) fn search(expression: &str, value: &Value) -> Result {
    parse::parse(expression)?.eval(value)
}

fn error(message: impl std::fmt::Display) -> TemplateError {
    TemplateError::runtime(format!("JMESPathError in json_query filter plugin: {message}"))
}

impl Node {
    fn eval(&self, value: &Value) -> Result {
        Ok(match self {
            Node::Current => value.clone(),
            Node::Field(name) => match view(value) {
                View::Map(map) => used(map.get_value_by_str(name))?,
                _ => none(),
            },
            Node::Index(index) => match view(value) {
                View::Seq(_) => used(ops::item(value, &Value::from(*index)))?,
                _ => none(),
            },
            Node::Slice(bounds) => match view(value) {
                View::Seq(_) => {
                    let [start, stop, step] = bounds.map(|bound| bound.map_or_else(none, Value::from));
                    ops::slice(value, &start, &stop, &step)?
                }
                _ => none(),
            },
            Node::Literal(value) => value.clone(),
            Node::Sub(first, then) => then.eval(&first.eval(value)?)?,
            Node::Project(first, then) => {
                let base = first.eval(value)?;
                match view(&base) {
                    View::Seq(_) => each(then, items(&base).unwrap_or_default())?,
                    _ => none(),
                }
            }
            Node::ProjectValues(first, then) => {
                let base = first.eval(value)?;
                match view(&base) {
                    View::Map(map) => each(then, pairs(map).into_iter().map(|(_, value)| value).collect())?,
                    _ => none(),
                }
            }
            Node::ProjectIf(first, then, condition) => {
                let base = first.eval(value)?;
                let View::Seq(_) = view(&base) else { return Ok(none()) };
                let mut kept = Vec::new();
                for item in items(&base).unwrap_or_default() {
                    ops::check(&item)?;
                    if truth(&condition.eval(&item)?) {
                        kept.push(item);
                    }
                }
                each(then, kept)?
            }
            Node::Flatten(inner) => {
                let base = inner.eval(value)?;
                let View::Seq(_) = view(&base) else { return Ok(none()) };
                let mut out = Vec::new();
                for item in items(&base).unwrap_or_default() {
                    match view(&item) {
                        View::Seq(_) => out.extend(items(&item).unwrap_or_default()),
                        _ => out.push(item),
                    }
                }
                list(out)
            }
            Node::Or(left, right) => {
                let left = left.eval(value)?;
                if truth(&left) { left } else { right.eval(value)? }
            }
            Node::And(left, right) => {
                let left = left.eval(value)?;
                if truth(&left) { right.eval(value)? } else { left }
            }
            Node::Not(inner) => Value::from(!truth(&inner.eval(value)?)),
            Node::Compare(compare, left, right) => {
                let (left, right) = (left.eval(value)?, right.eval(value)?);
                match compare {
                    Compare::Eq => Value::from(same(&left, &right)),
                    Compare::Ne => Value::from(!same(&left, &right)),
                    // Python's jmespath orders texts, too
                    _ => match ordered(&left, &right) {
                        None => none(),
                        Some(order) => Value::from(match compare {
                            Compare::Lt => order == Ordering::Less,
                            Compare::Le => order != Ordering::Greater,
                            Compare::Gt => order == Ordering::Greater,
                            _ => order != Ordering::Less,
                        }),
                    },
                }
            }
            Node::List(nodes) if value.is_none() && !nodes.is_empty() => none(),
            Node::List(nodes) => list(nodes.iter().map(|node| node.eval(value)).collect::<Result<_>>()?),
            Node::Object(_) if value.is_none() => none(),
            Node::Object(entries) => dict(
                entries
                    .iter()
                    .map(|(key, node)| Ok((Value::from(key.as_str()), node.eval(value)?)))
                    .collect::<Result<_>>()?,
            ),
            Node::Call(name, args) => functions::call(name, args, value)?,
            Node::Reference(_) => {
                return Err(error("an expression reference is only an argument of functions"));
            }
        })
    }
}

fn used(found: Option<Value>) -> Result {
    let found = found.unwrap_or_else(none);
    ops::check(&found)?;
    Ok(found)
}

/// What `then` makes of each item, without the nulls.
fn each(then: &Node, items: Vec<Value>) -> Result {
    let mut out = Vec::with_capacity(items.len());
    for item in items {
        ops::check(&item)?;
        let found = then.eval(&item)?;
        if !found.is_none() {
            out.push(found);
        }
    }
    Ok(list(out))
}

/// Null, false, and empty texts, lists and objects are false.
fn truth(value: &Value) -> bool {
    match view(value) {
        View::None => false,
        View::Bool(flag) => flag,
        View::Str(text) => !text.is_empty(),
        View::Seq(_) | View::Map(_) => value.len() != Some(0),
        _ => true,
    }
}

/// Equal in JMESPath's sense: `true` is not 1.
fn same(left: &Value, right: &Value) -> bool {
    matches!(view(left), View::Bool(_)) == matches!(view(right), View::Bool(_)) && ops::equal(left, right)
}

fn ordered(left: &Value, right: &Value) -> Option<Ordering> {
    let comparable = |value: &Value| matches!(view(value), View::Int(_) | View::Float(_) | View::Str(_));
    if !comparable(left) || !comparable(right) {
        return None;
    }
    ops::compare("<", left, right).ok().flatten()
}
