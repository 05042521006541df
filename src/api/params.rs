//! Parameters of Loki's read API: from the query string and from forms, read as Loki reads them, refused in its words.

use std::time::SystemTime;

use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};

use crate::api::Error;
use crate::api::auth::Caller;
use crate::logql::ast::Expr;
use crate::logql::gotext::number::{parse_float, parse_int};
use crate::logql::gotext::quote::quote;
use crate::model::{Direction, TimeRange, Timestamp};
use crate::query::RangeQuery;

/// Bytes of a form: many times the longest query.
const FORM_BYTES_MAX: usize = 1 << 20;
/// Selectors that one request may name.
const SELECTORS_MAX: usize = 100;
/// Lines of an answer where nothing is said.
const LIMIT_DEFAULT: u32 = 100;
/// How far an answer reaches back where nothing is said.
const SINCE_DEFAULT_NS: i64 = 3600 * NANOS;
/// Points of a series, at most.
const POINTS_MAX: i64 = 11_000;
const NANOS: i64 = 1_000_000_000;

/// All parameters of a request; those of the form come before those of the query string.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params {
    pairs: Vec<(String, String)>,
    caller: Caller,
}

/// What `query_range` is asked for, apart from the query itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RangeParams {
    pub(crate) range: TimeRange,
    pub(crate) limit: u32,
    pub(crate) direction: Direction,
    pub(crate) step_ns: i64,
    pub(crate) interval_ns: i64,
}

impl RangeParams {
    /// The query that is asked with these.
    pub(crate) fn query(self, expr: Expr) -> RangeQuery {
        RangeQuery {
            expr,
            range: self.range,
            step_ns: self.step_ns,
            interval_ns: self.interval_ns,
            limit: self.limit as usize,
            direction: self.direction,
        }
    }
}

impl<S: Send + Sync> FromRequest<S> for Params {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Params, Error> {
        let caller = request.extensions().get::<Caller>().cloned().unwrap_or_default();
        let url = request.uri().query().unwrap_or("").to_owned();
        let mut pairs = Vec::new();
        let is_form = request.headers().get(CONTENT_TYPE).is_some_and(|value| {
            value.to_str().is_ok_and(|text| text.trim_start().starts_with("application/x-www-form-urlencoded"))
        });
        if is_form && (request.method() == Method::POST || request.method() == Method::PUT) {
            let body = to_bytes(request.into_body(), FORM_BYTES_MAX).await.map_err(|error| {
                let message = format!("cannot read the form, of which {FORM_BYTES_MAX} bytes may come: {error}");
                Error::new(StatusCode::PAYLOAD_TOO_LARGE, message)
            })?;
            decode(&body, &mut pairs);
        }
        decode(url.as_bytes(), &mut pairs);
        Ok(Params { pairs, caller })
    }
}

impl Params {
    /// The first value under a name; `""` where there is none.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.pairs.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// All values under a name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Who asks.
    pub(crate) fn caller(&self) -> &str {
        &self.caller.0
    }

    /// A time under a name, in any of Loki's forms; `default` where there is none.
    pub(crate) fn timestamp(&self, name: &str, default: Timestamp) -> Result<Timestamp, String> {
        timestamp(self.get(name), default)
    }

    /// The selectors of `match` and `match[]`, as they are written.
    pub(crate) fn selectors(&self) -> Result<Vec<&str>, Error> {
        let found: Vec<&str> = self.all("match").chain(self.all("match[]")).collect();
        if found.len() > SELECTORS_MAX {
            let count = found.len();
            return Err(Error::bad_request(format!(
                "too many selectors in match[]: {count}, of which {SELECTORS_MAX} may come; ask in several requests"
            )));
        }
        Ok(found)
    }

    /// `start`, `end` and `since`: the last hour where nothing is said.
    pub(crate) fn bounds(&self, now: Timestamp) -> Result<TimeRange, Error> {
        let wrong =
            |name: &str, reason: &str| Error::bad_request(format!("could not parse '{name}' parameter: {reason}"));
        let since = match self.get("since") {
            "" => SINCE_DEFAULT_NS,
            text => prometheus_duration(text).map_err(|reason| wrong("since", &reason))?,
        };
        let end = timestamp(self.get("end"), now).map_err(|reason| wrong("end", &reason))?;
        let start = timestamp(self.get("start"), end.min(now).plus_nanos(-since));
        Ok(TimeRange::new(start.map_err(|reason| wrong("start", &reason))?, end))
    }

