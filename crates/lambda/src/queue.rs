//! SQS batches. Each message is handled by itself, and only failed messages come back.

use crate::{Env, panics::caught, telemetry::InvocationLog};
use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use lambda_runtime::{LambdaEvent, service_fn};
use oslira_domain::{Code, Error, Result};
use serde::de::DeserializeOwned;
use std::future::Future;

#[derive(Debug)]
pub struct Message<T> {
    pub body: T,
    /// How often the message was received, this time included.
    pub receive_count: u32,
}

/// Serves a queue with `handler` until the environment ends. A message whose handler fails, or that cannot be
/// read, is reported as failed: it comes again, and in the end goes to the dead-letter queue.
pub async fn serve_queue<F, Fut, T>(env: &Env, handler: F) -> Result<(), lambda_runtime::Error>
where
    F: Fn(Message<T>) -> Fut,
    Fut: Future<Output = Result<()>>,
    T: DeserializeOwned,
{
    let handler = &handler;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<SqsEvent>| async move {
        let mut answer = SqsBatchResponse::default();
        for record in event.payload.records {
            let id = record.message_id.clone().unwrap_or_default();
            let log = InvocationLog::start(env.function, &event.context.request_id);
            let outcome = match read(&record) {
                Ok(message) => caught(handler(message)).await,
                Err(error) => Err(error),
            };
            log.finish(None, outcome.as_ref().err());
            if outcome.is_err() {
                let mut failure = BatchItemFailure::default();
                failure.item_identifier = id;
                answer.batch_item_failures.push(failure);
            }
        }
        Ok::<_, lambda_runtime::Error>(answer)
    }))
    .await
}

fn read<T: DeserializeOwned>(record: &SqsMessage) -> Result<Message<T>> {
    let body = serde_json::from_str(record.body.as_deref().unwrap_or_default()).map_err(|error| {
        Error::new(Code::ValidationFailed, "The message is not this queue's.").because(error)
    })?;
    let receive_count =
        record.attributes.get("ApproximateReceiveCount").and_then(|count| count.parse().ok()).unwrap_or(1);
    Ok(Message { body, receive_count })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_how_often_it_came() {
        let mut record = SqsMessage::default();
        record.body = Some("{\"runId\": 7}".to_owned());
        record.attributes.insert("ApproximateReceiveCount".to_owned(), "3".to_owned());
        let message: Message<serde_json::Value> = read(&record).unwrap();
        assert_eq!((message.body["runId"].as_u64(), message.receive_count), (Some(7), 3));
        record.body = Some("poison".to_owned());
        assert_eq!(read::<serde_json::Value>(&record).unwrap_err().code, Code::ValidationFailed);
    }
}
