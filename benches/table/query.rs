//! The queries of the table, and what must come of each by what the generator knows.
//!
//! Promises: an answer with a wrong count, or a wrong sum of any series, is named and fails the run.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::corpus::{ADDRESS, DAY, END, Known, NEEDLE_EARLY, NEEDLE_MIDDLE, QUEUES, SECOND, STEP};
use crate::server::Server;

/// By how much a sum of floating point numbers may be off.
const SUM_TOLERANCE: f64 = 1e-6;
/// The same of a quantile, which may be taken from a sketch.
const QUANTILE_TOLERANCE: f64 = 0.02;

/// What must come of a query.
#[derive(Clone, Debug)]
enum Wanted {
    /// So many lines, the first of them not older than this.
    Lines { count: u64, newest: i64 },
    /// One number.
    Count(u64),
    /// The sum over all steps of each series, by its one label; none that is 0.
    Sums(BTreeMap<String, f64>),
    /// So many points, and these values in the middle of the day.
    Middle { points: usize, values: BTreeMap<String, f64> },
}

/// A query of the table.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    pub(crate) name: &'static str,
    text: String,
    limit: u64,
    wanted: Wanted,
}

/// What a query gave.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    /// Lines, or points.
    pub(crate) rows: u64,
    pub(crate) sum: f64,
    pub(crate) first: Duration,
    pub(crate) median: Duration,
    /// Of one run, on average.
    pub(crate) cpu: Duration,
    /// Why the answer is wrong.
    pub(crate) problem: Option<String>,
}

/// All queries, with what the generator knows of their answers.
pub(crate) fn all(known: &Known) -> Vec<Query> {
    let all = "{job=~\".+\"}";
    let line = |name, text: String, limit: u64, count: u64, newest: i64| Query {
        name,
        text,
        limit,
        wanted: Wanted::Lines { count: count.min(limit), newest },
    };
    let found = |name, text: String, limit, count| line(name, text, limit, count, 0);
    let count = |name, text: String, count| Query { name, text, limit: 0, wanted: Wanted::Count(count) };
    let sums = |name, text: &str, sums: &BTreeMap<String, f64>, scale: f64| {
        let wanted = sums.iter().map(|(name, sum)| (name.clone(), sum * scale)).collect();
        Query { name, text: text.to_owned(), limit: 0, wanted: Wanted::Sums(wanted) }
    };
    let refused = "{env=\"prod\"} |= \"ERROR\" != \"SocketTimeout\" |~ \"(?i)refused|denied|timeout\"".to_owned();
    let over_day = |what: &str| format!("sum(count_over_time({what} [24h]))");
    let needles = |at: u64| u64::from(known.needles > at);
    vec![
        found("needle_middle", format!("{all} |= \"{NEEDLE_MIDDLE}\""), 1000, needles(1)),
        found("needle_first_tenth", format!("{all} |= \"{NEEDLE_EARLY}\""), 1000, needles(0)),
        found("needle_absent", format!("{all} |= \"no-such-needle-deadbeef00\""), 1000, 0),
        line(
            "latest_1000_one_service",
            "{job=\"shop-api\",env=\"prod\"}".to_owned(),
            1000,
            known.of_service,
            known.newest_of_service,
        ),
        found(
            "latest_1000_one_stream",
            "{job=\"shop-api\",env=\"prod\",host=\"prod-0\"}".to_owned(),
            1000,
            known.of_first_stream,
        ),
        line("latest_1000_everything", all.to_owned(), 1000, known.lines, known.newest),
        found("phrase_newest_1000", format!("{all} |= \"Request failed\""), 1000, known.failed),
        found("phrase_crossing_words", format!("{all} |= \"HikariPool-1 - Pool st\""), 100, known.pools),
        found("korean_newest_1000", format!("{all} |= \"장바구니\""), 1000, known.korean),
        found("two_filters_newest_100", refused, 100, known.refused),
        count("count_substring_24h", over_day(&format!("{all} |= \"timeout\"")), known.timeouts),
        count("count_regex_24h", over_day("{job=\"shop-api\"} |~ \"order \\\\d+5 \""), known.orders_with_5),
        count("count_ip_24h", over_day(&format!("{all} |= \"{ADDRESS}\"")), known.address),
        sums("volume_by_job_5m", "sum by (job) (count_over_time({job=~\".+\"}[5m]))", &known.by_job, 1.0),
        sums(
            "volume_by_level_5m",
            "sum by (detected_level) (count_over_time({job=~\".+\"}[5m]))",
            &known.by_level,
            1.0,
        ),
        sums(
            "bytes_rate_by_host_5m",
            "sum by (host) (bytes_rate({job=~\".+\"}[5m]))",
            &known.bytes_by_host,
            1.0 / (STEP / SECOND) as f64,
        ),
        sums(
            "json_errors_by_provider_5m",
            "sum by (provider) (count_over_time({job=\"payments\"} | json | status >= 500 [5m]))",
            &known.errors_by_provider,
            1.0,
        ),
        Query {
            name: "logfmt_p99_by_queue_5m",
            text: "quantile_over_time(0.99, {job=\"worker\"} | logfmt | unwrap duration(duration) [5m]) by (queue)"
                .to_owned(),
            limit: 0,
            wanted: Wanted::Middle { points: known.queue_steps.len(), values: quantiles(known) },
        },
    ]
}

