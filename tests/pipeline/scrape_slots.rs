//! Slots: none is held for nothing, whatever is lost on the way, and none is freed too early.

use crate::actors::dataset;
use crate::single_flight::{cancel, hold, noted, payers, scrape_of, seem_dead, slots, waiting};
use anyhow::{Context, Result};
use oslira_tests::{DynamoDbProxy, Lambda, Stack, User};
use serde_json::json;

/// What only the note has in it that the first actor's profile came without its posts.
const LACKS_POSTS: &str = r#""lacksPosts":{"BOOL":true}"#;
/// And the note that a second actor has ended.
const IS_SECOND: &str = r#""isSecond":{"BOOL":true}"#;

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
    stack.refund(&run).await?;
    Ok(())
}

#[tokio::test]
async fn a_second_actor_is_started_once_whatever_answers_are_lost() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("noposts");
    let run = user.accept(&username, "0 minutes").await?;
    let dynamodb = DynamoDbProxy::start(&stack).await?;
    let mut lambda = scraper(&stack, &dynamodb).await?;
    let mut first_noted = dynamodb.lose_answer("actorRunId = :started");
    let mut first_ended = dynamodb.lose_answer("SET endedActor");
    let mut first_ended_again = dynamodb.hold("SET endedActor");
    lambda.send(&scrape_of(&user, &run))?;
    for struck in [&mut first_noted, &mut first_ended, &mut first_ended_again] {
        struck.reached().await?;
    }
    // Only now, or they would strike the first.
    let texts = ["REMOVE slot", LACKS_POSTS, "latestLease = :latest", "actorRunId = :started", IS_SECOND];
    let of_the_second = texts.map(|text| dynamodb.lose_answer(text));
    first_ended_again.let_go();
    for mut struck in of_the_second {
        struck.reached().await?;
    }
    lambda.answered().await?.outcome.map_err(anyhow::Error::msg)?;
    assert_eq!((stack.stand_ins.actor_runs(&username).await?, slots(&stack, &username).await?), (2, 0));
    stack.refund(&run).await?;
    Ok(())
}

#[tokio::test]
async fn a_second_actor_is_found_by_the_next_try_and_no_third_is_started() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("noposts");
    let run = user.accept(&username, "0 minutes").await?;
    let dynamodb = DynamoDbProxy::start(&stack).await?;
    let mut lambda = scraper(&stack, &dynamodb).await?;
    let mut first_ended = dynamodb.hold("SET endedActor");
    lambda.send(&scrape_of(&user, &run))?;
    first_ended.reached().await?;
    let mut second_ended = dynamodb.hold(IS_SECOND);
    first_ended.let_go();
    second_ended.reached().await?;
    lambda.kill().await?;
    assert_eq!(slots(&stack, &username).await?, 1, "the second one's");
    let mut lambda = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    lambda.invoke(&scrape_of(&user, &run)).await?.outcome.map_err(anyhow::Error::msg)?;
    assert_eq!((stack.stand_ins.actor_runs(&username).await?, slots(&stack, &username).await?), (2, 0));
    assert_eq!(payers(&stack, &username).await?.len(), 2, "both are on record");
    stack.refund(&run).await?;
    Ok(())
}

#[tokio::test]
async fn while_a_second_actor_gets_no_slot_the_first_is_neither_read_nor_started_again() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("noposts");
    let run = user.accept(&username, "0 minutes").await?;
    let dynamodb = DynamoDbProxy::start(&stack).await?;
    let mut lambda = scraper(&stack, &dynamodb).await?;
    let mut ended = dynamodb.hold("SET endedActor");
    lambda.send(&scrape_of(&user, &run))?;
    ended.reached().await?;
    let dataset = dataset(&stack, &username).await?;
    let mut lacks_posts = dynamodb.hold("SET endedActor");
    ended.let_go();
    lacks_posts.reached().await?;
    assert_eq!(slots(&stack, &username).await?, 0, "it has been read, and no second is at work");
    // Whoever reads it again fails of it.
    let again = json!({"upstream": "apify", "match": dataset, "kind": "status", "status": 404});
    stack.stand_ins.fault(again).await?;
    // As often as a request is tried, for three tries of the step.
    let no_slot = [(); 9].map(|()| dynamodb.refuse("latestLease = :latest"));
    lacks_posts.let_go();
    let mut answers = vec![lambda.answered().await?];
    for _ in 0..2 {
        answers.push(lambda.invoke(&scrape_of(&user, &run)).await?);
    }
    for answer in &answers {
        assert_eq!(answer.error_type()?, "StoreUnavailable", "{answer:?}");
    }
    drop(no_slot);
    assert_eq!((stack.stand_ins.actor_runs(&username).await?, slots(&stack, &username).await?), (1, 0));
    lambda.invoke(&scrape_of(&user, &run)).await?.outcome.map_err(anyhow::Error::msg)?;
    assert_eq!((stack.stand_ins.actor_runs(&username).await?, slots(&stack, &username).await?), (2, 0));
    assert_eq!(payers(&stack, &username).await?.len(), 2, "both are on record");
    stack.refund(&run).await?;
    Ok(())
}

#[tokio::test]
async fn a_slot_that_could_not_be_given_back_is_given_back_by_the_next_try() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("kept");
    let run = user.accept(&username, "0 minutes").await?;
    let dynamodb = DynamoDbProxy::start(&stack).await?;
    let mut lambda = scraper(&stack, &dynamodb).await?;
    // As often as a request is tried.
    let _giving_back = [(); 3].map(|()| dynamodb.refuse("REMOVE slot"));
    let answer = lambda.invoke(&scrape_of(&user, &run)).await?;
    assert_eq!((answer.error_type()?, slots(&stack, &username).await?), ("StoreUnavailable", 1));
    lambda.invoke(&scrape_of(&user, &run)).await?.outcome.map_err(anyhow::Error::msg)?;
    assert_eq!((stack.stand_ins.actor_runs(&username).await?, slots(&stack, &username).await?), (1, 0));
    stack.refund(&run).await?;
    Ok(())
}

#[tokio::test]
async fn a_scraper_that_dies_before_it_gives_the_slot_back_is_followed_by_one_that_does() -> Result<()> {
    let stack = Stack::connect().await?;
    let (first, second) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let username = first.username("between");
    let run = first.accept(&username, "0 minutes").await?;
    let dynamodb = DynamoDbProxy::start(&stack).await?;
    let mut lambda = scraper(&stack, &dynamodb).await?;
    let mut giving_back = dynamodb.hold("REMOVE slot");
    lambda.send(&scrape_of(&first, &run))?;
    giving_back.reached().await?;
    lambda.kill().await?;
    seem_dead(&stack, &username).await?;
    let other = second.accept(&username, "0 minutes").await?;
    let mut next = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    next.invoke(&scrape_of(&second, &other)).await?.outcome.map_err(anyhow::Error::msg)?;
    assert_eq!((stack.stand_ins.actor_runs(&username).await?, slots(&stack, &username).await?), (1, 0));
    assert_eq!(payers(&stack, &username).await?, [json!({"run_id": run.run_id, "task": "scrape"})]);
    stack.refund(&run).await?;
    stack.refund(&other).await?;
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
    stack.refund(&run).await?;
    stack.refund(&other).await?;
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
    stack.refund(&run).await?;
    Ok(())
}
