//! OpenTelemetry's `ExportLogsServiceRequest` in JSON: numbers of 64 bits are text, ids are hexadecimal, bytes base64.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::{Map, Value};

use crate::ingest::otlp::{Any, Attributes, Record, Resource, Scope};
use crate::ingest::{Error, Room};

/// What a brace of the text costs in memory at most, about: an attribute has two of them.
const BRACE_BYTES: usize = 256;

/// Reads a request. What its parts take in memory is counted in `room` before they are there.
pub(crate) fn decode(text: &str, room: &mut Room) -> Result<Vec<Resource<'static>>, Error> {
    let braces = memchr::memchr_iter(b'{', text.as_bytes()).count();
    let commas = memchr::memchr_iter(b',', text.as_bytes()).count();
    room.grow(braces.saturating_mul(BRACE_BYTES).saturating_add(commas.saturating_mul(size_of::<Any<'_>>())))?;
    if !text.trim_ascii_start().starts_with('{') {
        return Err(Error::Malformed("expected an object with \"resourceLogs\"".to_owned()));
    }
    let body: Body = serde_json::from_str(text).map_err(|error| Error::Malformed(error.to_string()))?;
    Ok(body.resource_logs.into_iter().flatten().map(BodyResource::into_resource).collect())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Body {
    resource_logs: Option<Vec<BodyResource>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct BodyResource {
    resource: Option<Source>,
    scope_logs: Option<Vec<BodyScope>>,
}

/// A resource or a scope.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Source {
    name: String,
    version: String,
    #[serde(deserialize_with = "attributes")]
    attributes: Attributes<'static>,
    #[serde(deserialize_with = "number")]
    dropped_attributes_count: u64,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct BodyScope {
    scope: Option<Source>,
    log_records: Option<Vec<BodyRecord>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct BodyRecord {
    #[serde(deserialize_with = "number")]
    time_unix_nano: u64,
    #[serde(deserialize_with = "number")]
    observed_time_unix_nano: u64,
    #[serde(deserialize_with = "severity")]
    severity_number: i32,
    severity_text: String,
    #[serde(deserialize_with = "any")]
    body: Any<'static>,
    #[serde(deserialize_with = "attributes")]
    attributes: Attributes<'static>,
    #[serde(deserialize_with = "number")]
    dropped_attributes_count: u64,
    #[serde(deserialize_with = "number")]
    flags: u64,
    trace_id: String,
    span_id: String,
    event_name: String,
}

impl BodyResource {
    fn into_resource(self) -> Resource<'static> {
        let source = self.resource.unwrap_or_default();
        Resource {
            attributes: source.attributes,
            dropped_attributes_count: small(source.dropped_attributes_count),
            scopes: self.scope_logs.into_iter().flatten().map(BodyScope::into_scope).collect(),
        }
    }
}

impl BodyScope {
    fn into_scope(self) -> Scope<'static> {
        let source = self.scope.unwrap_or_default();
        Scope {
            name: Cow::Owned(source.name),
            version: Cow::Owned(source.version),
            attributes: source.attributes,
            dropped_attributes_count: small(source.dropped_attributes_count),
            records: self.log_records.into_iter().flatten().map(BodyRecord::into_record).collect(),
        }
    }
}

impl BodyRecord {
    fn into_record(self) -> Record<'static> {
        Record {
            time_ns: self.time_unix_nano,
            observed_time_ns: self.observed_time_unix_nano,
            severity_number: self.severity_number,
            severity_text: Cow::Owned(self.severity_text),
            body: self.body,
            attributes: self.attributes,
            dropped_attributes_count: small(self.dropped_attributes_count),
            flags: small(self.flags),
            trace_id: Cow::Owned(self.trace_id.to_ascii_lowercase()),
            span_id: Cow::Owned(self.span_id.to_ascii_lowercase()),
            event_name: Cow::Owned(self.event_name),
        }
    }
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A number, or its digits as text.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let number = match &value {
        Value::Null => Some(0),
        Value::Number(number) => number.as_u64(),
        Value::String(digits) => digits.parse().ok(),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    number.ok_or_else(|| D::Error::custom(format_args!("{value} is no number of 64 bits")))
}

/// A number, or the name of one: `SEVERITY_NUMBER_WARN2`.
fn severity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
    const NAMES: [&str; 6] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
    let value = Value::deserialize(deserializer)?;
    let named = |name: &str| {
        let name = name.strip_prefix("SEVERITY_NUMBER_")?;
        let (word, step) = match name.as_bytes().last()? {
            digit @ b'2'..=b'4' => (&name[..name.len() - 1], i32::from(digit - b'1')),
            _ => (name, 0),
        };
        let place = NAMES.iter().position(|known| *known == word)?;
        Some(1 + 4 * i32::try_from(place).ok()? + step)
    };
    let number = match &value {
        Value::Null => Some(0),
        Value::Number(number) => number.as_i64().and_then(|number| i32::try_from(number).ok()),
        Value::String(text) if text == "SEVERITY_NUMBER_UNSPECIFIED" => Some(0),
        Value::String(text) => text.parse().ok().or_else(|| named(text)),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    number.ok_or_else(|| D::Error::custom(format_args!("{value} is no severity number")))
}

fn any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Any<'static>, D::Error> {
    any_of(Value::deserialize(deserializer)?).map_err(D::Error::custom)
}

fn attributes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Attributes<'static>, D::Error> {
    attributes_of(Value::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// `{"stringValue": "…"}` and its like.
fn any_of(value: Value) -> Result<Any<'static>, String> {
    let Value::Object(members) = value else {
        return if value.is_null() { Ok(Any::Nothing) } else { Err(format!("{value} is no value with its kind")) };
    };
    let Some((kind, value)) = members.into_iter().find(|(_, value)| !value.is_null()) else {
        return Ok(Any::Nothing);
    };
    Ok(match (kind.as_str(), value) {
        ("stringValue" | "bytesValue", Value::String(text)) => Any::Text(Cow::Owned(text)),
        ("boolValue", Value::Bool(value)) => Any::Bool(value),
        ("intValue", Value::String(digits)) => {
            Any::Int(digits.parse().map_err(|_| format!("{digits:?} is no whole number"))?)
        }
        ("intValue", Value::Number(number)) => {
            Any::Int(number.as_i64().ok_or_else(|| format!("{number} is no whole number of 64 bits"))?)
        }
        ("doubleValue", Value::Number(number)) => {
            Any::Double(number.as_f64().ok_or_else(|| format!("{number} is no number of 64 bits"))?)
        }
        ("doubleValue", Value::String(text)) => {
            Any::Double(text.parse().map_err(|_| format!("{text:?} is no number"))?)
        }
        ("arrayValue", Value::Object(mut members)) => {
            Any::List(list(&mut members)?.into_iter().map(any_of).collect::<Result<_, _>>()?)
        }
        ("kvlistValue", Value::Object(mut members)) => Any::Map(attributes_of(Value::Array(list(&mut members)?))?),
        (kind, value) => return Err(format!("{value} is no {kind}")),
    })
}

/// What `{"values": […]}` holds.
fn list(members: &mut Map<String, Value>) -> Result<Vec<Value>, String> {
    match members.remove("values") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(values)) => Ok(values),
        Some(other) => Err(format!("{other} is no list of values")),
    }
}

fn attributes_of(value: Value) -> Result<Attributes<'static>, String> {
    let list = match value {
        Value::Null => Vec::new(),
        Value::Array(list) => list,
        other => return Err(format!("{other} is no list of attributes")),
    };
    let attribute = |value: Value| {
        let Value::Object(mut members) = value else { return Err(format!("{value} is no attribute")) };
        let name = match members.remove("key") {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(name)) => name,
            Some(other) => return Err(format!("{other} is no name of an attribute")),
        };
        Ok((Cow::Owned(name), any_of(members.remove("value").unwrap_or(Value::Null))?))
    };
    list.into_iter().map(attribute).collect()
}
