//! `-config.expand-env`: `${NAME}` in the text of a configuration becomes what the environment says.
//!
//! As in Promtail, where it is on, `\\` in the text becomes `\`, and `$${` stays as `${`.

use crate::agent::config::problem::Problem;

/// Puts in what variables say. `variable` is `None` where one is not set.
///
/// # Errors
///
/// A form is not known, or its `}` is missing.
pub(crate) fn expand(source: &str, text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, Problem> {
    expand_part(text, variable).map_err(|Fault { at, message }| {
        let before = &text[..text.len() - at];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Problem::at(source, text, line, column, message)
    })
}

struct Fault {
    /// Bytes from the end of the text.
    at: usize,
    message: String,
}

fn expand_part(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, Fault> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(index) = rest.find(['$', '\\']) {
        out.push_str(&rest[..index]);
        rest = &rest[index..];
        if let Some(after) = rest.strip_prefix("$${") {
            out.push_str("${");
            rest = after;
        } else if let Some(after) = rest.strip_prefix("\\\\") {
            out.push('\\');
            rest = after;
        } else if let Some(after) = rest.strip_prefix("${") {
            let fault = |message: String| Fault { at: rest.len(), message };
            let end = closing(after).ok_or_else(|| fault("this `${` has no `}`".to_owned()))?;
            out.push_str(&value(&after[..end], variable).map_err(fault)?);
            rest = &after[end + 1..];
        } else {
            out.push_str(&rest[..1]);
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// Where the `}` of a form is whose `${` was read. It stands on the same line.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => return Some(index),
            b'}' => depth -= 1,
            b'\n' => return None,
            _ => {}
        }
    }
    None
}

/// What a form such as `NAME:-default` amounts to.
fn value(form: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let unknown = || {
        format!(
            "`${{{form}}}` is no form that is known: use ${{NAME}}, ${{NAME:-default}}, ${{NAME^^}}, ${{NAME,,}}, \
             ${{NAME:0:8}} or ${{NAME/old/new}}; write $${{ for the text ${{"
        )
    };
    if let Some(name) = form.strip_prefix('#') {
        return Ok(variable(name).unwrap_or_default().chars().count().to_string());
    }
    let name_end = form.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(form.len());
    let (name, operator) = form.split_at(name_end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(unknown());
    }
    let value = variable(name).unwrap_or_default();
    let or_default = |value: String, default: &str| match value.is_empty() {
        true => expand_part(default, variable).map_err(|fault| fault.message),
        false => Ok(value),
    };
    let first = |value: &str, change: fn(&str) -> String| {
        let end = value.chars().next().map_or(0, char::len_utf8);
        change(&value[..end]) + &value[end..]
    };
    match operator {
        "" => Ok(value),
        "^^" => Ok(value.to_uppercase()),
        ",," => Ok(value.to_lowercase()),
        "^" => Ok(first(&value, str::to_uppercase)),
        "," => Ok(first(&value, str::to_lowercase)),
        _ => {
            let defaults = [":-", ":=", "-", "="];
            if let Some(default) = defaults.iter().find_map(|sign| operator.strip_prefix(sign)) {
                return or_default(value, default);
            }
            if let Some(rest) = operator.strip_prefix(':') {
                return match part(&value, rest) {
                    Some(part) => Ok(part),
                    None => or_default(value, rest),
                };
            }
            if let Some(rest) = operator.strip_prefix('/') {
                return replaced(&value, rest).ok_or_else(unknown);
            }
            Err(unknown())
        }
    }
}

/// `3` and `3:5`: from a place on, so many letters. A number behind the end of the value is an old default, `${PORT:80}`.
fn part(value: &str, range: &str) -> Option<String> {
    let (start, count) = match range.split_once(':') {
        Some((start, count)) => (start.parse::<usize>().ok()?, Some(count.parse::<usize>().ok()?)),
        None => (range.parse::<usize>().ok()?, None),
    };
    let length = value.chars().count();
    if start > length || (length == 0 && count.is_none()) {
        return count.map(|_| String::new());
    }
    Some(value.chars().skip(start).take(count.unwrap_or(length)).collect())
}

/// `old/new` once, `/old/new` everywhere, `#old/new` at the start, `%old/new` at the end.
fn replaced(value: &str, rest: &str) -> Option<String> {
    let (kind, rest) = match rest.as_bytes().first()? {
        kind @ (b'/' | b'#' | b'%') => (*kind, &rest[1..]),
        _ => (0, rest),
    };
    let (old, new) = rest.split_once('/')?;
    Some(match kind {
        b'/' => value.replace(old, new),
        b'#' => value.strip_prefix(old).map_or_else(|| value.to_owned(), |after| format!("{new}{after}")),
        b'%' => value.strip_suffix(old).map_or_else(|| value.to_owned(), |before| format!("{before}{new}")),
        _ => value.replacen(old, new, 1),
    })
}

#[cfg(test)]
mod tests {
    use crate::agent::config::expand::expand;

    fn run(text: &str) -> Result<String, String> {
        let variable = |name: &str| match name {
            "HOST" => Some("Web-12".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        expand("test.yaml", text, &variable).map_err(|problem| problem.to_string())
    }

    #[track_caller]
    fn check(text: &str, expanded: &str) {
        assert_eq!(run(text).as_deref(), Ok(expanded), "{text}");
    }

    #[test]
    fn variables_and_their_defaults_are_put_in() {
        check("a: ${HOST}\nb: '${NONE}'", "a: Web-12\nb: ''");
        check("${HOST:-x} ${NONE:-x} ${EMPTY:-x} ${NONE:=x} ${NONE=x} ${NONE:x}", "Web-12 x x x x x");
        check("${NONE:-http://a:80/${HOST}/b}", "http://a:80/Web-12/b");
        check("${NONE:9080} ${HOST:9080}", "9080 Web-12");
        check("${NONE:-}", "");
    }

    #[test]
    fn values_are_changed_as_a_shell_would() {
        check("${HOST^^} ${HOST,,} ${HOST,} ${#HOST}", "WEB-12 web-12 web-12 6");
        check("${HOST:4} ${HOST:0:3} ${EMPTY:0:3}|", "12 Web |");
        check("${HOST/-/_} ${HOST//b/x} ${HOST/#Web/Db} ${HOST/%12/13}", "Web_12 Wex-12 Db-12 Web-13");
    }

    #[test]
    fn other_text_stays_but_for_doubled_backslashes() {
        check("regex: '^(.*)$' $1 $HOST", "regex: '^(.*)$' $1 $HOST");
        check("$${HOST} \\\\d \\d", "${HOST} \\d \\d");
    }

    #[test]
    fn what_is_no_form_is_shown_with_its_place() {
        let error = run("a: 1\nb: ${HOST").unwrap_err();
        assert!(error.starts_with("test.yaml:2:4: this `${` has no `}`"), "{error}");
        assert!(run("${HOST?}").unwrap_err().contains("no form that is known"));
        assert!(run("${}").unwrap_err().contains("no form that is known"));
    }
}
