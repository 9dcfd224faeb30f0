//! What may be repeated of what a service says.

/// The longest of either kind, in bytes.
const MOST_BYTES: usize = 64;

/// Whether it is a word of the service's own, such as `rate_limit_error` or `run-failed`: lower-case letters, digits, `-`
/// and `_`, at most 64. Anything else in its place may quote a key, a prompt or somebody's profile, and stays out of logs.
pub fn is_identifier(text: &str) -> bool {
    is_of(text, |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'))
}

/// Whether it is an id as services make them, `HG7ML7M8z78YcAPEB`: letters, digits, `-` and `_`, at most 64. So it means
/// nothing else in a URL or a key.
pub fn is_id(text: &str) -> bool {
    is_of(text, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn is_of(text: &str, alphabet: fn(u8) -> bool) -> bool {
    (1..=MOST_BYTES).contains(&text.len()) && text.bytes().all(alphabet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_ids_are_told_from_what_may_quote_something() {
        for (text, word, id) in [
            ("rate_limit_error", true, true),
            ("run-failed", true, true),
            ("HG7ML7M8z78YcAPEB", false, true),
            ("", false, false),
            ("token apify_api_x", false, false),
            ("../users/me", false, false),
            ("a?b", false, false),
            ("naïve", false, false),
        ] {
            assert_eq!((is_identifier(text), is_id(text)), (word, id), "{text}");
        }
        assert!(is_identifier(&"a".repeat(64)) && !is_identifier(&"a".repeat(65)));
    }
}
