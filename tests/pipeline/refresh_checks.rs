//! Refresh checks that scrape: what they share with runs, what they leave in the cache, and what happens when they fail or die.

use anyhow::Result;
use jiff::Timestamp;
use oslira_domain::Tier;
use oslira_tests::{Fault, Lambda, Payer, Stack, User, eventually, paths};
use serde_json::{Value, json};

#[tokio::test]
async fn a_check_and_a_run_share_one_scrape_whoever_comes_first() -> Result<()> {
    let stack = Stack::connect().await?;
    for check_is_first in [true, false] {
        let (user, other) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
        let username = user.username("common");
        let lead_id = user.lead(&username).await?;
        stack.age_cached_profile(&username, 25).await?;
        stack.hold_actors(&username).await?;
        let (check, run);
        if check_is_first {
            check = user.start_check(&lead_id).await?;
            stack.actors_started(&username, 2).await?;
            run = other.start(&username).await?;
        } else {
            run = other.start(&username).await?;
            stack.actors_started(&username, 2).await?;
            check = user.start_check(&lead_id).await?;
        }
        stack.runs_waiting(&username, 1).await?;
        stack.stand_ins.release(&username).await?;
        let answer = user.checked(&check).await?;
        assert_eq!(answer["needsRefresh"], false, "{answer}");
        assert_eq!(other.finished(&run).await?["status"], "complete");
        assert_eq!(stack.stand_ins.actor_runs(&username).await?, 2, "check first: {check_is_first}");
        assert_eq!(stack.slots_of(&username).await?, 0);
        let payers = stack.payers(&username).await?;
        let of_run = payers.contains(&Payer::of_profile(&run));
        assert_eq!(of_run, !check_is_first, "whoever started the actor pays: {payers:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_profile_that_is_gone_or_private_is_an_answer_and_remembered() -> Result<()> {
    let stack = Stack::connect().await?;
    for (item, visibility, code) in [
        (json!({"private": true}), "private", "ProfilePrivate"),
        (
            json!({"error": "not_found", "errorDescription": "Post does not exist"}),
            "notFound",
            "ProfileNotFound",
        ),
    ] {
        let user = User::sign_up(&stack, 10).await?;
        let username = user.username("vanished");
        let lead_id = user.lead(&username).await?;
        stack.age_cached_profile(&username, 7).await?;
        if visibility == "private" {
            stack.stand_ins.profile(&username, &item).await?;
        } else {
            stack.stand_ins.profile_item(&username, with_username(item, &username)).await?;
        }
        let check = user.start_check(&lead_id).await?;
        let answer = user.checked(&check).await?;
        let reason = json!({"reason": "visibility", "seen": "public", "now": visibility});
        assert_eq!(answer["reasons"], json!([reason]), "{answer}");
        assert_eq!(answer["visibility"], visibility, "{answer}");
        let again = user.check_refresh(&lead_id).await?;
        assert_eq!(again.status, 200, "it is remembered: {}", again.body);
        assert_eq!(again.data()["visibility"], visibility);
        let (_, progress) = user.analyze_tier(Tier::Xray, &username).await?;
        assert_eq!(progress["code"], code, "for runs, too: {progress}");
        assert_eq!(stack.stand_ins.actor_runs(&username).await?, 2, "{visibility}");
    }
    Ok(())
}

fn with_username(mut item: Value, username: &str) -> String {
    item["username"] = json!(username);
    item.to_string()
}

#[tokio::test]
async fn posts_go_from_the_cache_when_the_profile_has_changed() -> Result<()> {
    let stack = Stack::connect().await?;
    for has_changed in [false, true] {
        let user = User::sign_up(&stack, 10).await?;
        let username = user.username("posts");
        let (run, _) = user.analyze_tier(Tier::Deep, &username).await?;
        let lead_id = user.lead_of(&run).await?;
        assert!(stack.has_cached_posts(&username).await?);
        stack.age_cached_profile(&username, 7).await?;
        if has_changed {
            stack.stand_ins.profile(&username, &json!({"followersCount": 987_654_321})).await?;
        }
        let check = user.start_check(&lead_id).await?;
        let answer = user.checked(&check).await?;
        assert_eq!(answer["needsRefresh"], has_changed, "{answer}");
        assert_eq!(stack.has_cached_posts(&username).await?, !has_changed, "changed: {has_changed}");
    }
    Ok(())
}

#[tokio::test]
async fn a_check_that_fails_says_why_and_another_may_begin() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("refused");
    let lead_id = user.lead(&username).await?;
    stack.age_cached_profile(&username, 7).await?;
    stack.stand_ins.fault(Fault::status(oslira_tests::Upstream::Apify, 400).of(&username).times(1)).await?;
    let check = user.start_check(&lead_id).await?;
    let failed = user.finished_check(&check).await?;
    assert_eq!((&failed["status"], &failed["code"]), (&json!("failed"), &json!("ApifyRejected")), "{failed}");
    assert!(failed["reason"].is_string() && failed.get("answer").is_none(), "{failed}");
    let machine = &stack.description.state_machines["refresh-check"];
    eventually("the execution to fail", || async {
        let execution = stack.aws.execution(machine, &check.check_id).await?;
        Ok(execution.filter(|execution| execution.status == "FAILED"))
    })
    .await?;

    let next = user.start_check(&lead_id).await?;
    assert_ne!(next.check_id, check.check_id);
    user.checked(&next).await?;

    // The end of the first one comes again, late: it is not the lead's check any more.
    let mut late = json!({"executionName": check.check_id, "leadId": lead_id});
    late["error"] = json!({"Error": "States.Timeout", "Cause": ""});
    let function = &stack.description.functions["fail-refresh-check"];
    stack.aws.invoke(function, &late).await?.map_err(anyhow::Error::msg)?;
    assert_eq!(user.finished_check(&next).await?["status"], "complete");
    Ok(())
}

#[tokio::test]
async fn a_check_whose_execution_was_stopped_is_shown_as_failed_and_the_next_one_uses_its_actor() -> Result<()>
{
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("halted");
    let lead_id = user.lead(&username).await?;
    stack.age_cached_profile(&username, 7).await?;
    stack.hold_actors(&username).await?;
    let check = user.start_check(&lead_id).await?;
    stack.actor_noted(&username).await?;
    stack.stop_check(&check).await?;
    assert_eq!(user.start_check(&lead_id).await?, check, "it is believed in for some minutes");
    stack.quieten_check(&check).await?;
    let failed = user.finished_check(&check).await?;
    assert_eq!(
        (&failed["status"], &failed["code"]),
        (&json!("failed"), &json!("ExecutionStopped")),
        "{failed}"
    );

    stack.seem_dead(&username).await?;
    let next = user.start_check(&lead_id).await?;
    assert_ne!(next.check_id, check.check_id);
    stack.stand_ins.release(&username).await?;
    user.checked(&next).await?;
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 2, "the analysis's, and one for both checks");
    assert_eq!(stack.slots_of(&username).await?, 0);
    Ok(())
}

