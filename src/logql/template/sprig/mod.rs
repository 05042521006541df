//! Functions that the templates of agents have besides those of queries: texts, lists, maps, patterns and JSON.
//!
//! Promises: what they make is taken from the budget before it is made. Never: randomness, keys, files, environment,
//! network; such functions are not known, so that a template which calls one is refused when it is read.

mod lists;
mod texts;

use crate::logql::gotext::duration;
use crate::logql::template::Budget;
use crate::logql::template::call::{Param, Signature, int_at, text_at};
use crate::logql::template::math;
use crate::logql::template::regexes;
use crate::logql::template::value::Value;

/// What an element of a list takes, apart from its text.
const ELEMENT_BYTES: usize = 64;

/// `None` where there is no such function.
pub(crate) fn params(name: &str) -> Option<Signature> {
    use Param::{Any, Int, Text};
    let signature: Signature = match plain(name) {
        "nospace" | "untitle" | "swapcase" | "initials" | "sha256sum" | "sha512sum" | "base" | "dir" | "ext"
        | "clean" | "isAbs" | "regexQuoteMeta" | "atoi" => (&[Text], None),
        "splitList" | "split" | "regexMatch" | "regexFind" | "trimall" => (&[Text, Text], None),
        "splitn" => (&[Text, Int, Text], None),
        "regexFindAll" | "regexSplit" => (&[Text, Text, Int], None),
        "plural" => (&[Text, Text, Int], None),
        "abbrev" => (&[Int, Text], None),
        "until" => (&[Int], None),
        "join" | "kindIs" | "typeIs" => (&[Text, Any], None),
        "quote" | "squote" | "cat" | "list" | "tuple" | "coalesce" | "all" | "any" | "dict" | "concat" | "keys" => {
            (&[], Some(Any))
        }
        "empty" | "toString" | "toStrings" | "int64" | "toDecimal" | "kindOf" | "typeOf" | "first" | "last"
        | "rest" | "initial" | "reverse" | "uniq" | "compact" | "sortAlpha" | "values" | "toJson" | "toRawJson"
        | "add1" | "add1f" => (&[Any], None),
        "append" | "push" | "prepend" | "has" | "deepEqual" => (&[Any, Any], None),
        "without" | "biggest" => (&[Any], Some(Any)),
        "get" | "hasKey" => (&[Any, Text], None),
        "pick" | "omit" => (&[Any], Some(Text)),
        "ternary" => (&[Any, Any, Any], None),
        "dateInZone" => (&[Text, Any, Text], None),
        _ => return None,
    };
    Some(signature)
}

/// Those that fail aloud do the same, and each failure is one of the line.
fn plain(name: &str) -> &str {
    match name {
        "mustRegexMatch" => "regexMatch",
        "mustRegexFind" => "regexFind",
        "mustRegexFindAll" => "regexFindAll",
        "mustRegexSplit" => "regexSplit",
        "mustFirst" => "first",
        "mustLast" => "last",
        "mustRest" => "rest",
        "mustInitial" => "initial",
        "mustReverse" => "reverse",
        "mustUniq" => "uniq",
        "mustCompact" => "compact",
        "mustAppend" => "append",
        "mustPrepend" => "prepend",
        "mustHas" => "has",
        "mustWithout" => "without",
        "mustToJson" => "toJson",
        "mustToRawJson" => "toRawJson",
        "date_in_zone" => "dateInZone",
        "osBase" => "base",
        "osDir" => "dir",
        "osExt" => "ext",
        "osClean" => "clean",
        "osIsAbs" => "isAbs",
        name => name,
    }
}

/// Calls a function of this kind with arguments that fit; `None` where it is none.
pub(crate) fn call<'a>(budget: &Budget, name: &str, args: &[Value<'a>]) -> Option<Result<Value<'a>, String>> {
    let name = plain(name);
    params(name)?;
    Some(match lists::call(budget, name, args) {
        Some(result) => result,
        None => match patterns(budget, name, args) {
            Some(result) => result,
            None => match texts::call(budget, name, args) {
                Some(result) => result.map(Value::text),
                None => others(name, args),
            },
        },
    })
}

