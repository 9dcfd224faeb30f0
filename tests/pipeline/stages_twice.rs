//! Every stage is safe to run twice, and late ones change nothing.

use anyhow::{Context, Result};
use oslira_domain::Tier;
use oslira_tests::{Lambda, Run, Scraped, Stack, Upstream, User, with_scrape};
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
    let mut input = with_scrape(input(&stack, &run).await?, &run.username, "single");
    input["snapshotKey"] = json!(stack.snapshot_key(&run).await?);
    input["task"] = json!("scoring");

    let functions = &stack.description.functions;
    let late = |name: &str| stack.aws.invoke(&functions[name], &input);
    for stage in ["check-profile-cache", "scrape-profiles", "analyze-profile"] {
        let error =
            late(stage).await?.err().with_context(|| format!("{stage} went on with a settled run"))?;
        assert_eq!(error["errorType"], "RunSettled", "{stage}: {error}");
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
    assert_eq!(stack.stand_ins.requests(Upstream::OpenAi, &run.username).await?, 1);
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
    stack.forget_progress(&run).await?;
    let mut input = with_scrape(input(&stack, &run).await?, &run.username, "single");
    input["snapshotKey"] = json!(stack.snapshot_key(&run).await?);
    input["task"] = json!("scoring");
    let again = stack.aws.invoke(&stack.description.functions["analyze-profile"], &input).await?;
    assert_eq!(again.map_err(anyhow::Error::msg)?, json!({"task": "scoring"}));
    assert_eq!(stack.stand_ins.requests(Upstream::OpenAi, &run.username).await?, 1, "not asked again");
    stack.refund(&run).await?;
    assert_eq!(user.balance().await?, 10);
    Ok(())
}

#[tokio::test]
async fn a_scraper_that_died_is_found_at_work_by_the_next_try() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("reattach");
    let run = user.call_start_analysis(Tier::Light, &username).await?;
    let input = with_scrape(input(&stack, &run).await?, &username, "single");

    let mut first = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    first.send(&input)?;
    stack.actor_noted(&username).await?;
    first.kill().await?;

    let mut second = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    let scraped = second.invoke(&input).await?.output()?;
    assert!(scraped["found"][&username]["snapshotKey"].is_string(), "{scraped}");
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 1, "the same actor run served both tries");
    let again = second.invoke(&input).await?.output()?;
    assert_eq!(again, scraped, "what was stored since the run began is used as it is");
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 1, "and no actor is paid again");
    assert_eq!(stack.slots_of(&username).await?, 0, "the slot is free again");
    stack.refund(&run).await?;
    Ok(())
}

#[tokio::test]
async fn a_scraper_that_died_leaves_its_actor_to_be_aborted_by_the_next_try() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("orphan");
    let run = user.orphan(&username).await?;
    assert_eq!(user.cancel(&run).await?.status, 202);
    let mut second = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    assert_eq!(second.invoke(&user.scrape_of(&run)).await?.error_type()?, "RunCancelled");
    let scraped = stack.scraped(&username).await?;
    assert_eq!(scraped, Scraped { actors: 1, slots: 0 }, "its slot is free again");
    assert_eq!(stack.stand_ins.aborted(&username).await?, 1, "aborted actors");
    stack.refund(&run).await?;
    Ok(())
}
