//! Everything known of one line, as its sheet shows it: texts and addresses, nothing left to decide.

use serde_json::{Map, Value, json};

use crate::logql::ast::{LineOp, LogExpr};
use crate::model::{Direction, Labels, TimeRange};
use crate::query::{Engine, Ticket};
use crate::web::explore::builder::{self, Origin, Want};
use crate::web::explore::chart::grouped;
use crate::web::explore::level::Level;
use crate::web::explore::line::alike::{self, Alike};
use crate::web::explore::line::locate::Located;
use crate::web::explore::line::scope::Scope;
use crate::web::explore::line::toggle::toggle;
use crate::web::explore::line::top::{self, Top};
use crate::web::explore::line::{Wanted, around, href, permalink};
use crate::web::explore::moment::{Moment, zoned};
use crate::web::explore::record;
use crate::web::explore::rows;
use crate::web::explore::search::told;
use crate::web::explore::state::{State, escape_into};
use crate::web::explore::text::{self, Marker, Piece};
use crate::web::language::Language;
use crate::web::page::now;

/// Bytes of a line that its sheet shows; the rest is behind the link to the raw text.
const TEXT_BYTES_MAX: usize = 64 << 10;
/// Bytes of a value that are shown; all of them are copied.
const VALUE_BYTES_MAX: usize = 4 << 10;
/// Bytes of a value that one can filter for.
const FILTER_BYTES_MAX: usize = 2 << 10;
/// From so many fields on, there is a box to find one.
const FIELDS_FEW_MAX: usize = 12;
/// Patterns of lines longer than this are not shown whole.
const PATTERN_BYTES_MAX: usize = 2 << 10;

/// What of a line was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    layout: Layout,
    /// The field whose values are counted.
    top: Option<String>,
    wants_alike: bool,
    /// Where there is no further line in the direction that was stepped to.
    pub(crate) end: Option<Direction>,
}

/// How the text is laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Layout {
    #[default]
    Wrapped,
    /// Each line of it on one line, which scrolls sideways.
    Long,
    Json,
}

/// The sheet of a line.
#[derive(Debug)]
pub(crate) struct Sheet {
    pub(crate) level: Level,
    pub(crate) source: String,
    /// In the zone of the view, as exact as it is known.
    pub(crate) time: String,
    pub(crate) zone: String,
    /// In UTC, where that is another zone.
    pub(crate) time_utc: Option<String>,
    pub(crate) time_machine: String,
    pub(crate) nanos: i64,
    pub(crate) size: String,
    pub(crate) text: Vec<Piece>,
    pub(crate) is_long: bool,
    pub(crate) is_cut: bool,
    pub(crate) layouts: Vec<Choice>,
    pub(crate) groups: Vec<Group>,
    pub(crate) has_many_fields: bool,
    pub(crate) alike: Option<AlikeView>,
    /// What was said of the last step.
    pub(crate) notice: Option<&'static str>,
    pub(crate) links: Links,
}

/// Where the sheet leads to.
#[derive(Debug)]
pub(crate) struct Links {
    pub(crate) back: String,
    pub(crate) older: String,
    pub(crate) newer: String,
    pub(crate) permalink: String,
    pub(crate) around: String,
    pub(crate) alike: String,
    pub(crate) raw: String,
    pub(crate) json: String,
}

/// One of several ways to show something.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) text: &'static str,
    pub(crate) href: String,
    pub(crate) current: bool,
}

/// Names and values of one origin.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) title: &'static str,
    pub(crate) fields: Vec<Field>,
}

#[derive(Debug)]
pub(crate) struct Field {
    /// Its name in an address.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) value: Vec<Piece>,
    /// The view with only its value and the one without it; none where the value is too long for an address.
    pub(crate) filters: Option<(Switch, Switch)>,
    /// None where its name cannot be that of a column.
    pub(crate) column: Option<Switch>,
    pub(crate) top_href: String,
    /// The bare value, to copy it.
    pub(crate) value_url: String,
    pub(crate) top: Option<TopView>,
}

/// A view with or without something.
#[derive(Debug)]
pub(crate) struct Switch {
    pub(crate) href: String,
    pub(crate) is_on: bool,
}

