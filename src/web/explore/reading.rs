//! How lines are read on this device: the size of their text, and how their times are told. Kept in cookies. Pure.

use http::HeaderMap;

use crate::web::cookie;

/// The size of the text of lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Size {
    Small,
    #[default]
    Medium,
    Large,
}

/// How the time of a line is told in its row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Clock {
    /// The time of day, to the millisecond.
    #[default]
    Day,
    /// Date and time, as exact as it is stored.
    Full,
    /// How long ago.
    Ago,
}

/// What a device prefers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) size: Size,
    pub(crate) clock: Clock,
}

impl Size {
    pub(crate) const ALL: [Size; 3] = [Size::Small, Size::Medium, Size::Large];

    /// As the cookie has it, and as the class of the list is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Size::Small => "small",
            Size::Medium => "medium",
            Size::Large => "large",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Size> {
        Size::ALL.into_iter().find(|size| size.name() == name)
    }
}

impl Clock {
    pub(crate) const ALL: [Clock; 3] = [Clock::Day, Clock::Full, Clock::Ago];

    /// As the cookie has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Clock::Day => "day",
            Clock::Full => "full",
            Clock::Ago => "ago",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Clock> {
        Clock::ALL.into_iter().find(|clock| clock.name() == name)
    }
}

impl Reading {
    /// What the browser's cookies say.
    pub(in crate::web) fn of(headers: &HeaderMap) -> Reading {
        let size = cookie::find(headers, cookie::TEXT_SIZE).as_deref().and_then(Size::parse).unwrap_or_default();
        let clock = cookie::find(headers, cookie::CLOCK).as_deref().and_then(Clock::parse).unwrap_or_default();
        Reading { size, clock }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use crate::web::explore::reading::{Clock, Reading, Size};

    #[test]
    fn the_device_says_how_it_reads() {
        let reading = |cookies: &'static str| {
            Reading::of(&HeaderMap::from_iter([(http::header::COOKIE, HeaderValue::from_static(cookies))]))
        };
        assert_eq!(reading("logcafe_text=large; logcafe_clock=ago"), Reading { size: Size::Large, clock: Clock::Ago });
        assert_eq!(reading("logcafe_text=huge"), Reading::default());
    }
}
