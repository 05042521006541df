//! Functions that make lists and maps, and that read them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::logql::template::Budget;
use crate::logql::template::call::{int_at, text_at};
use crate::logql::template::sprig::take_elements;
use crate::logql::template::value::Value;

/// Calls a function of this kind; `None` where it is none.
pub(in crate::logql::template) fn call<'a>(
    budget: &Budget,
    name: &str,
    args: &[Value<'a>],
) -> Option<Result<Value<'a>, String>> {
    let known = match name {
        "list" | "tuple" | "first" | "last" | "rest" | "initial" | "reverse" | "uniq" | "compact" | "sortAlpha"
        | "toStrings" | "append" | "push" | "prepend" | "has" | "without" | "concat" | "until" => {
            list(budget, name, args)
        }
        "splitList" | "split" | "splitn" => split(budget, name, args),
        "dict" | "get" | "hasKey" | "keys" | "values" | "pick" | "omit" => map(budget, name, args),
        _ => return None,
    };
    Some(known)
}

/// Texts of their own as a list.
pub(in crate::logql::template) fn of_texts<'a, 't>(texts: impl Iterator<Item = &'t str>) -> Value<'a> {
    Value::List(Rc::new(texts.map(|text| Value::text(text.to_owned())).collect()))
}

/// Go's `reflect.DeepEqual`: of the same type, and the same in all parts.
pub(in crate::logql::template) fn is_same(first: &Value<'_>, second: &Value<'_>) -> bool {
    match (first, second) {
        (Value::Nothing, Value::Nothing) => true,
        (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| is_same(a, b)),
        (Value::Map(a), Value::Map(b)) => {
            a.len() == b.len() && a.iter().zip(b.iter()).all(|((k, a), (l, b))| k == l && is_same(a, b))
        }
        (Value::Labels(a), Value::Labels(b)) => a == b,
        (Value::Time(a), Value::Time(b)) => a.order(b).is_eq(),
        (a, b) => a.type_name() == b.type_name() && a.order(b).is_some_and(std::cmp::Ordering::is_eq),
    }
}

fn list<'a>(budget: &Budget, name: &str, args: &[Value<'a>]) -> Result<Value<'a>, String> {
    match name {
        "list" | "tuple" => {
            take_elements(budget, args.len())?;
            return Ok(Value::List(Rc::new(args.to_vec())));
        }
        "until" => {
            let count = int_at(args, 0);
            take_elements(budget, usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX))?;
            let step = count.signum();
            return Ok(Value::List(Rc::new((0..count.abs()).map(|index| Value::Int(index * step)).collect())));
        }
        "sortAlpha" | "toStrings" => return strings(budget, name, args.first().unwrap_or(&Value::Nothing)),
        "concat" => {
            let mut all = Vec::new();
            for arg in args {
                all.extend_from_slice(elements(budget, name, arg)?);
            }
            return Ok(Value::List(Rc::new(all)));
        }
        "has" => {
            let (Some(needle), Some(haystack)) = (args.first(), args.get(1)) else { return Ok(Value::Bool(false)) };
            if matches!(haystack, Value::Nothing) {
                return Ok(Value::Bool(false));
            }
            let known = elements(budget, name, haystack)?;
            return Ok(Value::Bool(known.iter().any(|value| is_same(value, needle))));
        }
        _ => {}
    }
    let values = elements(budget, name, args.first().unwrap_or(&Value::Nothing))?;
    let rest = args.get(1..).unwrap_or_default();
    let made: Vec<Value<'a>> = match name {
        "first" => return Ok(values.first().cloned().unwrap_or(Value::Nothing)),
        "last" => return Ok(values.last().cloned().unwrap_or(Value::Nothing)),
        "rest" | "initial" if values.is_empty() => return Ok(Value::Nothing),
        "rest" => values[1..].to_vec(),
        "initial" => values[..values.len() - 1].to_vec(),
        "reverse" => values.iter().rev().cloned().collect(),
        "compact" => values.iter().filter(|value| !value.is_empty()).cloned().collect(),
        "append" | "push" => values.iter().chain(rest).cloned().collect(),
        "prepend" => rest.iter().chain(values).cloned().collect(),
        "without" => {
            budget.step(values.len().saturating_mul(rest.len()))?;
            values.iter().filter(|value| !rest.iter().any(|other| is_same(other, value))).cloned().collect()
        }
        _ => {
            let mut once: Vec<Value<'a>> = Vec::new();
            for value in values {
                budget.step(once.len())?;
                if !once.iter().any(|known| is_same(known, value)) {
                    once.push(value.clone());
                }
            }
            once
        }
    };
    Ok(Value::List(Rc::new(made)))
}

/// What a list holds; to copy it is paid for.
fn elements<'v, 'a>(budget: &Budget, name: &str, value: &'v Value<'a>) -> Result<&'v [Value<'a>], String> {
    let Value::List(list) = value else { return Err(format!("Cannot find {name} on type {}", value.type_name())) };
    take_elements(budget, list.len())?;
    budget.take(list.iter().map(Value::owned_bytes).sum())?;
    Ok(list)
}

