//! An actor at work is left to whoever wants it and stopped when nobody does; one that has ended is read without its slot. Also
//! when Apify or a scraper is away just then.

use crate::single_flight::{cancel, flight, hold, noted, payers, scrape_of, seem_dead, slot, slots, waiting};
use anyhow::{Context, Result};
use oslira_tests::{Lambda, Run, Stack, User, eventually};
use serde_json::{Value, json};
use uuid::Uuid;

/// So many requests with this text in their path fail.
async fn unanswered(stack: &Stack, path: &str, status: u16, times: u64) -> Result<()> {
    let fault =
        json!({"upstream": "apify", "match": path, "kind": "status", "status": status, "times": times});
    stack.stand_ins.fault(fault).await
}

/// The actor run of what is wanted.
async fn actor_run_id(stack: &Stack, wanted: &str) -> Result<String> {
    let slot = slot(stack, wanted).await?;
    Ok(slot["actorRunId"]["S"].as_str().context("no actor")?.to_owned())
}

/// So many requests about the actor run of what is wanted fail.
async fn unreachable(stack: &Stack, wanted: &str, path: &str, status: u16, times: u64) -> Result<()> {
    unanswered(stack, &format!("{}{path}", actor_run_id(stack, wanted).await?), status, times).await
}

/// Where Apify shows what the actor run of what is wanted has found.
pub(crate) async fn dataset(stack: &Stack, wanted: &str) -> Result<String> {
    let (url, id) = (&stack.description.stand_ins_url, actor_run_id(stack, wanted).await?);
    let request = stack.http.get(format!("{url}/apify/v2/actor-runs/{id}")).bearer_auth("apify_api_tests");
    let run: Value = serde_json::from_slice(&request.send().await?.bytes().await?)?;
    let id = run["data"]["defaultDatasetId"].as_str().with_context(|| format!("no dataset in {run}"))?;
    Ok(format!("/datasets/{id}/"))
}

/// A run whose scraper died when its actor was at work.
async fn orphan(stack: &Stack, user: &User<'_>, username: &str) -> Result<Run> {
    hold(stack, username).await?;
    let run = user.accept(username, "0 minutes").await?;
    let mut lambda = Lambda::start(stack, "scrape-profiles", &[]).await?;
    lambda.send(&scrape_of(user, &run))?;
    noted(stack, username).await?;
    lambda.kill().await?;
    Ok(run)
}

#[tokio::test]
async fn an_actor_out_of_sight_is_still_wanted() -> Result<()> {
    let stack = Stack::connect().await?;
    let (first, second) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let username = first.username("unseen");
    let one = orphan(&stack, &first, &username).await?;
    let other = second.accept(&username, "0 minutes").await?;
    let (one_input, other_input) = (scrape_of(&first, &one), scrape_of(&second, &other));
    let mut lambda = Lambda::start(&stack, "scrape-profiles", &[]).await?;

    // Both look for the actor, one after the other; each look is tried three times.
    unreachable(&stack, &username, "", 503, 6).await?;
    for input in [&one_input, &other_input] {
        assert_eq!(lambda.invoke(input).await?.error_type()?, "ApifyUnavailable");
    }
    waiting(&stack, &username, 2).await?;
    assert_eq!(cancel(&first, &one).await?.status, 202);
    assert_eq!(lambda.invoke(&one_input).await?.error_type()?, "RunCancelled");
    assert_eq!(stack.stand_ins.aborted(&username).await?, 0, "the other wants it");

    // Who does not come back wants nothing.
    unreachable(&stack, &username, "", 401, 1).await?;
    assert_eq!(lambda.invoke(&other_input).await?.error_type()?, "ApifyRejected");
    waiting(&stack, &username, 0).await?;
    stack.stand_ins.release(&username).await?;
    lambda.invoke(&other_input).await?.outcome.map_err(anyhow::Error::msg)?;
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 1);
    stack.refund(&one).await?;
    stack.refund(&other).await?;
    Ok(())
}

