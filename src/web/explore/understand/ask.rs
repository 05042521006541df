//! What is asked of the views of what lines have in common: order, what is compared with, how much is read. Pure.

use crate::web::explore::state::{Params, given};

/// The order of patterns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sort {
    #[default]
    Count,
    /// Those that were seen last for the first time.
    Newest,
    /// Those that are said more and more.
    Growing,
}

impl Sort {
    pub(crate) const ALL: [Sort; 3] = [Sort::Count, Sort::Newest, Sort::Growing];

    fn name(self) -> &'static str {
        match self {
            Sort::Count => "count",
            Sort::Newest => "newest",
            Sort::Growing => "growing",
        }
    }
}

/// What a range is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Than {
    /// What lies directly before it and is as long.
    #[default]
    Before,
    Yesterday,
    LastWeek,
}

impl Than {
    pub(crate) const ALL: [Than; 3] = [Than::Before, Than::Yesterday, Than::LastWeek];

    fn name(self) -> &'static str {
        match self {
            Than::Before => "before",
            Than::Yesterday => "yesterday",
            Than::LastWeek => "last-week",
        }
    }
}

/// What is asked of these views.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) sort: Sort,
    pub(crate) than: Than,
    /// Whether every line is read, however long that takes.
    pub(crate) whole: bool,
    /// Whether the seldom patterns are shown too.
    pub(crate) all: bool,
    /// Fields whose names hold this are shown; empty shows all.
    pub(crate) field: String,
}

impl Ask {
    /// Reads the parameters; what cannot be read is as by default.
    pub(crate) fn read(params: &Params) -> Ask {
        let (sort, than) = (given(&params.sort), given(&params.than));
        Ask {
            sort: Sort::ALL.into_iter().find(|known| Some(known.name()) == sort).unwrap_or_default(),
            than: Than::ALL.into_iter().find(|known| Some(known.name()) == than).unwrap_or_default(),
            whole: given(&params.whole) == Some("1"),
            all: given(&params.all) == Some("1"),
            field: given(&params.field).unwrap_or("").to_owned(),
        }
    }

    /// Names and values in the address; what is as by default is left out.
    pub(crate) fn pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = Vec::new();
        if self.sort != Sort::default() {
            pairs.push(("sort", self.sort.name().to_owned()));
        }
        if self.than != Than::default() {
            pairs.push(("than", self.than.name().to_owned()));
        }
        if self.whole {
            pairs.push(("whole", "1".to_owned()));
        }
        if self.all {
            pairs.push(("all", "1".to_owned()));
        }
        if !self.field.is_empty() {
            pairs.push(("field", self.field.clone()));
        }
        pairs
    }
}

#[cfg(test)]
mod tests {
    use crate::web::explore::state::Params;
    use crate::web::explore::understand::ask::{Ask, Sort, Than};

    #[test]
    fn what_is_asked_is_written_as_it_is_read() {
        let ask = Ask { sort: Sort::Growing, than: Than::LastWeek, whole: true, all: true, field: "took".to_owned() };
        let pairs: Vec<String> = ask.pairs().iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(pairs.join("&"), "sort=growing&than=last-week&whole=1&all=1&field=took");
        let given = |text: &str| Some(text.to_owned());
        let (sort, than) = (given("growing"), given("last-week"));
        let params =
            Params { sort, than, whole: given("1"), all: given("1"), field: given("took"), ..Params::default() };
        assert_eq!(Ask::read(&params), ask);
        assert_eq!(Ask::read(&Params { sort: given("else"), ..Params::default() }), Ask::default());
        assert_eq!(Ask::default().pairs(), []);
    }
}
