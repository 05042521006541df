//! `tail`: new lines over a WebSocket, as they are stored.
//!
//! Promises: what is wrong with a request is answered before the upgrade, in plain text; a tail ends when its client
//! leaves, falls silent or takes nothing, when its credentials end, and when the server stops, and says why in its
//! close frame where the client still listens; a slow client costs a bounded queue, then it loses lines and is told.

use std::future::Future;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Extension, State};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::HeaderMap;
use tokio::time::{Interval, MissedTickBehavior, interval_at, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api::auth::{Standing, require_read_or_session};
use crate::api::params::{Params, now};
use crate::api::query::encoding;
use crate::api::types::{Encoding, Json};
use crate::api::{Context, Error, blocking};
use crate::logql;
use crate::logql::ast::Expr;
use crate::query::{self, Backlog, CancelOnDrop, Dropped, LogLine, Tail, TailQuery};

/// Seconds that a line may be held back (Loki's number).
const DELAY_SECS_MAX: i64 = 5;
/// Lines of a backlog where nothing is said (Loki's number).
const LIMIT_DEFAULT: u32 = 100;
/// A client has nothing to tell us that is longer.
const MESSAGE_BYTES_MAX: usize = 4 << 10;
/// Bytes of lines that one frame of a backlog has, about.
const FRAME_BYTES: usize = 256 << 10;
/// What a close frame has room for, in bytes.
const REASON_BYTES_MAX: usize = 123;

/// What open tails share with the server.
#[derive(Clone, Debug, Default)]
pub struct Tails {
    /// Ends every tail.
    pub stopping: CancellationToken,
    /// Those that are open: connections that were upgraded are no request of the listener any more.
    pub open: TaskTracker,
    pub pace: Pace,
}

/// The times that a tail keeps.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Between two pings (Loki's number is a second).
    pub ping_every: Duration,
    /// After which a client that does not even answer pings is gone.
    pub silence_max: Duration,
    /// That a client may take to make room for a frame.
    pub send_max: Duration,
    /// Between two looks whether the credentials still hold.
    pub check_every: Duration,
    /// That a client has to answer a close frame.
    pub goodbye_max: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            ping_every: Duration::from_secs(1),
            silence_max: Duration::from_secs(30),
            send_max: Duration::from_secs(30),
            check_every: Duration::from_secs(30),
            goodbye_max: Duration::from_secs(1),
        }
    }
}

/// Routes that follow new lines.
pub(crate) fn routes(context: &Context) -> Router<Context> {
    Router::new()
        .route("/loki/api/v1/tail", get(tail).post(tail))
        .route("/api/prom/tail", get(tail).post(tail))
        .route_layer(from_fn_with_state(context.clone(), require_read_or_session))
}

async fn tail(
    State(context): State<Context>,
    Extension(standing): Extension<Standing>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    params: Params,
) -> Result<Response, Error> {
    let (engine, caller) = (context.engine.clone(), params.caller().to_owned());
    // reading a query, and making its stages ready, may take long
    let begun = blocking(move || Ok::<_, Error>(engine.tail(query(&params)?, params.caller()))).await??;
    let tail = match begun {
        // clients of Loki are told so over the WebSocket
        Err(query::Error::TailLimit(message)) => Err(Ending::Because(close_code::ERROR, message)),
        begun => Ok(begun?),
    };
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade.max_message_size(MESSAGE_BYTES_MAX).read_buffer_size(MESSAGE_BYTES_MAX),
        Err(rejection) => return Err(Error::new(rejection.status(), rejection.body_text())),
    };
    let encoding = encoding(&headers);
    let open = context.tails.open.token();
    Ok(upgrade
        .on_upgrade(move |socket| async move {
            let mut line = Line::new(socket, context, standing, encoding);
            let ending = match tail {
                Ok(tail) => line.follow(tail, &caller).await,
                Err(refused) => refused,
            };
            line.end(ending).await;
            drop(open);
        })
        .into_response())
}

/// Everything that a tail takes, checked in the order in which Loki checks it.
fn query(params: &Params) -> Result<TailQuery, Error> {
    let Expr::Log(log) = logql::parse(params.get("query"))? else {
        let message = "only log queries can be followed: a selector in braces, and filters and parsers behind it";
        return Err(Error::bad_request(message));
    };
    let limit = params.limit("limit", LIMIT_DEFAULT)? as usize;
    let start = params.bounds(now())?.start;
    let delay_secs = params.whole_number("delay_for", 0)?;
    if delay_secs > DELAY_SECS_MAX {
        return Err(Error::bad_request(format!("delay_for can't be greater than {DELAY_SECS_MAX}")));
    }
    let delay = Duration::from_secs(delay_secs.try_into().unwrap_or(0));
    Ok(TailQuery { log, start, limit, delay })
}

/// Why a tail is over.
#[derive(Debug)]
enum Ending {
    /// The client closed the connection, or is not there any more.
    Left,
    /// We close it: code and reason.
    Because(u16, String),
}

impl Ending {
    fn failed(error: &Error) -> Ending {
        Ending::Because(close_code::ERROR, error.message().to_owned())
    }
}

/// One client and what it is sent.
struct Line {
    socket: WebSocket,
    context: Context,
    standing: Standing,
    encoding: Encoding,
    ping: Interval,
    check: Interval,
    heard_at: Instant,
}