/// Each element as text; what is no list is one of just itself.
fn strings<'a>(budget: &Budget, name: &str, value: &Value<'a>) -> Result<Value<'a>, String> {
    budget.take(value.printed_bytes())?;
    let mut texts: Vec<String> = match value {
        Value::List(list) => {
            take_elements(budget, list.len())?;
            list.iter().filter(|value| !matches!(value, Value::Nothing)).map(Value::printed).collect()
        }
        Value::Nothing => Vec::new(),
        other => vec![other.printed()],
    };
    if name == "sortAlpha" && matches!(value, Value::List(_)) {
        texts.sort();
    }
    Ok(Value::List(Rc::new(texts.into_iter().map(Value::text).collect())))
}

/// `splitList` makes a list; the others a map of `_0`, `_1` and so on.
fn split<'a>(budget: &Budget, name: &str, args: &[Value<'a>]) -> Result<Value<'a>, String> {
    let separator = text_at(args, 0);
    let (text, limit) = match name {
        "splitn" => (text_at(args, 2), int_at(args, 1)),
        _ => (text_at(args, 1), -1),
    };
    let most = if separator.is_empty() { text.chars().count() } else { text.matches(separator).count() + 1 };
    let limit = usize::try_from(limit).unwrap_or(most).min(most);
    take_elements(budget, limit)?;
    budget.take(text.len())?;
    let parts: Vec<&str> = match (separator, limit) {
        (_, 0) => Vec::new(),
        // without a separator, each letter is a part
        ("", _) => {
            let mut starts: Vec<usize> = text.char_indices().map(|(at, _)| at).take(limit).collect();
            starts.push(text.len());
            starts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect()
        }
        _ => text.splitn(limit, separator).collect(),
    };
    if name == "splitList" {
        return Ok(of_texts(parts.into_iter()));
    }
    let named = parts.into_iter().enumerate();
    let named = named.map(|(index, part)| (Cow::Owned(format!("_{index}")), Cow::Owned(part.to_owned())));
    Ok(Value::Labels(Rc::new(named.collect())))
}

fn map<'a>(budget: &Budget, name: &str, args: &[Value<'a>]) -> Result<Value<'a>, String> {
    let first = args.first().unwrap_or(&Value::Nothing);
    match name {
        "dict" => {
            take_elements(budget, args.len())?;
            budget.take(args.iter().map(Value::printed_bytes).fold(0, usize::saturating_add))?;
            let pair = |pair: &[Value<'a>]| (pair[0].printed(), pair.get(1).cloned().unwrap_or(Value::text("")));
            return Ok(Value::Map(Rc::new(args.chunks(2).map(pair).collect())));
        }
        "get" => return Ok(field(first, text_at(args, 1))?.unwrap_or(Value::text(""))),
        "hasKey" => return Ok(Value::Bool(field(first, text_at(args, 1))?.is_some())),
        _ => {}
    }
    let mut all = Vec::new();
    for arg in if name == "keys" { args } else { &args[..1.min(args.len())] } {
        take_elements(budget, 2 * fields(arg)?.len())?;
        budget.take(arg.printed_bytes())?;
        all.extend(fields(arg)?);
    }
    let is_named = |name: &str| args[1..].iter().any(|arg| matches!(arg, Value::Text(text) if text == name));
    Ok(match name {
        "keys" => Value::List(Rc::new(all.into_iter().map(|(name, _)| Value::text(name)).collect())),
        "values" => Value::List(Rc::new(all.into_iter().map(|(_, value)| value).collect())),
        _ => {
            budget.step(all.len().saturating_mul(args.len()))?;
            let kept = all.into_iter().filter(|(key, _)| is_named(key) == (name == "pick"));
            Value::Map(Rc::new(kept.collect::<BTreeMap<_, _>>()))
        }
    })
}

fn field<'a>(map: &Value<'a>, name: &str) -> Result<Option<Value<'a>>, String> {
    match map {
        Value::Map(map) => Ok(map.get(name).cloned()),
        Value::Labels(map) => Ok(map.get(name).map(|value| Value::Text(value.clone()))),
        other => Err(no_map(other)),
    }
}

fn fields<'a>(map: &Value<'a>) -> Result<Vec<(String, Value<'a>)>, String> {
    match map {
        Value::Map(map) => Ok(map.iter().map(|(name, value)| (name.clone(), value.clone())).collect()),
        Value::Labels(map) => {
            Ok(map.iter().map(|(name, value)| (name.to_string(), Value::Text(value.clone()))).collect())
        }
        other => Err(no_map(other)),
    }
}

fn no_map(value: &Value<'_>) -> String {
    format!("wrong type for value; expected map[string]interface {{}}; got {}", value.type_name())
}