#[tokio::test]
async fn what_an_actor_found_and_apify_does_not_show_is_read_later() -> Result<()> {
    let stack = Stack::connect().await?;
    let (first, second) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let username = first.username("unread");
    hold(&stack, &username).await?;
    let run = first.accept(&username, "0 minutes").await?;
    let mut lambda = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    lambda.send(&scrape_of(&first, &run))?;
    noted(&stack, &username).await?;
    // As often as a request is tried.
    unanswered(&stack, &dataset(&stack, &username).await?, 503, 3).await?;
    stack.stand_ins.release(&username).await?;
    let answer = lambda.answered().await?;
    assert_eq!(
        (answer.error_type()?, slots(&stack, &username).await?),
        ("ApifyUnavailable", 0),
        "{answer:?}"
    );
    let (_, progress) = second.analyze(&username).await?;
    assert_eq!(progress["status"], "complete", "{progress}");
    lambda.invoke(&scrape_of(&first, &run)).await?.outcome.map_err(anyhow::Error::msg)?;
    assert_eq!((stack.stand_ins.actor_runs(&username).await?, slots(&stack, &username).await?), (1, 0));
    stack.refund(&run).await?;
    Ok(())
}

#[tokio::test]
async fn what_nobody_will_be_able_to_read_is_given_up_for_another_actor() -> Result<()> {
    let stack = Stack::connect().await?;
    for (fault, error) in [
        (json!({"kind": "status", "status": 404, "times": 1}), "ApifyRejected"),
        (json!({"kind": "malformed", "times": 3}), "ApifyUnavailable"),
    ] {
        let user = User::sign_up(&stack, 10).await?;
        let username = user.username("lost");
        let slow = json!({"upstream": "apify", "match": username, "kind": "runSlow", "delayMs": 600_000, "times": 1});
        stack.stand_ins.fault(slow).await?;
        let run = user.accept(&username, "0 minutes").await?;
        let mut lambda = Lambda::start(&stack, "scrape-profiles", &[]).await?;
        lambda.send(&scrape_of(&user, &run))?;
        noted(&stack, &username).await?;
        let mut fault = fault;
        (fault["upstream"], fault["match"]) = (json!("apify"), json!(dataset(&stack, &username).await?));
        stack.stand_ins.fault(fault).await?;
        stack.stand_ins.release(&username).await?;
        let answer = lambda.answered().await?;
        assert_eq!((answer.error_type()?, slots(&stack, &username).await?), (error, 0), "{answer:?}");
        lambda.invoke(&scrape_of(&user, &run)).await?.outcome.map_err(anyhow::Error::msg)?;
        assert_eq!((stack.stand_ins.actor_runs(&username).await?, slots(&stack, &username).await?), (2, 0));
        assert_eq!(payers(&stack, &username).await?.len(), 2, "both are on record");
        stack.refund(&run).await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_actor_that_apify_does_not_know_gives_its_slot_back() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("unknown");
    let run = orphan(&stack, &user, &username).await?;
    unreachable(&stack, &username, "", 404, 1).await?;
    let mut lambda = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    let answer = lambda.invoke(&scrape_of(&user, &run)).await?;
    assert_eq!((answer.error_type()?, slots(&stack, &username).await?), ("ApifyRejected", 0), "{answer:?}");
    stack.refund(&run).await?;
    Ok(())
}

#[tokio::test]
async fn what_an_actor_found_is_read_by_another_run_when_the_one_that_saw_its_end_died() -> Result<()> {
    let stack = Stack::connect().await?;
    let (first, second) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let username = first.username("inherits");
    hold(&stack, &username).await?;
    let dead = first.accept(&username, "0 minutes").await?;
    let mut lambda = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    lambda.send(&scrape_of(&first, &dead))?;
    noted(&stack, &username).await?;
    let unread = json!({"upstream": "apify", "match": dataset(&stack, &username).await?, "kind": "timeout", "times": 1});
    stack.stand_ins.fault(unread).await?;
    stack.stand_ins.release(&username).await?;
    eventually("the slot to be given back", || async {
        Ok((slots(&stack, &username).await? == 0).then_some(()))
    })
    .await?;
    lambda.kill().await?;
    seem_dead(&stack, &username).await?;
    let (_, progress) = second.analyze(&username).await?;
    assert_eq!(progress["status"], "complete", "{progress}");
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 1);
    assert_eq!(
        payers(&stack, &username).await?,
        [json!({"run_id": dead.run_id, "task": "scrape"})],
        "it is put down to the run that started it"
    );
    assert!(flight(&stack, &username).await?.is_none(), "what is stored is not noted any more");
    stack.refund(&dead).await?;
    Ok(())
}

