//! Supabase Auth: sign-in and the key set.

use crate::{
    keys::{KeyId, SigningKey, TokenAlgorithm},
    state::{Shared, StandIns},
};
use axum::{
    Json, Router,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Seconds that an access token is good for.
const EXPIRES_IN: i64 = 3_600;

/// A user who can sign in.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct User {
    /// `auth.users.id`.
    pub(crate) id: Uuid,
    /// What they sign in with.
    pub(crate) email: String,
    /// In clear: these are test users.
    pub(crate) password: String,
}

/// The routes under `/supabase`.
pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/auth/v1/.well-known/jwks.json", get(jwks))
        .route("/auth/v1/token", post(token))
        .fallback(|| async { error(StatusCode::NOT_FOUND, "not_found", "Not found") })
}

/// The answer of Supabase Auth for a status, as a fault asks for it.
pub(crate) fn error_for_status(status: StatusCode, code: Option<&str>, message: Option<&str>) -> Response {
    let usual = match status.as_u16() {
        401 => "no_authorization",
        404 => "not_found",
        429 => "over_request_rate_limit",
        500.. => "unexpected_failure",
        _ => "validation_failed",
    };
    let message = message.or(status.canonical_reason()).unwrap_or("Error");
    error(status, code.unwrap_or(usual), message)
}

fn error(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(json!({ "code": status.as_u16(), "error_code": code, "msg": message }))).into_response()
}

async fn jwks(State(state): State<Shared>) -> Response {
    if state.behaviour.lock().jwks_outage {
        return error_for_status(StatusCode::SERVICE_UNAVAILABLE, None, None);
    }
    match state.keys.lock().jwks() {
        Ok(jwks) => ([("cache-control", "public, max-age=600")], Json(jwks)).into_response(),
        Err(cause) => error(StatusCode::INTERNAL_SERVER_ERROR, "unexpected_failure", &cause.to_string()),
    }
}

#[derive(Deserialize)]
struct TokenQuery {
    grant_type: Option<String>,
}

#[derive(Deserialize)]
struct Credentials {
    email: String,
    password: String,
}

async fn token(State(state): State<Shared>, Query(query): Query<TokenQuery>, body: String) -> Response {
    if query.grant_type.as_deref() != Some("password") {
        return error(StatusCode::BAD_REQUEST, "unsupported_grant_type", "unsupported_grant_type");
    }
    let Ok(credentials) = serde_json::from_str::<Credentials>(&body) else {
        return error(StatusCode::BAD_REQUEST, "bad_json", "Could not parse request body as JSON");
    };
    let email = credentials.email.to_lowercase();
    let user = state
        .users
        .lock()
        .iter()
        .find(|user| user.email.to_lowercase() == email && user.password == credentials.password)
        .cloned();
    let Some(user) = user else {
        return error(StatusCode::BAD_REQUEST, "invalid_credentials", "Invalid login credentials");
    };
    let claims = default_claims(&state, user.id, &user.email);
    match state.keys.lock().token(&claims, TokenAlgorithm::ES256, SigningKey::Current, KeyId::Fitting) {
        Ok(access_token) => Json(session(&user, &email, &access_token, &claims)).into_response(),
        Err(cause) => error(StatusCode::INTERNAL_SERVER_ERROR, "unexpected_failure", &cause.to_string()),
    }
}

fn session(user: &User, email: &str, access_token: &str, claims: &Map<String, Value>) -> Value {
    let now = Timestamp::now();
    json!({
        "access_token": access_token,
        "token_type": "bearer",
        "expires_in": EXPIRES_IN,
        "expires_at": claims["exp"],
        "refresh_token": &Uuid::new_v4().simple().to_string()[..22],
        "user": {
            "id": user.id, "aud": "authenticated", "role": "authenticated", "email": email,
            "email_confirmed_at": now, "phone": "", "confirmed_at": now, "last_sign_in_at": now,
            "app_metadata": claims["app_metadata"], "user_metadata": claims["user_metadata"],
            "identities": [], "created_at": now, "updated_at": now, "is_anonymous": false,
        },
        "weak_password": null,
    })
}

/// The claims of a user's access token, good for an hour from now.
pub(crate) fn default_claims(state: &StandIns, user_id: Uuid, email: &str) -> Map<String, Value> {
    let now = Timestamp::now().as_second();
    let claims = json!({
        "iss": issuer(state), "sub": user_id, "aud": "authenticated", "exp": now + EXPIRES_IN, "iat": now,
        "email": email, "phone": "",
        "app_metadata": { "provider": "email", "providers": ["email"] },
        "user_metadata": { "email": email, "email_verified": true, "phone_verified": false, "sub": user_id },
        "role": "authenticated", "aal": "aal1", "amr": [{ "method": "password", "timestamp": now }],
        "session_id": Uuid::new_v4(), "is_anonymous": false,
    });
    claims.as_object().cloned().unwrap_or_default()
}

/// The issuer that tokens name.
pub(crate) fn issuer(state: &StandIns) -> String {
    format!("{}/supabase/auth/v1", state.base_url)
}
