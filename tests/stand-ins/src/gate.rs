//! What every request to an imitated service passes first: it is counted, and may meet a fault.

use crate::{
    Upstream,
    faults::{FaultKind, FaultRule, Stage},
    reset::Connection,
    state::Shared,
};
use axum::{
    body::{Body, to_bytes},
    extract::{ConnectInfo, Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::time::Duration;

/// Largest request body read, in bytes.
const MAX_BODY_BYTES: usize = 32 * 1024 * 1024;
/// How long a `timeout` fault holds a request.
const LONGEST_SILENCE: Duration = Duration::from_secs(600);

/// Counts the request, lets a transport fault strike, or passes it on.
pub(crate) async fn gate(
    State(state): State<Shared>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request,
    next: Next,
) -> Response {
    let Some(upstream) = Upstream::of_path(request.uri().path()) else { return next.run(request).await };
    let path = request.uri().path_and_query().map_or_else(String::new, ToString::to_string);
    let is_get = request.method() == Method::GET;
    let (parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, MAX_BODY_BYTES).await else {
        return upstream.error(StatusCode::PAYLOAD_TOO_LARGE, None, None);
    };
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let in_flight = state.counters.begin(upstream, is_get, &path, &text);

    let fault = state.faults.lock().strike(upstream, Stage::Transport, &path, &text);
    let request = Request::from_parts(parts, Body::from(bytes));
    let answer = match fault {
        None => Some(next.run(request).await),
        Some(fault) if fault.kind == FaultKind::Slow => {
            tokio::time::sleep(Duration::from_millis(fault.delay_ms())).await;
            Some(next.run(request).await)
        }
        Some(fault) => faulty_answer(&fault).await,
    };
    match answer {
        Some(answer) => {
            in_flight.finish(answer.status().as_str());
            answer
        }
        None => {
            connection.reset();
            in_flight.finish("reset");
            StatusCode::BAD_GATEWAY.into_response()
        }
    }
}

/// The answer of a fault that keeps the request from the service; `None` resets the connection.
async fn faulty_answer(fault: &FaultRule) -> Option<Response> {
    match fault.kind {
        FaultKind::Status => Some(error(fault)),
        FaultKind::Malformed => Some(
            (
                [(header::CONTENT_TYPE, "application/json")],
                r#"{"id":"malformed","data":[{"text":"an answer that"#,
            )
                .into_response(),
        ),
        FaultKind::Timeout => {
            tokio::time::sleep(LONGEST_SILENCE).await;
            None
        }
        _ => None,
    }
}

fn error(fault: &FaultRule) -> Response {
    let FaultRule { upstream, code, message, .. } = fault;
    let mut response = upstream.error(fault.http_status(), code.as_deref(), message.as_deref());
    if let Some(seconds) = fault.retry_after_seconds {
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.ceil() as u64));
        if fault.upstream == Upstream::Openai {
            headers.insert("retry-after-ms", HeaderValue::from((seconds * 1_000.0) as u64));
        }
    }
    response
}
