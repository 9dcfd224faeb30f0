//! Every stage is safe to run twice, and late ones change nothing.

use anyhow::{Context, Result};
use oslira_tests::{Run, Stack, User};
use serde_json::{Value, json};

async fn input(stack: &Stack, run: &Run) -> Result<Value> {
    let sql = "select r.run_id as \"runId\", r.account_id as \"accountId\", r.business_profile_id as \"businessProfileId\",
                      r.username, r.tier, a.lead_id as \"leadId\", coalesce(a.cache_hit, false) as \"cacheHit\"
                 from public.runs r left join public.analyses a using (run_id) where r.run_id = $1::text::uuid";
    stack.database.row(sql, &[&run.run_id]).await
}

#[tokio::test]
async fn a_repeated_stage_pays_nothing_and_changes_nothing() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let (run, _) = user.analyze(&user.username("repeat")).await?;
    let before = user.result(&run).await?.data().clone();
    let mut input = input(&stack, &run).await?;
    input["snapshotKey"] = json!(stack.snapshot_key(&run).await?);
    input["task"] = json!("scoring");
    input["usernames"] = json!([run.username]);

    let functions = &stack.description.functions;
    let late = |name: &str| stack.aws.invoke(&functions[name], &input);
    for (stage, wanted) in [
        ("check-profile-cache", "RunSettled"),
        ("scrape-profiles", "RunSettled"),
        ("analyze-profile", "RunSettled"),
    ] {
        let error =
            late(stage).await?.err().with_context(|| format!("{stage} went on with a settled run"))?;
        assert_eq!(error["errorType"], wanted, "{stage}: {error}");
    }
    assert!(late("upsert-lead").await?.is_ok());
    let saved = late("save-analysis").await?.map_err(anyhow::Error::msg)?;
    assert_eq!(saved["score"], before["score"]);
    let refunded = stack.refund(&run).await?;
    assert_eq!(refunded, json!({"status": "complete", "refundedNow": false}));

    assert_eq!(*user.result(&run).await?.data(), before);
    assert_eq!(user.finished(&run).await?["status"], "complete");
    assert_eq!(user.balance().await?, 9);
    assert_eq!(stack.stand_ins.actor_runs(&run.username).await?, 1);
    assert_eq!(stack.stand_ins.requests("openai", &run.username).await?, 1);
    Ok(())
}

#[tokio::test]
async fn an_answer_that_was_paid_for_is_found_again() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let (run, _) = user.analyze(&user.username("paid")).await?;
    // As if the Lambda had died after the answer was kept and before it could say so.
    stack
        .database
        .run(&format!(
            "alter table public.runs disable trigger runs_settled_for_good;
             delete from public.analyses where run_id = '{0}';
             update public.runs set status = 'pending', finished_at = null where run_id = '{0}';
             alter table public.runs enable trigger runs_settled_for_good;",
            run.run_id
        ))
        .await?;
    stack
        .aws
        .delete_item(&stack.description.tables["run-progress"], json!({"runId": {"S": run.run_id}}))
        .await?;
    let mut input = input(&stack, &run).await?;
    input["snapshotKey"] = json!(stack.snapshot_key(&run).await?);
    input["task"] = json!("scoring");
    let again = stack.aws.invoke(&stack.description.functions["analyze-profile"], &input).await?;
    assert_eq!(again.map_err(anyhow::Error::msg)?, json!({"task": "scoring"}));
    assert_eq!(stack.stand_ins.requests("openai", &run.username).await?, 1, "not asked again");
    stack.refund(&run).await?;
    assert_eq!(user.balance().await?, 10);
    Ok(())
}

#[tokio::test]
async fn a_scraper_that_died_is_found_at_work_by_the_next_try() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("reattach");
    let sql = "select (run).run_id from public.start_analysis($1::text::uuid, $2::text::uuid, gen_random_uuid(), $3, 'light')";
    let claims = format!(r#"select set_config('request.jwt.claims', '{{"sub":"{}"}}', false)"#, user.user_id);
    stack.database.run(&claims).await?;
    let row = stack.database.row(sql, &[&user.account_id, &user.business_profile_id, &username]).await?;
    let run = Run { run_id: row["run_id"].as_str().context("run")?.to_owned(), username: username.clone() };
    let mut input = input(&stack, &run).await?;
    input["usernames"] = json!([username]);

    let mut first = oslira_tests::Lambda::start(&stack, "scrape-profiles", &[]).await?;
    first.send(&input)?;
    oslira_tests::eventually("the actor run to be noted", || async {
        let noted = stack
            .slots()
            .await?
            .iter()
            .any(|slot| slot["holder"]["S"] == username.as_str() && slot["actorRunId"]["S"].is_string());
        Ok(noted.then_some(()))
    })
    .await?;
    first.kill().await?;

    let mut second = oslira_tests::Lambda::start(&stack, "scrape-profiles", &[]).await?;
    let scraped = second.invoke(&input).await?.outcome.map_err(anyhow::Error::msg)?;
    assert!(scraped["found"][&username]["snapshotKey"].is_string(), "{scraped}");
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 1, "the same actor run served both tries");
    let again = second.invoke(&input).await?.outcome.map_err(anyhow::Error::msg)?;
    assert_eq!(again, scraped, "what was stored since the run began is used as it is");
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 1, "and no actor is paid again");
    let held = stack.slots().await?.iter().any(|slot| slot["holder"]["S"] == username.as_str());
    assert!(!held, "the slot is free again");
    stack.refund(&run).await?;
    Ok(())
}

#[tokio::test]
async fn a_scraper_that_died_leaves_its_actor_to_be_aborted_by_the_next_try() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("orphan");
    stack
        .stand_ins
        .fault(json!({"upstream": "apify", "match": username, "kind": "runSlow", "delayMs": 600_000}))
        .await?;
    let run = user.accept(&username, "0 minutes").await?;
    let mut input = user.execution_input(&run);
    input["usernames"] = json!([username]);
    let mut first = oslira_tests::Lambda::start(&stack, "scrape-profiles", &[]).await?;
    first.send(&input)?;
    let held = async || -> Result<bool> {
        let items = stack.slots().await?;
        Ok(items
            .iter()
            .any(|slot| slot["holder"]["S"] == username.as_str() && slot["actorRunId"]["S"].is_string()))
    };
    oslira_tests::eventually("the actor run to be noted", async || Ok(held().await?.then_some(()))).await?;
    first.kill().await?;

    let path = format!("/api/analysis/{}/cancel", run.run_id);
    assert_eq!(user.request(reqwest::Method::POST, &path, &[], None).await?.status, 202);
    let mut second = oslira_tests::Lambda::start(&stack, "scrape-profiles", &[]).await?;
    assert_eq!(second.invoke(&input).await?.error_type()?, "RunCancelled");
    let counts = (stack.stand_ins.actor_runs(&username).await?, stack.stand_ins.aborted(&username).await?);
    assert_eq!((counts, held().await?), ((1, 1), false), "aborted, and its slot is free again");
    stack.refund(&run).await?;
    Ok(())
}
