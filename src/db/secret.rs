//! Random secrets for machines and cookies: 256 bits that are handed out once, of which only the SHA-256 is kept.
//!
//! A plain hash is enough, unlike for passwords: there is nothing to guess in 256 random bits.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// A secret in the clear. Its `Debug` says nothing, so that it cannot slip into a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A new secret: `prefix` (so that people and scanners recognize it), then 43 letters, digits, `-` and `_`.
    pub(in crate::db) fn random(prefix: &str) -> Secret {
        let bytes: [u8; 32] = rand::random();
        Secret(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// A code to be read off a screen and typed: four groups of five, without letters that look alike (100 bits).
    pub(in crate::db) fn typeable() -> Secret {
        const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";
        let mut text = String::new();
        for (index, byte) in rand::random::<[u8; 20]>().into_iter().enumerate() {
            if index > 0 && index % 5 == 0 {
                text.push('-');
            }
            text.push(char::from(LETTERS[usize::from(byte % 32)]));
        }
        Secret(text)
    }

    /// The text, for the one moment when it is shown or sent.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

/// What is stored of a secret and looked up by.
pub(in crate::db) fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

#[cfg(test)]
mod tests {
    use crate::db::secret::*;

    #[test]
    fn secrets_differ_and_do_not_show_in_debug_output() {
        let secret = Secret::random("lc_");
        assert_ne!(secret, Secret::random("lc_"));
        assert_eq!(secret.reveal().len(), 3 + 43);
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        let code = Secret::typeable();
        assert_eq!(code.reveal().split('-').map(str::len).collect::<Vec<_>>(), [5, 5, 5, 5]);
    }
}
