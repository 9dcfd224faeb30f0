//! HTTP endpoints: an API Gateway request in, the reply envelope out.

use crate::{
    Env, Header, Reply, Request,
    fields::check_size,
    panics::caught,
    quota,
    reply::response,
    request_rates::{Class, RequestRates},
    telemetry::InvocationLog,
};
use lambda_http::http::Method;
use oslira_domain::{Result, UserId};
use std::future::Future;

/// Serves API Gateway requests with `handler` until the environment ends. What a signed-in user sends is
/// counted, and refused beyond the limit.
pub async fn serve<'a, F, Fut>(env: &'a Env, handler: F) -> Result<(), lambda_runtime::Error>
where
    F: Fn(Request) -> Fut + 'a,
    Fut: Future<Output = Result<Reply>> + Send + 'a,
{
    let handler = &handler;
    let rates = &RequestRates::new(env)?;
    lambda_http::run(lambda_http::service_fn(move |request: lambda_http::Request| {
        let request = Request::from(request);
        let origin = allowed_origin(env, request.headers.get(Header::Origin));
        let log = InvocationLog::start(env.function, &request.request_id);
        let request_id = request.request_id.clone();
        // A former invocation may have been cut off after it noted something.
        quota::take();
        let who = request.caller().ok().map(|caller| (caller.user_id, Class::of(&request)));
        let size = match request.method {
            Method::POST | Method::PUT => check_size(&request.body),
            _ => Ok(()),
        };
        // The handler begins when it is first polled.
        let handled = handler(request);
        let answer = caught(async move {
            size?;
            counted(rates, who, handled).await
        });
        async move {
            let answer = answer.await;
            let response = response(&answer, &quota::take(), &request_id, &origin);
            log.finish(Some(response.status().as_u16()), answer.as_ref().err());
            Ok::<_, lambda_runtime::Error>(response)
        }
    }))
    .await
}

/// Counts a signed-in user's request and lets it be handled. A read is handled meanwhile, because nobody is harmed
/// when it was one too many.
async fn counted(
    rates: &RequestRates,
    who: Option<(UserId, Class)>,
    handled: impl Future<Output = Result<Reply>>,
) -> Result<Reply> {
    let Some((user_id, class)) = who else { return handled.await };
    let count = rates.count(user_id, class);
    match class {
        Class::Read => {
            let (counted, answer) = tokio::join!(count, handled);
            counted.and(answer)
        }
        Class::Write => {
            count.await?;
            handled.await
        }
    }
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
