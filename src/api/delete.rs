//! Deleting log lines: requests are noted at once and carried out one after another in the background.
//!
//! Promises: only admins get here; a request that was answered with 204 is carried out, over restarts and crashes.
//! Paths, parameters and texts are those of Loki's compactor; times are read as everywhere else, which allows more.

use std::sync::mpsc::Sender;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::StatusCode;

use crate::api::params::{Params, now};
use crate::api::types::Json;
use crate::api::{Context, Error, blocking};
use crate::db;
use crate::db::deletions::{self, Deletion};
use crate::logql;
use crate::logql::ast::Expr;
use crate::model::Timestamp;
use crate::query::Removal;

/// Tells whoever carries requests out that there is one.
#[derive(Clone, Debug)]
pub struct Wake(pub Sender<()>);

impl Wake {
    fn wake(&self) {
        // where nobody listens any more the server is stopping, and the next start looks for itself
        self.0.send(()).ok();
    }
}

/// Routes that remove lines.
pub(crate) fn routes() -> Router<Context> {
    Router::new().route("/loki/api/v1/delete", get(list).post(add).put(add).delete(cancel))
}

async fn add(State(context): State<Context>, params: Params) -> Result<StatusCode, Error> {
    let now = now();
    let span = span(&params, now)?;
    check_interval(params.get("max_interval"))?;
    let query = params.get("query").to_owned();
    if query.is_empty() {
        return Err(Error::bad_request("query not set"));
    }
    parse(&query, span)?;
    let by = params.caller().to_owned();
    let id = blocking(move || deletions::add(&context.db, &query, span, &by, now)).await??;
    // the query stays out of our own log: it may name what must be forgotten
    tracing::info!(request = id, by = params.caller(), "log lines are to be deleted");
    context.deletions.wake();
    Ok(StatusCode::NO_CONTENT)
}

/// A request as it can be carried out.
pub fn parse(query: &str, (start, end): (Timestamp, Timestamp)) -> Result<Removal, Error> {
    match logql::parse(query)? {
        Expr::Log(log) => Ok(Removal::new(&log, start, end)?),
        Expr::Metric(_) => Err(Error::bad_request("only log queries can be deleted, and this is a metric query")),
    }
}

fn span(params: &Params, now: Timestamp) -> Result<(Timestamp, Timestamp), Error> {
    let read = |name: &str| {
        let wrong = || format!("invalid {name} time: require unix seconds or RFC3339 format");
        params.timestamp(name, now).map_err(|_| Error::bad_request(wrong()))
    };
    if params.get("start").is_empty() {
        return Err(Error::bad_request("start time not set"));
    }
    let (start, end) = (read("start")?, read("end")?);
    if end > now {
        return Err(Error::bad_request("deletes in the future are not allowed"));
    }
    if start >= end {
        return Err(Error::bad_request("start time can't be greater than or equal to end time"));
    }
    Ok((start, end))
}

/// Loki cuts requests into pieces of this length. Here there is no need to, but a client's slip is still a slip.
fn check_interval(text: &str) -> Result<(), Error> {
    let number = text.strip_suffix(['s', 'm', 'h']).unwrap_or("");
    if text.is_empty() || number.parse::<u32>().is_ok_and(|number| number > 0) {
        return Ok(());
    }
    Err(Error::bad_request("invalid max_interval: valid time units are 's', 'm', 'h'"))
}

async fn list(State(context): State<Context>) -> Result<Json, Error> {
    let found = blocking(move || deletions::list(&context.db)).await??;
    let mut json = Json::default();
    json.list(found, |json, deletion| {
        json.raw("{\"request_id\":").text(&id_text(deletion.id));
        json.raw(",\"start_time\":").number(seconds(deletion.start));
        json.raw(",\"end_time\":").number(seconds(deletion.end));
        json.raw(",\"query\":").text(&deletion.query);
        json.raw(",\"status\":").text(status(&deletion));
        json.raw(",\"created_at\":").number(seconds(deletion.created_at));
        json.raw(",\"requested_by\":").text(&deletion.requested_by);
        json.raw(",\"deleted_lines\":").number(deletion.line_count).raw("}");
    });
    Ok(json)
}

fn status(deletion: &Deletion) -> &'static str {
    match (deletion.begun, deletion.finished_at) {
        (_, Some(_)) => "processed",
        (true, None) => "processing",
        (false, None) => "received",
    }
}

/// Seconds with milliseconds, as Loki writes times here.
fn seconds(time: Timestamp) -> f64 {
    time.nanos().div_euclid(1_000_000) as f64 / 1000.0
}

/// Eight hex digits, as Loki's ids look.
fn id_text(id: i64) -> String {
    format!("{id:08x}")
}

async fn cancel(State(context): State<Context>, params: Params) -> Result<StatusCode, Error> {
    if params.get("request_id").is_empty() {
        return Err(Error::bad_request("request_id not set"));
    }
    let unknown = || Error::new(StatusCode::NOT_FOUND, "could not find delete request with given id");
    let id = i64::from_str_radix(params.get("request_id"), 16).map_err(|_| unknown())?;
    match blocking(move || deletions::cancel(&context.db, id)).await? {
        Err(db::Error::DeletionUnknown) => Err(unknown()),
        cancelled => Ok(cancelled.map(|()| StatusCode::NO_CONTENT)?),
    }
}
