//! What a body is, as its `Content-Type` says.

use crate::ingest::Error;

/// Which protocol a push speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Loki's `/loki/api/v1/push`; its JSON is `{"stream": {…}, "values": [[…]]}`.
    Current,
    /// Loki's `/api/prom/push`; its JSON is `{"labels": "{…}", "entries": [{…}]}`.
    Old,
    /// OpenTelemetry's logs.
    Otlp,
}

/// What the body is, once unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// In a raw snappy block.
    Protobuf,
    Json,
    OldJson,
    OtlpProtobuf,
    OtlpJson,
}

impl Format {
    /// As Loki does it: what is not JSON is protobuf, whatever it says it is.
    pub(crate) fn of(content_type: Option<&str>, shape: Shape) -> Result<Format, Error> {
        let header = content_type.unwrap_or("");
        let media = header.split(';').next().unwrap_or("").trim();
        let is_json = media.eq_ignore_ascii_case("application/json");
        if shape == Shape::Otlp {
            return match is_json {
                true => Ok(Format::OtlpJson),
                false if media.eq_ignore_ascii_case("application/x-protobuf") => Ok(Format::OtlpProtobuf),
                false => Err(Error::OtlpContentType(header.to_owned())),
            };
        }
        let (kind, subtype) = media.split_once('/').unwrap_or((media, "x"));
        match (kind, subtype) {
            ("", "x") => Err(Error::ContentType("no media type")),
            (kind, _) if !is_token(kind) => Err(Error::ContentType("expected slash in first token")),
            (_, subtype) if !is_token(subtype) => Err(Error::ContentType("expected token after slash")),
            _ if !is_json => Ok(Format::Protobuf),
            _ if shape == Shape::Old => Ok(Format::OldJson),
            _ => Ok(Format::Json),
        }
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use crate::ingest::format::{Format, Shape};

    fn check(header: Option<&str>, wanted: Result<Format, &str>) {
        let found = Format::of(header, Shape::Current).map_err(|error| error.to_string());
        assert_eq!(found, wanted.map_err(str::to_owned), "{header:?}");
    }

    #[test]
    fn what_is_not_json_is_protobuf_and_nothing_is_an_error() {
        check(Some("application/json"), Ok(Format::Json));
        check(Some("Application/JSON; charset=utf-8"), Ok(Format::Json));
        check(Some("application/x-protobuf"), Ok(Format::Protobuf));
        check(Some("text"), Ok(Format::Protobuf));
        check(None, Err("mime: no media type"));
        check(Some(" ; x=y"), Err("mime: no media type"));
        check(Some("a b/c"), Err("mime: expected slash in first token"));
        check(Some("a/"), Err("mime: expected token after slash"));
    }
}
