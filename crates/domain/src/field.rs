//! What can be wrong with one value of a request.

use std::{fmt, str::FromStr};

/// What is wrong with a value, as the end of a sentence that begins with the field's name: "must not be
/// empty".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldProblem(pub String);

impl fmt::Display for FieldProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for FieldProblem {}

/// For text fields: trims the text, and refuses a text that is empty or longer than `MAX` characters.
pub fn trimmed<const MAX: usize>(text: &str) -> Result<String, FieldProblem> {
    let text = text.trim();
    match text.chars().count() {
        0 => Err(FieldProblem("must not be empty".to_owned())),
        // Postgres cannot store this character, and nobody sends it on purpose.
        _ if text.contains('\0') => Err(FieldProblem("must not hold the character U+0000".to_owned())),
        n if n > MAX => Err(FieldProblem(format!("must be at most {MAX} characters long, not {n}"))),
        _ => Ok(text.to_owned()),
    }
}

/// The same for a text of one line.
pub fn line<const MAX: usize>(text: &str) -> Result<String, FieldProblem> {
    let text = trimmed::<MAX>(text)?;
    if text.chars().any(char::is_control) {
        return Err(FieldProblem("must not hold line breaks or control characters".to_owned()));
    }
    Ok(text)
}

/// The same as [`trimmed`] for a field that may be left out.
pub(crate) fn optional<const MAX: usize>(text: Option<String>) -> Result<Option<String>, FieldProblem> {
    text.map(|text| trimmed::<MAX>(&text)).transpose()
}

/// Reads a value that is written as text, by the rules of its type.
pub(crate) fn parsed<T: FromStr<Err: fmt::Display>>(text: &str) -> Result<T, FieldProblem> {
    text.parse().map_err(|problem: T::Err| FieldProblem(problem.to_string()))
}

/// Lets a request's text be read as this type, with the type's `FromStr`.
macro_rules! from_text {
    ($($type:ty),*) => {
        $(
            impl<E> deserr::Deserr<E> for $type
            where
                E: deserr::DeserializeError + deserr::MergeWithError<$crate::FieldProblem>,
            {
                fn deserialize_from_value<V: deserr::IntoValue>(
                    value: deserr::Value<V>,
                    location: deserr::ValuePointerRef<'_>,
                ) -> Result<Self, E> {
                    let text = <String as deserr::Deserr<E>>::deserialize_from_value(value, location)?;
                    $crate::field::parsed(&text).map_err(|problem| {
                        deserr::take_cf_content(<E as deserr::MergeWithError<$crate::FieldProblem>>::merge(
                            None, problem, location,
                        ))
                    })
                }
            }
        )*
    };
}
pub(crate) use from_text;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_trimmed_and_has_no_breaks() {
        assert_eq!(line::<9>(" Café & Co\n").unwrap(), "Café & Co");
        for bad in ["Brew\nCo", "Brew\tCo", "Brew\u{85}Co", "\u{7f}", "", "Brewers & Co"] {
            assert!(line::<9>(bad).is_err(), "{bad:?}");
        }
    }
}
