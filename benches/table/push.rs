//! Pushing: lines become bodies of Loki's protobuf, and four clients send them.
//!
//! Promises: no more than a few bodies are in memory; a line counts as acknowledged when its body was answered with 204.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{Receiver, channel};

use crate::corpus::{Corpus, Known, SECOND, Shape};

/// Text of a body.
const BODY_BYTES: usize = 1 << 20;
const CLIENTS: usize = 4;
/// How long a client waits where the server has no room.
const RETRY_AFTER: Duration = Duration::from_millis(20);
const BAR_WIDTH: u64 = 40;

/// Lines of a body, by stream.
#[derive(Debug, Default)]
struct Packer {
    /// Entries of each stream, encoded.
    entries: Vec<Vec<u8>>,
    /// Streams that have some.
    used: Vec<usize>,
    text_bytes: usize,
    lines: u64,
    request: Vec<u8>,
}

impl Packer {
    fn add(&mut self, stream: usize, time: i64, line: &str) {
        if self.entries.len() <= stream {
            self.entries.resize_with(stream + 1, Vec::new);
        }
        let out = &mut self.entries[stream];
        if out.is_empty() {
            self.used.push(stream);
        }
        let (seconds, nanos) = ((time / SECOND) as u64, (time % SECOND) as u64);
        let time_len = 2 + varint_len(seconds) + varint_len(nanos);
        let length = 1 + 1 + time_len + 1 + varint_len(line.len() as u64) + line.len();
        out.push(0x12);
        put_varint(out, length as u64);
        out.extend([0x0a, time_len as u8, 0x08]);
        put_varint(out, seconds);
        out.push(0x10);
        put_varint(out, nanos);
        out.push(0x12);
        put_varint(out, line.len() as u64);
        out.extend_from_slice(line.as_bytes());
        self.text_bytes += line.len();
        self.lines += 1;
    }

    fn finish(&mut self, corpus: &Corpus) -> anyhow::Result<Body> {
        self.request.clear();
        for stream in self.used.drain(..) {
            let (labels, entries) = (corpus.streams[stream].labels.as_bytes(), &mut self.entries[stream]);
            let length = 1 + varint_len(labels.len() as u64) + labels.len() + entries.len();
            self.request.push(0x0a);
            put_varint(&mut self.request, length as u64);
            self.request.push(0x0a);
            put_varint(&mut self.request, labels.len() as u64);
            self.request.extend_from_slice(labels);
            self.request.append(entries);
        }
        let packed = snap::raw::Encoder::new().compress_vec(&self.request)?;
        let body = Body { packed, lines: self.lines, text_bytes: self.text_bytes as u64 };
        (self.lines, self.text_bytes) = (0, 0);
        Ok(body)
    }
}

fn varint_len(number: u64) -> usize {
    (64 - (number | 1).leading_zeros() as usize).div_ceil(7)
}

fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// What is sent at once.
#[derive(Debug)]
struct Body {
    packed: Vec<u8>,
    lines: u64,
    text_bytes: u64,
}

/// What became of a push.
#[derive(Debug)]
pub(crate) struct Pushed {
    pub(crate) known: Known,
    pub(crate) acknowledged: u64,
    /// Bodies as they were sent.
    pub(crate) sent_bytes: u64,
    pub(crate) took: Duration,
    /// From a body's sending to its answer, of each, sorted.
    pub(crate) answered_after: Vec<Duration>,
    /// Times that a client was told to come back later.
    pub(crate) refused: u64,
}

/// Counts of all clients.
#[derive(Debug, Default)]
struct Counts {
    acknowledged: AtomicU64,
    text_bytes: AtomicU64,
    sent_bytes: AtomicU64,
    refused: AtomicU64,
}

