//! The template's routes and `docs/openapi.yaml`.

use crate::{
    files::{self, list, map, string},
    none,
    template::{Route, Template},
};
use oslira_auth::METHODS;
use oslira_domain::Code;
use oslira_lambda::Header;
use oslira_tests::openapi;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

fn openapi() -> Value {
    openapi::document().expect("the routes make a description")
}

/// Path, method and operation of each route.
fn operations(openapi: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];
    map(&openapi["paths"])
        .flat_map(|(path, item)| map(item).map(move |(method, operation)| (path, method, operation)))
        .filter(|(_, method, _)| METHODS.contains(method))
}

#[test]
fn every_route_is_documented_with_its_security_and_no_other_is() {
    let template = Template::read();
    let openapi = openapi();
    let deployed: BTreeSet<Route> = template.functions().flat_map(|function| function.routes()).collect();
    let documented: BTreeSet<Route> = operations(&openapi)
        .map(|(path, method, operation)| {
            let security = operation.get("security").unwrap_or(&openapi["security"]);
            Route {
                method: method.to_owned(),
                path: path.to_owned(),
                is_public: list(security).next().is_none(),
            }
        })
        .collect();
    let shown = |route: &Route| {
        let who = if route.is_public { "public" } else { "signed-in" };
        format!("{} {} ({who})", route.method.to_uppercase(), route.path)
    };
    assert!(!deployed.is_empty(), "the template has no routes");
    let missing = deployed.difference(&documented).map(|route| {
        format!("{}: declare it beside its handler and name it in the `routes` of its feature (a new feature is named in tests/harness/openapi.rs)", shown(route))
    });
    let extra = documented.difference(&deployed).map(|route| {
        format!("{}: a handler declares it, and infra/template.yaml does not have it", shown(route))
    });
    none(missing.chain(extra));
}

/// Routes whose authorizer is neither the default one nor none.
pub(crate) fn routes_with_an_odd_authorizer(template: &Template) -> Vec<String> {
    let events = template.functions().flat_map(|function| {
        let own = move |event: &Value| (function.name.to_owned(), event["Auth"]["Authorizer"].clone());
        function.events("Api").map(own).collect::<Vec<_>>()
    });
    let odd = events.filter(|(_, authorizer)| !authorizer.is_null() && authorizer != "NONE");
    odd.map(|(name, authorizer)| {
        format!("{name}: its authorizer is {authorizer}; leave Auth out (the default one) or say NONE")
    })
    .collect()
}

#[test]
fn a_route_is_public_or_guarded_by_the_authorizer() {
    let template = Template::read();
    assert!(
        template.resource(template.authorizer()).is_some(),
        "the API's DefaultAuthorizer must be a function of the template, or every route is open"
    );
    none(routes_with_an_odd_authorizer(&template));
}

/// What would write down the paths of requests, which hold tokens.
pub(crate) fn paths_written_down(template: &Template) -> Vec<String> {
    let api = template.api();
    let format = api["AccessLogSetting"]["Format"].to_string();
    let in_access_log =
        ["$context.path", "$context.requestOverride.path"].into_iter().filter(|path| format.contains(path));
    let in_access_log = in_access_log.map(|path| {
        format!("Api: take {path} out of its AccessLogSetting; $context.resourcePath shows no tokens")
    });
    let traced = [&api["TracingEnabled"]].into_iter().filter(|it| !it.is_null() && **it != false);
    let traced =
        traced.map(|_| "Api: remove TracingEnabled; traces hold the addresses of requests".to_owned());
    let logged = list(&api["MethodSettings"]).flat_map(|setting| {
        let is_on = |name: &str| !setting[name].is_null() && setting[name] != false && setting[name] != "OFF";
        ["LoggingLevel", "DataTraceEnabled"].into_iter().filter(move |name| is_on(name)).map(|name| {
            format!(
                "Api: take {name} out of its MethodSettings; execution logs hold the addresses of requests"
            )
        })
    });
    in_access_log.chain(traced).chain(logged).collect()
}

#[test]
fn api_gateway_writes_no_path_down() {
    none(paths_written_down(&Template::read()));
}

