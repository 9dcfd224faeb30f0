//! Starting the state machine, so that a run has one execution and none is forgotten; and asking how that stands.

use aws_sdk_sfn::{
    Client as StepFunctions,
    error::SdkError,
    operation::{describe_execution::DescribeExecutionError, start_execution::StartExecutionError},
    types::ExecutionStatus,
};
use oslira_domain::{AnalysisInput, AnonymousInput, Error, Result, RunId, execution_name, execution_of};
use oslira_lambda::{Env, Variable, aws_error};
use serde::Serialize;

/// How a run's latest execution stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Execution {
    /// At work, or about to be again.
    Running,
    /// Ended with the run complete, as far as it knows.
    Succeeded,
    /// Failed, ran out of time, or was stopped.
    EndedBadly,
}

/// What followed the end of an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterEnd {
    /// Nothing works on its run.
    Nothing,
    /// An operator redrove it in the console, under its own name.
    AtWorkAgain,
    /// A later execution has taken over from it.
    Resumed,
}

/// A state machine whose executions are named by their runs.
#[derive(Debug)]
pub struct Executions {
    client: StepFunctions,
    state_machine_arn: String,
}

impl Executions {
    /// The machine `analysis`. Needs the variable `ANALYSIS_STATE_MACHINE_ARN`.
    pub fn new(env: &Env) -> Result<Self> {
        Ok(Self::of(env, env.var(Variable::AnalysisStateMachineArn)?))
    }

    /// The machine `anonymous-analysis`. Needs the variable `ANONYMOUS_ANALYSIS_STATE_MACHINE_ARN`.
    pub fn anonymous(env: &Env) -> Result<Self> {
        Ok(Self::of(env, env.var(Variable::AnonymousAnalysisStateMachineArn)?))
    }

    fn of(env: &Env, state_machine_arn: String) -> Self {
        Self { client: StepFunctions::new(env.sdk()), state_machine_arn }
    }

    /// Starts the execution named by the run's id. One that is there already is as good.
    pub async fn start(&self, input: &AnalysisInput) -> Result<()> {
        self.start_with(input.run_id, input).await
    }

    /// The same for an anonymous run, in the machine for those.
    pub async fn start_anonymous(&self, input: &AnonymousInput) -> Result<()> {
        self.start_with(input.run_id, input).await
    }

    async fn start_with(&self, run_id: RunId, input: &impl Serialize) -> Result<()> {
        let started = self
            .client
            .start_execution()
            .state_machine_arn(&self.state_machine_arn)
            .name(execution_name(run_id, 1))
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
            Err(error) => Err(aws_error(error)),
        }
    }

    /// The latest execution of a run: its first, or the last of those that resumed it. `None` when it was never started,
    /// or ended so long ago (90 days) that Step Functions has forgotten it.
    pub async fn latest(&self, run_id: RunId) -> Result<Option<Execution>> {
        let mut latest = None;
        for n in 1.. {
            match self.describe(&execution_name(run_id, n)).await? {
                Some(execution) => latest = Some(execution),
                None => break,
            }
        }
        Ok(latest)
    }

    /// What has become of the execution of this name, of which it was said that it ended.
    pub async fn after_end(&self, name: &str) -> Result<AfterEnd> {
        let Some((run_id, n)) = execution_of(name) else { return Ok(AfterEnd::Nothing) };
        let later = execution_name(run_id, n + 1);
        let (itself, later) = tokio::try_join!(self.describe(name), self.describe(&later))?;
        Ok(match (itself, later) {
            (_, Some(_)) => AfterEnd::Resumed,
            (Some(Execution::Running), None) => AfterEnd::AtWorkAgain,
            _ => AfterEnd::Nothing,
        })
    }

    async fn describe(&self, name: &str) -> Result<Option<Execution>> {
        let state_machine = self.state_machine_arn.replace(":stateMachine:", ":execution:");
        let described =
            self.client.describe_execution().execution_arn(format!("{state_machine}:{name}")).send().await;
        match described {
            Ok(execution) => Ok(Some(match execution.status {
                ExecutionStatus::Succeeded => Execution::Succeeded,
                ExecutionStatus::Failed | ExecutionStatus::TimedOut | ExecutionStatus::Aborted => {
                    Execution::EndedBadly
                }
                // Running, about to be redriven, or a state that this code does not know yet: not over.
                _ => Execution::Running,
            })),
            Err(SdkError::ServiceError(error))
                if matches!(error.err(), DescribeExecutionError::ExecutionDoesNotExist(_)) =>
            {
                Ok(None)
            }
            Err(error) => Err(aws_error(error)),
        }
    }
}
