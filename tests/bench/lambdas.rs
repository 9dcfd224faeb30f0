//! Size, start-up and memory of every Lambda, and the handlers that a user waits for.
//!
//! Each Lambda runs under a runtime API of this program's own. Postgres and pgbouncer are the local stack's, behind a
//! proxy that adds 5 ms to each round trip and counts them. The other AWS services are answered at once by a stub:
//! the emulator's own time says nothing about AWS's. Nothing here passes or fails a test; the last column says whether
//! the budget holds: zip 5 MB, start 20 ms, memory 16 MB; the balance 20 ms in two round trips, a start 50 ms besides its one.

use crate::{
    aws_stub::AwsStub,
    table::{ms, percentile, table, verdict},
};
use anyhow::{Context, Result};
use clap::Args;
use comfy_table::Table;
use oslira_lambda::Secret;
use oslira_tests::{DatabaseProxy, Lambda, Stack, User, paths};
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// What the command line asks for.
#[derive(Args)]
pub(crate) struct Options {
    /// Folder of the release binaries
    #[arg(long)]
    binaries: PathBuf,
    /// Folder of the zips that `cargo lambda build` made
    #[arg(long)]
    zips: PathBuf,
    /// Process starts per Lambda
    #[arg(long, default_value_t = 20)]
    starts: usize,
    /// Requests per handler
    #[arg(long, default_value_t = 200)]
    requests: usize,
}

/// Size, time to the first poll, memory.
pub(crate) async fn starts(options: &Options, stack: &Stack) -> Result<Table> {
    // Every secret is unknown to this stub, so a Lambda opens one loopback connection to be told so, and no other.
    let stub = AwsStub::without_secrets().await?;
    let jwks_url = format!("{}/jwks.json", stub.url);
    let mut table = table(&["Lambda", "zip", "start p50", "start p95", "memory", "budget"]);
    let mut names: Vec<String> = fs::read_dir(&options.zips)?
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .filter(|name| options.zips.join(name).join("bootstrap.zip").is_file())
        .collect();
    names.sort();
    for name in names {
        let zip = fs::metadata(options.zips.join(&name).join("bootstrap.zip"))?.len() as f64 / 1e6;
        let (mut times, mut memory) = (Vec::new(), 0.0_f64);
        for _ in 0..options.starts {
            let overrides =
                [("AWS_ENDPOINT_URL", stub.url.as_str()), ("JWKS_URL", &jwks_url), ("RUST_LOG", "off")];
            let lambda = start(options, stack, &name, &overrides).await?;
            times.push(lambda.init);
            memory = memory.max(lambda.memory()? as f64 / 1e6);
        }
        let (p50, p95) = (percentile(&mut times, 0.5), percentile(&mut times, 0.95));
        // Every Lambda links at least the SDK of Secrets Manager.
        let holds = zip <= 5.0 && p95 <= Duration::from_millis(20) && memory <= 16.0;
        table.add_row([
            name,
            format!("{zip:.2} MB"),
            ms(p50),
            ms(p95),
            format!("{memory:.1} MB"),
            verdict(holds),
        ]);
    }
    Ok(table)
}

/// From the event's arrival to the answer's, with 5 ms per round trip to Postgres, which do not count.
pub(crate) async fn handlers(options: &Options, stack: &Stack) -> Result<Table> {
    const ROUND_TRIP: Duration = Duration::from_millis(5);
    let mut table = table(&["handler", "p50", "p95", "round trips", "p95 besides them", "budget"]);
    let user = User::sign_up(stack, i32::try_from(options.requests)? + 10).await?;
    let url = stack.secret(Secret::UserDatabase).await?;
    let proxy = DatabaseProxy::start(&url, ROUND_TRIP).await?;
    let stub = AwsStub::with_secret(&proxy.url).await?;
    for (name, wanted, budget_ms) in [("get-credit-balance", 200, 20.0), ("start-analysis", 202, 50.0)] {
        let event = || match name {
            "get-credit-balance" => user.get_event(paths::CREDITS_BALANCE, &[]),
            _ => {
                let body = user.analysis_of(&user.username("bench"));
                user.post_event(paths::ANALYZE, &body)
            }
        };
        let overrides = [("AWS_ENDPOINT_URL", stub.url.as_str()), ("RUST_LOG", "info")];
        let mut lambda = self::start(options, stack, name, &overrides).await?;
        let (mut times, before) = (Vec::new(), proxy.round_trips());
        for _ in 0..options.requests {
            let event = event();
            let sent = Instant::now();
            let answer = lambda.invoke(&event).await?;
            times.push(answer.at.duration_since(sent));
            let reply = answer.http()?;
            anyhow::ensure!(reply.status == wanted, "{name} answered {}: {}", reply.status, reply.body);
        }
        let round_trips = (proxy.round_trips() - before) as f64 / options.requests as f64;
        let (p50, p95) = (percentile(&mut times, 0.5), percentile(&mut times, 0.95));
        let besides = p95.saturating_sub(ROUND_TRIP.mul_f64(round_trips));
        // The balance's budget contains its round trips, the start's does not.
        let counted = if name == "get-credit-balance" { p95 } else { besides };
        let holds = counted.as_secs_f64() * 1e3 <= budget_ms && round_trips <= 2.0;
        table.add_row([
            name.to_owned(),
            ms(p50),
            ms(p95),
            format!("{round_trips:.2}"),
            ms(besides),
            verdict(holds),
        ]);
    }
    forget(stack, &user).await?;
    Ok(table)
}

/// The runs were charged and never started: give the credits back, so that the ledger tells the truth.
async fn forget(stack: &Stack, user: &User<'_>) -> Result<()> {
    let sql = "select count(*) from public.runs r,
                 lateral oslira.refund_run(r.run_id, 'failed', 'StartFailed', 'benchmark')
                 where r.account_id = $1::text::uuid";
    stack.database.row(sql, &[&user.account_id]).await.map(drop)
}

async fn start(options: &Options, stack: &Stack, name: &str, overrides: &[(&str, &str)]) -> Result<Lambda> {
    let file: &Path = &options.binaries.join(name);
    Lambda::start_binary(file, name, &stack.functions_env, overrides).await.with_context(|| name.to_owned())
}
