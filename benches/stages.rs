//! How fast each stage is: `cargo bench --bench stages [-- NAME]` prints lines per second on one thread, nanoseconds and
//! allocations per line, for the stages whose text holds NAME; `patterns` for finding those.
//!
//! The lines are invented and the same in every run. How many of them each stage lets through is written here and
//! checked, so is that stages of the common path allocate nothing once their buffers have grown, and that a whole query
//! allocates for its blocks and series and not for its lines.

#![expect(clippy::print_stdout, reason = "a measurement is there to be printed")]
#![expect(unsafe_code, reason = "an allocator that counts cannot be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use logcafe::logql::ast::{Expr, GroupingKind, MetricExpr, RangeAggregation};
use logcafe::logql::miner::Miner;
use logcafe::logql::stage::{Pipeline, Scratch, Wanted};
use logcafe::logql::{self};
use logcafe::model::{Batch, Entry, Labels, StreamEntries, Timestamp};
use logcafe::query::{Engine, InstantQuery, Limits, Ticket};
use logcafe::store::{Config, Retention, Store, WORDLESS_BYTES};

/// Lines of each kind. Fewer than a processor's nearest memory would be faster than any log.
const LINE_COUNT: usize = 20_000;
/// The best of so many passes counts, because the others were disturbed.
const PASSES: usize = 5;
/// Each goes over the lines again and again for so long.
const PASS_TIME: Duration = Duration::from_millis(60);
/// Most allocations that a whole query may make per line.
const QUERY_ALLOCATIONS_MAX: f64 = 0.01;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

struct Counting;

// SAFETY: all is left to the system's allocator
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: as promised by the caller
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as promised by the caller
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: as promised by the caller
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What lines are written in.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Nginx,
    Json,
    Logfmt,
    Packed,
    Coloured,
}
use Kind::{Coloured, Json, Logfmt, Nginx, Packed};

/// Whether stages may allocate for each line.
#[derive(Clone, Copy, PartialEq)]
enum Allocates {
    Nothing,
    Something,
}
use Allocates::{Nothing, Something};

