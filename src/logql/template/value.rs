//! What a template works with, under the names that Go has for the types.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::logql::gotext::number::{FloatFormat, format_float};
use crate::logql::gotext::time::Time;

/// A value, its text borrowed from the line's labels or the template where that can be.
#[derive(Clone, Debug)]
pub(crate) enum Value<'a> {
    /// What Go calls an invalid value: `nil` of JSON, the value of a key that is not there.
    Nothing,
    Bool(bool),
    Int(i64),
    /// The type of sums and products; printed as `Int`, but not comparable to text, either.
    Int64(i64),
    Float(f64),
    Text(Cow<'a, str>),
    List(Rc<Vec<Value<'a>>>),
    Map(Rc<BTreeMap<String, Value<'a>>>),
    /// All labels of the line.
    Labels(Rc<BTreeMap<Cow<'a, str>, Cow<'a, str>>>),
    Time(Time),
    /// `time.Month` and `time.Weekday`: a number that is printed as a name.
    Named {
        type_name: &'static str,
        name: &'static str,
        number: i64,
    },
}

/// What of Go's types decides how values compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Basic {
    Bool,
    Int,
    Float,
    Text,
}

impl<'a> Value<'a> {
    pub(crate) fn text(text: impl Into<Cow<'a, str>>) -> Value<'a> {
        Value::Text(text.into())
    }

    pub(crate) const fn type_name(&self) -> &'static str {
        match self {
            Value::Nothing => "<nil>",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Int64(_) => "int64",
            Value::Float(_) => "float64",
            Value::Text(_) => "string",
            Value::List(_) => "[]interface {}",
            Value::Map(_) => "map[string]interface {}",
            Value::Labels(_) => "map[string]string",
            Value::Time(_) => "time.Time",
            Value::Named { type_name, .. } => type_name,
        }
    }

    /// Whether `if` takes the value for true: it is not zero and not empty.
    pub(crate) fn is_true(&self) -> bool {
        match self {
            Value::Time(_) => true,
            _ => !self.is_empty(),
        }
    }

    /// Whether `default` replaces the value.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Value::Nothing => true,
            Value::Bool(value) => !value,
            Value::Int(value) | Value::Int64(value) | Value::Named { number: value, .. } => *value == 0,
            Value::Float(value) => *value == 0.0,
            Value::Text(text) => text.is_empty(),
            Value::List(list) => list.is_empty(),
            Value::Map(map) => map.is_empty(),
            Value::Labels(map) => map.is_empty(),
            Value::Time(_) => false,
        }
    }

    pub(crate) const fn basic(&self) -> Option<Basic> {
        match self {
            Value::Bool(_) => Some(Basic::Bool),
            Value::Int(_) | Value::Int64(_) | Value::Named { .. } => Some(Basic::Int),
            Value::Float(_) => Some(Basic::Float),
            Value::Text(_) => Some(Basic::Text),
            Value::Nothing | Value::List(_) | Value::Map(_) | Value::Labels(_) | Value::Time(_) => None,
        }
    }

    /// The order of two values of one basic type; `None` for others and for NaN.
    pub(crate) fn order(&self, other: &Value<'_>) -> Option<Ordering> {
        match (self, other) {
            (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
            (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
            (Value::Text(a), Value::Text(b)) => Some(a.as_ref().cmp(b.as_ref())),
            (a, b) => Some(a.int()?.cmp(&b.int()?)),
        }
    }

    /// The number of an integer type.
    pub(crate) const fn int(&self) -> Option<i64> {
        match self {
            Value::Int(value) | Value::Int64(value) | Value::Named { number: value, .. } => Some(*value),
            _ => None,
        }
    }

    /// Appends what `fmt.Print` writes.
    pub(crate) fn print(&self, out: &mut String) {
        match self {
            Value::Nothing => out.push_str("<nil>"),
            Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Value::Int(value) | Value::Int64(value) => out.push_str(&value.to_string()),
            Value::Float(value) => out.push_str(&format_float(*value, FloatFormat::General, None)),
            Value::Text(text) => out.push_str(text),
            Value::List(list) => {
                out.push('[');
                for (index, value) in list.iter().enumerate() {
                    if index > 0 {
                        out.push(' ');
                    }
                    value.print(out);
                }
                out.push(']');
            }
            Value::Map(map) => print_map(map.iter().map(|(key, value)| (key.as_str(), value)), out),
            Value::Labels(map) => {
                let values: Vec<(&str, Value<'_>)> =
                    map.iter().map(|(key, value)| (key.as_ref(), Value::text(value.as_ref()))).collect();
                print_map(values.iter().map(|(key, value)| (*key, value)), out);
            }
            Value::Time(time) => out.push_str(&time.to_string()),
            Value::Named { name, .. } => out.push_str(name),
        }
    }

    /// Text that the value has for itself, and that a copy of it takes again.
    pub(crate) fn owned_bytes(&self) -> usize {
        match self {
            Value::Text(Cow::Owned(text)) => text.len(),
            _ => 0,
        }
    }

    /// Bytes that [`Value::print`] writes at most.
    pub(crate) fn printed_bytes(&self) -> usize {
        let pair = |key: &str, length: usize| length.saturating_add(key.len() + 2);
        match self {
            Value::Text(text) => text.len(),
            Value::List(list) => list.iter().map(|value| value.printed_bytes() + 1).fold(2, usize::saturating_add),
            Value::Map(map) => {
                map.iter().map(|(key, value)| pair(key, value.printed_bytes())).fold(5, usize::saturating_add)
            }
            Value::Labels(map) => map.iter().map(|(key, value)| pair(key, value.len())).fold(5, usize::saturating_add),
            // numbers, times and names are short
            _ => 64,
        }
    }

    /// Texts, numbers and the like in the value, with all that it holds.
    pub(crate) fn leaves(&self) -> usize {
        match self {
            Value::List(list) => list.iter().map(Value::leaves).sum(),
            Value::Map(map) => map.values().map(|value| 1 + value.leaves()).sum(),
            Value::Labels(map) => 2 * map.len(),
            _ => 1,
        }
    }

    /// What `fmt.Sprint` makes of one value.
    pub(crate) fn printed(&self) -> String {
        let mut out = String::new();
        self.print(&mut out);
        out
    }
}

fn print_map<'m, 'a: 'm>(pairs: impl Iterator<Item = (&'m str, &'m Value<'a>)>, out: &mut String) {
    out.push_str("map[");
    for (index, (key, value)) in pairs.enumerate() {
        if index > 0 {
            out.push(' ');
        }
        out.push_str(key);
        out.push(':');
        value.print(out);
    }
    out.push(']');
}
