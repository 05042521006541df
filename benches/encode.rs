//! How fast blocks are made and read, and how small they become: `cargo bench --bench encode [-- FILE...]`.
//!
//! Without files, lines are invented: service logs, JSON, logfmt, and junk (base64, source code, escaped bytes). A file
//! is a stream of its lines, with a time for each that is a little later than the one before; one that ends in `.bin`
//! holds push bodies (raw snappy blocks of Loki's protobuf), each behind its length in four bytes, little-endian.
//! Printed are bytes against those of zstd over the same lines, and MiB of lines for each second of processor time.
//! A text whose name holds `junk` must stay within 1.05 of zstd-1's size and twice its time; the run fails where one does not.

#![expect(clippy::print_stdout, reason = "a measurement is there to be printed")]

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, ensure};
use logcafe::ingest::replay;
use logcafe::store::measure::{Blocks, Sizes, Stage};

/// First byte of a record that holds a body as it came, service name and level to be derived.
const AS_RECEIVED: u8 = 0x31;
/// Bodies of a file that are looked at: enough for some blocks of each stream.
const BODIES_MAX: usize = 256;
/// Bytes of invented lines of each kind.
const INVENTED_BYTES: usize = 4 << 20;
/// The best of so many passes counts, because the others were disturbed.
const PASSES: usize = 5;
/// Small texts are gone over until so much was measured in a pass.
const PASS_BYTES: usize = 4 << 20;
/// The time of the first line: 2026-11-20 10:00 UTC.
const START: i64 = 1_795_168_800_000_000_000;

const STAGES: [(Stage, &str); 8] = [
    (Stage::Mark, "mark"),
    (Stage::Gather, "gather"),
    (Stage::Columns, "columns"),
    (Stage::LookUps, "look-ups"),
    (Stage::Lead, "lead"),
    (Stage::Seal, "seal"),
    (Stage::OpenLead, "open lead"),
    (Stage::Render, "render"),
];

/// Streams of lines with their times.
type Streams = BTreeMap<String, Vec<(i64, String)>>;

fn main() -> anyhow::Result<()> {
    let files: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let mut texts = Vec::new();
    for file in &files {
        texts.push((Path::new(file).file_name().unwrap_or_default().to_string_lossy().into_owned(), read(file)?));
    }
    if files.is_empty() {
        texts.extend(KINDS.iter().map(|(name, line)| ((*name).to_owned(), invented(name, *line))));
    }
    println!(
        "{:<22} {:>7} {:>7} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>7} {:>7}",
        "text", "KiB", "columns", "text%", "lead%", "filt%", "words%", "all%", "zstd3%", "/zstd-3", "/zstd-1"
    );
    let (mut total, mut total_zstd) = (Sizes::default(), 0);
    let mut rates = Vec::new();
    let mut problems = Vec::new();
    for (name, streams) in &texts {
        let mut blocks = Blocks::default();
        for (number, lines) in streams.values().enumerate() {
            blocks.add(number as u64, lines.iter().map(|(time, line)| (*time, line.as_str())));
        }
        let sizes = blocks.seal();
        let packed = zstd_len(streams, 3)?;
        let quick = zstd_len(streams, 1)?;
        print_sizes(name, &sizes, packed, quick);
        total_zstd += packed;
        (total.raw, total.lead, total.text) = (total.raw + sizes.raw, total.lead + sizes.lead, total.text + sizes.text);
        (total.filter, total.words) = (total.filter + sizes.filter, total.words + sizes.words);
        let mut speeds: Vec<f64> = STAGES.iter().map(|(stage, _)| rate(&mut blocks, *stage, sizes.raw)).collect();
        speeds.push(zstd_rate(streams, sizes.raw)?);
        if name.contains("junk") {
            let (size, time) = (sizes.stored() as f64 / quick as f64, speeds[8] / speeds[5]);
            if size > 1.05 || time > 2.0 {
                problems.push(format!("{name}: {size:.3} of zstd-1's size in {time:.2} of its time"));
            }
        }
        rates.push((name, speeds));
    }
    print_sizes("all", &total, total_zstd, total_zstd);
    print!("\n{:<22}", "MiB per CPU-second");
    STAGES.iter().for_each(|(_, name)| print!(" {name:>9}"));
    println!(" {:>9}", "zstd-1");
    for (name, speeds) in rates {
        print!("{name:<22}");
        speeds.iter().for_each(|speed| print!(" {speed:>9.0}"));
        println!();
    }
    ensure!(problems.is_empty(), "junk costs too much:\n{}", problems.join("\n"));
    Ok(())
}

