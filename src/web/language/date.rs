//! Days, dates and lengths of time, as each language writes them. A time of day is the same in all: 24 hours.

use jiff::Zoned;
use jiff::civil::{Date, Weekday};

use crate::web::language::Language;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const SECOND: i64 = 1_000_000_000;

impl Language {
    /// A day in full: `Sunday, 22 November 2026`, `2026년 11월 22일 일요일`.
    pub(crate) fn day(self, time: &Zoned) -> String {
        match self {
            Language::English => time.strftime("%A, %-d %B %Y").to_string(),
            Language::Korean => {
                let day = time.date();
                format!("{}년 {}월 {}일 {}요일", day.year(), day.month(), day.day(), self.weekday(day))
            }
        }
    }

    /// A day in short, with its year where that is not the year of `today`: `22 Nov`, `11월 22일`.
    pub(crate) fn date(self, day: Date, today: Date) -> String {
        let month = MONTHS[usize::from(day.month().unsigned_abs()) - 1];
        match (self, day.year() == today.year()) {
            (Language::English, true) => format!("{} {month}", day.day()),
            (Language::English, false) => format!("{} {month} {}", day.day(), day.year()),
            (Language::Korean, true) => format!("{}월 {}일", day.month(), day.day()),
            (Language::Korean, false) => format!("{}년 {}월 {}일", day.year(), day.month(), day.day()),
        }
    }

    /// A day with its weekday and year, so that a wrong one is seen: `Sun 22 Nov 2026`, `2026년 11월 22일 (일)`.
    pub(crate) fn dated(self, day: Date) -> String {
        let month = MONTHS[usize::from(day.month().unsigned_abs()) - 1];
        match self {
            Language::English => format!("{} {} {month} {}", self.weekday(day), day.day(), day.year()),
            Language::Korean => {
                format!("{}년 {}월 {}일 ({})", day.year(), day.month(), day.day(), self.weekday(day))
            }
        }
    }

    /// A month for an axis, and at its turn the year: `Nov`, `11월`.
    pub(crate) fn month(self, day: Date) -> String {
        match (self, day.month()) {
            (Language::English, 1) => day.year().to_string(),
            (Language::Korean, 1) => format!("{}년", day.year()),
            (Language::English, month) => MONTHS[usize::from(month.unsigned_abs()) - 1].to_owned(),
            (Language::Korean, month) => format!("{month}월"),
        }
    }

    /// `Sun`, `일`
    fn weekday(self, day: Date) -> &'static str {
        let index = match day.weekday() {
            Weekday::Monday => 0,
            Weekday::Tuesday => 1,
            Weekday::Wednesday => 2,
            Weekday::Thursday => 3,
            Weekday::Friday => 4,
            Weekday::Saturday => 5,
            Weekday::Sunday => 6,
        };
        match self {
            Language::English => ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"][index],
            Language::Korean => ["월", "화", "수", "목", "금", "토", "일"][index],
        }
    }

    /// A length of time as people say it, in its two largest units: `1 h 30 min`, `1시간 30분`; `250 ms`.
    pub(crate) fn length(self, nanos: i64) -> String {
        const UNITS: [(i64, &str, &str); 5] = [
            (86_400 * SECOND, " d", "일"),
            (3_600 * SECOND, " h", "시간"),
            (60 * SECOND, " min", "분"),
            (SECOND, " s", "초"),
            (1_000_000, " ms", "ms"),
        ];
        let nanos = nanos.saturating_abs();
        let Some(largest) = UNITS.iter().position(|unit| nanos >= unit.0) else {
            return if nanos == 0 { format!("0{}", self.unit(UNITS[3])) } else { format!("{nanos} ns") };
        };
        let (size, unit) = (UNITS[largest].0, self.unit(UNITS[largest]));
        // below a second one unit says enough
        let next = UNITS.get(largest + 1).filter(|next| next.0 >= SECOND);
        let rest = next.map_or(0, |next| nanos % size / next.0);
        match next {
            Some(next) if rest > 0 => format!("{}{unit} {rest}{}", nanos / size, self.unit(*next)),
            _ => format!("{}{unit}", nanos / size),
        }
    }

    fn unit(self, (_, english, korean): (i64, &'static str, &'static str)) -> &'static str {
        match self {
            Language::English => english,
            Language::Korean => korean,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use crate::web::language::Language::{English, Korean};

    #[test]
    fn days_are_written_as_in_the_language() {
        let day = date(2026, 11, 22);
        let zoned = day.at(23, 46, 0, 0).in_tz("Asia/Seoul").unwrap();
        assert_eq!(English.day(&zoned), "Sunday, 22 November 2026");
        assert_eq!(Korean.day(&zoned), "2026년 11월 22일 일요일");
        assert_eq!((English.date(day, day).as_str(), Korean.date(day, day).as_str()), ("22 Nov", "11월 22일"));
        let other = date(2027, 1, 1);
        assert_eq!(English.date(day, other), "22 Nov 2026");
        assert_eq!(Korean.date(day, other), "2026년 11월 22일");
        assert_eq!((English.dated(day), Korean.dated(day)), ("Sun 22 Nov 2026".into(), "2026년 11월 22일 (일)".into()));
        assert_eq!((English.month(other), Korean.month(day)), ("2027".into(), "11월".into()));
    }

    #[test]
    fn lengths_are_said_in_two_units() {
        let second = 1_000_000_000;
        for (nanos, english, korean) in [
            (0, "0 s", "0초"),
            (250, "250 ns", "250 ns"),
            (1_250_000, "1 ms", "1ms"),
            (second * 3 / 2, "1 s", "1초"),
            (192 * second, "3 min 12 s", "3분 12초"),
            (5_400 * second, "1 h 30 min", "1시간 30분"),
            (86_400 * second, "1 d", "1일"),
            (-90_000 * second, "1 d 1 h", "1일 1시간"),
            (86_460 * second, "1 d", "1일"),
        ] {
            assert_eq!((English.length(nanos).as_str(), Korean.length(nanos).as_str()), (english, korean));
        }
    }
}
