//! `logcafe query --tail`: prints new lines as they come, for as long as nobody ends it.
//!
//! Promises: a connection that breaks off is made again, and what came meanwhile is printed then, each line once; all
//! that is said about it goes to standard error.

use std::io::Write;
use std::time::{Duration, SystemTime};

use anyhow::bail;

use crate::cli::query::client::{Answer, Client, Line, Range, Refusal, Unreachable};
use crate::cli::query::page::Pages;
use crate::cli::query::print::Printer;
use crate::cli::query::seen::{Seen, Skip};
use crate::cli::query::socket::{BrokenOff, News, Socket};
use crate::cli::query::{PAGE_LINES, newest};
use crate::model::{Direction, Timestamp};

/// The first pause before a new connection; each that follows is twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// How far into the future lines of a gap are looked for: clocks differ.
const AHEAD_NS: i64 = 24 * 3600 * 1_000_000_000;

/// What is followed, and where it is printed.
pub(crate) struct Follow<'f, W> {
    pub(crate) client: &'f Client,
    pub(crate) query: &'f str,
    pub(crate) printer: &'f mut Printer,
    pub(crate) out: W,
    seen: Seen,
    /// Whether the server has answered at all: one that is not there from the start is a mistake in the command.
    was_reached: bool,
}

impl<'f, W: Write> Follow<'f, W> {
    pub(crate) fn new(
        client: &'f Client,
        query: &'f str,
        start: Timestamp,
        printer: &'f mut Printer,
        out: W,
    ) -> Follow<'f, W> {
        Follow { client, query, printer, out, seen: Seen::new(start), was_reached: false }
    }

    /// Prints the newest lines since the start, `limit` of them or all (0), then new ones. Ends with an error only.
    pub(crate) async fn run(&mut self, limit: usize) -> anyhow::Result<()> {
        if limit > 0 {
            let range = self.range();
            let (lines, cut) = newest(self.client, self.query, range, limit).await?;
            self.was_reached = true;
            if let Some(oldest) = lines.first().filter(|_| cut) {
                // what was left out stays so
                self.seen.raise_floor(oldest.timestamp.plus_nanos(1));
            }
            lines.iter().try_for_each(|line| self.print(line))?;
            self.out.flush()?;
        }
        let mut pause = None;
        loop {
            let Err(error) = self.connection(&mut pause).await else { continue };
            if !self.was_reached || !is_passing(&error) {
                return Err(error);
            }
            let waited = pause.map_or(PAUSE_MIN, |pause: Duration| (pause * 2).min(PAUSE_MAX));
            let secs = waited.as_secs_f64();
            anstream::eprintln!("logcafe: the connection broke off ({error}); trying again in {secs} s");
            tokio::time::sleep(waited).await;
            pause = Some(waited);
        }
    }

    /// One connection, from its beginning to its end. `pause` tells whether there was one before it that broke off.
    async fn connection(&mut self, pause: &mut Option<Duration>) -> anyhow::Result<()> {
        // most of a long gap is filled before the connection is there, whose queue is bounded
        self.fill_gap().await?;
        let mut socket = Socket::connect(self.client, self.query, now()).await?;
        let mut skip = self.fill_gap().await?;
        if pause.take().is_some() {
            anstream::eprintln!("logcafe: connected again; what came meanwhile is printed");
        }
        loop {
            let News { lines, dropped_count } = socket.next().await?;
            for line in &lines {
                if !skip.takes(line) {
                    self.print(line)?;
                }
            }
            self.out.flush()?;
            if dropped_count > 0 {
                anstream::eprintln!("logcafe: {dropped_count} lines came faster than they were read; looking them up");
                skip.add_all(self.fill_gap().await?);
            }
        }
    }

    /// Prints what is there and was not printed. Gives those lines: they may come once more.
    async fn fill_gap(&mut self) -> anyhow::Result<Skip> {
        let mut printed = self.seen.again();
        let mut fresh = Skip::default();
        let mut pages = Pages::new(self.range(), Direction::Forward);
        loop {
            let limit = pages.limit_for(PAGE_LINES);
            let asked = self.client.query_range(self.query, pages.range(), Direction::Forward, limit, None);
            let Answer::Streams(lines) = asked.await? else {
                bail!("only log queries can be followed, not those that count");
            };
            self.was_reached = true;
            let is_last = lines.len() < limit;
            for line in pages.take(lines)? {
                if !printed.takes(&line) {
                    fresh.add(&line);
                    self.print(&line)?;
                }
            }
            self.out.flush()?;
            if is_last {
                return Ok(fresh);
            }
        }
    }

    fn range(&self) -> Range {
        Range { start: self.seen.resume_at(), end: now().plus_nanos(AHEAD_NS) }
    }

    fn print(&mut self, line: &Line) -> anyhow::Result<()> {
        self.printer.line(&mut self.out, line)?;
        self.seen.add(line, now());
        Ok(())
    }
}

/// Whether trying again may help.
fn is_passing(error: &anyhow::Error) -> bool {
    match error.downcast_ref::<Refusal>() {
        Some(refusal) => refusal.is_passing(),
        None => error.is::<BrokenOff>() || error.is::<Unreachable>() || error.is::<reqwest::Error>(),
    }
}

fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}
