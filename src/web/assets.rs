//! What browsers load besides pages: scripts, styles, the icon. Made by `build.rs`, embedded in the binary.
//!
//! Promises: an address holds the hash of its content, so browsers keep it forever; the smallest encoding that the
//! browser takes is sent as it lies, compressed at build time.

use std::borrow::Cow;

use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION, VARY,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::web::Context;

/// The address of each asset: `APP_CSS` for `app.css`.
pub(crate) mod url {
    #![allow(dead_code, reason = "build.rs names every asset, and not every one is in use on a page")]
    include!(concat!(env!("OUT_DIR"), "/asset_urls.rs"));
}

#[derive(RustEmbed)]
#[folder = "$OUT_DIR/assets"]
struct Assets;

/// Routes that need no session.
pub(in crate::web) fn routes() -> Router<Context> {
    Router::new().route("/assets/{file}", get(serve)).route("/favicon.ico", get(icon))
}

/// Browsers ask for this one unasked.
async fn icon() -> Response {
    (StatusCode::PERMANENT_REDIRECT, [(LOCATION, url::ICON_SVG)]).into_response()
}

async fn serve(Path(file): Path<String>, headers: HeaderMap) -> Response {
    let Some(kind) = content_type(&file) else { return StatusCode::NOT_FOUND.into_response() };
    let Some((asset, encoding)) = find(&file, &headers) else { return StatusCode::NOT_FOUND.into_response() };
    let etag = etag(&asset);
    let mut response = if headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        match asset.data {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes).into_response(),
            Cow::Owned(bytes) => bytes.into_response(),
        }
    };
    let answer = response.headers_mut();
    answer.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    answer.insert(VARY, HeaderValue::from_static("accept-encoding"));
    answer.insert(ETAG, etag);
    if let Some(encoding) = encoding {
        answer.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response
}

/// The asset in the best encoding that the browser takes. Only whole names are found, never the encoded files' own.
fn find(file: &str, headers: &HeaderMap) -> Option<(EmbeddedFile, Option<&'static str>)> {
    let accepted = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or("");
    for (encoding, suffix) in [("br", ".br"), ("gzip", ".gz")] {
        if accepts(accepted, encoding)
            && let Some(asset) = Assets::get(&format!("{file}{suffix}"))
        {
            return Some((asset, Some(encoding)));
        }
    }
    Some((Assets::get(file)?, None))
}

/// The text of an asset of ours.
pub(in crate::web) fn text(url: &str) -> Option<String> {
    let asset = Assets::get(url.strip_prefix("/assets/")?)?;
    String::from_utf8(asset.data.into_owned()).ok()
}

fn accepts(accepted: &str, encoding: &str) -> bool {
    accepted.split(',').any(|item| {
        let (name, quality) = item.split_once(';').unwrap_or((item, ""));
        let refused = quality.trim().strip_prefix("q=").is_some_and(|value| value.parse() == Ok(0.0_f32));
        name.trim().eq_ignore_ascii_case(encoding) && !refused
    })
}

fn etag(asset: &EmbeddedFile) -> HeaderValue {
    let hash: String = asset.metadata.sha256_hash()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    HeaderValue::from_str(&format!("\"{hash}\"")).expect("hexadecimal digits are legal in a header")
}

fn content_type(file: &str) -> Option<&'static str> {
    Some(match file.rsplit_once('.')?.1 {
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "txt" => "text/plain; charset=utf-8",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use crate::web::assets::*;

    #[test]
    fn every_address_leads_to_an_asset_in_three_encodings() {
        for url in [url::APP_CSS, url::HTMX_JS, url::UPLOT_JS, url::UPLOT_CSS, url::ICON_SVG] {
            let file = url.strip_prefix("/assets/").unwrap();
            for (accepted, expected) in [("gzip, br", Some("br")), ("gzip", Some("gzip")), ("br;q=0", None)] {
                let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(accepted))]);
                let (asset, encoding) = find(file, &headers).unwrap();
                assert_eq!(encoding, expected, "{url} for {accepted}");
                assert!(!asset.data.is_empty());
            }
            assert!(content_type(file).is_some() && content_type(&format!("{file}.br")).is_none());
        }
    }
}