/// The most frequent values of a field.
#[derive(Debug)]
pub(crate) struct TopView {
    pub(crate) values: Vec<TopValue>,
    pub(crate) summary: String,
}

#[derive(Debug)]
pub(crate) struct TopValue {
    pub(crate) value: Vec<Piece>,
    pub(crate) count: String,
    pub(crate) percent: String,
    /// Of the lines that have the field, in hundredths.
    pub(crate) width: String,
    pub(crate) href: String,
    pub(crate) is_own: bool,
}

/// Lines like this one.
#[derive(Debug)]
pub(crate) struct AlikeView {
    /// None where they could not be counted; the summary says why.
    pub(crate) pattern: Option<String>,
    pub(crate) summary: String,
    pub(crate) all: String,
    pub(crate) only: Switch,
    pub(crate) hide: Switch,
}

impl Wish {
    pub(crate) fn read(wanted: &Wanted) -> Wish {
        let layout = match wanted.text.as_deref() {
            Some("json") => Layout::Json,
            Some("long") => Layout::Long,
            _ => Layout::Wrapped,
        };
        Wish { layout, top: wanted.top.clone(), wants_alike: wanted.alike.is_some(), end: None }
    }

    /// As an address has it.
    fn params(&self) -> String {
        let mut text = String::new();
        match self.layout {
            Layout::Wrapped => {}
            Layout::Long => text.push_str("&text=long"),
            Layout::Json => text.push_str("&text=json"),
        }
        if let Some(top) = &self.top {
            text.push_str("&top=");
            escape_into(&mut text, top);
        }
        if self.wants_alike {
            text.push_str("&alike=1");
        }
        text
    }
}

/// Shapes the sheet, and counts what it is to say of other lines.
pub(crate) fn sheet(
    engine: &Engine,
    state: &State,
    expr: &LogExpr,
    located: &Located,
    wish: &Wish,
    ticket: &Ticket,
) -> Sheet {
    let now = now();
    let state = &permalink::with_span_of_line(State { line: Some(located.key), ..state.clone() }, now);
    let counting = Counting { engine, expr, range: state.range(now), ticket };
    let here = href(state, located.key);
    let wished = |wish: Wish| format!("{here}{}", wish.params());
    let head = text::head(&located.stored.line, TEXT_BYTES_MAX);
    let is_cut = head.len() < located.stored.line.len();
    let laid_out = (!is_cut).then(|| record::pretty(head)).flatten();
    let marker = Marker::of(expr);
    let shown = match laid_out.as_ref().filter(|_| wish.layout == Layout::Json) {
        Some(painted) => marker.pieces_of(painted, 0..painted.plain.len()),
        None => marker.pieces(head),
    };
    let groups = groups(state, located, wish, &counting, &wished);
    let local = zoned(located.key.timestamp, &state.zone.zone);
    let utc = zoned(located.key.timestamp, &jiff::tz::TimeZone::UTC);
    let exact = "%Y-%m-%d %H:%M:%S%.f";
    Sheet {
        level: rows::level_of(&located.shown),
        source: rows::source_of(&located.stored.stream).to_owned(),
        time: local.strftime(exact).to_string(),
        zone: zone_name(state, &local),
        time_utc: (state.zone.name != "UTC").then(|| utc.strftime(exact).to_string()),
        time_machine: Moment::At(located.key.timestamp).to_string(),
        nanos: located.key.timestamp.nanos(),
        size: rows::size(located.stored.line.len()),
        text: shown,
        is_long: wish.layout == Layout::Long,
        is_cut,
        layouts: layouts(state.say, wish, laid_out.is_some(), &wished),
        has_many_fields: groups.iter().map(|group| group.fields.len()).sum::<usize>() > FIELDS_FEW_MAX,
        groups,
        alike: wish.wants_alike.then(|| alike_view(state, located, &counting)),
        notice: wish.end.map(|direction| match direction {
            Direction::Backward => state.say.line_no_older(),
            Direction::Forward => state.say.line_no_newer(),
        }),
        links: Links {
            back: State { line: None, ..state.clone() }.url(),
            older: format!("{here}&step=older"),
            newer: format!("{here}&step=newer"),
            permalink: permalink::url(state, located.key, now),
            around: around::href(state, located.key, Scope::pick(None, &located.stored.stream)),
            alike: wished(Wish { wants_alike: true, ..wish.clone() }),
            raw: format!("{here}&as=raw"),
            json: format!("{here}&as=json"),
        },
    }
}

