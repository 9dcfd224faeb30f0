//! `bench fairness`: measures how much one account's flood of requests slows down another account's single
//! run.
//!
//! The emulator and all Lambdas share this machine's processors with the flood, which they do not on AWS. So
//! each analysis is followed by one through the same states that only calls [`NoOp`]. What a flood adds to
//! that one is due to the machine.

use super::{
    deploy,
    no_op::NoOp,
    on_a_stack_of_its_own,
    times::{ACTOR_START_MS, AI_MS, end_of, grant, percentile, seconds_since_1970, set_latencies},
};
use crate::{
    api::Api,
    stack::{Aws, Description, Stack, join},
    ui::{self, Ui, table},
};
use anyhow::{Context, Result, ensure};
use oslira_domain::Tier;
use std::thread;

/// The user who asks for one analysis at a time.
const SINGLE: &str = "demo-1";
/// The user whose account floods the system.
const FLOOD: &str = "load";
/// How long an analysis may take while another account floods, as a multiple of its time on an idle system.
const BUDGET: f64 = 2.0;
/// The figures that are shown of many times: the median, the 95th percentile and the longest.
const SHARES: [f64; 3] = [0.5, 0.95, 1.0];
/// How many requests of the flood are under way at any time.
const STARTERS: u32 = 20;

/// The options of the command line.
pub(crate) struct Fairness {
    /// How many analyses to make on the idle system.
    pub(crate) runs: u32,
    /// How many analyses a flood has.
    pub(crate) flood: u32,
    /// How many floods to make, one after the other.
    pub(crate) floods: u32,
    /// Whether to measure the debug build, not the release build.
    pub(crate) debug: bool,
}

/// Starts a stack of its own, measures, prints, and stops the stack.
pub(crate) fn fairness(options: &Fairness, ui: &Ui) -> Result<()> {
    on_a_stack_of_its_own(true, ui, |stack| {
        let no_op = deploy(stack, &stack.description()?, options.debug, ui)?;
        Ok(ui::print(measure(stack, options, &no_op, ui)?)?)
    })
}

fn measure(stack: &Stack, options: &Fairness, no_op: &[u8], ui: &Ui) -> Result<String> {
    let description = stack.description()?;
    let aws = &stack.aws()?;
    let no_op = NoOp::create(aws, no_op)?;
    set_latencies(&description)?;
    grant(stack, &description, options.runs + options.flood * options.floods, ui)?;
    let bench = Bench {
        description: &stack.signed_in()?,
        aws,
        no_op: &no_op,
        machine: description.state_machines.get("analysis").context("no state machine analysis")?,
    };
    let idle = ui.phase("the idle system", |phase| {
        // The first analysis starts the Lambdas' processes.
        bench.single("warm")?;
        let runs = 0..options.runs;
        runs.map(|run| {
            phase.detail(&format!("{run} of {}", options.runs));
            bench.single(&format!("idle.{run}"))
        })
        .collect::<Result<Vec<_>>>()
    })?;
    let mut flooded = Vec::new();
    let mut floods = Vec::new();
    for number in 0..options.floods {
        ui.phase(&format!("flood {} of {}", number + 1, options.floods), |_| {
            let (samples, flood) = bench.flood(number, options.flood)?;
            flooded.extend(samples);
            floods.push(flood);
            Ok(())
        })?;
    }
    ensure!(!flooded.is_empty(), "every flood was over before one other analysis was");
    Ok(report(&idle, &flooded, &floods, options.flood))
}

/// How long one analysis of the other account took, and the no-op after it, in milliseconds.
struct Sample {
    wall: f64,
    no_op: f64,
    /// When the analysis ended, in seconds since 1970.
    at: f64,
}

/// How a flood went.
struct Flood {
    /// From its first request to the end of its last execution, in seconds.
    seconds: f64,
    complete: usize,
}

struct Bench<'a> {
    description: &'a Description,
    aws: &'a Aws,
    no_op: &'a NoOp,
    machine: &'a str,
}