fn quantiles(known: &Known) -> BTreeMap<String, f64> {
    let of_queue = |(queue, durations): (&&str, &Vec<f64>)| {
        let mut sorted = durations.clone();
        sorted.sort_by(f64::total_cmp);
        let place = 0.99 * (sorted.len().checked_sub(1)? as f64);
        let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
        Some(((*queue).to_owned(), low + (high - low) * place.fract()))
    };
    QUEUES.iter().zip(&known.durations).filter_map(of_queue).collect()
}

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct Asker {
    pub(crate) http: reqwest::Client,
    pub(crate) token: String,
}

impl Asker {
    /// How many lines there are in the hour after `END`.
    pub(crate) async fn count_after_end(&self, server: &Server, hour: i64) -> anyhow::Result<u64> {
        let text = "sum(count_over_time({job=~\".+\"}[1h]))";
        let parameters = [("query", text.to_owned()), ("time", (END + hour).to_string())];
        let answer: Value = serde_json::from_str(&self.get(server, "query", &parameters).await?)?;
        let value = answer["data"]["result"][0]["value"][1].as_str().unwrap_or("0");
        Ok(value.parse::<f64>().context("a count")? as u64)
    }

    async fn get(&self, server: &Server, path: &str, parameters: &[(&str, String)]) -> anyhow::Result<String> {
        let pairs: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
        let url = format!("{}/loki/api/v1/{path}?{}", server.base, pairs.join("&"));
        let reply = self.http.get(url).bearer_auth(&self.token).send().await?;
        let (status, text) = (reply.status(), reply.text().await?);
        ensure!(status.is_success(), "a query was answered with {status}: {}", &text[..text.len().min(300)]);
        Ok(text)
    }

    /// Asks one query so often.
    pub(crate) async fn measure(&self, server: &Server, query: &Query, runs: usize) -> anyhow::Result<Measured> {
        let mut parameters = vec![("query", query.text.clone())];
        let path = match query.wanted {
            Wanted::Count(_) => {
                parameters.push(("time", END.to_string()));
                "query"
            }
            _ => {
                parameters.extend([("start", (END - DAY).to_string()), ("end", END.to_string())]);
                parameters.extend([("limit", query.limit.max(1).to_string()), ("step", "300".to_owned())]);
                "query_range"
            }
        };
        let (mut times, mut text) = (Vec::new(), String::new());
        let before = server.cpu_of_threads();
        for _ in 0..runs {
            let asked = Instant::now();
            text = self.get(server, path, &parameters).await.context(query.name)?;
            times.push(asked.elapsed());
        }
        let cpu = server.cpu_of_threads().saturating_sub(before) / runs as u32;
        let first = times[0];
        times.sort();
        let answer: Value = serde_json::from_str(&text).context("an answer in JSON")?;
        let (rows, sum, problem) = judge(&answer["data"]["result"], &query.wanted);
        Ok(Measured { name: query.name, rows, sum, first, median: times[runs / 2], cpu, problem })
    }
}

