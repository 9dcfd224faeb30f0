//! The description of the API: what `docs/openapi.yaml` says, and whether an answer is one that it describes.

use anyhow::{Context, Result, anyhow, ensure};
use jsonschema::Validator;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

/// The whole description, made from the routes of all features.
pub fn document() -> Result<Value> {
    let routes = [
        oslira_platform::routes(),
        oslira_auth::routes(),
        oslira_accounts::routes(),
        oslira_credits::routes(),
        oslira_usage::routes(),
        oslira_business_profiles::routes(),
        oslira_analysis::routes(),
        oslira_refresh::routes(),
        oslira_leads::routes(),
    ];
    oslira_api::document(routes.into_iter().flatten().collect()).map_err(|problem| anyhow!(problem))
}

/// The same as the file has it.
pub fn yaml() -> Result<String> {
    let head = "# Made by `cargo xtask openapi` from the routes and types in Rust: change those.\n";
    Ok(format!("{head}{}", serde_saphyr::to_string(&document()?)?))
}

static DOCUMENT: LazyLock<Result<Value, String>> = LazyLock::new(|| document().map_err(|it| it.to_string()));
/// By the place of the schema in the description.
static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

/// Whether an answer is one that the description has for its route and status; a test that sees another one fails.
///
/// # Errors
/// The status is not described, or the body is not as described: a field is missing, extra, or `null` where it must not be.
pub fn check(method: &str, path: &str, status: u16, body: &Value) -> Result<()> {
    let document = DOCUMENT.as_ref().map_err(|problem| anyhow!(problem.clone()))?;
    let place = match answer(document, method, path, status)
        .with_context(|| format!("{method} {path} was answered: {body}"))?
    {
        Some(answer) => format!("{answer}/content/application~1json/schema"),
        // No route of ours: API Gateway says so.
        None => {
            ensure!(body["code"] == "RouteNotFound", "{method} {path} is no route, and was answered: {body}");
            "/components/schemas/Failure".to_owned()
        }
    };
    let validator = validator(document, &place)?;
    let problems: Vec<String> =
        validator.iter_errors(body).map(|error| format!("{}: {error}", error.instance_path())).collect();
    ensure!(
        problems.is_empty(),
        "{method} {path} answered {status} with a body that its declaration does not describe:\n{}\n{body:#}",
        problems.join("\n")
    );
    Ok(())
}

/// The same for an answer as CSV: its first line has the columns that the description's example has.
///
/// # Errors
/// The description has no CSV for this route and status, or other columns.
pub fn check_csv(method: &str, path: &str, status: u16, text: &str) -> Result<()> {
    let document = DOCUMENT.as_ref().map_err(|problem| anyhow!(problem.clone()))?;
    let place = answer(document, method, path, status)?.context("no route of ours answers with CSV")?;
    let example = document.pointer(&format!("{place}/content/text~1csv/example")).and_then(Value::as_str);
    let example = example.with_context(|| format!("{method} {path} {status} is not described with CSV"))?;
    let (described, columns) = (example.lines().next(), text.lines().next());
    ensure!(
        columns == described,
        "the columns of {method} {path} are {columns:?}, described as {described:?}"
    );
    Ok(())
}

/// The place in the description of what a route answers with this status; `None` for a path that is no route.
fn answer(document: &Value, method: &str, path: &str, status: u16) -> Result<Option<String>> {
    let method = method.to_lowercase();
    let Some(route) = route(document, &method, path.split('?').next().unwrap_or_default()) else {
        return Ok(None);
    };
    let place = format!("/paths/{}/{method}/responses/{status}", escaped(route));
    let answer = document.pointer(&place).with_context(|| {
        format!("{method} {route} answered {status}, which its declaration does not have")
    })?;
    let shared = answer["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    Ok(Some(shared.unwrap_or(&place).to_owned()))
}

/// Whether a request's body is one that the description has for its route.
///
/// # Errors
/// It is not.
pub fn check_request(method: &str, path: &str, body: &Value) -> Result<()> {
    let document = DOCUMENT.as_ref().map_err(|problem| anyhow!(problem.clone()))?;
    let place = format!("/paths/{}/{method}/requestBody/content/application~1json/schema", escaped(path));
    let validator = validator(document, &place)?;
    let problems: Vec<String> = validator.iter_errors(body).map(|error| error.to_string()).collect();
    ensure!(problems.is_empty(), "{method} {path} takes no such body:\n{}\n{body:#}", problems.join("\n"));
    Ok(())
}

fn validator(document: &Value, place: &str) -> Result<Arc<Validator>> {
    let mut validators = VALIDATORS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(validator) = validators.get(place) {
        return Ok(Arc::clone(validator));
    }
    let schema = document.pointer(place).with_context(|| format!("no schema at {place}"))?;
    // References lead into the description, which is around the schema here, too.
    let schema = json!({"allOf": [schema], "components": document["components"]});
    let options = jsonschema::options().should_validate_formats(true);
    let validator = Arc::new(options.build(&schema).map_err(|error| anyhow!("{place}: {error}"))?);
    validators.insert(place.to_owned(), Arc::clone(&validator));
    Ok(validator)
}

/// The route that a path is of: one without a placeholder before one with.
fn route<'a>(document: &'a Value, method: &str, path: &str) -> Option<&'a str> {
    let fits = |route: &str| {
        let (wanted, given): (Vec<_>, Vec<_>) = (route.split('/').collect(), path.split('/').collect());
        let same = |(wanted, given): (&&str, &&str)| {
            wanted == given || (wanted.starts_with('{') && !given.is_empty())
        };
        wanted.len() == given.len() && wanted.iter().zip(&given).all(same)
    };
    let routes = document["paths"].as_object().into_iter().flatten();
    let mut routes: Vec<&str> = routes
        .filter(|(route, item)| item.get(method).is_some() && fits(route))
        .map(|(route, _)| route.as_str())
        .collect();
    routes.sort_by_key(|route| route.matches('{').count());
    routes.first().copied()
}

fn escaped(text: &str) -> String {
    text.replace('~', "~0").replace('/', "~1")
}
