//! Pipeline stages: JSON in, JSON out, and errors with a type that the state machine's `ErrorEquals` matches.

use crate::{Env, panics::caught, telemetry::InvocationLog};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use oslira_domain::{Code, Error, Result};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{
    future::Future,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::time::Instant;

#[derive(Debug)]
pub struct Invocation<T> {
    /// The state machine's input.
    pub input: T,
    /// When the platform would kill this invocation. A stage stops waiting for others well before that.
    pub deadline: Instant,
}

/// Serves a stage with `handler` until the environment ends.
pub async fn serve_stage<F, Fut, T, R>(env: &Env, handler: F) -> Result<(), lambda_runtime::Error>
where
    F: Fn(Invocation<T>) -> Fut,
    Fut: Future<Output = Result<R>>,
    T: DeserializeOwned,
    R: Serialize,
{
    let handler = &handler;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        let log = InvocationLog::start(env.function, &event.context.request_id);
        let answer = match serde_json::from_value(event.payload) {
            Ok(input) => {
                let invocation = Invocation { input, deadline: deadline(event.context.deadline) };
                caught(handler(invocation)).await
            }
            Err(error) => {
                Err(Error::new(Code::ValidationFailed, format!("The input is not this step's: {error}.")))
            }
        };
        log.finish(None, answer.as_ref().err());
        answer.map_err(StageError)
    }))
    .await
}

/// The runtime takes an error's type from `Diagnostic`. Without it the type would be a Rust path that nothing
/// can match.
#[derive(Debug)]
pub(crate) struct StageError(pub(crate) Error);

impl From<StageError> for Diagnostic {
    fn from(StageError(error): StageError) -> Self {
        Self { error_type: error.code.as_str().to_owned(), error_message: error.message.into_owned() }
    }
}

fn deadline(unix_ms: u64) -> Instant {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Instant::now() + Duration::from_millis(unix_ms).saturating_sub(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_type_is_the_code_and_the_cause_stays_inside() {
        let diagnostic = Diagnostic::from(StageError(Error::store("password is hunter2")));
        assert_eq!(diagnostic.error_type, "StoreUnavailable");
        assert!(!diagnostic.error_message.contains("hunter2"));
    }

    #[test]
    fn a_deadline_in_the_past_is_now() {
        assert!(deadline(0) <= Instant::now());
    }
}