/// Pushes a whole corpus, while it is made.
pub(crate) async fn push(http: &reqwest::Client, base: &str, shape: Shape, what: &str) -> anyhow::Result<Pushed> {
    let (sender, receiver) = channel::<Body>(CLIENTS);
    let maker = tokio::task::spawn_blocking(move || {
        let (mut corpus, mut packer, mut line) = (Corpus::new(shape), Packer::default(), String::new());
        while let Some((stream, time)) = corpus.next(&mut line) {
            packer.add(stream, time, &line);
            if packer.text_bytes >= BODY_BYTES && sender.blocking_send(packer.finish(&corpus)?).is_err() {
                bail!("no client takes bodies any more");
            }
        }
        if packer.lines > 0 {
            sender.blocking_send(packer.finish(&corpus)?).ok().context("no client takes bodies any more")?;
        }
        Ok(corpus.finish())
    });
    let started = Instant::now();
    let (receiver, counts) = (Arc::new(Mutex::new(receiver)), Arc::new(Counts::default()));
    let bar = Bar::new(what, shape.bytes);
    let client = |_| {
        let (receiver, counts, bar) = (receiver.clone(), counts.clone(), bar.clone());
        tokio::spawn(send_all(http.clone(), format!("{base}/loki/api/v1/push"), receiver, counts, bar))
    };
    let clients: Vec<_> = (0..CLIENTS).map(client).collect();
    drop(receiver);
    let mut answered_after = Vec::new();
    for client in clients {
        answered_after.extend(client.await??);
    }
    let took = started.elapsed();
    bar.clear();
    answered_after.sort();
    Ok(Pushed {
        known: maker.await??,
        acknowledged: counts.acknowledged.load(Relaxed),
        sent_bytes: counts.sent_bytes.load(Relaxed),
        took,
        answered_after,
        refused: counts.refused.load(Relaxed),
    })
}

/// The life of a client.
async fn send_all(
    http: reqwest::Client,
    url: String,
    receiver: Arc<Mutex<Receiver<Body>>>,
    counts: Arc<Counts>,
    bar: Arc<Bar>,
) -> anyhow::Result<Vec<Duration>> {
    let mut answered_after = Vec::new();
    loop {
        let Some(body) = receiver.lock().await.recv().await else { return Ok(answered_after) };
        let packed = bytes::Bytes::from(body.packed);
        loop {
            let asked = Instant::now();
            let request = http.post(&url).header("content-type", "application/x-protobuf").body(packed.clone());
            let reply = request.send().await.context("push")?;
            match reply.status().as_u16() {
                204 => {
                    answered_after.push(asked.elapsed());
                    break;
                }
                429 | 503 => {
                    counts.refused.fetch_add(1, Relaxed);
                    tokio::time::sleep(RETRY_AFTER).await;
                }
                status => bail!("a push was answered with {status}: {}", reply.text().await?),
            }
        }
        counts.acknowledged.fetch_add(body.lines, Relaxed);
        counts.sent_bytes.fetch_add(packed.len() as u64, Relaxed);
        bar.show(counts.text_bytes.fetch_add(body.text_bytes, Relaxed) + body.text_bytes);
    }
}

/// How far it is, where somebody looks.
#[derive(Debug)]
struct Bar {
    what: String,
    bytes: u64,
    started: Instant,
    is_seen: bool,
}

impl Bar {
    fn new(what: &str, bytes: u64) -> Arc<Bar> {
        let is_seen = std::io::stderr().is_terminal();
        Arc::new(Bar { what: what.to_owned(), bytes, started: Instant::now(), is_seen })
    }

    fn show(&self, done: u64) {
        if !self.is_seen {
            return;
        }
        let full = (done.min(self.bytes) * BAR_WIDTH / self.bytes) as usize;
        let rate = (done >> 20) as f64 / self.started.elapsed().as_secs_f64();
        let (bar, rest) = ("#".repeat(full), ".".repeat(BAR_WIDTH as usize - full));
        let (done, all) = (done >> 20, self.bytes >> 20);
        // a terminal that is gone is no reason to stop
        let _ = write!(std::io::stderr(), "\r{} [{bar}{rest}] {done} of {all} MiB, {rate:.0} MiB/s ", self.what);
    }

    fn clear(&self) {
        if self.is_seen {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
