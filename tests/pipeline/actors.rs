//! An actor at work is left to whoever wants it and stopped when nobody does; one that has ended is read without its slot. Also
//! when Apify or a scraper is away just then.

use anyhow::Result;
use oslira_tests::{Fault, Lambda, Payer, Scraped, Stack, Upstream, User, eventually, with_scrape};
use serde_json::json;
use uuid::Uuid;

/// So many requests with this text in their path fail.
async fn unanswered(stack: &Stack, path: &str, status: u16, times: u64) -> Result<()> {
    let fault = Fault::status(Upstream::Apify, status).of(path).times(times);
    stack.stand_ins.fault(fault).await
}

/// So many requests about the actor run of what is wanted fail.
async fn unreachable(stack: &Stack, wanted: &str, path: &str, status: u16, times: u64) -> Result<()> {
    unanswered(stack, &format!("{}{path}", stack.actor_run_id(wanted).await?), status, times).await
}

#[tokio::test]
async fn an_actor_out_of_sight_is_still_wanted() -> Result<()> {
    let stack = Stack::connect().await?;
    let (first, second) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let username = first.username("unseen");
    let one = first.orphan(&username).await?;
    let other = second.accept(&username).await?;
    let (one_input, other_input) = (first.scrape_of(&one), second.scrape_of(&other));
    let mut lambda = Lambda::start(&stack, "scrape-profiles", &[]).await?;

    // Both look for the actor, one after the other; each look is tried three times.
    unreachable(&stack, &username, "", 503, 6).await?;
    for input in [&one_input, &other_input] {
        assert_eq!(lambda.invoke(input).await?.error_type()?, "ApifyUnavailable");
    }
    stack.runs_waiting(&username, 2).await?;
    assert_eq!(first.cancel(&one).await?.status, 202);
    assert_eq!(lambda.invoke(&one_input).await?.error_type()?, "RunCancelled");
    assert_eq!(stack.stand_ins.aborted(&username).await?, 0, "the other wants it");

    // Who does not come back wants nothing.
    unreachable(&stack, &username, "", 401, 1).await?;
    assert_eq!(lambda.invoke(&other_input).await?.error_type()?, "ApifyRejected");
    stack.runs_waiting(&username, 0).await?;
    stack.stand_ins.release(&username).await?;
    lambda.invoke(&other_input).await?.output()?;
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
    stack.hold_actors(&username).await?;
    let run = first.accept(&username).await?;
    let mut lambda = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    lambda.send(&first.scrape_of(&run))?;
    stack.actor_noted(&username).await?;
    // As often as a request is tried.
    unanswered(&stack, &stack.dataset(&username).await?, 503, 3).await?;
    stack.stand_ins.release(&username).await?;
    let answer = lambda.answered().await?;
    assert_eq!(answer.error_type()?, "ApifyUnavailable", "{answer:?}");
    assert_eq!(stack.slots_of(&username).await?, 0, "a slot is held: {answer:?}");
    let (_, progress) = second.analyze(&username).await?;
    assert_eq!(progress["status"], "complete", "{progress}");
    lambda.invoke(&first.scrape_of(&run)).await?.output()?;
    assert_eq!(stack.scraped(&username).await?, Scraped { actors: 1, slots: 0 });
    stack.refund(&run).await?;
    Ok(())
}

#[tokio::test]
async fn what_nobody_will_be_able_to_read_is_given_up_for_another_actor() -> Result<()> {
    let stack = Stack::connect().await?;
    for (fault, error) in [
        (Fault::status(Upstream::Apify, 404).times(1), "ApifyRejected"),
        (Fault::malformed(Upstream::Apify).times(3), "ApifyUnavailable"),
    ] {
        let user = User::sign_up(&stack, 10).await?;
        let username = user.username("lost");
        let slow = Fault::held_actor().of(&username).times(1);
        stack.stand_ins.fault(slow).await?;
        let run = user.accept(&username).await?;
        let mut lambda = Lambda::start(&stack, "scrape-profiles", &[]).await?;
        lambda.send(&user.scrape_of(&run))?;
        stack.actor_noted(&username).await?;
        stack.stand_ins.fault(fault.of(stack.dataset(&username).await?)).await?;
        stack.stand_ins.release(&username).await?;
        let answer = lambda.answered().await?;
        assert_eq!(answer.error_type()?, error, "{answer:?}");
        assert_eq!(stack.slots_of(&username).await?, 0, "a slot is held: {answer:?}");
        lambda.invoke(&user.scrape_of(&run)).await?.output()?;
        assert_eq!(stack.scraped(&username).await?, Scraped { actors: 2, slots: 0 });
        assert_eq!(stack.payers(&username).await?.len(), 2, "both are on record");
        stack.refund(&run).await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_actor_that_apify_does_not_know_gives_its_slot_back() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("unknown");
    let run = user.orphan(&username).await?;
    unreachable(&stack, &username, "", 404, 1).await?;
    let mut lambda = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    let answer = lambda.invoke(&user.scrape_of(&run)).await?;
    assert_eq!(answer.error_type()?, "ApifyRejected", "{answer:?}");
    assert_eq!(stack.slots_of(&username).await?, 0, "a slot is held: {answer:?}");
    stack.refund(&run).await?;
    Ok(())
}

#[tokio::test]
async fn what_an_actor_found_is_read_by_another_run_when_the_one_that_saw_its_end_died() -> Result<()> {
    let stack = Stack::connect().await?;
    let (first, second) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let username = first.username("inherits");
    stack.hold_actors(&username).await?;
    let dead = first.accept(&username).await?;
    let mut lambda = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    lambda.send(&first.scrape_of(&dead))?;
    stack.actor_noted(&username).await?;
    let unread = Fault::timeout(Upstream::Apify).of(stack.dataset(&username).await?).times(1);
    stack.stand_ins.fault(unread).await?;
    stack.stand_ins.release(&username).await?;
    eventually("the slot to be given back", || async {
        Ok((stack.slots_of(&username).await? == 0).then_some(()))
    })
    .await?;
    lambda.kill().await?;
    stack.seem_dead(&username).await?;
    let (_, progress) = second.analyze(&username).await?;
    assert_eq!(progress["status"], "complete", "{progress}");
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 1);
    assert_eq!(
        stack.payers(&username).await?,
        [Payer::of_profile(&dead)],
        "it is put down to the run that started it"
    );
    assert!(stack.flight(&username).await?.is_none(), "what is stored is not noted any more");
    stack.refund(&dead).await?;
    Ok(())
}

