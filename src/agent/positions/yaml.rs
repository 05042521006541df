//! The positions file as Promtail writes and reads it: `positions:`, then a path and a number in quotes on each line.
//!
//! Promises: what is not a path of ours is kept as it was, so that a Promtail finds it again.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;

/// Name and value of each line.
pub(crate) type Texts = BTreeMap<String, String>;

#[derive(Default, Deserialize)]
struct Page {
    #[serde(default)]
    positions: Option<BTreeMap<String, Value>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    Number(u64),
    Text(String),
}

/// Reads the text of a positions file.
///
/// # Errors
///
/// It is no YAML, or has another shape; the text says where.
pub(crate) fn read(text: &str) -> Result<Texts, String> {
    if text.trim().is_empty() {
        return Ok(Texts::new());
    }
    let page: Page = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    let as_text = |value| match value {
        Value::Number(number) => number.to_string(),
        Value::Text(text) => text,
    };
    Ok(page.positions.unwrap_or_default().into_iter().map(|(name, value)| (name, as_text(value))).collect())
}

/// The text of a positions file.
pub(crate) fn write(texts: &Texts) -> String {
    if texts.is_empty() {
        return "positions: {}\n".to_owned();
    }
    let mut page = "positions:\n".to_owned();
    for (name, value) in texts {
        if is_plain(name) {
            page.push_str("  ");
            page.push_str(name);
        } else {
            let _ = write!(page, "  {}", quoted(name));
        }
        let _ = writeln!(page, ": {}", quoted(value));
    }
    page
}

/// Whether a name is read as text without quotes.
fn is_plain(name: &str) -> bool {
    let is_safe = |letter: char| letter.is_ascii_alphanumeric() || "/._-+@".contains(letter);
    name.starts_with('/') && name.chars().all(is_safe)
}

/// JSON's quotes are YAML's too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use crate::agent::positions::yaml::*;

    #[test]
    fn what_promtail_wrote_is_read_and_written_alike() {
        let text =
            "positions:\n  /var/log/a.log: \"123\"\n  \"cursor-x y\": \"s=1;i=2\"\n  \"journal-main\": \"s=a:b #c\"\n";
        let texts = read(text).unwrap();
        assert_eq!(texts["/var/log/a.log"], "123");
        assert_eq!(write(&texts), text);
        assert_eq!(read(&write(&texts)).unwrap(), texts);
    }

    #[test]
    fn names_of_any_kind_come_back() {
        let names =
            ["/a b: c", "/tab\t", "/한국어.log", "/quote\"'", "null", "- x", "/# no comment", "/x{y}", "1", "/\u{1}"];
        let texts: Texts = names.iter().map(|name| ((*name).to_owned(), "7".to_owned())).collect();
        assert_eq!(read(&write(&texts)).unwrap(), texts);
        assert_eq!(read(&write(&Texts::new())).unwrap(), Texts::new());
    }

    #[test]
    fn other_forms_of_the_same_are_read_and_others_refused() {
        for text in ["", "positions:\n", "positions: {}\n", "---\npositions: {}\n"] {
            assert!(read(text).unwrap().is_empty(), "{text:?}");
        }
        assert_eq!(read("positions:\n  /a: 12\n  '/b': '13'\n").unwrap()["/a"], "12");
        for text in ["positions:\n  /a: [1]\n", "positions: 3\n", "\0\0\0", "positions:\n  /a: \"12"] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }
}
