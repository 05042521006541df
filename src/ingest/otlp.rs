//! Logs as OpenTelemetry sends them, turned into streams as Loki does it: resource attributes that name the source
//! become labels, everything else becomes structured metadata, the body becomes the line.

mod json;
mod wire;

use std::borrow::Cow;
use std::fmt::Write as _;

pub(crate) use json::decode as decode_json;
pub(crate) use wire::decode as decode_protobuf;

use crate::ingest::labels;
use crate::ingest::metadata::Pairs;
use crate::ingest::protobuf::put_bytes;
use crate::model::Timestamp;

/// Resource attributes that become labels (Loki's `otlp_config.resource_attributes`).
const LABEL_ATTRIBUTES: [&str; 18] = [
    "service.name",
    "service.namespace",
    "service.instance.id",
    "deployment.environment",
    "deployment.environment.name",
    "cloud.region",
    "cloud.availability_zone",
    "k8s.cluster.name",
    "k8s.namespace.name",
    "k8s.pod.name",
    "k8s.container.name",
    "container.name",
    "k8s.replicaset.name",
    "k8s.deployment.name",
    "k8s.statefulset.name",
    "k8s.daemonset.name",
    "k8s.cronjob.name",
    "k8s.job.name",
];

/// An error as OpenTelemetry's clients read it: a `google.rpc.Status` with nothing but a message.
pub fn otlp_status(message: &[u8]) -> Vec<u8> {
    let mut status = Vec::with_capacity(message.len() + 4);
    put_bytes(&mut status, 2, message);
    status
}

/// Values inside of values deeper than this are refused.
const DEPTH_MAX: usize = 64;

/// A value of any kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Any<'a> {
    #[default]
    Nothing,
    Text(Cow<'a, str>),
    Bool(bool),
    Int(i64),
    Double(f64),
    List(Vec<Any<'a>>),
    Map(Attributes<'a>),
}

pub(crate) type Attributes<'a> = Vec<(Cow<'a, str>, Any<'a>)>;

/// What one source sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Resource<'a> {
    attributes: Attributes<'a>,
    dropped_attributes_count: u32,
    scopes: Vec<Scope<'a>>,
}

/// What one library of it sent.
#[derive(Clone, Debug, Default, PartialEq)]
struct Scope<'a> {
    name: Cow<'a, str>,
    version: Cow<'a, str>,
    attributes: Attributes<'a>,
    dropped_attributes_count: u32,
    records: Vec<Record<'a>>,
}

/// One log record; zero and empty mean that it was not given.
#[derive(Clone, Debug, Default, PartialEq)]
struct Record<'a> {
    time_ns: u64,
    observed_time_ns: u64,
    severity_number: i32,
    severity_text: Cow<'a, str>,
    body: Any<'a>,
    attributes: Attributes<'a>,
    dropped_attributes_count: u32,
    flags: u32,
    /// In hexadecimal digits.
    trace_id: Cow<'a, str>,
    span_id: Cow<'a, str>,
    event_name: Cow<'a, str>,
}

/// An entry as the other formats have it.
pub(crate) struct Entry<'a> {
    pub(crate) timestamp: Timestamp,
    pub(crate) line: Cow<'a, str>,
    pub(crate) metadata: Pairs<'a>,
}

impl<'a> Resource<'a> {
    pub(crate) fn record_count(&self) -> usize {
        self.scopes.iter().map(|scope| scope.records.len()).sum()
    }

    /// The labels of the stream, and the metadata that all its entries share.
    fn split(self) -> (labels::Pairs, Pairs<'a>, Vec<Scope<'a>>) {
        let mut labels = labels::Pairs::new();
        let mut shared = Pairs::new();
        for (name, value) in self.attributes {
            match LABEL_ATTRIBUTES.contains(&&*name) {
                // of an attribute that comes twice the last one counts
                true => {
                    let name = name.replace('.', "_");
                    labels.retain(|(other, _)| *other != name);
                    labels.push((name, value.into_text().into_owned()));
                }
                false => flatten(name, value, &mut shared),
            }
        }
        put_number(&mut shared, "resource_dropped_attributes_count", self.dropped_attributes_count);
        (labels, shared, self.scopes)
    }

