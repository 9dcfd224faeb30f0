//! Which answer schemas the vendors accept.

use serde_json::{Map, Value};

/// Levels of nesting that OpenAI accepts.
const OPENAI_MAX_DEPTH: usize = 10;

/// Why OpenAI's strict mode would refuse a schema, as the part of its message after the schema's name.
///
/// Source: OpenAI's guide on structured outputs, "Supported schemas".
///
/// # Errors
/// The vendor's sentence.
pub(crate) fn check_openai_strict(schema: &Value) -> Result<(), String> {
    if schema.get("anyOf").is_some() || schema.get("type").and_then(Value::as_str) != Some("object") {
        return Err("schema must be a JSON Schema of 'type: \"object\"', got 'type: \"None\"'.".into());
    }
    visit(schema, &mut Vec::new(), &|object, context| {
        let at = format!("In context=({}), ", context.join(", "));
        if context.iter().filter(|step| *step == "'properties'").count() > OPENAI_MAX_DEPTH {
            return Err(format!("{at}the schema exceeds {OPENAI_MAX_DEPTH} levels of nesting."));
        }
        for keyword in
            ["allOf", "oneOf", "not", "if", "then", "else", "dependentRequired", "patternProperties"]
        {
            if object.contains_key(keyword) {
                return Err(format!("{at}'{keyword}' is not permitted."));
            }
        }
        let Some(properties) = object_properties(object) else { return Ok(()) };
        if object.get("additionalProperties") != Some(&Value::Bool(false)) {
            return Err(format!("{at}'additionalProperties' is required to be supplied and to be false."));
        }
        let required = object.get("required").and_then(Value::as_array);
        let missing =
            properties.keys().find(|key| !required.is_some_and(|list| list.iter().any(|name| name == *key)));
        missing.map_or(Ok(()), |key| {
            Err(format!(
                "{at}'required' is required to be supplied and to be an array including every key in properties. \
                 Missing '{key}'."
            ))
        })
    })
}

/// Why Anthropic would refuse a schema.
///
/// Source: Anthropic's guide on structured outputs, "JSON Schema limitations": bounds belong in descriptions.
///
/// # Errors
/// The vendor's sentence.
pub(crate) fn check_anthropic(schema: &Value) -> Result<(), String> {
    visit(schema, &mut Vec::new(), &|object, _| {
        let kind = object.get("type").and_then(Value::as_str).unwrap_or("object");
        let unsupported: &[&str] = match kind {
            "integer" | "number" => {
                &["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]
            }
            "string" => &["minLength", "maxLength"],
            "array" => &["maxItems", "uniqueItems", "contains"],
            _ => &["oneOf", "not", "if", "minProperties", "maxProperties", "patternProperties"],
        };
        if let Some(property) = unsupported.iter().find(|name| object.contains_key(**name)) {
            return Err(format!("For '{kind}' type, property '{property}' is not supported"));
        }
        if object.get("minItems").and_then(Value::as_u64).is_some_and(|count| count > 1) {
            return Err("For 'array' type, 'minItems' values other than 0 or 1 are not supported".into());
        }
        if object_properties(object).is_some()
            && object.get("additionalProperties") != Some(&Value::Bool(false))
        {
            return Err("For 'object' type, 'additionalProperties' must be explicitly set to false".into());
        }
        Ok(())
    })
}

/// The properties of an object schema; `None` for every other schema.
fn object_properties(schema: &Map<String, Value>) -> Option<Map<String, Value>> {
    let is_object = match schema.get("type") {
        Some(Value::String(kind)) => kind == "object",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
        _ => schema.contains_key("properties"),
    };
    is_object.then(|| schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default())
}

/// Calls `check` with every schema inside `schema` and the path to it.
fn visit(
    schema: &Value,
    context: &mut Vec<String>,
    check: &impl Fn(&Map<String, Value>, &[String]) -> Result<(), String>,
) -> Result<(), String> {
    let Value::Object(object) = schema else { return Ok(()) };
    check(object, context)?;
    let mut inside = |schema: &Value, steps: &[&str]| {
        context.extend(steps.iter().map(|step| format!("'{step}'")));
        visit(schema, context, check)?;
        context.truncate(context.len() - steps.len());
        Ok::<(), String>(())
    };
    for keyword in ["properties", "$defs", "definitions"] {
        for (key, schema) in object.get(keyword).and_then(Value::as_object).into_iter().flatten() {
            inside(schema, &[keyword, key])?;
        }
    }
    if let Some(items) = object.get("items") {
        inside(items, &["items"])?;
    }
    for (index, schema) in object.get("anyOf").and_then(Value::as_array).into_iter().flatten().enumerate() {
        inside(schema, &["anyOf", &index.to_string()])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn strict_schemas_close_and_require_everything_at_every_depth() {
        let good = json!({"type": "object", "required": ["list"], "additionalProperties": false, "properties": {
            "list": {"type": "array", "items": {"type": "object", "required": ["a"], "additionalProperties": false,
                "properties": {"a": {"type": ["string", "null"], "enum": ["x", null]}}}}}});
        assert_eq!(check_openai_strict(&good), Ok(()));
        let mut open = good.clone();
        open["properties"]["list"]["items"]["additionalProperties"] = json!(true);
        assert_eq!(
            check_openai_strict(&open),
            Err("In context=('properties', 'list', 'items'), 'additionalProperties' is required to be supplied and to \
                 be false."
                .into())
        );
        let mut optional = good.clone();
        optional["properties"]["list"]["items"]["required"] = json!([]);
        assert!(check_openai_strict(&optional).is_err_and(|message| message.contains("Missing 'a'")));
        let mut composed = good;
        composed["properties"]["list"]["allOf"] = json!([]);
        assert!(check_openai_strict(&composed).is_err());
        assert!(check_openai_strict(&json!({"type": "array"})).is_err());
    }

    #[test]
    fn anthropic_takes_no_bounds() {
        let schema = |property: Value| json!({"type": "object", "additionalProperties": false, "properties": {"a": property}});
        assert_eq!(check_anthropic(&schema(json!({"type": "integer"}))), Ok(()));
        assert_eq!(
            check_anthropic(&schema(json!({"type": "integer", "minimum": 0}))),
            Err("For 'integer' type, property 'minimum' is not supported".into())
        );
        assert!(check_anthropic(&schema(json!({"type": "string", "maxLength": 9}))).is_err());
        assert!(check_anthropic(&schema(json!({"type": "array", "minItems": 2}))).is_err());
        assert!(check_anthropic(&schema(json!({"type": "object"}))).is_err());
    }
}
