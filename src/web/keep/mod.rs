//! What people keep of Explore and hand on: saved queries, their history, short links, snapshots and files.
//!
//! Promises: what is kept is the whole view, as its address says it; what is one person's stays theirs; only a snapshot
//! is read without a login, and it holds nothing but what was frozen.

mod export;
mod frozen;
mod history;
mod links;
mod public;
pub(in crate::web) mod saved;
mod snapshots;
mod table;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts};
use http::request::Parts;
use serde::Deserialize;

use crate::db::history::Question;
use crate::db::saved_queries::View;
use crate::model::Timestamp;
use crate::web::explore::chart;
use crate::web::explore::moment::Moment;
use crate::web::explore::spoken::{self, Edge};
use crate::web::explore::state::{self, Params, State};
use crate::web::explore::zone::Zone;
use crate::web::explore::{browser_zone, whole_seconds};
use crate::web::language::Language;
use crate::web::page::now;
use crate::web::{Context, Error};

pub(in crate::web) use history::note;
pub(in crate::web) use saved::Opened;

/// Forms of this part hold a query and a few words.
const FORM_BYTES_MAX: usize = 64 << 10;

/// Routes for whoever is signed in.
pub(in crate::web) fn routes() -> Router<Context> {
    Router::new()
        .merge(saved::routes())
        .merge(history::routes())
        .merge(links::routes())
        .merge(snapshots::routes())
        .merge(export::routes())
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
}

/// Routes that need no session.
pub(in crate::web) fn open_routes() -> Router<Context> {
    public::routes()
}

/// The tabs of the pages that list what is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tab {
    Saved,
    History,
    Links,
    Snapshots,
}

impl Tab {
    const ALL: [Tab; 4] = [Tab::Saved, Tab::History, Tab::Links, Tab::Snapshots];

    fn path(self) -> &'static str {
        match self {
            Tab::Saved => "/saved",
            Tab::History => "/saved/history",
            Tab::Links => "/saved/links",
            Tab::Snapshots => "/saved/snapshots",
        }
    }

    fn name(self, say: Language) -> &'static str {
        match self {
            Tab::Saved => say.tab_saved(),
            Tab::History => say.tab_history(),
            Tab::Links => say.tab_links(),
            Tab::Snapshots => say.tab_snapshots(),
        }
    }
}

/// What is said beside the ways to download.
pub(in crate::web) fn export_hint(say: Language) -> String {
    say.export_hint(&grouped(export::LINES_MAX))
}

/// Until when the page showed lines that a form stands on, in seconds since 1970; as long as one read it, the clock went
/// on. Where it is not said, that is now.
#[derive(Clone, Debug, Default, Deserialize)]
struct Seen {
    #[serde(default)]
    seen: String,
}

/// How whoever asks reads times and texts: their zone, their language, and when it is.
struct Reader {
    zone: Option<String>,
    say: Language,
    now: Timestamp,
}

impl Reader {
    /// A range, as an address has it, in words.
    fn range_words(&self, from: &str, to: &str) -> String {
        let (zone, _) = Zone::pick(None, self.zone.as_deref());
        let read = |text, edge| spoken::read(text, edge, self.now, &zone.zone);
        match (read(from, Edge::Start), read(to, Edge::End)) {
            (Some(from), Some(to)) => span_words(from.moment, to.moment, &zone, self.say),
            (None, _) | (_, None) => self.say.keep_from_to(from, to),
        }
    }

    /// The view that the parameters of an address or a form say.
    fn state(&self, params: &Params) -> State {
        State::read(params, self.zone.as_deref(), self.say, self.now).0
    }

    /// The view over the span that was looked at, which no longer moves with the clock.
    fn fixed(&self, view: &State, seen: &Seen) -> State {
        let asked_at = seen.seen.parse().map_or(self.now, |secs| Timestamp::from_secs(secs).min(self.now));
        let at = |moment: Moment| Moment::At(moment.resolve(asked_at));
        State { from: at(view.from), to: at(view.to), live: false, ..view.clone() }
    }
}

impl<S: Sync> FromRequestParts<S> for Reader {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Reader, Self::Rejection> {
        let (zone, say) = (browser_zone(&parts.headers), Language::of(&parts.headers));
        Ok(Reader { zone, say, now: whole_seconds(now()) })
    }
}

/// What is saved of a view: all but its page and the line it was opened at.
fn view_of(state: &State) -> View {
    let kept = State { line: None, ..state.kept() };
    let own = ["query", "from", "to", "limit", "direction"];
    let more: Vec<_> = kept.pairs().into_iter().filter(|(name, _)| !own.contains(name)).collect();
    View {
        query: kept.query.clone(),
        from: kept.from.to_string(),
        to: kept.to.to_string(),
        limit: u32::try_from(kept.limit).unwrap_or(u32::MAX),
        direction: kept.direction,
        more: state::encoded(&more),
    }
}

