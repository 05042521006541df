//! A view as a file: all lines of its range, in its order, zone and columns, streamed page by page; or its numbers.
//!
//! Promises: the server holds one part of its text in memory, however long it is; it ends when the browser leaves; a file
//! that could not be finished breaks off as a failed download and never looks whole.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use serde::Deserialize;

use crate::logql::ast::{Expr, LogExpr, MetricExpr};
use crate::model::{MatchOp, TimeRange};
use crate::query::{CancelOnDrop, Data, Engine, LogLine, Matrix, Pages, Parcel, Ticket};
use crate::web::auth::SignedIn;
use crate::web::explore::histogram::Grid;
use crate::web::explore::moment::zoned;
use crate::web::explore::search;
use crate::web::explore::state::Params;
use crate::web::explore::view::Asked;
use crate::web::keep::table::{Format, Table};
use crate::web::keep::{Reader, refused};
use crate::web::page::Page;
use crate::web::{Context, Error, blocking, next};

/// Lines of a file: more than any editor opens with pleasure, and an end to what one tap can cost.
pub(in crate::web) const LINES_MAX: u64 = 1_000_000;
/// Bytes of series that are written at a time.
const PART_BYTES: usize = 1 << 20;

/// Routes for whoever is signed in.
pub(in crate::web) fn routes() -> Router<Context> {
    Router::new().route("/export", get(export))
}

#[derive(Deserialize)]
struct Wish {
    #[serde(default)]
    format: String,
}

async fn export(
    State(context): State<Context>,
    viewer: SignedIn,
    page: Page,
    reader: Reader,
    Query(params): Query<Params>,
    Query(wish): Query<Wish>,
) -> Result<Response, Error> {
    let view = reader.state(&params).kept();
    let unfit = || refused(page.say.export_failed_query());
    let range = view.range(reader.now).ok_or_else(unfit)?;
    let format = Format::parse(&wish.format);
    let table = Table { format, zone: view.zone.zone.clone(), columns: view.look.columns.clone() };
    let (engine, user) = (context.engine.clone(), viewer.user.name.clone());
    let (source, service) = match Asked::read(&view.query) {
        Asked::Lines(expr) => {
            let service = service_of(&expr).to_owned();
            (Source::Lines { pages: Box::new(Pages::new(expr, range, view.direction)), left: LINES_MAX }, service)
        }
        Asked::Numbers(expr) => (Source::Numbers(Box::new(expr), range), String::new()),
        Asked::Nothing(_) => return Err(unfit()),
    };
    let body = body(Reading { engine, user, source, table, parcel: None }).await?;
    let end = zoned(range.end, &view.zone.zone).strftime("%Y%m%d-%H%M").to_string();
    let disposition = disposition(&service, &end, format);
    Ok(([(CONTENT_TYPE, format.content_type().to_owned()), (CONTENT_DISPOSITION, disposition)], body).into_response())
}

/// The service that a query asks for, where it asks for one.
fn service_of(expr: &LogExpr) -> &str {
    const NAMES: [&str; 6] = ["service_name", "service", "app", "container", "job", "unit"];
    let named =
        |name: &&str| expr.selector.iter().find(|matcher| matcher.name() == *name && matcher.op() == MatchOp::Equal);
    NAMES.iter().find_map(named).map_or("", |matcher| matcher.value())
}

/// The name of the file, plain for old programs and whole for the others.
fn disposition(service: &str, end: &str, format: Format) -> String {
    let service = if service.is_empty() { "logs" } else { service };
    let name: String = service.chars().filter(|c| !c.is_control() && !"/\\:*?\"<>|".contains(*c)).take(80).collect();
    let file = format!("{name}-{end}.{}", format.ending());
    let plain: String =
        file.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' }).collect();
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{}", next::escape(&file))
}

/// A file that is being read.
struct Reading {
    engine: Arc<Engine>,
    user: String,
    source: Source,
    table: Table,
    /// Room for the part that the browser is taking.
    parcel: Option<Parcel>,
}

/// Where the parts of a file come from.
enum Source {
    Lines {
        pages: Box<Pages>,
        /// Lines that it may still have.
        left: u64,
    },
    /// A metric query that is not asked yet.
    Numbers(Box<MetricExpr>, TimeRange),
    /// Its answer, which is paid for while it is held; the first series that is not written yet.
    Series(Box<Matrix>, usize),
}

impl Reading {
    fn ticket(&self) -> Ticket {
        self.engine.ticket().for_user(&self.user)
    }

    /// What stands before the first part.
    fn head(&self) -> String {
        match self.source {
            Source::Lines { .. } => self.table.head(),
            Source::Numbers(..) | Source::Series(..) => self.table.series_head(),
        }
    }

