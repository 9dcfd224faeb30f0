//! JSON schemas that both vendors accept.

use serde_json::Value;

/// Keywords that OpenAI's strict mode or Anthropic's structured outputs refuse, ignore or support only in
/// part. A schema puts such rules into `description`, and they are checked when the answer is read.
const UNSUPPORTED: [&str; 35] = [
    // Composition other than `anyOf`.
    "allOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "dependentRequired",
    "dependentSchemas",
    // Objects whose keys are not known beforehand.
    "patternProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
    "unevaluatedProperties",
    // Arrays of a certain length or order.
    "prefixItems",
    "contains",
    "minContains",
    "maxContains",
    "minItems",
    "maxItems",
    "uniqueItems",
    "unevaluatedItems",
    "additionalItems",
    // Limits of numbers and texts.
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    // Others.
    "default",
    "$dynamicRef",
    "$anchor",
    "$id",
];

/// Fails unless both vendors enforce this schema. The root must be an object. Every object must require all
/// its properties and allow no others. No keyword may be used that one of the vendors lacks.
///
/// # Panics
/// With every problem and its place, when there is one. It is meant for tests.
pub fn assert_strict(schema: &Value) {
    let mut problems = Vec::new();
    if schema["type"] != "object" {
        problems.push("#: the root is not of type object".to_owned());
    }
    check(schema, "#", &mut problems);
    assert!(problems.is_empty(), "the schema is not strict:\n{}", problems.join("\n"));
}

fn check(schema: &Value, at: &str, problems: &mut Vec<String>) {
    let Some(object) = schema.as_object() else {
        problems.push(format!("{at}: not a schema"));
        return;
    };
    for keyword in UNSUPPORTED.iter().filter(|keyword| object.contains_key(**keyword)) {
        problems.push(format!("{at}: {keyword} is not supported"));
    }
    if let Some(target) =
        object.get("$ref").filter(|target| !target.as_str().is_some_and(|it| it.starts_with("#/$defs/")))
    {
        problems.push(format!("{at}: $ref to {target} is not supported"));
    }
    if !["type", "enum", "const", "anyOf", "$ref"].iter().any(|keyword| object.contains_key(*keyword)) {
        problems.push(format!("{at}: anything would fit"));
    }
    let is = |name: &str| match &schema["type"] {
        Value::Array(names) => names.iter().any(|it| it == name),
        it => it == name,
    };
    let properties = object.get("properties").and_then(Value::as_object);
    if is("object") {
        if schema["additionalProperties"] != false {
            problems.push(format!("{at}: additionalProperties is not false"));
        }
        if properties.is_none() {
            problems.push(format!("{at}: no properties"));
        }
    }
    if is("array") && !object.contains_key("items") {
        problems.push(format!("{at}: no items"));
    }
    let required: Vec<&Value> = schema["required"].as_array().into_iter().flatten().collect();
    for (name, property) in properties.into_iter().flatten() {
        if !required.iter().any(|it| *it == name) {
            problems.push(format!("{at}/properties/{name}: not required"));
        }
        check(property, &format!("{at}/properties/{name}"), problems);
    }
    for (name, definition) in object.get("$defs").and_then(Value::as_object).into_iter().flatten() {
        check(definition, &format!("{at}/$defs/{name}"), problems);
    }
    if let Some(items) = object.get("items") {
        check(items, &format!("{at}/items"), problems);
    }
    for (index, option) in object.get("anyOf").and_then(Value::as_array).into_iter().flatten().enumerate() {
        check(option, &format!("{at}/anyOf/{index}"), problems);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn problems(schema: Value) -> String {
        let caught = std::panic::catch_unwind(|| assert_strict(&schema));
        caught.err().and_then(|panic| panic.downcast::<String>().ok()).map(|text| *text).unwrap_or_default()
    }

    #[test]
    fn a_schema_that_both_vendors_accept() {
        assert_strict(&json!({
            "type": "object",
            "properties": {
                "score": {"type": "integer", "description": "0 to 100"},
                "tone": {"enum": ["warm", "cool"]},
                "website": {"type": ["string", "null"]},
                "points": {"type": "array", "items": {"$ref": "#/$defs/point"}},
                "either": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            },
            "required": ["score", "tone", "website", "points", "either"],
            "additionalProperties": false,
            "$defs": {"point": {
                "type": "object",
                "properties": {"text": {"type": "string"}},
                "required": ["text"],
                "additionalProperties": false,
            }},
        }));
    }

    #[test]
    fn every_problem_is_named_with_its_place() {
        let text = problems(json!({
            "type": "object",
            "properties": {
                "score": {"type": "integer", "minimum": 0},
                "list": {"type": "array"},
                "deep": {"type": "array", "items": {"type": "object"}},
                "any": {},
                "choice": {"anyOf": [{"type": "string", "pattern": "x"}, true]},
                "far": {"$ref": "https://example.com/schema"},
            },
            "required": ["list", "deep", "any", "choice", "far"],
            "additionalProperties": false,
            "$defs": {"point": {"type": "object", "properties": {"text": {"type": "string"}}}},
        }));
        for problem in [
            "#/properties/score: not required",
            "#/properties/score: minimum is not supported",
            "#/properties/list: no items",
            "#/properties/deep/items: additionalProperties is not false",
            "#/properties/deep/items: no properties",
            "#/properties/any: anything would fit",
            "#/properties/choice/anyOf/0: pattern is not supported",
            "#/properties/choice/anyOf/1: not a schema",
            "#/properties/far: $ref to \"https://example.com/schema\" is not supported",
            "#/$defs/point/properties/text: not required",
            "#/$defs/point: additionalProperties is not false",
        ] {
            assert!(text.contains(problem), "{problem} in\n{text}");
        }
        assert_eq!(text.lines().count(), 12, "{text}");
        assert!(
            problems(json!({"type": "array", "items": {"type": "string"}}))
                .contains("the root is not of type object")
        );
    }
}
