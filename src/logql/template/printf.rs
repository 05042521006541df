//! `fmt`: `print`, `println` and `printf`.

use crate::logql::gotext::number::{FloatFormat, format_float};
use crate::logql::gotext::quote::{quote, quote_char};
use crate::logql::template::value::Value;

/// Widths and precisions beyond this are refused, as in Go.
const WIDTH_MAX: usize = 1_000_000;
/// A template may ask for less: a line is no place for a million spaces.
const PADDED_MAX: usize = 10_000;

/// `fmt.Sprint`: a space between two values of which none is text.
pub(crate) fn sprint(args: &[Value<'_>]) -> String {
    let mut out = String::new();
    for (index, arg) in args.iter().enumerate() {
        let is_text = |value: &Value<'_>| matches!(value, Value::Text(_));
        if index > 0 && !is_text(arg) && !is_text(&args[index - 1]) {
            out.push(' ');
        }
        arg.print(&mut out);
    }
    out
}

/// `fmt.Sprintln`
pub(crate) fn sprintln(args: &[Value<'_>]) -> String {
    let mut out = args.iter().map(Value::printed).collect::<Vec<_>>().join(" ");
    out.push('\n');
    out
}

#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    plus: bool,
    minus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
}

/// Bytes that [`sprintf`] makes at most: a byte quoted or in digits takes up to six, a number in full some hundred.
pub(crate) fn most(format: &str, args: &[Value<'_>]) -> usize {
    let is_padded = format.contains(['*', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
    let leaf = if is_padded { 2 * PADDED_MAX + 400 } else { 400 };
    let one = |arg: &Value<'_>| arg.printed_bytes().saturating_mul(6).saturating_add(arg.leaves().saturating_mul(leaf));
    args.iter().map(one).fold(format.len().saturating_mul(12), usize::saturating_add)
}

/// `fmt.Sprintf`
pub(crate) fn sprintf(format: &str, args: &[Value<'_>]) -> String {
    let mut out = String::with_capacity(format.len());
    let mut directives = Directives { rest: format, args, next: 0, chosen: false, reordered: false, is_good: true };
    while let Some(percent) = directives.rest.find('%') {
        out.push_str(&directives.rest[..percent]);
        directives.rest = &directives.rest[percent + 1..];
        directives.one(&mut out);
    }
    out.push_str(directives.rest);
    let Directives { next, reordered, .. } = directives;
    if !reordered && next < args.len() {
        let extra = args[next..].iter().map(|arg| match arg {
            Value::Nothing => "<nil>".to_owned(),
            arg => format!("{}={}", arg.type_name(), arg.printed()),
        });
        out.push_str(&format!("%!(EXTRA {})", extra.collect::<Vec<_>>().join(", ")));
    }
    out
}

/// The format as far as it is not read yet, and which argument comes next.
struct Directives<'f, 'v> {
    rest: &'f str,
    args: &'f [Value<'v>],
    next: usize,
    /// The last thing read is `[n]`, which chose the next argument.
    chosen: bool,
    /// An argument was chosen somewhere: then none is left over.
    reordered: bool,
    /// What was chosen in this directive is there.
    is_good: bool,
}

impl Directives<'_, '_> {
    /// What follows a `%`.
    fn one(&mut self, out: &mut String) {
        (self.is_good, self.chosen) = (true, false);
        let mut flags = self.flags();
        self.choose();
        match self.number(out, "%!(BADWIDTH)") {
            Some(width) => {
                flags.minus |= width < 0;
                flags.width = usize::try_from(width.unsigned_abs()).unwrap_or(0);
            }
            None => flags.width = 0,
        }
        if let Some(rest) = self.rest.strip_prefix('.') {
            self.rest = rest;
            self.is_good &= !self.chosen;
            self.choose();
            flags.precision = usize::try_from(self.number(out, "%!(BADPREC)").unwrap_or(0)).ok();
        }
        if !self.chosen {
            self.choose();
        }
        let Some(verb) = self.rest.chars().next() else {
            out.push_str("%!(NOVERB)");
            return;
        };
        self.rest = &self.rest[verb.len_utf8()..];
        match self.args.get(self.next) {
            _ if verb == '%' => out.push('%'),
            _ if !self.is_good => out.push_str(&format!("%!{verb}(BADINDEX)")),
            None => out.push_str(&format!("%!{verb}(MISSING)")),
            Some(arg) => {
                self.next += 1;
                push_value(out, verb, arg, flags);
            }
        }
    }

    fn flags(&mut self) -> Flags {
        let mut flags = Flags::default();
        while let Some(flag) = self.rest.bytes().next() {
            match flag {
                b'+' => flags.plus = true,
                b'-' => flags.minus = true,
                b'#' => flags.sharp = true,
                b' ' => flags.space = true,
                b'0' => flags.zero = true,
                _ => break,
            }
            self.rest = &self.rest[1..];
        }
        flags
    }

    /// `[n]`: the argument with this number, counted from 1, comes next.
    fn choose(&mut self) {
        let Some(body) = self.rest.strip_prefix('[') else { return };
        self.reordered = true;
        let number = body.find(']').map(|end| (&body[..end], &body[end + 1..]));
        let Some((digits, rest)) = number else {
            self.is_good = false;
            self.rest = body;
            return;
        };
        self.rest = rest;
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.parse::<usize>().ok().filter(|number| is_number && *number <= WIDTH_MAX);
        self.chosen = number.is_some();
        match number.and_then(|number| number.checked_sub(1)).filter(|index| *index < self.args.len()) {
            Some(index) => self.next = index,
            None => self.is_good = false,
        }
    }

    /// Digits, or `*` for the next argument.
    fn number(&mut self, out: &mut String, bad: &str) -> Option<i64> {
        if let Some(rest) = self.rest.strip_prefix('*') {
            self.rest = rest;
            self.chosen = false;
            let value = self.args.get(self.next).and_then(Value::int);
            self.next += 1;
            let fits = value.filter(|value| value.unsigned_abs() <= WIDTH_MAX as u64);
            if fits.is_none() {
                out.push_str(bad);
            }
            return fits;
        }
        let digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return None;
        }
        // a number behind `[n]` is no width
        self.is_good &= !self.chosen;
        let number = self.rest[..digits].parse::<i64>().unwrap_or(i64::MAX).min(WIDTH_MAX as i64);
        self.rest = &self.rest[digits..];
        Some(number)
    }
}

fn push_value(out: &mut String, verb: char, value: &Value<'_>, flags: Flags) {
    if verb == 'T' {
        return pad(out, value.type_name(), flags);
    }
    match value {
        Value::Nothing if verb == 'v' => pad(out, "<nil>", flags),
        Value::Nothing => out.push_str(&format!("%!{verb}(<nil>)")),
        Value::Bool(flag) if matches!(verb, 't' | 'v') => pad(out, if *flag { "true" } else { "false" }, flags),
        Value::Int(number) | Value::Int64(number) => push_int(out, verb, *number, value, flags),
        Value::Float(number) => push_float(out, verb, *number, value, flags),
        Value::Text(text) => push_text(out, verb, text, value, flags),
        Value::Named { number, .. } if matches!(verb, 'd' | 'b' | 'o' | 'x' | 'X' | 'c' | 'U') => {
            push_int(out, verb, *number, value, flags);
        }
        Value::Named { .. } | Value::Time(_) if matches!(verb, 'v' | 's' | 'q' | 'x' | 'X') => {
            push_text(out, verb, &value.printed(), value, flags);
        }
        Value::List(list) => {
            out.push('[');
            for (index, element) in list.iter().enumerate() {
                if index > 0 {
                    out.push(' ');
                }
                push_value(out, verb, element, flags);
            }
            out.push(']');
        }
        Value::Map(map) => {
            push_pairs(out, verb, map.iter().map(|(key, value)| (key.as_str(), value.clone())), flags);
        }
        Value::Labels(map) => {
            let pairs = map.iter().map(|(key, value)| (key.as_ref(), Value::text(value.as_ref())));
            push_pairs(out, verb, pairs, flags);
        }
        Value::Bool(_) | Value::Named { .. } | Value::Time(_) => push_bad(out, verb, value, flags),
    }
}

fn push_pairs<'v>(out: &mut String, verb: char, pairs: impl Iterator<Item = (&'v str, Value<'v>)>, flags: Flags) {
    out.push_str("map[");
    for (index, (key, value)) in pairs.enumerate() {
        if index > 0 {
            out.push(' ');
        }
        push_value(out, verb, &Value::text(key), flags);
        out.push(':');
        push_value(out, verb, &value, flags);
    }
    out.push(']');
}

/// A verb that the type has not: `%!d(string=x)`
fn push_bad(out: &mut String, verb: char, value: &Value<'_>, flags: Flags) {
    out.push_str(&format!("%!{verb}({}=", value.type_name()));
    match value {
        Value::Bool(_) | Value::Int(_) | Value::Int64(_) | Value::Float(_) | Value::Text(_) => {
            push_value(out, 'v', value, flags);
        }
        _ => value.print(out),
    }
    out.push(')');
}

fn push_text(out: &mut String, verb: char, text: &str, value: &Value<'_>, flags: Flags) {
    let cut: String = match flags.precision {
        Some(precision) => text.chars().take(precision).collect(),
        None => text.to_owned(),
    };
    match verb {
        'v' | 's' => pad(out, &cut, flags),
        'q' if flags.sharp && !cut.contains(['`', '\u{feff}']) && !cut.chars().any(|c| c.is_control() && c != '\t') => {
            pad(out, &format!("`{cut}`"), flags);
        }
        'q' => pad(out, &quote(&cut), flags),
        'x' | 'X' => {
            let bytes = &text.as_bytes()[..flags.precision.unwrap_or(text.len()).min(text.len())];
            let digits = |byte: &u8| if verb == 'x' { format!("{byte:02x}") } else { format!("{byte:02X}") };
            let prefix = if flags.sharp { format!("0{verb}") } else { String::new() };
            let parts: Vec<String> = bytes.iter().map(digits).collect();
            let text = if flags.space {
                parts.iter().map(|part| format!("{prefix}{part}")).collect::<Vec<_>>().join(" ")
            } else if parts.is_empty() {
                String::new()
            } else {
                format!("{prefix}{}", parts.concat())
            };
            pad(out, &text, flags);
        }
        _ => push_bad(out, verb, value, flags),
    }
}

fn push_int(out: &mut String, verb: char, number: i64, value: &Value<'_>, flags: Flags) {
    let magnitude = number.unsigned_abs();
    let digits = match verb {
        'v' | 'd' => magnitude.to_string(),
        'b' => format!("{magnitude:b}"),
        'o' | 'O' => format!("{magnitude:o}"),
        'x' => format!("{magnitude:x}"),
        'X' => format!("{magnitude:X}"),
        'c' => return pad(out, &to_char(number).to_string(), flags),
        'q' => return pad(out, &quote_char(to_char(number)), flags),
        'U' => {
            let shown = if flags.sharp { format!(" '{}'", to_char(number)) } else { String::new() };
            return pad(out, &format!("U+{magnitude:04X}{shown}"), Flags { zero: false, ..flags });
        }
        _ => return push_bad(out, verb, value, flags),
    };
    let prefix = match verb {
        'O' => "0o",
        'b' if flags.sharp => "0b",
        'o' if flags.sharp => "0",
        'x' if flags.sharp => "0x",
        'X' if flags.sharp => "0X",
        _ => "",
    };
    let sign = sign(number < 0, flags);
    let wanted = match flags.precision {
        Some(precision) => precision,
        None if flags.zero && !flags.minus => flags.width.saturating_sub(sign.len()),
        None => 0,
    };
    let zeros = "0".repeat(wanted.min(PADDED_MAX).saturating_sub(digits.len()));
    pad(out, &format!("{sign}{prefix}{zeros}{digits}"), Flags { zero: false, ..flags });
}

fn to_char(number: i64) -> char {
    u32::try_from(number).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER)
}

const fn sign(negative: bool, flags: Flags) -> &'static str {
    match (negative, flags.plus, flags.space) {
        (true, ..) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        (false, false, false) => "",
    }
}

