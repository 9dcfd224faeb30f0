//! The description of the whole API: `docs/openapi.yaml`.

use crate::{
    Route,
    route::{Tag, shared_parameters},
};
use serde_json::{Map, Value, json};

/// The OpenAPI 3.1 document for these routes.
///
/// # Errors
/// When two different types have the same name, or a link leads to no route.
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
    links_that_lead_nowhere(&paths)?;
    let mut document = frame();
    document["components"]["responses"] = Value::Object(share_responses(&mut paths));
    document["paths"] = Value::Object(paths);
    document["components"]["schemas"] = Value::Object(named);
    Ok(document)
}

/// Fails for a link to a route that is not there, or whose path has no such placeholder.
fn links_that_lead_nowhere(paths: &Map<String, Value>) -> Result<(), String> {
    let operations = paths.iter().flat_map(|(path, item)| {
        item.as_object().into_iter().flatten().map(move |(_, operation)| (path, operation))
    });
    let operations: Vec<(&String, &Value)> = operations.collect();
    let responses =
        operations.iter().filter_map(|(_, operation)| operation["responses"].as_object()).flatten();
    for link in responses.filter_map(|(_, response)| response["links"].as_object()).flat_map(Map::values) {
        let target = operations.iter().find(|(_, operation)| operation["operationId"] == link["operationId"]);
        let placeholders = link["parameters"].as_object().into_iter().flatten();
        for (name, _) in placeholders {
            if !target.is_some_and(|(path, _)| path.contains(&format!("{{{name}}}"))) {
                return Err(format!(
                    "a link leads to {}, which is no route with {{{name}}}",
                    link["operationId"]
                ));
            }
        }
    }
    Ok(())
}

/// Moves each response that several routes give in the same words to one place, under the name of its one example of ours.
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
        let names: Vec<&String> = examples.into_iter().flatten().map(|(name, _)| name).collect();
        let mut ours = names.iter().filter(|name| !name.ends_with("ByApiGateway"));
        // A response with several codes keeps its place: it has no name that would stay true.
        let name = match (ours.next(), ours.next(), names.as_slice()) {
            (Some(name), None, _) | (None, _, [name]) => (*name).clone(),
            _ => continue,
        };
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
                "RateLimit": {
                    "description": "How many more requests each limit would let through (`r`), and in how many seconds there are \
                        more (`t`), as in draft-ietf-httpapi-ratelimit-headers-11. It is missing when requests cannot be counted.",
                    "schema": {"type": "string"},
                    "example": r#""reads-a-minute";r=573;t=60"#,
                },
                "RateLimitPolicy": {
                    "description": "The limits that the request counted towards: how many requests (`q`) in any window of so many \
                        seconds (`w`).",
                    "schema": {"type": "string"},
                    "example": r#""reads-a-minute";q=600;w=60"#,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_to_a_route_with_its_placeholder() {
        let paths = |operation: &str, placeholder: &str| {
            let link =
                json!({"operationId": operation, "parameters": {placeholder: "$response.body#/data/id"}});
            let paths = json!({
                "/things": {"post": {"operationId": "createThing", "responses": {"201": {"links": {"it": link}}}}},
                "/things/{thingId}": {"get": {"operationId": "getThing", "responses": {}}},
            });
            links_that_lead_nowhere(paths.as_object().unwrap())
        };
        assert_eq!(paths("getThing", "thingId"), Ok(()));
        for (operation, placeholder) in
            [("getThing", "id"), ("getThings", "thingId"), ("createThing", "thingId")]
        {
            assert!(paths(operation, placeholder).is_err(), "{operation} {placeholder}");
        }
    }
}
