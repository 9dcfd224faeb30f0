//! Measures how long an analysis takes beyond its upstreams, and how much of that is due to the emulator.
//!
//! The emulator takes time for every step, as AWS does, but not the same time. So each analysis is followed
//! by one through the same states that only calls [`NoOp`]. The time of that one does not count as ours.

use super::no_op::NoOp;
use crate::{
    api::Api,
    http::{self, JSON},
    run::{Money, money_of, upstream_ms},
    stack::{self, Aws, Description, Execution, Stack},
    ui::{Ui, table},
};
use anyhow::{Context, Result, bail, ensure};
use oslira_domain::Tier;
use serde_json::json;
use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// The tiers, and how long each may take beyond the upstreams and the no-op, in milliseconds.
const TIERS: [(Tier, f64); 3] = [(Tier::Light, 500.0), (Tier::Deep, 800.0), (Tier::Xray, 800.0)];
/// The users who ask, one after the other, for the same profile. The same user would be refused as a
/// duplicate.
const ASKERS: [(&str, &str); 2] = [("demo-1", "cold"), ("demo-2", "cached")];
/// The credits that one analysis in each tier costs.
const CREDITS: u32 = 1 + 5 + 6;

/// A third of what the real services take. It does not change the result, as long as the AI tasks take longer
/// than showing the lead, which runs beside them.
pub(super) const ACTOR_START_MS: u64 = 1_500;
pub(super) const AI_MS: u64 = 900;

const POLL: Duration = Duration::from_millis(50);
/// A run that takes longer than this counts as stuck.
const LIMIT: Duration = Duration::from_secs(60);

/// Makes this many analyses of each tier, each cold and again from the cache. Returns a table, and what its
/// columns mean.
pub(super) fn measure(stack: &Stack, runs: u32, no_op: &[u8], ui: &Ui) -> Result<String> {
    let description = stack.description()?;
    let aws = &stack.aws()?;
    let no_op = NoOp::create(aws, no_op)?;
    set_latencies(&description)?;
    grant(stack, &description, CREDITS * (runs + 1), ui)?;

    let bar = ui.percent("measure");
    let all = TIERS.len() as u64 * u64::from(runs + 1);
    let mut measured = Vec::new();
    for (index, (tier, budget_ms)) in (0_u64..).zip(TIERS) {
        // Signs in again each time, since a token is good for an hour.
        let bench = Bench { description: &stack.signed_in()?, aws, no_op: &no_op, tier };
        let mut samples = ASKERS.map(|_| Vec::new());
        for round in 0..=runs {
            bar.set_position(100 * (index * u64::from(runs + 1) + u64::from(round)) / all);
            bar.set_message(format!("{} {round} of {}", tier.as_str().to_uppercase(), runs));
            let username = format!("bench.{tier}.{round}");
            for ((user, label), samples) in ASKERS.into_iter().zip(&mut samples) {
                let sample = bench
                    .sample(user, &username, label == "cached")
                    .with_context(|| format!("{tier} analysis of @{username} ({label})"))?;
                // The first round starts the Lambdas' processes.
                if round > 0 {
                    samples.push(sample);
                }
            }
        }
        measured.extend(
            ASKERS.into_iter().zip(samples).map(|((_, label), samples)| (tier, label, samples, budget_ms)),
        );
    }
    bar.finish_and_clear();
    let samples = measured.iter().flat_map(|(_, _, samples, _)| samples);
    let run_ids: Vec<String> = samples.map(|sample: &Sample| sample.run_id.clone()).collect();
    let money = money_of(stack, &run_ids, ui)?;
    let measured = measured
        .into_iter()
        .map(|(tier, label, samples, budget_ms)| Ok((tier, label, Samples::of(&samples, &money)?, budget_ms)))
        .collect::<Result<Vec<_>>>()?;
    Ok(format!(
        "{}\n\
         p50 / p95 of {runs} analyses each, one at a time. On the stand-ins an actor takes {ACTOR_START_MS} ms and an AI task \
         {AI_MS} ms, give or take.\n\
         wall: from the request to the end of the execution. execution: from its start.\n\
         upstream: the longest scrape and the longest AI task. overhead: wall less upstream.\n\
         no-op: as many Lambdas that do nothing, through the same states.\n\
         beyond it: overhead less the no-op's p50; its p95 must be within the budget.",
        report(measured)
    ))
}