#[tokio::test]
async fn a_run_cancelled_when_its_actor_has_ended_leaves_the_cost_on_record_and_nothing_else() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("ended");
    let run = user.accept(&username, "0 minutes").await?;
    let secret =
        stack.aws.create_secret("postgresql://oslira_system:x@127.0.0.1:9/postgres?sslmode=require").await?;
    let mut without_postgres =
        Lambda::start(&stack, "scrape-profiles", &[("SYSTEM_DATABASE_SECRET", &secret)]).await?;
    let answer = without_postgres.invoke(&scrape_of(&user, &run)).await?;
    assert_eq!(
        (answer.error_type()?, slots(&stack, &username).await?),
        ("StoreUnavailable", 0),
        "{answer:?}"
    );
    assert_eq!(cancel(&user, &run).await?.status, 202);
    let mut lambda = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    assert_eq!(lambda.invoke(&scrape_of(&user, &run)).await?.error_type()?, "RunCancelled");
    assert_eq!(payers(&stack, &username).await?.len(), 1);
    assert!(flight(&stack, &username).await?.is_none());
    stack.refund(&run).await?;
    Ok(())
}

#[tokio::test]
async fn an_abort_that_failed_is_tried_again() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("stubborn");
    let run = orphan(&stack, &user, &username).await?;
    let mut lambda = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    unreachable(&stack, &username, "/abort", 503, 2).await?;
    assert_eq!(cancel(&user, &run).await?.status, 202);
    for wanted in ["ApifyUnavailable", "ApifyUnavailable", "RunCancelled"] {
        assert_eq!(lambda.invoke(&scrape_of(&user, &run)).await?.error_type()?, wanted);
    }
    assert_eq!((stack.stand_ins.aborted(&username).await?, slots(&stack, &username).await?), (1, 0));
    stack.refund(&run).await?;
    Ok(())
}

#[tokio::test]
async fn what_an_anonymous_runs_actor_cost_is_put_down_to_the_run_that_saw_its_end() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("inherited");
    hold(&stack, &username).await?;
    let mut anonymous = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    let request = json!({
        "runId": Uuid::now_v7(), "username": username, "tier": "light", "usernames": [username], "runKind": "anonymous",
    });
    anonymous.send(&request)?;
    noted(&stack, &username).await?;
    anonymous.kill().await?;
    // As if it had given no sign of life for long.
    let flights = &stack.description.tables["scrape-flights"];
    stack.aws.delete_item(flights, json!({"wanted": {"S": username}})).await?;
    stack.stand_ins.release(&username).await?;
    let (run, progress) = user.analyze(&username).await?;
    assert_eq!(progress["status"], "complete", "{progress}");
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 1);
    assert_eq!(payers(&stack, &username).await?, [json!({"run_id": run.run_id, "task": "scrape"})]);
    Ok(())
}

#[tokio::test]
async fn a_run_cancelled_while_empty_posts_wait_for_their_profile_waits_no_longer() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("private");
    let run = user.accept(&username, "0 minutes").await?;
    let mut input = scrape_of(&user, &run);
    input["want"] = json!("posts");
    let mut lambda = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    lambda.send(&input)?;
    eventually("the actor to end", || async { Ok(payers(&stack, &username).await?.pop()) }).await?;
    assert_eq!(cancel(&user, &run).await?.status, 202);
    let answer = lambda.answered().await?;
    let held = slots(&stack, &format!("{username}:posts")).await?;
    assert_eq!((answer.error_type()?, held), ("RunCancelled", 0), "{answer:?}");
    stack.refund(&run).await?;
    Ok(())
}
