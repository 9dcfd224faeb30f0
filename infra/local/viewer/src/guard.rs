//! Keeps other web pages in the developer's browser out.

use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, StatusCode,
        header::{HOST, ORIGIN},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};

/// Answers only the viewer's own page and programs of this machine.
pub(crate) async fn refuse_strangers(State(port): State<u16>, request: Request, next: Next) -> Response {
    match refusal(port, request.headers()) {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    }
}

/// Refuses a request for another host name: a stranger's name may have been made to lead to 127.0.0.1 (DNS
/// rebinding). Also refuses a request that another page sent, though that page could not read the answer.
fn refusal(port: u16, headers: &HeaderMap) -> Option<(StatusCode, &'static str)> {
    let header = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let own = ["127.0.0.1", "localhost"].map(|name| format!("{name}:{port}"));
    let Some(host) = header(HOST).filter(|host| own.iter().any(|own| own == host)) else {
        return Some((StatusCode::MISDIRECTED_REQUEST, "this server is 127.0.0.1 only\n"));
    };
    let is_strange = header(ORIGIN).is_some_and(|origin| origin != format!("http://{host}"));
    is_strange.then_some((StatusCode::FORBIDDEN, "this server answers its own page only\n"))
}