    /// As [`Params::bounds`], but the end may not be before the start.
    pub(crate) fn ordered_bounds(&self, now: Timestamp) -> Result<TimeRange, Error> {
        let range = self.bounds(now)?;
        if range.end < range.start {
            return Err(Error::bad_request("end timestamp must not be before or equal to start time"));
        }
        Ok(range)
    }

    /// Everything that `query_range` takes, checked in the order in which Loki checks it.
    pub(crate) fn range(&self, now: Timestamp) -> Result<RangeParams, Error> {
        self.ordered_bounds(now)?;
        let limit = self.limit("limit", LIMIT_DEFAULT)?;
        self.range_with_limit(now, limit)
    }

    /// The same where the limit is known.
    pub(crate) fn range_with_limit(&self, now: Timestamp, limit: u32) -> Result<RangeParams, Error> {
        let range = self.ordered_bounds(now)?;
        let direction = self.direction()?;
        let step_ns = self.bounded_step(range)?;
        let interval_ns = match self.get("interval") {
            "" => 0,
            text => seconds_or_duration(text)?,
        };
        if interval_ns < 0 {
            return Err(Error::bad_request("interval must be >= 0"));
        }
        Ok(RangeParams { range, limit, direction, step_ns, interval_ns })
    }

    /// `step`; where nothing is said, such that a range has 250 of them.
    fn step(&self, range: TimeRange) -> Result<i64, Error> {
        let step_ns = match self.get("step") {
            "" => {
                let span = range.end.nanos().saturating_sub(range.start.nanos());
                (span / NANOS / 250).max(1).saturating_mul(NANOS)
            }
            text => seconds_or_duration(text)?,
        };
        if step_ns <= 0 {
            let message = "zero or negative query resolution step widths are not accepted. Try a positive integer";
            return Err(Error::bad_request(message));
        }
        Ok(step_ns)
    }

    /// The same, of which the range may have so many.
    pub(crate) fn bounded_step(&self, range: TimeRange) -> Result<i64, Error> {
        let step_ns = self.step(range)?;
        let span = range.end.nanos().saturating_sub(range.start.nanos());
        if span / step_ns > POINTS_MAX {
            return Err(Error::bad_request(
                "exceeded maximum resolution of 11,000 points per time series. Try increasing the value of the step \
                 parameter",
            ));
        }
        Ok(step_ns)
    }

    /// A moment; `now` where nothing is said.
    pub(crate) fn time(&self, now: Timestamp) -> Result<Timestamp, Error> {
        timestamp(self.get("time"), now).map_err(Error::bad_request)
    }

    /// A whole number.
    pub(crate) fn whole_number(&self, name: &str, default: i64) -> Result<i64, Error> {
        match self.get(name) {
            "" => Ok(default),
            text => parse_int(text)
                .map_err(|reason| Error::bad_request(reason.replacen("strconv.ParseInt", "strconv.Atoi", 1))),
        }
    }

    /// A number of things above 0.
    pub(crate) fn limit(&self, name: &str, default: u32) -> Result<u32, Error> {
        let number = self.whole_number(name, default.into())?;
        if number <= 0 {
            return Err(Error::bad_request("limit must be a positive value"));
        }
        // Loki keeps the lower 32 bits
        Ok(number as u32)
    }

    /// `direction`; backward where nothing is said.
    pub(crate) fn direction(&self) -> Result<Direction, Error> {
        match self.get("direction") {
            "" => Ok(Direction::Backward),
            text if text.eq_ignore_ascii_case("forward") => Ok(Direction::Forward),
            text if text.eq_ignore_ascii_case("backward") => Ok(Direction::Backward),
            text => Err(Error::bad_request(format!("invalid direction '{text}'"))),
        }
    }
}

/// The present, as [`Params`] take it.
pub(crate) fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}