/// A length of time as agents' templates write it: so many seconds, as Go prints them.
pub(crate) fn duration_text(value: &Value<'_>) -> String {
    let seconds = match value {
        Value::Int64(seconds) => *seconds,
        Value::Text(text) => text.parse().unwrap_or(0),
        _ => 0,
    };
    duration::format(seconds.wrapping_mul(1_000_000_000))
}

/// Takes what a list of so many elements needs.
fn take_elements(budget: &Budget, count: usize) -> Result<(), String> {
    budget.step(count)?;
    budget.take(count.saturating_mul(ELEMENT_BYTES))
}

fn patterns<'a>(budget: &Budget, name: &str, args: &[Value<'a>]) -> Option<Result<Value<'a>, String>> {
    let (pattern, text) = (text_at(args, 0), text_at(args, 1));
    let run = || -> Result<Value<'a>, String> {
        let regex = regexes::get(budget, pattern)?;
        let limit = usize::try_from(int_at(args, 2)).unwrap_or(usize::MAX);
        let mut places = Vec::new();
        match name {
            "regexMatch" => return Ok(Value::Bool(regex.is_match(text))),
            "regexFind" => {
                return Ok(Value::text(regex.find(text).map_or("", |found| found.as_str()).to_owned()));
            }
            _ => {}
        }
        for found in regex.find_iter(text).take(limit) {
            take_elements(budget, 1)?;
            budget.read(text.len() - found.end())?;
            places.push(found.range());
        }
        if name == "regexFindAll" {
            return Ok(lists::of_texts(places.into_iter().map(|place| &text[place])));
        }
        Ok(lists::of_texts(texts::between(text, &places, limit, !pattern.is_empty()).into_iter()))
    };
    matches!(name, "regexMatch" | "regexFind" | "regexFindAll" | "regexSplit").then(run)
}

/// What is neither made of lists nor text.
fn others<'a>(name: &str, args: &[Value<'a>]) -> Result<Value<'a>, String> {
    let first = args.first().unwrap_or(&Value::Nothing);
    Ok(match name {
        "empty" => Value::Bool(first.is_empty()),
        "all" => Value::Bool(!args.iter().any(Value::is_empty)),
        "any" => Value::Bool(args.iter().any(|arg| !arg.is_empty())),
        "coalesce" => args.iter().find(|arg| !arg.is_empty()).cloned().unwrap_or(Value::Nothing),
        "ternary" => match args {
            [yes, _, Value::Bool(true)] => yes.clone(),
            [_, no, Value::Bool(false)] => no.clone(),
            [.., other] => return Err(format!("wrong type for value; expected bool; got {}", other.type_name())),
            [] => Value::Nothing,
        },
        "atoi" => Value::Int(text_at(args, 0).parse().unwrap_or(0)),
        "int64" => Value::Int64(math::to_int(first)),
        "toDecimal" => Value::Int64(i64::from_str_radix(&first.printed(), 8).unwrap_or(0)),
        "add1" => Value::Int64(math::to_int(first).wrapping_add(1)),
        "add1f" => return call_math("addf", &[first.clone(), Value::Int(1)]),
        "biggest" => return call_math("max", args),
        "isAbs" => Value::Bool(text_at(args, 0).starts_with('/')),
        "deepEqual" => Value::Bool(lists::is_same(first, args.get(1).unwrap_or(&Value::Nothing))),
        "kindIs" => Value::Bool(args.get(1).is_some_and(|value| kind(value) == text_at(args, 0))),
        "typeIs" => Value::Bool(args.get(1).is_some_and(|value| value.type_name() == text_at(args, 0))),
        "kindOf" => Value::text(kind(first)),
        "typeOf" => Value::text(first.type_name()),
        _ => return Err(format!("{name} is not a defined function")),
    })
}

fn call_math<'a>(name: &str, args: &[Value<'a>]) -> Result<Value<'a>, String> {
    math::call(name, args).unwrap_or_else(|| Err(format!("{name} is not a defined function")))
}

fn kind(value: &Value<'_>) -> &'static str {
    match value {
        Value::Nothing => "invalid",
        Value::List(_) => "slice",
        Value::Map(_) | Value::Labels(_) => "map",
        Value::Time(_) => "struct",
        Value::Named { .. } => "int",
        other => other.type_name(),
    }
}
