//! By how much queries raise the memory of a server: `cargo bench --bench memory [-- LINES]`.
//!
//! It starts a server on a free port with its data in a temporary folder, pushes LINES lines (ten million, where nothing
//! is said) whose `trace` has a million values, and lines of 128 KiB, and asks what takes much. For each query the peak
//! of the server's resident memory is set back before and read after (Linux). A rise above [`RISE_MAX`] fails, and so
//! does an answer other than is said here: some queries cannot fit, and must end with the error that names the setting.

#![expect(clippy::print_stdout, reason = "a measurement is there to be printed")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};

/// What a query may raise the memory by, in bytes.
const RISE_MAX: u64 = 256 << 20;
const LINES_DEFAULT: usize = 10_000_000;
const TRACES: usize = 1_000_000;
const HUGE_LINES: usize = 3000;
const HUGE_LINE_BYTES: usize = 128 << 10;
/// All lines lie in the day before this: 2026-11-20 00:00 UTC, in seconds.
const END: u64 = 1_795_132_800;
const SPAN: u64 = 86_400;

/// What comes of a query.
#[derive(Clone, Copy, PartialEq)]
enum Expected {
    Answer,
    /// The named bound on memory.
    TooMuch,
}
use Expected::{Answer, TooMuch};

/// Where a query goes, and with which parameters but the range.
type Case = (&'static str, &'static str, Expected);

const BY_TRACE: &str = "sum by (trace) (count_over_time({job=\"bench\"} | logfmt [24h]))";

const INSTANT: [(&str, Expected); 25] = [
    ("topk(5, BY_TRACE)", Answer),
    ("bottomk(5, BY_TRACE)", Answer),
    ("count(BY_TRACE)", Answer),
    ("max(BY_TRACE) - min(BY_TRACE)", Answer),
    ("avg by (absent) (BY_TRACE)", Answer),
    ("topk(5, count_over_time({job=\"bench\", host=\"host-1\"} | logfmt trace=\"trace\" [24h]))", Answer),
    // a trace on each of sixteen hosts is a series: ten million of them
    ("topk(5, count_over_time({job=\"bench\"} | logfmt trace=\"trace\" [24h]))", TooMuch),
    ("topk(5, count_over_time({job=\"bench\"} | logfmt | keep trace, level, job [24h]))", Answer),
    ("BY_TRACE", Answer),
    ("sort_desc(BY_TRACE)", Answer),
    ("topk(5, sum by (trace) (rate({job=\"bench\"} | logfmt | status >= 500 [24h])))", Answer),
    ("topk(5, avg_over_time({job=\"bench\"} | logfmt | unwrap took [24h]) by (trace))", Answer),
    ("topk(5, stddev_over_time({job=\"bench\"} | logfmt | unwrap took [24h]) by (trace))", Answer),
    ("topk(5, last_over_time({job=\"bench\"} | logfmt | unwrap took [24h]) by (trace))", Answer),
    ("quantile_over_time(0.99, {job=\"bench\"} | logfmt | unwrap took [24h]) by (level)", Answer),
    ("topk(5, quantile_over_time(0.99, {job=\"bench\"} | logfmt | unwrap took [12h]) by (trace))", Answer),
    ("sum(rate_counter({job=\"bench\"} | logfmt | unwrap took [24h]))", TooMuch),
    ("topk(5, count_over_time({job=\"bench\"} | logfmt [24h]))", TooMuch),
    ("count(label_replace(BY_TRACE, \"short\", \"$1\", \"trace\", \"(..).*\"))", Answer),
    ("count(BY_TRACE and BY_TRACE)", Answer),
    ("count(BY_TRACE / BY_TRACE)", Answer),
    ("topk(3, BY_TRACE or sum by (trace, level) (count_over_time({job=\"bench\"} | logfmt [1h])))", Answer),
    ("sum by (msg) (count_over_time({job=\"huge\"} | regexp \"(?P<msg>.*)\" [24h]))", TooMuch),
    ("sum(count_over_time({job=\"huge\"} | line_format \"{{.job}}{{__line__}}{{__line__}}\" [24h]))", Answer),
    ("sum by (level) (count_over_time({job=\"bench\"} | json | __error__=\"JSONParserErr\" [24h]))", Answer),
];

const RANGE: [(&str, u64, Expected); 8] = [
    ("topk(5, sum by (trace) (count_over_time({job=\"bench\"} | logfmt [6h])))", SPAN / 4, Answer),
    ("count(sum by (trace) (count_over_time({job=\"bench\"} | logfmt [12h])))", SPAN / 2, Answer),
    ("count(avg_over_time({job=\"bench\"} | logfmt | unwrap took [12h]) by (trace))", SPAN / 2, Answer),
    ("topk(5, sum by (trace) (count_over_time({job=\"bench\"} | logfmt [6m])))", SPAN / 250, TooMuch),
    ("sum by (trace) (count_over_time({job=\"bench\"} | logfmt [6m]))", SPAN / 250, TooMuch),
    ("quantile_over_time(0.9, {job=\"bench\"} | logfmt | unwrap took [1h]) by (level)", 300, Answer),
    ("stddev_over_time({job=\"bench\"} | logfmt | unwrap took [1h]) by (level, path)", 60, Answer),
    ("sum by (level) (rate({job=\"bench\"} | logfmt [1m]))", 60, Answer),
];

