//! The JSON of Loki's read API, written straight into bytes.

use std::collections::HashMap;
use std::io::Write as _;

use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use xxhash_rust::xxh3::Xxh3Default;

use crate::api::outgoing;
use crate::model::{Labels, Memory, MemoryExceeded, Share, Timestamp};
use crate::query::{self, Answer, Data, Dropped, LogLine, Parcel, Sample, Series, Stats};

/// A JSON text on its way out.
#[derive(Debug, Default)]
pub(crate) struct Json {
    bytes: Vec<u8>,
    /// What pays for it; none for texts that are small by their nature.
    share: Option<Share>,
    /// It would have become larger than it may; what is written is of no use.
    exceeded: Option<MemoryExceeded>,
    /// The room that it takes until the client has it, where that is counted.
    parcel: Option<Parcel>,
}

/// So much is paid for and made room for in advance, or a quarter of the text where that is more.
const ROOM_BYTES_MIN: usize = 64 << 10;
/// The room for an item: a list looks at its room only between two of them.
const ROOM_BYTES_MAX: usize = 1 << 20;

/// What `X-Loki-Response-Encoding-Flags` asks for. Flags that nobody knows are said back all the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Encoding {
    pub(crate) flags: Vec<String>,
}

/// Whether a line's labels are told apart by where they come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Categories {
    Merged,
    Apart,
}

impl Encoding {
    fn categories(&self) -> Categories {
        let apart = self.flags.iter().any(|flag| flag == "categorize-labels");
        if apart { Categories::Apart } else { Categories::Merged }
    }
}

impl IntoResponse for Json {
    fn into_response(mut self) -> Response {
        self.bytes.push(b'\n');
        let body = match self.parcel {
            Some(parcel) => outgoing::body(self.bytes, parcel),
            None => self.bytes.into(),
        };
        ([(CONTENT_TYPE, "application/json; charset=UTF-8")], body).into_response()
    }
}

impl Json {
    /// A text that counts what it takes, and ends where there is no more: see [`Json::whole`].
    pub(crate) fn within(memory: &Memory) -> Json {
        Json { share: Some(Share::of(memory)), ..Json::default() }
    }

    /// The text, if all of it found room.
    pub(crate) fn whole(self) -> Result<Json, query::Error> {
        match self.exceeded {
            Some(exceeded) => Err(exceeded.into()),
            None => Ok(self),
        }
    }

    /// The memory that it takes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// The same, holding its room until the client has it.
    pub(crate) fn in_parcel(self, parcel: Parcel) -> Json {
        Json { parcel: Some(parcel), ..self }
    }

    pub(crate) fn into_text(self) -> String {
        String::from_utf8(self.bytes).expect("only texts were written")
    }

    /// Text that is JSON already: brackets, commas, names.
    pub(crate) fn raw(&mut self, text: &str) -> &mut Json {
        self.bytes.extend_from_slice(text.as_bytes());
        self
    }

    /// A text, quoted.
    pub(crate) fn text(&mut self, text: &str) -> &mut Json {
        serde_json::to_writer(&mut self.bytes, text).expect("a text can be written to memory");
        self
    }

    /// Anything that prints itself as a JSON number.
    pub(crate) fn number(&mut self, number: impl std::fmt::Display) -> &mut Json {
        write!(self.bytes, "{number}").expect("a number can be written to memory");
        self
    }

