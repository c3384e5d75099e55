//! Python's operators on values.

use crate::error::TemplateError;
use crate::value::{Dict, View, int, items, list, pairs, tuple, type_name, view};
use minijinja::Value;
use std::cmp::Ordering;

pub(crate) type Result<T = Value> = std::result::Result<T, TemplateError>;

/// Operators with two sides that compute a new value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arith {
    Add,
    Sub,
    Mul,
    Div,
    FloorDiv,
    Rem,
    Pow,
}

impl Arith {
    fn sign(self) -> &'static str {
        match self {
            Arith::Add => "+",
            Arith::Sub => "-",
            Arith::Mul => "*",
            Arith::Div => "/",
            Arith::FloorDiv => "//",
            Arith::Rem => "%",
            Arith::Pow => "** or pow()",
        }
    }
}

/// The error of a value that cannot be used: missing, failed or unknown.
pub(crate) fn check(value: &Value) -> Result<()> {
    crate::value::marker(value).map_or(Ok(()), |marker| Err(marker.error()))
}

/// The error of a value that cannot be used, or the first one within: for what looks at all of a list or dict.
pub(crate) fn check_deep(value: &Value) -> Result<()> {
    fn walk(value: &Value, depth: usize) -> Result<()> {
        if depth > 100 {
            return Err(crate::value::too_deep());
        }
        match view(value) {
            View::Seq(_) => {
                value.try_iter().into_iter().flatten().try_for_each(|item| walk(&item, depth + 1))
            }
            View::Map(map) => {
                map.try_iter_pairs().into_iter().flatten().try_for_each(|(_, item)| walk(&item, depth + 1))
            }
            // what is known only later may be passed on
            View::Marker(crate::value::Marker::Unknown(_)) if depth > 0 => Ok(()),
            View::Marker(marker) => Err(marker.error()),
            _ => Ok(()),
        }
    }
    walk(value, 0)
}

/// Python's truth of a value.
pub(crate) fn truth(value: &Value) -> Result<bool> {
    Ok(match view(value) {
        View::None | View::Absent => false,
        View::Bool(flag) => flag,
        View::Int(number) => number != 0,
        View::Float(number) => number != 0.0,
        View::Str(text) => !text.is_empty(),
        View::Bytes(bytes) => !bytes.is_empty(),
        View::Seq(object) | View::Map(object) => object.enumerator_len() != Some(0),
        View::Iter => value.len() != Some(0),
        View::Marker(marker) => return Err(marker.error()),
        View::Other => true,
    })
}

enum Number {
    Int(i128),
    Float(f64),
}

fn number(value: &Value) -> Option<Number> {
    match view(value) {
        View::Bool(flag) => Some(Number::Int(i128::from(flag))),
        View::Int(number) => Some(Number::Int(number)),
        View::Float(number) => Some(Number::Float(number)),
        _ => None,
    }
}

/// The number as a float, booleans counting as 0 and 1.
pub(crate) fn as_float(value: &Value) -> Option<f64> {
    match number(value)? {
        Number::Int(number) => Some(number as f64),
        Number::Float(number) => Some(number),
    }
}

/// `left op right`.
pub(crate) fn arith(op: Arith, left: &Value, right: &Value) -> Result {
    check(left)?;
    check(right)?;
    if let (Some(left), Some(right)) = (number(left), number(right)) {
        return numbers(op, left, right);
    }
    if let Some(result) = crate::time::arith(op, left, right) {
        return result;
    }
    match (op, view(left), view(right)) {
        (Arith::Add, View::Str(a), View::Str(b)) => {
            check_length(a.len() + b.len())?;
            Ok(Value::from([a, b].concat()))
        }
        (Arith::Add, View::Seq(_), View::Seq(_)) if left.is_tuple() == right.is_tuple() => {
            let mut all = items(left).unwrap_or_default();
            all.extend(items(right).unwrap_or_default());
            Ok(if left.is_tuple() { tuple(all) } else { list(all) })
        }
        (Arith::Add, View::Str(_), _) => Err(TemplateError::runtime(format!(
            "can only concatenate str (not \"{}\") to str",
            type_name(right)
        ))),
        (Arith::Add, View::Seq(_), _) => Err(TemplateError::runtime(format!(
            "can only concatenate {} (not \"{}\") to {}",
            type_name(left),
            type_name(right),
            type_name(left)
        ))),
        (Arith::Mul, View::Str(text), View::Int(_) | View::Bool(_)) => repeat_text(text, right),
        (Arith::Mul, View::Int(_) | View::Bool(_), View::Str(text)) => repeat_text(text, left),
        (Arith::Mul, View::Seq(_), View::Int(_) | View::Bool(_)) => repeat_list(left, right),
        (Arith::Mul, View::Int(_) | View::Bool(_), View::Seq(_)) => repeat_list(right, left),
        (Arith::Rem, View::Str(format), _) => crate::format::percent(format, right).map(Value::from),
        _ => Err(TemplateError::runtime(format!(
            "unsupported operand type(s) for {}: '{}' and '{}'",
            op.sign(),
            type_name(left),
            type_name(right)
        ))),
    }
}