/// The line as JSON, for other tools.
pub(crate) fn json(located: &Located) -> String {
    let set = |labels: &Labels| -> Map<String, Value> {
        labels.iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect()
    };
    let nanos = located.stored.timestamp.nanos().to_string();
    let value = json!({
        "time": Moment::At(located.stored.timestamp).to_string(),
        "nanoseconds": nanos,
        "line": located.stored.line,
        "labels": set(&located.stored.stream),
        "metadata": set(&located.stored.structured),
        "fields": set(&located.shown.parsed),
    });
    format!("{value:#}\n")
}

/// The bare value of a field, named as in an address.
pub(crate) fn value(located: &Located, field: &str) -> Option<String> {
    let (origin, name) = field.split_once('.')?;
    let (_, set) = sets(located).into_iter().find(|(known, _)| code(*known) == origin)?;
    set.get(name).map(str::to_owned)
}

/// What stands in a sheet's counts.
struct Counting<'c> {
    engine: &'c Engine,
    expr: &'c LogExpr,
    range: Option<TimeRange>,
    ticket: &'c Ticket,
}

fn sets(located: &Located) -> [(Origin, &Labels); 3] {
    [
        (Origin::Stream, &located.stored.stream),
        (Origin::Structured, &located.stored.structured),
        (Origin::Parsed(located.parser), &located.shown.parsed),
    ]
}

/// An origin in an address.
fn code(origin: Origin) -> &'static str {
    match origin {
        Origin::Stream => "label",
        Origin::Structured => "metadata",
        Origin::Parsed(_) => "field",
    }
}

/// `Asia/Seoul (UTC+09:00)`
fn zone_name(state: &State, local: &jiff::Zoned) -> String {
    if state.zone.name == "UTC" {
        return "UTC".to_owned();
    }
    format!("{} ({})", state.zone.name, local.strftime("UTC%:z"))
}

fn layouts(say: Language, wish: &Wish, has_json: bool, wished: &dyn Fn(Wish) -> String) -> Vec<Choice> {
    let all = [(Layout::Wrapped, say.text_wrapped()), (Layout::Long, say.text_long()), (Layout::Json, say.text_json())];
    let choice =
        |(layout, text)| Choice { text, href: wished(Wish { layout, ..wish.clone() }), current: layout == wish.layout };
    all.into_iter().filter(|(layout, _)| *layout != Layout::Json || has_json).map(choice).collect()
}

fn groups(
    state: &State,
    located: &Located,
    wish: &Wish,
    counting: &Counting<'_>,
    wished: &dyn Fn(Wish) -> String,
) -> Vec<Group> {
    let say = state.say;
    let group = |(origin, set): (Origin, &Labels)| Group {
        title: match origin {
            Origin::Stream => say.line_labels(),
            Origin::Structured => say.line_metadata(),
            Origin::Parsed(_) => say.line_fields(),
        },
        fields: set
            .iter()
            .filter(|(name, _)| !name.starts_with("__error"))
            .map(|pair| field(state, located, (origin, pair), wish, counting, wished))
            .collect(),
    };
    sets(located).into_iter().map(group).filter(|group| !group.fields.is_empty()).collect()
}

fn field(
    state: &State,
    located: &Located,
    (origin, (name, value)): (Origin, (&str, &str)),
    wish: &Wish,
    counting: &Counting<'_>,
    wished: &dyn Fn(Wish) -> String,
) -> Field {
    let switch = |want| {
        let toggled = toggle(counting.expr, origin, name, value, want);
        Switch { href: state.with_query(builder::text(&toggled.expr)).url(), is_on: toggled.is_on }
    };
    let id = format!("{}.{name}", code(origin));
    let is_top = wish.top.as_deref() == Some(&id);
    let mut value_url = format!("{}&as=value&field=", href(state, located.key));
    escape_into(&mut value_url, &id);
    Field {
        id: id.clone(),
        name: name.to_owned(),
        value: text::revealed(text::head(value, VALUE_BYTES_MAX)),
        // an address that holds more is taken by no server, and makes the page as large as the line
        filters: (value.len() <= FILTER_BYTES_MAX).then(|| (switch(Want::With), switch(Want::Without))),
        column: column(state, name),
        top_href: wished(Wish { top: (!is_top).then(|| id.clone()), ..wish.clone() }),
        value_url,
        top: is_top.then(|| top_view(state, (origin, name, value), counting)),
    }
}

