//! Every sample of `events/`, with ids that exist, handed to the deployed Lambda that it is of.

use anyhow::{Context, Result, ensure};
use oslira_domain::{Code, Tier};
use oslira_tests::{Answer, Run, Stack, User};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{fs, path::PathBuf};

#[tokio::test]
async fn every_sample_event_gets_an_answer_of_its_kind() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 6).await?;
    let username = user.username("sampled");
    user.analyze_tier(Tier::Deep, &username).await?;
    let idle = user.call_start_analysis(Tier::Light, &username).await?;
    let mut input = user.execution_input(&idle);
    input["tier"] = json!(Tier::Deep);
    let cached = stack.invoke("check-profile-cache", &input).await?.output()?;
    stack.refund(&idle).await?;
    let mut problems = Vec::new();
    for function in stack.description.functions.keys() {
        for file in samples(function)? {
            let (event, idle) = name_in(&fs::read_to_string(&file)?, &stack, &username, &cached).await?;
            if function == "save-analysis" {
                answer_tasks(&stack, &event).await?;
            }
            let answer = stack.invoke(function, &event).await?;
            stack.refund(&idle).await?;
            if let Err(problem) = check(function, &event, answer) {
                problems.push(format!("{}: {problem:#}", file.display()));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    Ok(())
}

/// A sample that names what a new user really has: an account, a business profile, a lead, a run on which nothing works, and
/// the snapshots of a profile that is cached. The run is returned, too, to be refunded: what stays pending is found by the job
/// that looks for stale runs.
async fn name_in(sample: &str, stack: &Stack, username: &str, cached: &Value) -> Result<(Value, Run)> {
    let event: Value = serde_json::from_str(sample).context("no JSON")?;
    let tier = if event["tier"].is_string() { tier_of(&event)? } else { Tier::Light };
    let user = User::sign_up(stack, 10).await?;
    let run = user.call_start_analysis(tier, username).await?;
    let mut input = user.execution_input(&run);
    let (profile, posts) = (cached["snapshotKey"].as_str(), cached["postsKey"].as_str());
    (input["snapshotKey"], input["cacheHit"]) = (json!(profile), json!(true));
    let lead = stack.invoke("upsert-lead", &input).await?.output()?;
    let named = sample
        .replace("00000000-0000-4000-8000-000000000001", &user.user_id)
        .replace("00000000-0000-4000-8000-0000000000a1", &user.account_id)
        .replace("00000000-0000-4000-8000-0000000000b1", &user.business_profile_id)
        .replace("00000000-0000-7000-8000-0000000000c1", &run.run_id)
        .replace("00000000-0000-4000-8000-0000000000d1", lead["leadId"].as_str().context("no lead")?)
        .replace("profiles/nasa/posts/sample", posts.context("no posts")?)
        .replace("profiles/nasa/sample", profile.context("no profile")?);
    Ok((serde_json::from_str(&named).context("no JSON")?, run))
}

/// Has the models asked all that an analysis of this run consists of.
async fn answer_tasks(stack: &Stack, event: &Value) -> Result<()> {
    for task in tier_of(event)?.tasks() {
        let mut input = event.clone();
        input["task"] = json!(task);
        stack.invoke("analyze-profile", &input).await?.output()?;
    }
    Ok(())
}

fn tier_of(event: &Value) -> Result<Tier> {
    Ok(Tier::deserialize(&event["tier"])?)
}

/// Whether the answer is what such a function may answer to a sample.
fn check(function: &str, event: &Value, answer: Answer) -> Result<()> {
    if event["httpMethod"].is_string() {
        let status = answer.http()?.status;
        ensure!(status < 500, "{status}");
    } else if event["Records"].is_array() {
        let output = answer.output()?;
        ensure!(output["batchItemFailures"] == json!([]), "{output}");
    } else if event["type"] == "TOKEN" {
        // API Gateway makes a 401 of this word; the token of a sample is none.
        let error = answer.outcome.err().context("the token of the sample was taken")?;
        ensure!(error["errorMessage"] == "Unauthorized", "{error}");
    } else if answer.outcome.is_err() {
        let name = answer.error_type()?;
        let code = Code::named(name).with_context(|| format!("{name} is no code: {:?}", answer.outcome))?;
        ensure!(code.http_status() < 500, "{function} failed with {name}: {:?}", answer.outcome);
    }
    Ok(())
}

/// The samples of a function, in the order of their names.
fn samples(function: &str) -> Result<Vec<PathBuf>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../events").join(function);
    let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.sort();
    ensure!(!files.is_empty(), "{} is empty", folder.display());
    Ok(files)
}