/// Longest result of a repetition: beyond it a typo or an attack, not a playbook.
const LONGEST: usize = 64 << 20;

/// Is a text of so many bytes still within bounds?
pub(crate) fn check_length(bytes: usize) -> Result<()> {
    if bytes > LONGEST {
        return Err(TemplateError::runtime("the text would be larger than 64 MiB"));
    }
    Ok(())
}

fn times(count: &Value, len: usize) -> Result<usize> {
    let count = match number(count) {
        Some(Number::Int(count)) => usize::try_from(count.max(0)).unwrap_or(usize::MAX),
        _ => 0,
    };
    if count.saturating_mul(len) > LONGEST {
        return Err(TemplateError::runtime("the repeated value would be larger than 64 MiB"));
    }
    Ok(count)
}

fn repeat_text(text: &str, count: &Value) -> Result {
    Ok(Value::from(text.repeat(times(count, text.len())?)))
}

fn repeat_list(value: &Value, count: &Value) -> Result {
    let items = items(value).unwrap_or_default();
    let count = times(count, items.len() * 24)?;
    let repeated: Vec<Value> = (0..count).flat_map(|_| items.iter().cloned()).collect();
    Ok(if value.is_tuple() { tuple(repeated) } else { list(repeated) })
}

fn numbers(op: Arith, left: Number, right: Number) -> Result {
    let overflow = || TemplateError::runtime("the number is too large");
    if let (Number::Int(a), Number::Int(b)) = (&left, &right) {
        let (a, b) = (*a, *b);
        let zero = |what: &str| TemplateError::runtime(what.to_owned());
        return match op {
            Arith::Add => a.checked_add(b).map(int).ok_or_else(overflow),
            Arith::Sub => a.checked_sub(b).map(int).ok_or_else(overflow),
            Arith::Mul => a.checked_mul(b).map(int).ok_or_else(overflow),
            Arith::Div if b == 0 => Err(zero("division by zero")),
            Arith::Div => Ok(Value::from(a as f64 / b as f64)),
            Arith::FloorDiv | Arith::Rem if b == 0 => Err(zero("integer division or modulo by zero")),
            Arith::FloorDiv => {
                let quotient = a.wrapping_div(b);
                Ok(int(if a.wrapping_rem(b) != 0 && (a < 0) != (b < 0) { quotient - 1 } else { quotient }))
            }
            Arith::Rem => {
                let rest = a.wrapping_rem(b);
                Ok(int(if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest }))
            }
            Arith::Pow if b < 0 => Ok(Value::from((a as f64).powf(b as f64))),
            Arith::Pow => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)).map(int).ok_or_else(overflow),
        };
    }
    let float = |number: Number| match number {
        Number::Int(number) => number as f64,
        Number::Float(number) => number,
    };
    let (a, b) = (float(left), float(right));
    Ok(Value::from(match op {
        Arith::Add => a + b,
        Arith::Sub => a - b,
        Arith::Mul => a * b,
        Arith::Div | Arith::FloorDiv | Arith::Rem if b == 0.0 => {
            return Err(TemplateError::runtime("float division by zero"));
        }
        Arith::Div => a / b,
        Arith::FloorDiv => (a / b).floor(),
        Arith::Rem => a - b * (a / b).floor(),
        Arith::Pow => a.powf(b),
    }))
}

/// `-value`.
pub(crate) fn neg(value: &Value) -> Result {
    check(value)?;
    match number(value) {
        Some(Number::Int(number)) => {
            number.checked_neg().map(int).ok_or_else(|| TemplateError::runtime("the number is too large"))
        }
        Some(Number::Float(number)) => Ok(Value::from(-number)),
        None => Err(TemplateError::runtime(format!("bad operand type for unary -: '{}'", type_name(value)))),
    }
}

/// `+value`.
pub(crate) fn pos(value: &Value) -> Result {
    check(value)?;
    match number(value) {
        Some(Number::Int(number)) => Ok(int(number)),
        Some(Number::Float(number)) => Ok(Value::from(number)),
        None => Err(TemplateError::runtime(format!("bad operand type for unary +: '{}'", type_name(value)))),
    }
}

