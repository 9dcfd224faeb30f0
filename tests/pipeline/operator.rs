//! `cargo xtask run`: what an operator sees of a run, held against the database and Step Functions.

use anyhow::{Context, Result};
use oslira_domain::Tier;
use oslira_tests::{AnonymousCaller, Run, Stack, User, xtask};
use serde_json::{Value, json};

/// The run as JSON.
async fn shown(run_id: &str) -> Result<Value> {
    let printed = xtask(&["run", run_id, "--json"]).await?.map_err(anyhow::Error::msg)?;
    Ok(serde_json::from_str(&printed)?)
}

/// Sees that calls and money are what the rows of the database say, for credits kept of so many charged.
async fn costs_match(stack: &Stack, run: &Run, shown: &Value, charged: i64, kept: i64) -> Result<()> {
    let rows = stack.calls(run).await?;
    let calls = shown["money"]["calls"].as_array().context("no calls")?;
    assert_eq!(calls.len(), rows.len());
    for (call, row) in calls.iter().zip(&rows) {
        for (name, column) in [
            ("task", "task"),
            ("provider", "provider"),
            ("model", "model"),
            ("inputTokens", "input_tokens"),
            ("cachedTokens", "cached_tokens"),
            ("outputTokens", "output_tokens"),
            ("costUsd", "cost_usd"),
            ("durationMs", "duration_ms"),
            ("isFallback", "is_fallback"),
            ("isCacheHit", "is_cache_hit"),
            ("outcome", "outcome"),
        ] {
            let (told, kept) = (&call[name], &row[column]);
            assert!(
                told == kept || told.as_f64().is_some_and(|told| Some(told) == kept.as_f64()),
                "{name}: {call}"
            );
        }
    }
    let paid: f64 = rows.iter().filter_map(|row| row["cost_usd"].as_f64()).sum();
    assert!(paid > 0.0);
    let money = &shown["money"];
    let wanted = [
        ("totalUsd", paid),
        ("listPriceUsd", 0.97 * charged as f64),
        ("keptUsd", 0.97 * kept as f64),
        ("marginUsd", 0.97 * kept as f64 - paid),
    ];
    for (name, wanted) in wanted {
        let told = money[name].as_f64().with_context(|| format!("no {name}"))?;
        assert!((told - wanted).abs() < 1e-6, "{name} is {told} instead of {wanted}");
    }
    Ok(())
}

/// The names of the only execution's steps that take time, after seeing that each has its duration.
fn steps(shown: &Value) -> Result<Vec<&str>> {
    let executions = shown["executions"].as_array().context("no executions")?;
    let [execution] = executions.as_slice() else { anyhow::bail!("not one execution: {executions:?}") };
    let took = execution["durationMs"].as_i64().context("no duration")?;
    let steps = execution["steps"].as_array().context("no steps")?.iter();
    let timed =
        steps.filter(|step| ["Task", "Parallel"].contains(&step["kind"].as_str().unwrap_or_default()));
    timed
        .map(|step| {
            let ms = step["durationMs"].as_i64().context("a step without its duration")?;
            assert!(0 < ms && ms <= took && step["isOpen"] == false, "{step}");
            step["state"].as_str().context("a step without a name")
        })
        .collect()
}

/// The Lambdas that wrote lines about the run, each once.
fn functions(shown: &Value) -> Vec<&str> {
    let lines = shown["log"].as_array().into_iter().flatten();
    let mut functions: Vec<&str> = lines.filter_map(|line| line["function"].as_str()).collect();
    functions.sort_unstable();
    functions.dedup();
    functions
}