/// What of a view is remembered as asked.
fn question_of(state: &State) -> Question {
    let kept = State { line: None, live: false, ..state.kept() };
    let own = ["query", "from", "to"];
    let more: Vec<_> = kept.pairs().into_iter().filter(|(name, _)| !own.contains(name)).collect();
    Question {
        query: kept.query.clone(),
        from: kept.from.to_string(),
        to: kept.to.to_string(),
        more: state::encoded(&more),
    }
}

/// The address of a query over a range, with the further parameters as they are.
fn explore_url(query: &str, from: &str, to: &str, more: &str) -> String {
    let pairs = [("query", query.to_owned()), ("from", from.to_owned()), ("to", to.to_owned())];
    let mut url = format!("/explore?{}", state::encoded(&pairs));
    if !more.is_empty() {
        url.push('&');
        url.push_str(more);
    }
    url
}

/// A span in words: how long it is where it ends now, else from when to when, the day said once.
fn span_words(from: Moment, to: Moment, zone: &Zone, say: Language) -> String {
    if let (Moment::FromNow(nanos @ ..0), Moment::NOW) = (from, to) {
        return say.keep_last_span(&say.length(-nanos));
    }
    const DAY_CHARS: usize = "2026-11-22 ".len();
    let (from, to) = (from.field(&zone.zone), to.field(&zone.zone));
    let same_day = from.get(..DAY_CHARS).is_some_and(|day| to.starts_with(day) && day.ends_with(' '));
    let span = say.keep_from_to(&from, if same_day { &to[DAY_CHARS..] } else { &to });
    format!("{span} ({})", zone.name)
}

/// Whether every word of `wanted` is somewhere in the texts, in upper or lower case.
fn holds_words<'a>(wanted: &str, texts: impl IntoIterator<Item = &'a str>) -> bool {
    let all = texts.into_iter().collect::<Vec<_>>().join("\n").to_lowercase();
    wanted.to_lowercase().split_whitespace().all(|word| all.contains(word))
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    chart::grouped(&number.to_string())
}

/// What is refused with a sentence of its own.
fn refused(message: &str) -> Error {
    Error::new(http::StatusCode::UNPROCESSABLE_ENTITY, message)
}

#[cfg(test)]
mod tests {
    use crate::model::Timestamp;
    use crate::web::explore::state::{Params, State};
    use crate::web::keep::*;

    fn state(url: &str) -> State {
        let uri = format!("http://logcafe{url}").parse().unwrap();
        let params = axum::extract::Query::<Params>::try_from_uri(&uri).unwrap().0;
        State::read(&params, Some("Asia/Seoul"), Language::English, Timestamp::from_secs(1_795_358_760)).0
    }

    #[test]
    fn all_of_a_view_is_kept_but_its_page() {
        let url = "/explore?query=%7Bjob%3D%22a%22%7D&from=now-6h&to=now&limit=50&direction=forward&zone=UTC&show=patterns\
                   &wrap=off&columns=status%2Cpath";
        let open = state(&format!("{url}&older=1795358760000000000.2&line=5.a&saved=7"));
        let view = view_of(&open);
        assert_eq!(view.more, "zone=UTC&show=patterns&wrap=off&columns=status%2Cpath");
        assert_eq!(saved::address(&view), url);
        let asked = question_of(&open);
        assert_eq!(state(&explore_url(&asked.query, &asked.from, &asked.to, &asked.more)), state(url));
    }

    #[test]
    fn what_is_fixed_is_what_was_seen_and_never_what_is_to_come() {
        let reader = Reader { zone: None, say: Language::English, now: Timestamp::from_secs(1_795_358_760) };
        let fixed = |url: &str, seen: &str| {
            let view = reader.fixed(&state(url), &Seen { seen: seen.to_owned() });
            let secs = |moment: Moment| moment.resolve(Timestamp::from_secs(0)).nanos() / 1_000_000_000 - 1_795_358_760;
            (secs(view.from), secs(view.to), view.live)
        };
        let moving = "/explore?query=&from=now-1h&to=now&live=1";
        assert_eq!(fixed(moving, "1795355760"), (-6600, -3000, false), "read for fifty minutes");
        assert_eq!(fixed(moving, "1795359000"), (-3600, 0, false), "a clock that is ahead");
        assert_eq!(fixed(moving, ""), (-3600, 0, false));
        let still = "/explore?query=&from=2026-11-22T14:00:00Z&to=2026-11-22T14:30:00Z";
        assert_eq!(fixed(still, "5"), fixed(still, ""));
    }

    #[test]
    fn thousands_stand_apart() {
        for (number, text) in [(0, "0"), (12, "12"), (123, "123"), (1234, "1,234"), (1_000_000, "1,000,000")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn words_are_looked_for_in_any_case_and_order() {
        assert!(holds_words("PAY error", ["{app=\"payments\"}", "Errors"]));
        assert!(holds_words(" ", ["x"]) && holds_words("결제", ["결제 오류"]));
        assert!(!holds_words("pay none", ["payments"]));
    }
}
