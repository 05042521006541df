//! How lines are laid out, and which view of them is shown: the parts of an address that change no result. Pure.

/// Columns at most: what a wide desk has room for.
const COLUMNS_MAX: usize = 12;

/// What of the lines is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Show {
    #[default]
    Lines,
    /// Which fields there are, how often, with their top values.
    Fields,
    /// What many lines say, how often and when.
    Patterns,
    /// What is new and what grew since the range before.
    Compare,
}

impl Show {
    pub(crate) const ALL: [Show; 4] = [Show::Lines, Show::Fields, Show::Patterns, Show::Compare];

    /// As the address has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Show::Lines => "lines",
            Show::Fields => "fields",
            Show::Patterns => "patterns",
            Show::Compare => "compare",
        }
    }

    pub(crate) fn parse(name: &str) -> Show {
        Show::ALL.into_iter().find(|show| show.name() == name).unwrap_or_default()
    }
}

/// Which lines count as the same, and are shown once with their count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Same {
    /// None: every line is shown.
    #[default]
    Never,
    /// Equal but for their timestamps.
    Text,
    /// Equal but for their numbers.
    Numbers,
    /// Equal in punctuation: the shape of the line.
    Shape,
}

impl Same {
    pub(crate) const ALL: [Same; 4] = [Same::Never, Same::Text, Same::Numbers, Same::Shape];

    /// As the address has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Same::Never => "never",
            Same::Text => "text",
            Same::Numbers => "numbers",
            Same::Shape => "shape",
        }
    }

    fn parse(name: &str) -> Same {
        Same::ALL.into_iter().find(|same| same.name() == name).unwrap_or_default()
    }
}

/// The layout of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// Whether long lines go on below; otherwise each scrolls sideways by itself.
    pub(crate) wrap: bool,
    pub(crate) same: Same,
    /// Fields or labels that are shown instead of the line, in order; none shows the line.
    pub(crate) columns: Vec<String>,
}

impl Default for Look {
    fn default() -> Look {
        Look { wrap: true, same: Same::Never, columns: Vec::new() }
    }
}

impl Look {
    /// Reads the parameters `wrap`, `same` and `columns`; what cannot be read is as by default.
    pub(crate) fn read(wrap: Option<&str>, same: Option<&str>, columns: Option<&str>) -> Look {
        let mut known = Vec::new();
        for name in columns.unwrap_or("").split(',').map(str::trim).filter(|name| is_name(name)) {
            if known.len() < COLUMNS_MAX && !known.iter().any(|column| column == name) {
                known.push(name.to_owned());
            }
        }
        Look { wrap: wrap != Some("off"), same: same.map_or(Same::Never, Same::parse), columns: known }
    }

    /// Names and values in the address; what is as by default is left out.
    pub(crate) fn pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = Vec::new();
        if !self.wrap {
            pairs.push(("wrap", "off".to_owned()));
        }
        if self.same != Same::Never {
            pairs.push(("same", self.same.name().to_owned()));
        }
        if !self.columns.is_empty() {
            pairs.push(("columns", self.columns.join(",")));
        }
        pairs
    }
}

/// Whether a text can be the name of a label or field.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use crate::web::explore::look::{Look, Same};

    #[test]
    fn a_look_is_written_as_it_is_read() {
        let look = Look { wrap: false, same: Same::Numbers, columns: vec!["status".to_owned(), "path".to_owned()] };
        assert_eq!(Look::read(Some("off"), Some("numbers"), Some("status, path,,status,no-name")), look);
        let pairs = look.pairs();
        assert_eq!(
            pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&"),
            "wrap=off&same=numbers&columns=status,path"
        );
        assert_eq!(Look::read(None, Some("else"), None), Look::default());
    }
}
