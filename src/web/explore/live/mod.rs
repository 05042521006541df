//! Live: the lines of a view as they are stored, as server-sent events.
//!
//! Promises: the same filters and rows as in history; a browser that comes back names the last event that it heard, and
//! gets what was stored meanwhile, or a row that says how much was left out and leads there; why it ends is said in an
//! event, as a browser's `EventSource` hears of no status; a stream ends when its session does, and keeps none alive.
//! Never: more lines than a page can show. A page's own pace is the pace of what it is sent: what it is too slow for
//! waits in a bounded queue, and is counted where that is full.
//!
//! The events: `news` (rows, and what was left out before them), `counts` (histogram and levels anew), `tick` (still
//! there), `ended` (why).

mod event;
mod news;

pub(crate) use news::total;

use std::convert::Infallible;
use std::time::Duration;

use askama::Template;
use axum::body::Body;
use axum::extract::{Query, State as Shared};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use crate::logql::ast::LogExpr;
use crate::model::{Direction, TimeRange, Timestamp};
use crate::query::{self, Backlog, CancelOnDrop, LogLine, Parcel, Tail, TailQuery, Ticket};
use crate::web::auth::{self, SignedIn};
use crate::web::explore::live::news::{Entries, Gap};
use crate::web::explore::paging::Page as Rows;
use crate::web::explore::reading::Reading;
use crate::web::explore::state::{Params, State};
use crate::web::explore::view::{self, Asked, Lines, Part, Tools};
use crate::web::explore::{browser_zone, search, whole_seconds};
use crate::web::page::{Page, now};
use crate::web::{Context, Error, blocking, next};

/// How often a live page loads again where scripts are off.
pub(crate) const REFRESH_SECS: u64 = 5;
/// Rows of one event, and of a gap that is filled: with the page's own bound of 500, more would push out what is shown.
const ROWS_MAX: usize = 250;
/// Lines that senders hand in later than this after their time are looked for when a gap is filled only as far as the
/// page saw such before, and never further back than the other.
const LATE_NS: i64 = 60_000_000_000;
const LATE_MAX_NS: i64 = 3_600_000_000_000;
const LATE_SHOWN_NS: i64 = 5_000_000_000;
/// Between two events with rows: faster than this nobody reads, and each costs the page a layout.
const NEWS_EVERY: Duration = Duration::from_millis(250);
/// Proxies cut what says nothing for a minute, some for thirty seconds.
const PING_EVERY: Duration = Duration::from_secs(15);
/// Between two looks whether the session still holds.
const CHECK_EVERY: Duration = Duration::from_secs(30);
/// Between two counts of the range at least; one that takes long comes less often, and without news only now and then,
/// as the range moves on.
const COUNT_EVERY: Duration = Duration::from_secs(5);
const COUNT_WITHOUT_NEWS_EVERY: Duration = Duration::from_secs(60);
const COUNT_COST_MAX: u32 = 20;
const COUNT_TIME_MAX: Duration = Duration::from_secs(5);
/// How many lines a gap has is said only where it is quickly counted.
const GAP_TIME_MAX: Duration = Duration::from_secs(2);

/// Where a page goes on that comes back.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Since {
    after: Option<String>,
    /// How late lines came in that it was sent, in nanoseconds.
    late: Option<String>,
}

/// Why a stream ends, for the page to say and to act upon.
#[derive(Debug)]
enum Ending {
    SignedOut,
    NoLines,
    /// In the words of the engine.
    Refused(String),
}