/// Rows and sum of an answer, and what is wrong with it.
fn judge(result: &Value, wanted: &Wanted) -> (u64, f64, Option<String>) {
    let series = result.as_array().map_or(&[][..], Vec::as_slice);
    let number = |value: &Value| value.as_str().and_then(|text| text.parse::<f64>().ok()).unwrap_or(f64::NAN);
    match wanted {
        Wanted::Lines { count, newest } => {
            let lines = || series.iter().filter_map(|stream| stream["values"].as_array()).flatten();
            let rows = lines().count() as u64;
            let last = lines().filter_map(|line| line[0].as_str()?.parse::<i64>().ok()).max().unwrap_or(0);
            let problem = (rows != *count).then(|| format!("{rows} lines came instead of {count}")).or_else(|| {
                (rows > 0 && last < *newest).then(|| format!("its newest line is of {last}, not {newest}"))
            });
            (rows, rows as f64, problem)
        }
        Wanted::Count(count) => {
            let found = series.first().map_or(0.0, |only| number(&only["value"][1]));
            let problem = (found != *count as f64).then(|| format!("{found} were counted instead of {count}"));
            (series.len() as u64, found, problem)
        }
        Wanted::Sums(wanted) => {
            let mut sums = BTreeMap::new();
            let mut rows = 0;
            for one in series {
                let points = one["values"].as_array().map_or(&[][..], Vec::as_slice);
                rows += points.len() as u64;
                *sums.entry(label_of(one)).or_insert(0.0) += points.iter().map(|point| number(&point[1])).sum::<f64>();
            }
            let problem = differing(&sums, wanted, SUM_TOLERANCE);
            (rows, sums.values().sum(), problem)
        }
        Wanted::Middle { points, values } => {
            let middle = (END - DAY / 2) / SECOND;
            let all = |one: &Value| one["values"].as_array().cloned().unwrap_or_default();
            let at_middle = |one: &Value| {
                let point = all(one).into_iter().find(|point| point[0].as_f64() == Some(middle as f64))?;
                Some((label_of(one), number(&point[1])))
            };
            let rows = series.iter().map(|one| all(one).len()).sum::<usize>();
            let sum = series.iter().flat_map(all).map(|point| number(&point[1])).sum();
            let found: BTreeMap<String, f64> = series.iter().filter_map(at_middle).collect();
            let problem = (rows != *points)
                .then(|| format!("{rows} points came instead of {points}"))
                .or_else(|| differing(&found, values, QUANTILE_TOLERANCE));
            (rows as u64, sum, problem)
        }
    }
}

/// The value of the only label of a series.
fn label_of(series: &Value) -> String {
    let labels = series["metric"].as_object();
    labels.and_then(|labels| labels.values().next()?.as_str()).unwrap_or_default().to_owned()
}

fn differing(found: &BTreeMap<String, f64>, wanted: &BTreeMap<String, f64>, tolerance: f64) -> Option<String> {
    let near = |(name, value): (&String, &f64)| {
        wanted.get(name).is_some_and(|wanted| (value - wanted).abs() <= tolerance * wanted.abs().max(1.0))
    };
    let is_same = found.len() == wanted.len() && found.iter().all(near);
    (!is_same).then(|| format!("{} series came instead of {}, or their sums differ", found.len(), wanted.len()))
}

fn escaped(text: &str) -> String {
    let escape = |byte: u8| {
        let plain = byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        if plain { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(escape).collect()
}
