//! Where `start-analysis` leaves a run whose execution it could not start.

use aws_sdk_sqs::Client as Sqs;
use oslira_domain::{Result, RunId};
use oslira_lambda::{Env, aws_error};
use serde_json::json;

/// The queue `start-runs`: runs that were charged but whose execution may not have started.
#[derive(Debug)]
pub struct StartRunsQueue {
    client: Sqs,
    url: String,
}

impl StartRunsQueue {
    /// Needs the variable `START_RUNS_QUEUE_URL`.
    pub fn new(env: &Env) -> Result<Self> {
        Ok(Self { client: Sqs::new(env.sdk()), url: env.var("START_RUNS_QUEUE_URL")? })
    }

    /// Hands a run over to `start-queued-run`.
    pub async fn send(&self, run_id: RunId) -> Result<()> {
        let message = json!({"runId": run_id}).to_string();
        self.client
            .send_message()
            .queue_url(&self.url)
            .message_body(message)
            .send()
            .await
            .map_err(aws_error)?;
        Ok(())
    }
}
