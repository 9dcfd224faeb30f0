//! The AI call of a LIGHT analysis while some of the model's calls are slow, with hedging and without.
//!
//! Twenty environments of `analyze-profile` work side by side, on the local stack's Postgres, DynamoDB, S3 and stand-ins.
//! Every call asks something else, or an answer that was kept would do. The runs are never charged, scored or settled: the
//! stack is gone afterwards.

use crate::table::{ms, percentile, table, verdict};
use anyhow::{Context, Result, ensure};
use clap::Args;
use futures::future::try_join_all;
use oslira_lambda::Variable;
use oslira_tests::{Fault, Lambda, Stack, Upstream, User};
use serde_json::{Value, json};
use std::{
    fmt,
    path::PathBuf,
    sync::Mutex,
    time::{Duration, Instant},
};
use uuid::Uuid;

/// What a call takes as a rule, as at the real service: the time after which it is hedged is made for that.
const USUAL_MS: u64 = 2_500;
/// How much longer a slow call takes.
const SLOW_FACTOR: u64 = 10;
/// 3 % of the calls of scoring's primary model are slow, the second ones too.
const EVERY: u64 = 33;
/// The most that p99 may be of p50, with hedging.
const BUDGET: f64 = 2.3;

/// What the command line asks for.
#[derive(Args)]
pub(crate) struct Options {
    /// Folder of the binaries
    #[arg(long)]
    binaries: PathBuf,
    /// AI calls, with hedging and without
    #[arg(long, default_value_t = 400)]
    calls: usize,
    /// Environments at work at the same time
    #[arg(long, default_value_t = 20)]
    environments: usize,
}

/// First without: a twentieth of those calls is what the second half may hedge.
pub(crate) async fn measure(options: &Options, stack: &Stack) -> Result<String> {
    let usual = json!({"ms": USUAL_MS});
    stack.stand_ins.latency(json!({"openai": usual, "anthropic": usual})).await?;
    let user = User::sign_up(stack, 1).await?;
    let (run, progress) = user.analyze(&user.username("hedging")).await?;
    ensure!(progress["status"] == "complete", "no profile to ask about: {progress}");
    let call = AiCall { options, stack, user: &user, snapshot_key: &stack.snapshot_key(&run).await? };

    let mut table =
        table(&["hedging", "calls", "slow ones", "second calls", "p50", "p95", "p99", "p99 / p50", "budget"]);
    for hedging in [Hedging::Off, Hedging::On] {
        let mut arm = call.ask(hedging).await.with_context(|| format!("hedging {hedging}"))?;
        let [p50, p95, p99] = [0.5, 0.95, 0.99].map(|share| percentile(&mut arm.times, share));
        let ratio = p99.as_secs_f64() / p50.as_secs_f64();
        let share = 100.0 * arm.hedges as f64 / arm.times.len() as f64;
        table.add_row([
            hedging.to_string(),
            arm.times.len().to_string(),
            arm.slow.to_string(),
            format!("{} ({share:.1} %)", arm.hedges),
            ms(p50),
            ms(p95),
            ms(p99),
            format!("{ratio:.2}"),
            if hedging == Hedging::On { verdict(ratio <= BUDGET) } else { String::new() },
        ]);
    }
    Ok(format!(
        "{table}\n\
         The AI call of a LIGHT analysis, {} at a time; every {EVERY}rd call of the model takes {SLOW_FACTOR} times its {USUAL_MS} ms. \
         With hedging, p99 must be within {BUDGET} times p50.",
        options.environments
    ))
}

/// Whether a slow call is made a second time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hedging {
    Off,
    On,
}

impl fmt::Display for Hedging {
    /// As the variable `AI_HEDGING` has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::On => "on",
        })
    }
}

/// What all calls have in common.
struct AiCall<'a> {
    options: &'a Options,
    stack: &'a Stack,
    user: &'a User<'a>,
    snapshot_key: &'a str,
}

/// What came of one half.
struct Arm {
    times: Vec<Duration>,
    /// Calls that the stand-ins made slow.
    slow: u64,
    /// Second calls that were made.
    hedges: u64,
}