    /// The labels of the stream and its entries. Entries without a time are stamped with `now`.
    pub(crate) fn into_stream(self, now: Timestamp) -> (labels::Pairs, impl Iterator<Item = Entry<'a>>) {
        let (labels, of_resource, scopes) = self.split();
        let entries = scopes.into_iter().flat_map(move |scope| {
            let mut of_scope = Pairs::new();
            scope.attributes.into_iter().for_each(|(name, value)| flatten(name, value, &mut of_scope));
            put_text(&mut of_scope, "scope_name", scope.name);
            put_text(&mut of_scope, "scope_version", scope.version);
            put_number(&mut of_scope, "scope_dropped_attributes_count", scope.dropped_attributes_count);
            // where names are the same the last one counts: the scope's, then the resource's, then the record's
            let shared: Pairs<'a> = of_resource.iter().cloned().chain(of_scope).collect();
            scope.records.into_iter().map(move |record| record.into_entry(&shared, now))
        });
        (labels, entries)
    }
}

impl<'a> Record<'a> {
    fn into_entry(self, shared: &Pairs<'a>, now: Timestamp) -> Entry<'a> {
        let mut metadata = Pairs::new();
        self.attributes.into_iter().for_each(|(name, value)| flatten(name, value, &mut metadata));
        put_number(&mut metadata, "dropped_attributes_count", self.dropped_attributes_count);
        let timestamp = match (self.time_ns, self.observed_time_ns) {
            (0, 0) => now,
            (0, observed) => from_unsigned(observed),
            (time, observed) => {
                put_number(&mut metadata, "observed_timestamp", observed);
                from_unsigned(time)
            }
        };
        put_number(&mut metadata, "severity_number", u64::try_from(self.severity_number).unwrap_or(0));
        put_text(&mut metadata, "severity_text", self.severity_text);
        put_text(&mut metadata, "event_name", self.event_name);
        put_number(&mut metadata, "flags", self.flags);
        put_text(&mut metadata, "trace_id", self.trace_id);
        put_text(&mut metadata, "span_id", self.span_id);
        metadata.extend(shared.iter().cloned());
        Entry { timestamp, line: self.body.into_text(), metadata }
    }
}

/// Times beyond the reach of the type end at its border.
fn from_unsigned(nanos: u64) -> Timestamp {
    Timestamp::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
}

fn put_text<'a>(pairs: &mut Pairs<'a>, name: &'static str, value: Cow<'a, str>) {
    if !value.is_empty() {
        pairs.push((Cow::Borrowed(name), value));
    }
}

fn put_number(pairs: &mut Pairs<'_>, name: &'static str, value: impl Into<u64>) {
    let value = value.into();
    if value != 0 {
        pairs.push((Cow::Borrowed(name), Cow::Owned(value.to_string())));
    }
}

/// A map becomes one pair for each of its values, the names joined with `_`.
fn flatten<'a>(name: Cow<'a, str>, value: Any<'a>, pairs: &mut Pairs<'a>) {
    match value {
        Any::Map(inner) => {
            for (inner_name, value) in inner {
                flatten(Cow::Owned(format!("{name}_{inner_name}")), value, pairs);
            }
        }
        // a value that is not there takes no part, whatever its name is
        Any::Nothing => {}
        Any::Text(_) | Any::Bool(_) | Any::Int(_) | Any::Double(_) | Any::List(_) => {
            pairs.push((name, value.into_text()));
        }
    }
}

