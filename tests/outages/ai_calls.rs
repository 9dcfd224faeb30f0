//! What AI calls count towards: the day's spending, the calls under way, the budget for slow calls that are made twice.

use anyhow::{Context, Result};
use futures::future::try_join_all;
use oslira_tests::{AnonymousCaller, Fault, Lambda, Run, Stack, Upstream, User};
use serde_json::Value;
use std::time::Duration;

/// What was counted of today, and what is under way.
#[derive(Clone, Debug, PartialEq)]
struct Usage {
    calls: f64,
    cost_usd: f64,
    /// Second calls.
    hedges: f64,
    in_flight: f64,
}

async fn usage(stack: &Stack) -> Result<Usage> {
    let items = stack.aws.items(&stack.description.tables["ai-usage"]).await?;
    let sum = |kind: &str, name: &str| {
        let of_kind =
            items.iter().filter(|item| item["period"]["S"].as_str().is_some_and(|it| it.starts_with(kind)));
        of_kind.filter_map(|item| item[name]["N"].as_str()?.parse::<f64>().ok()).sum()
    };
    Ok(Usage {
        calls: sum("day#", "calls"),
        cost_usd: sum("day#", "costUsd"),
        hedges: sum("day#", "hedges"),
        in_flight: sum("calls#", "inFlight"),
    })
}

async fn outcomes(stack: &Stack, run: &Run) -> Result<Vec<(String, f64)>> {
    let calls = stack.calls(run).await?;
    let outcome = |call: &Value| Some((call["outcome"].as_str()?.to_owned(), call["cost_usd"].as_f64()?));
    Ok(calls.iter().filter(|call| call["provider"] != "apify").filter_map(outcome).collect())
}

#[tokio::test]
async fn calls_and_their_cost_are_counted_and_answers_that_were_kept_are_not() -> Result<()> {
    let stack = &Stack::connect_alone().await?;
    let user = User::sign_up(stack, 20).await?;
    let username = user.username("counted");
    let (run, _) = user.analyze(&username).await?;
    let paid = outcomes(stack, &run).await?[0].1;
    let once = usage(stack).await?;
    let cost = once.cost_usd;
    assert_eq!(once.calls, 1.0, "calls");
    assert_eq!(once.in_flight, 0.0, "under way");
    assert!(paid > 0.0 && (cost - paid).abs() < 1e-8, "{cost} instead of {paid}");
    let items = stack.aws.items(&stack.description.tables["ai-usage"]).await?;
    let accounts =
        items.iter().filter(|it| it["period"]["S"].as_str().is_some_and(|it| it.starts_with("account#")));
    let [account] = accounts.collect::<Vec<_>>()[..] else { anyhow::bail!("not one account: {items:?}") };
    assert!(account["period"]["S"].as_str().is_some_and(|it| it.ends_with(&user.account_id)), "{account}");
    assert_eq!(
        account["costUsd"]["N"].as_str().map(str::parse),
        Some(Ok(cost)),
        "all of it was this account's"
    );

    stack.age(&run).await?;
    user.analyze(&username).await?;
    let unchanged = Usage { hedges: 0.0, ..once.clone() };
    assert_eq!(usage(stack).await?, unchanged, "the same question again");

    // Both providers refuse: every call is counted, and nothing stays under way.
    let failing = user.username("failing");
    for upstream in Upstream::AI {
        stack.stand_ins.fault(Fault::status(upstream, 401).of(&failing)).await?;
    }
    let (_, progress) = user.analyze(&failing).await?;
    assert_eq!(progress["code"], "AiRejected", "{progress}");
    assert_eq!(usage(stack).await?, Usage { calls: once.calls + 2.0, ..unchanged });
    Ok(())
}

#[tokio::test]
async fn a_slow_call_is_made_twice_as_far_as_the_budget_goes() -> Result<()> {
    let stack = &Stack::connect_alone().await?;
    let user = User::sign_up(stack, 20).await?;
    let slow = async |word: &str| -> Result<_> {
        let username = user.username(word);
        let fault = Fault::slow(Upstream::OpenAi, Duration::from_secs(6)).of(&username).times(1);
        stack.stand_ins.fault(fault).await?;
        let (run, progress) = user.analyze(&username).await?;
        anyhow::ensure!(progress["status"] == "complete", "{progress}");
        let (named, paid): (Vec<_>, Vec<_>) = outcomes(stack, &run).await?.into_iter().unzip();
        Ok((named, stack.stand_ins.requests(Upstream::OpenAi, &username).await?, paid.iter().sum::<f64>()))
    };
    let (named, asked, paid) = slow("hedged").await?;
    assert_eq!(named, ["abandoned", "answered"]);
    assert_eq!(asked, 2, "requests to OpenAI");
    let counted = usage(stack).await?;
    assert_eq!(counted, Usage { calls: 2.0, hedges: 1.0, in_flight: 0.0, ..counted.clone() });
    let cost = counted.cost_usd;
    // What OpenAI may charge for the one that was dropped counts for the limit, not for the run: a thousand tokens at least.
    assert!(cost >= paid + 1_000.0 * 0.5 / 1e6, "{cost} for {paid}");
    // One a day, and a twentieth of the calls: that was it.
    let (named, asked, _) = slow("alone").await?;
    assert_eq!(named, ["answered"]);
    assert_eq!(asked, 1, "requests to OpenAI");
    assert_eq!(usage(stack).await?.hedges, 1.0, "second calls");
    Ok(())
}

