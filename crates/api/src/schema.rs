//! The JSON schema of a type, as the description of the API shows it.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// Where the description keeps named schemas.
const COMPONENTS: &str = "/components/schemas";

/// The direction in which a type is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// To Oslira: a field that may be left out is optional.
    Request,
    /// From Oslira: a field is always there unless its description says when it is not. A field that may be
    /// missing is never `null`.
    Answer,
}

/// The schema of a type, and the named schemas that it refers to.
pub(crate) struct Described {
    pub(crate) schema: Value,
    pub(crate) named: Map<String, Value>,
}

pub(crate) fn describe<T: JsonSchema>(direction: Direction) -> Described {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = COMPONENTS.into();
    settings.meta_schema = None;
    let settings = match direction {
        Direction::Request => settings.for_deserialize(),
        Direction::Answer => settings.for_serialize(),
    };
    let mut generator = settings.into_generator();
    let schema = generator.subschema_for::<T>().to_value();
    let mut named = Map::new();
    for (name, definition) in generator.take_definitions(true) {
        named.insert(name, tidied(definition, direction));
    }
    Described { schema: tidied(schema, direction), named }
}

/// Changes the generator's output to what the description shows.
fn tidied(mut schema: Value, direction: Direction) -> Value {
    match &mut schema {
        Value::Object(object) => {
            collapse_words(object);
            // Clients need not know a number's size in memory.
            let format = object.get("format").and_then(Value::as_str).unwrap_or_default();
            if format.starts_with("int")
                || format.starts_with("uint")
                || ["double", "float"].contains(&format)
            {
                object.remove("format");
            }
            object.remove("default");
            if object.contains_key("properties") {
                object.entry("additionalProperties").or_insert(json!(false));
            }
            if direction == Direction::Answer {
                never_null_when_there(object);
            }
            for (name, value) in object.iter_mut() {
                // The names in there are those of fields, whatever they are.
                if let ("properties", Value::Object(fields)) = (name.as_str(), &mut *value) {
                    for field in fields.values_mut() {
                        *field = tidied(field.take(), direction);
                    }
                } else {
                    *value = tidied(value.take(), direction);
                }
            }
        }
        Value::Array(values) => {
            for value in values {
                *value = tidied(value.take(), direction);
            }
        }
        _ => {}
    }
    schema
}

/// A choice of words with a description each becomes one list of words, which client generators understand.
fn collapse_words(object: &mut Map<String, Value>) {
    let Some(choices) = object.get("oneOf").and_then(Value::as_array) else { return };
    let word = |choice: &Value| {
        let meaning = choice["description"].as_str().unwrap_or_default().to_owned();
        choice["const"].as_str().map(|word| (word.to_owned(), meaning))
    };
    let Some(words) = choices.iter().map(word).collect::<Option<Vec<_>>>() else { return };
    let title = object.get("description").and_then(Value::as_str).unwrap_or_default();
    let mut description = format!("{title}\n");
    for (word, meaning) in &words {
        description += &format!("\n- `{word}`: {meaning}");
    }
    object.remove("oneOf");
    object.insert("type".to_owned(), json!("string"));
    object.insert("enum".to_owned(), words.into_iter().map(|(word, _)| word).collect());
    object.insert("description".to_owned(), json!(description));
}

/// A property that may be missing from an answer is never `null`.
fn never_null_when_there(object: &mut Map<String, Value>) {
    let required: Vec<String> = object
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        .unwrap_or_default();
    let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for (_, property) in properties.iter_mut().filter(|(name, _)| !required.contains(name)) {
        without_null(property);
    }
}

/// The same schema for a value that is there or left out, and never `null`.
pub(crate) fn without_null(property: &mut Value) {
    let Some(property) = property.as_object_mut() else { return };
    if let Some(Value::Array(types)) = property.get("type") {
        let types: Vec<Value> = types.iter().filter(|name| **name != "null").cloned().collect();
        let only = (types.len() == 1).then(|| types[0].clone());
        property.insert("type".to_owned(), only.unwrap_or(Value::Array(types)));
    }
    if let Some(Value::Array(any_of)) = property.remove("anyOf") {
        let mut left: Vec<Value> = any_of.into_iter().filter(|it| it["type"] != "null").collect();
        match (left.len(), left.pop()) {
            (1, Some(Value::Object(only))) => property.extend(only),
            (_, last) => {
                left.extend(last);
                property.insert("anyOf".to_owned(), Value::Array(left));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Serialize;

    /// A shop.
    #[derive(Serialize, JsonSchema)]
    #[serde(rename_all = "camelCase")]
    struct Shop {
        /// The owner; `null` without one.
        owner: Option<String>,
        /// Only while it is open.
        #[serde(skip_serializing_if = "Option::is_none")]
        queue_length: Option<u32>,
        /// What kind of shop it is.
        kind: Kind,
    }

    /// What it sells.
    #[derive(Serialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    #[expect(dead_code, reason = "its schema is of interest")]
    enum Kind {
        /// Bread.
        Bakery,
        /// Coffee.
        Cafe,
    }

    #[test]
    fn an_answers_field_is_there_or_null_or_missing_and_never_two_of_them() {
        let shop = &describe::<Shop>(Direction::Answer).named["Shop"];
        assert_eq!(shop["required"], json!(["owner", "kind"]));
        assert_eq!(shop["properties"]["owner"]["type"], json!(["string", "null"]));
        assert_eq!(shop["properties"]["queueLength"]["type"], "integer");
        assert_eq!(shop["additionalProperties"], false);
    }

    #[test]
    fn words_with_meanings_are_one_list() {
        let kind = &describe::<Shop>(Direction::Answer).named["Kind"];
        assert_eq!((&kind["type"], &kind["enum"]), (&json!("string"), &json!(["bakery", "cafe"])));
        assert_eq!(kind["description"], "What it sells.\n\n- `bakery`: Bread.\n- `cafe`: Coffee.");
    }
}
