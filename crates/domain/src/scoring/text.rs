//! Finds a theme or a place in what people write.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};
use unicode_segmentation::UnicodeSegmentation;

/// The words of a text in order, lower-case, without accents or decoration (`𝓕𝓲𝓽` becomes `fit`).
///
/// Word boundaries are Unicode's (UAX #29), which also finds some in scripts without spaces. An underscore is
/// a boundary too, since hashtags use it as a space.
pub(super) fn words(text: &str) -> Vec<String> {
    fold(text).split('_').flat_map(UnicodeSegmentation::unicode_words).map(str::to_owned).collect()
}

/// The words of a hashtag, where capitals stand for spaces: `HealthyFood` becomes `healthy food`.
pub(super) fn hashtag_words(tag: &str) -> Vec<String> {
    let mut spaced = String::with_capacity(tag.len() + 4);
    let mut after_lower = false;
    for c in tag.chars() {
        if after_lower && c.is_uppercase() {
            spaced.push('_');
        }
        after_lower = c.is_lowercase();
        spaced.push(c);
    }
    words(&spaced)
}

/// A hashtag in one spelling: its words without spaces.
pub(super) fn normalised_hashtag(tag: &str) -> String {
    words(tag).concat()
}

/// Whether the phrase's words stand next to each other in the text, in order, each in the singular or the
/// plural.
pub(super) fn contains(text: &[String], phrase: &[String]) -> bool {
    !phrase.is_empty()
        && text.windows(phrase.len()).any(|part| part.iter().zip(phrase).all(|(a, b)| same_word(a, b)))
}

/// Whether the two are the same word, or one is the English plural of the other.
pub(super) fn same_word(a: &str, b: &str) -> bool {
    a == b || is_plural_of(a, b) || is_plural_of(b, a)
}

fn is_plural_of(plural: &str, singular: &str) -> bool {
    // Shorter words are not nouns: "as" is not the plural of "a".
    if singular.chars().count() < 3 {
        return false;
    }
    if let Some(stem) = singular.strip_suffix('y')
        && plural.strip_prefix(stem) == Some("ies")
    {
        return true;
    }
    match plural.strip_prefix(singular) {
        Some("s") => true,
        Some("es") => ["s", "x", "z", "ch", "sh", "o"].iter().any(|end| singular.ends_with(end)),
        _ => false,
    }
}

fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase) {
        // Letters that Unicode does not split into letter and accent.
        match c {
            'ß' => folded.push_str("ss"),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            'ø' => folded.push('o'),
            'ł' => folded.push('l'),
            'đ' => folded.push('d'),
            'ı' => folded.push('i'),
            // Both characters are typed for an apostrophe, and themes are written without it: "women's"
            // becomes "womens".
            '\'' | '’' => {}
            c => folded.push(c),
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, phrase: &str) -> bool {
        contains(&words(text), &words(phrase))
    }

    #[test]
    fn case_accents_and_decoration_do_not_matter() {
        for (text, phrase) in [
            ("Café & CRÊPERIE", "creperie"),
            ("𝓕𝓲𝓽𝓷𝓮𝓼𝓼 coach", "fitness"),
            ("Łódź", "lodz"),
            ("Straße", "strasse"),
            ("Tromsø", "tromso"),
            ("Œuvre, æon, đak, ışık", "oeuvre aeon dak isik"),
        ] {
            assert!(found(text, phrase), "{phrase} in {text}");
        }
    }

    #[test]
    fn words_match_whole_and_in_order() {
        assert!(found("we love healthy food!", "Healthy Food"));
        assert!(!found("food that is healthy", "healthy food"));
        assert!(!found("unhealthy food", "healthy"));
        assert!(!found("skin care", "car"));
        assert!(!found("anything", ""));
        assert!(found("berlin_fitness", "fitness"));
        assert!(found("我喜欢健身", "健身"));
    }

    #[test]
    fn a_plural_is_its_singular() {
        for (one, many) in [
            ("recipe", "recipes"),
            ("bakery", "bakeries"),
            ("class", "classes"),
            ("beach", "beaches"),
            ("hero", "heroes"),
        ] {
            assert!(same_word(one, many) && same_word(many, one), "{one} {many}");
        }
        assert!(found("women’s wear", "womens wear"));
        for (one, other) in [("a", "as"), ("car", "cares"), ("care", "car"), ("cat", "catering")] {
            assert!(!same_word(one, other), "{one} {other}");
        }
    }

    #[test]
    fn capitals_are_a_hashtags_spaces() {
        assert_eq!(hashtag_words("HealthyFood"), ["healthy", "food"]);
        assert_eq!(hashtag_words("NASA"), ["nasa"]);
        assert_eq!(normalised_hashtag("Healthy_Food"), "healthyfood");
        assert_eq!(normalised_hashtag("✨"), "");
    }
}