/// Lines, a query over them, how many of them pass, and whether it may allocate.
type Case = (Kind, &'static str, usize, Allocates);

const CASES: &[Case] = &[
    (Nginx, "{}", 20_000, Nothing),
    (Nginx, "{} |= `/cart`", 20_000, Nothing),
    (Nginx, "{} != `/cart`", 0, Nothing),
    (Nginx, "{} |= `/cart` or `/login`", 20_000, Nothing),
    (Nginx, "{} |~ `\" 50[0-9] `", 5_713, Nothing),
    (Nginx, "{} !~ `\" 50[0-9] `", 14_287, Nothing),
    (Nginx, "{} |~ `(?i)mozilla.*windows`", 9_997, Nothing),
    (Nginx, "{} |> `<_>GET <_> HTTP/1.1\" 200 <_>`", 3_819, Nothing),
    (Nginx, "{} |= ip(`203.0.113.0/28`)", 1_281, Nothing),
    (Nginx, "{} | pattern `<ip> - <_> [<_>] \"<method> <path> <_>\" <status> <bytes> <_>`", 20_000, Nothing),
    (Nginx, "{} | pattern `<_>\" <status> <_>` | status=`500`", 2_854, Nothing),
    (Nginx, "{} | regexp `\"(?P<method>\\w+) (?P<path>\\S+) [^\"]*\" (?P<status>\\d+)`", 20_000, Nothing),
    (Nginx, "{} | app=`shop`", 20_000, Nothing),
    (Nginx, "{} | host=~`web-.*` | app!=`x`", 20_000, Nothing),
    (Json, "{} | json", 20_000, Nothing),
    (Json, "{} | json | status=`500`", 2_854, Nothing),
    (Json, "{} | json | status >= 500", 5_713, Nothing),
    (Json, "{} | json | level=~`error|warn`", 5_715, Nothing),
    (Json, "{} | json | took_ms > 2s or level=`error`", 19_995, Something),
    (Json, "{} | json status=`http.status`, path=`http.path`", 20_000, Nothing),
    (Json, "{} | json | line_format `{{.level}} {{.msg}}`", 20_000, Something),
    (Json, "{} | json | line_format `{{.msg}}`", 20_000, Nothing),
    (Json, "{} | json | label_format severity=level", 20_000, Nothing),
    (Json, "{} | json | label_format what=`{{.level}}: {{.msg}}`", 20_000, Something),
    (Json, "{} | json | drop trace_id, level=`info`", 20_000, Nothing),
    (Json, "{} | json | keep level", 20_000, Nothing),
    (Logfmt, "{} | logfmt", 20_000, Nothing),
    (Logfmt, "{} | logfmt --strict", 20_000, Nothing),
    (Logfmt, "{} | logfmt | level=`error`", 2_857, Nothing),
    (Logfmt, "{} | logfmt | amount > 900", 1_979, Nothing),
    (Logfmt, "{} | logfmt | duration > 900ms", 15_490, Nothing),
    (Logfmt, "{} | logfmt level, who=`customer`", 20_000, Nothing),
    (Packed, "{} | unpack", 20_000, Nothing),
    (Coloured, "{} | decolorize", 20_000, Nothing),
    (Json, "sum by (level) (count_over_time({} | json [1m]))", 20_000, Nothing),
    (Json, "sum by (level) (count_over_time({} | json | status=`500` [1m]))", 2_854, Nothing),
    (Json, "count_over_time({} | json [1m])", 20_000, Nothing),
    (Json, "sum without (trace_id) (count_over_time({} | json [1m]))", 20_000, Nothing),
    (Json, "sum(bytes_rate({} | json | status >= 500 [1m]))", 5_713, Nothing),
    (Json, "avg_over_time({} | json | unwrap took_ms [1m]) by (level)", 20_000, Nothing),
    (Logfmt, "sum by (level) (count_over_time({} | logfmt [1m]))", 20_000, Nothing),
    (Logfmt, "quantile_over_time(0.99, {} | logfmt | unwrap duration(duration) [1m]) by (level)", 20_000, Nothing),
    (Logfmt, "max_over_time({} | logfmt | unwrap bytes(size) | __error__=`` [1m]) by (level)", 20_000, Nothing),
    (Nginx, "sum by (status) (count_over_time({} | pattern `<_>\" <status> <_>` [1m]))", 20_000, Nothing),
    (Nginx, "sum by (method) (count_over_time({} | regexp `\"(?P<method>\\w+) ` [1m]))", 20_000, Nothing),
];

/// Lines counted by their shapes, and how many patterns they have together.
const PATTERNS: [(Kind, usize); 5] = [(Nginx, 2), (Json, 4), (Logfmt, 4), (Packed, 4), (Coloured, 1)];

/// Whole queries over lines of JSON and of logfmt, run over a store with all processors.
const QUERIES: [&str; 7] = [
    "sum(count_over_time({kind=~`.+`} |= `error` [1h]))",
    "sum by (level) (count_over_time({kind=`Json`} | json | status=`500` [1h]))",
    "sum by (level) (count_over_time({kind=`Logfmt`} | logfmt | level=~`error|warn` [1h]))",
    "sum by (detected_level) (count_over_time({kind=~`.+`} [1h]))",
    "sum by (kind) (bytes_rate({kind=~`.+`} [1h]))",
    "quantile_over_time(0.99, {kind=`Logfmt`} | logfmt | unwrap duration(duration) [1h]) by (level)",
    "avg_over_time({kind=`Json`} | json | unwrap took_ms [1h]) by (level)",
];

fn main() -> anyhow::Result<()> {
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let mut problems = Vec::new();
    println!("{:>9} {:>8} {:>12} {:>7}  stage", "lines/s", "ns/line", "allocations", "passed");
    for (kind, query, expected, allocates) in CASES.iter().filter(|(_, query, ..)| query.contains(&wanted)) {
        let found = measure(*kind, query)?;
        println!(
            "{:8.2}M {:8.0} {:12.2} {:7}  {kind:?} {query}",
            1e3 / found.nanos,
            found.nanos,
            found.allocations,
            found.passed
        );
        if found.passed != *expected {
            problems.push(format!("{} lines pass {kind:?} {query}, not {expected}", found.passed));
        }
        if *allocates == Nothing && found.allocations > 0.0 {
            problems.push(format!("{} allocations per line: {kind:?} {query}", found.allocations));
        }
    }
    println!("\n{:>9} {:>8} {:>12} {:>8}  patterns", "lines/s", "ns/line", "allocations", "found");
    for (kind, expected) in PATTERNS.into_iter().filter(|_| "patterns".contains(&wanted)) {
        let found = measure_patterns(kind)?;
        println!(
            "{:8.2}M {:8.0} {:12.2} {:8}  {kind:?}",
            1e3 / found.nanos,
            found.nanos,
            found.allocations,
            found.passed
        );
        if found.passed != expected || found.allocations > 0.0 {
            problems.push(format!("{} patterns of {kind:?}, not {expected}", found.passed));
        }
    }
    println!("\n{:>9} {:>8} {:>12}  query, all processors", "lines/s", "ns/line", "allocations");
    let (engine, line_count, _folder) = engine()?;
    for query in QUERIES.iter().filter(|query| query.contains(&wanted)) {
        let (nanos, allocations) = measure_query(&engine, query, line_count)?;
        println!("{:8.2}M {nanos:8.0} {allocations:12.4}  {query}", 1e3 / nanos);
        if allocations > QUERY_ALLOCATIONS_MAX {
            problems.push(format!("{allocations} allocations per line: {query}"));
        }
    }
    ensure!(problems.is_empty(), "not as it should be:\n{}", problems.join("\n"));
    Ok(())
}

/// What was found of a stage.
struct Found {
    nanos: f64,
    allocations: f64,
    passed: usize,
}

fn measure(kind: Kind, query: &str) -> anyhow::Result<Found> {
    let lines = lines(kind);
    let pipeline = pipeline(query)?;
    let stream = Labels::from([("app", "shop"), ("env", "prod"), ("host", "web-1")]);
    let metadata = Labels::from([("detected_level", "info")]);
    let mut scratch = Scratch::default();
    let mut key = Vec::new();
    let is_metric = query.contains("_over_time") || query.contains("rate(");
    let mut found = Found { nanos: f64::INFINITY, allocations: f64::INFINITY, passed: 0 };
    for _ in 0..PASSES {
        let (started, allocations) = (cpu_nanos()?, ALLOCATIONS.load(Relaxed));
        let (begin, mut passed, mut rounds) = (Instant::now(), 0, 0);
        // the system counts a thread's time in ticks of milliseconds
        while begin.elapsed() < PASS_TIME {
            (passed, rounds) = (0, rounds + 1);
            for line in &lines {
                let time = Timestamp::from_secs(1_795_132_800);
                let Some(processed) = pipeline.process(time, line, &stream, &metadata, &mut scratch) else { continue };
                passed += 1;
                if is_metric {
                    key.clear();
                    processed.series_key(&mut key);
                }
                std::hint::black_box((processed.line, processed.value, &key));
            }
        }
        let allocations = (ALLOCATIONS.load(Relaxed) - allocations) as f64;
        let lines = (lines.len() * rounds) as f64;
        found.nanos = found.nanos.min((cpu_nanos()? - started) / lines);
        found.allocations = found.allocations.min(allocations / lines);
        found.passed = passed;
    }
    Ok(found)
}

/// What counting costs once the shapes are known, and how many patterns there are.
fn measure_patterns(kind: Kind) -> anyhow::Result<Found> {
    let lines = lines(kind);
    let mut miner = Miner::new(7);
    let mut found = Found { nanos: f64::INFINITY, allocations: f64::INFINITY, passed: 0 };
    lines.iter().for_each(|line| miner.observe(line, 0));
    for _ in 0..PASSES {
        let (started, allocations) = (cpu_nanos()?, ALLOCATIONS.load(Relaxed));
        let (begin, mut rounds) = (Instant::now(), 0);
        while begin.elapsed() < PASS_TIME {
            rounds += 1;
            lines.iter().for_each(|line| miner.observe(line, 0));
        }
        let allocations = (ALLOCATIONS.load(Relaxed) - allocations) as f64;
        let lines = (lines.len() * rounds) as f64;
        found.nanos = found.nanos.min((cpu_nanos()? - started) / lines);
        found.allocations = found.allocations.min(allocations / lines);
    }
    found.passed = Miner::patterns(vec![miner], usize::MAX, &mut || anyhow::Ok(()))?.patterns.len();
    Ok(found)
}

/// Time that this thread has run, not counting when others had the processor.
fn cpu_nanos() -> anyhow::Result<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").context("this needs Linux")?;
    text.split(' ').next().and_then(|field| field.parse().ok()).context("schedstat has no number")
}

