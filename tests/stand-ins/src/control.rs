//! `/_control`: how tests set the stage and look behind it.

use crate::{
    Upstream,
    faults::FaultRule,
    keys::{KeyId, SigningKey, TokenAlgorithm},
    settings::patched,
    state::Shared,
    supabase::{User, default_claims, issuer},
};
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json, value::RawValue};
use uuid::Uuid;

/// The user of a token that names none.
const DEFAULT_USER: Uuid = Uuid::from_u128(0x0000_0000_0000_4000_8000_0000_0000_0001);

/// The routes under `/_control`.
pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/health", get(|| async { Json(json!({ "status": "ok" })) }))
        .route("/latency", get(show_latency).put(change_latency))
        .route("/behaviour", get(show_behaviour).put(change_behaviour))
        .route("/faults", get(list_faults).post(add_fault).delete(clear_faults))
        .route("/faults/{id}", axum::routing::delete(remove_fault))
        .route("/counters", get(show_counters).delete(reset_counters))
        .route("/requests", get(list_requests))
        .route("/runs/release", post(release_runs))
        .route("/profiles/{username}", put(change_profile).delete(restore_profile))
        .route("/profiles/{username}/item", put(replace_item).layer(DefaultBodyLimit::disable()))
        .route("/users", put(set_users))
        .route("/jwt", post(make_token))
        .route("/keys", get(show_keys))
        .route("/jwks/rotate", post(rotate_keys))
        .fallback(|| async {
            (StatusCode::NOT_FOUND, Json(json!({ "error": "no such control; see README.md" })))
        })
}

fn refused(reason: impl ToString) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({ "error": reason.to_string() }))).into_response()
}

fn failed(cause: &anyhow::Error) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({ "error": format!("{cause:#}") }))).into_response()
}

fn change<T: Serialize + DeserializeOwned>(setting: &Mutex<T>, patch: &Value) -> Response {
    let mut setting = setting.lock();
    match patched(&*setting, patch) {
        Ok(changed) => {
            *setting = changed;
            Json(&*setting).into_response()
        }
        Err(cause) => refused(cause),
    }
}

async fn show_latency(State(state): State<Shared>) -> Response {
    Json(&*state.latency.lock()).into_response()
}

async fn change_latency(State(state): State<Shared>, Json(patch): Json<Value>) -> Response {
    change(&state.latency, &patch)
}

async fn show_behaviour(State(state): State<Shared>) -> Response {
    Json(&*state.behaviour.lock()).into_response()
}

async fn change_behaviour(State(state): State<Shared>, Json(patch): Json<Value>) -> Response {
    change(&state.behaviour, &patch)
}

async fn list_faults(State(state): State<Shared>) -> Response {
    Json(state.faults.lock().list()).into_response()
}

async fn add_fault(State(state): State<Shared>, Json(rule): Json<Value>) -> Response {
    let rule: FaultRule = match serde_json::from_value(rule) {
        Ok(rule) => rule,
        Err(cause) => return refused(cause),
    };
    if let Err(reason) = rule.check() {
        return refused(reason);
    }
    (StatusCode::CREATED, Json(state.faults.lock().add(rule))).into_response()
}

async fn clear_faults(State(state): State<Shared>) -> StatusCode {
    state.faults.lock().clear();
    StatusCode::NO_CONTENT
}