/// `a=1&b=2` with `%41` and `+`; what is not well-formed stays as it is.
fn decode(text: &[u8], pairs: &mut Vec<(String, String)>) {
    let unescape = |text: &[u8]| {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some((&byte, after)) = rest.split_first() {
            let hex = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
            let escaped = match (byte, after) {
                (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low),
                _ => None,
            };
            bytes.push(match (escaped, byte) {
                (Some(value), _) => value,
                (None, b'+') => b' ',
                (None, byte) => byte,
            });
            rest = if escaped.is_some() { &after[2..] } else { after };
        }
        String::from_utf8_lossy(&bytes).into_owned()
    };
    for pair in text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        let split = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        let value = pair.get(split + 1..).unwrap_or(b"");
        pairs.push((unescape(&pair[..split]), unescape(value)));
    }
}

/// Loki's forms of a time: seconds with a fraction, whole seconds of up to ten digits, nanoseconds, RFC 3339.
fn timestamp(text: &str, default: Timestamp) -> Result<Timestamp, String> {
    if text.is_empty() {
        return Ok(default);
    }
    if text.contains('.')
        && let Ok(seconds) = parse_float(text)
    {
        let millis = (seconds.fract() * 1000.0).round() as i64;
        return Ok(Timestamp::from_secs(seconds.trunc() as i64).plus_nanos(millis * 1_000_000));
    }
    match parse_int(text) {
        Ok(seconds) if text.len() <= 10 => Ok(Timestamp::from_secs(seconds)),
        Ok(nanos) => Ok(Timestamp::from_nanos(nanos)),
        Err(reason) => rfc3339(text).ok_or(reason),
    }
}

/// `2026-11-20T00:01:00.5Z`, `…+09:00`; nothing looser.
fn rfc3339(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let has_shape = bytes.len() >= 20 && bytes[4] == b'-' && bytes[10] == b'T';
    let has_zone = bytes.last() == Some(&b'Z') || bytes.get(bytes.len().checked_sub(3)?) == Some(&b':');
    if !has_shape || !has_zone {
        return None;
    }
    let time: jiff::Timestamp = text.parse().ok()?;
    let nanos = i64::try_from(time.as_nanosecond());
    Some(nanos.map_or_else(|_| Timestamp::from_secs(time.as_second()), Timestamp::from_nanos))
}

/// `step` and `interval`: a number of seconds, or a duration as Prometheus writes it.
fn seconds_or_duration(text: &str) -> Result<i64, Error> {
    if let Ok(seconds) = parse_float(text) {
        let nanos = seconds * 1e9;
        if nanos > i64::MAX as f64 || nanos < i64::MIN as f64 {
            let message = format!("cannot parse {} to a valid duration. It overflows int64", quote(text));
            return Err(Error::bad_request(message));
        }
        return Ok(if nanos.is_nan() { i64::MIN } else { nanos as i64 });
    }
    prometheus_duration(text)
        .map_err(|_| Error::bad_request(format!("cannot parse {} to a valid duration", quote(text))))
}

/// `1h30m`, with the units from years to milliseconds, greater ones first, whole numbers only.
fn prometheus_duration(text: &str) -> Result<i64, String> {
    const UNITS: [(&str, u64); 7] = [
        ("y", 365 * 24 * 3_600_000),
        ("w", 7 * 24 * 3_600_000),
        ("d", 24 * 3_600_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
        ("ms", 1),
    ];
    match text {
        "0" => return Ok(0),
        "" => return Err("empty duration string".to_owned()),
        _ => {}
    }
    let invalid = || format!("not a valid duration string: {}", quote(text));
    let out_of_range = || "duration out of range".to_owned();
    let (mut rest, mut nanos, mut next_unit) = (text, 0i64, 0);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let count: u64 = rest[..digits].parse().map_err(|_| invalid())?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        if letters == 0 {
            return Err(invalid());
        }
        let unit = &rest[..letters];
        rest = &rest[letters..];
        let Some(position) = UNITS.iter().position(|(name, _)| *name == unit) else {
            return Err(format!("unknown unit {} in duration {}", quote(unit), quote(text)));
        };
        if position < next_unit {
            return Err(invalid());
        }
        next_unit = position + 1;
        let part = count.checked_mul(UNITS[position].1 * 1_000_000).and_then(|nanos| i64::try_from(nanos).ok());
        nanos = part.and_then(|part| nanos.checked_add(part)).ok_or_else(out_of_range)?;
    }
    Ok(nanos)
}