/// The stages of a query: those of a log query, or of its one range aggregation with what that is grouped by.
fn pipeline(query: &str) -> anyhow::Result<Pipeline> {
    let query = query.replacen("{}", "{app=`shop`}", 1);
    let aggregation = |range: &RangeAggregation, grouping| {
        let wanted = match grouping {
            None => Wanted::All,
            Some((GroupingKind::By, names)) => Wanted::By(names),
            Some((GroupingKind::Without, names)) => Wanted::Without(names),
        };
        Pipeline::for_metric(&range.log.log.stages, range.log.unwrap.as_ref(), wanted)
    };
    let pipeline = match logql::parse(&query)? {
        Expr::Log(log) => Pipeline::new(&log.stages),
        Expr::Metric(MetricExpr::Range(range)) => {
            let grouping = range.grouping.as_ref().map(|grouping| (grouping.kind, grouping.labels.clone()));
            aggregation(&range, grouping)
        }
        Expr::Metric(MetricExpr::Vector(vector)) => match vector.inner.as_ref() {
            MetricExpr::Range(range) => {
                let grouping = vector.grouping.as_ref();
                let grouping = grouping.map_or((GroupingKind::By, Vec::new()), |it| (it.kind, it.labels.clone()));
                aggregation(range, Some(grouping))
            }
            _ => anyhow::bail!("{query} is more than a sum"),
        },
        Expr::Metric(_) => anyhow::bail!("{query} is more than an aggregation"),
    };
    pipeline.with_context(|| query.clone())
}

