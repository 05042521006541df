//! A whole server measured in one run: `cargo bench --bench table -- --help` tells how.
//!
//! It starts the server in a temporary folder, pushes an invented corpus of service logs over HTTP, asks the queries that
//! people ask, restarts the server, asks again, and kills it right after the last answer of a further push. Printed
//! are tables in Markdown. The run fails where an answer is wrong or an acknowledged line is lost.

#![expect(clippy::print_stdout, reason = "a measurement is there to be printed")]

mod corpus;
mod push;
mod query;
mod server;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Parser;

use crate::corpus::{Corpus, DAY, END, Known, SECOND, Shape};
use crate::push::Pushed;
use crate::query::{Asker, Measured};
use crate::server::{Server, Sizes};

const MIB: u64 = 1 << 20;
/// Text that zstd is asked about.
const SAMPLE_BYTES: u64 = 32 * MIB;
/// How long a server rests before its idle memory is read.
const REST: Duration = Duration::from_secs(3);
/// Text that is pushed before the server is killed, at most.
const LAST_PUSH_BYTES_MAX: u64 = 128 * MIB;
const HOUR: i64 = 3600 * SECOND;

/// Measures a whole server over an invented corpus: taking it in, size, memory, queries, restart, a crash.
#[derive(Debug, Parser)]
#[command(
    bin_name = "cargo bench --bench table --",
    after_help = "Examples:
  cargo bench --bench table -- --mib 64                      a minute's look
  cargo bench --bench table                                  1 GiB in 48 streams over a day
  cargo bench --bench table -- --streams 10000 --each-second one line a second in each of 10,000 streams
  cargo bench --bench table -- --streams 1                   one stream
  cargo bench --bench table -- --mib 8192 --data /mnt/large  needs about 1.5 GB of disk there

Read processor time first: it is the server's own, and other work on the machine changes it least. Lines are made while
they are pushed, by this program, on the same machine: MiB/s therefore says less than MiB for each second of processor time."
)]
struct Options {
    /// Text that is pushed, in MiB
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..))]
    mib: u64,
    /// Streams that it goes to
    #[arg(long, default_value_t = 48, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    streams: u64,
    /// All streams have as many lines, one each second: the corpus is shorter than a day
    #[arg(long)]
    each_second: bool,
    /// What the lines are made from: the same number gives the same lines
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Times that each query is asked
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1000))]
    runs: u64,
    /// Folder in which a temporary one is made for the data
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Leave the data where it is
    #[arg(long)]
    keep: bool,
    /// Another server program, to compare with
    #[arg(long, value_name = "PATH", default_value = env!("CARGO_BIN_EXE_logcafe"), hide_default_value = true)]
    server: PathBuf,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    // reqwest wants a crypto provider even for plain http
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = tempfile::Builder::new();
    builder.prefix("logcafe-table-").disable_cleanup(options.keep);
    let folder = match &options.data {
        Some(dir) => builder.tempdir_in(dir).with_context(|| format!("make a folder in {}", dir.display()))?,
        None => builder.tempdir()?,
    };
    if options.keep {
        println!("The data stays in `{}`.\n", folder.path().display());
    }
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(measure(&options, folder.path()))
}

impl Options {
    fn shape(&self) -> Shape {
        let shape = Shape {
            seed: self.seed,
            bytes: self.mib * MIB,
            streams: self.streams as usize,
            is_even: self.each_second,
            span: DAY,
            end: END,
            has_needles: true,
        };
        if !self.each_second {
            return shape;
        }
        let sample = known_of(Shape { bytes: shape.bytes.min(SAMPLE_BYTES), ..shape });
        let lines = shape.bytes as f64 * sample.lines as f64 / sample.bytes as f64;
        let seconds = lines / self.streams as f64;
        Shape { span: ((seconds * SECOND as f64) as i64).min(DAY), ..shape }
    }
}

fn known_of(shape: Shape) -> Known {
    let (mut corpus, mut line) = (Corpus::new(shape), String::new());
    while corpus.next(&mut line).is_some() {}
    corpus.finish()
}