#[tokio::test]
async fn a_run_cancelled_when_its_actor_has_ended_leaves_the_cost_on_record_and_nothing_else() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("ended");
    let run = user.accept(&username).await?;
    let secret = stack.closed_database().await?;
    let mut without_postgres =
        Lambda::start(&stack, "scrape-profiles", &[("SYSTEM_DATABASE_SECRET", &secret)]).await?;
    let answer = without_postgres.invoke(&user.scrape_of(&run)).await?;
    assert_eq!(answer.error_type()?, "StoreUnavailable", "{answer:?}");
    assert_eq!(stack.slots_of(&username).await?, 0, "a slot is held: {answer:?}");
    assert_eq!(user.cancel(&run).await?.status, 202);
    let mut lambda = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    assert_eq!(lambda.invoke(&user.scrape_of(&run)).await?.error_type()?, "RunCancelled");
    assert_eq!(stack.payers(&username).await?.len(), 1);
    assert!(stack.flight(&username).await?.is_none());
    stack.refund(&run).await?;
    Ok(())
}

#[tokio::test]
async fn an_abort_that_failed_is_tried_again() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("stubborn");
    let run = user.orphan(&username).await?;
    let mut lambda = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    unreachable(&stack, &username, "/abort", 503, 2).await?;
    assert_eq!(user.cancel(&run).await?.status, 202);
    for wanted in ["ApifyUnavailable", "ApifyUnavailable", "RunCancelled"] {
        assert_eq!(lambda.invoke(&user.scrape_of(&run)).await?.error_type()?, wanted);
    }
    assert_eq!(stack.stand_ins.aborted(&username).await?, 1, "aborted actors");
    assert_eq!(stack.slots_of(&username).await?, 0, "slots");
    stack.refund(&run).await?;
    Ok(())
}

#[tokio::test]
async fn what_an_anonymous_runs_actor_cost_is_put_down_to_the_run_that_saw_its_end() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("inherited");
    stack.hold_actors(&username).await?;
    let mut anonymous = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    let input = json!({"runId": Uuid::now_v7(), "username": username, "tier": "light"});
    let request = with_scrape(input, &username, "anonymous");
    anonymous.send(&request)?;
    stack.actor_noted(&username).await?;
    anonymous.kill().await?;
    // As if it had given no sign of life for long.
    stack.forget_flight(&username).await?;
    stack.stand_ins.release(&username).await?;
    let (run, progress) = user.analyze(&username).await?;
    assert_eq!(progress["status"], "complete", "{progress}");
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 1);
    assert_eq!(stack.payers(&username).await?, [Payer::of_profile(&run)]);
    Ok(())
}

#[tokio::test]
async fn a_run_cancelled_while_empty_posts_wait_for_their_profile_waits_no_longer() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("private");
    let run = user.accept(&username).await?;
    let mut input = user.scrape_of(&run);
    input["want"] = json!("posts");
    let mut lambda = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    lambda.send(&input)?;
    eventually("the actor to end", || async { Ok(stack.payers(&username).await?.pop()) }).await?;
    assert_eq!(user.cancel(&run).await?.status, 202);
    let answer = lambda.answered().await?;
    let held = stack.slots_of(&format!("{username}:posts")).await?;
    assert_eq!(answer.error_type()?, "RunCancelled", "{answer:?}");
    assert_eq!(held, 0, "a slot is held: {answer:?}");
    stack.refund(&run).await?;
    Ok(())
}
