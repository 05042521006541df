//! Who asks: the session behind a request, and the guards of the routes that need one.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::db::sessions::{self, Session};
use crate::db::{self, Address, Db, Secret};
use crate::model::Timestamp;
use crate::web::cookie::{self, Transport};
use crate::web::page::now;
use crate::web::{Context, Error, device, next};

/// The session of this request. As a handler's argument it is only there behind [`require_session`].
#[derive(Clone, Debug)]
pub(crate) struct SignedIn(Arc<Session>);

impl Deref for SignedIn {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.0
    }
}

impl<S: Sync> FromRequestParts<S> for SignedIn {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<SignedIn, Error> {
        parts.extensions.get::<SignedIn>().cloned().ok_or_else(Error::forbidden)
    }
}

/// Lets requests with a session pass; others are led to the login and come back afterwards.
pub(in crate::web) async fn require_session(
    State(context): State<Context>,
    mut request: Request,
    following: Next,
) -> Response {
    let found = match is_refresh(&request) {
        true => look_session(&context, request.headers()).await,
        false => find_session(&context, request.headers()).await,
    };
    match found {
        Ok(Some(session)) => {
            request.extensions_mut().insert(session);
            following.run(request).await
        }
        Ok(None) => to_login(&request),
        Err(error) => error.into_response(),
    }
}

/// Lets admins pass. Stands behind [`require_session`].
pub(in crate::web) async fn require_admin(user: SignedIn, request: Request, following: Next) -> Response {
    if user.user.is_admin() { following.run(request).await } else { Error::forbidden().into_response() }
}

/// The session that a request's cookie names; a visit, which keeps it alive.
pub(in crate::web) async fn find_session(context: &Context, headers: &HeaderMap) -> Result<Option<SignedIn>, Error> {
    session_by(context, headers, sessions::find).await
}

/// The session that a request's cookie names, for what a browser asks by itself: an open page alone keeps no session
/// alive.
pub(in crate::web) async fn look_session(context: &Context, headers: &HeaderMap) -> Result<Option<SignedIn>, Error> {
    session_by(context, headers, sessions::peek).await
}

async fn session_by(
    context: &Context,
    headers: &HeaderMap,
    find: fn(&Db, &str, Timestamp) -> Result<Option<Session>, db::Error>,
) -> Result<Option<SignedIn>, Error> {
    let transport = Transport::of(headers, context.public_url.as_ref());
    for secret in cookie::session_secrets(headers, transport) {
        if let Some(session) = context.ask(move |db| find(db, &secret, now())).await? {
            return Ok(Some(SignedIn(Arc::new(session))));
        }
    }
    Ok(None)
}

/// Said by scripts of what they ask for again by themselves.
const REFRESH: &str = "logcafe-refresh";

/// Whether an open page asks for itself again: its script says so, or it is a live view, which does so every few seconds
/// where scripts are off: the page that leads to it is itself.
fn is_refresh(request: &Request) -> bool {
    if request.headers().contains_key(REFRESH) {
        return true;
    }
    let asked = request.uri().path_and_query().map(|path| path.as_str()).unwrap_or_default();
    let is_live = request.uri().query().is_some_and(|query| query.split('&').any(|pair| pair == "live=1"));
    let leads = request.headers().get(http::header::REFERER).and_then(|url| url.to_str().ok());
    is_live && leads.and_then(next::path_of_url).is_some_and(|page| page == asked)
}

/// Starts a session for this browser, and ends the one that it had.
pub(in crate::web) async fn start_session(
    context: &Context,
    user_id: i64,
    headers: &HeaderMap,
) -> Result<Secret, Error> {
    let before = find_session(context, headers).await?;
    let agent = headers.get(http::header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or("");
    let device = device::describe(agent);
    let start = move |db: &Db| {
        if let Some(session) = before {
            sessions::revoke(db, session.user.id, session.id)?;
        }
        sessions::start(db, user_id, &device, now())
    };
    context.ask(start).await
}

/// A page asked for comes back after the login; a form that was sent does not, for its content is lost.
fn to_login(request: &Request) -> Response {
    let headers = request.headers();
    let shown = headers.get("hx-current-url").and_then(|url| url.to_str().ok()).and_then(next::path_of_url);
    let wanted = match *request.method() {
        Method::GET | Method::HEAD => request.uri().path_and_query().map(|path| path.as_str().to_owned()),
        _ => None,
    };
    if headers.contains_key("hx-request") {
        // A redirect would be followed unseen, and the login would be swapped into a corner of the page.
        let target = HeaderValue::from_str(&next::login_url(shown.as_deref().unwrap_or("/")));
        let target = target.unwrap_or(HeaderValue::from_static("/login"));
        return (StatusCode::UNAUTHORIZED, [("hx-redirect", target)]).into_response();
    }
    Redirect::to(&next::login_url(wanted.as_deref().unwrap_or("/"))).into_response()
}

/// Where a request comes from, to slow guessing down.
#[derive(Clone, Debug)]
pub(in crate::web) struct From(pub(in crate::web) Address);

impl FromRequestParts<Context> for From {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<From, Infallible> {
        let peer: Option<IpAddr> = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        let forwarded_for = parts.headers.get_all("x-forwarded-for").iter().map(HeaderValue::as_bytes);
        Ok(From(context.proxies.client(peer, forwarded_for)))
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::Request;

    use crate::web::auth::is_refresh;

    #[test]
    fn only_what_a_script_says_and_a_live_view_that_leads_to_itself_is_a_refresh() {
        let said = Request::builder().uri("/").header("logcafe-refresh", "1").body(Body::empty()).expect("a request");
        assert!(is_refresh(&said));
        let request = |path: &str, referer: &str| {
            Request::builder().uri(path).header("referer", referer).body(Body::empty()).expect("a request")
        };
        let live = "/explore?query=&live=1";
        assert!(is_refresh(&request(live, "http://localhost:3100/explore?query=&live=1")));
        assert!(!is_refresh(&request(live, "http://localhost:3100/explore?query=")));
        assert!(!is_refresh(&request("/explore?query=", "http://localhost:3100/explore?query=")));
        assert!(!is_refresh(&Request::builder().uri(live).body(Body::empty()).expect("a request")));
    }
}