async fn measure(options: &Options, data: &Path) -> anyhow::Result<()> {
    let shape = options.shape();
    let server = Server::start(&options.server, data)?;
    let asker = Asker { http: reqwest::Client::new(), token: Server::token(&options.server, data)? };
    let before = server.cpu()?;
    let pushed = push::push(&asker.http, &server.base, shape, "pushing").await?;
    let cpu = server.cpu()?.saturating_sub(before);
    let pushing_memory = server.memory("VmHWM")?;
    let mut problems = Vec::new();
    let queries = query::all(&pushed.known);
    let mut first = Vec::new();
    for query in &queries {
        first.push(asker.measure(&server, query, options.runs as usize).await?);
    }
    let querying_memory = server.memory("VmHWM")?;
    tokio::time::sleep(REST).await;
    let io = (server.io("wchar")?, server.io("write_bytes")?);
    let stopped_after = server.stop()?;
    let sizes = Sizes::of(data)?;
    let server = Server::start(&options.server, data)?;
    let ready_after = server.ready_after;
    tokio::time::sleep(REST).await;
    let idle_memory = server.memory("VmRSS")?;
    let mut second = Vec::new();
    for query in &queries {
        second.push(asker.measure(&server, query, options.runs as usize).await?);
    }
    let memory_after = server.memory("VmHWM")?;
    print_corpus(&pushed, shape)?;
    print_rows(&[
        ("ingest, raw MiB per CPU-second", format!("{:.0}", mib(pushed.known.bytes) / cpu.as_secs_f64())),
        ("ingest, raw MiB per second", format!("{:.0}", mib(pushed.known.bytes) / pushed.took.as_secs_f64())),
        ("a push of 1 MiB answered after, median, 99th percentile, ms", latencies(&pushed)),
        ("pushes told to come back later", pushed.refused.to_string()),
        ("on disk, of raw, settled", format!("{:.2} %", percent(sizes.all(), pushed.known.bytes))),
        ("peak memory, push / and queries, MiB", format!("{:.0} / {:.0}", mib(pushing_memory), mib(querying_memory))),
        ("stop, ms", format!("{:.0}", stopped_after.as_secs_f64() * 1e3)),
        ("start until ready, ms", format!("{:.0}", ready_after.as_secs_f64() * 1e3)),
        (
            "memory after that, idle / peak with queries, MiB",
            format!("{:.0} / {:.0}", mib(idle_memory), mib(memory_after)),
        ),
    ]);
    print_sizes(&sizes, &pushed, io);
    print_queries(&first, &second);
    let wrong = |(when, measured): (&str, &Measured)| {
        measured.problem.as_ref().map(|problem| format!("{} {when}: {problem}", measured.name))
    };
    problems.extend(first.iter().map(|it| ("after the push", it)).filter_map(wrong));
    problems.extend(second.iter().map(|it| ("after the restart", it)).filter_map(wrong));
    if pushed.acknowledged != pushed.known.lines {
        problems.push(format!("{} of {} lines were acknowledged", pushed.acknowledged, pushed.known.lines));
    }
    problems.extend(crash(options, data, server, &asker, shape).await?);
    ensure!(problems.is_empty(), "not as it should be:\n{}", problems.join("\n"));
    Ok(())
}

