//! Methods of values: times have some, such as `__timestamp__.Year`.

use crate::logql::template::call::Param;
use crate::logql::template::value::Value;

/// What a method takes; `None` where the value has no such method.
pub(crate) fn params(value: &Value<'_>, name: &str) -> Option<&'static [Param]> {
    match (value, name) {
        (Value::Time(_), "Format") => Some(&[Param::Text]),
        (Value::Time(_), "AddDate") => Some(&[Param::Int, Param::Int, Param::Int]),
        (
            Value::Time(_),
            "Unix" | "UnixMilli" | "UnixMicro" | "UnixNano" | "Year" | "Month" | "Day" | "Hour" | "Minute" | "Second"
            | "Nanosecond" | "Weekday" | "YearDay" | "String" | "UTC" | "Local" | "IsZero",
        )
        | (Value::Named { .. }, "String") => Some(&[]),
        (Value::Time(_), "Equal" | "Before" | "After") => Some(&[Param::Time]),
        _ => None,
    }
}

/// Calls a method that the value has, with arguments that fit.
pub(crate) fn call<'a>(value: &Value<'a>, name: &str, args: &[Value<'a>]) -> Result<Value<'a>, String> {
    let time = match value {
        Value::Time(time) => time,
        other => return Ok(Value::text(other.printed())),
    };
    Ok(match (name, args) {
        ("Unix", _) => Value::Int64(time.unix()),
        ("UnixMilli", _) => Value::Int64(time.unix_milli()),
        ("UnixMicro", _) => Value::Int64(time.unix_micro()),
        ("UnixNano", _) => Value::Int64(time.unix_nano()),
        ("Year", _) => Value::Int(time.year()),
        ("Day", _) => Value::Int(time.day()),
        ("Hour", _) => Value::Int(time.hour()),
        ("Minute", _) => Value::Int(time.minute()),
        ("Second", _) => Value::Int(time.second()),
        ("Nanosecond", _) => Value::Int(time.nanosecond()),
        ("YearDay", _) => Value::Int(time.year_day()),
        ("Month", _) => {
            let (number, name) = time.month();
            Value::Named { type_name: "time.Month", name, number }
        }
        ("Weekday", _) => {
            let (number, name) = time.weekday();
            Value::Named { type_name: "time.Weekday", name, number }
        }
        ("UTC" | "Local", _) => Value::Time(time.utc()),
        ("IsZero", _) => Value::Bool(time.is_zero()),
        ("Format", [Value::Text(layout)]) => Value::text(time.format(layout)),
        ("AddDate", [Value::Int(years), Value::Int(months), Value::Int(days)]) => {
            Value::Time(time.add_date(*years, *months, *days).ok_or("time out of range")?)
        }
        ("Equal", [Value::Time(other)]) => Value::Bool(time.order(other).is_eq()),
        ("Before", [Value::Time(other)]) => Value::Bool(time.order(other).is_lt()),
        ("After", [Value::Time(other)]) => Value::Bool(time.order(other).is_gt()),
        _ => Value::text(time.to_string()),
    })
}
