//! Apify API v2: the two Instagram actors, run synchronously or not.

use crate::{
    faults::{FaultKind, Stage},
    profiles::{Account, Outcome},
    runs::{Actor, Order, Run, Status},
    settings::{ApifyLatency, merge},
    state::{Shared, StandIns},
    upstream::Upstream,
};
use axum::{
    Json, Router,
    extract::{Path, Query, Request, State},
    http::{StatusCode, Uri, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::Deserialize;
use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};
use std::{sync::Arc, time::Duration};

/// Longest `waitForFinish`, in seconds.
const LONGEST_WAIT_SECONDS: u64 = 60;
/// Memory of a run that asks for none, in MB.
const DEFAULT_MEMORY_MB: u64 = 1_024;
/// Posts per account when the input sets no limit.
const DEFAULT_RESULTS_LIMIT: u64 = 50;

/// The routes under `/apify`.
pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v2/acts/{actor}/run-sync-get-dataset-items", post(run_sync))
        .route("/v2/acts/{actor}/runs", post(run_async))
        .route("/v2/actor-runs/{run_id}", get(show_run))
        .route("/v2/actor-runs/{run_id}/abort", post(abort_run))
        .route("/v2/datasets/{dataset_id}/items", get(show_items))
        .fallback(|| async {
            error(
                StatusCode::NOT_FOUND,
                "page-not-found",
                "We have bad news: there is no API endpoint at this URL.",
            )
        })
        .layer(middleware::from_fn(authorize))
}

fn error(status: StatusCode, kind: &str, message: &str) -> Response {
    (status, Json(json!({ "error": { "type": kind, "message": message } }))).into_response()
}

/// Apify's answer for a status, as a fault asks for it.
pub(crate) fn error_for_status(status: StatusCode, code: Option<&str>, message: Option<&str>) -> Response {
    let (kind, usual) = match status.as_u16() {
        401 => ("invalid-token", "Authentication token is not valid."),
        402 => ("concurrent-runs-limit-exceeded", "You have reached the limit of concurrent Actor runs."),
        404 => ("record-not-found", "Requested record was not found."),
        408 => {
            ("run-timeout-exceeded", "Actor run exceeded the timeout of 300 seconds for this API endpoint.")
        }
        413 => ("request-too-large", "Request body is too large."),
        429 => ("rate-limit-exceeded", "You have exceeded the rate limit. Please try again later."),
        500.. => ("internal-server-error", "Something went wrong on our side. Please try again later."),
        _ => ("invalid-request", "The request is not valid."),
    };
    error(status, code.unwrap_or(kind), message.unwrap_or(usual))
}