fn print_sizes(name: &str, sizes: &Sizes, zstd_3: usize, zstd_1: usize) {
    let of_raw = |bytes: usize| 100.0 * bytes as f64 / sizes.raw as f64;
    println!(
        "{name:<22} {:>7} {:>3}/{:<3} {:>6.2} {:>6.2} {:>6.2} {:>6.2} {:>6.2} {:>6.2} {:>7.3} {:>7.3}",
        sizes.raw >> 10,
        sizes.in_columns,
        sizes.blocks,
        of_raw(sizes.text),
        of_raw(sizes.lead),
        of_raw(sizes.filter),
        of_raw(sizes.words),
        of_raw(sizes.stored()),
        of_raw(zstd_3),
        sizes.stored() as f64 / zstd_3 as f64,
        sizes.stored() as f64 / zstd_1 as f64,
    );
}

/// MiB of lines that a stage does in a second of processor time.
fn rate(blocks: &mut Blocks, stage: Stage, raw: usize) -> f64 {
    let rounds = PASS_BYTES.div_ceil(raw.max(1));
    let pass = |blocks: &mut Blocks| (0..rounds).map(|_| blocks.time(stage, cpu_ns)).sum::<u64>();
    let best = (0..PASSES).map(|_| pass(blocks)).min().unwrap_or(0);
    (raw * rounds) as f64 / (1 << 20) as f64 / (best as f64 / 1e9)
}

/// The same of zstd's lowest level over lines with newlines between them.
fn zstd_rate(streams: &Streams, raw: usize) -> anyhow::Result<f64> {
    let rounds = PASS_BYTES.div_ceil(raw.max(1));
    let mut best = u64::MAX;
    for _ in 0..PASSES {
        let mut taken = 0;
        for _ in 0..rounds {
            taken += zstd_time(streams, 1)?.1;
        }
        best = best.min(taken);
    }
    Ok((raw * rounds) as f64 / (1 << 20) as f64 / (best as f64 / 1e9))
}

fn zstd_len(streams: &Streams, level: i32) -> anyhow::Result<usize> {
    Ok(zstd_time(streams, level)?.0)
}

/// Bytes and time of packing each stream by itself.
fn zstd_time(streams: &Streams, level: i32) -> anyhow::Result<(usize, u64)> {
    let (mut bytes, mut taken) = (0, 0);
    let mut packer = zstd::bulk::Compressor::new(level)?;
    for lines in streams.values() {
        let text: String = lines.iter().flat_map(|(_, line)| [line, "\n"]).collect();
        let started = cpu_ns();
        bytes += packer.compress(text.as_bytes())?.len();
        taken += cpu_ns() - started;
    }
    Ok((bytes, taken))
}

/// Time that this thread has run, not counting when others had the processor.
fn cpu_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn read(path: &str) -> anyhow::Result<Streams> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {path}"))?;
    if path.ends_with(".bin") {
        return bodies(&bytes);
    }
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().map(|line| line.trim_end_matches('\r').to_owned());
    Ok(Streams::from([(path.to_owned(), timed(lines))]))
}

