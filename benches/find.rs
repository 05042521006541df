//! How long queries take in a data folder that is there: `cargo bench --bench find -- FOLDER [NAME…]`.
//!
//! The folder is what a stopped server left in its `--data`; nothing is written to it but what opening it writes. Each
//! query is about the day with the most entries, and runs twenty times; printed are the first and the median time of
//! them, without HTTP, the mean of their processor time (Linux; in steps of half a millisecond), and how many lines
//! came. Only the queries whose names begin with one of NAME run, where any is given.

#![expect(clippy::print_stdout, reason = "a measurement is there to be printed")]

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use logcafe::logql;
use logcafe::model::{Direction, TimeRange, Timestamp};
use logcafe::query::{Data, Engine, InstantQuery, Limits, RangeQuery, Ticket};
use logcafe::store::{Config, Need, Retention, Selection, Store, WORDLESS_BYTES};

const RUNS: usize = 20;
/// Of the clock that Linux counts processor time by.
const TICK_MILLIS: f64 = 10.0;
const DAY_NS: i64 = 86_400_000_000_000;

/// What is asked, and how many lines are wanted; none of a count.
const QUERIES: [(&str, &str, usize); 12] = [
    ("needle", r#"{job=~".+"} |= "needle-in-the-middle-c0ffee42""#, 1000),
    ("absent", r#"{job=~".+"} |= "no-such-needle-deadbeef00""#, 1000),
    ("latest_service", r#"{job="shop-api",env="prod"}"#, 1000),
    ("latest_all", r#"{job=~".+"}"#, 1000),
    ("phrase", r#"{job=~".+"} |= "Request failed""#, 1000),
    ("crossing", r#"{job=~".+"} |= "HikariPool-1 - Pool st""#, 100),
    ("korean", r#"{job=~".+"} |= "장바구니""#, 1000),
    ("two_filters", r#"{env="prod"} |= "ERROR" != "SocketTimeout" |~ "(?i)refused|denied|timeout""#, 100),
    ("count_substring", r#"sum(count_over_time({job=~".+"} |= "timeout" [24h]))"#, 0),
    ("count_regex", r#"sum(count_over_time({job="shop-api"} |~ "order \\d+5 " [24h]))"#, 0),
    ("count_address", r#"sum(count_over_time({job=~".+"} |= "203.0.7.209" [24h]))"#, 0),
    ("count_all", r#"sum(count_over_time({job=~".+"} |~ "[0-9]" [24h]))"#, 0),
];

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let Some((folder, names)) = arguments.split_first() else {
        println!("no data folder is named: nothing is measured");
        return Ok(());
    };
    let dir = Path::new(folder).join("logs");
    let config =
        Config { dir, retention: Retention::default(), head_bytes_max: 64 << 20, wordless_bytes: WORDLESS_BYTES };
    let store = Arc::new(Store::open(config, &|_, _| Ok(())).context("open the data folder")?);
    let everything = Selection::of(Vec::new(), TimeRange::ALL, Need::Times);
    let mut entries_of: HashMap<i64, u64> = HashMap::new();
    for chunk in store.select(&everything)?.chunks {
        *entries_of.entry(chunk.max.nanos().div_euclid(DAY_NS)).or_default() += chunk.entry_count;
    }
    let day = entries_of.into_iter().max_by_key(|(_, count)| *count).context("the data folder is empty")?.0;
    let end = Timestamp::from_nanos((day + 1) * DAY_NS);
    let engine = Engine::new(store, Limits { query_timeout: Duration::from_secs(600), ..Limits::default() });
    for (name, text, limit) in QUERIES {
        if names.is_empty() || names.iter().any(|wanted| name.starts_with(wanted.as_str())) {
            measure(&engine, name, text, limit, end)?;
        }
    }
    Ok(())
}

fn measure(engine: &Engine, name: &str, text: &str, limit: usize, end: Timestamp) -> anyhow::Result<()> {
    let cpu_before = cpu_ticks();
    let mut millis = Vec::new();
    let mut found = 0.0;
    for _ in 0..RUNS {
        let start = Instant::now();
        found = ask(engine, text, limit, end)?;
        millis.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let cpu_millis = (cpu_ticks() - cpu_before) as f64 * TICK_MILLIS / RUNS as f64;
    let first = millis[0];
    millis.sort_by(f64::total_cmp);
    println!(
        "{name:16} first {first:8.2} ms   median {:8.2} ms   cpu {cpu_millis:8.1} ms   found {found}",
        millis[RUNS / 2]
    );
    Ok(())
}

fn ask(engine: &Engine, text: &str, limit: usize, end: Timestamp) -> anyhow::Result<f64> {
    let ticket = Ticket::until(Instant::now() + Duration::from_secs(600));
    let expr = logql::parse(text).context("parse a query")?;
    let data = if limit > 0 {
        let range = TimeRange::new(end.plus_nanos(-DAY_NS), end);
        let query = RangeQuery { expr, range, step_ns: 1, interval_ns: 0, limit, direction: Direction::Backward };
        engine.range(&query, &ticket)?.data
    } else {
        let query = InstantQuery { expr, time: end, limit: 100 };
        engine.instant(&query, &ticket)?.data
    };
    Ok(match data {
        Data::Streams(lines) => lines.len() as f64,
        Data::Vector(vector) => vector.values().sum(),
        _ => bail!("an answer of another kind than was asked for"),
    })
}

/// The processor time of this process so far; 0 where the system does not tell.
fn cpu_ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // behind the name in brackets, which may hold blanks
    let fields = stat.rsplit(')').next().unwrap_or_default().split_ascii_whitespace();
    fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
}
