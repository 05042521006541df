//! A view as a file: all lines of its range, in its order, zone and columns, streamed page by page.
//!
//! Promises: the server holds one page of it in memory, whatever it is long; it ends when the browser leaves; a file
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
use crate::query::{CancelOnDrop, Data, Engine, LogLine, Pages, Parcel, Series, Ticket};
use crate::web::auth::SignedIn;
use crate::web::explore::histogram::Grid;
use crate::web::explore::moment::zoned;
use crate::web::explore::search;
use crate::web::explore::state::{Params, State as View};
use crate::web::explore::view::Asked;
use crate::web::keep::table::{Format, Table};
use crate::web::keep::{Reader, refused};
use crate::web::page::Page;
use crate::web::{Context, Error, blocking, next};

/// Lines of a file: more than any editor opens with pleasure, and an end to what one tap can cost.
pub(in crate::web) const LINES_MAX: u64 = 1_000_000;

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
    let (body, service) = match Asked::read(&view.query) {
        Asked::Lines(expr) => {
            let service = service_of(&expr).to_owned();
            (lines(Reading::new(engine, user, &view, expr, range, table)).await?, service)
        }
        Asked::Numbers(expr) => (numbers(engine, user, expr, range, table).await?, String::new()),
        Asked::Nothing(_) => return Err(unfit()),
    };
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
    pages: Pages,
    table: Table,
    /// Lines that it may still have.
    left: u64,
    /// Room for the part that the browser is taking.
    parcel: Option<Parcel>,
}

impl Reading {
    fn new(engine: Arc<Engine>, user: String, view: &View, expr: LogExpr, range: TimeRange, table: Table) -> Reading {
        let pages = Pages::new(expr, range, view.direction);
        Reading { engine, user, pages, table, left: LINES_MAX, parcel: None }
    }

    fn ticket(&self) -> Ticket {
        self.engine.ticket().for_user(&self.user)
    }

    /// The next part; empty at the end. Blocks.
    fn next(&mut self, ticket: &Ticket) -> Result<Vec<u8>, crate::query::Error> {
        self.parcel = None;
        if self.left == 0 {
            return Ok(Vec::new());
        }
        let lines = self.engine.next_page(&mut self.pages, ticket)?;
        let count = usize::try_from(self.left).unwrap_or(usize::MAX).min(lines.len());
        self.left -= count as u64;
        let mut part = Vec::new();
        lines[..count].iter().for_each(|line: &LogLine| self.table.write(line, &mut part));
        self.parcel = Some(self.engine.parcel(part.len(), ticket)?);
        Ok(part)
    }
}

/// The file as a body. The first part is read before anything is sent, so that what cannot be read is an error page.
async fn lines(mut reading: Reading) -> Result<Body, Error> {
    let ticket = reading.ticket();
    let _cancel = CancelOnDrop::new(&ticket);
    let first = blocking(move || {
        let mut part = reading.table.head().into_bytes();
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

/// The points of a metric query, as many as its chart has.
async fn numbers(
    engine: Arc<Engine>,
    user: String,
    expr: MetricExpr,
    range: TimeRange,
    table: Table,
) -> Result<Body, Error> {
    let ticket = engine.ticket().for_user(&user);
    let _cancel = CancelOnDrop::new(&ticket);
    let written = blocking(move || {
        let answer = search::metric(&engine, Expr::Metric(expr), range, Grid::new(range).step_ns, &ticket)?;
        let mut out = table.series_head().into_bytes();
        let write = |series: Series| table.write_series(&series, &mut out);
        match answer.data {
            Data::Matrix(matrix) => matrix.iter().for_each(write),
            Data::Streams(_) | Data::Vector(_) | Data::Scalar { .. } => {}
        }
        Ok::<_, crate::query::Error>(out)
    });
    Ok(Body::from(written.await??))
}

#[cfg(test)]
mod tests {
    use crate::web::keep::export::*;

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