/// Adds this many credits to every user's account.
pub(super) fn grant(stack: &Stack, description: &Description, credits: u32, ui: &Ui) -> Result<()> {
    ui.phase("credits", |phase| {
        let accounts = description.users.iter().map(|user| format!("('{}')", user.account_id));
        let accounts = accounts.collect::<Vec<_>>().join(", ");
        let sql = format!(
            "select oslira.grant_credits(id::uuid, {credits}, 'bench') from (values {accounts}) as a (id)"
        );
        stack::query(stack, phase, "granting credits", &sql).map(drop)
    })
}

/// Makes the stand-ins take [`ACTOR_START_MS`] and [`AI_MS`].
pub(super) fn set_latencies(description: &Description) -> Result<()> {
    let latency = json!({
        "apify": { "startMs": ACTOR_START_MS, "perProfileMs": 0, "perPostRunMs": 0 },
        "openai": { "ms": AI_MS }, "anthropic": { "ms": AI_MS },
    });
    let url = format!("{}/_control/latency", description.stand_ins_url);
    http::put(&url, &[JSON], &latency.to_string())?.ok("setting the stand-ins' latencies").map(drop)
}

/// How long one analysis and its no-op took, in milliseconds.
struct Sample {
    run_id: String,
    wall: f64,
    execution: f64,
    no_op: f64,
}

/// Everything that one analysis needs.
struct Bench<'a> {
    description: &'a Description,
    aws: &'a Aws,
    no_op: &'a NoOp,
    tier: Tier,
}

impl Bench<'_> {
    /// Makes one analysis, and the no-op after it.
    fn sample(&self, user: &str, username: &str, is_cached: bool) -> Result<Sample> {
        let api = Api { url: &self.description.api_url, user: self.description.user(user)? };
        let machine = self.description.state_machines.get("analysis").context("no state machine analysis")?;

        let sent = seconds_since_1970()?;
        let run = api.start(self.tier, username)?;
        let run_id = run.to_string();
        let ended = end_of(self.aws, machine, &run_id)?;
        if ended.status != "SUCCEEDED" {
            let reason = api.result(run).err().map(|error| error.to_string()).unwrap_or_default();
            bail!("the execution is {}: {reason}", ended.status);
        }
        let result = api.result(run)?;
        ensure!(result.cache_hit == is_cached, "the cache hit is {}", result.cache_hit);

        let no_op_sent = seconds_since_1970()?;
        let input = NoOp::input(&run_id, self.tier.as_str(), is_cached);
        let answer = self.aws.invoke(&self.no_op.function, &input)?;
        ensure!(!answer.is_error, "the no-op failed: {}", answer.payload);
        self.aws.start_execution(&self.no_op.machine, &run_id, &input.to_string())?;
        let no_op_ended = end_of(self.aws, &self.no_op.machine, &run_id)?;

        let ours = self.aws.events(machine, &run_id)?;
        let theirs = self.aws.events(&self.no_op.machine, &run_id)?;
        ensure!(ours == theirs, "the no-op did not go the same way: {theirs:?} instead of {ours:?}");
        Ok(Sample {
            run_id,
            wall: (ended.at - sent) * 1e3,
            execution: (ended.at - ended.started_at) * 1e3,
            no_op: (no_op_ended.at - no_op_sent) * 1e3,
        })
    }
}

