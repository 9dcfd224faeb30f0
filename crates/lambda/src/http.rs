//! HTTP endpoints: an API Gateway request in, the reply envelope out.
//!
//! Every reply has the same envelope, carries CORS headers and the request's id. Errors become replies here and
//! nowhere else; the cause goes to the log only.

use crate::{Caller, Env, Header, Headers, body, panics::caught, telemetry::InvocationLog};
use deserr::Deserr;
use jiff::Timestamp;
use lambda_http::{RequestExt, Response, http, request::RequestContext};
use oslira_domain::{AccountId, Code, Error, Result};
use serde::Serialize;
use serde_json::{Value, json};
use std::{collections::HashMap, future::Future, net::IpAddr, num::NonZeroU32, str::FromStr};

/// Seconds a client should wait after a 503 that does not say.
const RETRY_AFTER_SECONDS: u32 = 5;

/// What a handler sees of a request.
#[derive(Debug, Default)]
pub struct Request {
    /// The id in every log line and in the reply.
    pub request_id: String,
    /// The signed-in user, when the route has an authorizer.
    pub caller: Option<Caller>,
    /// Where the request came from, as API Gateway saw it. Never a header's word for it, which callers forge. Personal
    /// data: not for logs.
    pub source_ip: Option<IpAddr>,
    /// Values of the `{placeholders}` in the route.
    pub path: HashMap<String, String>,
    /// What came beside the body.
    pub headers: Headers,
    /// The body as received.
    pub body: Vec<u8>,
}

impl Request {
    /// The signed-in user; 401 without one, or when the token has expired since the authorizer saw it.
    pub fn caller(&self) -> Result<&Caller> {
        self.caller
            .as_ref()
            .filter(|caller| caller.expires_at > Timestamp::now())
            .ok_or_else(|| Error::new(Code::Unauthorized, "Sign in: the token is missing or has expired."))
    }

    /// The account asked for by `X-Account-Id`, or the caller's oldest. Whether the caller is in it is for the
    /// database to say.
    pub fn account_id(&self) -> Result<AccountId> {
        let caller = self.caller()?;
        let account_id = match self.headers.get(Header::AccountId) {
            Some(text) => text.trim().parse().ok(),
            None => caller.default_account_id,
        };
        let account_id = account_id.ok_or_else(Self::account_not_found)?;
        crate::note_account(account_id);
        Ok(account_id)
    }

    /// The error for an account that does not exist or that the caller is not in: the two look the same.
    pub fn account_not_found() -> Error {
        Error::new(Code::AccountNotFound, "There is no such account among yours.")
    }

    /// The id in the route's `{name}`; anything that is not an id is a thing that does not exist.
    pub fn path_id<T: FromStr>(&self, name: &str, not_found: impl FnOnce() -> Error) -> Result<T> {
        self.path.get(name).and_then(|text| text.parse().ok()).ok_or_else(not_found)
    }

    /// The body, read into `T`.
    pub fn body<T: Deserr<body::BodyErrors>>(&self) -> Result<T> {
        body::parse(&self.body)
    }

    /// The error for an idempotency key that came before with another body.
    pub fn idempotency_key_reused() -> Error {
        let message =
            "This Idempotency-Key came with another request before; use a new key for a new request.";
        Error::new(Code::IdempotencyKeyReused, message)
    }

    /// The `Idempotency-Key` header, 1 to 255 characters.
    pub fn idempotency_key(&self) -> Result<Option<&str>> {
        match self.headers.get(Header::IdempotencyKey) {
            Some(key) if !(1..=255).contains(&key.len()) || !key.bytes().all(|b| b.is_ascii_graphic()) => {
                Err(body::invalid_field("Idempotency-Key", "must be 1 to 255 visible ASCII characters"))
            }
            key => Ok(key),
        }
    }
}

/// A successful answer.
#[derive(Debug, PartialEq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// `data` of the envelope.
    pub data: Value,
}

impl Reply {
    /// 200.
    pub fn ok(data: impl Serialize) -> Self {
        Self::with_status(200, data)
    }

    /// 201: something was made.
    pub fn created(data: impl Serialize) -> Self {
        Self::with_status(201, data)
    }

    /// 202: something was begun.
    pub fn accepted(data: impl Serialize) -> Self {
        Self::with_status(202, data)
    }

    /// Any status.
    pub fn with_status(status: u16, data: impl Serialize) -> Self {
        // Plain structs with text keys always serialise.
        Self { status, data: serde_json::to_value(data).unwrap_or(Value::Null) }
    }
}

/// Serves API Gateway requests with `handler` until the environment ends.
pub async fn serve<'a, F, Fut>(env: &'a Env, handler: F) -> Result<(), lambda_runtime::Error>
where
    F: Fn(Request) -> Fut + 'a,
    Fut: Future<Output = Result<Reply>> + Send + 'a,
{
    let handler = &handler;
    lambda_http::run(lambda_http::service_fn(move |request: lambda_http::Request| {
        let request = read(request);
        let origin = allowed_origin(env, request.headers.get(Header::Origin));
        let log = InvocationLog::start(env.function, &request.request_id);
        let request_id = request.request_id.clone();
        let answer = caught(handler(request));
        async move {
            let answer = answer.await;
            let response = response(&answer, &request_id, &origin);
            log.finish(Some(response.status().as_u16()), answer.as_ref().err());
            Ok::<_, lambda_runtime::Error>(response)
        }
    }))
    .await
}

