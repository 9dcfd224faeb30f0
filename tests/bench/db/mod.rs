//! The statements of lists and details on a database of a million leads: how long each takes as a signed-in caller, by what plan,
//! and how much longer it would take with policies that ask for each row.
//!
//! The handlers themselves run, and Postgres writes down how it carried their statements out (`auto_explain`). So what is
//! measured is what they send.

mod cases;
mod plan;
mod policies;

use crate::table::{percentile, table, verdict};
use anyhow::{Context, Result};
use cases::{Case, Goal, cases};
use clap::Args;
use oslira_domain::{AccountId, UserId};
use oslira_lambda::{CachedSecret, Secret};
use oslira_postgres::UserDb;
use oslira_tests::Stack;
use plan::{Carried, Plans, Reads};
use serde::Serialize;
use std::{path::PathBuf, time::Duration};

/// What the command line asks for.
#[derive(Args)]
pub(crate) struct Options {
    /// The log of the stack's Postgres
    #[arg(long)]
    postgres_log: PathBuf,
    /// How many leads, of a thousand accounts; one of them has a tenth
    #[arg(long, default_value_t = 1_000_000)]
    leads: u32,
    /// How often each statement is run
    #[arg(long, default_value_t = 20)]
    times: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The account with a tenth of the leads, and its owner, by the names that the seed makes their ids from.
pub(crate) struct Large {
    pub(crate) user_id: UserId,
    pub(crate) account_id: AccountId,
}

/// The figures of one statement.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    what: String,
    /// Milliseconds that Postgres worked on it: the median, and the 95th percentile.
    p50_ms: f64,
    p95_ms: f64,
    /// Milliseconds of these that counting took, by a run with a clock around each step, which makes it longer.
    count_ms: Option<f64>,
    /// The most that p50 may be.
    goal_ms: Option<f64>,
    holds: bool,
    #[serde(flatten)]
    reads: Reads,
    /// How many times as long it takes with policies that ask for each row.
    times_bare: f64,
}

pub(crate) async fn measure(options: &Options, stack: &Stack) -> Result<String> {
    seed(stack, options.leads).await?;
    let large = &large(stack).await?;
    let db = &user_db(stack).await?;
    let cases = &cases(stack, large).await?;

    let mut plans = Plans::open(stack, &options.postgres_log).await?;
    let times = plans.of_each(db, cases, options.times).await.context("as it is")?;
    plans.time_each_step(stack).await?;
    let steps = plans.of_each(db, cases, 3).await.context("with a clock around each step")?;
    policies::make_bare(stack).await?;
    plans.time_statements_only(stack).await?;
    let bare = plans.of_each(db, cases, 1).await.context("with bare policies")?;

    let rows: Vec<Row> = cases
        .iter()
        .zip(times.iter().zip(steps.iter().zip(&bare)))
        .map(|(case, (times, (steps, bare)))| row(case, times, steps, bare))
        .collect();
    Ok(if options.json { serde_json::to_string_pretty(&rows)? } else { shown(&rows, options) })
}

async fn seed(stack: &Stack, leads: u32) -> Result<()> {
    let result = include_str!("../../../crates/api/examples/light-result.json");
    let settings = format!(
        "select set_config('bench.leads', '{leads}', false), set_config('bench.result', '{}', false)",
        result.replace('\'', "''")
    );
    stack.database.run(&settings).await?;
    // One by one: `vacuum` runs in no transaction.
    for statement in include_str!("seed.sql").split(";\n") {
        stack.database.run(statement).await.with_context(|| statement.to_owned())?;
    }
    Ok(())
}

async fn large(stack: &Stack) -> Result<Large> {
    let sql = "select md5('user 1')::uuid::text as user_id, md5('account 1')::uuid::text as account_id";
    let row = stack.database.row(sql, &[]).await?;
    Ok(Large {
        user_id: row["user_id"].as_str().context("no user")?.parse()?,
        account_id: row["account_id"].as_str().context("no account")?.parse()?,
    })
}

async fn user_db(stack: &Stack) -> Result<UserDb> {
    let url = stack.secret(Secret::UserDatabase).await?;
    Ok(UserDb::lazy(CachedSecret::fixed(&url), Some(stack.database_root()?))?)
}

fn row(case: &Case<'_>, times: &[Carried], steps: &[Carried], bare: &[Carried]) -> Row {
    let ms = |runs: &[Carried], share: f64| {
        let mut durations: Vec<Duration> = runs.iter().map(|run| run.duration).collect();
        percentile(&mut durations, share).as_secs_f64() * 1e3
    };
    let p50_ms = ms(times, 0.5);
    let mut counts: Vec<f64> = steps.iter().filter_map(|run| run.count_ms).collect();
    counts.sort_by(f64::total_cmp);
    let goal_ms = match case.goal {
        Goal::Ms(ms) => Some(ms),
        Goal::None => None,
    };
    Row {
        what: case.what.to_owned(),
        p50_ms,
        p95_ms: ms(times, 0.95),
        count_ms: counts.get(counts.len() / 2).copied(),
        goal_ms,
        holds: goal_ms.is_none_or(|goal| p50_ms < goal),
        reads: steps.last().map(|run| run.reads.clone()).unwrap_or_default(),
        times_bare: ms(bare, 0.5) / p50_ms,
    }
}

fn shown(rows: &[Row], options: &Options) -> String {
    let mut table = table(&["statement", "p50", "p95", "count", "goal", "verdict", "rows", "plan", "bare"]);
    for row in rows {
        let ms = |ms: f64| format!("{ms:.2} ms");
        table.add_row([
            row.what.clone(),
            ms(row.p50_ms),
            ms(row.p95_ms),
            row.count_ms.map(ms).unwrap_or_default(),
            row.goal_ms.map(|goal| format!("< {goal} ms")).unwrap_or_default(),
            row.goal_ms.map(|_| verdict(row.holds)).unwrap_or_default(),
            row.reads.rows.to_string(),
            row.reads.to_string(),
            format!("× {:.1}", row.times_bare),
        ]);
    }
    format!(
        "{table}\n{} leads of a thousand accounts; the caller is in four, and asks for the one with a tenth of the leads.\n\
         p50 and p95 of {} runs each: how long Postgres carried the statement out, with count and page, by row-level security.\n\
         count: of it the count, up to 10,000 rows, by a run with a clock around each step, which makes it longer.\n\
         rows: how many rows or index entries were looked at. plan: the accounts of the caller once (init plan), and the indexes.\n\
         bare: how many times as long it takes when the policies look `members` up for each row, by a bare auth.uid().",
        options.leads, options.times
    )
}