/// Follows the lines of a view. Looks after its session itself, so that an open page is no visit.
pub(crate) async fn follow(
    Shared(context): Shared<Context>,
    Query(params): Query<Params>,
    Query(since): Query<Since>,
    headers: HeaderMap,
    page: Page,
) -> Result<Response, Error> {
    let (mut state, _) = State::read(&params, browser_zone(&headers).as_deref(), page.say, now());
    state.reading = Reading::of(&headers);
    let state = State { live: true, ..state };
    let Some(user) = auth::look_session(&context, &headers).await? else {
        return Ok(over(&state, &Ending::SignedOut));
    };
    let Asked::Lines(expr) = Asked::read(&state.query) else { return Ok(over(&state, &Ending::NoLines)) };
    let heard = headers.get("last-event-id").and_then(|id| id.to_str().ok()).and_then(event::parse_id);
    let at = now();
    // a clock that was set back must not hide what was stored since
    let after = heard.or(since.after.as_deref().and_then(event::parse_id)).unwrap_or(at).min(at);
    let late_ns = since.late.and_then(|late| late.parse().ok()).unwrap_or(0).clamp(0, LATE_MAX_NS);
    let start = fill_start(after, late_ns, state.range(at).map_or(after, |range| range.start));
    let query = TailQuery { log: expr.clone(), start, limit: ROWS_MAX, delay: Duration::ZERO };
    let (engine, name) = (context.engine.clone(), user.user.name.clone());
    let tail = match blocking(move || engine.tail(query, &name)).await? {
        Ok(tail) => tail,
        Err(error) => return Ok(over(&state, &Ending::Refused(search::told(&error, state.say)))),
    };
    let live = Live::new(context, user, headers, page, state, expr, tail, Sent { until: after, late_ns });
    Ok(answer(Body::from_stream(stream::unfold(live, Live::next))))
}

fn answer(body: Body) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        // also says to proxies that they are to compress nothing, which would hold events back
        (CACHE_CONTROL, "private, no-store, no-transform"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, body).into_response()
}

fn over(state: &State, ending: &Ending) -> Response {
    answer(Body::from([event::opening(), ended(state, ending)].concat()))
}

fn ended(state: &State, ending: &Ending) -> Bytes {
    let here = next::login_url(&state.url());
    let data = match ending {
        Ending::SignedOut => json!({ "why": state.say.live_signed_out(), "login": here }),
        Ending::NoLines => json!({ "why": state.say.live_no_lines() }),
        Ending::Refused(message) => json!({ "why": message }),
    };
    event::event("ended", None, &data)
}

/// From where lines are looked for that were stored since `after`. What was seen before may lie before the range by now:
/// between that and what comes nothing may be missing, however long it was away.
fn fill_start(after: Timestamp, late_ns: i64, range_start: Timestamp) -> Timestamp {
    after.plus_nanos(-late_ns.saturating_add(LATE_NS)).max(range_start.min(after))
}

/// What a page was sent before.
#[derive(Clone, Copy, Debug)]
struct Sent {
    /// All that was stored until then.
    until: Timestamp,
    /// How late lines came in.
    late_ns: i64,
}

/// What a stream does next.
#[derive(Debug)]
enum Step {
    Open,
    Fill,
    Follow,
    Over,
}

/// One open page and what it is sent.
struct Live {
    context: Context,
    user: SignedIn,
    headers: HeaderMap,
    page: Page,
    state: State,
    expr: LogExpr,
    /// None while it is worked with.
    tail: Option<Tail>,
    step: Step,
    sent: Sent,
    /// All that was stored until then was taken out of the tail's queue.
    taken_until: Timestamp,
    entries: Entries,
    /// Holds room for what is on its way.
    parcel: Option<Parcel>,
    news_at: Instant,
    count_at: Instant,
    has_news: bool,
    ping: Interval,
    check: Interval,
}

/// What woke a stream.
enum Woken {
    Stopping,
    Ping,
    Check,
    Count,
    News,
}

impl Live {
    #[expect(clippy::too_many_arguments, reason = "what a request is made of, at the one place where all of it meets")]
    fn new(
        context: Context,
        user: SignedIn,
        headers: HeaderMap,
        page: Page,
        state: State,
        expr: LogExpr,
        tail: Tail,
        sent: Sent,
    ) -> Live {
        let begin = Instant::now();
        let every = |period: Duration| {
            let mut interval = interval_at(begin + period, period);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        };
        Live {
            context,
            user,
            headers,
            page,
            state,
            expr,
            tail: Some(tail),
            step: Step::Open,
            sent,
            taken_until: sent.until,
            entries: Entries::default(),
            parcel: None,
            news_at: begin,
            count_at: begin + COUNT_EVERY,
            has_news: false,
            ping: every(PING_EVERY),
            check: every(CHECK_EVERY),
        }
    }