#[tokio::test]
async fn a_complete_run_is_shown_whole_and_its_figures_are_the_databases() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("watched");
    let (run, progress) = user.analyze_tier(Tier::Deep, &username).await?;
    assert_eq!(progress["status"], "complete", "{progress}");

    let shown = shown(&run.run_id).await?;
    assert_eq!(shown["run"]["status"], "complete", "status: {shown}");
    assert_eq!(shown["run"]["tier"], "deep", "tier: {shown}");
    assert_eq!(shown["run"]["username"], json!(username), "username");
    assert_eq!(shown["run"]["accountId"], json!(user.account_id), "accountId");
    let score = stack
        .database
        .row("select score, duration_ms from public.analyses where run_id = $1::text::uuid", &[&run.run_id])
        .await?;
    assert_eq!(shown["analysis"]["score"], score["score"], "score");
    assert_eq!(shown["analysis"]["durationMs"], score["duration_ms"], "durationMs");
    let ledger: Vec<&Value> =
        shown["ledger"].as_array().into_iter().flatten().map(|row| &row["amount"]).collect();
    assert_eq!(ledger, [-5]);
    assert_eq!(shown["progress"]["status"], "complete", "status");
    assert_eq!(shown["progress"]["progress"], 100, "progress");
    costs_match(&stack, &run, &shown, 5, 5).await?;
    assert_eq!(shown["money"]["calls"].as_array().map(Vec::len), Some(5));
    let wanted = ["Check Profile Cache", "Scrape What Is Missing", "Analyze Deep", "Save Analysis"];
    assert_eq!(steps(&shown)?, wanted);
    assert_eq!(shown["executions"][0]["status"], "SUCCEEDED");
    let logged = functions(&shown);
    for function in ["analyze-profile", "save-analysis", "scrape-profiles", "start-analysis", "upsert-lead"] {
        assert!(logged.contains(&function), "{function} is not in {logged:?}");
    }
    assert_eq!(shown["unreachable"], json!({}));

    // And the same for people.
    let printed = xtask(&["run", &run.run_id.to_uppercase()]).await?.map_err(anyhow::Error::msg)?;
    let cost = format!("${:.4}", shown["money"]["totalUsd"].as_f64().context("totalUsd")?);
    for text in
        [&format!("DEEP of @{username}"), "Save Analysis", "scrape_posts", "$4.85", &cost, "upsert-lead"]
    {
        assert!(printed.contains(text), "{text:?} is not in\n{printed}");
    }
    Ok(())
}

#[tokio::test]
async fn a_refunded_run_shows_why_it_failed_and_what_it_cost_us() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let (run, progress) = user.analyze_tier(Tier::Deep, &user.username("private")).await?;
    assert_eq!(progress["code"], "ProfilePrivate", "{progress}");

    let shown = shown(&run.run_id).await?;
    assert_eq!(shown["run"]["status"], "failed", "status: {shown}");
    assert_eq!(shown["run"]["failureCode"], "ProfilePrivate", "failureCode: {shown}");
    let ledger: Vec<&Value> =
        shown["ledger"].as_array().into_iter().flatten().map(|row| &row["amount"]).collect();
    assert_eq!(ledger, [-5, 5]);
    costs_match(&stack, &run, &shown, 5, 0).await?;
    assert_eq!(steps(&shown)?, ["Check Profile Cache", "Scrape What Is Missing", "Refund Credits"]);
    let execution = &shown["executions"][0];
    assert_eq!(execution["status"], "FAILED", "status");
    assert_eq!(execution["error"], "ProfilePrivate", "error");
    let failures = execution["steps"].as_array().into_iter().flatten().map(|step| &step["failures"]);
    assert!(failures.into_iter().any(|failures| failures["ProfilePrivate"] == 1), "{execution}");
    assert!(shown["analysis"].is_null());
    Ok(())
}

#[tokio::test]
async fn an_anonymous_run_is_shown_as_far_as_it_exists_and_what_never_was_is_said_to_be_none() -> Result<()> {
    let stack = Stack::connect().await?;
    let caller = AnonymousCaller::arrive(&stack);
    let (run, ended) = caller.analyze(&caller.username("watched")).await?;
    assert_eq!(ended["status"], "complete", "{ended}");
    let shown = shown(&run.run_id).await?;
    assert_eq!(shown["run"], Value::Null, "run");
    assert_eq!(shown["progress"]["accountId"], Value::Null, "accountId");
    assert_eq!(steps(&shown)?, ["Check Profile Cache", "Scrape Profile", "Score Profile"]);
    let tasks: Vec<&Value> =
        shown["money"]["calls"].as_array().into_iter().flatten().map(|call| &call["provider"]).collect();
    assert_eq!(tasks, ["apify", "openai"], "its log tells what it cost");
    assert!(shown["money"]["marginUsd"].as_f64().is_some_and(|margin| margin < 0.0), "{}", shown["money"]);
    for secret in [&run.token, &caller.address] {
        assert!(!shown.to_string().contains(secret.as_str()), "{secret}");
    }

    let nobody = "00000000-0000-7000-8000-000000000000";
    let refused = xtask(&["run", nobody]).await?.err().context("showed a run that never was")?;
    assert!(refused.contains(&format!("there is no run {nobody}")), "{refused}");
    let refused = xtask(&["run", "7"]).await?.err().context("took 7 for an id")?;
    assert!(refused.contains("a run's id is a UUID"), "{refused}");
    Ok(())
}