fn bodies(mut bytes: &[u8]) -> anyhow::Result<Streams> {
    let mut streams = Streams::new();
    for _ in 0..BODIES_MAX {
        let Some((length, rest)) = bytes.split_first_chunk() else { break };
        let (body, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize).context("a body is cut off")?;
        bytes = rest;
        replay(&[&[AS_RECEIVED], body].concat(), &mut |decoded| {
            for stream in decoded {
                let lines = streams.entry(stream.labels.to_string()).or_default();
                lines.extend(stream.entries.iter().map(|entry| (entry.timestamp.nanos(), entry.line.to_string())));
            }
        })
        .map_err(anyhow::Error::msg)?;
    }
    streams.values_mut().for_each(|lines| lines.sort_by_key(|(time, _)| *time));
    Ok(streams)
}

/// Lines as an agent sends them: in bursts, a few milliseconds apart.
fn timed(lines: impl Iterator<Item = String>) -> Vec<(i64, String)> {
    let mut time = START;
    let later = |(number, line)| {
        time += 1_000_000 * (1 + mixed(number) % 20) as i64;
        (time, line)
    };
    lines.enumerate().map(later).collect()
}

fn mixed(number: usize) -> usize {
    let mixed = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) as usize >> 8
}

/// A kind of lines and how one of them is made, by its number.
type Kind = (&'static str, fn(usize) -> String);

const KINDS: [Kind; 8] = [
    ("service", service),
    ("access", access),
    ("json", json),
    ("logfmt", logfmt),
    ("words", words),
    ("junk-base64", base64),
    ("junk-source", source),
    ("junk-escaped", escaped),
];

fn invented(name: &str, line: fn(usize) -> String) -> Streams {
    let mut bytes = 0;
    let fits = |line: &String| {
        bytes += line.len();
        bytes < INVENTED_BYTES
    };
    let mut lines = timed((0..).map(line).take_while(fits));
    if name.contains("junk") {
        // what is in a file has no times: they come one after the other
        lines.iter_mut().zip(0..).for_each(|((time, _), place)| *time = START + place * 1_000_000);
    }
    Streams::from([(String::new(), lines)])
}

fn service(number: usize) -> String {
    let noise = mixed(number);
    let level = ["INFO ", "INFO ", "INFO ", "DEBUG", "WARN ", "INFO ", "ERROR"][noise % 7];
    let what = match noise >> 4 & 3 {
        0 => format!("order {} of customer {} placed in {} ms", noise >> 24 & 0xff_ffff, noise % 977, noise % 4000),
        1 => format!("HikariPool-1 - Pool stats (total={}, active={}, idle={})", 20, noise % 20, 20 - noise % 20),
        2 => format!("cache miss for key user:{:08x}:cart, loading", noise >> 20 & 0xffff_ffff),
        _ => format!(
            "request {:016x} answered with {} after {}us",
            noise,
            [200, 201, 404, 500][noise % 4],
            noise % 90_000
        ),
    };
    let at = number * 10;
    format!(
        "2026-11-20T10:{:02}:{:02}.{:03}Z  {level} 4711 --- [nio-8080-exec-{}] c.e.shop.OrderController : {what}",
        at / 60_000 % 60,
        at / 1000 % 60,
        at % 1000,
        noise % 10,
    )
}

fn access(number: usize) -> String {
    let noise = mixed(number);
    format!(
        "203.0.113.{} - - [20/Nov/2026:10:{:02}:{:02} +0000] \"{} {}/{} HTTP/1.1\" {} {} \"https://shop.example/\" \"{}\"",
        noise % 250,
        number / 6000 % 60,
        number / 100 % 60,
        ["GET", "GET", "POST"][noise % 3],
        ["/cart", "/login", "/api/v1/orders"][noise / 7 % 3],
        noise >> 24 & 0xff_ffff,
        [200, 200, 201, 304, 404, 500][noise / 31 % 6],
        noise % 40_000,
        ["Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36", "curl/8.5.0"][noise / 3 % 2],
    )
}

fn json(number: usize) -> String {
    let noise = mixed(number);
    format!(
        "{{\"time\":\"2026-11-20T10:{:02}:{:02}Z\",\"level\":\"{}\",\"msg\":\"request handled\",\"trace_id\":\"{:016x}{:016x}\",\
         \"http\":{{\"status\":{},\"path\":\"{}/{}\"}},\"took_ms\":{},\"cached\":{}}}",
        number / 6000 % 60,
        number / 100 % 60,
        ["info", "info", "warn", "error"][noise % 4],
        noise,
        mixed(noise),
        [200, 404, 500][noise / 5 % 3],
        ["/cart", "/login"][noise / 11 % 2],
        noise % 977,
        noise % 4000,
        noise & 64 == 0,
    )
}

fn logfmt(number: usize) -> String {
    let noise = mixed(number);
    format!(
        "ts=2026-11-20T10:{:02}:{:02}Z caller=checkout.go:{} level={} msg=\"payment {}\" order={:08x} queue={} duration={}ms",
        number / 6000 % 60,
        number / 100 % 60,
        noise % 400,
        ["info", "debug", "warn"][noise % 3],
        ["done", "pending", "refused by the bank"][noise / 9 % 3],
        noise >> 24 & 0xffff_ffff,
        ["mail", "billing", "stock"][noise / 5 % 3],
        noise % 9000,
    )
}

/// Lines whose variables are words.
fn words(number: usize) -> String {
    let noise = mixed(number);
    let name = |salt: usize| {
        let chosen = mixed(noise >> salt) % 900;
        format!(
            "{}{}",
            ["ann", "bob", "kim", "lee", "mia", "tom"][chosen % 6],
            ["son", "berg", "ova", "sky"][chosen / 6 % 4]
        )
    };
    format!(
        "{} session for user {} from {}.example.org: {}",
        ["opened", "closed", "renewed"][noise % 3],
        name(3),
        name(17),
        ["accepted by policy", "password changed", "nothing to do"][noise / 7 % 3],
    )
}

fn base64(number: usize) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    (0..76).map(|place| char::from(DIGITS[mixed(number * 76 + place) % 64])).collect()
}