fn read(request: lambda_http::Request) -> Request {
    let (request_id, caller, source_ip) = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV1(context)) => (
            context.request_id.clone().unwrap_or_default(),
            Caller::from_context(&context.authorizer.fields),
            context.identity.source_ip.as_ref().and_then(|ip| ip.parse().ok()),
        ),
        _ => Default::default(),
    };
    let pairs = |map: lambda_http::aws_lambda_events::query_map::QueryMap| {
        map.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    // What is not text is kept as what it is not, rather than left out: a key that cannot be read is no missing key.
    let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    Request {
        request_id,
        caller,
        source_ip,
        path: pairs(request.path_parameters()),
        headers: request.headers().iter().map(header).collect(),
        body: request.into_body().to_vec(),
    }
}

/// The origin to allow: the request's own when it is configured, else the first configured one, which a
/// browser elsewhere will not accept.
fn allowed_origin(env: &Env, origin: Option<&str>) -> String {
    origin
        .filter(|origin| env.allowed_origins.iter().any(|allowed| allowed == origin))
        .or(env.allowed_origins.first().map(String::as_str))
        .unwrap_or_default()
        .to_owned()
}

fn response(answer: &Result<Reply>, request_id: &str, origin: &str) -> Response<String> {
    let mut body = json!({"success": false});
    let status = match answer {
        Ok(reply) => {
            body["success"] = (reply.status < 400).into();
            body["data"] = reply.data.clone();
            reply.status
        }
        Err(error) => {
            body["error"] = error.message.as_ref().into();
            body["code"] = error.code.as_str().into();
            if let Some(details) = &error.details {
                body["details"] = details.clone();
            }
            error.code.http_status()
        }
    };
    body["requestId"] = request_id.into();
    body["timestamp"] = Timestamp::now().to_string().into();

    let mut response = Response::new(body.to_string());
    *response.status_mut() =
        http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = value.parse() {
            headers.insert(name, value);
        }
    };
    set("content-type", "application/json");
    set("cache-control", "no-store");
    set("x-request-id", request_id);
    set("access-control-allow-origin", origin);
    set("access-control-expose-headers", "Retry-After,X-Request-Id");
    set("vary", "Origin");
    let wait = answer.as_ref().err().and_then(|error| error.retry_after_seconds).map(NonZeroU32::get);
    if let Some(seconds) = wait.or((status == 503).then_some(RETRY_AFTER_SECONDS)) {
        set("retry-after", &seconds.to_string());
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn signed_in(headers: &[(&str, &str)]) -> Request {
        let id = "0190a5a0-0000-7000-8000-000000000001";
        Request {
            caller: Some(Caller {
                user_id: id.parse().unwrap(),
                email: None,
                default_account_id: id.parse().ok(),
                expires_at: Timestamp::MAX,
            }),
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            ..Request::default()
        }
    }

    #[test]
    fn the_header_picks_the_account() {
        let other = "0190a5a0-0000-7000-8000-000000000002";
        assert!(signed_in(&[]).account_id().is_ok());
        assert_eq!(signed_in(&[("x-account-id", other)]).account_id().unwrap().to_string(), other);
        assert_eq!(
            signed_in(&[("x-account-id", "mine")]).account_id().unwrap_err().code,
            Code::AccountNotFound
        );
    }

    #[test]
    fn a_token_that_expired_since_the_authorizer_saw_it_is_refused() {
        let mut request = signed_in(&[]);
        request.caller.as_mut().unwrap().expires_at = Timestamp::UNIX_EPOCH;
        assert_eq!(request.caller().unwrap_err().code, Code::Unauthorized);
        assert_eq!(Request::default().caller().unwrap_err().code, Code::Unauthorized);
    }

    #[test]
    fn an_idempotency_key_has_1_to_255_characters() {
        assert_eq!(signed_in(&[]).idempotency_key().unwrap(), None);
        assert_eq!(signed_in(&[("idempotency-key", "k")]).idempotency_key().unwrap(), Some("k"));
        for key in ["", "ключ", "two words", "\u{fffd}"] {
            assert!(signed_in(&[("idempotency-key", key)]).idempotency_key().is_err(), "{key:?}");
        }
        assert!(signed_in(&[("idempotency-key", &"k".repeat(256))]).idempotency_key().is_err());
    }

    #[test]
    fn replies_share_one_envelope() {
        let answer = response(&Ok(Reply::created(json!({"id": 1}))), "r-1", "https://app.example");
        assert_eq!(answer.status(), 201);
        assert_eq!(answer.headers()["access-control-allow-origin"], "https://app.example");
        let body: Value = serde_json::from_str(answer.body()).unwrap();
        assert_eq!(
            (&body["success"], &body["data"]["id"], &body["requestId"]),
            (&json!(true), &json!(1), &json!("r-1"))
        );
    }

    #[test]
    fn an_error_shows_its_sentence_and_hides_its_cause() {
        let error = Error::store("connection to 10.0.0.7 refused").with_details(json!({"part": "x"}));
        let answer = response(&Err(error), "r-1", "https://app.example");
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["retry-after"]),
            (503, &"5".parse().unwrap())
        );
        assert!(!answer.body().contains("10.0.0.7"));
        let body: Value = serde_json::from_str(answer.body()).unwrap();
        assert_eq!((&body["success"], &body["code"]), (&json!(false), &json!("StoreUnavailable")));
        assert_eq!(body["details"], json!({"part": "x"}));
    }

    #[test]
    fn an_error_that_knows_when_it_is_over_says_so() {
        let error = |code| Error::new(code, "x").with_retry_after(Duration::from_secs(62));
        for code in [Code::Paused, Code::NotReady] {
            assert_eq!(response(&Err(error(code)), "r-1", "o").headers()["retry-after"], "62", "{code}");
        }
        assert!(
            !response(&Err(Error::new(Code::NotReady, "x")), "r-1", "o")
                .headers()
                .contains_key("retry-after")
        );
    }
}
