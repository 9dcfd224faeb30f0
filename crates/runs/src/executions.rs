//! Starts executions of the state machines, so that a run has one execution and none is forgotten; and asks
//! how they are doing.

use aws_sdk_sfn::{
    Client as StepFunctions,
    error::SdkError,
    operation::{describe_execution::DescribeExecutionError, start_execution::StartExecutionError},
    types::ExecutionStatus,
};
use oslira_domain::{
    AnalysisInput, AnonymousInput, Error, RefreshCheckInput, Result, RunId, execution_name, execution_of,
};
use oslira_lambda::{Env, Variable, aws_error};
use serde::Serialize;

/// The state of a run's latest execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Execution {
    /// At work, or about to be again.
    Running,
    /// Ended with success: the run should be complete.
    Succeeded,
    /// Failed, ran out of time, or was stopped.
    EndedBadly,
}

/// What happened after an execution ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterEnd {
    /// Nothing works on the run now.
    Nothing,
    /// An operator redrove the execution in the console, under the same name.
    AtWorkAgain,
    /// A later execution resumed the run.
    Resumed,
}

/// A state machine whose executions have their runs' ids as names.
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

    /// The machine `refresh-check`. Needs the variable `REFRESH_CHECK_STATE_MACHINE_ARN`.
    pub fn refresh_checks(env: &Env) -> Result<Self> {
        Ok(Self::of(env, env.var(Variable::RefreshCheckStateMachineArn)?))
    }

    fn of(env: &Env, state_machine_arn: String) -> Self {
        Self { client: StepFunctions::new(env.sdk()), state_machine_arn }
    }

    /// Starts the execution whose name is the run's id. Succeeds when that execution exists already.
    pub async fn start(&self, input: &AnalysisInput) -> Result<()> {
        self.start_with(input.run_id, input).await
    }

    /// The same for an anonymous run, in the machine for those.
    pub async fn start_anonymous(&self, input: &AnonymousInput) -> Result<()> {
        self.start_with(input.run_id, input).await
    }

    /// The same for a refresh check, in the machine for those.
    pub async fn start_refresh_check(&self, input: &RefreshCheckInput) -> Result<()> {
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

    /// Returns the state of a run's latest execution: the first one, or the last one that resumed the run.
    /// `None` when no execution was ever started, or when it ended more than 90 days ago and Step Functions
    /// has forgotten it.
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

    /// Returns what happened after the execution of this name was reported as ended.
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
                // Running, about to be redriven, or a state that this code does not know yet: the execution
                // is not over.
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