impl AiCall<'_> {
    async fn ask(&self, hedging: Hedging) -> Result<Arm> {
        let Options { binaries, calls, environments } = self.options;
        let binary = &binaries.join("analyze-profile");
        let is_hedged = hedging.to_string();
        let overrides = &[(Variable::AiHedging.name(), is_hedged.as_str())];
        let environment =
            || Lambda::start_binary(binary, "analyze-profile", &self.stack.functions_env, overrides);
        let mut lambdas = try_join_all((0..*environments).map(|_| environment())).await?;
        // The first call of each connects everywhere.
        let first = &Queue::of(self.accept(*environments).await?);
        try_join_all(lambdas.iter_mut().map(|lambda| async {
            let run_id = first.take().context("a call for each")?;
            self.call(lambda, &run_id).await.map(drop)
        }))
        .await?;

        let runs = &Queue::of(self.accept(*calls).await?);
        let before = self.hedges().await?;
        let more = Duration::from_millis(USUAL_MS * (SLOW_FACTOR - 1));
        self.stack.stand_ins.fault(Fault::slow(Upstream::OpenAi, more).every(EVERY)).await?;
        let times = try_join_all(lambdas.iter_mut().map(|lambda| async {
            let mut times = Vec::new();
            while let Some(run_id) = runs.take() {
                times.push(self.call(lambda, &run_id).await?);
                // `cargo xtask` shows the last line.
                eprintln!("hedging {hedging}: {} of {calls} left", runs.left());
            }
            anyhow::Ok(times)
        }))
        .await?;
        let slow = self.stack.stand_ins.struck().await?.values().sum();
        self.stack.stand_ins.clear_faults().await?;
        Ok(Arm { times: times.concat(), slow, hedges: self.hedges().await?.saturating_sub(before) })
    }

    /// Runs that wait for their AI call, each for a business profile of its own.
    async fn accept(&self, count: usize) -> Result<Vec<String>> {
        let runs: Vec<String> = (0..count).map(|_| Uuid::now_v7().to_string()).collect();
        let User { account_id, user_id, .. } = self.user;
        let sql = format!(
            "begin;
             insert into public.business_profiles (business_profile_id, account_id, name, description, follower_min,
                 follower_max, engagement_min, content_themes)
               select id, '{account_id}', 'Brew & Co ' || id, 'Roasts coffee for cafés.', 1000, 500000, 1.5, '{{coffee}}'
                 from unnest('{{{ids}}}'::uuid[]) id;
             select oslira.keep_business_profile_version(p) from public.business_profiles p
               where business_profile_id = any ('{{{ids}}}'::uuid[]);
             insert into public.runs (run_id, account_id, business_profile_id, business_profile_version, requested_by, username,
                 tier, credits_charged)
               select id, '{account_id}', id, 1, '{user_id}', 'hedging', 'light', 1 from unnest('{{{ids}}}'::uuid[]) id;
             commit;",
            ids = runs.join(",")
        );
        self.stack.database.run(&sql).await?;
        Ok(runs)
    }

    /// How long one call takes, from the event to the answer.
    async fn call(&self, lambda: &mut Lambda, run_id: &str) -> Result<Duration> {
        let event = json!({
            "runId": run_id, "accountId": self.user.account_id, "tier": "light", "task": "scoring",
            "snapshotKey": self.snapshot_key, "cacheHit": true,
        });
        let sent = Instant::now();
        let answer = lambda.invoke(&event).await?;
        answer.outcome.map_err(|error| anyhow::anyhow!("no answer: {error}"))?;
        Ok(answer.at.duration_since(sent))
    }

    /// The second calls of all days: one budget for all Lambdas.
    async fn hedges(&self) -> Result<u64> {
        let table = self.stack.description.tables.get("ai-usage").context("no table ai-usage")?;
        let number =
            |item: &Value| item["hedges"]["N"].as_str().and_then(|number| number.parse::<u64>().ok());
        Ok(self.stack.aws.items(table).await?.iter().filter_map(number).sum())
    }
}

/// Runs, each to be taken once.
struct Queue(Mutex<Vec<String>>);

impl Queue {
    fn of(runs: Vec<String>) -> Self {
        Self(Mutex::new(runs))
    }

    fn take(&self) -> Option<String> {
        self.0.lock().ok()?.pop()
    }

    fn left(&self) -> usize {
        self.0.lock().map_or(0, |runs| runs.len())
    }
}