const OTHERS: [Case; 14] = [
    ("/patterns", "query={job=~\".+\"}", Answer),
    ("/patterns", "query={job=~\".+\"}&step=10", Answer),
    ("/query_range", "query={job=\"bench\"}&limit=5000", Answer),
    ("/query_range", "query={job=\"bench\"} | logfmt&limit=5000", Answer),
    ("/query_range", "query={job=\"huge\"}&limit=500", Answer),
    ("/query_range", "query={job=\"huge\"}&limit=5000", TooMuch),
    ("/query_range", "query={job=\"huge\"} | regexp \"(?P<msg>.*)\"&limit=5000", TooMuch),
    ("/query_range", "query={job=\"huge\"} | line_format \"{{__line__}}{{__line__}}\"&limit=5000", TooMuch),
    ("/detected_fields", "query={job=\"bench\"}&line_limit=5000&limit=5000", Answer),
    ("/detected_fields", "query={job=\"huge\"}&line_limit=5000", TooMuch),
    ("/detected_field/trace/values", "query={job=\"bench\"}&line_limit=5000&limit=5000", Answer),
    ("/index/volume_range", "query={job=~\".+\"}&step=8&targetLabels=host", Answer),
    ("/index/stats", "query={job=~\".+\"}", Answer),
    ("/series", "match[]={job=~\".+\"}", Answer),
];

fn main() -> anyhow::Result<()> {
    let line_count = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(LINES_DEFAULT);
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(measure(line_count))
}

async fn measure(line_count: usize) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path())?;
    let client = Client::new(&server)?;
    let started = Instant::now();
    client.fill(line_count).await?;
    println!("{line_count} lines of {TRACES} traces pushed in {:.0} s", started.elapsed().as_secs_f64());
    println!("{:>9} {:>9} {:>8}  query", "rise MiB", "answer KB", "seconds");
    let mut failures = Vec::new();
    let mut check = async |path: &str, params: &str, expected: Expected, shown: &str| -> anyhow::Result<()> {
        let before = server.reset_peak()?;
        let started = Instant::now();
        let (status, body) = client.get(path, params).await?;
        let seconds = started.elapsed().as_secs_f64();
        let rise = server.memory("VmHWM")?.saturating_sub(before);
        let came = match status {
            200 => Answer,
            _ if body.contains("raise query-memory") => TooMuch,
            _ => bail!("{shown}: {status} {}", &body[..body.len().min(300)]),
        };
        println!(
            "{:9.1} {:9.1} {seconds:8.2}  {}{shown}",
            rise as f64 / f64::from(1 << 20),
            body.len() as f64 / 1024.0,
            if came == TooMuch { "(refused) " } else { "" },
        );
        // fewer lines may fit where many do not
        let is_expected = came == expected || (expected == TooMuch && line_count < LINES_DEFAULT);
        if rise > RISE_MAX || !is_expected {
            failures.push(shown.to_owned());
        }
        Ok(())
    };
    for (query, expected) in INSTANT {
        let query = query.replace("BY_TRACE", BY_TRACE);
        check("/query", &format!("query={query}&time={END}"), expected, &query).await?;
    }
    for (query, step, expected) in RANGE {
        let params = format!("query={query}&{}&step={step}", range());
        check("/query_range", &params, expected, &format!("{query} every {step} s")).await?;
    }
    for (path, params, expected) in OTHERS {
        check(path, &format!("{params}&{}", range()), expected, &format!("{path} {params}")).await?;
    }
    ensure!(failures.is_empty(), "not as it should be: {failures:#?}");
    Ok(())
}

fn range() -> String {
    format!("start={}&end={END}", END - SPAN)
}

/// The program, serving a folder.
struct Server {
    child: Child,
    base: String,
    token: String,
}