#[cfg(test)]
mod tests {
    use crate::api::auth::Caller;
    use crate::api::params::{Params, decode, prometheus_duration, timestamp};
    use crate::model::{Direction, Timestamp};

    fn params(text: &str) -> Params {
        let mut pairs = Vec::new();
        decode(text.as_bytes(), &mut pairs);
        Params { pairs, caller: Caller::default() }
    }

    #[test]
    fn parameters_are_unescaped_and_the_first_of_a_name_counts() {
        let params = params("query=%7Ba%3D%22b+c%22%7D&x=1&x=2&broken=%zz&empty");
        assert_eq!(params.get("query"), "{a=\"b c\"}");
        assert_eq!(params.get("x"), "1");
        assert_eq!(params.all("x").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!((params.get("broken"), params.get("empty"), params.get("none")), ("%zz", "", ""));
    }

    #[test]
    fn times_come_in_four_forms() {
        let time = |text| timestamp(text, Timestamp::from_secs(7)).map(Timestamp::nanos);
        assert_eq!(time(""), Ok(7_000_000_000));
        assert_eq!(time("1795132860"), Ok(1_795_132_860_000_000_000));
        assert_eq!(time("1795132860000000001"), Ok(1_795_132_860_000_000_001));
        assert_eq!(time("1795132860.5"), Ok(1_795_132_860_500_000_000));
        assert_eq!(time("1.7951328e9"), Ok(1_795_132_800_000_000_000));
        assert_eq!(time("2026-11-20T00:01:00Z"), Ok(1_795_132_860_000_000_000));
        assert_eq!(time("2026-11-19T19:01:00-05:00"), Ok(1_795_132_860_000_000_000));
        for wrong in ["2026-11-20", "2026-11-20 00:00:00", "2026-11-20T00:00:00", "now", "1.2.3"] {
            assert_eq!(time(wrong), Err(format!("strconv.ParseInt: parsing \"{wrong}\": invalid syntax")));
        }
        assert!(time("99999999999999999999").is_err_and(|reason| reason.ends_with("value out of range")));
    }

    #[test]
    fn durations_are_whole_numbers_with_units_that_fall() {
        assert_eq!(prometheus_duration("1h30m"), Ok(5400 * 1_000_000_000));
        assert_eq!(prometheus_duration("250ms"), Ok(250_000_000));
        assert_eq!(prometheus_duration("5").unwrap_err(), "not a valid duration string: \"5\"");
        assert_eq!(prometheus_duration("0.1h").unwrap_err(), "unknown unit \".\" in duration \"0.1h\"");
        assert_eq!(prometheus_duration("1m1h").unwrap_err(), "not a valid duration string: \"1m1h\"");
        assert_eq!(prometheus_duration("400y").unwrap_err(), "duration out of range");
    }

    #[test]
    fn a_request_names_at_most_a_hundred_selectors() {
        let text = |count| vec!["match[]={a=\"b\"}"; count].join("&");
        assert_eq!(params(&text(100)).selectors().map(|found| found.len()).ok(), Some(100));
        let error = params(&text(101)).selectors().expect_err("too many");
        assert!(error.message().contains("match[]: 101, of which 100"), "{error}");
    }

    #[test]
    fn a_range_is_the_last_hour_and_has_at_most_eleven_thousand_points() {
        let now = Timestamp::from_secs(10_000);
        let range = params("").range(now).expect("all defaults");
        assert_eq!((range.range.start, range.range.end), (Timestamp::from_secs(6400), now));
        assert_eq!((range.limit, range.direction, range.step_ns), (100, Direction::Backward, 14_000_000_000));
        let message = |text| params(text).range(now).expect_err("refused").to_string();
        assert!(message("start=0&end=11001&step=1").starts_with("exceeded maximum resolution"));
        assert!(message("start=5&end=4").starts_with("end timestamp must not be"));
        assert!(message("limit=0").starts_with("limit must be"));
        assert!(message("step=0").starts_with("zero or negative"));
        assert!(message("step=1x").starts_with("cannot parse \"1x\" to a valid duration"));
        assert!(message("interval=-1").starts_with("interval must be >= 0"));
        assert!(message("direction=up").starts_with("invalid direction 'up'"));
    }
}
