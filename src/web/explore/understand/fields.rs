//! The panel of fields: which there are, in how many lines, with which values and numbers. Pure but for `find`.

use crate::logql::ast::{Comparison, LabelFilter, LogExpr, Stage};
use crate::model::TimeRange;
use crate::query::{
    Engine, Error, FieldKind, FieldOrigin, FieldProfile, NumberBar, Numbers, Profile, ProfileQuery, Ticket,
};
use crate::web::explore::builder::{self, Origin, Parser, Want};
use crate::web::explore::moment::short_duration;
use crate::web::explore::state::State;
use crate::web::explore::text::{self, Piece};
use crate::web::explore::understand::ask::Ask;
use crate::web::explore::understand::{BAR_WIDTH, Read, View, bar, lines_of, number, percent, read_of, reading_time};

/// Values that are shown of a field among others, and of one that was looked for alone.
const VALUES_SHOWN: usize = 5;
const VALUES_OF_ONE: usize = 100;
/// Fields that are shown at once; a search finds the others.
const FIELDS_SHOWN: usize = 80;
/// Characters of a value that are shown.
const VALUE_BYTES_MAX: usize = 160;
/// The height of a histogram, in its own coordinates.
pub(crate) const BARS_HEIGHT: u32 = 48;

/// What the panel shows.
#[derive(Debug)]
pub(crate) struct FieldsView {
    pub(crate) read: Read,
    pub(crate) groups: Vec<Group>,
    /// Fields that are not shown.
    pub(crate) hidden: Option<String>,
    /// What the address holds beside the text that names are searched for.
    pub(crate) form: Vec<(&'static str, String)>,
    pub(crate) searched: String,
    pub(crate) all: String,
}

/// Fields of one origin.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) title: &'static str,
    pub(crate) fields: Vec<FieldView>,
}

#[derive(Debug)]
pub(crate) struct FieldView {
    pub(crate) name: String,
    /// Of the lines that were read.
    pub(crate) share: String,
    pub(crate) bar: String,
    pub(crate) values_text: String,
    pub(crate) open: bool,
    pub(crate) values: Vec<ValueView>,
    /// The view of this field alone, where more values are known than are shown.
    pub(crate) more: Option<String>,
    /// None where there are as many columns as may be.
    pub(crate) column: Option<String>,
    pub(crate) is_column: bool,
    pub(crate) numbers: Option<NumbersView>,
}

#[derive(Debug)]
pub(crate) struct ValueView {
    pub(crate) text: Vec<Piece>,
    pub(crate) is_empty: bool,
    pub(crate) count: String,
    pub(crate) share: String,
    pub(crate) bar: String,
    pub(crate) with: String,
    pub(crate) without: String,
}

