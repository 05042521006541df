//! `logcafe query`: ask a server from a terminal.

mod client;
mod page;
mod print;

use std::io::{IsTerminal, Write, stdout};
use std::time::SystemTime;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use jiff::tz::TimeZone;

use crate::cli::moment;
use crate::cli::query::client::{Answer, Client, Range};
use crate::cli::query::page::Pages;
use crate::cli::query::print::Printer;
use crate::cli::values::Span;
use crate::model::{Direction, Timestamp};

/// Lines asked for at once: an answer stays small, and far below the server's bound.
const PAGE_LINES: usize = 1000;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  logcafe query '{app=\"web\"} |= \"timeout\"'              the newest 1000 lines of the last hour, newest last
  logcafe query '{app=\"web\"} | json | status >= 500' --since 1d
  logcafe query '{app=\"web\"}' --from '2026-11-22 14:00' --to '2026-11-22 14:05' --limit 0 -o raw > web.log
  logcafe query 'sum by (level) (count_over_time({app=\"web\"}[5m]))' --since 6h
  logcafe query '{app=\"web\"}' --addr https://logs.example.com -o jsonl | jq .line

Make a token for --token (or LOGCAFE_TOKEN) with: logcafe token add NAME --scope read")]
pub(crate) struct Arguments {
    /// What to look for, in LogQL
    query: String,

    /// How far back to look
    #[arg(long, value_name = "SPAN", default_value = "1h", conflicts_with = "from")]
    since: Span,

    /// Where to begin, as in now-2h, 2026-11-22 14:00 or 2026-11-22T14:00:00Z
    #[arg(long, value_name = "TIME")]
    from: Option<String>,

    /// Where to end
    #[arg(long, value_name = "TIME", default_value = "now")]
    to: String,

    /// How many lines at most, the newest; 0 for all
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    limit: usize,

    /// Distance between the points of a metric query [default: a fit for the range]
    #[arg(long, value_name = "SPAN")]
    step: Option<Span>,

    /// text: time, labels, line; raw: the line alone; jsonl: one JSON object a line
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
    let end = moment::parse(&arguments.to, now, &zone)?;
    let start = match &arguments.from {
        Some(from) => moment::parse(from, now, &zone)?,
        None => end.plus_nanos(-i64::try_from(arguments.since.0.as_nanos()).context("--since is too long")?),
    };
    if start >= end {
        bail!("the range is empty: --from must be before --to");
    }
    let range = Range { start, end };
    let client = Client::new(&arguments.addr, arguments.token.clone())?;
    let mut printer = Printer::new(arguments.output, stdout().is_terminal(), zone);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match runtime.block_on(ask(arguments, &client, range, &mut printer)) {
        // whoever reads has seen enough, as in `logcafe query … | head`
        Err(error) if is_broken_pipe(&error) => Ok(()),
        outcome => outcome,
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    kind == Some(std::io::ErrorKind::BrokenPipe)
}

async fn ask(arguments: &Arguments, client: &Client, range: Range, printer: &mut Printer) -> anyhow::Result<()> {
    let everything = arguments.limit == 0;
    let direction = if everything { Direction::Forward } else { Direction::Backward };
    let mut out = anstream::AutoStream::auto(stdout());
    let mut pages = Pages::new(range, direction);
    let mut kept = Vec::new();
    loop {
        let wanted = if everything { PAGE_LINES } else { (arguments.limit - kept.len()).min(PAGE_LINES) };
        let page_limit = pages.limit_for(wanted);
        let answer = client.query_range(&arguments.query, pages.range(), direction, page_limit, arguments.step).await?;
        let lines = match answer {
            Answer::Streams(lines) => lines,
            Answer::Series(series) => {
                printer.series(&mut out, &series)?;
                return Ok(out.flush()?);
            }
        };
        let is_last = lines.len() < page_limit;
        let mut fresh = pages.take(lines)?;
        match everything {
            true => fresh.iter().try_for_each(|line| printer.line(&mut out, line))?,
            false => {
                fresh.truncate(arguments.limit - kept.len());
                kept.append(&mut fresh);
            }
        }
        if is_last || (!everything && kept.len() >= arguments.limit) {
            let cut = !is_last;
            kept.iter().rev().try_for_each(|line| printer.line(&mut out, line))?;
            out.flush()?;
            if cut {
                anstream::eprintln!("logcafe: these are the newest {} lines; --limit 0 prints all", arguments.limit);
            }
            return Ok(());
        }
    }
}
