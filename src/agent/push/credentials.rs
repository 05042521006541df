//! What a server is shown so that it takes our lines.
//!
//! Promises: a secret that lies in a file is read when it is needed, so that a new one needs no restart; no secret is
//! printed.

use std::fmt;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

/// A secret, or the file that it lies in.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Secret {
    Text(String),
    File(PathBuf),
}

/// How we say who we are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Credentials {
    #[default]
    None,
    Basic {
        username: Secret,
        password: Secret,
    },
    Token {
        kind: String,
        token: Secret,
    },
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Secret::Text(_) => out.write_str("(a secret)"),
            Secret::File(path) => write!(out, "{}", path.display()),
        }
    }
}

impl Secret {
    fn read(&self) -> Result<String, String> {
        match self {
            Secret::Text(text) => Ok(text.clone()),
            Secret::File(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| format!("cannot read the secret in {}: {error}", path.display()))?;
                Ok(text.trim().to_owned())
            }
        }
    }
}

impl Credentials {
    /// The header that says it.
    ///
    /// # Errors
    ///
    /// In words: the file cannot be read, or its content cannot be a header.
    pub(crate) fn header(&self) -> Result<Option<HeaderValue>, String> {
        let text = match self {
            Credentials::None => return Ok(None),
            Credentials::Basic { username, password } => {
                format!("Basic {}", STANDARD.encode(format!("{}:{}", username.read()?, password.read()?)))
            }
            Credentials::Token { kind, token } => format!("{kind} {}", token.read()?),
        };
        let mut header = HeaderValue::from_str(&text).map_err(|_| "the secret has characters that no header takes")?;
        header.set_sensitive(true);
        Ok(Some(header))
    }
}

#[cfg(test)]
mod tests {
    use crate::agent::push::credentials::*;

    #[test]
    fn a_secret_in_a_file_is_read_when_it_is_needed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let credentials = Credentials::Token { kind: "Bearer".to_owned(), token: Secret::File(path.clone()) };
        assert!(credentials.header().unwrap_err().contains("cannot read the secret in"));
        for token in ["lc_one", "lc_two"] {
            std::fs::write(&path, format!("{token}\n")).unwrap();
            assert_eq!(credentials.header().unwrap().unwrap(), format!("Bearer {token}"));
        }
        let basic =
            Credentials::Basic { username: Secret::Text("ann".to_owned()), password: Secret::Text("pass".to_owned()) };
        assert_eq!(basic.header().unwrap().unwrap(), "Basic YW5uOnBhc3M=");
        assert!(!format!("{basic:?}").contains("pass\""));
    }
}
