//! `resume`: resumes a run whose execution ended without settling it.

use crate::{
    stack::{Execution, Stack, query},
    ui::{Ui, print},
};
use anyhow::{Context, Result, bail};
use oslira_domain::{RunId, execution_name};

/// Starts the execution `{runId}-{n}` with the input of the run's first one. Its steps find what the earlier
/// execution left (the profile in the cache, the models' answers) and do not pay for it again.
pub(crate) fn resume(stack: &Stack, run_id: RunId, ui: &Ui) -> Result<()> {
    let description = stack.description()?;
    let machine = description.state_machines.get("analysis").context("the stack has no state machine")?;
    let sql = format!("select status from public.runs where run_id = '{run_id}';");
    match ui.phase("read the run", |phase| query(stack, phase, "reading the run", &sql))?.trim() {
        "pending" => {}
        "" => bail!("there is no run {run_id}"),
        status => {
            bail!("the run is {status}; a settled run is never resumed. Start the analysis again instead")
        }
    }
    let aws = stack.aws()?;
    let mut executions = Vec::new();
    let mut name = execution_name(run_id, 1);
    for n in 2.. {
        let Some(execution) = aws.execution(machine, &name)? else { break };
        executions.push(execution);
        name = execution_name(run_id, n);
    }
    let input = input(&executions, run_id)?;
    aws.start_execution(machine, &name, input)?;
    Ok(print(format!("started the execution {name}"))?)
}

/// Returns the input for the next execution, if the last one has ended.
fn input(executions: &[Execution], run_id: RunId) -> Result<&str> {
    let (Some(first), Some(last)) = (executions.first(), executions.last()) else {
        bail!(
            "the run {run_id} has no execution to resume. fail-stale-runs starts or refunds it within the hour; \
             at once: `cargo xtask invoke fail-stale-runs`, once it is five minutes old"
        );
    };
    if last.status == "RUNNING" {
        bail!("the run {run_id} is at work: its execution has not ended");
    }
    Ok(&first.input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_ended_is_resumed_and_with_the_first_input() {
        let run_id: RunId = "01932a5f-11aa-7c20-8f10-5e6f7a8b9c0d".parse().unwrap();
        let execution = |status: &str, input: &str| Execution {
            status: status.into(),
            input: input.into(),
            started_at: 0.0,
            stopped_at: None,
        };
        assert!(input(&[], run_id).is_err());
        let running = [execution("ABORTED", "1"), execution("RUNNING", "2")];
        assert!(input(&running, run_id).is_err());
        let ended = [execution("ABORTED", "1"), execution("FAILED", "2")];
        assert_eq!(input(&ended, run_id).unwrap(), "1");
    }
}
