//! The time zone that times are shown in and read in.
//!
//! Promises: a zone that is named wrongly is told, with the name that was likely meant; it is never taken for another.

use jiff::tz::{self, TimeZone};

use crate::web::explore::calendar;

/// Letters that a mistyped name may differ in.
const TYPOS_MAX: usize = 2;
/// The name of no zone is longer.
const NAME_BYTES_MAX: usize = 64;

/// The zone of a view.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Zone {
    pub(crate) zone: TimeZone,
    /// As the zone database names it, or `UTC+09:00`.
    pub(crate) name: String,
    /// Whether the URL names it; otherwise it is the one that the browser is in.
    pub(crate) chosen: bool,
    /// The one that the browser is in, where it told.
    pub(crate) local: Option<String>,
}

/// A name that is no zone's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnknownZone {
    pub(crate) name: String,
    pub(crate) guess: Option<String>,
}

impl Zone {
    /// The zone named in the URL, else the browser's, else UTC.
    pub(crate) fn pick(named: Option<&str>, browser: Option<&str>) -> (Zone, Option<UnknownZone>) {
        let local = browser.and_then(find);
        let local_name = local.as_ref().map(|(_, name)| name.clone());
        let wanted = named.map(|name| find(name).ok_or(name));
        let (chosen, fault) = match wanted {
            Some(Ok(zone)) => (Some(zone), None),
            Some(Err(name)) => (None, Some(UnknownZone { name: name.to_owned(), guess: guess(name) })),
            None => (None, None),
        };
        let is_chosen = chosen.is_some();
        let (zone, name) = chosen.or(local).unwrap_or((TimeZone::UTC, "UTC".to_owned()));
        (Zone { zone, name, chosen: is_chosen, local: local_name }, fault)
    }

    /// The other of UTC and the browser's zone, to change between them; `None` where they are one.
    pub(crate) fn other(&self) -> Option<Zone> {
        let local = self.local.as_deref().filter(|name| *name != "UTC")?;
        let name = if self.name == "UTC" { local } else { "UTC" };
        let (zone, name) = find(name)?;
        Some(Zone { zone, chosen: name == "UTC", name, local: self.local.clone() })
    }
}

/// A zone and its name: `Asia/Seoul`, `seoul`, `kst`, `+09:00`.
fn find(text: &str) -> Option<(TimeZone, String)> {
    if let Ok(zone) = TimeZone::get(text) {
        let name = zone.iana_name().unwrap_or("UTC").to_owned();
        return Some((zone, name));
    }
    let word = text.trim().to_lowercase().replace(' ', "_");
    if let Some(zone) = calendar::zone(&word) {
        let offset = zone.to_fixed_offset().ok()?;
        let (sign, seconds) = (if offset.seconds() < 0 { '-' } else { '+' }, offset.seconds().abs());
        return Some((zone, format!("UTC{sign}{:02}:{:02}", seconds / 3600, seconds / 60 % 60)));
    }
    let name = names().find(|name| city(name).eq_ignore_ascii_case(&word))?;
    Some((TimeZone::get(&name).ok()?, name))
}

/// The zone whose name is nearest to a mistyped one.
fn guess(text: &str) -> Option<String> {
    if text.len() > NAME_BYTES_MAX {
        return None;
    }
    let word = text.trim().to_lowercase().replace(' ', "_");
    let far = |name: &str| typos(&word, &name.to_lowercase());
    let nearest = names().map(|name| (far(&name).min(far(city(&name)) + 1), name)).min()?;
    (nearest.0 <= TYPOS_MAX && word.len() > 3).then_some(nearest.1)
}

fn names() -> impl Iterator<Item = String> {
    let is_place = |name: &String| name.contains('/') && !name.starts_with("Etc/") && !name.starts_with("posix");
    tz::db().available().map(|name| name.as_str().to_owned()).filter(is_place)
}

fn city(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// Letters to put in, take out or change to come from one text to the other.
fn typos(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (index, wanted) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *wanted);
            diagonal = row[index + 1];
            row[index + 1] = changed.min(diagonal + 1).min(row[index] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use crate::web::explore::zone::Zone;

    fn picked(named: &str, browser: Option<&str>) -> (String, bool, Option<String>) {
        let (zone, fault) = Zone::pick(Some(named), browser);
        (zone.name, zone.chosen, fault.map(|fault| fault.guess.unwrap_or_default()))
    }

    #[test]
    fn a_zone_is_found_by_its_name_its_city_or_its_offset() {
        for (text, name) in [
            ("Asia/Seoul", "Asia/Seoul"),
            ("asia/seoul", "Asia/Seoul"),
            ("Seoul", "Asia/Seoul"),
            ("new york", "America/New_York"),
            ("utc", "UTC"),
            ("+09:00", "UTC+09:00"),
            ("UTC-3", "UTC-03:00"),
            ("kst", "UTC+09:00"),
        ] {
            assert_eq!(picked(text, None), (name.to_owned(), true, None), "{text}");
            assert_eq!(picked(name, None).0, name);
        }
    }

    #[test]
    fn a_misspelt_zone_is_told_with_what_was_meant() {
        let seoul = Some("Asia/Seoul");
        assert_eq!(picked("Asia/Soul", seoul), ("Asia/Seoul".to_owned(), false, Some("Asia/Seoul".to_owned())));
        assert_eq!(picked("Berlim", None), ("UTC".to_owned(), false, Some("Europe/Berlin".to_owned())));
        assert_eq!(picked("Mars/City", seoul), ("Asia/Seoul".to_owned(), false, Some(String::new())));
    }

    #[test]
    fn the_browsers_zone_and_utc_are_one_tap_apart() {
        let (local, _) = Zone::pick(None, Some("Asia/Seoul"));
        let utc = local.other().unwrap();
        assert_eq!((utc.name.as_str(), utc.chosen), ("UTC", true));
        assert_eq!(utc.other().unwrap(), local);
        assert_eq!(Zone::pick(None, None).0.other(), None);
        let (berlin, _) = Zone::pick(Some("Europe/Berlin"), Some("Asia/Seoul"));
        assert_eq!(berlin.other().unwrap().name, "UTC");
    }
}