impl Bench<'_> {
    fn api(&self, user: &str) -> Result<Api<'_>> {
        Ok(Api { url: &self.description.api_url, user: self.description.user(user)? })
    }

    /// Makes one cold analysis for the account that does not flood.
    fn single(&self, name: &str) -> Result<Sample> {
        let sent = seconds_since_1970()?;
        let run_id = self.api(SINGLE)?.start(Tier::Light, &format!("one.{name}"))?.to_string();
        let run = end_of(self.aws, self.machine, &run_id)?;
        ensure!(run.status == "SUCCEEDED", "the execution of {name} is {}", run.status);

        let no_op_sent = seconds_since_1970()?;
        let input = NoOp::input(&run_id, Tier::Light.as_str(), false);
        let answer = self.aws.invoke(&self.no_op.function, &input)?;
        ensure!(!answer.is_error, "the no-op failed: {}", answer.payload);
        self.aws.start_execution(&self.no_op.machine, &run_id, &input.to_string())?;
        let no_op = end_of(self.aws, &self.no_op.machine, &run_id)?;
        Ok(Sample { wall: (run.at - sent) * 1e3, no_op: (no_op.at - no_op_sent) * 1e3, at: run.at })
    }

    /// Starts this many analyses of one account. Meanwhile makes analyses of the other account, one at a
    /// time, until the flood is over.
    fn flood(&self, number: u32, size: u32) -> Result<(Vec<Sample>, Flood)> {
        let sent = seconds_since_1970()?;
        let runs = thread::scope(|scope| {
            let starter = |first: u32| {
                let numbers = (first..size).step_by(STARTERS as usize);
                numbers
                    .map(|run| {
                        let run_id = self.api(FLOOD)?.start(Tier::Light, &format!("flood.{number}.{run}"))?;
                        Ok(run_id.to_string())
                    })
                    .collect::<Result<Vec<_>>>()
            };
            let starters: Vec<_> = (0..STARTERS).map(|first| scope.spawn(move || starter(first))).collect();
            starters.into_iter().map(join).collect::<Result<Vec<_>>>()
        })?
        .concat();

        let mut left: Vec<&String> = runs.iter().collect();
        let mut samples = Vec::new();
        let mut latest: f64 = sent;
        let mut complete = 0;
        while !left.is_empty() {
            samples.push(self.single(&format!("flooded.{number}.{}", samples.len()))?);
            let mut running = Vec::new();
            for run_id in left {
                let run = self.aws.execution(self.machine, run_id)?.context("an execution is not there")?;
                match run.stopped_at {
                    Some(at) => {
                        latest = latest.max(at);
                        complete += usize::from(run.status == "SUCCEEDED");
                    }
                    None => running.push(run_id),
                }
            }
            left = running;
        }
        samples.retain(|sample| sample.at <= latest);
        Ok((samples, Flood { seconds: latest - sent, complete }))
    }
}

fn report(idle: &[Sample], flooded: &[Sample], floods: &[Flood], size: u32) -> String {
    let (idle_wall, idle_no_op) = (walls(idle), no_ops(idle));
    let usual = percentile(&idle_wall, 0.5);
    let all = |times: &[f64]| SHARES.map(|share| percentile(times, share));
    let times = |times: &[f64]| {
        let [p50, p95, longest] = all(times);
        format!("{p50:.0} / {p95:.0} / {longest:.0} ms")
    };
    let ratios = |times: &[f64]| {
        let [p50, p95, longest] = all(times).map(|time| time / usual);
        format!("{p50:.2} / {p95:.2} / {longest:.2}")
    };
    let ours = less_the_machines(flooded, percentile(&idle_no_op, 0.5));
    let verdict = |times: &[f64]| if percentile(times, 1.0) / usual <= BUDGET { "holds" } else { "EXCEEDED" };

    let mut table = table([
        "system",
        "analyses",
        "wall",
        "no-op",
        "times idle",
        "verdict",
        "without the machine's",
        "verdict",
    ]);
    table.add_row([
        "idle".to_owned(),
        idle.len().to_string(),
        times(&idle_wall),
        times(&idle_no_op),
        ratios(&idle_wall),
        String::new(),
        String::new(),
        String::new(),
    ]);
    let wall = walls(flooded);
    table.add_row([
        "flooded".to_owned(),
        flooded.len().to_string(),
        times(&wall),
        times(&no_ops(flooded)),
        ratios(&wall),
        verdict(&wall).to_owned(),
        ratios(&ours),
        verdict(&ours).to_owned(),
    ]);
    let took: Vec<String> = floods
        .iter()
        .map(|flood| format!("{} of {size} complete after {:.1} s", flood.complete, flood.seconds))
        .collect();
    format!(
        "{table}\n\
         p50 / p95 / longest of one account's cold LIGHT analyses, one at a time; flooded: while {size} of another account are under way.\n\
         On the stand-ins an actor takes {ACTOR_START_MS} ms and an AI task {AI_MS} ms, give or take.\n\
         wall: from the request to the end of the execution. times idle: over the idle system's p50; at most {BUDGET:.1}, also the longest.\n\
         no-op: as many Lambdas that do nothing, through the same states, right after it.\n\
         without the machine's: less what the flood adds to that no-op.\n\
         The floods: {}.",
        took.join("; ")
    )
}

fn walls(samples: &[Sample]) -> Vec<f64> {
    samples.iter().map(|sample| sample.wall).collect()
}

fn no_ops(samples: &[Sample]) -> Vec<f64> {
    samples.iter().map(|sample| sample.no_op).collect()
}

/// The times, each reduced by what its no-op took beyond the usual. The no-op went the same way at about the
/// same time.
fn less_the_machines(samples: &[Sample], usual_no_op: f64) -> Vec<f64> {
    samples.iter().map(|sample| sample.wall - (sample.no_op - usual_no_op).max(0.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_flood_adds_to_a_no_op_is_the_machines_doing() {
        let sample = |wall, no_op| Sample { wall, no_op, at: 0.0 };
        let samples = [sample(3_000.0, 900.0), sample(3_000.0, 300.0)];
        assert_eq!(less_the_machines(&samples, 400.0), [2_500.0, 3_000.0]);
    }
}