fn measure_query(engine: &Engine, query: &str, line_count: usize) -> anyhow::Result<(f64, f64)> {
    let query = InstantQuery { expr: logql::parse(query)?, time: Timestamp::from_secs(3600), limit: 100 };
    let (mut nanos, mut allocations) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..PASSES {
        let ticket = Ticket::until(Instant::now() + Duration::from_secs(600));
        let (started, before) = (Instant::now(), ALLOCATIONS.load(Relaxed));
        let answer = engine.instant(&query, &ticket)?;
        nanos = nanos.min(started.elapsed().as_nanos() as f64 / line_count as f64);
        allocations = allocations.min((ALLOCATIONS.load(Relaxed) - before) as f64 / line_count as f64);
        ensure!(answer.stats.lines_matched > 0, "nothing was found");
    }
    Ok((nanos, allocations))
}

/// A store with lines of JSON and logfmt in sealed blocks and in memory.
fn engine() -> anyhow::Result<(Engine, usize, tempfile::TempDir)> {
    const ROUNDS: usize = 10;
    let folder = tempfile::tempdir()?;
    let config = Config {
        dir: folder.path().to_owned(),
        retention: Retention::default(),
        head_bytes_max: 8 << 20,
        wordless_bytes: WORDLESS_BYTES,
    };
    let store = Store::open(config, &|_, _| Ok(()))?;
    let levels = ["info", "warn", "error"].map(|level| Labels::from([("detected_level", level)]));
    let mut line_count = 0;
    for round in 0..ROUNDS {
        for kind in [Json, Logfmt] {
            let lines = lines(kind);
            let entries = lines.iter().enumerate().map(|(index, line)| Entry {
                timestamp: Timestamp::from_nanos(((round * LINE_COUNT + index) * 10_000_000) as i64 + 1),
                line: Cow::from(line.as_str()),
                metadata: levels[index % 3].clone(),
            });
            let labels = Labels::from([("kind", format!("{kind:?}").as_str())]);
            let streams = vec![StreamEntries { labels, entries: entries.collect() }];
            line_count += lines.len();
            store.append(&Batch { record: Cow::from(&b"bench"[..]), streams })?;
        }
    }
    Ok((Engine::new(Arc::new(store), Limits::default()), line_count, folder))
}

fn lines(kind: Kind) -> Vec<String> {
    (0..LINE_COUNT).map(|number| line(kind, number)).collect()
}

fn line(kind: Kind, number: usize) -> String {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 7;
    let (id, ms, user) = (mixed & 0xffff_ffff, mixed % 4000, mixed % 977);
    let level = ["info", "info", "info", "debug", "warn", "info", "error"][mixed % 7];
    let status = [200, 200, 201, 304, 404, 500, 503][mixed / 7 % 7];
    let path = ["/cart", "/login", "/api/v1/orders", "/static/app.css"][mixed / 49 % 4];
    match kind {
        Nginx => format!(
            "203.0.113.{} - - [20/Nov/2026:10:{:02}:{:02} +0000] \"{} {path}/{id} HTTP/1.1\" {status} {ms} \
             \"https://shop.example/cart?user={user}\" \"Mozilla/5.0 ({}) AppleWebKit/537.36\"",
            mixed % 250,
            number / 60 % 60,
            number % 60,
            ["GET", "GET", "POST"][mixed % 3],
            ["X11; Linux x86_64", "Windows NT 10.0"][mixed % 2],
        ),
        Json => format!(
            "{{\"time\":\"2026-11-20T10:00:00Z\",\"level\":\"{level}\",\"msg\":\"request handled for {user}\",\
             \"trace_id\":\"{id:016x}\",\"status\":\"{status}\",\"http\":{{\"status\":{status},\"path\":\"{path}\"}},\
             \"took_ms\":{ms},\"tags\":[\"a\",\"b\"]}}",
        ),
        Logfmt => format!(
            "ts=2026-11-20T10:00:00Z caller=checkout.go:{} level={level} msg=\"payment done\" customer={user} \
             order={id:08x} amount={} duration={ms}ms size={ms}KB",
            number % 400,
            mixed % 1000,
        ),
        Packed => format!(
            "{{\"container\":\"shop-{user}\",\"level\":\"{level}\",\"_entry\":\"{level} request {id} took {ms} ms\"}}",
        ),
        Coloured => format!("\u{1b}[32m{level}\u{1b}[0m request {id} of {user} took \u{1b}[1m{ms}\u{1b}[0m ms"),
    }
}