/// What stands in place of a count of tokens.
const ABSURD: [&str; 6] = ["1000000000000000000", "3000000000", "-5", "\"12\"", "1e999", "null"];

/// The usage that a provider tells, with these figures of the prompt and of the answer.
fn usage_of(provider: Upstream, prompt: &str, output: &str) -> String {
    match provider {
        Upstream::OpenAi => format!(
            r#"{{"prompt_tokens": {prompt}, "completion_tokens": {output}, "prompt_tokens_details": {{"cached_tokens": {prompt}}}}}"#
        ),
        _ => format!(
            r#"{{"input_tokens": {prompt}, "cache_creation_input_tokens": {prompt}, "cache_read_input_tokens": {prompt},
                "output_tokens": {output}}}"#
        ),
    }
}

#[tokio::test]
async fn an_absurd_usage_beside_a_good_answer_fails_no_run_blames_nobody_and_leaves_the_day_to_the_others()
-> Result<()> {
    let stack = &Stack::connect_alone().await?;
    let user = &User::sign_up(stack, 30).await?;
    let absurd = async |provider: Upstream, prompt: &str, output: &str| -> Result<String> {
        let username = user.username("absurd");
        if provider == Upstream::Anthropic {
            stack.stand_ins.fault(Fault::refusal(Upstream::OpenAi).of(&username)).await?;
        }
        let usage = usage_of(provider, prompt, output);
        stack.stand_ins.fault(Fault::usage(provider, &usage).of(&username)).await?;
        Ok(username)
    };
    let analyze = async |(provider, prompt, output): (Upstream, &str, &str)| -> Result<()> {
        let username = absurd(provider, prompt, output).await?;
        let (run, progress) = user.analyze(&username).await?;
        assert_eq!(progress["status"], "complete", "{provider} {prompt} {output}: {progress}");
        let asked = stack.stand_ins.bodies(provider, &username).await?;
        let [body] = &asked[..] else {
            anyhow::bail!("asked {} times: {provider} {prompt} {output}", asked.len())
        };
        let sql = "select input_tokens, cached_tokens, output_tokens, cost_usd from public.ai_usage_logs
                     where run_id = $1::text::uuid and provider = $2 and outcome = 'answered'";
        let row = stack.database.row(sql, &[&run.run_id, provider.name()]).await?;
        let count = |name: &str| row[name].as_i64().context("no count");
        let bytes = i64::try_from(body.to_string().len())?;
        anyhow::ensure!(count("input_tokens")? + count("cached_tokens")? <= bytes, "{row} of {bytes} bytes");
        anyhow::ensure!(count("output_tokens")? <= 1_000 && count("output_tokens")? >= 0, "{row}");
        Ok(())
    };
    let cases = Upstream::AI.into_iter().flat_map(|provider| {
        ABSURD.into_iter().flat_map(move |figure| [(provider, figure, "20"), (provider, "20", figure)])
    });
    try_join_all(cases.map(analyze)).await?;
    // An anonymous run's AI call is made in another place.
    for figure in ["1000000000000000000", "-5"] {
        let caller = AnonymousCaller::arrive(stack);
        let (_, ended) = caller.analyze(&absurd(Upstream::OpenAi, figure, figure).await?).await?;
        assert_eq!(ended["status"], "complete", "{figure}: {ended}");
    }

    let cost = usage(stack).await?.cost_usd;
    assert!(cost > 0.0 && cost < 0.10, "$100 are the day's: {cost}");
    for breaker in stack.aws.items(&stack.description.tables["circuit-breakers"]).await? {
        let is_blamed = breaker.get("failures").or(breaker.get("openUntil")).is_some();
        assert!(!is_blamed || breaker["upstream"]["S"] == "apify", "{breaker}");
    }
    let other = User::sign_up(stack, 1).await?;
    let (_, progress) = other.analyze(&other.username("other")).await?;
    assert_eq!(progress["status"], "complete", "{progress}");
    Ok(())
}

#[tokio::test]
async fn roles_and_switches_that_make_no_sense_stop_the_lambda_at_its_start() -> Result<()> {
    let stack = &Stack::connect_alone().await?;
    for (lambda, variable, value) in [
        ("analyze-profile", "AI_ROLES", "fast=gpt-9/claude-haiku-5-5"),
        ("analyze-profile", "AI_ROLES", "slow=gpt-6-luna/claude-haiku-5-5"),
        ("analyze-profile", "AI_ROLES", "fast=gpt-6-luna/gpt-6.1-sol"),
        ("analyze-profile", "AI_HEDGING", "perhaps"),
        ("check-health", "AI_ROLES", "fast"),
    ] {
        let started = Lambda::start(stack, lambda, &[(variable, value)]).await;
        assert!(started.is_err(), "{lambda} with {variable}={value}");
    }
    Ok(())
}
