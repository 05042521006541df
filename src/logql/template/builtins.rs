//! What Go's templates bring along for lists, maps and comparisons.

use std::rc::Rc;

use crate::logql::gotext::bytes_to_string;
use crate::logql::template::value::{Basic, Value};

/// `len`: bytes of a text, elements of a list or map.
pub(crate) fn len<'a>(value: &Value<'_>) -> Result<Value<'a>, String> {
    let length = match value {
        Value::Text(text) => text.len(),
        Value::List(list) => list.len(),
        Value::Map(map) => map.len(),
        Value::Labels(map) => map.len(),
        Value::Nothing => return Err("reflect: call of reflect.Value.Type on zero Value".to_owned()),
        other => return Err(format!("len of type {}", other.type_name())),
    };
    Ok(Value::Int(length as i64))
}

/// `index x 1 "key"`
pub(crate) fn index<'a>(value: &Value<'a>, indexes: &[Value<'a>]) -> Result<Value<'a>, String> {
    if matches!(value, Value::Nothing) {
        return Err("index of untyped nil".to_owned());
    }
    let mut present = value.clone();
    for index in indexes {
        present = match &present {
            Value::Nothing => return Err("index of nil pointer".to_owned()),
            // Go lets the place behind the last one pass, and stumbles over it later
            Value::List(list) => match list.get(position(index, list.len() + 1)?) {
                Some(element) => element.clone(),
                None => return Err("reflect: slice index out of range".to_owned()),
            },
            Value::Text(text) => match text.as_bytes().get(position(index, text.len() + 1)?) {
                Some(byte) => Value::Int(i64::from(*byte)),
                None => return Err("reflect: string index out of range".to_owned()),
            },
            Value::Map(map) => map.get(key(index)?).cloned().unwrap_or(Value::Nothing),
            Value::Labels(map) => map.get(key(index)?).map_or(Value::text(""), |value| Value::Text(value.clone())),
            other => return Err(format!("can't index item of type {}", other.type_name())),
        };
    }
    Ok(present)
}

fn key<'v>(index: &'v Value<'_>) -> Result<&'v str, String> {
    match index {
        Value::Text(text) => Ok(text),
        Value::Nothing => Err("value is nil; should be of type string".to_owned()),
        other => Err(format!("value has type {}; should be string", other.type_name())),
    }
}

fn position(index: &Value<'_>, length: usize) -> Result<usize, String> {
    let number = match (index, index.int()) {
        (_, Some(number)) => number,
        (Value::Nothing, None) => return Err("cannot index slice/array with nil".to_owned()),
        (other, None) => return Err(format!("cannot index slice/array with type {}", other.type_name())),
    };
    usize::try_from(number).ok().filter(|place| *place < length).ok_or_else(|| format!("index out of range: {number}"))
}

/// `slice x 1 2`
pub(crate) fn slice<'a>(value: &Value<'a>, indexes: &[Value<'a>]) -> Result<Value<'a>, String> {
    if indexes.len() > 3 {
        return Err(format!("too many slice indexes: {}", indexes.len()));
    }
    let length = match value {
        Value::Text(_) if indexes.len() == 3 => return Err("cannot 3-index slice a string".to_owned()),
        Value::Text(text) => text.len(),
        Value::List(list) => list.len(),
        Value::Nothing => return Err("slice of untyped nil".to_owned()),
        other => return Err(format!("can't slice item of type {}", other.type_name())),
    };
    let mut bounds = [0, length, length];
    for (bound, index) in bounds.iter_mut().zip(indexes) {
        // a bound may lie right behind the last element
        *bound = position(index, length + 1)?;
    }
    let [start, end, capacity] = bounds;
    if start > end {
        return Err(format!("invalid slice index: {start} > {end}"));
    }
    if end > capacity {
        return Err(format!("invalid slice index: {end} > {capacity}"));
    }
    Ok(match value {
        Value::List(list) => Value::List(Rc::new(list[start..end].to_vec())),
        Value::Text(text) => Value::text(bytes_to_string(text.as_bytes()[start..end].to_vec())),
        other => other.clone(),
    })
}

/// `eq a b c`: whether the first equals one of the others.
pub(crate) fn equal_any<'a>(first: &Value<'_>, others: &[Value<'_>]) -> Result<Value<'a>, String> {
    if others.is_empty() {
        return Err("missing argument for comparison".to_owned());
    }
    for other in others {
        if equal(first, other)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

pub(crate) fn equal(first: &Value<'_>, second: &Value<'_>) -> Result<bool, String> {
    if let (Value::Nothing, other) | (other, Value::Nothing) = (first, second) {
        return Ok(matches!(other, Value::Nothing));
    }
    match (first, second) {
        (Value::Time(a), Value::Time(b)) => return Ok(a.order(b).is_eq()),
        _ if first.basic() != second.basic() => return Err(incompatible(first, second)),
        _ => {}
    }
    if first.basic().is_none() {
        let (name, other_name) = (first.type_name(), second.type_name());
        let is_list = |value: &Value<'_>| matches!(value, Value::List(_));
        let is_map = |value: &Value<'_>| matches!(value, Value::Map(_) | Value::Labels(_));
        let alike = is_list(first) && is_list(second) || is_map(first) && is_map(second);
        return Err(match alike {
            true => format!("non-comparable type {}: {other_name}", second.printed()),
            false => {
                let (first, second) = (first.printed(), second.printed());
                format!("non-comparable types {first}: {name}, {other_name}: {second}")
            }
        });
    }
    Ok(first.order(second).is_some_and(std::cmp::Ordering::is_eq))
}

fn incompatible(first: &Value<'_>, second: &Value<'_>) -> String {
    format!("incompatible types for comparison: {} and {}", first.type_name(), second.type_name())
}

pub(crate) fn less(first: &Value<'_>, second: &Value<'_>) -> Result<bool, String> {
    let (Some(a), Some(b)) = (first.basic(), second.basic()) else {
        return Err("invalid type for comparison".to_owned());
    };
    if a != b {
        return Err(incompatible(first, second));
    }
    if a == Basic::Bool {
        return Err("invalid type for comparison".to_owned());
    }
    Ok(first.order(second).is_some_and(std::cmp::Ordering::is_lt))
}

pub(crate) fn less_or_equal(first: &Value<'_>, second: &Value<'_>) -> Result<bool, String> {
    Ok(less(first, second)? || equal(first, second)?)
}