#[derive(Debug)]
pub(crate) struct NumbersView {
    /// Least, middle, p95 and greatest.
    pub(crate) facts: [(&'static str, String); 4],
    pub(crate) bars: Vec<NumberBarView>,
}

#[derive(Debug)]
pub(crate) struct NumberBarView {
    pub(crate) x: String,
    pub(crate) width: String,
    pub(crate) height: String,
    pub(crate) y: String,
    pub(crate) href: String,
    /// `100 – 200: 1,234`
    pub(crate) title: String,
    /// Its lower edge, below the bars.
    pub(crate) from: String,
}

pub(crate) fn find(
    engine: &Engine,
    state: &State,
    expr: &LogExpr,
    range: TimeRange,
    ticket: &Ticket,
) -> Result<View, Error> {
    let query =
        ProfileQuery { log: expr.clone(), range, time_max: reading_time(&state.ask), values_max: VALUES_OF_ONE };
    let profile = engine.profile(&query, ticket)?;
    if profile.line_count == 0 && profile.coverage.is_whole() {
        return Ok(View::Nothing);
    }
    Ok(View::Fields(view(state, expr, profile)))
}

/// The panel of a profile.
fn view(state: &State, expr: &LogExpr, profile: Profile) -> FieldsView {
    let read = read_of(state, profile.line_count, profile.coverage);
    let wanted = state.ask.field.to_lowercase();
    let mut fields: Vec<FieldProfile> =
        profile.fields.into_iter().filter(|field| field.name.to_lowercase().contains(&wanted)).collect();
    // who asks for a name that is one wants that field, not those that hold its name
    if fields.iter().any(|field| field.name == state.ask.field) {
        fields.retain(|field| field.name == state.ask.field);
    }
    let hidden = fields.len().saturating_sub(FIELDS_SHOWN) as u64;
    fields.truncate(FIELDS_SHOWN);
    let is_alone = fields.len() == 1;
    let mut groups: Vec<Group> = Vec::new();
    for field in fields {
        let title = title(state, field.origin);
        let shown = field_view(state, expr, &field, profile.line_count, is_alone);
        match groups.iter_mut().find(|group| group.title == title) {
            Some(group) => group.fields.push(shown),
            None => groups.push(Group { title, fields: vec![shown] }),
        }
    }
    let hidden = match (hidden, profile.is_cut) {
        (0, false) => None,
        (0, true) => Some(state.say.fields_beyond().to_owned()),
        (count, _) => Some(state.say.fields_hidden(count)),
    };
    let without = State { ask: Ask { field: String::new(), ..state.ask.clone() }, ..state.clone() };
    FieldsView {
        read,
        groups,
        hidden,
        form: without.first_page(),
        searched: state.ask.field.clone(),
        all: without.url(),
    }
}

fn title(state: &State, origin: FieldOrigin) -> &'static str {
    match origin {
        FieldOrigin::Label => state.say.origin_labels(),
        FieldOrigin::Structured => state.say.origin_metadata(),
        FieldOrigin::Json => state.say.origin_json(),
        FieldOrigin::Logfmt => state.say.origin_logfmt(),
        FieldOrigin::Query => state.say.origin_query(),
    }
}

/// How a query asks for a field.
pub(super) fn origin_of(origin: FieldOrigin) -> Origin {
    match origin {
        FieldOrigin::Label => Origin::Stream,
        FieldOrigin::Structured => Origin::Structured,
        FieldOrigin::Json => Origin::Parsed(Some(Parser::Json)),
        FieldOrigin::Logfmt => Origin::Parsed(Some(Parser::Logfmt)),
        FieldOrigin::Query => Origin::Parsed(None),
    }
}

fn field_view(state: &State, expr: &LogExpr, field: &FieldProfile, lines: u64, is_alone: bool) -> FieldView {
    let share = part(field.line_count, lines);
    let shown = if is_alone { VALUES_OF_ONE } else { VALUES_SHOWN };
    let value = |(value, count): &(String, u64)| {
        let href = |want| {
            let edited = builder::with_value(expr, origin_of(field.origin), &field.name, value, want);
            state.with_query(builder::text(&edited)).url()
        };
        let share = part(*count, field.line_count);
        ValueView {
            text: text::revealed(text::head(value, VALUE_BYTES_MAX)),
            is_empty: value.is_empty(),
            count: number(*count),
            share: percent(share),
            bar: bar(share),
            with: href(Want::With),
            without: href(Want::Without),
        }
    };
    let only = State { ask: Ask { field: field.name.clone(), ..state.ask.clone() }, ..state.clone() };
    let is_column = state.look.columns.contains(&field.name);
    let look = match is_column {
        true => Some(state.look.without_column(&field.name)),
        false => state.look.with_column(&field.name),
    };
    let column = look.map(|look| State { look, ..lines_of(state, expr) }.url());
    let distinct = number(field.value_count);
    FieldView {
        name: field.name.clone(),
        share: percent(share),
        bar: bar(share),
        values_text: match field.is_estimated {
            true => state.say.values_about(&distinct),
            false => state.say.values_exactly(field.value_count, &distinct),
        },
        open: is_alone,
        values: field.top.iter().take(shown).map(value).collect(),
        more: (field.top.len() > shown && !is_alone).then(|| only.url()),
        column,
        is_column,
        numbers: field.numbers.as_ref().and_then(|numbers| numbers_view(state, expr, field, numbers)),
    }
}

/// The numbers of a field that has several.
fn numbers_view(state: &State, expr: &LogExpr, field: &FieldProfile, numbers: &Numbers) -> Option<NumbersView> {
    if numbers.bars.is_empty() {
        return None;
    }
    let say = state.say;
    let text = |number: f64| number_text(number, numbers.kind);
    let most = numbers.bars.iter().map(|bar| bar.count).max().unwrap_or(1).max(1) as f64;
    let width = f64::from(BAR_WIDTH) / numbers.bars.len() as f64;
    let view = |(index, known): (usize, &NumberBar)| {
        let height = known.count as f64 / most * f64::from(BARS_HEIGHT);
        let height = if known.count > 0 { height.max(1.5) } else { 0.0 };
        let edited = within(expr, field, numbers.kind, known);
        let count = number(known.count);
        NumberBarView {
            x: format!("{:.2}", width * index as f64),
            width: format!("{:.2}", width * 0.9),
            height: format!("{height:.1}"),
            y: format!("{:.1}", f64::from(BARS_HEIGHT) - height),
            href: state.with_query(builder::text(&edited)).url(),
            title: match known.to {
                Some(to) => format!("{} – {}: {count}", text(known.from), text(to)),
                None => format!("≥ {}: {count}", text(known.from)),
            },
            from: text(known.from),
        }
    };
    Some(NumbersView {
        facts: [
            (say.number_least(), text(numbers.min)),
            (say.number_middle(), text(numbers.median)),
            (say.number_p95(), text(numbers.p95)),
            (say.number_most(), text(numbers.max)),
        ],
        bars: numbers.bars.iter().enumerate().map(view).collect(),
    })
}

/// The query for lines whose number lies in a bar, instead of in any other range.
fn within(expr: &LogExpr, field: &FieldProfile, kind: FieldKind, bar: &NumberBar) -> LogExpr {
    let compares = |stage: &Stage| match stage {
        Stage::Label(LabelFilter::Number { name, .. } | LabelFilter::Duration { name, .. }) => *name == field.name,
        _ => false,
    };
    let mut edited = expr.clone();
    edited.stages.retain(|stage| !compares(stage));
    if let Origin::Parsed(Some(parser)) = origin_of(field.origin) {
        edited.stages.push(parser.stage());
    }
    let filter = |op, edge: f64| {
        let name = field.name.clone();
        Stage::Label(match kind {
            FieldKind::Duration => LabelFilter::Duration { name, op, value: edge as i64 },
            _ => LabelFilter::Number { name, op, value: edge },
        })
    };
    edited.stages.push(filter(Comparison::GreaterOrEqual, bar.from));
    edited.stages.extend(bar.to.map(|to| filter(Comparison::Less, to)));
    edited
}

/// A number in few digits.
fn number_text(number: f64, kind: FieldKind) -> String {
    if kind == FieldKind::Duration {
        let nanos = number as i64;
        // three digits say it; the smallest units of a long time do not
        let unit = 10_i64.pow(nanos.unsigned_abs().max(1).ilog10().saturating_sub(2));
        let rounded = (nanos + nanos.signum() * unit / 2) / unit * unit;
        return match rounded {
            0 => "0s".to_owned(),
            ..0 => format!("-{}", short_duration(-rounded)),
            _ => short_duration(rounded),
        };
    }
    let size = number.abs();
    if size != 0.0 && !(1e-4..1e15).contains(&size) {
        return format!("{number:.2e}");
    }
    if size >= 1000.0 || number.fract() == 0.0 {
        let whole = format!("{number:.0}");
        return crate::web::explore::chart::grouped(&whole);
    }
    let decimals = (2 - size.log10().floor() as i32).clamp(0, 6) as usize;
    format!("{number:.decimals$}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn part(count: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { count as f64 / of as f64 }
}

#[cfg(test)]
mod tests {
    use crate::model::Timestamp;
    use crate::query::{Coverage, FieldKind, FieldOrigin, FieldProfile, NumberBar, Profile, Stats};
    use crate::web::explore::builder;
    use crate::web::explore::state::{Params, State};
    use crate::web::explore::understand::fields::{FieldsView, number_text, view, within};
    use crate::web::explore::view::Asked;
    use crate::web::language::Language;

    fn field(name: &str, origin: FieldOrigin) -> FieldProfile {
        FieldProfile {
            name: name.to_owned(),
            origin,
            line_count: 50,
            value_count: 7,
            is_estimated: false,
            top: (0..7).map(|n| (format!("v{n}"), 10 - n)).collect(),
            numbers: None,
        }
    }

    fn panel(query: &str, asked_field: &str) -> FieldsView {
        panel_beside(query, asked_field, "")
    }

    fn panel_beside(query: &str, asked_field: &str, columns: &str) -> FieldsView {
        let params = Params {
            query: Some(query.to_owned()),
            columns: Some(columns.to_owned()),
            field: Some(asked_field.to_owned()),
            show: Some("fields".to_owned()),
            ..Params::default()
        };
        let state = State::read(&params, None, Language::English, Timestamp::from_secs(0)).0;
        let asked = Asked::read(query);
        let profile = Profile {
            fields: vec![
                field("app", FieldOrigin::Label),
                field("took_ms", FieldOrigin::Json),
                field("took_ms_total", FieldOrigin::Json),
            ],
            line_count: 100,
            coverage: Coverage { read: 100, all: 400 },
            is_cut: false,
            stats: Stats::default(),
            warnings: Vec::new(),
        };
        view(&state, asked.lines().expect("a log query"), profile)
    }

    #[test]
    fn values_lead_to_lines_with_them_and_a_name_to_its_field() {
        let all = panel("{}", "");
        assert_eq!(all.groups.iter().map(|group| group.fields.len()).collect::<Vec<_>>(), [1, 2]);
        let took = &all.groups[1].fields[0];
        assert_eq!((took.share.as_str(), took.values.len(), took.open), ("50 %", 5, false));
        assert!(took.values[0].with.contains("%7C+json+%7C+took_ms%3D%22v0%22&"), "{}", took.values[0].with);
        assert!(took.values[0].with.contains("show=fields"));
        assert!(took.more.as_deref().is_some_and(|href| href.contains("field=took_ms")));
        let column = took.column.as_deref().expect("room for a column");
        assert!(column.contains("columns=took_ms") && !column.contains("show="));
        assert_eq!(all.read.text, "Counted in 100 lines, 25 % of those in the range, spread evenly over it.");
        assert!(all.read.whole.is_some_and(|href| href.contains("whole=1")));
    }

    #[test]
    fn no_column_is_offered_beyond_as_many_as_may_be() {
        let columns: Vec<String> = (1..12).map(|n| format!("c{n}")).chain(["app".to_owned()]).collect();
        let panel = panel_beside("{}", "", &columns.join(","));
        let fields: Vec<_> = panel.groups.iter().flat_map(|group| &group.fields).collect();
        let app = fields[0];
        let without = app.column.as_deref().expect("a column can always be taken away");
        assert!(app.is_column && without.contains("c11") && !without.contains("app"), "{without}");
        assert!(fields[1..].iter().all(|field| !field.is_column && field.column.is_none()));
    }

    #[test]
    fn fields_are_searched_by_name() {
        let names = |asked| {
            let panel = panel("{}", asked);
            let fields = panel.groups.into_iter().flat_map(|group| group.fields);
            fields.map(|field| format!("{} {}", field.name, field.values.len())).collect::<Vec<_>>()
        };
        assert_eq!(names("TOOK"), ["took_ms 5", "took_ms_total 5"]);
        assert_eq!(names("took_ms"), ["took_ms 7"]);
        assert!(names("else").is_empty());
    }

    #[test]
    fn a_bar_is_a_range_of_the_query() {
        let check = |query: &str, origin, kind, bar: &NumberBar, expected: &str| {
            let asked = Asked::read(query);
            let edited = within(asked.lines().expect("a log query"), &field("took", origin), kind, bar);
            assert_eq!(builder::text(&edited), expected);
        };
        let bar = NumberBar { from: 100.0, to: Some(200.0), count: 1 };
        let range = r#"{app="x"} | json | took>=100 | took<200"#;
        check(r#"{app="x"}"#, FieldOrigin::Json, FieldKind::Int, &bar, range);
        let nearer = NumberBar { from: 120.0, to: None, count: 1 };
        check(range, FieldOrigin::Query, FieldKind::Int, &nearer, r#"{app="x"} | json | took>=120"#);
        let duration = NumberBar { from: 2e9, to: None, count: 1 };
        check("{}", FieldOrigin::Structured, FieldKind::Duration, &duration, "{} | took>=2s");
    }

    #[test]
    fn numbers_are_said_in_few_digits() {
        let told = [0.0, 7.0, 1234567.0, 0.123456, 12.5, 1e20].map(|number| number_text(number, FieldKind::Float));
        assert_eq!(told, ["0", "7", "1,234,567", "0.123", "12.5", "1.00e20"]);
        assert_eq!(number_text(1_234_567_890.0, FieldKind::Duration), "1s230ms");
        assert_eq!(number_text(0.0, FieldKind::Duration), "0s");
    }
}