/// `left == right`, deeply, without asking markers.
pub(crate) fn equal(left: &Value, right: &Value) -> bool {
    if let (Some(a), Some(b)) = (left.as_str(), right.as_str()) {
        return a == b;
    }
    match (number(left), number(right)) {
        (Some(Number::Int(a)), Some(Number::Int(b))) => return a == b,
        (Some(a), Some(b)) => {
            let float = |number| match number {
                Number::Int(number) => number as f64,
                Number::Float(number) => number,
            };
            return float(a) == float(b);
        }
        (None, None) => {}
        _ => return false,
    }
    match (view(left), view(right)) {
        (View::None, View::None) | (View::Absent, View::Absent) => true,
        (View::Bytes(a), View::Bytes(b)) => a == b,
        (View::Seq(a), View::Seq(b)) => {
            left.is_tuple() == right.is_tuple()
                && a.enumerator_len() == b.enumerator_len()
                && items(left)
                    .unwrap_or_default()
                    .iter()
                    .zip(items(right).unwrap_or_default().iter())
                    .all(|(a, b)| equal(a, b))
        }
        (View::Map(a), View::Map(b)) => {
            a.enumerator_len() == b.enumerator_len()
                && pairs(a)
                    .iter()
                    .all(|(key, value)| b.get_value(key).is_some_and(|other| equal(value, &other)))
        }
        (View::Iter, View::Iter) => items(left) == items(right),
        (View::Marker(a), View::Marker(b)) => a.error() == b.error(),
        (View::Other, View::Other) => {
            crate::time::compare(left, right).map_or_else(|| left == right, |order| order == Ordering::Equal)
        }
        _ => false,
    }
}

/// The order of two values as `<` sees it; an error for what Python cannot order.
pub(crate) fn compare(sign: &str, left: &Value, right: &Value) -> Result<Option<Ordering>> {
    check(left)?;
    check(right)?;
    if let (Some(a), Some(b)) = (left.as_str(), right.as_str()) {
        return Ok(Some(a.cmp(b)));
    }
    match (number(left), number(right)) {
        (Some(Number::Int(a)), Some(Number::Int(b))) => return Ok(Some(a.cmp(&b))),
        (Some(_), Some(_)) => {
            return Ok(as_float(left).zip(as_float(right)).and_then(|(a, b)| a.partial_cmp(&b)));
        }
        _ => {}
    }
    if let (View::Seq(_), View::Seq(_)) = (view(left), view(right))
        && left.is_tuple() == right.is_tuple()
    {
        let (a, b) = (items(left).unwrap_or_default(), items(right).unwrap_or_default());
        for (a, b) in a.iter().zip(&b) {
            if !equal(a, b) {
                return compare(sign, a, b);
            }
        }
        return Ok(Some(a.len().cmp(&b.len())));
    }
    if let Some(order) = crate::time::compare(left, right) {
        return Ok(Some(order));
    }
    Err(TemplateError::runtime(format!(
        "'{sign}' not supported between instances of '{}' and '{}'",
        type_name(left),
        type_name(right)
    )))
}

/// `needle in container`.
pub(crate) fn contains(container: &Value, needle: &Value) -> Result<bool> {
    check(container)?;
    check(needle)?;
    match view(container) {
        View::Str(text) => match view(needle) {
            View::Str(part) => Ok(text.contains(part)),
            _ => Err(TemplateError::runtime(format!(
                "'in <string>' requires string as left operand, not {}",
                type_name(needle)
            ))),
        },
        View::Map(map) => Ok(map.get_value(needle).is_some()),
        View::Seq(_) | View::Iter => {
            Ok(container.try_iter().is_ok_and(|mut items| items.any(|item| equal(&item, needle))))
        }
        _ => Err(TemplateError::runtime(format!(
            "argument of type '{}' is not iterable",
            type_name(container)
        ))),
    }
}

/// `container.name`, or nothing.
pub(crate) fn attr(container: &Value, name: &str) -> Option<Value> {
    match view(container) {
        View::Map(map) => map.get_value_by_str(name),
        View::Seq(_) => crate::filters::lists::group_attr(container, name),
        View::Other => crate::time::attr(container, name)
            .or_else(|| container.as_object().and_then(|object| object.get_value_by_str(name))),
        _ => None,
    }
}

/// `container[key]`, or nothing.
pub(crate) fn item(container: &Value, key: &Value) -> Option<Value> {
    match (view(container), view(key)) {
        (View::Map(map), _) => map.get_value(key).or_else(|| match view(key) {
            // an integer-like float or a bool finds the integer's entry, as in Python
            View::Bool(flag) => map.get_value(&Value::from(i64::from(flag))),
            _ => None,
        }),
        (View::Seq(object), View::Int(_) | View::Bool(_)) => {
            let len = object.enumerator_len()?;
            object.get_value(&Value::from(position(key, len)?))
        }
        (View::Str(text), View::Int(_) | View::Bool(_)) => {
            let chars = text.chars().count();
            text.chars().nth(position(key, chars)?).map(Value::from)
        }
        (View::Iter, View::Int(_)) => {
            let all = items(container)?;
            all.get(position(key, all.len())?).cloned()
        }
        (View::Other, View::Str(name)) => crate::time::attr(container, name),
        _ => None,
    }
}