async fn authorize(request: Request, next: Next) -> Response {
    let header = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    match header.and_then(|value| value.strip_prefix("Bearer ")) {
        None => {
            error(StatusCode::UNAUTHORIZED, "token-not-provided", "Authentication token was not provided.")
        }
        Some(token) if token.starts_with("apify_api_") => next.run(request).await,
        Some(_) => error_for_status(StatusCode::UNAUTHORIZED, None, None),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RunQuery {
    wait_for_finish: Option<u64>,
    timeout: Option<f64>,
    memory: Option<u64>,
    max_items: Option<usize>,
    offset: Option<usize>,
    limit: Option<usize>,
}

/// Reads the query, or says which value is wrong.
fn run_query(uri: &Uri) -> Result<RunQuery, Box<Response>> {
    let query = Query::<RunQuery>::try_from_uri(uri).map_err(|cause| {
        Box::new(error(
            StatusCode::BAD_REQUEST,
            "invalid-value",
            &format!("Query parameters are not valid: {cause}"),
        ))
    })?;
    if query.wait_for_finish.is_some_and(|seconds| seconds > LONGEST_WAIT_SECONDS) {
        let message = "Query parameter waitForFinish must be from 0 to 60.";
        return Err(Box::new(error(StatusCode::BAD_REQUEST, "invalid-value", message)));
    }
    if query.timeout.is_some_and(|seconds| !(0.0..=1e6).contains(&seconds)) {
        let message = "Query parameter timeout must be a number of seconds.";
        return Err(Box::new(error(StatusCode::BAD_REQUEST, "invalid-value", message)));
    }
    Ok(query.0)
}

async fn run_async(
    State(state): State<Shared>,
    Path(actor): Path<String>,
    uri: Uri,
    body: String,
) -> Response {
    let (run, query) = match start(&state, &actor, &uri, body) {
        Ok(started) => started,
        Err(refusal) => return *refusal,
    };
    run.settled(Duration::from_secs(query.wait_for_finish.unwrap_or(0))).await;
    let location = format!("{}/apify/v2/actor-runs/{}", state.base_url, run.id);
    let data = json!({ "data": run.to_json(items(&state, &run).len()) });
    (StatusCode::CREATED, [(header::LOCATION, location)], Json(data)).into_response()
}

async fn run_sync(
    State(state): State<Shared>,
    Path(actor): Path<String>,
    uri: Uri,
    body: String,
) -> Response {
    let (run, query) = match start(&state, &actor, &uri, body) {
        Ok(started) => started,
        Err(refusal) => return *refusal,
    };
    let patience = Duration::from_millis(state.behaviour.lock().sync_timeout_ms);
    match run.settled(patience).await {
        Status::Succeeded => {
            let items = items(&state, &run).into_iter().take(query.max_items.unwrap_or(usize::MAX));
            (StatusCode::CREATED, Json(items.collect::<Vec<_>>())).into_response()
        }
        status if status.is_terminal() => {
            let message =
                format!("Actor run did not succeed (run ID: {}, status: {}).", run.id, status.as_str());
            error(StatusCode::BAD_REQUEST, "run-failed", &message)
        }
        _ => error_for_status(StatusCode::REQUEST_TIMEOUT, None, None),
    }
}

async fn show_run(State(state): State<Shared>, Path(run_id): Path<String>, uri: Uri) -> Response {
    let query = match run_query(&uri) {
        Ok(query) => query,
        Err(refusal) => return *refusal,
    };
    let Some(run) = state.runs.find(&run_id) else {
        return error_for_status(StatusCode::NOT_FOUND, None, None);
    };
    run.settled(Duration::from_secs(query.wait_for_finish.unwrap_or(0))).await;
    Json(json!({ "data": run.to_json(items(&state, &run).len()) })).into_response()
}

async fn abort_run(State(state): State<Shared>, Path(run_id): Path<String>) -> Response {
    let Some(run) = state.runs.find(&run_id) else {
        return error_for_status(StatusCode::NOT_FOUND, None, None);
    };
    state.runs.abort(&run);
    Json(json!({ "data": run.to_json(items(&state, &run).len()) })).into_response()
}

async fn show_items(State(state): State<Shared>, Path(dataset_id): Path<String>, uri: Uri) -> Response {
    let query = match run_query(&uri) {
        Ok(query) => query,
        Err(refusal) => return *refusal,
    };
    let Some(run) = state.runs.find_by_dataset(&dataset_id) else {
        return error(StatusCode::NOT_FOUND, "record-not-found", "Dataset was not found");
    };
    let items = items(&state, &run).into_iter().skip(query.offset.unwrap_or(0));
    Json(items.take(query.limit.unwrap_or(usize::MAX)).collect::<Vec<_>>()).into_response()
}

/// Checks an order and starts its run.
fn start(
    state: &StandIns,
    actor: &str,
    uri: &Uri,
    body: String,
) -> Result<(Arc<Run>, RunQuery), Box<Response>> {
    let query = run_query(uri)?;
    let actor = Actor::of_id(actor)
        .ok_or_else(|| Box::new(error(StatusCode::NOT_FOUND, "record-not-found", "Actor was not found")))?;
    let invalid = |message: &str| Box::new(error(StatusCode::BAD_REQUEST, "invalid-input", message));
    let input: Value = serde_json::from_str(&body).map_err(|_| {
        Box::new(error(StatusCode::BAD_REQUEST, "invalid-request", "The request body is not valid JSON."))
    })?;
    let (usernames, limit) = read_input(actor, &input).map_err(|message| invalid(&message))?;
    let fault = state.faults.lock().strike(Upstream::Apify, Stage::Answer, uri.path(), &body);
    let latency = state.latency.lock().apify.clone();
    let mut due = due_times(actor, &usernames, &latency);
    if let Some(fault) = fault.as_ref().filter(|fault| fault.kind == FaultKind::RunSlow) {
        due.iter_mut().for_each(|due| *due += Duration::from_millis(fault.delay_ms()));
    }
    let order = Order {
        actor,
        due,
        usernames,
        limit,
        body,
        starts_after: Duration::from_millis(latency.start_ms),
        timeout: query.timeout.filter(|seconds| *seconds > 0.0).map(Duration::from_secs_f64),
        memory_mb: query.memory.unwrap_or(DEFAULT_MEMORY_MB),
        fault: fault.map(|rule| rule.kind),
    };
    let max_in_flight = state.behaviour.lock().max_concurrent_runs;
    let run = state.runs.start(order, max_in_flight);
    run.map(|run| (run, query))
        .ok_or_else(|| Box::new(error_for_status(StatusCode::PAYMENT_REQUIRED, None, None)))
}

/// Whom to scrape, and how many posts of each.
fn read_input(actor: Actor, input: &Value) -> Result<(Vec<String>, usize), String> {
    let field = match actor {
        Actor::ProfileScraper => "usernames",
        Actor::PostScraper => "directUrls",
    };
    let list = match input.get(field) {
        None => return Err(format!("Input is not valid: Field input.{field} is required")),
        Some(Value::Array(list)) if !list.is_empty() => list,
        Some(_) => return Err(format!("Input is not valid: Field input.{field} must be a non-empty array")),
    };
    let username = |value: &Value| value.as_str().map(username_in).filter(|name| !name.is_empty());
    let usernames: Option<Vec<_>> = list.iter().map(username).collect();
    let usernames = usernames
        .ok_or_else(|| format!("Input is not valid: Field input.{field} must hold only non-empty strings"))?;
    if actor == Actor::ProfileScraper {
        return Ok((usernames, crate::profiles::LATEST_POSTS));
    }
    if input.get("resultsType").is_some_and(|kind| kind != "posts") {
        return Err("Input is not valid: Field input.resultsType must be equal to \"posts\" here".into());
    }
    match input.get("resultsLimit").map_or(Some(DEFAULT_RESULTS_LIMIT), Value::as_u64) {
        Some(limit) if limit > 0 => Ok((usernames, limit as usize)),
        _ => Err("Input is not valid: Field input.resultsLimit must be an integer >= 1".into()),
    }
}

/// `nasa` in `nasa`, `@NASA` and `https://www.instagram.com/nasa/?hl=en`.
fn username_in(text: &str) -> String {
    let rest = text.split_once("instagram.com/").map_or(text, |(_, rest)| rest);
    let name = rest.split(['/', '?', '#']).next().unwrap_or_default();
    name.trim().trim_start_matches('@').to_lowercase()
}

/// When each account's items are there. A restricted profile holds up its whole batch.
fn due_times(actor: Actor, usernames: &[String], latency: &ApifyLatency) -> Vec<Duration> {
    let each_ms = match actor {
        Actor::ProfileScraper => latency.per_profile_ms,
        Actor::PostScraper => latency.per_post_run_ms,
    };
    let is_held_up = usernames.iter().any(|name| Outcome::of(name) == Outcome::Restricted);
    let start_ms = latency.start_ms + if is_held_up { latency.restricted_ms } else { 0 };
    (1..=usernames.len() as u64).map(|n| Duration::from_millis(start_ms + n * each_ms)).collect()
}

/// The dataset of a run as it is now.
fn items(state: &StandIns, run: &Run) -> Vec<Box<RawValue>> {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let mut items: Vec<Value> = Vec::new();
    let mut as_given = Vec::new();
    for username in run.finished_usernames() {
        match state.profile_items.lock().get(username) {
            Some(item) if run.order.actor == Actor::ProfileScraper => as_given.push(item.clone()),
            _ => items.extend(account_items(state, run, username, today)),
        }
    }
    if run.order.fault == Some(FaultKind::InvalidAnswer) {
        for item in &mut items {
            *item =
                json!({ "username": 7, "followersCount": "many", "latestPosts": "none", "timestamp": false });
        }
    }
    // A value that was made here is always JSON.
    as_given.extend(items.iter().filter_map(|item| to_raw_value(item).ok()));
    as_given
}

fn account_items(state: &StandIns, run: &Run, username: &str, today: Date) -> Vec<Value> {
    let changes = state.profile_changes.lock().get(username).cloned();
    let mut account = Account::of(username);
    if changes.as_ref().is_some_and(|changes| changes["private"] == true) {
        account.outcome = Outcome::Private;
    }
    if run.order.actor == Actor::PostScraper {
        return account.post_items(run.order.limit, today);
    }
    let mut item = account.profile_item(today);
    if let Some(changes) = changes {
        merge(&mut item, &changes);
    }
    vec![item]
}
