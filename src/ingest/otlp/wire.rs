//! OpenTelemetry's `ExportLogsServiceRequest` in protobuf (opentelemetry-proto, `logs/v1/logs.proto`, version 1).

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::ingest::otlp::{Any, Attributes, DEPTH_MAX, Record, Resource, Scope};
use crate::ingest::protobuf::{Fault, Fields, Value, bytes_of, text_of};
use crate::ingest::{Error, Room};

/// Reads a request. What its parts take in memory is counted in `room`.
pub(crate) fn decode<'a>(request: &'a [u8], room: &mut Room) -> Result<Vec<Resource<'a>>, Error> {
    let mut resources = Vec::new();
    let mut fields = Fields::new(request);
    while let Some((number, value)) = fields.next()? {
        if number == 1 {
            room.spend(size_of::<Resource<'_>>())?;
            resources.push(resource(bytes_of(&value, "ExportLogsServiceRequest", number)?, room)?);
        }
    }
    Ok(resources)
}

fn resource<'a>(message: &'a [u8], room: &mut Room) -> Result<Resource<'a>, Error> {
    const NAME: &str = "ResourceLogs";
    let mut resource = Resource::default();
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => {
                let mut fields = Fields::new(bytes_of(&value, NAME, number)?);
                while let Some((number, value)) = fields.next()? {
                    match number {
                        1 => resource.attributes.push(attribute(bytes_of(&value, "Resource", number)?, room, 0)?),
                        2 => resource.dropped_attributes_count = small(&value, "Resource", number)?,
                        _ => {}
                    }
                }
            }
            2 => {
                room.spend(size_of::<Scope<'_>>())?;
                resource.scopes.push(scope(bytes_of(&value, NAME, number)?, room)?);
            }
            _ => {}
        }
    }
    Ok(resource)
}

fn scope<'a>(message: &'a [u8], room: &mut Room) -> Result<Scope<'a>, Error> {
    const NAME: &str = "InstrumentationScope";
    let mut scope = Scope::default();
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => {
                let mut fields = Fields::new(bytes_of(&value, "ScopeLogs", number)?);
                while let Some((number, value)) = fields.next()? {
                    match number {
                        1 => scope.name = text(&value, NAME, number)?,
                        2 => scope.version = text(&value, NAME, number)?,
                        3 => scope.attributes.push(attribute(bytes_of(&value, NAME, number)?, room, 0)?),
                        4 => scope.dropped_attributes_count = small(&value, NAME, number)?,
                        _ => {}
                    }
                }
            }
            2 => {
                room.spend(size_of::<Record<'_>>())?;
                scope.records.push(record(bytes_of(&value, "ScopeLogs", number)?, room)?);
            }
            _ => {}
        }
    }
    Ok(scope)
}

fn record<'a>(message: &'a [u8], room: &mut Room) -> Result<Record<'a>, Error> {
    const NAME: &str = "LogRecord";
    let mut record = Record::default();
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => record.time_ns = fixed(&value, NAME, number)?,
            2 => record.severity_number = i32::try_from(varint(&value, NAME, number)?).unwrap_or(0),
            3 => record.severity_text = text(&value, NAME, number)?,
            5 => record.body = any(bytes_of(&value, NAME, number)?, room, 0)?,
            6 => record.attributes.push(attribute(bytes_of(&value, NAME, number)?, room, 0)?),
            7 => record.dropped_attributes_count = small(&value, NAME, number)?,
            8 => record.flags = u32::try_from(fixed(&value, NAME, number)?).unwrap_or(0),
            9 => record.trace_id = Cow::Owned(hex(bytes_of(&value, NAME, number)?)),
            10 => record.span_id = Cow::Owned(hex(bytes_of(&value, NAME, number)?)),
            11 => record.observed_time_ns = fixed(&value, NAME, number)?,
            12 => record.event_name = text(&value, NAME, number)?,
            _ => {}
        }
    }
    Ok(record)
}

fn attribute<'a>(message: &'a [u8], room: &mut Room, depth: usize) -> Result<(Cow<'a, str>, Any<'a>), Error> {
    room.spend(size_of::<(Cow<'_, str>, Any<'_>)>() * 2)?;
    let mut attribute = (Cow::Borrowed(""), Any::Nothing);
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => attribute.0 = text(&value, "KeyValue", number)?,
            2 => attribute.1 = any(bytes_of(&value, "KeyValue", number)?, room, depth)?,
            _ => {}
        }
    }
    Ok(attribute)
}

fn any<'a>(message: &'a [u8], room: &mut Room, depth: usize) -> Result<Any<'a>, Error> {
    const NAME: &str = "AnyValue";
    if depth > DEPTH_MAX {
        return Err(Error::Malformed(format!("a value is nested deeper than {DEPTH_MAX} levels")));
    }
    let mut any = Any::Nothing;
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.next()? {
        any = match number {
            1 => Any::Text(text(&value, NAME, number)?),
            2 => Any::Bool(varint(&value, NAME, number)? != 0),
            3 => Any::Int(varint(&value, NAME, number)?.cast_signed()),
            4 => Any::Double(f64::from_bits(fixed(&value, NAME, number)?)),
            5 => {
                let mut values = Vec::new();
                let mut fields = Fields::new(bytes_of(&value, NAME, number)?);
                while let Some((number, value)) = fields.next()? {
                    if number == 1 {
                        room.spend(size_of::<Any<'_>>() * 2)?;
                        values.push(self::any(bytes_of(&value, "ArrayValue", number)?, room, depth + 1)?);
                    }
                }
                Any::List(values)
            }
            6 => {
                let mut attributes = Attributes::new();
                let mut fields = Fields::new(bytes_of(&value, NAME, number)?);
                while let Some((number, value)) = fields.next()? {
                    if number == 1 {
                        attributes.push(attribute(bytes_of(&value, "KeyValueList", number)?, room, depth + 1)?);
                    }
                }
                Any::Map(attributes)
            }
            7 => Any::Text(Cow::Owned(STANDARD.encode(bytes_of(&value, NAME, number)?))),
            _ => continue,
        };
    }
    Ok(any)
}

fn text<'a>(value: &Value<'a>, message: &'static str, field: u64) -> Result<Cow<'a, str>, Fault> {
    Ok(Cow::Borrowed(text_of(bytes_of(value, message, field)?, message)?))
}

fn varint(value: &Value<'_>, message: &'static str, field: u64) -> Result<u64, Fault> {
    match value {
        Value::Varint(number) => Ok(*number),
        Value::Bytes(_) | Value::Fixed(_) => Err(Fault::WrongType { message, field }),
    }
}

fn small(value: &Value<'_>, message: &'static str, field: u64) -> Result<u32, Fault> {
    Ok(u32::try_from(varint(value, message, field)?).unwrap_or(u32::MAX))
}

fn fixed(value: &Value<'_>, message: &'static str, field: u64) -> Result<u64, Fault> {
    match value {
        Value::Fixed(number) => Ok(*number),
        Value::Bytes(_) | Value::Varint(_) => Err(Fault::WrongType { message, field }),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