impl<'a> Any<'a> {
    /// Text as it is, everything else as JSON.
    fn into_text(self) -> Cow<'a, str> {
        match self {
            Any::Text(text) => text,
            Any::Nothing => Cow::Borrowed(""),
            Any::Bool(_) | Any::Int(_) | Any::Double(_) | Any::List(_) | Any::Map(_) => {
                let mut text = String::new();
                self.write_json(&mut text);
                Cow::Owned(text)
            }
        }
    }

    fn write_json(&self, out: &mut String) {
        match self {
            Any::Nothing => out.push_str("null"),
            Any::Text(text) => write_string(text, out),
            Any::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Any::Int(value) => write!(out, "{value}").expect("a string takes everything"),
            Any::Double(value) => out.push_str(&number(*value)),
            Any::List(values) => {
                out.push('[');
                for (index, value) in values.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    value.write_json(out);
                }
                out.push(']');
            }
            Any::Map(attributes) => {
                let sorted: std::collections::BTreeMap<&str, &Any<'_>> =
                    attributes.iter().map(|(name, value)| (&**name, value)).collect();
                out.push('{');
                for (index, (name, value)) in sorted.into_iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    write_string(name, out);
                    out.push(':');
                    value.write_json(out);
                }
                out.push('}');
            }
        }
    }
}

fn write_string(text: &str, out: &mut String) {
    out.push_str(&serde_json::to_string(text).expect("every text can be quoted"));
}

