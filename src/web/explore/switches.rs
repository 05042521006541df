//! The switches of how lines look, with the views that they lead to. Pure.

use crate::web::explore::columns::LINE_COLUMN;
use crate::web::explore::look::{Form, Look, Same};
use crate::web::explore::reading::{Clock, Size};
use crate::web::explore::span::Link;
use crate::web::explore::state::State;

/// Names that are offered as columns; others are typed.
pub(crate) const NAMES_MAX: usize = 24;

/// What the sheet of the look holds.
#[derive(Debug)]
pub(crate) struct Switches {
    pub(crate) wrap: Vec<Link>,
    pub(crate) form: Vec<Link>,
    pub(crate) same: Vec<Link>,
    /// Names to pick columns from, and whether each is one.
    pub(crate) columns: Vec<Column>,
    /// The same view without columns, where it has some.
    pub(crate) no_columns: Option<String>,
    /// Values and words of the preferences of this device, and whether each is set.
    pub(crate) sizes: Vec<Choice>,
    pub(crate) clocks: Vec<Choice>,
}

#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// What it is called, where its name does not say it.
    pub(crate) text: String,
    pub(crate) picked: bool,
}

#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) value: &'static str,
    pub(crate) text: &'static str,
    pub(crate) picked: bool,
}

impl Switches {
    /// For a view whose lines have fields of these names.
    pub(crate) fn of(state: &State, names: Vec<String>) -> Switches {
        let say = state.say;
        let look = &state.look;
        let link = |text: &str, changed: Look| Link {
            text: text.to_owned(),
            current: changed == *look,
            href: state.with_look(changed).url(),
        };
        let wrap = |(wrap, text)| link(text, Look { wrap, ..look.clone() });
        let form = |form: Form| {
            let text = match form {
                Form::Message => say.records_fields(),
                Form::Pretty => say.records_pretty(),
                Form::Raw => say.records_raw(),
            };
            link(text, Look { form, ..look.clone() })
        };
        let same = |same: Same| {
            let text = match same {
                Same::Never => say.same_never(),
                Same::Text => say.same_text(),
                Same::Numbers => say.same_numbers(),
                Same::Shape => say.same_shape(),
            };
            link(text, Look { same, ..look.clone() })
        };
        let size = |size: Size| Choice {
            value: size.name(),
            text: match size {
                Size::Small => say.size_small(),
                Size::Medium => say.size_medium(),
                Size::Large => say.size_large(),
            },
            picked: size == state.reading.size,
        };
        let clock = |clock: Clock| Choice {
            value: clock.name(),
            text: match clock {
                Clock::Day => say.clock_day(),
                Clock::Full => say.clock_full(),
                Clock::Ago => say.clock_ago(),
            },
            picked: clock == state.reading.clock,
        };
        Switches {
            wrap: [(true, say.wrap_on()), (false, say.wrap_off())].into_iter().map(wrap).collect(),
            form: Form::ALL.into_iter().map(form).collect(),
            same: Same::ALL.into_iter().map(same).collect(),
            columns: columns(state, names),
            no_columns: (!look.columns.is_empty()).then(|| state.with_look(look.with_columns([])).url()),
            sizes: Size::ALL.into_iter().map(size).collect(),
            clocks: Clock::ALL.into_iter().map(clock).collect(),
        }
    }
}

/// First the columns that are there, then the line itself, then what else there is.
fn columns(state: &State, names: Vec<String>) -> Vec<Column> {
    let picked = &state.look.columns;
    let is_new = |name: &String| !picked.contains(name) && name != LINE_COLUMN;
    let line = (!picked.iter().any(|name| name == LINE_COLUMN)).then(|| LINE_COLUMN.to_owned());
    let all = picked.iter().cloned().chain(line).chain(names.into_iter().filter(is_new));
    let column = |name: String| Column {
        text: if name == LINE_COLUMN { state.say.column_line().to_owned() } else { name.clone() },
        picked: picked.contains(&name),
        name,
    };
    all.map(column).collect()
}

#[cfg(test)]
mod tests {
    use crate::model::Timestamp;
    use crate::web::explore::state::{Params, State};
    use crate::web::explore::switches::Switches;
    use crate::web::language::Language;

    #[test]
    fn each_switch_leads_to_the_view_with_only_it_changed() {
        let params =
            Params { wrap: Some("off".to_owned()), columns: Some("status,line".to_owned()), ..Params::default() };
        let state = State::read(&params, None, Language::English, Timestamp::from_secs(0)).0;
        let switches = Switches::of(&state, vec!["app".to_owned(), "status".to_owned()]);
        let current = |links: &[crate::web::explore::span::Link]| {
            links.iter().filter(|link| link.current).map(|link| link.text.clone()).collect::<Vec<_>>()
        };
        assert_eq!(current(&switches.wrap), ["Scroll"]);
        assert_eq!(current(&switches.same), ["Show all"]);
        assert!(switches.wrap[0].href.ends_with("to=now&columns=status%2Cline"), "{}", switches.wrap[0].href);
        assert!(switches.form[2].href.contains("wrap=off&form=raw&columns="));
        let columns: Vec<(&str, bool)> =
            switches.columns.iter().map(|column| (column.name.as_str(), column.picked)).collect();
        assert_eq!(columns, [("status", true), ("line", true), ("app", false)]);
        assert!(!switches.no_columns.unwrap().contains("columns"));
    }
}
