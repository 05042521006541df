//! The ranges of the home page: each ends now, is cut into bars, and is held against the range before it. Pure.

use crate::model::{TimeRange, Timestamp};
use crate::web::language::Language;

const MINUTE: i64 = 60_000_000_000;
/// Bars of a small picture: more cannot be told apart on a phone.
pub(crate) const BARS: usize = 24;

/// A length of time up to now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Span {
    Quarter,
    #[default]
    Hour,
    SixHours,
    Day,
    Week,
}

impl Span {
    pub(crate) const ALL: [Span; 5] = [Span::Quarter, Span::Hour, Span::SixHours, Span::Day, Span::Week];

    /// As addresses, forms and the database name it; behind `now-` it is a time of Explore.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Span::Quarter => "15m",
            Span::Hour => "1h",
            Span::SixHours => "6h",
            Span::Day => "24h",
            Span::Week => "7d",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Span> {
        Span::ALL.into_iter().find(|span| span.name() == name)
    }

    /// The range of a view of Explore that ends now, where it is one of these.
    pub(crate) fn of_view(from: &str, to: &str) -> Option<Span> {
        let length = from.strip_prefix("now-").filter(|_| to == "now")?;
        Span::parse(if length == "1d" { "24h" } else { length })
    }

    pub(crate) fn nanos(self) -> i64 {
        match self {
            Span::Quarter => 15 * MINUTE,
            Span::Hour => 60 * MINUTE,
            Span::SixHours => 360 * MINUTE,
            Span::Day => 1440 * MINUTE,
            Span::Week => 7 * 1440 * MINUTE,
        }
    }

    /// On a button: `6 h`.
    pub(crate) fn label(self, say: Language) -> String {
        match self {
            Span::Day => say.home_24_hours().to_owned(),
            other => say.length(other.nanos()),
        }
    }

    /// Up to `now`, in bars.
    pub(crate) fn grid(self, now: Timestamp) -> Grid {
        Grid { range: TimeRange::new(now.plus_nanos(-self.nanos()), now), step_ns: self.nanos() / BARS as i64 }
    }
}

/// A range and its bars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) range: TimeRange,
    pub(crate) step_ns: i64,
}

impl Grid {
    /// The start of the range before this one, which is as long.
    pub(crate) fn before(&self) -> Timestamp {
        self.range.start.plus_nanos(self.range.start.nanos() - self.range.end.nanos())
    }

    /// Which bar a moment lies in; negative in the range before.
    pub(crate) fn bar(&self, time: Timestamp) -> i64 {
        (time.nanos() - self.range.start.nanos()).div_euclid(self.step_ns)
    }
}

#[cfg(test)]
mod tests {
    use crate::model::Timestamp;
    use crate::web::home::span::{BARS, Span};

    #[test]
    fn ranges_are_cut_into_whole_bars_and_have_one_before() {
        let now = Timestamp::from_secs(1_795_358_760);
        for span in Span::ALL {
            assert_eq!(Span::parse(span.name()), Some(span));
            let grid = span.grid(now);
            assert_eq!(grid.step_ns * BARS as i64, span.nanos());
            assert_eq!((grid.bar(now.plus_nanos(-1)), grid.bar(grid.range.start)), (BARS as i64 - 1, 0));
            assert_eq!(grid.bar(grid.before()), -(BARS as i64));
        }
    }

    #[test]
    fn views_that_end_now_have_a_range_here() {
        assert_eq!(Span::of_view("now-6h", "now"), Some(Span::SixHours));
        assert_eq!(Span::of_view("now-1d", "now"), Some(Span::Day));
        assert_eq!(Span::of_view("now-2h", "now"), None);
        assert_eq!(Span::of_view("now-1h", "now-5m"), None);
    }
}
