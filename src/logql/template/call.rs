//! The functions that a template can call: those of Go's templates and those that Loki adds.

use crate::logql::gotext::time::Time;
use crate::logql::template::Fields;
use crate::logql::template::exec::Run;
use crate::logql::template::value::Value;
use crate::logql::template::{builtins, codec, cost, math, printf, sprig, text};

/// The type that a function wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Param {
    Text,
    Int,
    Float,
    Time,
    /// Whatever comes.
    Any,
}

impl Param {
    pub(crate) const fn type_name(self) -> &'static str {
        match self {
            Param::Text => "string",
            Param::Int => "int",
            Param::Float => "float64",
            Param::Time => "time.Time",
            Param::Any => "interface {}",
        }
    }

    /// What a message calls a constant of this type.
    pub(crate) const fn constant_name(self) -> &'static str {
        match self {
            Param::Text => "string",
            Param::Int => "integer",
            Param::Float => "float",
            Param::Time | Param::Any => "value",
        }
    }
}

/// A function's parameters, and the type of any more that it takes.
pub(crate) type Signature = (&'static [Param], Option<Param>);

/// `None` where there is no such function.
pub(crate) fn params(name: &str) -> Option<Signature> {
    shared_params(name).or_else(|| sprig::params(name))
}

/// Of those that queries have, and most of them agents as well.
fn shared_params(name: &str) -> Option<Signature> {
    use Param::{Any, Float, Int, Text, Time};
    let signature: Signature = match name {
        "__line__" | "__timestamp__" | "now" => (&[], None),
        "ToLower" | "ToUpper" | "TrimSpace" | "lower" | "upper" | "title" | "trim" | "urldecode" | "urlencode"
        | "bytes" | "duration" | "duration_seconds" | "b64enc" | "b64dec" | "fromJson" | "unixToTime" => {
            (&[Text], None)
        }
        "Replace" => (&[Text, Text, Text, Int], None),
        "Trim" | "TrimLeft" | "TrimRight" | "TrimPrefix" | "TrimSuffix" | "trimAll" | "trimSuffix" | "trimPrefix"
        | "contains" | "hasPrefix" | "hasSuffix" | "count" | "toDate" | "Hash" | "Sha2Hash" => (&[Text, Text], None),
        "regexReplaceAll" | "regexReplaceAllLiteral" | "replace" | "toDateInZone" => (&[Text, Text, Text], None),
        "unixEpoch" | "unixEpochMillis" | "unixEpochNanos" => (&[Time], None),
        "alignLeft" | "alignRight" | "trunc" | "indent" | "nindent" | "repeat" => (&[Int, Text], None),
        "substr" => (&[Int, Int, Text], None),
        "int" | "float64" | "ceil" | "floor" | "not" | "len" => (&[Any], None),
        "add" | "addf" | "print" | "println" | "html" | "js" | "urlquery" => (&[], Some(Any)),
        "mul" | "mulf" | "subf" | "divf" | "max" | "min" | "maxf" | "minf" | "default" | "index" | "slice" | "call"
        | "and" | "or" | "eq" => (&[Any], Some(Any)),
        "sub" | "div" | "mod" | "ne" | "lt" | "le" | "gt" | "ge" => (&[Any, Any], None),
        "round" => (&[Any, Int], Some(Float)),
        "printf" => (&[Text], Some(Any)),
        "date" => (&[Text, Any], None),
        _ => return None,
    };
    Some(signature)
}

/// Whether a query has such a function.
pub(crate) fn knows_in_query(name: &str) -> bool {
    shared_params(name).is_some() && !matches!(name, "Hash" | "Sha2Hash")
}

/// Whether a stage of an agent's pipeline has such a function.
pub(crate) fn knows_in_pipeline(name: &str) -> bool {
    params(name).is_some() && !matches!(name, "__line__" | "__timestamp__")
}

/// Calls a function with arguments that fit its parameters. `callee` is how the first argument is written.
pub(crate) fn call<'a>(run: &Run<'a>, name: &str, callee: &str, args: &[Value<'a>]) -> Result<Value<'a>, String> {
    let budget = run.input.budget;
    budget.read(cost::read(args))?;
    budget.covers(cost::most(name, args))?;
    let value = answer(run, name, callee, args)?;
    match name {
        // what JSON becomes is no text, but takes memory as well
        "fromJson" => budget.take(cost::most(name, args))?,
        _ => budget.take_value(&value)?,
    }
    Ok(value)
}

fn answer<'a>(run: &Run<'a>, name: &str, callee: &str, args: &[Value<'a>]) -> Result<Value<'a>, String> {
    match name {
        "__line__" => Ok(Value::text(run.input.line)),
        "__timestamp__" => Ok(Value::Time(Time::from(run.input.timestamp))),
        "now" => Ok(Value::Time(run.now())),
        "call" => Err(not_callable(callee, &args[0])),
        "printf" => {
            let format = text_at(args, 0);
            Ok(Value::text(printf::sprintf(format, &args[1..])))
        }
        "print" => Ok(Value::text(printf::sprint(args))),
        "println" => Ok(Value::text(printf::sprintln(args))),
        "html" => Ok(Value::text(codec::html(&printed(args)))),
        "js" => Ok(Value::text(codec::js(&printed(args)))),
        "urlquery" => Ok(Value::text(codec::url_encode(&printed(args)))),
        "not" => Ok(Value::Bool(!args[0].is_true())),
        "len" => builtins::len(&args[0]),
        "index" => builtins::index(&args[0], &args[1..]),
        "slice" => builtins::slice(&args[0], &args[1..]),
        "eq" => builtins::equal_any(&args[0], &args[1..]),
        "ne" => builtins::equal(&args[0], &args[1]).map(|equal| Value::Bool(!equal)),
        "lt" => builtins::less(&args[0], &args[1]).map(Value::Bool),
        "le" => builtins::less_or_equal(&args[0], &args[1]).map(Value::Bool),
        "gt" => builtins::less_or_equal(&args[0], &args[1]).map(|less| Value::Bool(!less)),
        "ge" => builtins::less(&args[0], &args[1]).map(|less| Value::Bool(!less)),
        "default" => Ok(match args.get(1) {
            Some(given) if !given.is_empty() => given.clone(),
            Some(_) | None => args[0].clone(),
        }),
        "date" => Ok(Value::text(date(run, &args[1]).format(text_at(args, 0)))),
        "dateInZone" | "date_in_zone" => {
            Ok(Value::text(date(run, &args[1]).in_zone(text_at(args, 2)).format(text_at(args, 0))))
        }
        // agents and queries have two functions of this name
        "duration" if matches!(run.input.fields, Fields::Values(_)) => Ok(Value::text(sprig::duration_text(&args[0]))),
        "toDate" => Ok(Value::Time(Time::parse(text_at(args, 0), "UTC", text_at(args, 1)))),
        "toDateInZone" => Ok(Value::Time(Time::parse(text_at(args, 0), text_at(args, 1), text_at(args, 2)))),
        "unixEpoch" | "unixEpochMillis" | "unixEpochNanos" => Ok(unix(name, &args[0])),
        "unixToTime" => codec::unix_to_time(text_at(args, 0)).map(Value::Time),
        "fromJson" => Ok(codec::from_json(text_at(args, 0))),
        "urlencode" => Ok(Value::text(codec::url_encode(text_at(args, 0)))),
        "urldecode" => codec::url_decode(text_at(args, 0)).map(Value::text),
        "Hash" => Ok(Value::text(codec::sha3(text_at(args, 0), text_at(args, 1)))),
        "Sha2Hash" => Ok(Value::text(codec::sha2(text_at(args, 0), text_at(args, 1)))),
        "b64enc" => Ok(Value::text(codec::base64_encode(text_at(args, 0)))),
        "b64dec" => Ok(Value::text(codec::base64_decode(text_at(args, 0)))),
        _ => match math::call(name, args) {
            Some(result) => result,
            None => match sprig::call(run.input.budget, name, args) {
                Some(result) => result,
                None => text::call(run.input.budget, name, args),
            },
        },
    }
}

/// The text of an argument that the parameters made sure is one.
pub(crate) fn text_at<'v>(args: &'v [Value<'_>], index: usize) -> &'v str {
    match args.get(index) {
        Some(Value::Text(text)) => text,
        Some(_) | None => "",
    }
}

/// The number of an argument that the parameters made sure is one.
pub(crate) fn int_at(args: &[Value<'_>], index: usize) -> i64 {
    args.get(index).and_then(Value::int).unwrap_or(0)
}

fn printed(args: &[Value<'_>]) -> String {
    if let [Value::Text(text)] = args {
        return text.clone().into_owned();
    }
    let shown = args.iter().map(|arg| match arg {
        Value::Nothing => Value::text("<no value>"),
        arg => arg.clone(),
    });
    printf::sprint(&shown.collect::<Vec<_>>())
}

fn not_callable(callee: &str, value: &Value<'_>) -> String {
    match value {
        Value::Nothing => "call of nil".to_owned(),
        Value::Text(text) if callee.is_empty() => format!("non-function {text} of type string"),
        other if callee.is_empty() => format!("non-function <{0} Value> of type {0}", other.type_name()),
        other => format!("non-function {callee} of type {}", other.type_name()),
    }
}

/// A time as it is, a number as seconds of Unix time, anything else as now.
fn date(run: &Run<'_>, value: &Value<'_>) -> Time {
    match value {
        Value::Time(time) => time.utc(),
        Value::Int(seconds) | Value::Int64(seconds) => Time::from_unix(*seconds, 0).unwrap_or_else(Time::zero),
        _ => run.now(),
    }
}

fn unix<'a>(name: &str, value: &Value<'_>) -> Value<'a> {
    let Value::Time(time) = value else { return Value::Nothing };
    let number = match name {
        "unixEpochMillis" => time.unix_milli(),
        "unixEpochNanos" => time.unix_nano(),
        _ => time.unix(),
    };
    Value::text(number.to_string())
}
