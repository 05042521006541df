//! Signing in another device: a browser that is signed in shows a picture, and the phone that scans it is in.
//!
//! Promises: no page that is only looked at uses a code up (messengers fetch links to preview them), the phone is told
//! as whom it will be in before it agrees, and the desk is told what came in, so that a stranger's phone does not go
//! unnoticed. Never: the code anywhere but in the page that answered its making.

use askama::Template;
use axum::Router;
use axum::extract::{Form, Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use http::{HeaderMap, StatusCode};
use qrcode::{Color, EcLevel, QrCode};
use serde::Deserialize;

use crate::db::pairings::{self, Progress};
use crate::web::auth::{self, SignedIn};
use crate::web::cookie::{self, Transport};
use crate::web::page::{Page, now, render};
use crate::web::{Context, Error, device, origin};

/// Routes for whoever is signed in.
pub(in crate::web) fn routes() -> Router<Context> {
    Router::new().route("/account/phone", get(show).post(begin)).route("/account/phone/progress", get(progress))
}

/// Routes that need no session: the phone's side.
pub(in crate::web) fn open_routes() -> Router<Context> {
    Router::new().route("/pair", get(ask).post(enter))
}

/// The desk's side.
#[derive(Template)]
#[template(path = "phone.html", blocks = ["progress"])]
struct PhonePage {
    page: Page,
    progress: Progress,
    /// What to scan; only in the answer to the making of the code.
    picture: Option<Picture>,
    address: String,
    /// Whether the address leads nowhere from another device.
    is_local: bool,
}

async fn show(State(context): State<Context>, viewer: SignedIn, page: Page) -> Result<Html<String>, Error> {
    render(&seen(&context, &viewer, page).await?)
}

/// How far it has come, as a piece of the page that asks again by itself.
async fn progress(State(context): State<Context>, viewer: SignedIn, page: Page) -> Result<Response, Error> {
    if !page.fragment {
        return Ok(Redirect::to("/account/phone").into_response());
    }
    Ok(render(&seen(&context, &viewer, page).await?.as_progress())?.into_response())
}

async fn seen(context: &Context, viewer: &SignedIn, page: Page) -> Result<PhonePage, Error> {
    let session_id = viewer.id;
    let progress = context.ask(move |db| pairings::progress(db, session_id, now())).await?;
    Ok(PhonePage { page, progress, picture: None, address: String::new(), is_local: false })
}

async fn begin(
    State(context): State<Context>,
    viewer: SignedIn,
    headers: HeaderMap,
    page: Page,
) -> Result<Html<String>, Error> {
    let session_id = viewer.id;
    let code = context.ask(move |db| pairings::begin(db, session_id, now())).await?;
    let origin = origin(&context, &headers);
    let address = format!("{origin}/pair?code={}", code.reveal());
    let picture = Picture::of(&address).map_err(|error| Error::internal(&error))?;
    let progress = Progress::Waits { seconds: pairings::AGE_SECS_MAX };
    let is_local = is_local(&origin);
    render(&PhonePage { page, progress, picture: Some(picture), address, is_local })
}

/// Whether an address means the machine itself to whoever reads it.
fn is_local(origin: &str) -> bool {
    let Some(authority) = origin.parse::<http::Uri>().ok().and_then(|uri| uri.authority().cloned()) else {
        return false;
    };
    let host = authority.host().trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost")
        || host.to_ascii_lowercase().ends_with(".localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A QR code as one path of an SVG picture.
struct Picture {
    /// Side of the picture in modules, the quiet zone included.
    side: usize,
    path: String,
}

/// Modules of nothing around a QR code, so that cameras find it (ISO/IEC 18004).
const QUIET_MODULES: usize = 4;

impl Picture {
    fn of(text: &str) -> Result<Picture, qrcode::types::QrError> {
        let code = QrCode::with_error_correction_level(text, EcLevel::M)?;
        let width = code.width();
        let mut path = String::new();
        for (row, modules) in code.to_colors().chunks(width).enumerate() {
            let mut column = 0;
            while column < width {
                let dark = modules[column..].iter().take_while(|module| **module == Color::Dark).count();
                if dark > 0 {
                    path.push_str(&format!("M{} {}h{dark}v1h-{dark}z", column + QUIET_MODULES, row + QUIET_MODULES));
                }
                column += dark.max(1);
            }
        }
        Ok(Picture { side: width + 2 * QUIET_MODULES, path })
    }
}

/// The phone's side.
#[derive(Template)]
#[template(path = "pair.html")]
struct PairPage {
    page: Page,
    code: String,
    /// As whom one will be in; none where the code is no good.
    name: Option<String>,
    /// Who is signed in on this device already, if that is another person.
    instead_of: Option<String>,
}

#[derive(Deserialize)]
struct Scanned {
    #[serde(default)]
    code: String,
}

async fn ask(
    State(context): State<Context>,
    Query(scanned): Query<Scanned>,
    headers: HeaderMap,
    page: Page,
) -> Result<Response, Error> {
    answer(&context, scanned.code, &headers, page).await
}

async fn answer(context: &Context, code: String, headers: &HeaderMap, page: Page) -> Result<Response, Error> {
    let given = code.clone();
    let name = context.ask(move |db| pairings::find(db, &given, now())).await?.map(|user| user.name);
    let here = auth::find_session(context, headers).await?.map(|session| session.user.name.clone());
    let status = if name.is_some() { StatusCode::OK } else { StatusCode::GONE };
    let instead_of = here.filter(|here| name.as_ref().is_some_and(|name| name != here));
    Ok((status, render(&PairPage { page, code, name, instead_of })?).into_response())
}

async fn enter(
    State(context): State<Context>,
    headers: HeaderMap,
    page: Page,
    Form(scanned): Form<Scanned>,
) -> Result<Response, Error> {
    let agent = headers.get(http::header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or("");
    let (code, device) = (scanned.code.clone(), device::describe(agent));
    let Some(user) = context.ask(move |db| pairings::redeem(db, &code, &device, now())).await? else {
        return answer(&context, scanned.code, &headers, page).await;
    };
    let secret = auth::start_session(&context, user.id, &headers).await?;
    let transport = Transport::of(&headers, context.public_url.as_ref());
    Ok((cookie::set_session(&secret, transport), Redirect::to("/")).into_response())
}

#[cfg(test)]
mod tests {
    use crate::web::phone::*;

    #[test]
    fn the_picture_is_the_code_with_a_quiet_zone() {
        let text = "https://logs.example.org/pair?code=0123456789012345678901234567890123456789012";
        let picture = Picture::of(text).unwrap();
        let mut drawn = vec![Color::Light; picture.side * picture.side];
        for run in picture.path.split_terminator('z') {
            let (x, rest) = run.trim_start_matches('M').split_once(' ').unwrap();
            let (y, rest) = rest.split_once('h').unwrap();
            let (length, _) = rest.split_once('v').unwrap();
            let at: usize = y.parse::<usize>().unwrap() * picture.side + x.parse::<usize>().unwrap();
            drawn[at..at + length.parse::<usize>().unwrap()].fill(Color::Dark);
        }
        let code = QrCode::with_error_correction_level(text, EcLevel::M).unwrap();
        let inner = picture.side - 2 * QUIET_MODULES;
        for row in 0..picture.side {
            for column in 0..picture.side {
                let inside = |at: usize| (QUIET_MODULES..QUIET_MODULES + inner).contains(&at);
                let expected = if inside(row) && inside(column) {
                    code[(column - QUIET_MODULES, row - QUIET_MODULES)]
                } else {
                    Color::Light
                };
                assert_eq!(drawn[row * picture.side + column], expected, "{column} {row}");
            }
        }
    }

    #[test]
    fn an_address_of_this_machine_alone_is_known() {
        for origin in ["http://localhost:3100", "http://127.0.0.1:3100", "http://[::1]:3100", "http://logs.localhost"] {
            assert!(is_local(origin), "{origin}");
        }
        assert!(!is_local("https://logs.example.org") && !is_local("http://192.168.0.7:3100"));
    }
}
