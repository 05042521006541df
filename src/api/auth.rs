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
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::api::{Context, Error, blocking};
use crate::db::logins::{self, Login};
use crate::db::tokens::{self, Scope};
use crate::db::users::Role;
use crate::db::{Address, Db};
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

/// What a request wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Push,
    Read,
    Delete,
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
    require(Deed::Delete, context, request, next).await
}

async fn require(deed: Deed, context: Context, mut request: Request, next: Next) -> Response {
    let credentials = Credentials::in_headers(request.headers());
    if credentials == Credentials::None && deed == Deed::Push && context.access.anonymous_push {
        return next.run(request).await;
    }
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let forwarded_for = request.headers().get_all("x-forwarded-for").iter().map(HeaderValue::as_bytes);
    let address = context.proxies.client(peer, forwarded_for);
    let checked = blocking(move || check(&context.db, deed, &credentials, &address)).await;
    match checked.and_then(|outcome| outcome) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(error) => error.into_response(),
    }
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
        (Deed::Delete, _) => Err(Error::forbidden("no token may delete; send an admin's name and password")),
        (Deed::Read, Scope::Push) => Err(Error::forbidden("this token may push, not read; add one with --scope read")),
    }
}

fn allow_person(deed: Deed, role: Role) -> Result<(), Error> {
    match (deed, role) {
        (Deed::Read, Role::Admin | Role::Reader) | (Deed::Push | Deed::Delete, Role::Admin) => Ok(()),
        (Deed::Delete, Role::Reader) => Err(Error::forbidden("a reader may not delete; an admin may")),
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
