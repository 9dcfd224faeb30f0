//! Starting the state machine, so that a run has one execution and none is forgotten.

use aws_sdk_sfn::{
    Client as StepFunctions, error::SdkError, operation::start_execution::StartExecutionError,
};
use aws_sdk_sqs::Client as Sqs;
use oslira_domain::{AnalysisInput, Error, Result, RunId};
use oslira_lambda::Env;
use serde_json::json;

/// The state machine `analysis`.
#[derive(Debug)]
pub struct Executions {
    client: StepFunctions,
    state_machine_arn: String,
}

impl Executions {
    /// Needs the variable `ANALYSIS_STATE_MACHINE_ARN`.
    pub fn new(env: &Env) -> Result<Self> {
        Ok(Self {
            client: StepFunctions::new(env.sdk()),
            state_machine_arn: env.var("ANALYSIS_STATE_MACHINE_ARN")?,
        })
    }

    /// Starts the execution named by the run's id. One that is there already is as good.
    pub async fn start(&self, input: &AnalysisInput) -> Result<()> {
        let started = self
            .client
            .start_execution()
            .state_machine_arn(&self.state_machine_arn)
            .name(input.run_id.to_string())
            .input(serde_json::to_string(input).map_err(Error::internal)?)
            .send()
            .await;
        match started {
            Ok(_) => Ok(()),
            Err(SdkError::ServiceError(error))
                if matches!(error.err(), StartExecutionError::ExecutionAlreadyExists(_)) =>
            {
                Ok(())
            }
            Err(error) => Err(Error::store(error)),
        }
    }
}

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
            .map_err(Error::store)?;
        Ok(())
    }
}