fn push_float(out: &mut String, verb: char, number: f64, value: &Value<'_>, flags: Flags) {
    let precision = flags.precision.map(|precision| precision.min(PADDED_MAX));
    let (format, precision) = match verb {
        'v' | 'g' | 'G' => (FloatFormat::General, precision),
        'e' | 'E' => (FloatFormat::Exponent, precision.or(Some(6))),
        'f' | 'F' => (FloatFormat::Plain, precision.or(Some(6))),
        _ => return push_bad(out, verb, value, flags),
    };
    let text = format_float(number.abs(), format, precision);
    let text = if verb.is_ascii_uppercase() { text.to_uppercase() } else { text };
    let is_negative = number.is_sign_negative() && !number.is_nan();
    if !number.is_finite() {
        let bare = text.trim_start_matches('+');
        let sign = if number.is_infinite() && !is_negative { "+" } else { sign(is_negative, flags) };
        return pad(out, &format!("{sign}{bare}"), Flags { zero: false, ..flags });
    }
    let sign = sign(is_negative, flags);
    if flags.zero && !flags.minus {
        let zeros = flags.width.min(PADDED_MAX).saturating_sub(sign.len() + text.len());
        out.push_str(sign);
        out.push_str(&"0".repeat(zeros));
        out.push_str(&text);
    } else {
        pad(out, &format!("{sign}{text}"), flags);
    }
}

