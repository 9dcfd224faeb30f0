//! HTTP endpoints: an API Gateway request in, the reply envelope out.

use crate::{
    Env, Header, Reply, Request, fields::check_size, panics::caught, quota, reply::response,
    request_rates::RequestRates, telemetry::InvocationLog,
};
use lambda_http::http::Method;
use oslira_domain::{RequestClass, Result, UserId};
use std::future::Future;

/// Serves API Gateway requests with `handler` until the environment ends. What a signed-in user sends is
/// counted, and refused beyond the limit.
pub async fn serve<'a, F, Fut>(env: &'a Env, handler: F) -> Result<(), lambda_runtime::Error>
where
    F: Fn(Request) -> Fut + 'a,
    Fut: Future<Output = Result<Reply>> + Send + 'a,
{
    serve_as(env, by_method, handler).await
}

/// The same for a route that changes nothing when it is asked for a quote (`?quote=true`).
pub async fn serve_with_quotes<'a, F, Fut>(env: &'a Env, handler: F) -> Result<(), lambda_runtime::Error>
where
    F: Fn(Request) -> Fut + 'a,
    Fut: Future<Output = Result<Reply>> + Send + 'a,
{
    serve_as(env, by_quote, handler).await
}

async fn serve_as<'a, F, Fut>(
    env: &'a Env,
    class_of: fn(&Request) -> RequestClass,
    handler: F,
) -> Result<(), lambda_runtime::Error>
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
        let who = request.caller().ok().map(|caller| (caller.user_id, class_of(&request)));
        let size = check_size(&request.body);
        // The handler begins when it is first polled.
        let handled = handler(request);
        let answer = caught(counted(rates, who, async move {
            size?;
            handled.await
        }));
        async move {
            let answer = answer.await;
            let response = response(&answer, &quota::take(), &request_id, &origin);
            log.finish(Some(response.status().as_u16()), answer.as_ref().err());
            Ok::<_, lambda_runtime::Error>(response)
        }
    }))
    .await
}

fn by_method(request: &Request) -> RequestClass {
    match request.method {
        Method::GET | Method::HEAD => RequestClass::Read,
        _ => RequestClass::Write,
    }
}

fn by_quote(request: &Request) -> RequestClass {
    let is_quote = request.query.iter().any(|(name, value)| name == "quote" && value == "true");
    if is_quote { RequestClass::Read } else { by_method(request) }
}

/// Counts a signed-in user's request and lets it be handled. A read is handled meanwhile, because nobody is harmed
/// when it was one too many. Whom this execution environment has just refused is refused before that.
async fn counted(
    rates: &RequestRates,
    who: Option<(UserId, RequestClass)>,
    handled: impl Future<Output = Result<Reply>>,
) -> Result<Reply> {
    let Some((user_id, class)) = who else { return handled.await };
    rates.remembered(user_id, class)?;
    let count = rates.count(user_id, class);
    match class {
        RequestClass::Read => {
            let (counted, answer) = tokio::join!(count, handled);
            counted.and(answer)
        }
        RequestClass::Write => {
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

#[cfg(test)]
mod tests {
    use super::*;
    use oslira_domain::Code;

    #[tokio::test]
    async fn whom_the_environment_has_refused_does_not_come_to_the_handler() {
        let user_id: UserId = "0190a5a0-0000-7000-8000-000000000001".parse().unwrap();
        for class in [RequestClass::Read, RequestClass::Write] {
            let rates = RequestRates::that_refused(user_id, class);
            let handled = async { unreachable!("the handler was called") };
            let refusal = counted(&rates, Some((user_id, class)), handled).await.unwrap_err();
            assert_eq!(refusal.code, Code::TooManyRequests);
        }
        quota::take();
    }

    #[test]
    fn a_quote_is_a_read_where_a_route_has_quotes() {
        let request = |method: Method, quote: &str| Request {
            method,
            query: vec![("quote".to_owned(), quote.to_owned())],
            ..Request::default()
        };
        let (quote, other) = (request(Method::POST, "true"), request(Method::POST, "false"));
        assert_eq!([by_quote(&quote), by_quote(&other)], [RequestClass::Read, RequestClass::Write]);
        assert_eq!([by_method(&quote), by_method(&other)], [RequestClass::Write; 2]);
        assert_eq!(by_method(&request(Method::GET, "")), RequestClass::Read);
    }
}