impl Line {
    fn new(socket: WebSocket, context: Context, standing: Standing, encoding: Encoding) -> Line {
        let every = |period: Duration| {
            let mut interval = interval_at(tokio::time::Instant::now() + period, period);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        };
        let pace = context.tails.pace;
        let (ping, check) = (every(pace.ping_every), every(pace.check_every));
        Line { socket, context, standing, encoding, ping, check, heard_at: Instant::now() }
    }

    /// Sends the backlog, then what is new, for as long as there is someone to send it to.
    async fn follow(&mut self, tail: Tail, caller: &str) -> Ending {
        match self.try_follow(tail, caller).await {
            Ok(never) => match never {},
            Err(ending) => ending,
        }
    }

    async fn try_follow(&mut self, tail: Tail, caller: &str) -> Result<std::convert::Infallible, Ending> {
        let engine = self.context.engine.clone();
        let ticket = engine.ticket().for_user(caller);
        let guard = CancelOnDrop::new(&ticket);
        let read = blocking(move || (engine.backlog(&tail, &ticket), tail));
        let (backlog, mut tail) = self.during(read).await?.map_err(|error| Ending::failed(&error))?;
        let Backlog { lines, parcel, .. } = backlog.map_err(|error| Ending::failed(&error.into()))?;
        drop(guard);
        for lines in portions(&lines) {
            self.send_news(lines, &Dropped::default()).await?;
        }
        drop((lines, parcel));
        loop {
            self.during(tail.ready()).await?;
            let take = blocking(move || (tail.take(), tail));
            let (news, after) = self.during(take).await?.map_err(|error| Ending::failed(&error))?;
            tail = after;
            if !news.is_empty() {
                self.send_news(&news.lines, &news.dropped).await?;
            }
        }
    }

    /// Waits for some work while the client is listened to.
    async fn during<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Ending> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                () = self.context.tails.stopping.cancelled() => return Err(stopping()),
                message = self.socket.recv() => self.hear(message.as_ref())?,
                _ = self.ping.tick() => self.ping().await?,
                _ = self.check.tick() => self.check_standing().await?,
            }
        }
    }

    /// A client says nothing that matters, but that it is there.
    fn hear(&mut self, message: Option<&Result<Message, axum::Error>>) -> Result<(), Ending> {
        self.heard_at = Instant::now();
        match message {
            None | Some(Err(_) | Ok(Message::Close(_))) => Err(Ending::Left),
            Some(Ok(Message::Text(_) | Message::Binary(_) | Message::Ping(_) | Message::Pong(_))) => Ok(()),
        }
    }

    async fn ping(&mut self) -> Result<(), Ending> {
        if self.heard_at.elapsed() > self.context.tails.pace.silence_max {
            let reason = "pings are not answered".to_owned();
            return Err(Ending::Because(close_code::POLICY, reason));
        }
        self.send(Message::Ping(bytes::Bytes::new())).await
    }

    async fn check_standing(&mut self) -> Result<(), Ending> {
        let (db, standing) = (self.context.db.clone(), self.standing.clone());
        match blocking(move || standing.check(&db)).await.map_err(|error| Ending::failed(&error))? {
            Ok(()) => Ok(()),
            Err(error) => Err(Ending::Because(close_code::POLICY, error.message().to_owned())),
        }
    }

    async fn send_news(&mut self, lines: &[LogLine], dropped: &Dropped) -> Result<(), Ending> {
        let text = Json::tail(lines, dropped, &self.encoding).into_text();
        self.send(Message::Text(text.into())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), Ending> {
        let (begin, tails) = (Instant::now(), &self.context.tails);
        let sent = tokio::select! {
            sent = timeout(tails.pace.send_max, self.socket.send(message)) => sent,
            () = tails.stopping.cancelled() => return Err(stopping()),
        };
        // while we wrote, nobody listened
        self.heard_at += begin.elapsed();
        match sent {
            Ok(Ok(())) => Ok(()),
            // a close frame would only wait behind the one that is stuck
            Ok(Err(_)) | Err(_) => Err(Ending::Left),
        }
    }

    async fn end(mut self, ending: Ending) {
        let goodbye = async {
            if let Ending::Because(code, mut reason) = ending {
                tracing::debug!(code, reason, "a tail is closed");
                reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
                let frame = CloseFrame { code, reason: reason.into() };
                if self.socket.send(Message::Close(Some(frame))).await.is_err() {
                    return;
                }
            }
            // its close frame is answered, or answers ours; what it said before is of no interest
            while let Some(Ok(_)) = self.socket.recv().await {}
        };
        if timeout(self.context.tails.pace.goodbye_max, goodbye).await.is_err() {
            tracing::debug!("the client of a tail did not take its leave");
        }
    }
}

fn stopping() -> Ending {
    Ending::Because(close_code::AWAY, "the server is stopping".to_owned())
}

/// Lines in portions of a frame each.
fn portions(lines: &[LogLine]) -> impl Iterator<Item = &[LogLine]> {
    let mut rest = lines;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fit = rest.iter().position(|line| {
            bytes += line.memory_bytes();
            bytes > FRAME_BYTES
        });
        let count = fit.unwrap_or(rest.len()).max(1).min(rest.len());
        let (portion, after) = rest.split_at(count);
        rest = after;
        (!portion.is_empty()).then_some(portion)
    })
}
