#![doc = include_str!("../README.md")]

mod aws;
mod caller;
mod env;
mod fields;
mod headers;
mod http;
mod named;
mod outbound;
mod panics;
mod queue;
mod quota;
mod reply;
mod request;
mod request_rates;
mod secrets;
mod stage;
mod telemetry;
mod variable;

pub use aws::{aws_error, aws_refused};
pub use caller::Caller;
pub use env::Env;
pub use fields::FieldErrors;
pub use headers::{Header, Headers};
pub use http::{serve, serve_with_quotes};
pub use lambda_runtime::Error as RuntimeError;
pub use outbound::{http_client, tls_config};
pub use queue::{Message, serve_queue};
pub use quota::{Quota, note_quota};
pub use reply::Reply;
pub use request::Request;
pub use secrets::{CachedSecret, Secret};
pub use stage::{Invocation, serve_stage};
pub use telemetry::{note_account, note_run};
pub use variable::Variable;
