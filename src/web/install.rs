//! What makes the site an app of the home screen: the manifest, the service worker, the page for when there is no
//! connection.
//!
//! Promises: the worker keeps our own assets and that one page, and nothing else: never a line of a log, nor any page
//! that somebody who is signed in sees. A release with other assets brings another worker, which throws out what the one
//! before kept.

use askama::Template;
use axum::Router;
use axum::extract::Query;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, VARY};
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use crate::web::assets::{self, url};
use crate::web::language::Language;
use crate::web::page::{Page, render};
use crate::web::{Context, Error};

/// Where the page lies that is shown when nothing answers.
const OFFLINE: &str = "/offline";
/// Assets that pages fetch only where they need them, and the worker itself.
const NOT_SHELL: [&str; 2] = ["/assets/uplot-", "/assets/worker-"];
const SHELL_KINDS: [&str; 3] = [".css", ".js", ".svg"];
const PAPER: &str = "#f7f2ea";

/// Routes that need no session.
pub(in crate::web) fn routes() -> Router<Context> {
    Router::new()
        .route("/manifest.webmanifest", get(manifest))
        .route("/sw.js", get(worker))
        .route(OFFLINE, get(offline))
}

#[derive(Debug, Default, Deserialize)]
struct Spoken {
    language: Option<String>,
}

/// Browsers ask for it without cookies, so the page that names it says the language.
async fn manifest(Query(spoken): Query<Spoken>, headers: HeaderMap) -> Response {
    let say = spoken.language.as_deref().and_then(Language::parse).unwrap_or_else(|| Language::of(&headers));
    let mut response = answer("application/manifest+json", "public, max-age=3600", described(say).to_string());
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept-language, cookie"));
    response
}

fn described(say: Language) -> Value {
    let icon = |src: &str, size: &str, kind: &str, purpose: &str| json!({ "src": src, "sizes": size, "type": kind, "purpose": purpose });
    let shortcut = |name: &str, path: &str| json!({ "name": name, "url": path, "icons": [icon(url::ICON_192_PNG, "192x192", "image/png", "any")] });
    json!({
        "id": "/",
        "name": say.app_name(),
        "short_name": "logcafe",
        "description": say.app_description(),
        "lang": say.code(),
        "start_url": "/",
        "scope": "/",
        "display": "standalone",
        "background_color": PAPER,
        "theme_color": PAPER,
        "categories": ["developer", "utilities"],
        "icons": [
            icon(url::ICON_192_PNG, "192x192", "image/png", "any"),
            icon(url::ICON_512_PNG, "512x512", "image/png", "any"),
            icon(url::ICON_MASKABLE_PNG, "512x512", "image/png", "maskable"),
            icon(url::ICON_SVG, "any", "image/svg+xml", "any"),
        ],
        "shortcuts": [
            shortcut(say.explore(), "/explore"),
            shortcut(say.go_live(), "/explore?live=1"),
            shortcut(say.saved(), "/saved"),
        ],
    })
}

/// The worker, told what it keeps. Browsers look for another one at each visit, so none may keep it.
async fn worker() -> Response {
    let code = assets::text(url::WORKER_JS).unwrap_or_default();
    answer("text/javascript; charset=utf-8", "no-cache", format!("{}{code}", told()))
}

/// What the worker keeps, and a version that changes with it.
fn told() -> String {
    let shell: Vec<&str> = url::ALL.iter().copied().filter(|url| is_shell(url)).collect();
    let list = json!(shell).to_string();
    let version =
        format!("{}-{:016x}", env!("CARGO_PKG_VERSION"), xxh3_64(format!("{list}{}", offline_made_of()).as_bytes()));
    format!("const VERSION = {};\nconst SHELL = {list};\nconst OFFLINE = {};\n", json!(version), json!(OFFLINE))
}

/// All that the page for when nothing answers is made of, but for the look and language of whoever asks.
fn offline_made_of() -> String {
    let texts = Language::ALL.map(|say| [say.offline_title(), say.offline_lead(), say.offline_again()].concat());
    [include_str!("../../templates/base.html"), include_str!("../../templates/offline.html"), &texts.concat()].concat()
}

fn is_shell(url: &str) -> bool {
    SHELL_KINDS.iter().any(|kind| url.ends_with(kind)) && !NOT_SHELL.iter().any(|start| url.starts_with(start))
}

#[derive(Template)]
#[template(path = "offline.html")]
struct OfflinePage {
    page: Page,
}

/// The page for when nothing answers: it knows nobody, and is the same for everyone of a language and look.
async fn offline(page: Page) -> Result<Response, Error> {
    Ok(([(CACHE_CONTROL, "no-cache")], render(&OfflinePage { page })?).into_response())
}

fn answer(kind: &'static str, cache: &'static str, text: String) -> Response {
    let headers: [(HeaderName, &str); 2] = [(CONTENT_TYPE, kind), (CACHE_CONTROL, cache)];
    (headers, text).into_response()
}

#[cfg(test)]
mod tests {
    use crate::web::assets::url;
    use crate::web::install::{described, is_shell, told};
    use crate::web::language::Language;

    #[test]
    fn the_manifest_has_what_browsers_ask_for_before_they_install() {
        for say in Language::ALL {
            let manifest = described(say);
            assert_eq!(manifest["lang"], say.code());
            let sizes: Vec<&str> =
                manifest["icons"].as_array().expect("icons").iter().filter_map(|icon| icon["sizes"].as_str()).collect();
            assert!(sizes.contains(&"192x192") && sizes.contains(&"512x512"));
            assert_eq!(manifest["shortcuts"].as_array().expect("shortcuts").len(), 3);
        }
        assert_ne!(described(Language::English)["shortcuts"], described(Language::Korean)["shortcuts"]);
    }

    #[test]
    fn the_worker_is_told_of_assets_alone() {
        assert!(is_shell(url::APP_CSS) && is_shell(url::EXPLORE_JS) && is_shell(url::ICON_SVG));
        assert!(!is_shell(url::UPLOT_JS) && !is_shell(url::WORKER_JS) && !is_shell(url::ICON_512_PNG));
        assert!(url::ALL.iter().all(|url| url.starts_with("/assets/")));
        assert!(told().contains(url::HTMX_JS));
    }
}
