//! How much is stored, and what runs here.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Html;
use axum::routing::get;

use crate::web::explore::chart::grouped;
use crate::web::page::{Page, render};
use crate::web::{Context, Error, blocking};

pub(in crate::web) fn routes() -> Router<Context> {
    Router::new().route("/admin/system", get(show))
}

#[derive(Template)]
#[template(path = "admin/system.html")]
struct SystemPage {
    page: Page,
    version: &'static str,
    disk: String,
    disk_free: String,
    head: String,
    entries: String,
    streams: String,
    blocks: String,
}

async fn show(State(context): State<Context>, page: Page) -> Result<Html<String>, Error> {
    let engine = context.engine.clone();
    let usage = blocking(move || engine.store_usage()).await?;
    render(&SystemPage {
        page,
        version: env!("CARGO_PKG_VERSION"),
        disk: bytes(usage.disk_bytes),
        disk_free: bytes(usage.disk_free_bytes),
        head: bytes(usage.head_bytes),
        entries: count(usage.entry_count),
        streams: count(usage.stream_count),
        blocks: count(usage.block_count),
    })
}

/// `1,234,567`, as everywhere.
fn count(count: u64) -> String {
    grouped(&count.to_string())
}

/// `1.4 GiB`.
fn bytes(count: u64) -> String {
    let mut size = count as f64;
    let mut unit = "B";
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if size < 1024.0 {
            break;
        }
        size /= 1024.0;
        unit = larger;
    }
    if unit == "B" || size >= 100.0 { format!("{size:.0} {unit}") } else { format!("{size:.1} {unit}") }
}

#[cfg(test)]
mod tests {
    use crate::web::admin::system::*;

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!([bytes(0), bytes(1023), bytes(1536), bytes(300 << 30)], ["0 B", "1023 B", "1.5 KiB", "300 GiB"]);
        assert_eq!([count(7), count(1234), count(1_234_567)], ["7", "1,234", "1,234,567"]);
    }
}
