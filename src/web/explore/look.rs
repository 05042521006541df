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

/// How lines are shown that are records, in JSON or logfmt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// What they say, and some of their fields.
    #[default]
    Message,
    /// JSON over many lines.
    Pretty,
    /// As they are stored.
    Raw,
}

impl Form {
    pub(crate) const ALL: [Form; 3] = [Form::Message, Form::Pretty, Form::Raw];

    /// As the address has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Form::Message => "message",
            Form::Pretty => "pretty",
            Form::Raw => "raw",
        }
    }

    fn parse(name: &str) -> Form {
        Form::ALL.into_iter().find(|form| form.name() == name).unwrap_or_default()
    }
}

/// The layout of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// Whether long lines go on below; otherwise each scrolls sideways by itself.
    pub(crate) wrap: bool,
    pub(crate) form: Form,
    pub(crate) same: Same,
    /// Fields or labels that are shown instead of the line, in order; none shows the line.
    pub(crate) columns: Vec<String>,
}

impl Default for Look {
    fn default() -> Look {
        Look { wrap: true, form: Form::Message, same: Same::Never, columns: Vec::new() }
    }
}

impl Look {
    /// Reads the parameters `wrap`, `form`, `same` and `columns`; what cannot be read is as by default.
    pub(crate) fn read(wrap: Option<&str>, form: Option<&str>, same: Option<&str>, columns: Option<&str>) -> Look {
        let look = Look {
            wrap: wrap != Some("off"),
            form: form.map_or(Form::Message, Form::parse),
            same: same.map_or(Same::Never, Same::parse),
            columns: Vec::new(),
        };
        look.with_columns(columns.unwrap_or("").split(','))
    }

    /// The same look with these columns; what cannot be a name is left out.
    pub(crate) fn with_columns<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Look {
        let mut columns: Vec<String> = Vec::new();
        for name in names.into_iter().map(str::trim).filter(|name| is_name(name)) {
            if columns.len() < COLUMNS_MAX && !columns.iter().any(|column| column == name) {
                columns.push(name.to_owned());
            }
        }
        Look { columns, ..self.clone() }
    }

    /// The same look with a column more; none where its name cannot be that of a column, or there are as many as may be.
    pub(crate) fn with_column(&self, name: &str) -> Option<Look> {
        let look = self.with_columns(self.columns.iter().map(String::as_str).chain([name]));
        (look.columns.len() > self.columns.len()).then_some(look)
    }

    /// The same look without a column.
    pub(crate) fn without_column(&self, name: &str) -> Look {
        self.with_columns(self.columns.iter().map(String::as_str).filter(|column| *column != name))
    }

    /// Names and values in the address; what is as by default is left out.
    pub(crate) fn pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = Vec::new();
        if !self.wrap {
            pairs.push(("wrap", "off".to_owned()));
        }
        if self.form != Form::Message {
            pairs.push(("form", self.form.name().to_owned()));
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
    use crate::web::explore::look::{Form, Look, Same};

    #[test]
    fn a_look_is_written_as_it_is_read() {
        let look = Look {
            wrap: false,
            form: Form::Raw,
            same: Same::Numbers,
            columns: vec!["status".to_owned(), "path".to_owned()],
        };
        assert_eq!(Look::read(Some("off"), Some("raw"), Some("numbers"), Some("status, path,,status,no-name")), look);
        let pairs = look.pairs();
        assert_eq!(
            pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&"),
            "wrap=off&form=raw&same=numbers&columns=status,path"
        );
        assert_eq!(Look::read(None, Some("x"), Some("else"), None), Look::default());
    }
}