#[tokio::test]
async fn a_stage_killed_midway_is_repeated_without_harm() -> Result<()> {
    let stack = Stack::connect().await?;
    for looks in [0, 2, 8] {
        let user = User::sign_up(&stack, 10).await?;
        let username = user.username("killed");
        let (run, _) = user.analyze(&username).await?;
        let lead_id = user.lead_of(&run).await?;
        stack.age_cached_profile(&username, 7).await?;
        stack.stand_ins.profile(&username, &json!({"followersCount": 987_654_321})).await?;
        stack.hold_actors(&username).await?;
        let check = user.start_check(&lead_id).await?;
        stack.actor_noted(&username).await?;
        stack.stop_check(&check).await?;
        stack.seem_dead(&username).await?;
        stack.stand_ins.release(&username).await?;
        let input = user.check_input(&check, &username);
        let scrape = oslira_tests::with_scrape(input.clone(), &username, "single");
        for (stage, input) in [("scrape-profiles", &scrape), ("answer-refresh-check", &input)] {
            let mut lambda = Lambda::start(&stack, stage, &[]).await?;
            lambda.send(input)?;
            for _ in 0..looks {
                stack.status(&run).await?;
            }
            lambda.kill().await?;
            stack.seem_dead(&username).await?;
            let mut lambda = Lambda::start(&stack, stage, &[]).await?;
            lambda.invoke(input).await?.output()?;
        }
        let answer = user.checked(&check).await?;
        assert_eq!(answer["reasons"][0]["reason"], "followers", "{looks} looks: {answer}");
        assert_eq!(stack.stand_ins.actor_runs(&username).await?, 2, "{looks} looks");
        // A repeated stage after that changes nothing.
        let function = &stack.description.functions["answer-refresh-check"];
        stack.aws.invoke(function, &input).await?.map_err(anyhow::Error::msg)?;
        assert_eq!(user.checked(&check).await?, answer);
    }
    Ok(())
}