    /// The next events; none when it is over. Called when those before are on their way.
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Live)> {
        self.parcel = None;
        let bytes = match self.step {
            Step::Open => {
                self.step = Step::Fill;
                event::opening()
            }
            Step::Fill => {
                self.step = Step::Follow;
                let filled = self.fill().await;
                self.sent_or_over(filled)
            }
            Step::Follow => self.wait().await?,
            Step::Over => return None,
        };
        Some((Ok(bytes), self))
    }

    /// Waits until there is something to tell. None when the server stops: the page comes back when it is there again.
    async fn wait(&mut self) -> Option<Bytes> {
        loop {
            match self.woken().await {
                Woken::Stopping => return None,
                Woken::Ping => return Some(event::ping(self.sent.until)),
                Woken::Check => match auth::look_session(&self.context, &self.headers).await {
                    // where it cannot be looked at, it holds
                    Ok(Some(_)) | Err(_) => {}
                    Ok(None) => {
                        self.step = Step::Over;
                        return Some(ended(&self.state, &Ending::SignedOut));
                    }
                },
                Woken::Count => return Some(self.count().await),
                Woken::News => {
                    let taken = self.take().await.transpose();
                    if let Some(taken) = taken {
                        return Some(self.sent_or_over(taken));
                    }
                }
            }
        }
    }

    async fn woken(&mut self) -> Woken {
        let Some(tail) = &self.tail else { return Woken::Stopping };
        let (ready, news_at) = (tail.ready(), self.news_at);
        let news = async move {
            ready.await;
            tokio::time::sleep_until(news_at).await;
        };
        let count_at = if self.has_news { self.count_at } else { self.count_at + COUNT_WITHOUT_NEWS_EVERY };
        tokio::select! {
            biased;
            () = self.context.stopping.cancelled() => Woken::Stopping,
            _ = self.check.tick() => Woken::Check,
            _ = self.ping.tick() => Woken::Ping,
            () = tokio::time::sleep_until(count_at) => Woken::Count,
            () = news => Woken::News,
        }
    }

    fn sent_or_over(&mut self, sent: Result<Bytes, String>) -> Bytes {
        sent.unwrap_or_else(|message| {
            self.step = Step::Over;
            ended(&self.state, &Ending::Refused(message))
        })
    }

    fn ticket(&self) -> Ticket {
        self.context.engine.ticket().for_user(&self.user.user.name)
    }

    /// What was stored since the page was made, or since it last heard of us.
    async fn fill(&mut self) -> Result<Bytes, String> {
        let at = now();
        let Some(tail) = self.tail.take() else { return Err(String::new()) };
        let (engine, ticket) = (self.context.engine.clone(), self.ticket());
        let cancel = CancelOnDrop::new(&ticket);
        let (expr, sent, name) = (self.expr.clone(), self.sent, self.user.user.name.clone());
        let say = self.state.say;
        let filled = blocking(move || {
            let backlog = engine.backlog(&tail, &ticket)?;
            let gap = cut_at(&backlog, sent).and_then(|(first, shown)| {
                let ticket = Ticket::until(std::time::Instant::now() + GAP_TIME_MAX).for_user(&name);
                let range = TimeRange::new(sent.until, first.plus_nanos(1));
                gap_of(sent, first, shown, search::count(&engine, &expr, range, &ticket).ok())
            });
            Ok::<_, query::Error>((tail, backlog, gap))
        });
        let (tail, backlog, gap) =
            filled.await.map_err(|_| String::new())?.map_err(|error| search::told(&error, say))?;
        drop(cancel);
        self.tail = Some(tail);
        self.parcel = Some(backlog.parcel);
        (self.sent.until, self.taken_until) = (at, at);
        self.has_news = !backlog.lines.is_empty();
        self.news(backlog.lines, gap, true)
    }

    /// What has arrived. `None` where no line of it is shown.
    async fn take(&mut self) -> Result<Option<Bytes>, String> {
        let at = now();
        let Some(mut tail) = self.tail.take() else { return Err(String::new()) };
        if tail.is_drained() {
            self.taken_until = at;
        }
        let took = blocking(move || (tail.take(), tail)).await;
        let (news, tail) = took.map_err(|_| String::new())?;
        let before = self.sent.until;
        if tail.is_drained() {
            self.sent.until = self.taken_until;
        }
        self.tail = Some(tail);
        self.news_at = Instant::now() + NEWS_EVERY;
        if news.is_empty() {
            return Ok(None);
        }
        self.has_news = true;
        let (lines, gap) = bounded(news.lines, news.dropped.count, before, at);
        let from = self.state.range(at).map_or(Timestamp::MIN, |range| range.start);
        let lines = lines.into_iter().filter(|line| line.timestamp >= from).collect();
        self.news(lines, gap, false).map(Some)
    }

    fn news(&mut self, lines: Vec<LogLine>, gap: Option<Gap>, is_fill: bool) -> Result<Bytes, String> {
        let shape = |live: &mut Live| -> Result<Value, askama::Error> {
            let rows = news::rows(&live.page, &live.state, &live.expr, live.entries.whole(lines))?;
            let gap = gap.map(|gap| news::gap(&live.state, &gap)).transpose()?;
            Ok(json!({ "rows": rows, "gap": gap, "fill": is_fill }))
        };
        let news = shape(self).map_err(|error| error.to_string())?;
        Ok(event::event("news", Some(self.sent.until), &news))
    }

    /// The histogram and the levels anew, or that they stand still.
    async fn count(&mut self) -> Bytes {
        let begin = Instant::now();
        let (engine, state, expr, page) =
            (self.context.engine.clone(), self.state.clone(), self.expr.clone(), self.page.clone());
        let ticket = Ticket::until(std::time::Instant::now() + COUNT_TIME_MAX).for_user(&self.user.user.name);
        let cancel = CancelOnDrop::new(&ticket);
        let counted = blocking(move || {
            let now = whole_seconds(now());
            let range = state.range(now)?;
            let histogram = search::bars(&engine, &expr, range, &ticket).ok()?;
            let total = histogram.total;
            let asked = Asked::Lines(expr);
            let expr = asked.lines()?;
            let tools = view::tools(&state, &asked, &[], &[], now);
            let none = Rows { rows: Vec::new(), older: None, newer: None };
            let mut lines = view::lines(&state, expr, &none, false, Ok(Some(histogram)), Part::All, now);
            lines.summary = news::total(&state, total);
            CountsHtml { page, state, tools, lines }.render().ok()
        });
        let html = counted.await.ok().flatten();
        drop(cancel);
        self.has_news = false;
        self.count_at = Instant::now() + COUNT_EVERY.max(begin.elapsed() * COUNT_COST_MAX);
        let data = html.map_or(json!({ "still": true }), |html| json!({ "html": html }));
        event::event("counts", None, &data)
    }
}

