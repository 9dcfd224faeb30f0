//! HTTP endpoints: an API Gateway request in, the reply envelope out.

use crate::{Env, Header, Reply, Request, panics::caught, reply::response, telemetry::InvocationLog};
use oslira_domain::Result;
use std::future::Future;

/// Serves API Gateway requests with `handler` until the environment ends.
pub async fn serve<'a, F, Fut>(env: &'a Env, handler: F) -> Result<(), lambda_runtime::Error>
where
    F: Fn(Request) -> Fut + 'a,
    Fut: Future<Output = Result<Reply>> + Send + 'a,
{
    let handler = &handler;
    lambda_http::run(lambda_http::service_fn(move |request: lambda_http::Request| {
        let request = Request::from(request);
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

/// The origin to allow. It is the request's own origin when that is configured. Otherwise it is the first
/// configured one, which a browser on another origin will not accept.
fn allowed_origin(env: &Env, origin: Option<&str>) -> String {
    origin
        .filter(|origin| env.allowed_origins.iter().any(|allowed| allowed == origin))
        .or(env.allowed_origins.first().map(String::as_str))
        .unwrap_or_default()
        .to_owned()
}
