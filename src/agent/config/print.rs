//! The configuration as YAML again, with every value that was left out.

use std::fmt::Write as _;

use serde_json::Value;

use crate::agent::config::Config;

/// Whether passwords and tokens are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Secrets {
    /// So that what is printed can be read again.
    Show,
    Hide,
}

/// Keys whose values are secrets, wherever they stand.
const SECRET_KEYS: [&str; 4] = ["password", "credentials", "bearer_token", "key"];

/// Parts of each job that are printed as they were written, as the stages and the encoding do not tell how they were made.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Written(Vec<Vec<(&'static str, Value)>>);

impl Written {
    /// Of a text that was read before.
    pub(crate) fn of(text: &str) -> Written {
        let options = serde_saphyr::options! {
            leading_zero_numbers_as_strings: true,
            underscored_numbers_as_strings: true,
            non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::AsString,
        };
        let whole: Value = serde_saphyr::from_str_with_options(text, options).unwrap_or_default();
        let jobs = whole.get("scrape_configs").and_then(Value::as_array).cloned().unwrap_or_default();
        let of_job = |job: &Value| {
            let keys = ["pipeline_stages", "encoding"];
            keys.into_iter().filter_map(|key| Some((key, job.get(key)?.clone()))).collect()
        };
        Written(jobs.iter().map(of_job).collect())
    }
}

pub(crate) fn print(config: &Config, secrets: Secrets) -> String {
    let mut tree = serde_json::to_value(config).expect("a configuration has text for keys");
    let jobs = tree.get_mut("scrape_configs").and_then(Value::as_array_mut);
    for (job, written) in jobs.into_iter().flatten().zip(&config.written.0) {
        for (key, value) in written.iter().filter(|(_, value)| !value.is_null()) {
            job[*key] = value.clone();
        }
    }
    if secrets == Secrets::Hide {
        hide(&mut tree);
    }
    let mut out = String::new();
    write_block(&mut out, &tree, 0);
    out
}

fn hide(tree: &mut Value) {
    match tree {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    // an Authorization or an X-Api-Key may be among them
                    Value::Object(headers) if key == "headers" => {
                        headers.values_mut().for_each(|value| *value = Value::from("<secret>"));
                    }
                    Value::String(text) if SECRET_KEYS.contains(&key.as_str()) => *text = "<secret>".to_owned(),
                    Value::String(text) if key.ends_with("url") => *text = without_password(text),
                    other => hide(other),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(hide),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn without_password(url: &str) -> String {
    let Ok(mut parsed) = reqwest::Url::parse(url) else { return url.to_owned() };
    if parsed.password().is_some() {
        // a url that has a password takes another one
        let _ = parsed.set_password(Some("xxxxx"));
    }
    parsed.into()
}

/// Writes a map or a list in lines of their own.
fn write_block(out: &mut String, tree: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    match tree {
        Value::Object(map) => {
            for (key, value) in map {
                let _ = write!(out, "{indent}{}:", quoted(key));
                write_value(out, value, depth + 1);
            }
        }
        Value::Array(list) => {
            for value in list {
                let _ = write!(out, "{indent}-");
                match value {
                    Value::Object(map) if !map.is_empty() => {
                        let mut block = String::new();
                        write_block(&mut block, value, depth + 1);
                        // the first key stands beside the dash
                        let _ = write!(out, " {}", block.trim_start());
                    }
                    other => write_value(out, other, depth + 1),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            let _ = writeln!(out, "{indent}{}", scalar(tree));
        }
    }
}

/// Writes what stands behind a key or a dash.
fn write_value(out: &mut String, value: &Value, depth: usize) {
    let is_block = match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    };
    if is_block {
        out.push('\n');
        write_block(out, value, depth);
    } else {
        let _ = writeln!(out, " {}", scalar(value));
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Object(_) => "{}".to_owned(),
        Value::Array(_) => "[]".to_owned(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// A text as YAML has it: in quotes wherever it could be read as something else.
pub(crate) fn quoted(text: &str) -> String {
    let words = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '/')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_./-".contains(&byte))
        && !words.contains(&text.to_ascii_lowercase().as_str());
    if is_plain { text.to_owned() } else { Value::from(text).to_string() }
}