/// SAM answers `OPTIONS` of every path by what `Cors` says. The emulator does not, so this stands in for a test of it.
#[test]
fn a_browser_may_send_what_every_route_takes() {
    let template = Template::read();
    assert_eq!(
        template.api()["Auth"]["AddDefaultAuthorizerToCorsPreflight"],
        false,
        "a preflight has no token: with an authorizer every one of them is refused"
    );
    assert_eq!(template.cors("AllowOrigin"), BTreeSet::from(["*"]), "replies name the configured origins");
    assert!(
        template.api()["Cors"].get("AllowCredentials").is_none(),
        "there are no cookies, and browsers refuse them with the origin *"
    );
    assert!(template.cors("MaxAge").iter().all(|seconds| seconds.parse::<u32>().is_ok_and(|it| it > 0)));

    let methods: BTreeSet<&str> = METHODS.into_iter().chain(["OPTIONS"]).collect();
    assert_eq!(
        template.cors("AllowMethods"),
        methods,
        "AllowMethods are those that the authorizer's policy covers, and that of a preflight"
    );
    let routes: Vec<Route> = template.functions().flat_map(|function| function.routes()).collect();
    let method = |route: &Route| route.method.to_uppercase();
    none(routes.iter().filter(|route| !METHODS.contains(&&*method(route))).map(|route| {
        format!("{} {}: a route has one of the methods {}", method(route), route.path, METHODS.join(", "))
    }));

    let allowed: BTreeSet<String> =
        template.cors("AllowHeaders").iter().map(|name| name.to_lowercase()).collect();
    // Beside what handlers read: the header that API Gateway hands to the authorizer, and what says that a body is JSON.
    let identity = &template.api()["Auth"]["Authorizers"]["Token"]["Identity"]["Header"];
    let read = Header::ALL.iter().copied().filter(|header| header.is_sent_by_pages()).map(Header::name);
    let needed: BTreeSet<String> =
        read.map(str::to_owned).chain([string(identity).to_lowercase(), "content-type".to_owned()]).collect();
    none(needed.symmetric_difference(&allowed).map(|header| {
        format!(
            "{header}: Cors.AllowHeaders of the template and oslira_lambda::Header must both have it, as one that pages send, or neither"
        )
    }));
}

#[test]
fn documented_answers_have_the_status_of_their_code() {
    let openapi = openapi();
    let mut problems = Vec::new();
    for (path, method, operation) in operations(&openapi) {
        let at = format!("{} {path}", method.to_uppercase());
        for (status, response) in map(&operation["responses"]) {
            let response = resolve(&openapi, response);
            let media = &response["content"]["application/json"];
            if media.is_null() {
                problems.push(format!("{at} {status}: give it application/json content"));
            }
            if !status.starts_with(['4', '5']) {
                continue;
            }
            let examples: Vec<&Value> =
                map(&media["examples"]).map(|(_, example)| &resolve(&openapi, example)["value"]).collect();
            if examples.is_empty() && status != "503" {
                problems.push(format!("{at} {status}: give an example of each code under `examples`"));
            }
            for example in examples.into_iter().filter(|example| example["success"] == false) {
                let Some(name) = example["code"].as_str() else { continue };
                let expected = Code::named(name).map(|code| code.http_status().to_string());
                if expected.is_some_and(|expected| expected != status) {
                    problems.push(format!("{at} {status}: {name} is answered with another status; see crates/domain/src/error.rs"));
                }
            }
        }
    }
    none(problems);
}

#[test]
fn the_description_is_what_the_code_declares() {
    let declared = openapi::yaml().expect("the routes make a description");
    let written = files::text("docs/openapi.yaml");
    assert!(
        declared.trim_end() == written.trim_end(),
        "docs/openapi.yaml is not what the routes and types in Rust say: run `cargo xtask openapi`"
    );
}

#[test]
fn examples_are_what_their_schemas_describe() {
    let document = openapi();
    let mut count = 0;
    let mut problems = Vec::new();
    for (path, method, operation) in operations(&document) {
        for (status, response) in map(&operation["responses"]) {
            let content = &resolve(&document, response)["content"]["application/json"];
            for (name, example) in map(&content["examples"]) {
                count += 1;
                let status = status.parse().expect("a status");
                let checked = openapi::check(method, path, status, &example["value"]);
                problems.extend(checked.err().map(|problem| format!("the example {name}: {problem:#}")));
            }
        }
        let body = &operation["requestBody"]["content"]["application/json"];
        for (name, example) in map(&body["examples"]) {
            count += 1;
            let checked = openapi::check_request(method, path, &example["value"]);
            problems.extend(checked.err().map(|problem| format!("the example {name}: {problem:#}")));
        }
    }
    assert!(count > 40, "only {count} examples were found");
    none(problems);
}