/// The view with the field as a column, or without that column.
fn column(state: &State, name: &str) -> Option<Switch> {
    let is_on = state.look.columns.iter().any(|column| column == name);
    let look = if is_on { state.look.without_column(name) } else { state.look.with_column(name)? };
    Some(Switch { href: State { line: None, ..state.with_look(look) }.url(), is_on })
}

fn top_view(state: &State, (origin, name, own): (Origin, &str, &str), counting: &Counting<'_>) -> TopView {
    let say = state.say;
    let Some(range) = counting.range else { return TopView { values: Vec::new(), summary: String::new() } };
    let top = match top::top(counting.engine, counting.expr, (origin, name), range, counting.ticket) {
        Ok(top) => top,
        Err(error) => return TopView { values: Vec::new(), summary: say.cannot_count(&told(&error, say)) },
    };
    let view = |(value, count): &(String, u64)| {
        let toggled = toggle(counting.expr, origin, name, value, Want::With);
        let hundredths = *count as f64 * 100.0 / (top.having_count.max(1) as f64);
        TopValue {
            value: text::revealed(text::head(value, VALUE_BYTES_MAX)),
            count: grouped(&count.to_string()),
            percent: percent(*count, top.having_count),
            width: format!("{hundredths:.1}"),
            href: state.with_query(builder::text(&toggled.expr)).url(),
            is_own: value == own,
        }
    };
    TopView { summary: top_summary(say, &top), values: top.values.iter().map(view).collect() }
}

fn top_summary(say: Language, top: &Top) -> String {
    let lines = grouped(&top.line_count.to_string());
    if top.having_count == top.line_count {
        return say.top_of_all(&lines);
    }
    say.top_of_some(&grouped(&top.having_count.to_string()), &lines)
}

fn percent(part: u64, whole: u64) -> String {
    let hundredths = part as f64 * 100.0 / (whole.max(1) as f64);
    match hundredths {
        _ if part == whole => "100%".to_owned(),
        ..0.1 => "<0.1%".to_owned(),
        99.9.. => ">99.9%".to_owned(),
        ..10.0 => format!("{hundredths:.1}%"),
        _ => format!("{hundredths:.0}%"),
    }
}

fn alike_view(state: &State, located: &Located, counting: &Counting<'_>) -> AlikeView {
    let say = state.say;
    let nowhere = || Switch { href: String::new(), is_on: false };
    let nothing = |summary| AlikeView { pattern: None, summary, all: String::new(), only: nowhere(), hide: nowhere() };
    let Some(range) = counting.range else { return nothing(String::new()) };
    let Alike { pattern, alike_count, service_count, service } =
        match alike::alike(counting.engine, &located.stored, range, counting.ticket) {
            Ok(Some(alike)) => alike,
            Ok(None) => return nothing(say.alike_none().to_owned()),
            Err(error) => return nothing(say.cannot_count(&told(&error, say))),
        };
    let switch = |op| Switch {
        href: state.with_query(builder::text(&alike::toggled(counting.expr, &pattern, op))).url(),
        is_on: alike::is_on(counting.expr, &pattern, op),
    };
    let share = percent(alike_count, service_count);
    AlikeView {
        summary: say.alike_count(&grouped(&alike_count.to_string()), &share),
        all: state.with_query(builder::text(&alike::with_pattern(&service, &pattern, LineOp::Pattern))).url(),
        only: switch(LineOp::Pattern),
        hide: switch(LineOp::NotPattern),
        pattern: Some(text::head(&pattern, PATTERN_BYTES_MAX).to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use crate::web::explore::line::sheet::percent;

    #[test]
    fn shares_are_told_without_pretending() {
        for (part, whole, text) in
            [(0, 0, "100%"), (1, 1, "100%"), (1, 5000, "<0.1%"), (4999, 5000, ">99.9%"), (1, 30, "3.3%"), (1, 3, "33%")]
        {
            assert_eq!(percent(part, whole), text);
        }
    }
}
