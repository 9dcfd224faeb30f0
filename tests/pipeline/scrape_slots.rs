//! Slots: none is held for nothing, whatever is lost on the way, and none is freed too early.

use crate::single_flight::{cancel, hold, noted, scrape_of, slots, waiting};
use anyhow::{Context, Result};
use oslira_tests::{DynamoDbProxy, Lambda, Stack, User};
use serde_json::json;

/// A scraper that reaches DynamoDB through the proxy.
async fn scraper(stack: &Stack, dynamodb: &DynamoDbProxy) -> Result<Lambda> {
    Lambda::start(stack, "scrape-profiles", &[("AWS_ENDPOINT_URL_DYNAMODB", &dynamodb.url)]).await
}

#[tokio::test]
async fn a_slot_whose_taking_was_written_and_not_answered_is_taken_once() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("unanswered");
    hold(&stack, &username).await?;
    let run = user.accept(&username, "0 minutes").await?;
    let dynamodb = DynamoDbProxy::start(&stack).await?;
    let mut lambda = scraper(&stack, &dynamodb).await?;
    let mut taking = dynamodb.lose_answer("latestLease = :latest");
    lambda.send(&scrape_of(&user, &run))?;
    taking.reached().await?;
    noted(&stack, &username).await?;
    assert_eq!(slots(&stack, &username).await?, 1);
    stack.stand_ins.release(&username).await?;
    lambda.answered().await?.outcome.map_err(anyhow::Error::msg)?;
    assert_eq!((stack.stand_ins.actor_runs(&username).await?, slots(&stack, &username).await?), (1, 0));
    stack.compensate(&run).await?;
    Ok(())
}

#[tokio::test]
async fn a_slot_is_renewed_for_the_second_actor_whatever_answers_are_lost() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("noposts");
    let run = user.accept(&username, "0 minutes").await?;
    let dynamodb = DynamoDbProxy::start(&stack).await?;
    let mut lambda = scraper(&stack, &dynamodb).await?;
    let mut first_noted = dynamodb.lose_answer("actorRunId = :started");
    let mut renewed = dynamodb.lose_answer("isSecond = :true");
    let mut renewed_again = dynamodb.hold("isSecond = :true");
    lambda.send(&scrape_of(&user, &run))?;
    for struck in [&mut first_noted, &mut renewed, &mut renewed_again] {
        struck.reached().await?;
    }
    // Only now, or it would strike when the first is noted once more.
    let mut second_noted = dynamodb.lose_answer("actorRunId = :started");
    renewed_again.let_go();
    second_noted.reached().await?;
    lambda.answered().await?.outcome.map_err(anyhow::Error::msg)?;
    assert_eq!((stack.stand_ins.actor_runs(&username).await?, slots(&stack, &username).await?), (2, 0));
    stack.compensate(&run).await?;
    Ok(())
}

#[tokio::test]
async fn what_an_earlier_try_stored_and_still_held_is_freed_by_the_next() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("stored");
    let run = user.accept(&username, "0 minutes").await?;
    let dynamodb = DynamoDbProxy::start(&stack).await?;
    let mut lambda = scraper(&stack, &dynamodb).await?;
    // As often as a request is tried.
    let _giving_back = [(); 3].map(|()| dynamodb.refuse("REMOVE slot"));
    let answer = lambda.invoke(&scrape_of(&user, &run)).await?;
    assert_eq!((answer.error_type()?, slots(&stack, &username).await?), ("StoreUnavailable", 1));
    lambda.invoke(&scrape_of(&user, &run)).await?.outcome.map_err(anyhow::Error::msg)?;
    assert_eq!((stack.stand_ins.actor_runs(&username).await?, slots(&stack, &username).await?), (1, 0));
    stack.compensate(&run).await?;
    Ok(())
}

#[tokio::test]
async fn a_run_cancelled_before_it_gets_a_slot_starts_no_actor_and_forgets_nobody() -> Result<()> {
    let stack = Stack::connect().await?;
    let (user, second) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let username = user.username("queueing");
    let run = user.accept(&username, "0 minutes").await?;
    let other = second.accept(&username, "0 minutes").await?;
    let dynamodb = DynamoDbProxy::start(&stack).await?;
    let mut lambda = scraper(&stack, &dynamodb).await?;
    let mut waits = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    let mut look = dynamodb.hold(&stack.description.tables["scrape-slots"]);
    // After three seconds it looks once more.
    let look_again = dynamodb.hold(&stack.description.tables["scrape-slots"]);
    lambda.send(&scrape_of(&user, &run))?;
    look.reached().await?;
    assert_eq!(waits.invoke(&scrape_of(&second, &other)).await?.error_type()?, "ScrapeUnderWay");
    assert_eq!(cancel(&user, &run).await?.status, 202);
    look_again.let_go();
    look.let_go();
    let answer = lambda.answered().await?;
    assert_eq!((answer.error_type()?, stack.stand_ins.actor_runs(&username).await?), ("RunCancelled", 0));
    assert_eq!(slots(&stack, &username).await?, 0, "the slot it got is free again");
    waiting(&stack, &username, 1).await?;
    stack.compensate(&run).await?;
    stack.compensate(&other).await?;
    Ok(())
}

#[tokio::test]
async fn of_starts_that_nobody_knows_of_two_hold_a_slot_and_no_third() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("doubtful");
    let fault = json!({"upstream": "apify", "match": username, "kind": "status", "status": 502, "times": 2});
    stack.stand_ins.fault(fault).await?;
    let run = user.accept(&username, "0 minutes").await?;
    let mut lambda = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    for (wanted, held) in [("ApifyUnavailable", 1), ("ApifyUnavailable", 2), ("ApifyBusy", 2)] {
        let answer = lambda.invoke(&scrape_of(&user, &run)).await?;
        assert_eq!((answer.error_type()?, slots(&stack, &username).await?), (wanted, held));
    }
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 0);
    for lease in stack.slots().await? {
        if lease["holder"]["S"] == username.as_str() {
            stack.expire_slot(lease["slot"]["S"].as_str().context("a slot without its name")?).await?;
        }
    }
    stack.compensate(&run).await?;
    Ok(())
}