async fn remove_fault(State(state): State<Shared>, Path(id): Path<u64>) -> StatusCode {
    if state.faults.lock().remove(id) { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

#[derive(Deserialize)]
struct Filter {
    upstream: Option<Upstream>,
    contains: Option<String>,
}

async fn show_counters(State(state): State<Shared>, Query(filter): Query<Filter>) -> Response {
    let of_upstream = |upstream| match &filter.contains {
        Some(text) => {
            let mut numbers = json!({ "requests": state.counters.containing(upstream, text) });
            if upstream == Upstream::Apify {
                numbers["actorRuns"] = json!(state.runs.containing(text));
                numbers["aborted"] = json!(state.runs.aborted_containing(text));
            }
            numbers
        }
        None => {
            let mut numbers = state.counters.summary(upstream);
            if let (Upstream::Apify, Value::Object(runs), Value::Object(numbers)) =
                (upstream, state.runs.summary(), &mut numbers)
            {
                numbers.extend(runs);
            }
            numbers
        }
    };
    let counters: Map<String, Value> =
        Upstream::ALL.iter().map(|upstream| (upstream.as_str().to_owned(), of_upstream(*upstream))).collect();
    Json(counters).into_response()
}

async fn reset_counters(State(state): State<Shared>) -> StatusCode {
    state.counters.reset();
    state.runs.reset_counters();
    StatusCode::NO_CONTENT
}

async fn list_requests(State(state): State<Shared>, Query(filter): Query<Filter>) -> Response {
    let Some(upstream) = filter.upstream else {
        return refused("say which: ?upstream=apify|openai|anthropic|jwks|auth");
    };
    Json(state.counters.requests(upstream, filter.contains.as_deref().unwrap_or_default())).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Release {
    contains: String,
}

async fn release_runs(State(state): State<Shared>, Json(order): Json<Value>) -> Response {
    match serde_json::from_value::<Release>(order) {
        Ok(order) => Json(json!({ "released": state.runs.release(&order.contains) })).into_response(),
        Err(cause) => refused(cause),
    }
}

async fn change_profile(
    State(state): State<Shared>,
    Path(username): Path<String>,
    Json(changes): Json<Value>,
) -> Response {
    if !changes.is_object() {
        return refused("an object of profile fields is wanted");
    }
    state.profile_changes.lock().insert(username.to_lowercase(), changes);
    StatusCode::NO_CONTENT.into_response()
}

async fn replace_item(State(state): State<Shared>, Path(username): Path<String>, item: String) -> Response {
    match RawValue::from_string(item) {
        Ok(item) => {
            state.profile_items.lock().insert(username.to_lowercase(), item);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(cause) => refused(cause),
    }
}

async fn restore_profile(State(state): State<Shared>, Path(username): Path<String>) -> StatusCode {
    let username = username.to_lowercase();
    let was_changed = state.profile_changes.lock().remove(&username).is_some();
    let was_replaced = state.profile_items.lock().remove(&username).is_some();
    if was_changed || was_replaced { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

async fn set_users(State(state): State<Shared>, Json(users): Json<Value>) -> Response {
    match serde_json::from_value::<Vec<User>>(users) {
        Ok(users) => {
            *state.users.lock() = users;
            StatusCode::NO_CONTENT.into_response()
        }
        Err(cause) => refused(cause),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenOrder {
    alg: TokenAlgorithm,
    /// Absent: the key's own. Null: none.
    #[serde(default, deserialize_with = "present")]
    kid: Option<Option<String>>,
    #[serde(default)]
    key: SigningKey,
    #[serde(default)]
    claims: Map<String, Value>,
    #[serde(default)]
    omit: Vec<String>,
}

/// Tells null from absent.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

async fn make_token(State(state): State<Shared>, Json(order): Json<Value>) -> Response {
    let order: TokenOrder = match serde_json::from_value(order) {
        Ok(order) => order,
        Err(cause) => return refused(cause),
    };
    let mut claims = default_claims(&state, DEFAULT_USER, "user@example.com");
    claims.extend(order.claims);
    claims.retain(|name, _| !order.omit.contains(name));
    let kid = match order.kid {
        None => KeyId::Fitting,
        Some(None) => KeyId::Absent,
        Some(Some(name)) => KeyId::Named(name),
    };
    match state.keys.lock().token(&claims, order.alg, order.key, kid) {
        Ok(token) => Json(json!({ "token": token })).into_response(),
        Err(cause) => refused(format!("{cause:#}")),
    }
}

async fn show_keys(State(state): State<Shared>) -> Response {
    let keys = state.keys.lock();
    match (keys.project_key("anon"), keys.project_key("service_role")) {
        (Ok(anon), Ok(service_role)) => Json(json!({
            "hs256Secret": keys.hs256_secret(),
            "jwksUrl": format!("{}/.well-known/jwks.json", issuer(&state)),
            "issuer": issuer(&state),
            "anonKey": anon, "serviceRoleKey": service_role,
        }))
        .into_response(),
        (Err(cause), _) | (_, Err(cause)) => failed(&cause),
    }
}

async fn rotate_keys(State(state): State<Shared>) -> Response {
    match state.keys.lock().rotate() {
        Ok(kid) => (StatusCode::CREATED, Json(json!({ "kid": kid }))).into_response(),
        Err(cause) => failed(&cause),
    }
}
