//! Who asks, and whether they may: tokens for machines, names and passwords for people.
//!
//! Promises: credentials that are sent are checked, also where none are needed; what they are not good for is refused
//! with 403, so that nobody looks for a typing error; wrong passwords are slowed exactly as on the login page.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum_extra::extract::cookie::CookieJar;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};

use crate::api::{Context, Error, blocking};
use crate::db::logins::{self, Login};
use crate::db::tokens::{self, Scope};
use crate::db::users::Role;
use crate::db::{Address, Db, sessions};
use crate::model::Timestamp;

/// What is open to whoever comes without credentials.
#[derive(Clone, Copy, Debug, Default)]
pub struct Access {
    /// `--anonymous-push`: for agents on a private network.
    pub anonymous_push: bool,
}

/// Who was let through, for whatever is shared out between callers. Empty where nobody had to say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caller(pub(crate) Arc<str>);

/// What a caller showed, for connections that last: it is asked again whether it still holds.
#[derive(Clone)]
pub(crate) struct Standing {
    credentials: Arc<Credentials>,
    address: Address,
}

impl Standing {
    /// An error once the credentials were revoked. Where they cannot be looked at, they hold.
    pub(crate) fn check(&self, db: &Db) -> Result<(), Error> {
        match check(db, Deed::Read, &self.credentials, &self.address) {
            Err(error) if error.is_refusal() => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

/// What a request wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Push,
    Read,
    /// Delete, and look at settings.
    Govern,
}

/// What the `Authorization` header holds.
#[derive(Debug, PartialEq, Eq)]
enum Credentials {
    None,
    Token(String),
    Password {
        name: String,
        password: String,
    },
    /// The secrets of cookies that may be a browser's session.
    Session(Vec<String>),
    /// Neither Bearer nor Basic, or not readable.
    Unknown,
}

/// Lets pushes through: push tokens, admins, and everyone where the operator says so.
pub(crate) async fn require_push(State(context): State<Context>, request: Request, next: Next) -> Response {
    require(Deed::Push, context, request, next).await
}

/// Lets readers through: read tokens and people.
pub(crate) async fn require_read(State(context): State<Context>, request: Request, next: Next) -> Response {
    require(Deed::Read, context, request, next).await
}

/// Lets admins through, who have said so with their password.
pub(crate) async fn require_admin(State(context): State<Context>, request: Request, next: Next) -> Response {
    require(Deed::Govern, context, request, next).await
}

/// Lets readers through, browsers with a session as well. Browsers send cookies and passwords with the handshake of a
/// WebSocket whatever page asks for it, and let the page read what comes: so the page must be one of ours. Leaves the
/// [`Standing`] of the caller with the request.
pub(crate) async fn require_read_or_session(State(context): State<Context>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let credentials = match Credentials::in_headers(headers) {
        Credentials::None => Credentials::in_cookies(headers),
        shown => shown,
    };
    let is_ambient = credentials != Credentials::None && !is_bearer(headers);
    if is_ambient && is_foreign(headers, context.public_url.as_ref()) {
        let message = "this page is of another site: behind a proxy that changes Host, set --public-url";
        return Error::forbidden(message).into_response();
    }
    let address = address(&context, &request);
    let standing = Standing { credentials: Arc::new(credentials), address };
    let shown = standing.clone();
    let checked = blocking(move || check(&context.db, Deed::Read, &shown.credentials, &shown.address)).await;
    pass(checked.and_then(|outcome| outcome), Some(standing), request, next).await
}

async fn require(deed: Deed, context: Context, request: Request, next: Next) -> Response {
    let credentials = Credentials::in_headers(request.headers());
    if credentials == Credentials::None && deed == Deed::Push && context.access.anonymous_push {
        return next.run(request).await;
    }
    let address = address(&context, &request);
    let checked = blocking(move || check(&context.db, deed, &credentials, &address)).await;
    pass(checked.and_then(|outcome| outcome), None, request, next).await
}

async fn pass(
    checked: Result<Caller, Error>,
    standing: Option<Standing>,
    mut request: Request,
    next: Next,
) -> Response {
    match checked {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            standing.map(|standing| request.extensions_mut().insert(standing));
            next.run(request).await
        }
        Err(error) => error.into_response(),
    }
}

fn address(context: &Context, request: &Request) -> Address {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let forwarded_for = request.headers().get_all("x-forwarded-for").iter().map(HeaderValue::as_bytes);
    context.proxies.client(peer, forwarded_for)
}

/// Whether the credentials are of the kind that no browser adds by itself.
fn is_bearer(headers: &HeaderMap) -> bool {
    let shown = headers.get(AUTHORIZATION).map_or(&b""[..], HeaderValue::as_bytes);
    shown.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer "))
}

/// Whether a browser says that the page which asks is of another origin.
fn is_foreign(headers: &HeaderMap, public_url: Option<&Uri>) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if !headers.contains_key(ORIGIN) {
        return false;
    }
    let Some((scheme, authority)) = text(ORIGIN).and_then(|origin| origin.split_once("://")) else {
        return true;
    };
    let is = |host: &str| authority.eq_ignore_ascii_case(host);
    let is_public = public_url.is_some_and(|url| {
        url.scheme_str() == Some(scheme) && url.authority().is_some_and(|authority| is(authority.as_str()))
    });
    !is_public && !text(HOST).is_some_and(is)
}