#[derive(Template)]
#[template(path = "_explore_live_counts.html")]
struct CountsHtml {
    #[allow(dead_code, reason = "the templates that this one includes may name them")]
    page: Page,
    #[allow(dead_code, reason = "the templates that this one includes may name them")]
    state: State,
    tools: Tools,
    lines: Lines,
}

/// Where what was stored since is cut off: the time of the oldest line that is sent, and how many are sent of that time.
/// None where nothing was, or where it reaches back to what was sent before.
fn cut_at(backlog: &Backlog, sent: Sent) -> Option<(Timestamp, u64)> {
    let first = backlog.lines.first()?.timestamp;
    let shown = backlog.lines.iter().take_while(|line| line.timestamp == first).count() as u64;
    (backlog.is_cut && first >= sent.until).then_some((first, shown))
}

/// What a fill left out: of `count` lines from what was sent before up to those of the time `first`, all but `shown`.
/// Where lines come in late, some of an earlier time may be missing as well, which nobody can count.
fn gap_of(sent: Sent, first: Timestamp, shown: u64, count: Option<u64>) -> Option<Gap> {
    let left_out = count.filter(|_| sent.late_ns <= LATE_SHOWN_NS).map(|count| count.saturating_sub(shown));
    // whoever follows the link finds those as well that came in a little late
    let start = sent.until.plus_nanos(-sent.late_ns.max(LATE_SHOWN_NS));
    (left_out != Some(0)).then_some(Gap { count: left_out, start, end: first.plus_nanos(1) })
}