/// Fills up to the width, which counts characters.
fn pad(out: &mut String, text: &str, flags: Flags) {
    let missing = flags.width.min(PADDED_MAX).saturating_sub(text.chars().count());
    if flags.minus {
        out.push_str(text);
        out.push_str(&" ".repeat(missing));
    } else {
        out.push_str(&if flags.zero { "0" } else { " " }.repeat(missing));
        out.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use crate::logql::template::printf::{sprint, sprintf};
    use crate::logql::template::value::Value;

    #[track_caller]
    fn check(format: &str, args: &[Value<'_>], expected: &str) {
        assert_eq!(sprintf(format, args), expected, "{format}");
    }

    #[test]
    fn verbs_print_as_in_go() {
        let (int, float, text) = (Value::Int, Value::Float, |text| Value::text(text));
        check("%s-%v %T", &[text("a"), int(5), float(1.0)], "a-5 float64");
        check("%-5s|%5s|%05s", &[text("ab"), text("cd"), text("10")], "ab   |   cd|00010");
        check("%.3s|%q", &[text("hello"), text("a\"b")], "hel|\"a\\\"b\"");
        check(
            "%x %X %o %b %c %U",
            &[int(255), int(255), int(8), int(5), int(54620), int(54620)],
            "ff FF 10 101 한 U+D55C",
        );
        check("%05d|%+d|%-4d|% d|%#x", &[int(-42), int(5), int(7), int(3), int(255)], "-0042|+5|7   | 3|0xff");
        check(
            "%6.2f%%|%08.3f|%e|%g",
            &[float(12.345), float(2.5), float(12345.678), float(1e-5)],
            " 12.35%|0002.500|1.234568e+04|1e-05",
        );
        check("%*d", &[int(5), int(42)], "   42");
        check("%x", &[text("hi")], "6869");
        check("%[2]v %[1]v|%[1]d%%", &[int(1), text("b")], "b 1|1%");
        check("%[1]*d", &[int(3), int(7)], "  7");
        check("%v %t", &[Value::Nothing, Value::Bool(true)], "<nil> true");
    }

    #[test]
    fn what_does_not_fit_is_shown() {
        check("%d", &[Value::text("x")], "%!d(string=x)");
        check("%s", &[Value::Int(5)], "%!s(int=5)");
        check("%s %s", &[Value::text("one")], "one %!s(MISSING)");
        check("%s", &[Value::text("one"), Value::text("two")], "one%!(EXTRA string=two)");
        check("100%", &[], "100%!(NOVERB)");
        check("%z", &[Value::Int(1)], "%!z(int=1)");
        check("%[2]v", &[Value::Int(1)], "%!v(BADINDEX)");
        check("%[x]d|%[1]5d|%[", &[Value::Int(1)], "%!d(BADINDEX)|%!d(BADINDEX)|%!(NOVERB)");
        assert_eq!(sprint(&[Value::Int(1), Value::Int(2), Value::text("x"), Value::Int(3)]), "1 2x3");
    }
}