/// Python's index (negative from the end) as a position within `len`.
fn position(key: &Value, len: usize) -> Option<usize> {
    let index = match number(key)? {
        Number::Int(index) => index,
        Number::Float(_) => return None,
    };
    let len_signed = i128::try_from(len).ok()?;
    let index = if index < 0 { index + len_signed } else { index };
    usize::try_from(index).ok().filter(|index| *index < len)
}

/// `value[start:stop:step]`.
pub(crate) fn slice(value: &Value, start: &Value, stop: &Value, step: &Value) -> Result {
    for part in [value, start, stop, step] {
        check(part)?;
    }
    let bound = |bound: &Value| match view(bound) {
        View::None => Ok(None),
        View::Int(number) => Ok(Some(number)),
        View::Bool(flag) => Ok(Some(i128::from(flag))),
        _ => {
            Err(TemplateError::runtime("slice indices must be integers or None or have an __index__ method"))
        }
    };
    let (start, stop, step) = (bound(start)?, bound(stop)?, bound(step)?.unwrap_or(1));
    if step == 0 {
        return Err(TemplateError::runtime("slice step cannot be zero"));
    }
    let pick = |len: usize| -> Vec<usize> {
        let len = i128::try_from(len).unwrap_or(0);
        let clamp = |index: i128, low: i128, high: i128| {
            let index = if index < 0 { index.saturating_add(len) } else { index };
            index.clamp(low, high)
        };
        let mut picked = Vec::new();
        if step > 0 {
            let stop = stop.map_or(len, |stop| clamp(stop, 0, len));
            let mut at = start.map_or(0, |start| clamp(start, 0, len));
            while at < stop {
                picked.push(usize::try_from(at).unwrap_or(0));
                at = at.saturating_add(step);
            }
        } else {
            let stop = stop.map_or(-1, |stop| clamp(stop, -1, len - 1));
            let mut at = start.map_or(len - 1, |start| clamp(start, -1, len - 1));
            while at > stop {
                picked.push(usize::try_from(at).unwrap_or(0));
                at = at.saturating_add(step);
            }
        }
        picked
    };
    match view(value) {
        View::Str(text) => {
            let chars: Vec<char> = text.chars().collect();
            Ok(Value::from(pick(chars.len()).into_iter().map(|at| chars[at]).collect::<String>()))
        }
        View::Seq(_) | View::Iter => {
            let all = items(value).unwrap_or_default();
            let picked: Vec<Value> = pick(all.len()).into_iter().map(|at| all[at].clone()).collect();
            Ok(if value.is_tuple() { tuple(picked) } else { list(picked) })
        }
        _ => Err(TemplateError::runtime(format!("'{}' object is not subscriptable", type_name(value)))),
    }
}

/// The items of something a loop or a list filter walks over; an error for scalars.
pub(crate) fn iterate(value: &Value) -> Result<Vec<Value>> {
    match view(value) {
        View::Str(text) => Ok(text.chars().map(Value::from).collect()),
        View::Marker(marker) => Err(marker.error()),
        View::Absent => Ok(Vec::new()),
        _ => items(value)
            .ok_or_else(|| TemplateError::runtime(format!("'{}' object is not iterable", type_name(value)))),
    }
}

/// The pairs of a dict; an error for anything else.
pub(crate) fn as_dict(value: &Value) -> Result<Dict> {
    match view(value) {
        View::Map(map) => Ok(pairs(map).into_iter().collect()),
        View::Marker(marker) => Err(marker.error()),
        _ => Err(TemplateError::runtime(format!(
            "expected a dict, got a value of type '{}'",
            type_name(value)
        ))),
    }
}

/// Sorts in Python's order; the first pair that cannot be ordered is the error. Stable.
pub(crate) fn sort_by<T>(
    items: &mut [T],
    reverse: bool,
    mut compare: impl FnMut(&T, &T) -> Result<Ordering>,
) -> Result<()> {
    let mut failed = None;
    items.sort_by(|a, b| {
        let order = compare(a, b).unwrap_or_else(|error| {
            failed.get_or_insert(error);
            Ordering::Equal
        });
        if reverse { order.reverse() } else { order }
    });
    failed.map_or(Ok(()), Err)
}