    /// `[…, …]`
    pub(crate) fn list<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut item: impl FnMut(&mut Json, T),
    ) -> &mut Json {
        self.raw("[");
        for (index, value) in items.into_iter().enumerate() {
            if index > 0 {
                self.raw(",");
            }
            item(self, value);
            if !self.is_paid() {
                break;
            }
        }
        self.raw("]")
    }

    /// Whether there may be more text: what is there is paid for, and there is room for the next item.
    fn is_paid(&mut self) -> bool {
        let Some(share) = &mut self.share else { return true };
        let (len, capacity) = (self.bytes.len(), self.bytes.capacity());
        if capacity - len < (len / 8).clamp(ROOM_BYTES_MIN / 2, ROOM_BYTES_MAX) {
            // by a quarter and not to the double, of which half would be paid for in vain
            match share.set(capacity.max(len + (len / 4).max(ROOM_BYTES_MIN))) {
                Ok(()) => self.bytes.reserve_exact((len / 4).max(ROOM_BYTES_MIN)),
                Err(exceeded) => self.exceeded = Some(exceeded),
            }
        }
        self.exceeded.is_none()
    }

    /// `{"app":"web"}`
    pub(crate) fn labels(&mut self, labels: &Labels) -> &mut Json {
        self.raw("{");
        for (index, (name, value)) in labels.iter().enumerate() {
            if index > 0 {
                self.raw(",");
            }
            self.text(name).raw(":").text(value);
        }
        self.raw("}")
    }

    /// Seconds with up to three digits after the point, as Prometheus prints times.
    pub(crate) fn seconds(&mut self, time: Timestamp) -> &mut Json {
        let millis = time.nanos().div_euclid(1_000_000);
        let (seconds, rest) = (millis / 1000, (millis % 1000).abs());
        let sign = if millis < 0 && seconds == 0 { "-" } else { "" };
        self.raw(sign).number(seconds);
        if rest > 0 { self.number(format_args!(".{rest:03}")) } else { self }
    }

    /// `[1795133400.5,"0.25"]`
    fn point(&mut self, time: Timestamp, value: f64) -> &mut Json {
        self.raw("[").seconds(time).raw(",\"");
        match value {
            f64::INFINITY => self.raw("+Inf"),
            f64::NEG_INFINITY => self.raw("-Inf"),
            value => self.number(value),
        };
        self.raw("\"]")
    }

    /// `{"status":"success","data":[…]}`; Loki leaves an empty list of names out.
    pub(crate) fn names(names: &[String]) -> Json {
        let mut json = Json::default();
        json.raw("{\"status\":\"success\"");
        if !names.is_empty() {
            json.raw(",\"data\":").list(names, |json, name| {
                json.text(name);
            });
        }
        json.raw("}");
        json
    }

    /// A vector or a matrix that carries no statistics of its own.
    pub(crate) fn metric(data: Data) -> Result<Json, query::Error> {
        let (stats, warnings, memory) = (Stats::default(), Vec::new(), Memory::unbounded());
        Json::answer(&Answer { data, stats, warnings, memory }, &Encoding::default())
    }

    /// The answer to a query, which must fit what that may use.
    pub(crate) fn answer(answer: &Answer, encoding: &Encoding) -> Result<Json, query::Error> {
        let mut json = Json::within(&answer.memory);
        json.raw("{\"status\":\"success\",");
        if !answer.warnings.is_empty() {
            json.raw("\"warnings\":")
                .list(&answer.warnings, |json, warning| {
                    json.text(warning);
                })
                .raw(",");
        }
        json.raw("\"data\":{\"resultType\":");
        let mut returned = 0;
        match &answer.data {
            Data::Streams(lines) => {
                returned = lines.len();
                json.raw("\"streams\",");
                if !encoding.flags.is_empty() {
                    json.raw("\"encodingFlags\":").list(&encoding.flags, |json, flag| {
                        json.text(flag);
                    });
                    json.raw(",");
                }
                json.raw("\"result\":").streams(lines, encoding.categories());
            }
            Data::Matrix(series) => {
                json.raw("\"matrix\",\"result\":").list(series.iter(), |json, series| json.series(&series));
            }
            Data::Vector(samples) => {
                json.raw("\"vector\",\"result\":").list(samples.iter(), |json, sample| json.sample(&sample));
            }
            Data::Scalar { time, value } => {
                json.raw("\"scalar\",\"result\":").point(*time, *value);
            }
        }
        json.raw(",\"stats\":").stats(&answer.stats, returned).raw("}}");
        json.whole()
    }

    /// What a tail has to tell. How many lines were dropped stands beside the list of the first of them.
    pub(crate) fn tail(lines: &[LogLine], dropped: &Dropped, encoding: &Encoding) -> Json {
        let mut json = Json::default();
        json.raw("{\"streams\":").streams(lines, encoding.categories());
        if dropped.count > 0 {
            json.raw(",\"dropped_entries\":").list(&dropped.listed, |json, (labels, timestamp)| {
                json.raw("{\"labels\":").labels(labels).raw(",\"timestamp\":\"").number(timestamp.nanos()).raw("\"}");
            });
            json.raw(",\"dropped_count\":").number(dropped.count);
        }
        if !encoding.flags.is_empty() {
            json.raw(",\"encodingFlags\":").list(&encoding.flags, |json, flag| {
                json.text(flag);
            });
        }
        json.raw("}");
        json
    }

    fn series(&mut self, series: &Series) {
        self.raw("{\"metric\":").labels(&series.labels).raw(",\"values\":");
        self.list(&series.points, |json, (time, value)| {
            json.point(*time, *value);
        })
        .raw("}");
    }

    fn sample(&mut self, sample: &Sample) {
        self.raw("{\"metric\":").labels(&sample.labels).raw(",\"value\":");
        self.point(sample.timestamp, sample.value).raw("}");
    }

    fn streams(&mut self, lines: &[LogLine], categories: Categories) -> &mut Json {
        let labels = match categories {
            Categories::Merged => merged,
            Categories::Apart => |line: &LogLine| line.stream.clone(),
        };
        self.list(by_stream(lines, labels), |json, (labels, lines)| {
            json.raw("{\"stream\":").labels(&labels).raw(",\"values\":");
            json.list(lines, |json, line| json.line(line, categories)).raw("}");
        })
    }

    fn line(&mut self, line: &LogLine, categories: Categories) {
        self.raw("[\"").number(line.timestamp.nanos()).raw("\",").text(&line.line);
        if categories == Categories::Apart {
            self.raw(",{");
            if !line.structured.is_empty() {
                self.raw("\"structuredMetadata\":").labels(&line.structured);
            }
            if !line.parsed.is_empty() {
                self.raw(if line.structured.is_empty() { "" } else { "," });
                self.raw("\"parsed\":").labels(&line.parsed);
            }
            self.raw("}");
        }
        self.raw("]");
    }

    /// The statistics that Grafana and logcli show; what does not exist here is 0, as their readers want the fields.
    fn stats(&mut self, stats: &Stats, returned: usize) -> &mut Json {
        let seconds = stats.elapsed.as_secs_f64();
        let per_second = |count: u64| if seconds > 0.0 { (count as f64 / seconds) as u64 } else { 0 };
        self.raw("{\"summary\":{\"bytesProcessedPerSecond\":").number(per_second(stats.bytes_processed));
        self.raw(",\"linesProcessedPerSecond\":").number(per_second(stats.lines_processed));
        self.raw(",\"totalBytesProcessed\":").number(stats.bytes_processed);
        self.raw(",\"totalLinesProcessed\":").number(stats.lines_processed);
        self.raw(",\"execTime\":").number(seconds);
        self.raw(",\"queueTime\":").number(stats.waited.as_secs_f64());
        self.raw(",\"subqueries\":0,\"totalEntriesReturned\":").number(returned);
        self.raw(",\"splits\":0,\"shards\":0,\"totalPostFilterLines\":").number(stats.lines_matched);
        self.raw(
            ",\"totalStructuredMetadataBytesProcessed\":0},\"querier\":{\"store\":{}},\"ingester\":{\"store\":{}}}",
        )
    }
}