/// Waits for the end of an execution, for a minute at most. The emulator itself notes the times, so rare
/// questions are enough. Each question costs the emulator time, too.
pub(super) fn end_of(aws: &Aws, machine: &str, name: &str) -> Result<Ended> {
    let started = Instant::now();
    loop {
        if let Some(Execution { status, started_at, stopped_at: Some(at), .. }) =
            aws.execution(machine, name)?
        {
            return Ok(Ended { status, started_at, at });
        }
        if started.elapsed() > LIMIT {
            bail!("still running after {} s", LIMIT.as_secs());
        }
        thread::sleep(POLL);
    }
}

/// How an execution ended, and when, in seconds since 1970.
pub(super) struct Ended {
    pub(super) status: String,
    started_at: f64,
    pub(super) at: f64,
}

/// How long all analyses of one kind took, in milliseconds.
#[derive(Default)]
struct Samples {
    wall: Vec<f64>,
    execution: Vec<f64>,
    upstream: Vec<f64>,
    overhead: Vec<f64>,
    no_op: Vec<f64>,
}

impl Samples {
    /// Collects the samples, with the times of the upstream calls on each run's record.
    fn of(samples: &[Sample], money: &BTreeMap<String, Money>) -> Result<Self> {
        let mut all = Self::default();
        for sample in samples {
            let money = money.get(&sample.run_id).context("a run without a record of its calls")?;
            all.add(sample, upstream_ms(&money.calls));
        }
        Ok(all)
    }

    fn add(&mut self, sample: &Sample, upstream: f64) {
        self.wall.push(sample.wall);
        self.execution.push(sample.execution);
        self.upstream.push(upstream);
        self.overhead.push(sample.wall - upstream);
        self.no_op.push(sample.no_op);
    }

    /// The overhead beyond the no-op's usual time. The no-op's own variation is not taken off.
    fn beyond_no_op(&self) -> Vec<f64> {
        let usual = percentile(&self.no_op, 0.5);
        self.overhead.iter().map(|overhead| overhead - usual).collect()
    }
}

fn report(measured: Vec<(Tier, &str, Samples, f64)>) -> comfy_table::Table {
    let both = |times: &[f64]| format!("{:.0} / {:.0} ms", percentile(times, 0.5), percentile(times, 0.95));
    let mut table = table([
        "tier",
        "run",
        "wall",
        "execution",
        "upstream",
        "overhead",
        "no-op",
        "beyond it",
        "budget",
        "verdict",
    ]);
    for (tier, label, samples, budget_ms) in measured {
        let beyond = samples.beyond_no_op();
        let holds = percentile(&beyond, 0.95) <= budget_ms;
        table.add_row([
            tier.as_str().to_uppercase(),
            label.to_owned(),
            both(&samples.wall),
            both(&samples.execution),
            both(&samples.upstream),
            both(&samples.overhead),
            both(&samples.no_op),
            both(&beyond),
            format!("{budget_ms:.0} ms"),
            if holds { "holds" } else { "EXCEEDED" }.to_owned(),
        ]);
    }
    table
}

/// The smallest time that this share of all times does not exceed.
pub(super) fn percentile(times: &[f64], share: f64) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    let index = ((times.len() as f64 * share).ceil() as usize).saturating_sub(1);
    times.get(index).copied().unwrap_or_default()
}

pub(super) fn seconds_since_1970() -> Result<f64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_no_op_takes_is_not_counted() {
        let mut samples = Samples::default();
        for (wall, no_op) in [(1_300.0, 80.0), (1_400.0, 100.0), (1_700.0, 400.0)] {
            samples.add(&Sample { run_id: String::new(), wall, execution: wall, no_op }, 1_000.0);
        }
        assert_eq!(samples.overhead, [300.0, 400.0, 700.0]);
        assert_eq!(samples.beyond_no_op(), [200.0, 300.0, 600.0]);
        assert!((percentile(&samples.wall, 0.95) - 1_700.0).abs() < 1e-9);
    }
}