impl Server {
    fn start(data: &Path) -> anyhow::Result<Server> {
        let program = env!("CARGO_BIN_EXE_logcafe");
        let mut child = Command::new(program)
            .args(["serve", "--listen", "127.0.0.1:0", "--anonymous-push", "--log-format", "json", "--data"])
            .arg(data)
            .args(["--query-timeout", "10m"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(child.stderr.take().context("stderr is piped")?).lines();
        let address = loop {
            let line = lines.next().context("the server ended before it was ready")??;
            let record: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            let fields = record.get("fields").unwrap_or(&record);
            if let Some(address) = fields.get("address").and_then(|address| address.as_str()) {
                break address.to_owned();
            }
        };
        std::thread::spawn(move || lines.for_each(drop));
        let output =
            Command::new(program).args(["token", "add", "bench", "--scope", "read", "--data"]).arg(data).output()?;
        let text = String::from_utf8(output.stdout)?;
        let token = text.lines().last().context("a token")?.trim().to_owned();
        Ok(Server { child, base: format!("http://{address}"), token })
    }

    /// A line of the process's status, in bytes.
    fn memory(&self, name: &str) -> anyhow::Result<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)).context("a line of the status")?;
        let kib: u64 = line.trim_start_matches(':').trim().trim_end_matches(" kB").parse()?;
        Ok(kib << 10)
    }

    /// Sets the peak back to what is resident now, and tells that.
    fn reset_peak(&self) -> anyhow::Result<u64> {
        std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5")?;
        self.memory("VmRSS")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // nothing can be done where it is gone already
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Client {
    fn new(server: &Server) -> anyhow::Result<Client> {
        // reqwest wants a crypto provider even for plain http
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Client { http: reqwest::Client::new(), base: server.base.clone(), token: server.token.clone() })
    }

    async fn get(&self, path: &str, params: &str) -> anyhow::Result<(u16, String)> {
        let request = self.http.post(format!("{}/loki/api/v1{path}", self.base)).bearer_auth(&self.token);
        let pairs: Vec<(&str, &str)> = params.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let body: Vec<String> =
            pairs.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
        let form = "application/x-www-form-urlencoded";
        let reply = request.header("content-type", form).body(body.join("&")).send().await?;
        Ok((reply.status().as_u16(), reply.text().await?))
    }

    /// Pushes all lines, two bodies at a time.
    async fn fill(&self, line_count: usize) -> anyhow::Result<()> {
        const LINES_PER_BODY: usize = 20_000;
        const HUGE_LINES_PER_BODY: usize = 20;
        let many = (0..line_count).step_by(LINES_PER_BODY).map(|from| {
            let to = (from + LINES_PER_BODY).min(line_count);
            body(
                "bench",
                &format!("host-{}", from / LINES_PER_BODY % 16),
                (from..to).map(|n| (time(n, line_count), line(n))),
            )
        });
        let huge = (0..HUGE_LINES).step_by(HUGE_LINES_PER_BODY).map(|from| {
            let lines = from..from + HUGE_LINES_PER_BODY;
            body("huge", "host-0", lines.map(|n| (time(n, HUGE_LINES), huge_line(n))))
        });
        let mut bodies = many.chain(huge);
        while let Some(one) = bodies.next() {
            let other = bodies.next();
            let (first, second) = tokio::join!(self.push(one), async {
                match other {
                    Some(other) => self.push(other).await,
                    None => Ok(()),
                }
            });
            first.and(second)?;
        }
        Ok(())
    }

    async fn push(&self, body: Vec<u8>) -> anyhow::Result<()> {
        loop {
            let request = self.http.post(format!("{}/loki/api/v1/push", self.base));
            let request = request.header("content-type", "application/x-protobuf").body(body.clone());
            let reply = request.send().await?;
            match reply.status().as_u16() {
                204 => return Ok(()),
                429 | 503 => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
                status => bail!("a push was answered with {status}: {}", reply.text().await?),
            }
        }
    }
}

/// Nanoseconds since the epoch: lines lie evenly in the day.
fn time(number: usize, of: usize) -> u64 {
    (END - SPAN) * 1_000_000_000 + (number as u64) * (SPAN * 1_000_000_000 / of as u64) + 1
}

fn line(number: usize) -> String {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11;
    // an odd factor visits every trace before it comes back to the first
    let trace = (number.wrapping_mul(7_368_787) % TRACES).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!(
        "level={} path=/api/v{}/orders status={} took={} user=u{} trace={trace:016x} msg=\"request handled\"",
        ["info", "info", "info", "debug", "warn", "error"][mixed % 6],
        mixed / 6 % 20,
        [200, 200, 201, 304, 404, 500, 503][mixed / 128 % 7],
        mixed / 1024 % 4000,
        mixed / 5_000_000 % 100_000,
    )
}

fn huge_line(number: usize) -> String {
    let mut line = format!("{number} ");
    while line.len() < HUGE_LINE_BYTES {
        line.push_str("some text that is repeated and says nothing ");
    }
    line
}

/// A push body in protobuf, compressed.
fn body(job: &str, host: &str, lines: impl Iterator<Item = (u64, String)>) -> Vec<u8> {
    let mut stream = Vec::new();
    put(&mut stream, 1, format!("{{job=\"{job}\", host=\"{host}\"}}").as_bytes());
    for (nanos, line) in lines {
        let mut time = vec![0x08];
        put_varint(&mut time, nanos / 1_000_000_000);
        time.push(0x10);
        put_varint(&mut time, nanos % 1_000_000_000);
        let mut entry = Vec::new();
        put(&mut entry, 1, &time);
        put(&mut entry, 2, line.as_bytes());
        put(&mut stream, 2, &entry);
    }
    let mut request = Vec::new();
    put(&mut request, 1, &stream);
    snap::raw::Encoder::new().compress_vec(&request).expect("a body is smaller than snappy's bound")
}

/// A field of bytes: key, length, bytes.
fn put(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn escaped(text: &str) -> String {
    let escape = |byte: u8| {
        let plain = byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        if plain { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(escape).collect()
}