/// Pushes more, kills the server right after the last answer, and counts what is there after the next start.
async fn crash(
    options: &Options,
    data: &Path,
    server: Server,
    asker: &Asker,
    shape: Shape,
) -> anyhow::Result<Option<String>> {
    let bytes = (shape.bytes / 4).clamp(MIB, LAST_PUSH_BYTES_MAX);
    let later = Shape { bytes, seed: shape.seed + 1, span: HOUR, end: END + HOUR, has_needles: false, ..shape };
    let pushed = push::push(&asker.http, &server.base, later, "pushing before the kill").await?;
    server.kill()?;
    let server = Server::start(&options.server, data)?;
    let ready_after = server.ready_after;
    // what the log holds is taken back in while queries go on, so the count may still grow
    let mut found = 0;
    for _ in 0..600 {
        found = asker.count_after_end(&server, HOUR).await?;
        if found >= pushed.acknowledged {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let lost = pushed.acknowledged as i64 - found as i64;
    println!("\n| killed right after the last answer | |\n| --- | ---: |");
    println!("| lines acknowledged before | {} |", pushed.acknowledged);
    println!("| lines lost | {lost} |");
    println!("| start until ready, ms | {:.0} |", ready_after.as_secs_f64() * 1e3);
    Ok((lost != 0).then(|| format!("{} lines were acknowledged, and {found} are there", pushed.acknowledged)))
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / MIB as f64
}

fn percent(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole as f64
}

fn latencies(pushed: &Pushed) -> String {
    let all = &pushed.answered_after;
    let at = |part: usize| all.get((all.len() * part / 100).min(all.len().saturating_sub(1)));
    let millis = |at: Option<&Duration>| at.map_or(0.0, |at| at.as_secs_f64() * 1e3);
    format!("{:.0}, {:.0}", millis(at(50)), millis(at(99)))
}

/// What was pushed, beside what zstd makes of its beginning.
fn print_corpus(pushed: &Pushed, shape: Shape) -> anyhow::Result<()> {
    let sample = Shape { bytes: shape.bytes.min(SAMPLE_BYTES), ..shape };
    let (mut corpus, mut line, mut text) = (Corpus::new(sample), String::new(), String::new());
    while corpus.next(&mut line).is_some() {
        text.push_str(&line);
        text.push('\n');
    }
    let packed = zstd::bulk::compress(text.as_bytes(), 3)?;
    println!(
        "{:.0} MiB in {} lines of {} streams over {:.2} hours; `zstd -3` alone makes {:.1} % of the first {} MiB.\n",
        mib(pushed.known.bytes),
        pushed.known.lines,
        shape.streams,
        shape.span as f64 / HOUR as f64,
        percent(packed.len() as u64, text.len() as u64),
        sample.bytes / MIB,
    );
    Ok(())
}

fn print_rows(rows: &[(&str, String)]) {
    println!("| measure | figure |\n| --- | ---: |");
    rows.iter().for_each(|(name, figure)| println!("| {name} | {figure} |"));
}

/// What the data folder holds, and what was written for it. The log is written once and goes; what is written to files
/// and is neither log nor block nor filter is the index, with all its merges.
fn print_sizes(sizes: &Sizes, pushed: &Pushed, (written, reached_disk): (u64, u64)) {
    let raw = pushed.known.bytes;
    println!("\n| on disk | MiB | of raw |\n| --- | ---: | ---: |");
    let parts = [
        ("blocks", sizes.blocks),
        ("filters", sizes.filters),
        ("index", sizes.index),
        ("streams", sizes.streams),
        ("write-ahead log", sizes.log),
    ];
    for (name, bytes) in parts {
        println!("| {name} | {:.2} | {:.2} % |", mib(bytes), percent(bytes, raw));
    }
    println!("| files | {} | |", sizes.files);
    println!(
        "| bodies, as they were sent | {:.2} | {:.2} % |",
        mib(pushed.sent_bytes),
        percent(pushed.sent_bytes, raw)
    );
    println!("| written to files and sockets until the stop | {:.2} | {:.2} % |", mib(written), percent(written, raw));
    println!("| of that, for the disk | {:.2} | {:.2} % |", mib(reached_disk), percent(reached_disk, raw));
}

fn print_queries(first: &[Measured], second: &[Measured]) {
    println!("\n| query | rows | sum | median ms | CPU ms | restarted: first ms | median ms | CPU ms |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    for (before, after) in first.iter().zip(second) {
        println!(
            "| `{}` | {} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} |",
            before.name,
            before.rows,
            before.sum,
            millis(before.median),
            millis(before.cpu),
            millis(after.first),
            millis(after.median),
            millis(after.cpu),
        );
    }
}
