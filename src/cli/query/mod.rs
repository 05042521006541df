//! `logcafe query`: ask a server from a terminal.

mod client;
mod follow;
mod page;
mod print;
mod seen;
mod socket;

use std::io::{IsTerminal, Write, stdout};
use std::time::SystemTime;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use jiff::tz::TimeZone;

use crate::cli::moment::{self, Edge};
use crate::cli::query::client::{Answer, Client, Line, Range};
use crate::cli::query::follow::Follow;
use crate::cli::query::page::Pages;
use crate::cli::query::print::Printer;
use crate::cli::values::Span;
use crate::model::{Direction, Timestamp};

/// Lines asked for at once: an answer stays small, and far below the server's bound.
const PAGE_LINES: usize = 1000;
/// Lines printed where nothing is said; and before new ones are followed.
const LIMIT_DEFAULT: usize = 1000;
const TAIL_LIMIT_DEFAULT: usize = 10;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  logcafe query '{app=\"web\"} |= \"timeout\"'              the newest 1000 lines of the last hour, newest last
  logcafe query '{app=\"web\"} | json | status >= 500' --since 1d
  logcafe query '{app=\"web\"}' --from '2026-11-22 14:00' --to '2026-11-22 14:05' --limit 0 -o raw > web.log
  logcafe query '{app=\"web\"} |= \"error\"' --tail           new lines as they come, until Ctrl-C
  logcafe query 'sum by (level) (count_over_time({app=\"web\"}[5m]))' --since 6h
  logcafe query '{app=\"web\"}' --addr https://logs.example.com -o jsonl | jq .line

Make a token for --token (or LOGCAFE_TOKEN) with: logcafe token add NAME --scope read")]
pub(crate) struct Arguments {
    /// What to look for, in LogQL
    query: String,

    /// How far back to look
    #[arg(long, value_name = "SPAN", default_value = "1h", conflicts_with = "from")]
    since: Span,

    /// Where to begin, as in 17:30, 'yesterday 17:30', now-2h, '2026-11-22 14:00' or 2026-11-22T14:00:00Z
    #[arg(long, value_name = "TIME")]
    from: Option<String>,

    /// Where to end
    #[arg(long, value_name = "TIME", default_value = "now")]
    to: String,

    /// How many lines at most, the newest; 0 for all [default: 1000, and 10 with --tail]
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,

    /// Print the newest lines, then new ones as they come
    #[arg(short = 'f', long, conflicts_with_all = ["to", "step"])]
    tail: bool,

    /// Distance between the points of a metric query [default: a fit for the range]
    #[arg(long, value_name = "SPAN")]
    step: Option<Span>,

    /// text: time, labels but service_name and detected_level, line; raw: the line alone; jsonl: one JSON object a line
    #[arg(short, long, value_enum, default_value = "text")]
    output: Output,

    /// Address of the server
    #[arg(long, env = "LOGCAFE_ADDR", value_name = "URL", default_value = "http://127.0.0.1:3100")]
    addr: String,

    /// A token that may read
    #[arg(long, env = "LOGCAFE_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: Option<String>,
}

/// How the lines are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Text,
    Raw,
    Jsonl,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let now = Timestamp::from(SystemTime::now());
    let zone = TimeZone::system();
    let end = moment::parse(&arguments.to, Edge::End, now, &zone)?;
    let start = match &arguments.from {
        Some(from) => moment::parse(from, Edge::Start, now, &zone)?,
        None => end.plus_nanos(-i64::try_from(arguments.since.0.as_nanos()).context("--since is too long")?),
    };
    if start >= end {
        bail!("the range is empty: --from must be before --to");
    }
    let range = Range { start, end };
    // a variable that is empty is meant to be unset
    let token = arguments.token.clone().filter(|token| !token.is_empty());
    let client = Client::new(&arguments.addr, token)?;
    let mut printer = Printer::new(arguments.output, stdout().is_terminal(), zone);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = match arguments.tail {
        true => runtime.block_on(follow(arguments, &client, start, &mut printer)),
        false => runtime.block_on(ask(arguments, &client, range, &mut printer)),
    };
    match outcome {
        // whoever reads has seen enough, as in `logcafe query … | head`
        Err(error) if is_broken_pipe(&error) => Ok(()),
        outcome => outcome,
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    kind == Some(std::io::ErrorKind::BrokenPipe)
}

/// Ends with an error, or because somebody asks for it.
async fn follow(arguments: &Arguments, client: &Client, start: Timestamp, printer: &mut Printer) -> anyhow::Result<()> {
    let out = anstream::AutoStream::auto(stdout());
    let mut follow = Follow::new(client, &arguments.query, start, printer, out);
    tokio::select! {
        ended = follow.run(arguments.limit.unwrap_or(TAIL_LIMIT_DEFAULT)) => ended,
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

async fn ask(arguments: &Arguments, client: &Client, range: Range, printer: &mut Printer) -> anyhow::Result<()> {
    let limit = arguments.limit.unwrap_or(LIMIT_DEFAULT);
    let everything = limit == 0;
    let direction = if everything { Direction::Forward } else { Direction::Backward };
    let mut out = anstream::AutoStream::auto(stdout());
    let mut pages = Pages::new(range, direction);
    let mut kept = Vec::new();
    let mut printed = 0;
    loop {
        let wanted = if everything { PAGE_LINES } else { (limit - kept.len()).min(PAGE_LINES) };
        let page_limit = pages.limit_for(wanted);
        let answer = client.query_range(&arguments.query, pages.range(), direction, page_limit, arguments.step).await?;
        let lines = match answer {
            Answer::Streams(lines) => lines,
            Answer::Series(series) => {
                if series.is_empty() {
                    anstream::eprintln!("logcafe: no series in this range; --since or --from reach further back");
                }
                printer.series(&mut out, &series)?;
                return Ok(out.flush()?);
            }
        };
        let is_last = lines.len() < page_limit;
        let mut fresh = pages.take(lines)?;
        printed += fresh.len();
        match everything {
            true => fresh.iter().try_for_each(|line| printer.line(&mut out, line))?,
            false => {
                fresh.truncate(limit - kept.len());
                kept.append(&mut fresh);
            }
        }
        if is_last || (!everything && kept.len() >= limit) {
            let cut = !is_last;
            kept.iter().rev().try_for_each(|line| printer.line(&mut out, line))?;
            out.flush()?;
            if printed == 0 {
                anstream::eprintln!("logcafe: no lines in this range; --since or --from reach further back");
            }
            if cut {
                anstream::eprintln!("logcafe: these are the newest {limit} lines; --limit 0 prints all");
            }
            return Ok(());
        }
    }
}

/// The newest lines of a log query, oldest first, and whether older ones were left out.
pub(crate) async fn newest(
    client: &Client,
    query: &str,
    range: Range,
    limit: usize,
) -> anyhow::Result<(Vec<Line>, bool)> {
    let mut pages = Pages::new(range, Direction::Backward);
    let mut lines: Vec<Line> = Vec::new();
    loop {
        let page_limit = pages.limit_for((limit - lines.len()).min(PAGE_LINES));
        let asked = client.query_range(query, pages.range(), Direction::Backward, page_limit, None).await?;
        let Answer::Streams(page) = asked else {
            bail!("only log queries can be followed, not those that count");
        };
        let is_last = page.len() < page_limit;
        lines.extend(pages.take(page)?);
        if is_last || lines.len() >= limit {
            let cut = !is_last || lines.len() > limit;
            lines.truncate(limit);
            lines.reverse();
            return Ok((lines, cut));
        }
    }
}
