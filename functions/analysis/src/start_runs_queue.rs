//! The queue for runs whose execution `start-analysis` could not start, or whose charge is in doubt.

use aws_sdk_sqs::Client as Sqs;
use oslira_domain::{Result, RunId};
use oslira_lambda::{Env, Variable, aws_error};
use oslira_postgres::TRANSACTIONS_END_WITHIN;
use serde_json::{Value, json};
use std::time::Duration;

/// The queue `start-runs`: runs that were charged, or may have been, and whose execution may not have
/// started.
#[derive(Debug)]
pub struct StartRunsQueue {
    client: Sqs,
    url: String,
}

impl StartRunsQueue {
    /// Needs the variable `START_RUNS_QUEUE_URL`.
    pub fn new(env: &Env) -> Result<Self> {
        Ok(Self { client: Sqs::new(env.sdk()), url: env.var(Variable::StartRunsQueueUrl)? })
    }

    /// Hands a run over to `start-queued-run`.
    pub async fn send(&self, run_id: RunId) -> Result<()> {
        self.send_after(Duration::ZERO, json!({"runId": run_id})).await
    }

    /// Hands over a run that may or may not have been charged. The message arrives once no transaction can
    /// decide that any more.
    pub async fn send_doubtful(&self, run_id: RunId) -> Result<()> {
        self.send_after(TRANSACTIONS_END_WITHIN, json!({"runId": run_id, "isDoubtful": true})).await
    }

    async fn send_after(&self, delay: Duration, message: Value) -> Result<()> {
        let delay = i32::try_from(delay.as_secs()).unwrap_or(i32::MAX);
        let send = self.client.send_message().queue_url(&self.url).message_body(message.to_string());
        send.delay_seconds(delay).send().await.map_err(aws_error)?;
        Ok(())
    }
}
