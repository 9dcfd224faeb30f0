//! Decides which words of a service may be repeated.

/// The longest id, in bytes.
const MOST_BYTES: usize = 64;

/// Logged in place of a name that is not known.
const UNKNOWN: &str = "(unknown)";

/// Returns the name from the list of known names that the service used, or `(unknown)`. So we log only words
/// of our own, whatever the service quotes instead: a key, a prompt or somebody's profile.
pub fn known(told: &str, names: &[&'static str]) -> &'static str {
    names.iter().copied().find(|name| *name == told).unwrap_or(UNKNOWN)
}

/// Whether the text is an id as services make them, such as `HG7ML7M8z78YcAPEB`: letters, digits, `-` and
/// `_`, at most 64. Such an id has no other meaning in a URL or a key.
pub fn is_id(text: &str) -> bool {
    let is_of_an_id = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=MOST_BYTES).contains(&text.len()) && text.bytes().all(is_of_an_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_known_name_is_repeated() {
        let names = ["run-failed", "invalid-token"];
        for (told, shown) in [
            ("run-failed", "run-failed"),
            ("canary_of_a_token", "(unknown)"),
            ("run-failed ", "(unknown)"),
            ("", "(unknown)"),
        ] {
            assert_eq!(known(told, &names), shown, "{told}");
        }
    }

    #[test]
    fn an_id_means_nothing_else_in_a_url() {
        for (text, id) in [
            ("rate_limit_error", true),
            ("run-failed", true),
            ("HG7ML7M8z78YcAPEB", true),
            ("", false),
            ("token apify_api_x", false),
            ("../users/me", false),
            ("a?b", false),
            ("naïve", false),
        ] {
            assert_eq!(is_id(text), id, "{text}");
        }
        assert!(is_id(&"a".repeat(64)) && !is_id(&"a".repeat(65)));
    }
}
