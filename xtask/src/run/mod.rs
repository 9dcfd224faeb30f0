//! `run`: shows an operator everything that is known about one run, of the local stack or of a stage on AWS.
//!
//! A Python script asks AWS and the database. It runs in the stack's environment, which contains an AWS SDK
//! anyway. The same in Rust would take minutes to compile before this program's first start.

mod gathered;
mod history;
mod log;
mod money;
mod report;
mod view;

pub(crate) use money::{Money, upstream_ms};

use crate::{
    process::Cmd,
    release::Stage,
    stack::{self, STACK_NAME, Stack},
    ui::{self, Ui},
};
use anyhow::{Context, Result, bail};
use gathered::{Database, Gathered, Part};
use jiff::Timestamp;
use oslira_domain::RunId;
use report::Report;
use serde::{Deserialize, de::DeserializeOwned};
use std::collections::BTreeMap;

/// The script that asks AWS and the system database.
const GATHER: &str = include_str!("gather.py");

/// Where to look for a run.
pub(crate) struct Place {
    name: &'static str,
    stack_name: String,
    python: fn(&Self) -> Result<Cmd>,
    region: String,
    stack: Stack,
}

impl Place {
    /// A stack on this machine.
    pub(crate) fn local(stack: &Stack) -> Result<Self> {
        // This fails with instructions when the stack is not up.
        let region = stack.description()?.region;
        Ok(Self {
            name: "the local stack",
            stack_name: STACK_NAME.to_owned(),
            python: |place| place.stack.python(),
            region,
            stack: stack.clone(),
        })
    }

    /// A stage on AWS, with the AWS credentials of the environment.
    fn stage(stage: Stage) -> Result<Self> {
        Ok(Self {
            name: stage.name(),
            stack_name: stage.stack_name(),
            python: |place| {
                Ok(Cmd::new(stack::program("python3"))
                    .env("AWS_REGION", &place.region)
                    .env("AWS_DEFAULT_REGION", &place.region))
            },
            region: stage.region()?,
            stack: Stack::local(),
        })
    }

    fn ask<T: DeserializeOwned>(&self, parts: &str, run_ids: &[String], ui: &Ui) -> Result<T> {
        let phase = if parts == "money" { "read what the runs cost" } else { "read the run" };
        let answer = ui.phase(phase, |phase| {
            stack::ensure_venv(&self.stack, phase)?;
            phase.detail(self.name);
            (self.python)(self)?
                // Isolated: the folder that this is run in must not bring modules of its own.
                .args(["-I", "-", &self.stack_name, parts])
                .args(run_ids)
                .input(GATHER)
                .output("reading the run")
        })?;
        let answer: Part<T> =
            serde_json::from_str(&answer).context("the answer of gather.py cannot be read")?;
        let Self { name, region, .. } = self;
        match answer {
            Part::Found(found) => Ok(found),
            Part::Unreachable(why) => bail!(
                "{name} cannot be reached in {region}: {why}\nWhat to do: is it deployed, and are AWS credentials that may read \
                 it in the environment?"
            ),
        }
    }
}

/// Prints one run.
pub(crate) fn run(stack: &Stack, stage: Option<Stage>, run_id: RunId, json: bool, ui: &Ui) -> Result<()> {
    let place = match stage {
        Some(stage) => Place::stage(stage)?,
        None => Place::local(stack)?,
    };
    let gathered: Gathered = place.ask("whole", &[run_id.to_string()], ui)?;
    let unreachable = gathered.unreachable();
    let report = Report::of(run_id, gathered, Timestamp::now());
    if report.is_empty() {
        match unreachable.is_empty() {
            true => bail!(
                "there is no run {run_id} in {}: the database, the progress table and Step Functions know nothing of it",
                place.name
            ),
            false => bail!("nothing is known about the run {run_id}: {}", told(&unreachable)),
        }
    }
    match json {
        true => ui::print(serde_json::to_string_pretty(&report)?)?,
        false => view::print(&report)?,
    }
    if !unreachable.is_empty() {
        bail!("some parts could not be read: {}", told(&unreachable));
    }
    Ok(())
}

fn told(unreachable: &BTreeMap<&str, String>) -> String {
    unreachable.iter().map(|(part, why)| format!("{part}: {why}")).collect::<Vec<_>>().join("\n")
}

/// Returns what runs cost, by their ids.
pub(crate) fn money_of(stack: &Stack, run_ids: &[String], ui: &Ui) -> Result<BTreeMap<String, Money>> {
    #[derive(Deserialize)]
    struct Answer {
        database: Part<BTreeMap<String, Database>>,
    }
    let answer: Answer = Place::local(stack)?.ask("money", run_ids, ui)?;
    match answer.database {
        Part::Found(runs) => {
            let known = runs.into_iter().filter_map(|(run_id, it)| {
                let run = it.run?;
                Some((run_id, Money::of_account(&run, &it.ledger, it.calls)))
            });
            Ok(known.collect())
        }
        Part::Unreachable(why) => bail!("what runs cost cannot be read: {why}"),
    }
}
