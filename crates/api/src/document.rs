//! The description of the whole API: `docs/openapi.yaml`.

use crate::{
    Route,
    route::{Tag, shared_parameters},
};
use serde_json::{Map, Value, json};

/// OpenAPI 3.1 of these routes.
///
/// # Errors
/// Two different types have one name.
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
    document["paths"] = Value::Object(paths);
    document["components"]["schemas"] = Value::Object(named);
    Ok(document)
}

/// All but the routes and their types.
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
            "description": include_str!("introduction.md"),
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