#[tokio::test]
async fn a_start_that_dies_midway_delays_the_next_one_and_no_more() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("unbegun");
    let lead_id = user.lead(&username).await?;
    stack.age_cached_profile(&username, 7).await?;
    // It died between its item and its execution.
    let ago = (Timestamp::now() - jiff::SignedDuration::from_mins(6)).as_millisecond();
    let tomorrow = Timestamp::now().as_second() + 86_400;
    let check_id = "0b8f5a52-6a1d-8c3e-9f43-2a17c60e5d11";
    let item = json!({
        "runId": {"S": format!("refresh-check#{lead_id}")}, "checkId": {"S": check_id},
        "accountId": {"S": user.account_id}, "startedAt": {"N": ago.to_string()}, "expiresAt": {"N": tomorrow.to_string()},
    });
    stack.aws.put_item(&stack.description.tables["run-progress"], item).await?;
    let status = user.get(&paths::refresh_check(&lead_id)).await?;
    assert_eq!(status.data()["code"], "ExecutionStopped", "{}", status.body);
    let check = user.start_check(&lead_id).await?;
    assert_ne!(check.check_id, check_id);
    user.checked(&check).await?;
    Ok(())
}

#[tokio::test]
async fn a_bio_is_in_no_log_and_no_history() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("secretive");
    let lead_id = user.lead(&username).await?;
    stack.set_lead(&lead_id, "analyzed_biography = 'canary-of-an-old-bio'").await?;
    stack.age_cached_profile(&username, 7).await?;
    stack.stand_ins.profile(&username, &json!({"biography": "today-a-second-canary"})).await?;
    let since = Timestamp::now().as_millisecond() - 1_000;
    let check = user.start_check(&lead_id).await?;
    let answer = user.checked(&check).await?;
    assert_eq!(answer["reasons"][0]["seen"], "canary-of-an-old-bio", "{answer}");
    let machine = &stack.description.state_machines["refresh-check"];
    let history = stack.aws.history(machine, &check.check_id).await?.to_string();
    assert!(history.contains(&username), "this is the check's history");
    let mut logs = String::new();
    for name in ["start-refresh-check", "scrape-profiles", "answer-refresh-check", "get-refresh-check"] {
        logs += &stack.aws.logs(&stack.description.functions[name], since).await?;
    }
    assert!(logs.contains(&check.check_id), "these are the check's logs");
    for canary in ["canary-of-an-old-bio", "today-a-second-canary"] {
        assert!(!history.contains(canary) && !logs.contains(canary), "{canary}");
    }
    Ok(())
}

#[tokio::test]
async fn a_lead_that_is_deleted_meanwhile_ends_its_check() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("deleted");
    let lead_id = user.lead(&username).await?;
    stack.age_cached_profile(&username, 7).await?;
    stack.hold_actors(&username).await?;
    let check = user.start_check(&lead_id).await?;
    stack.actors_started(&username, 2).await?;
    stack.set_lead(&lead_id, "deleted_at = now()").await?;
    stack.stand_ins.release(&username).await?;
    let machine = &stack.description.state_machines["refresh-check"];
    eventually("the execution to end", || async {
        let execution = stack.aws.execution(machine, &check.check_id).await?;
        Ok(execution.filter(|execution| execution.status == "FAILED"))
    })
    .await?;
    stack.set_lead(&lead_id, "deleted_at = null").await?;
    let failed = user.finished_check(&check).await?;
    assert_eq!(failed["code"], "LeadNotFound", "{failed}");
    Ok(())
}
