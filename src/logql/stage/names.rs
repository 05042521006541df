//! Label names made of the keys that a line holds.

/// Appends a key as a label name may be written: white space around it gone, whatever is not a letter of ASCII, a digit
/// or `_` replaced by `_`, and `_` in front of a digit that would come first. Whether anything was appended.
pub(crate) fn push_clean(out: &mut String, key: &str) -> bool {
    // mostly a key is a name as it is
    if key.bytes().all(is_fine) && key.starts_with(|c: char| !c.is_ascii_digit()) {
        out.push_str(key);
        return true;
    }
    let key = key.trim_matches(is_go_space);
    if key.is_empty() {
        return false;
    }
    if out.is_empty() && key.starts_with(|c: char| c.is_ascii_digit()) {
        out.push('_');
    }
    if key.bytes().all(is_fine) {
        out.push_str(key);
    } else {
        out.extend(key.chars().map(|c| if c.is_ascii() && is_fine(c as u8) { c } else { '_' }));
    }
    true
}

fn is_fine(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Go's `unicode.IsSpace`
fn is_go_space(c: char) -> bool {
    c.is_whitespace()
}

#[cfg(test)]
mod tests {
    use crate::logql::stage::names::push_clean;

    #[test]
    fn a_key_becomes_a_name() {
        let table =
            [("a", "a"), (" a b ", "a_b"), ("1h", "_1h"), ("키", "_"), ("a.b-c", "a_b_c"), ("  ", ""), ("é1", "_1")];
        for (key, name) in table {
            let mut out = String::new();
            push_clean(&mut out, key);
            assert_eq!(out, name, "{key}");
        }
    }
}