/// Lines by their labels, in the order of the first line of each. The labels are made one stream after the other: all of
/// them together may be as large as the lines.
pub(crate) fn by_stream(
    lines: &[LogLine],
    labels: fn(&LogLine) -> Labels,
) -> impl Iterator<Item = (Labels, Vec<&LogLine>)> {
    let mut streams: Vec<Vec<&LogLine>> = Vec::new();
    let mut known: HashMap<u128, usize> = HashMap::new();
    for line in lines {
        // labels that differ agree in this hash once in 2^128 times
        let mut hasher = Xxh3Default::new();
        for (name, value) in labels(line).iter() {
            for text in [name, value] {
                hasher.update(text.as_bytes());
                hasher.update(&[0xff]);
            }
        }
        let index = *known.entry(hasher.digest128()).or_insert_with(|| {
            streams.push(Vec::new());
            streams.len() - 1
        });
        streams[index].push(line);
    }
    streams.into_iter().map(move |lines| (labels(lines[0]), lines))
}

/// All labels of a line in one set.
pub(crate) fn merged(line: &LogLine) -> Labels {
    if line.structured.is_empty() && line.parsed.is_empty() {
        return line.stream.clone();
    }
    let all = line.stream.iter().chain(line.structured.iter()).chain(line.parsed.iter());
    all.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::api::types::{Encoding, Json};
    use crate::model::{Labels, Memory, Timestamp};
    use crate::query::{self, Answer, Data, LogLine, Sample, Stats};

    fn text(data: Data, flags: &[&str]) -> String {
        let encoding = Encoding { flags: flags.iter().map(|flag| (*flag).to_owned()).collect() };
        let stats = Stats { elapsed: Duration::from_secs(1), ..Stats::default() };
        let answer = Answer { data, stats, warnings: Vec::new(), memory: Memory::unbounded() };
        let json = Json::answer(&answer, &encoding).expect("no bound");
        String::from_utf8(json.bytes).expect("UTF-8")
    }

    #[test]
    fn an_answer_is_json_that_others_read() {
        let labels = Labels::from([("a", "\"quoted\"\n")]);
        let sample = Sample { labels, timestamp: Timestamp::from_nanos(1_500_999_999), value: f64::INFINITY };
        let text = text(Data::Vector([sample].into_iter().collect()), &[]);
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(value["data"]["result"][0]["metric"]["a"], "\"quoted\"\n");
        assert_eq!(value["data"]["result"][0]["value"], serde_json::json!([1.5, "+Inf"]));
        assert_eq!(value["data"]["stats"]["summary"]["execTime"], 1);
    }

    #[test]
    fn labels_come_merged_or_apart() {
        let line = LogLine {
            timestamp: Timestamp::from_nanos(5),
            line: "x".into(),
            stream: Labels::from([("app", "web")]),
            structured: Labels::from([("trace", "t")]),
            parsed: Labels::from([("status", "200")]),
            rewritten: None,
        };
        let merged = text(Data::Streams(vec![line.clone()]), &[]);
        assert!(
            merged.contains(r#""result":[{"stream":{"app":"web","status":"200","trace":"t"},"values":[["5","x"]]}]"#)
        );
        let apart = text(Data::Streams(vec![line]), &["categorize-labels"]);
        assert!(apart.contains(r#""encodingFlags":["categorize-labels"],"result":[{"stream":{"app":"web"},"#));
        assert!(apart.contains(r#"["5","x",{"structuredMetadata":{"trace":"t"},"parsed":{"status":"200"}}]"#));
    }

    #[test]
    fn times_before_the_epoch_keep_their_sign() {
        let mut json = Json::default();
        json.seconds(Timestamp::from_nanos(-1_500_000_000)).raw(" ").seconds(Timestamp::from_nanos(-5_000_000));
        assert_eq!(json.bytes, b"-1.500 -0.005");
    }

    #[test]
    fn an_answer_larger_than_its_query_may_be_is_an_error() {
        let line = |number: i64| LogLine {
            timestamp: Timestamp::from_nanos(number),
            line: "x".repeat(1000),
            stream: Labels::from([("app", "web")]),
            structured: Labels::default(),
            parsed: Labels::default(),
            rewritten: None,
        };
        let answer = |bytes_max: usize| {
            let data = Data::Streams((0..1000).map(line).collect());
            let answer = Answer { data, stats: Stats::default(), warnings: Vec::new(), memory: Memory::new(bytes_max) };
            Json::answer(&answer, &Encoding::default()).map(|json| (json.bytes.len(), answer.memory.used()))
        };
        let (length, counted) = answer(2 << 20).expect("there is room");
        assert!(length > 1_000_000 && counted >= length, "{counted} of {length}");
        assert!(matches!(answer(1 << 20), Err(query::Error::Limit(_))));
    }
}
