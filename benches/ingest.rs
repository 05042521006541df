//! How much processor time decoding takes: `cargo bench --bench ingest [-- FILE]`.
//!
//! FILE holds push bodies (raw snappy blocks of Loki's protobuf), each behind its length in four bytes, little-endian.
//! Without one, bodies of nginx, Spring Boot, JSON and logfmt lines are made. What is measured is one pass over all
//! of them on one thread: unpack, decode, name streams, find levels; nothing is stored.

#![expect(clippy::print_stdout, reason = "a measurement is there to be printed")]

use anyhow::Context as _;
use logcafe::ingest::replay;

/// First byte of a record that holds a body as it came, service name and level to be derived.
const AS_RECEIVED: u8 = 0x31;

/// Passes; the best one counts, because the others were disturbed.
const PASSES: usize = 7;

fn main() -> anyhow::Result<()> {
    let file = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let records = match &file {
        Some(path) => split(&std::fs::read(path).with_context(|| format!("cannot read {path}"))?)?,
        None => (0..64).map(made_record).collect::<anyhow::Result<_>>()?,
    };
    let (mut lines, mut bytes) = (0, 0);
    let mut levels = std::collections::BTreeMap::new();
    for record in &records {
        let count = |streams: &[logcafe::model::StreamEntries<'_>]| {
            for entry in streams.iter().flat_map(|stream| &stream.entries) {
                lines += 1;
                bytes += entry.line.len();
                *levels.entry(entry.metadata.get("detected_level").unwrap_or("").to_owned()).or_insert(0_u64) += 1;
            }
        };
        let mut count = count;
        replay(record, &mut count).map_err(anyhow::Error::msg)?;
    }
    let mut best = f64::INFINITY;
    for _ in 0..PASSES {
        let started = cpu_ns()?;
        for record in &records {
            replay(record, &mut |streams| _ = std::hint::black_box(streams)).map_err(anyhow::Error::msg)?;
        }
        best = best.min((cpu_ns()? - started) as f64 / 1e9);
    }
    let gib = bytes as f64 / (1_u64 << 30) as f64;
    println!("{} bodies, {lines} lines, {:.1} MiB; levels {levels:?}", records.len(), gib * 1024.0);
    println!(
        "decode: {:.3} s/GiB, {:.0} MiB/s, {:.0} ns/line",
        best / gib,
        gib * 1024.0 / best,
        best * 1e9 / lines as f64
    );
    Ok(())
}

/// Time that this thread has run, not counting when others had the processor.
fn cpu_ns() -> anyhow::Result<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").context("this needs Linux")?;
    text.split(' ').next().and_then(|field| field.parse().ok()).context("/proc/thread-self/schedstat has no number")
}

fn record(body: &[u8]) -> Vec<u8> {
    [&[AS_RECEIVED], body].concat()
}

fn split(mut bytes: &[u8]) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut records = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let length = u32::from_le_bytes(*length) as usize;
        let (body, rest) = rest.split_at_checked(length).context("the last body is cut off")?;
        records.push(record(body));
        bytes = rest;
    }
    Ok(records)
}

/// A body of about a MiB, eight streams, no randomness: every run measures the same.
fn made_record(seed: usize) -> anyhow::Result<Vec<u8>> {
    let mut request = Vec::new();
    for stream in 0..8 {
        let mut body = Vec::new();
        put(
            &mut body,
            1,
            format!("{{job=\"bench\", app=\"service-{stream}\", host=\"host-{}\"}}", seed % 4).as_bytes(),
        );
        for number in 0..700_usize {
            let mut entry = vec![0x0a, 6, 0x08];
            entry.extend([0x80, 0x81, 0xf2, 0xd7, 0x06]);
            put(&mut entry, 2, line(seed * 5600 + stream * 700 + number, stream).as_bytes());
            put(&mut body, 2, &entry);
        }
        put(&mut request, 1, &body);
    }
    Ok(record(&snap::raw::Encoder::new().compress_vec(&request)?))
}

fn line(number: usize, kind: usize) -> String {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (id, ms, user) = (mixed >> 24 & 0xffff_ffff, mixed % 4000, mixed % 977);
    let level = ["INFO", "INFO", "INFO", "DEBUG", "WARN", "INFO", "ERROR"][mixed % 7];
    match kind % 4 {
        0 => format!(
            "203.0.113.{} - - [20/Nov/2026:10:{:02}:{:02} +0000] \"GET /api/v1/orders/{id} HTTP/1.1\" {} {ms} \
             \"https://shop.example/cart?user={user}\" \"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\"",
            number % 250,
            number / 60 % 60,
            number % 60,
            [200, 200, 201, 304, 404, 500][mixed % 6],
        ),
        1 => format!(
            "2026-11-20T10:{:02}:{:02}.{:03}Z  {level} 4711 --- [nio-8080-exec-{}] c.e.shop.OrderController : order \
             {id} of customer {user} placed in {ms} ms",
            number / 60 % 60,
            number % 60,
            number % 1000,
            number % 10,
        ),
        2 => format!(
            "{{\"time\":\"2026-11-20T10:00:00Z\",\"level\":\"{}\",\"msg\":\"request handled\",\"trace_id\":\"{id:016x}\",\
             \"http\":{{\"status\":200,\"path\":\"/cart/{user}\"}},\"took_ms\":{ms}}}",
            level.to_ascii_lowercase(),
        ),
        _ => format!(
            "ts=2026-11-20T10:00:00Z caller=checkout.go:{} level={} msg=\"payment done\" order={id:08x} amount={ms}",
            number % 400,
            level.to_ascii_lowercase(),
        ),
    }
}

/// A field of bytes: key, length, bytes.
fn put(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(bytes);
}