/// What compilers read: short lines, many names.
fn source(number: usize) -> String {
    let noise = mixed(number);
    let name = |salt: usize| {
        let chosen = mixed(noise >> salt) % 3000;
        let parts = ["read", "write", "block", "index", "stream", "value", "count", "entry", "state", "queue"];
        format!("{}_{}{}", parts[chosen % 10], parts[chosen / 10 % 10], ["", "s", "_at", "_of"][chosen / 100 % 4])
    };
    let indent = "    ".repeat(noise % 4);
    match noise >> 3 & 7 {
        0 => format!("{indent}let {} = self.{}({}, {})?;", name(5), name(13), name(21), noise % 64),
        1 => format!("{indent}if {} > {}.len() {{", name(5), name(13)),
        2 => format!("{indent}}}"),
        3 => format!("{indent}/// The {} of a {}, where there is one.", name(5), name(13)),
        4 => format!(
            "pub(crate) fn {}({}: &{}, {}: usize) -> Result<{}, Error> {{",
            name(5),
            name(13),
            name(21),
            name(29),
            name(34)
        ),
        5 => format!("{indent}{}.push({}[{}..{} + {}]);", name(5), name(13), name(21), name(29), noise % 16),
        6 => String::new(),
        _ => format!("{indent}Some({}) => return Err(Error::{}(\"{} {}\")),", name(5), name(13), name(21), name(29)),
    }
}

/// Bytes that are no text, as a logger writes them.
fn escaped(number: usize) -> String {
    let byte = |place: usize| char::from_u32(mixed(number * 64 + place) as u32 % 0x600).unwrap_or('\u{fffd}');
    (0..64)
        .map(|place| match byte(place) {
            '\n' | '\r' => ' ',
            other => other,
        })
        .collect()
}
