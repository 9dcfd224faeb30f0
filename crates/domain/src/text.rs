//! Cleans text that strangers wrote.

use unicode_segmentation::GraphemeCursor;

/// Text of one line, without control characters and cut to `most_chars`. Line breaks and tabs become spaces.
///
/// Characters are removed that are invisible and do harm elsewhere. These are U+0000, which Postgres cannot
/// store; other control characters; and the marks that reverse the order of the text around them (U+202A to
/// U+202E, U+2066 to U+2069). A character is a Unicode scalar value here. Several that are read as one, such
/// as some emoji, are kept whole or not at all.
pub fn clean_line(text: &str, most_chars: usize) -> String {
    clean(text, most_chars, ' ')
}

/// Text of several lines: like [`clean_line`], with line breaks of any kind as `\n`.
pub fn clean_lines(text: &str, most_chars: usize) -> String {
    clean(text, most_chars, '\n')
}

fn clean(text: &str, most_chars: usize, line_break: char) -> String {
    let mut after_return = false;
    let kept = text.chars().filter_map(|c| {
        let is_second_half = std::mem::replace(&mut after_return, c == '\r') && c == '\n';
        match c {
            _ if is_second_half => None,
            '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some(line_break),
            '\t' => Some(' '),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => None,
            c if c.is_control() => None,
            c => Some(c),
        }
    });
    // One more than is kept, since it shows where the last kept character ends.
    let mut cleaned: String = kept.take(most_chars.saturating_add(1)).collect();
    if let Some((end, _)) = cleaned.char_indices().nth(most_chars) {
        cleaned.truncate(start_of_last(&cleaned, end));
    }
    cleaned
}

/// Where to cut, at `end` or before it, so that nothing that is read as one character is cut in two. When the
/// whole text is one such character, such as a letter with hundreds of accents, it is cut at `end`.
fn start_of_last(text: &str, end: usize) -> usize {
    let mut cursor = GraphemeCursor::new(end, text.len(), true);
    match cursor.is_boundary(text, 0) {
        Ok(false) => cursor.prev_boundary(text, 0).ok().flatten().filter(|start| *start > 0).unwrap_or(end),
        _ => end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_sees_is_gone_and_line_breaks_are_of_one_kind() {
        let text = "a\0b\u{7}\u{1b}[31m\u{9f}\r\nc\rd\n\u{2028}e\tf\u{202e}g\u{2066}h\u{2069}";
        assert_eq!(clean_lines(text, 100), "ab[31m\nc\nd\n\ne fgh");
        assert_eq!(clean_line(text, 100), "ab[31m c d  e fgh");
        let kept = "שלום\u{200f} 👩\u{200d}🚀 naïve \u{fffd}";
        assert_eq!(clean_line(kept, 100), kept);
    }

    #[test]
    fn text_is_cut_between_what_is_read_as_one_character() {
        let family = "👨\u{200d}👩\u{200d}👧";
        for (text, most, wanted) in [
            ("añb".to_owned(), 2, "añ".to_owned()),
            ("ab".to_owned(), 2, "ab".to_owned()),
            (format!("a{family}b"), 5, "a".to_owned()),
            (format!("a{family}b"), 6, format!("a{family}")),
            ("ne\u{301}".to_owned(), 2, "n".to_owned()),
            (format!("e{}", "\u{301}".repeat(9)), 4, format!("e{}", "\u{301}".repeat(3))),
            ("a\0\0b".to_owned(), 2, "ab".to_owned()),
            ("a".to_owned(), 0, String::new()),
        ] {
            assert_eq!(clean_line(&text, most), wanted, "{text:?} {most}");
        }
    }
}