/// The newest lines of a portion, as many as are sent, and what that leaves out: the older ones, and those that the
/// queue had no room for.
fn bounded(mut lines: Vec<LogLine>, dropped: u64, before: Timestamp, at: Timestamp) -> (Vec<LogLine>, Option<Gap>) {
    let left_out = lines.len().saturating_sub(ROWS_MAX);
    let first_out = lines.first().map(|line| line.timestamp).filter(|_| left_out > 0);
    lines.drain(..left_out);
    let count = left_out as u64 + dropped;
    let start = match dropped {
        0 => first_out.unwrap_or(before),
        _ => first_out.map_or(before, |first| first.min(before)),
    };
    // of several of one time, some may have been left out
    let end = lines.first().map_or(at, |line| line.timestamp).max(start).plus_nanos(1);
    (lines, (count > 0).then_some(Gap { count: Some(count), start, end }))
}

#[cfg(test)]
mod tests {
    use crate::model::{Labels, Timestamp};
    use crate::query::LogLine;
    use crate::web::explore::live::news::Gap;
    use crate::web::explore::live::{ROWS_MAX, Sent, bounded, fill_start, gap_of};

    fn lines(count: usize) -> Vec<LogLine> {
        let line = |secs| LogLine {
            timestamp: Timestamp::from_secs(secs),
            line: "x".to_owned(),
            stream: Labels::default(),
            structured: Labels::default(),
            parsed: Labels::default(),
            rewritten: None,
        };
        (0..count).map(|second| line(1000 + second as i64)).collect()
    }

    fn just_after(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs).plus_nanos(1)
    }

    #[test]
    fn of_a_large_portion_the_newest_lines_are_sent_and_the_others_told() {
        let (before, at) = (Timestamp::from_secs(990), Timestamp::from_secs(5000));
        assert_eq!(bounded(lines(ROWS_MAX), 0, before, at).1, None);
        let (sent, gap) = bounded(lines(ROWS_MAX + 12), 0, before, at);
        assert_eq!((sent.len(), sent[0].timestamp), (ROWS_MAX, Timestamp::from_secs(1012)));
        let expected = Gap { count: Some(12), start: Timestamp::from_secs(1000), end: just_after(1012) };
        assert_eq!(gap, Some(expected), "also lines of the time of the first that is sent may be missing");
    }

    #[test]
    fn what_a_slow_page_missed_lies_before_what_it_gets() {
        let (before, at) = (Timestamp::from_secs(990), Timestamp::from_secs(5000));
        let (_, gap) = bounded(lines(3), 512, before, at);
        assert_eq!(gap, Some(Gap { count: Some(512), start: before, end: just_after(1000) }));
        let (_, gap) = bounded(Vec::new(), 7, before, at);
        assert_eq!(gap, Some(Gap { count: Some(7), start: before, end: at.plus_nanos(1) }));
    }

    #[test]
    fn what_a_fill_left_out_is_told_also_where_it_has_the_time_of_what_is_sent() {
        let sent = Sent { until: Timestamp::from_secs(1000), late_ns: 0 };
        let gap = |sent, count| gap_of(sent, Timestamp::from_secs(1010), 250, count);
        let expected = Gap { count: Some(1), start: Timestamp::from_secs(995), end: just_after(1010) };
        assert_eq!(gap(sent, Some(251)), Some(expected));
        assert_eq!(gap(sent, Some(250)), None, "all of them are sent");
        assert_eq!(gap(sent, None), Some(Gap { count: None, ..expected }));
        let late = Sent { late_ns: 90_000_000_000, ..sent };
        assert_eq!(gap(late, Some(250)), Some(Gap { count: None, start: Timestamp::from_secs(910), ..expected }));
    }

    #[test]
    fn a_fill_begins_before_what_was_sent_last_and_does_not_leave_out_what_the_range_has_left_behind() {
        let at = Timestamp::from_secs;
        assert_eq!(fill_start(at(1000), 0, at(100)), at(940));
        assert_eq!(fill_start(at(1000), 0, at(970)), at(970), "what lies before the range is not shown");
        assert_eq!(fill_start(at(1000), 0, at(5000)), at(1000), "but all since it was heard of");
        assert_eq!(fill_start(at(1000), 90_000_000_000, at(100)), at(850));
    }
}
