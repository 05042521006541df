//! The stored texts of rows that the page shows otherwise, for whoever copies them: whatever a query makes of the lines,
//! and also where it leaves them out.

use axum::Json;
use axum::extract::{Query, State as Shared};
use http::StatusCode;
use serde::Deserialize;

use crate::query::{self, CancelOnDrop};
use crate::web::auth::SignedIn;
use crate::web::explore::key::LineKey;
use crate::web::explore::line::locate;
use crate::web::page::Page;
use crate::web::{Context, Error, blocking};

/// Lines of one answer; the page asks in portions.
const LINES_MAX: usize = 100;
/// Bytes of one answer: more than two of the largest lines that are taken in.
const BYTES_MAX: usize = 64 << 20;

/// Which lines: their keys, with commas between.
#[derive(Debug, Deserialize)]
pub(crate) struct Wanted {
    lines: String,
}

/// Answers a list of texts in the order that was asked for; `null` for a line that is not there any more.
pub(crate) async fn show(
    Shared(context): Shared<Context>,
    Query(wanted): Query<Wanted>,
    user: SignedIn,
    page: Page,
) -> Result<Json<Vec<Option<String>>>, Error> {
    let keys: Vec<LineKey> = wanted.lines.split(',').take(LINES_MAX).filter_map(LineKey::parse).collect();
    let ticket = context.engine.ticket().for_user(&user.user.name);
    let _cancel = CancelOnDrop::new(&ticket);
    let engine = context.engine.clone();
    let found = blocking(move || {
        let mut texts = Vec::with_capacity(keys.len());
        let mut bytes = 0;
        for key in keys {
            let text = locate::stored(&engine, key, &ticket)?.map(|line| line.line);
            bytes += text.as_ref().map_or(0, String::len);
            if bytes > BYTES_MAX {
                return Ok(None);
            }
            texts.push(text);
        }
        Ok::<_, query::Error>(Some(texts))
    });
    found.await??.map(Json).ok_or_else(|| Error::new(StatusCode::PAYLOAD_TOO_LARGE, page.say.too_much_to_copy()))
}