    /// The next part; empty at the end. Blocks.
    fn next(&mut self, ticket: &Ticket) -> Result<Vec<u8>, crate::query::Error> {
        self.parcel = None;
        if let Source::Numbers(expr, range) = &self.source {
            // as many points as its chart has
            let (expr, step_ns) = (Expr::Metric(MetricExpr::clone(expr)), Grid::new(*range).step_ns);
            let matrix = match search::metric(&self.engine, expr, *range, step_ns, ticket)?.data {
                Data::Matrix(matrix) => matrix,
                Data::Streams(_) | Data::Vector(_) | Data::Scalar { .. } => Matrix::from_iter([]),
            };
            self.source = Source::Series(Box::new(matrix), 0);
        }
        let part = match &mut self.source {
            Source::Lines { pages, left } => line_part(&self.engine, pages, left, &self.table, ticket)?,
            Source::Series(matrix, next) => series_part(matrix, next, &self.table),
            Source::Numbers(..) => Vec::new(),
        };
        self.parcel = Some(self.engine.parcel(part.len(), ticket)?);
        Ok(part)
    }
}

/// One page of lines; empty at the end.
fn line_part(
    engine: &Engine,
    pages: &mut Pages,
    left: &mut u64,
    table: &Table,
    ticket: &Ticket,
) -> Result<Vec<u8>, crate::query::Error> {
    let mut part = Vec::new();
    if *left > 0 {
        let lines = engine.next_page(pages, ticket)?;
        let count = usize::try_from(*left).unwrap_or(usize::MAX).min(lines.len());
        *left -= count as u64;
        lines[..count].iter().for_each(|line: &LogLine| table.write(line, &mut part));
    }
    Ok(part)
}

/// Whole series from the next one on, up to a bound of bytes; empty at the end.
fn series_part(matrix: &Matrix, next: &mut usize, table: &Table) -> Vec<u8> {
    let mut part = Vec::new();
    while *next < matrix.len() && part.len() < PART_BYTES {
        table.write_series(&matrix.series(*next), &mut part);
        *next += 1;
    }
    part
}

/// The file as a body. The first part is read before anything is sent, so that what cannot be read is an error page.
async fn body(mut reading: Reading) -> Result<Body, Error> {
    let ticket = reading.ticket();
    let _cancel = CancelOnDrop::new(&ticket);
    let first = blocking(move || {
        let mut part = reading.head().into_bytes();
        part.extend(reading.next(&ticket)?);
        Ok::<_, crate::query::Error>((part, reading))
    });
    let (first, reading) = first.await??;
    let parts = stream::unfold((Some(first), Some(reading)), |(first, reading)| async move {
        if let Some(part) = first {
            return Some((Ok(Bytes::from(part)), (None, reading)));
        }
        let mut reading = reading?;
        let ticket = reading.ticket();
        // ends the query under way when the browser leaves
        let _cancel = CancelOnDrop::new(&ticket);
        let read = blocking(move || (reading.next(&ticket), reading)).await;
        match read {
            Ok((Ok(part), _)) if part.is_empty() => None,
            Ok((Ok(part), reading)) => Some((Ok(Bytes::from(part)), (None, Some(reading)))),
            Ok((Err(error), _)) => {
                tracing::warn!(%error, "a download broke off");
                Some((Err(std::io::Error::other("the download broke off")), (None, None)))
            }
            Err(_) => Some((Err(std::io::Error::other("the download broke off")), (None, None))),
        }
    });
    // compression asks once more after the end
    Ok(Body::from_stream(parts.fuse()))
}

#[cfg(test)]
mod tests {
    use crate::web::keep::export::*;

    #[test]
    fn numbers_are_written_in_parts_that_hold_each_series_once() {
        let series = |number: u32| crate::query::Series {
            labels: crate::model::Labels::from_pairs([("n".to_owned(), number.to_string())]),
            points: (0..200).map(|secs| (crate::model::Timestamp::from_secs(secs), 0.5)).collect(),
        };
        let matrix: Matrix = (0..300).map(series).collect();
        let table = Table { format: Format::Text, zone: jiff::tz::TimeZone::UTC, columns: Vec::new() };
        let (mut next, mut whole, mut count) = (0, Vec::new(), 0);
        loop {
            let part = series_part(&matrix, &mut next, &table);
            if part.is_empty() {
                break;
            }
            assert!(part.len() < PART_BYTES + (100 << 10), "{}", part.len());
            whole.extend(part);
            count += 1;
        }
        let mut at_once = Vec::new();
        matrix.iter().for_each(|series| table.write_series(&series, &mut at_once));
        assert!(count > 1 && whole == at_once);
    }

    #[test]
    fn a_file_is_named_after_its_service_and_time() {
        let service = |query: &str| match Asked::read(query) {
            Asked::Lines(expr) => service_of(&expr).to_owned(),
            Asked::Numbers(_) | Asked::Nothing(_) => panic!("{query} is no log query"),
        };
        assert_eq!(service(r#"{job="a", app="web"} |= "x""#), "web");
        assert_eq!(service(r#"{app=~"a|b"}"#), "");
        let named = |service: &str| disposition(service, "20261122-2346", Format::Csv);
        assert_eq!(
            named(""),
            "attachment; filename=\"logs-20261122-2346.csv\"; filename*=UTF-8''logs-20261122-2346.csv"
        );
        assert_eq!(
            named("../결제\"\r\n"),
            "attachment; filename=\"..__-20261122-2346.csv\"; filename*=UTF-8''..%EA%B2%B0%EC%A0%9C-20261122-2346.csv"
        );
    }
}