/// The same body, with one thing changed in one of its objects: a field is missing, one more is there, or one that has a
/// value is `null`. A field that may be missing or `null` by its schema is left as it is.
fn mutations(document: &Value, schema: &Value, body: &Value) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for (at, object_schemas) in objects(document, schemas(document, schema), body, String::new()) {
        let change = |what: &str, change: &dyn Fn(&mut Map<String, Value>)| {
            let mut changed = body.clone();
            let object = changed.pointer_mut(&at).and_then(Value::as_object_mut);
            change(object.expect("an object"));
            (format!("{at}: {what}"), changed)
        };
        all.push(change("one field more", &|object| {
            object.insert("odd".to_owned(), Value::Bool(true));
        }));
        for (name, value) in map(body.pointer(&at).unwrap_or(&Value::Null)) {
            if !may_be_missing(&object_schemas, name) {
                all.push(change(&format!("without {name}"), &|object| {
                    object.remove(name);
                }));
            }
            if !value.is_null() && !may_be_null(&field(document, &object_schemas, name)) {
                all.push(change(&format!("{name} is null"), &|object| {
                    object.insert(name.to_owned(), Value::Null);
                }));
            }
        }
    }
    all
}

/// The places of all objects in a value, each with what may describe it.
fn objects<'a>(
    document: &'a Value,
    described: Vec<&'a Value>,
    value: &Value,
    at: String,
) -> Vec<(String, Vec<&'a Value>)> {
    let below: Vec<_> = match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| {
                objects(document, field(document, &described, name), value, format!("{at}/{name}"))
            })
            .collect(),
        Value::Array(values) => values
            .iter()
            .enumerate()
            .flat_map(|(n, value)| objects(document, items(document, &described), value, format!("{at}/{n}")))
            .collect(),
        _ => Vec::new(),
    };
    value.is_object().then_some((at, described)).into_iter().chain(below).collect()
}

/// A schema, and all that it is made of or chooses from.
fn schemas<'a>(document: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    let schema = resolve(document, schema);
    let parts = ["allOf", "anyOf", "oneOf"].into_iter().flat_map(|of| list(&schema[of]));
    [schema].into_iter().chain(parts.flat_map(|part| schemas(document, part))).collect()
}

fn field<'a>(document: &'a Value, described: &[&'a Value], name: &str) -> Vec<&'a Value> {
    let fields = described.iter().filter_map(|schema| schema["properties"].get(name));
    fields.flat_map(|schema| schemas(document, schema)).collect()
}

fn items<'a>(document: &'a Value, described: &[&'a Value]) -> Vec<&'a Value> {
    let items = described.iter().filter_map(|schema| schema.get("items"));
    items.flat_map(|schema| schemas(document, schema)).collect()
}

fn may_be_missing(described: &[&Value], name: &str) -> bool {
    let is_optional = |schema: &&Value| {
        schema["properties"].get(name).is_some() && !list(&schema["required"]).any(|field| field == name)
    };
    described.iter().any(is_optional)
}

fn may_be_null(described: &[&Value]) -> bool {
    let is_nullable =
        |schema: &&Value| schema["type"] == "null" || list(&schema["type"]).any(|kind| kind == "null");
    described.iter().any(is_nullable)
}

/// The tests of the API judge every answer by this check.
#[test]
fn answers_that_are_not_described_are_noticed() {
    let document = openapi();
    let mut count = 0;
    let mut unnoticed = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        for (status, response) in map(&operation["responses"]).filter(|(status, _)| status.starts_with('2')) {
            let status = status.parse().expect("a status");
            let content = &resolve(&document, response)["content"]["application/json"];
            for (name, example) in map(&content["examples"]) {
                let body = &example["value"];
                assert!(openapi::check(method, path, 418, body).is_err(), "{method} {path} answers no 418");
                for (what, changed) in mutations(&document, &content["schema"], body) {
                    count += 1;
                    if openapi::check(method, path, status, &changed).is_ok() {
                        unnoticed.insert(format!("{method} {path} {status} {name}{what}"));
                    }
                }
            }
        }
    }
    assert!(count > 500, "only {count} changes were made");
    none(unnoticed);
}

#[test]
fn error_codes_are_the_codes_of_the_code_and_of_api_gateway() {
    let document = openapi();
    let described: BTreeSet<String> = list(&document["components"]["schemas"]["ErrorCode"]["enum"])
        .map(|name| string(name).to_owned())
        .collect();
    let answered = Code::ALL.iter().map(ToString::to_string).chain(crate::errors::gateway_codes()).collect();
    none(described.symmetric_difference(&answered).map(|name| {
        format!("{name}: crates/api/src/error_code.rs and the GatewayResponses of infra/template.yaml disagree on it")
    }));
}

/// What a `$ref` points at, or the value itself.
fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let Some(reference) = value["$ref"].as_str() else { return value };
    let pointer = reference.strip_prefix('#').unwrap_or(reference);
    document.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere"))
}
