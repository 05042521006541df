//! What looking for a needle takes, per block: `cargo bench --bench needle`.
//!
//! Blocks of invented service logs are made in memory. For each needle are printed the microseconds per block that take
//! asking its filter, opening its text, and opening and searching it; and what was not ruled out: of filters the blocks,
//! of a search the entries. The best of some passes counts, because the others were disturbed.

#![expect(clippy::print_stdout, reason = "a measurement is there to be printed")]

use std::time::Instant;

use logcafe::store::measure::{Blocks, Looking};

/// 2026-11-20T10:00:00Z.
const START: i64 = 1_795_168_800_000_000_000;
const LINES: usize = 200_000;
const PASSES: usize = 5;

const NEEDLES: [(&str, &str); 9] = [
    ("a word in templates", "timeout"),
    ("a phrase over a value", "order 1234 placed"),
    ("absent, by templates", "no such words"),
    ("an id that is there", ""),
    ("an id that is not", "0123456789abcdef0123456789abcdef"),
    ("digits of an id", "c0ffee42"),
    ("a number", "31337"),
    ("an address", "203.0.7.209"),
    ("a time", "10:00:07.1"),
];

fn main() {
    let mut blocks = Blocks::default();
    let lines: Vec<String> = (0..LINES).map(line).collect();
    let known_id = format!("{:032x}", id(LINES / 2));
    blocks.add(1, (0i64..).map(|place| START + place * 1_000_000).zip(lines.iter().map(String::as_str)));
    let count = blocks.seal().blocks;
    println!("{count} blocks; microseconds for each of them, and what was found");
    println!("{:<24} {:>9} {:>9} {:>9} {:>8} {:>9}", "needle", "filter", "open", "find", "blocks", "entries");
    for (name, needle) in NEEDLES {
        let needle = if needle.is_empty() { known_id.as_str() } else { needle };
        let [filter, open, find] = [Looking::Filter, Looking::Open, Looking::Find].map(|looking| {
            let passes = (0..PASSES).map(|_| {
                let begun = Instant::now();
                blocks.look_for(needle, looking, || begun.elapsed().as_nanos() as u64)
            });
            let (nanos, found) = passes.min().unwrap_or_default();
            (nanos as f64 / 1e3 / count as f64, found)
        });
        println!("{name:<24} {:>9.2} {:>9.1} {:>9.1} {:>8} {:>9}", filter.0, open.0, find.0, filter.1, find.1);
    }
}

fn id(place: usize) -> u128 {
    let half = |seed: u64| {
        let mixed = (place as u64 ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        u128::from((mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9))
    };
    half(1) << 64 | half(2)
}

fn line(place: usize) -> String {
    let noise = id(place);
    let (millis, secs) = (place % 1000, place / 1000);
    let head = format!("2026-11-20T10:{:02}:{:02}.{millis:03}Z", secs / 60, secs % 60);
    match place % 5 {
        0 => format!("{head} INFO order {} placed by user-{} in {}ms", noise % 90_000, noise % 977, noise % 350),
        1 => format!("{head} WARN request failed: timeout after {}s trace={noise:032x}", noise % 60),
        2 => format!(
            "203.0.{}.{} - \"GET /cart/{} HTTP/1.1\" 200 {}",
            noise % 8,
            noise % 251,
            noise % 5000,
            noise % 40_000
        ),
        3 => format!(
            "{{\"ts\":\"{head}\",\"level\":\"info\",\"span\":\"{:016x}\",\"n\":{}}}",
            noise as u64,
            noise % 100_000
        ),
        _ => format!(
            "level=debug queue=mail-{} job=J{:08X} took={}.{}ms",
            noise % 3,
            noise as u32,
            noise % 90,
            noise % 10
        ),
    }
}
