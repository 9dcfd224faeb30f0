//! Requirement of the product: with 5 % transient faults in every upstream, at least 99 of 100 runs complete.

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use oslira_domain::Tier;
use oslira_tests::{Fault, Stack, Upstream, User};
use serde_json::Value;
use std::{collections::HashMap, convert::Infallible, time::Duration};

/// How many runs there are, and how many of them at a time: enough to keep two cores busy, or Lambdas that wait for a core
/// would take the emulator for a store that is away.
const RUNS: usize = 200;
const AT_ONCE: usize = 8;
/// How many of them must complete.
const MUST_COMPLETE: usize = RUNS * 99 / 100;

/// Mostly LIGHT: each run's tier with its price.
fn tier(run: usize) -> (Tier, i64) {
    match run % 20 {
        9 => (Tier::Deep, 5),
        19 => (Tier::Xray, 6),
        _ => (Tier::Light, 1),
    }
}

/// A slot whose actor may or may not have started is left to expire, after two and a half minutes. All other waits are
/// shorter in tests; here this one is too, or the ten slots would run out.
async fn expire_doubtful_slots(stack: &Stack) -> Result<Infallible> {
    let mut known: HashMap<String, Value> = HashMap::new();
    loop {
        tokio::time::sleep(Duration::from_secs(150) / Stack::HASTE).await;
        let mut doubtful = HashMap::new();
        for lease in stack.slots().await? {
            let slot = lease["slot"]["S"].as_str().context("a slot without its name")?;
            if lease.get("actorRunId").is_none() {
                doubtful.insert(slot.to_owned(), lease["leasedUntil"].clone());
            }
        }
        for (slot, until) in &doubtful {
            if known.get(slot) == Some(until) {
                stack.expire_slot(slot).await?;
            }
        }
        known = doubtful;
    }
}

/// How likely this is to fail without a reason. A scrape is tried four times, and a try fails when its start is struck
/// (5 %; the requests that only read are repeated three times each): 0.0503⁴ is 6 in a million, of some 220 scrapes.
/// A task asks two providers twice each in each of three tries: never. So a run fails in about one of 700 of these
/// tests, and three runs, which fail the test, in one of a billion. Apify's circuit breaker makes it likelier: it opens
/// when five of some 230 starts in a row are struck, 0.05⁵ at each, and fails the runs that are about to scrape, whose
/// waits are shorter here than the breaker's. That is one of 14,000 tests. OpenAI's opens about as often, and then Claude
/// answers. The seeds see to it that as many requests are struck every time; which runs they belong to differs.
#[tokio::test]
#[expect(clippy::print_stdout, reason = "the figure is the point")]
async fn with_5_percent_transient_faults_99_of_100_runs_complete() -> Result<()> {
    let stack = &Stack::connect_alone().await?;
    let credits: i64 = (0..RUNS).map(|run| tier(run).1).sum();
    let user = &User::sign_up(stack, i32::try_from(credits)?).await?;
    for (seed, upstream) in Upstream::ALL.into_iter().enumerate() {
        stack.stand_ins.fault(Fault::random(upstream, 0.05, seed)).await?;
    }

    let runs = stream::iter((0..RUNS).map(async |number| -> Result<(bool, i64)> {
        let (tier, price) = tier(number);
        let (run, progress) = user.analyze_tier(tier, &user.username("transient")).await?;
        let is_complete = progress["status"] == "complete";
        let (ledger, result) = if is_complete { (vec![-price], 200) } else { (vec![-price, price], 410) };
        assert!(is_complete || progress["status"] == "failed", "{progress}");
        assert_eq!(stack.status(&run).await?, progress["status"], "{progress}");
        assert_eq!(stack.ledger(&run).await?, ledger, "{tier}: {progress}");
        assert_eq!(user.result(&run).await?.status, result, "{progress}");
        Ok((is_complete, if is_complete { 0 } else { price }))
    }));
    let ended: Vec<(bool, i64)> = tokio::select! {
        ended = runs.buffer_unordered(AT_ONCE).try_collect() => ended?,
        broken = expire_doubtful_slots(stack) => match broken? {},
    };
    let struck = stack.stand_ins.struck().await?;
    stack.stand_ins.clear_faults().await?;

    let complete = ended.iter().filter(|(is_complete, _)| *is_complete).count();
    let refunded: i64 = ended.iter().map(|(_, refunded)| refunded).sum();
    assert_eq!(user.balance().await?, refunded, "what was not delivered is paid back");
    let [apify, openai, anthropic] =
        Upstream::ALL.map(|upstream| struck.get(&upstream).copied().unwrap_or_default());
    assert!(apify >= 20 && openai >= 8, "the faults hardly struck: {struck:?}");
    println!(
        "note: of {RUNS} runs with 5 % transient faults in every upstream (which struck Apify {apify}, OpenAI {openai} and \
         Anthropic {anthropic} times), {complete} completed and {} were refunded",
        RUNS - complete
    );
    assert!(complete >= MUST_COMPLETE, "{complete} of {RUNS} completed");
    Ok(())
}
