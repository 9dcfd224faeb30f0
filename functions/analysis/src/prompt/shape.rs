//! The shape of an answer: the schema for the models, and a reader that accepts nothing beyond it.
//!
//! Vendors refuse bounds in strict schemas. So a schema asks for them in words, and [`Shape::read`] enforces
//! them.

use super::shortened;
use serde_json::{Map, Value, json};

/// One part of an answer.
pub(super) enum Shape {
    /// A whole number from 0 to 100. The text says what it means.
    Percent(&'static str),
    /// A text: what it says, and how many characters it should have at most.
    Text(&'static str, usize),
    /// One of these words. The text says what the choice means.
    OneOf(&'static str, &'static [&'static str]),
    /// A list: what it holds, the fewest and the most elements, and the shape of each element.
    List(&'static str, usize, usize, &'static Shape),
    /// Fields in the order in which a model is to write them: reasons before conclusions.
    Fields(&'static [(&'static str, Shape)]),
}

impl Shape {
    /// The strict JSON schema.
    pub(super) fn schema(&self) -> Value {
        match self {
            Self::Percent(what) => json!({"type": "integer", "description": format!("{what}, 0 to 100")}),
            Self::Text(what, most) => {
                json!({"type": "string", "description": format!("{what}; at most {most} characters")})
            }
            Self::OneOf(what, words) => json!({"type": "string", "enum": words, "description": what}),
            Self::List(what, least, most, shape) => json!({
                "type": "array",
                "description": format!("{what}; {least} to {most} of them"),
                "items": shape.schema(),
            }),
            Self::Fields(fields) => {
                let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
                let properties: Map<String, Value> =
                    fields.iter().map(|(name, shape)| ((*name).to_owned(), shape.schema())).collect();
                json!({
                    "type": "object",
                    "additionalProperties": false,
                    "required": names,
                    "properties": properties,
                })
            }
        }
    }

    /// Brings the answer within its limits: numbers are clamped, texts are trimmed and cut, and lists lose
    /// empty elements and those beyond the limit. Otherwise returns what is wrong with it, in words for the
    /// model.
    pub(super) fn read(&self, answer: Value) -> Result<Value, String> {
        self.within(answer, "the answer").map_err(|problem| match problem {
            Problem::Empty(name) => format!("{name} is empty"),
            Problem::Wrong(what) => what,
        })
    }

    fn within(&self, value: Value, name: &str) -> Result<Value, Problem> {
        let wrong = |what: &str| Err(Problem::Wrong(format!("{name} must be {what}")));
        match (self, value) {
            (Self::Percent(_), Value::Number(number)) => {
                let percent = number.as_f64().unwrap_or_default().clamp(0.0, 100.0);
                Ok(json!(percent.round() as u8))
            }
            (Self::Percent(_), _) => wrong("a whole number"),
            (Self::Text(_, most), Value::String(text)) => {
                // Models count characters badly, so a text may be half as long again as its limit.
                let text = shortened(text.trim_matches(is_blank), most + most / 2);
                if text.is_empty() { Err(Problem::Empty(name.to_owned())) } else { Ok(Value::String(text)) }
            }
            (Self::Text(..), _) => wrong("text"),
            (Self::OneOf(_, words), Value::String(word)) if words.contains(&word.as_str()) => {
                Ok(Value::String(word))
            }
            (Self::OneOf(_, words), _) => wrong(&format!("one of: {}", words.join(", "))),
            (Self::List(_, least, most, shape), Value::Array(items)) => {
                let mut kept = Vec::new();
                for item in items {
                    match shape.within(item, name) {
                        Ok(item) => kept.push(item),
                        Err(Problem::Empty(_)) => {}
                        Err(wrong) => return Err(wrong),
                    }
                }
                kept.truncate(*most);
                if kept.len() < *least { wrong(&format!("at least {least}")) } else { Ok(kept.into()) }
            }
            (Self::List(..), _) => wrong("a list"),
            (Self::Fields(fields), Value::Object(mut given)) => {
                let mut read = Map::new();
                for (field, shape) in *fields {
                    let value =
                        given.remove(*field).ok_or_else(|| Problem::Wrong(format!("{field} is missing")))?;
                    read.insert((*field).to_owned(), shape.within(value, field)?);
                }
                match given.keys().next() {
                    Some(unknown) => Err(Problem::Wrong(format!("{unknown} is no field of {name}"))),
                    None => Ok(Value::Object(read)),
                }
            }
            (Self::Fields(_), _) => wrong("an object"),
        }
    }
}

/// Whether a character shows nothing.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

/// What is wrong with a part of an answer.
enum Problem {
    /// The part, or the field of this name in it, is empty. A list leaves such an element out.
    Empty(String),
    /// The part has another shape.
    Wrong(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompt;
    use oslira_domain::Task;

    /// An answer of this shape. Every text and every list in it has this size.
    fn filled(shape: &Shape, size: usize) -> Value {
        match shape {
            Shape::Percent(_) => json!(42),
            Shape::Text(..) => json!("x".repeat(size)),
            Shape::OneOf(_, words) => json!(words[0]),
            Shape::List(_, _, _, shape) => json!(vec![filled(shape, size); size.min(100)]),
            Shape::Fields(fields) => {
                fields.iter().map(|(name, shape)| ((*name).to_owned(), filled(shape, size))).collect()
            }
        }
    }

    #[test]
    fn every_tasks_answer_is_read_as_it_is_asked_for() {
        for task in Task::ALL {
            let shape = &prompt::of(task).answer;
            oslira_llm::assert_strict(&shape.schema());
            let fit = filled(shape, 1);
            assert_eq!(shape.read(fit.clone()), Ok(fit.clone()), "{task}");
            for field in fit.as_object().unwrap().keys() {
                let mut lacking = fit.clone();
                lacking.as_object_mut().unwrap().remove(field);
                assert_eq!(shape.read(lacking), Err(format!("{field} is missing")), "{task}");
            }
            let flood = shape.read(filled(shape, 5_000)).unwrap();
            assert!(flood.to_string().len() < 20_000, "{task}: {}", flood.to_string().len());
        }
    }

    const SHAPE: Shape = Shape::Fields(&[
        ("score", Shape::Percent("How much")),
        ("summary", Shape::Text("In short", 100)),
        ("size", Shape::OneOf("How large", &["small", "large"])),
        (
            "points",
            Shape::List(
                "Points",
                1,
                3,
                &Shape::Fields(&[("point", Shape::Text("One", 10)), ("share", Shape::Percent("Of all"))]),
            ),
        ),
    ]);

    fn fit() -> Value {
        json!({"score": 50, "summary": "s", "size": "small", "points": [{"point": "p", "share": 1}]})
    }

    #[test]
    fn an_answer_that_fits_is_left_as_it_is() {
        oslira_llm::assert_strict(&SHAPE.schema());
        assert_eq!(SHAPE.read(fit()), Ok(fit()));
    }

    #[test]
    fn numbers_are_clamped_text_is_cut_and_lists_are_bounded() {
        let point = |text: &str| json!({"point": text, "share": -4});
        let read = SHAPE
            .read(json!({"score": 1_000, "summary": format!(" {} ", "s".repeat(5_000)), "size": "large",
                "points": [point(" "), point(&"p".repeat(90)), point("b"), point("c"), point("d")]}))
            .unwrap();
        assert_eq!((&read["score"], &read["points"][0]["share"]), (&json!(100), &json!(0)));
        assert_eq!(read["summary"].as_str().unwrap().chars().count(), 151, "with the ellipsis");
        let points: Vec<_> =
            read["points"].as_array().unwrap().iter().map(|point| point["point"].as_str().unwrap()).collect();
        assert_eq!(points, [format!("{}…", "p".repeat(15)).as_str(), "b", "c"]);
    }

    #[test]
    fn control_characters_stay_out_of_answers() {
        let read = SHAPE
            .read(json!({"score": 50, "summary": "\0 a\u{0}b\r\n\tc\u{1b}[31m\u{9b}d\0 ", "size": "small",
            "points": [{"point": "\0", "share": 1}, {"point": "p\0", "share": 1}]}));
        let read = read.unwrap();
        assert_eq!(read["summary"], "ab\n c[31md");
        assert_eq!(read["points"], json!([{"point": "p", "share": 1}]));
    }

    #[test]
    fn an_answer_that_does_not_fit_says_why() {
        for (field, value, problem) in [
            ("score", json!("high"), "score must be a whole number"),
            ("summary", json!(1), "summary must be text"),
            ("summary", json!(" "), "summary is empty"),
            ("summary", json!("\0 \u{1b}\n\0"), "summary is empty"),
            ("size", json!("huge"), "size must be one of: small, large"),
            ("points", json!("p"), "points must be a list"),
            ("points", json!([]), "points must be at least 1"),
            ("points", json!([{"point": "", "share": 1}]), "points must be at least 1"),
            ("points", json!([{"share": 1}]), "point is missing"),
            ("points", json!(["p"]), "points must be an object"),
            ("secret", json!(1), "secret is no field of the answer"),
        ] {
            let mut answer = fit();
            answer[field] = value;
            assert_eq!(SHAPE.read(answer), Err(problem.to_owned()), "{field}");
        }
        assert_eq!(SHAPE.read(json!([])), Err("the answer must be an object".to_owned()));
    }
}