fn check(db: &Db, deed: Deed, credentials: &Credentials, address: &Address) -> Result<Caller, Error> {
    let now = Timestamp::from(SystemTime::now());
    match credentials {
        Credentials::None => Err(Error::unauthorized(
            "no credentials; send a token as `Authorization: Bearer`, or a name and password as Basic",
        )),
        Credentials::Unknown => {
            Err(Error::unauthorized("the Authorization header is neither Bearer with a token nor Basic"))
        }
        Credentials::Session(secrets) => {
            for secret in secrets {
                if let Some(session) = sessions::find(db, secret, now)? {
                    allow_person(deed, session.user.role)?;
                    return Ok(Caller(session.user.name.into()));
                }
            }
            Err(Error::unauthorized("this session is over; sign in again"))
        }
        Credentials::Token(secret) => match tokens::find(db, secret, now)? {
            Some(token) => {
                allow_token(deed, token.scope)?;
                Ok(Caller(format!("token {}", token.name).into()))
            }
            None => Err(Error::unauthorized("this token is not known; it may have been revoked")),
        },
        Credentials::Password { name, password } => match logins::attempt(db, name, password, address, now)? {
            Login::Welcome(user) => {
                allow_person(deed, user.role)?;
                Ok(Caller(user.name.into()))
            }
            Login::Wrong => Err(Error::unauthorized("wrong name or password")),
            Login::Slowed { retry_after } => {
                let seconds = retry_after.as_secs().max(1);
                let message = format!("too many failed logins; try again in {seconds} s");
                Err(Error::retry_after(StatusCode::TOO_MANY_REQUESTS, seconds, message))
            }
        },
    }
}

fn allow_token(deed: Deed, scope: Scope) -> Result<(), Error> {
    match (deed, scope) {
        (Deed::Push, Scope::Push) | (Deed::Read, Scope::Read) => Ok(()),
        (Deed::Push, Scope::Read) => Err(Error::forbidden("this token may read, not push; add one with --scope push")),
        (Deed::Govern, _) => Err(Error::forbidden("no token may do this; send an admin's name and password")),
        (Deed::Read, Scope::Push) => Err(Error::forbidden("this token may push, not read; add one with --scope read")),
    }
}

fn allow_person(deed: Deed, role: Role) -> Result<(), Error> {
    match (deed, role) {
        (Deed::Read, Role::Admin | Role::Reader) | (Deed::Push | Deed::Govern, Role::Admin) => Ok(()),
        (Deed::Govern, Role::Reader) => Err(Error::forbidden("a reader may not do this; an admin may")),
        (Deed::Push, Role::Reader) => Err(Error::forbidden("a reader may not push; use a push token")),
    }
}

impl Credentials {
    fn in_headers(headers: &HeaderMap) -> Credentials {
        let Some(value) = headers.get(AUTHORIZATION) else { return Credentials::None };
        let parts = value.to_str().ok().and_then(|text| text.trim().split_once(' '));
        match parts {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                Credentials::Token(token.trim().to_owned())
            }
            Some((scheme, encoded)) if scheme.eq_ignore_ascii_case("basic") => {
                Credentials::basic(encoded.trim()).unwrap_or(Credentials::Unknown)
            }
            Some(_) | None => Credentials::Unknown,
        }
    }

    fn in_cookies(headers: &HeaderMap) -> Credentials {
        let jar = CookieJar::from_headers(headers);
        let names = [sessions::COOKIE_OVER_TLS, sessions::COOKIE];
        let secrets: Vec<String> =
            names.iter().filter_map(|name| jar.get(name)).map(|cookie| cookie.value().to_owned()).collect();
        if secrets.is_empty() { Credentials::None } else { Credentials::Session(secrets) }
    }

    /// A password that has the shape of a token is one: clients that know Basic only carry tokens this way.
    fn basic(encoded: &str) -> Option<Credentials> {
        let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
        let (name, password) = text.split_once(':')?;
        Some(match tokens::has_shape(password) {
            true => Credentials::Token(password.to_owned()),
            false => Credentials::Password { name: name.to_owned(), password: password.to_owned() },
        })
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use http::HeaderMap;
    use http::header::AUTHORIZATION;

    use crate::api::auth::Credentials;

    fn check(header: &str, wanted: &Credentials) {
        let headers: HeaderMap = [(AUTHORIZATION, header.parse().unwrap())].into_iter().collect();
        assert_eq!(Credentials::in_headers(&headers), *wanted, "{header}");
    }

    #[test]
    fn tokens_come_as_bearer_or_as_the_password_of_any_name() {
        let secret = format!("lc_{}", "x".repeat(43));
        check(&format!("bearer  {secret}"), &Credentials::Token(secret.clone()));
        let basic = STANDARD.encode(format!("whoever:{secret}"));
        check(&format!("Basic {basic}"), &Credentials::Token(secret));
    }

    #[test]
    fn names_and_passwords_may_hold_colons_and_letters_of_any_kind() {
        let basic = STANDARD.encode("홍길동:pass:word");
        let wanted = Credentials::Password { name: "홍길동".into(), password: "pass:word".into() };
        check(&format!("Basic {basic}"), &wanted);
        for odd in ["Basic", "Basic !!!", "Basic bm9jb2xvbg==", "Digest abc", ""] {
            check(odd, &Credentials::Unknown);
        }
    }
}
