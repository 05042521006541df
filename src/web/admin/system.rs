//! How much is stored, and what runs here.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Html;
use axum::routing::get;

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
        entries: grouped(usage.entry_count),
        streams: grouped(usage.stream_count),
        blocks: grouped(usage.block_count),
    })
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

/// `1 234 567`, with thin spaces.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{2009}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use crate::web::admin::system::*;

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!([bytes(0), bytes(1023), bytes(1536), bytes(300 << 30)], ["0 B", "1023 B", "1.5 KiB", "300 GiB"]);
        assert_eq!([grouped(7), grouped(1234), grouped(1_234_567)], ["7", "1\u{2009}234", "1\u{2009}234\u{2009}567"]);
    }
}