/// A number as Go's JSON writes it: plain, but for the very large and the very small.
fn number(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        return if value.is_nan() { "NaN".to_owned() } else { format!("{}Inf", if value < 0.0 { "-" } else { "+" }) };
    }
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return value.to_string();
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::ingest::Error;
    use crate::ingest::otlp::{Resource, decode_json, decode_protobuf, number};
    use crate::ingest::protobuf::put_bytes;
    use crate::ingest::room::Space;
    use crate::model::Timestamp;

    const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);

    /// Streams in short: labels, then `ns line name=value …` for each entry.
    fn rows(resources: Vec<Resource<'_>>) -> Vec<String> {
        let mut rows = Vec::new();
        for resource in resources {
            let (labels, entries) = resource.into_stream(NOW);
            rows.push(labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "));
            for entry in entries {
                let mut row = format!("{} {}", entry.timestamp.nanos(), entry.line);
                entry.metadata.iter().for_each(|(name, value)| row.push_str(&format!(" {name}={value}")));
                rows.push(row);
            }
        }
        rows
    }

    fn read_json(text: &str) -> Result<Vec<String>, Error> {
        decode_json(text, &mut Space::new(1 << 20).room()).map(rows)
    }

    #[test]
    fn json_becomes_streams_lines_and_metadata() {
        let text = r#"{"resourceLogs":[{
            "resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}},
                                      {"key":"host.name","value":{"stringValue":"n1"}}]},
            "scopeLogs":[{"scope":{"name":"lib","attributes":[{"key":"s","value":{"boolValue":true}}]},"logRecords":[
                {"timeUnixNano":"17","observedTimeUnixNano":18,"severityNumber":"SEVERITY_NUMBER_ERROR2","severityText":"Error",
                 "body":{"stringValue":"paid"},"traceId":"5B8E","flags":1,
                 "attributes":[{"key":"n","value":{"kvlistValue":{"values":[{"key":"x.y","value":{"intValue":"-1"}}]}}}]},
                {"observedTimeUnixNano":"19","body":{"arrayValue":{"values":[{"stringValue":"p"},{"doubleValue":2},{}]}}},
                {"body":{"kvlistValue":{"values":[{"key":"b","value":{"stringValue":"x\"y"}},{"key":"a","value":{"intValue":1}}]}}}
            ]}]}]}"#;
        let shared = "host.name=n1 s=true scope_name=lib";
        let wanted = [
            "service_name=shop".to_owned(),
            format!(
                "17 paid n_x.y=-1 observed_timestamp=18 severity_number=18 severity_text=Error flags=1 trace_id=5b8e {shared}"
            ),
            format!("19 [\"p\",2,null] {shared}"),
            format!("{} {{\"a\":1,\"b\":\"x\\\"y\"}} {shared}", NOW.nanos()),
        ];
        assert_eq!(read_json(text).unwrap(), wanted);
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let records = |record: &str| format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{record}]}}]}}]}}"#);
        let bad = ["{", "[]", "5", "", r#"{"resourceLogs":5}"#].map(str::to_owned);
        let bad_records = [
            r#"{"timeUnixNano":"x"}"#,
            r#"{"severityNumber":"LOUD"}"#,
            r#"{"body":5}"#,
            r#"{"body":{"intValue":"x"}}"#,
            r#"{"attributes":[5]}"#,
        ];
        for text in bad.into_iter().chain(bad_records.map(records)) {
            assert!(matches!(read_json(&text), Err(Error::Malformed(_))), "{text}");
        }
        assert!(read_json("{}").unwrap().is_empty());
    }

    /// A message of fields that hold bytes.
    fn message(fields: &[(u8, &[u8])]) -> Vec<u8> {
        let mut message = Vec::new();
        fields.iter().for_each(|(number, bytes)| put_bytes(&mut message, *number, bytes));
        message
    }

    fn request() -> Vec<u8> {
        let attribute = message(&[(1, b"service.name"), (2, &message(&[(1, b"shop")]))]);
        let mut record = vec![0x09, 17, 0, 0, 0, 0, 0, 0, 0, 0x10, 9];
        record.extend(message(&[(5, &message(&[(1, b"paid")])), (9, &[0x5b, 0x8e]), (10, &[1])]));
        let inner = message(&[(1, &message(&[(1, b"k"), (2, &[0x18, 5])]))]);
        record.extend(message(&[(6, &message(&[(1, b"m"), (2, &message(&[(6, &inner)]))]))]));
        let scope = message(&[(1, &message(&[(1, b"lib"), (2, b"1.0")])), (2, &record)]);
        message(&[(1, &message(&[(1, &message(&[(1, &attribute)])), (2, &scope)]))])
    }

    #[test]
    fn protobuf_becomes_the_same() {
        let request = request();
        let resources = decode_protobuf(&request, &mut Space::new(1 << 20).room()).unwrap();
        let wanted = [
            "service_name=shop",
            "17 paid m_k=5 severity_number=9 trace_id=5b8e span_id=01 scope_name=lib scope_version=1.0",
        ];
        assert_eq!(rows(resources), wanted);
    }

    #[test]
    fn values_inside_of_values_have_an_end() {
        let mut value = message(&[(1, b"x")]);
        for _ in 0..200 {
            value = message(&[(5, &message(&[(1, &value)]))]);
        }
        let record = message(&[(5, &value)]);
        let request = message(&[(1, &message(&[(2, &message(&[(2, &record)]))]))]);
        let error = decode_protobuf(&request, &mut Space::new(1 << 20).room()).unwrap_err();
        assert!(error.to_string().contains("nested deeper"), "{error}");
    }

    #[test]
    fn numbers_are_written_as_go_writes_them() {
        let written = [0.25, 2.0, -0.0, 1e20, 1e21, 1.5e-7, f64::NAN, f64::NEG_INFINITY].map(number);
        assert_eq!(written, ["0.25", "2", "-0", "100000000000000000000", "1e+21", "1.5e-7", "NaN", "-Inf"]);
    }

    proptest! {
        #[test]
        fn damaged_requests_never_panic(at in 0..200usize, byte in any::<u8>(), cut in 0..200usize) {
            let mut request = request();
            let at = at % request.len();
            request[at] = byte;
            let mut room = Space::new(1 << 20).room();
            let _ = decode_protobuf(&request, &mut room).map(rows);
            let _ = decode_protobuf(&request[..cut.min(request.len())], &mut room).map(rows);
        }
    }
}
