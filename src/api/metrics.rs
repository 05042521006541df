//! Numbers about the server for Prometheus: requests as they pass, totals and sizes when asked.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::ingest::Intake;
use crate::query::Engine;

/// Counts what passes; prints all numbers.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Family<RouteLabels, Histogram>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

impl Metrics {
    pub fn new(intake: Arc<Intake>, engine: Arc<Engine>) -> Metrics {
        let mut registry = Registry::with_prefix("logcafe");
        let requests = Family::default();
        registry.register("http_requests", "Requests answered", requests.clone());
        let request_seconds = Family::new_with_constructor(latency_histogram as fn() -> Histogram);
        registry.register("http_request_seconds", "Time from request to answer", request_seconds.clone());
        registry.register_collector(Box::new(Totals { intake, engine }));
        Metrics { registry, requests, request_seconds }
    }

    /// In the text format of OpenMetrics.
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// From half a millisecond to half a minute, in steps of two and a half.
fn latency_histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.0005, 2.5, 13))
}

/// Middleware that counts and times every request, by the route it took and not by its path: paths are without bound.
pub async fn track(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = method_name(request.method());
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    let response = next.run(request).await;
    let elapsed = started.elapsed();
    let status = response.status().as_u16();
    tracing::debug!(method, route, status, ?elapsed, "answered");
    metrics.requests.get_or_create(&RequestLabels { method, route: route.clone(), status }).inc();
    metrics.request_seconds.get_or_create(&RouteLabels { route }).observe(elapsed.as_secs_f64());
    response
}

/// Anyone can invent methods; these are the ones that get a counter.
fn method_name(method: &http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// What is looked up when asked.
#[derive(Debug)]
struct Totals {
    intake: Arc<Intake>,
    engine: Arc<Engine>,
}

impl Collector for Totals {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (pushed, queried, tailed) = (self.intake.totals(), self.engine.totals(), self.engine.tail_totals());
        for (name, help, value) in [
            ("ingest_entries", "Entries stored", pushed.entry_count),
            ("ingest_duplicates", "Entries that were there already", pushed.duplicate_count),
            ("ingest_line_bytes", "Bytes of the lines stored", pushed.line_bytes),
            ("query_lines", "Lines that queries looked at", queried.lines_processed),
            ("query_bytes", "Bytes that queries looked at", queried.bytes_processed),
            ("query_lines_matched", "Lines that passed all filters of a query", queried.lines_matched),
            ("tail_lines", "New lines sent to those who follow a query", tailed.lines),
            ("tail_lines_dropped", "New lines that those who follow a query were too slow for", tailed.dropped),
        ] {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)?;
        }
        let (usage, load) = (self.engine.store_usage(), self.engine.load());
        for (name, help, value) in [
            ("queries_running", "Requests whose turn it is to be answered", load.running as u64),
            ("queries_waiting", "Requests that wait for their turn", load.waiting as u64),
            ("answer_bytes", "Answers that clients have not taken yet", load.answer_bytes as u64),
            ("tails", "Queries that are followed", tailed.open as u64),
            ("store_disk_bytes", "Disk taken by logs", usage.disk_bytes),
            ("store_disk_free_bytes", "Free space on the disk of the logs", usage.disk_free_bytes),
            ("store_head_bytes", "Text in memory that is not sealed into blocks yet", usage.head_bytes),
            ("store_streams", "Streams", usage.stream_count),
            ("store_blocks", "Sealed blocks", usage.block_count),
            ("store_entries", "Log entries kept", usage.entry_count),
        ] {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}
