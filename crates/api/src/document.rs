//! The description of the whole API: `docs/openapi.yaml`.

use crate::{
    Route,
    route::{Tag, shared_parameters},
};
use serde_json::{Map, Value, json};

/// The OpenAPI 3.1 document for these routes.
///
/// # Errors
/// When two different types have the same name.
pub fn document(routes: Vec<Route>) -> Result<Value, String> {
    let mut paths = Map::new();
    let mut named = Map::new();
    for mut route in routes {
        for (name, schema) in std::mem::take(&mut route.named) {
            if named.get(&name).is_some_and(|other| *other != schema) {
                return Err(format!("two types are called {name}: rename one of them"));
            }
            named.insert(name, schema);
        }
        let (path, method) = (route.path, route.method);
        let item = paths.entry(path).or_insert_with(|| json!({}));
        item[method] = route.operation();
    }
    named.sort_keys();
    let mut document = frame();
    document["components"]["responses"] = Value::Object(share_responses(&mut paths));
    document["paths"] = Value::Object(paths);
    document["components"]["schemas"] = Value::Object(named);
    Ok(document)
}

/// Moves each response that several routes give in the same words to one place, under the name of its one example.
fn share_responses(paths: &mut Map<String, Value>) -> Map<String, Value> {
    let operations = paths.values_mut().filter_map(Value::as_object_mut).flat_map(|item| item.values_mut());
    let mut responses: Vec<&mut Value> = operations
        .filter_map(|operation| operation["responses"].as_object_mut())
        .flat_map(|responses| responses.values_mut())
        .collect();
    let all: Vec<Value> = responses.iter().map(|response| (**response).clone()).collect();
    let mut shared = Map::new();
    for response in &mut responses {
        if all.iter().filter(|other| *other == *response).count() < 2 {
            continue;
        }
        let examples = response["content"]["application/json"]["examples"].as_object();
        let mut names = examples.into_iter().flatten().map(|(name, _)| name.clone());
        // A response with several codes keeps its place: it has no name that would stay true.
        let (Some(name), None) = (names.next(), names.next()) else { continue };
        if *shared.entry(&name).or_insert_with(|| response.clone()) == **response {
            **response = json!({"$ref": format!("#/components/responses/{name}")});
        }
    }
    shared.sort_keys();
    shared
}

/// Everything except the routes and their types.
fn frame() -> Value {
    let tags: Vec<Value> = Tag::ALL
        .map(Tag::name_and_description)
        .map(|(name, description)| json!({"name": name, "description": description}))
        .into();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Oslira",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Is this Instagram account a good lead?",
            "description": include_str!("introduction.txt"),
            "license": {"name": "Proprietary", "identifier": "LicenseRef-Oslira-Proprietary"},
        },
        "servers": [{
            "url": "https://{apiId}.execute-api.{region}.amazonaws.com/v1",
            "description": "The output `ApiUrl` of the deployed stack",
            "variables": {"apiId": {"default": "api-id"}, "region": {"default": "us-east-1"}},
        }],
        "tags": tags,
        "security": [{"supabaseToken": []}],
        "paths": {},
        "components": {
            "securitySchemes": {
                "supabaseToken": {
                    "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                    "description": "The access token of a signed-in Supabase user. Anonymous users and the project's own keys are refused.",
                },
            },
            "headers": {
                "RequestId": {
                    "description": "The request's id, as in the body and in the logs. API Gateway's own answers have it in the body only.",
                    "schema": {"type": "string"},
                },
                "RetryAfter": {
                    "description": "Seconds to wait before the next try.",
                    "schema": {"type": "string", "pattern": "^[0-9]+$"},
                },
            },
            "parameters": shared_parameters(),
            "schemas": {},
        },
    })
}
