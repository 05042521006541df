//! Functions on numbers. Text is read as a number where it is one, and counts as 0 where it is not.

use crate::logql::gotext::number;
use crate::logql::template::call::int_at;
use crate::logql::template::decimal::Decimal;
use crate::logql::template::value::Value;

/// Calls a function of this kind with arguments that fit; `None` where it is none.
pub(crate) fn call<'a>(name: &str, args: &[Value<'a>]) -> Option<Result<Value<'a>, String>> {
    let first = || args.first().map_or(0, to_int);
    let second = || args.get(1).map_or(0, to_int);
    let fold = |step: fn(i64, i64) -> i64| {
        let rest = args.iter().skip(1).map(to_int);
        Value::Int64(rest.fold(first(), step))
    };
    let fold_float = |step: fn(f64, f64) -> f64| {
        let rest = args.iter().skip(1).map(to_float);
        Value::Float(rest.fold(args.first().map_or(0.0, to_float), step))
    };
    let value = match name {
        "int" => Value::Int(first()),
        "float64" => Value::Float(args.first().map_or(0.0, to_float)),
        "add" => Value::Int64(args.iter().map(to_int).fold(0, i64::wrapping_add)),
        "sub" => Value::Int64(first().wrapping_sub(second())),
        "mul" => fold(i64::wrapping_mul),
        "div" | "mod" if second() == 0 => return Some(Err("runtime error: integer divide by zero".to_owned())),
        "div" => Value::Int64(first().wrapping_div(second())),
        "mod" => Value::Int64(first().wrapping_rem(second())),
        "max" => fold(i64::max),
        "min" => fold(i64::min),
        "maxf" => fold_float(go_max),
        "minf" => fold_float(|a, b| -go_max(-a, -b)),
        "ceil" => Value::Float(args.first().map_or(0.0, to_float).ceil()),
        "floor" => Value::Float(args.first().map_or(0.0, to_float).floor()),
        "round" => Value::Float(round(args)),
        "addf" | "subf" | "mulf" | "divf" => return Some(decimals(name, args)),
        _ => return None,
    };
    Some(Ok(value))
}

/// `math.Max`: infinity wins, then NaN; 0 is more than -0.
fn go_max(a: f64, b: f64) -> f64 {
    match (a, b) {
        _ if a == f64::INFINITY || b == f64::INFINITY => f64::INFINITY,
        _ if a.is_nan() || b.is_nan() => f64::NAN,
        _ if a == 0.0 && b == 0.0 => {
            if a.is_sign_negative() {
                b
            } else {
                a
            }
        }
        _ => a.max(b),
    }
}

/// Text with a fraction loses it, `010` is octal, a number is cut towards zero.
pub(crate) fn to_int(value: &Value<'_>) -> i64 {
    match value {
        Value::Int(number) | Value::Int64(number) | Value::Named { number, .. } => *number,
        Value::Bool(flag) => i64::from(*flag),
        Value::Float(number) => float_to_int(*number),
        Value::Text(text) => number::parse_int_any_base(&whole_part(text)).unwrap_or(0),
        Value::Nothing | Value::List(_) | Value::Map(_) | Value::Labels(_) | Value::Time(_) => 0,
    }
}

/// What amd64 does: beyond the range, the least number.
#[allow(clippy::cast_possible_truncation, reason = "the range is checked")]
fn float_to_int(number: f64) -> i64 {
    let range = -(2f64.powi(63))..2f64.powi(63);
    if range.contains(&number) { number as i64 } else { i64::MIN }
}

/// `3.7` without its fraction; other text as it is.
fn whole_part(text: &str) -> String {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let all_digits = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    match unsigned.split_once('.') {
        Some((whole, fraction)) if all_digits(whole) && all_digits(fraction) => {
            let sign = &text[..text.len() - unsigned.len()];
            format!("{sign}{}", if whole.is_empty() { "0" } else { whole })
        }
        Some(_) | None => text.to_owned(),
    }
}

pub(crate) fn to_float(value: &Value<'_>) -> f64 {
    match value {
        Value::Int(number) | Value::Int64(number) | Value::Named { number, .. } => *number as f64,
        Value::Bool(flag) => f64::from(u8::from(*flag)),
        Value::Float(number) => *number,
        Value::Text(text) => number::parse_float(text).unwrap_or(0.0),
        Value::Nothing | Value::List(_) | Value::Map(_) | Value::Labels(_) | Value::Time(_) => 0.0,
    }
}

/// To so many places; a fraction of at least a half (or of what the third argument says) goes up.
fn round(args: &[Value<'_>]) -> f64 {
    let value = args.first().map_or(0.0, to_float);
    let up_from = args.get(2).map_or(0.5, to_float);
    let power = 10f64.powf(int_at(args, 1) as f64);
    let digit = power * value;
    let rounded = if digit.fract() >= up_from { digit.ceil() } else { digit.floor() };
    rounded / power
}

/// Sums and products without the errors of binary fractions: `0.1 + 0.2` is `0.3`.
fn decimals<'a>(name: &str, args: &[Value<'_>]) -> Result<Value<'a>, String> {
    let (start, rest) = match (name, args) {
        ("addf", _) => (0.0, args),
        (_, [first, rest @ ..]) => (to_float(first), rest),
        (_, []) => (0.0, args),
    };
    let mut total = Decimal::new(start)?;
    for arg in rest {
        let operand = Decimal::new(to_float(arg))?;
        total = match name {
            "addf" => total.add(operand),
            "subf" => total.add(operand.negated()),
            "mulf" => total.multiply(operand),
            _ => total.divide(operand)?,
        };
    }
    Ok(Value::Float(total.to_float()))
}

#[cfg(test)]
mod tests {
    use crate::logql::template::math::{call, to_int};
    use crate::logql::template::value::Value;

    #[track_caller]
    fn check(name: &str, args: &[Value<'_>], expected: &str) {
        let text = match call(name, args).expect("a function of this kind") {
            Ok(value) => value.printed(),
            Err(error) => error,
        };
        assert_eq!(text, expected, "{name} {args:?}");
    }

    #[test]
    fn decimals_add_up() {
        let float = Value::Float;
        check("addf", &[float(0.1), float(0.2)], "0.3");
        check("subf", &[float(5.5), float(2.0), float(1.5)], "2");
        check("mulf", &[float(0.1), float(3.0)], "0.3");
        check("divf", &[float(10.0), float(3.0)], "3.3333333333333335");
        check("divf", &[float(1.0), float(0.0)], "decimal division by 0");
        check("addf", &[float(f64::NAN)], "Cannot create a Decimal from NaN");
        check("addf", &[float(1e20), float(1.0)], "1e+20");
        check("mulf", &[float(1e300), float(1e300)], "+Inf");
    }

    #[test]
    fn text_counts_as_the_number_that_it_is() {
        let table = [("3.7", 3), ("x", 0), ("", 0), ("010", 8), ("-.5", 0), ("1e3", 0), ("0x10", 16), ("-7", -7)];
        for (text, number) in table {
            assert_eq!(to_int(&Value::text(text)), number, "{text}");
        }
        check("div", &[Value::Int(1), Value::Int(0)], "runtime error: integer divide by zero");
        check("mod", &[Value::Int(-10), Value::Int(3)], "-1");
        check("round", &[Value::Float(-2.5), Value::Int(0)], "-3");
        check("maxf", &[Value::text("-0"), Value::text("0")], "0");
        check("minf", &[Value::text("-0"), Value::text("0")], "-0");
        check("round", &[Value::text("123.5555"), Value::Int(3)], "123.556");
    }
}
