//! Slots: none is held for nothing, whatever is lost on the way, and none is freed too early.

use anyhow::{Context, Result};
use oslira_tests::{DynamoDbProxy, Fault, Lambda, Payer, Scraped, Stack, Upstream, User};

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
    stack.hold_actors(&username).await?;
    let run = user.accept(&username).await?;
    let dynamodb = DynamoDbProxy::start(&stack).await?;
    let mut lambda = scraper(&stack, &dynamodb).await?;
    let mut taking = dynamodb.lose_answer("latestLease = :latest");
    lambda.send(&user.scrape_of(&run))?;
    taking.reached().await?;
    stack.actor_noted(&username).await?;
    assert_eq!(stack.slots_of(&username).await?, 1);
    stack.stand_ins.release(&username).await?;
    lambda.answered().await?.output()?;
    assert_eq!(stack.scraped(&username).await?, Scraped { actors: 1, slots: 0 });
    stack.refund(&run).await?;
    Ok(())
}

#[tokio::test]
async fn a_second_actor_is_started_once_whatever_answers_are_lost() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("noposts");
    let run = user.accept(&username).await?;
    let dynamodb = DynamoDbProxy::start(&stack).await?;
    let mut lambda = scraper(&stack, &dynamodb).await?;
    let mut first_noted = dynamodb.lose_answer("actorRunId = :started");
    let mut first_ended = dynamodb.lose_answer("SET endedActor");
    let mut first_ended_again = dynamodb.hold("SET endedActor");
    lambda.send(&user.scrape_of(&run))?;
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
    lambda.answered().await?.output()?;
    assert_eq!(stack.scraped(&username).await?, Scraped { actors: 2, slots: 0 });
    stack.refund(&run).await?;
    Ok(())
}

#[tokio::test]
async fn a_second_actor_is_found_by_the_next_try_and_no_third_is_started() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("noposts");
    let run = user.accept(&username).await?;
    let dynamodb = DynamoDbProxy::start(&stack).await?;
    let mut lambda = scraper(&stack, &dynamodb).await?;
    let mut first_ended = dynamodb.hold("SET endedActor");
    lambda.send(&user.scrape_of(&run))?;
    first_ended.reached().await?;
    let mut second_ended = dynamodb.hold(IS_SECOND);
    first_ended.let_go();
    second_ended.reached().await?;
    lambda.kill().await?;
    assert_eq!(stack.slots_of(&username).await?, 1, "the second one's");
    let mut lambda = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    lambda.invoke(&user.scrape_of(&run)).await?.output()?;
    assert_eq!(stack.scraped(&username).await?, Scraped { actors: 2, slots: 0 });
    assert_eq!(stack.payers(&username).await?.len(), 2, "both are on record");
    stack.refund(&run).await?;
    Ok(())
}

#[tokio::test]
async fn while_a_second_actor_gets_no_slot_the_first_is_neither_read_nor_started_again() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("noposts");
    let run = user.accept(&username).await?;
    let dynamodb = DynamoDbProxy::start(&stack).await?;
    let mut lambda = scraper(&stack, &dynamodb).await?;
    let mut ended = dynamodb.hold("SET endedActor");
    lambda.send(&user.scrape_of(&run))?;
    ended.reached().await?;
    let dataset = stack.dataset(&username).await?;
    let mut lacks_posts = dynamodb.hold("SET endedActor");
    ended.let_go();
    lacks_posts.reached().await?;
    assert_eq!(stack.slots_of(&username).await?, 0, "it has been read, and no second is at work");
    // Whoever reads it again fails of it.
    let again = Fault::status(Upstream::Apify, 404).of(&dataset);
    stack.stand_ins.fault(again).await?;
    // As often as a request is tried, for three tries of the step.
    let no_slot = [(); 9].map(|()| dynamodb.refuse("latestLease = :latest"));
    lacks_posts.let_go();
    let mut answers = vec![lambda.answered().await?];
    for _ in 0..2 {
        answers.push(lambda.invoke(&user.scrape_of(&run)).await?);
    }
    for answer in &answers {
        assert_eq!(answer.error_type()?, "StoreUnavailable", "{answer:?}");
    }
    drop(no_slot);
    assert_eq!(stack.scraped(&username).await?, Scraped { actors: 1, slots: 0 });
    lambda.invoke(&user.scrape_of(&run)).await?.output()?;
    assert_eq!(stack.scraped(&username).await?, Scraped { actors: 2, slots: 0 });
    assert_eq!(stack.payers(&username).await?.len(), 2, "both are on record");
    stack.refund(&run).await?;
    Ok(())
}

#[tokio::test]
async fn a_slot_that_could_not_be_given_back_is_given_back_by_the_next_try() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("kept");
    let run = user.accept(&username).await?;
    let dynamodb = DynamoDbProxy::start(&stack).await?;
    let mut lambda = scraper(&stack, &dynamodb).await?;
    // As often as a request is tried.
    let _giving_back = [(); 3].map(|()| dynamodb.refuse("REMOVE slot"));
    let answer = lambda.invoke(&user.scrape_of(&run)).await?;
    assert_eq!(answer.error_type()?, "StoreUnavailable", "the error");
    assert_eq!(stack.slots_of(&username).await?, 1, "slots");
    lambda.invoke(&user.scrape_of(&run)).await?.output()?;
    assert_eq!(stack.scraped(&username).await?, Scraped { actors: 1, slots: 0 });
    stack.refund(&run).await?;
    Ok(())
}

#[tokio::test]
async fn a_scraper_that_dies_before_it_gives_the_slot_back_is_followed_by_one_that_does() -> Result<()> {
    let stack = Stack::connect().await?;
    let (first, second) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let username = first.username("between");
    let run = first.accept(&username).await?;
    let dynamodb = DynamoDbProxy::start(&stack).await?;
    let mut lambda = scraper(&stack, &dynamodb).await?;
    let mut giving_back = dynamodb.hold("REMOVE slot");
    lambda.send(&first.scrape_of(&run))?;
    giving_back.reached().await?;
    lambda.kill().await?;
    stack.seem_dead(&username).await?;
    let other = second.accept(&username).await?;
    let mut next = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    next.invoke(&second.scrape_of(&other)).await?.output()?;
    assert_eq!(stack.scraped(&username).await?, Scraped { actors: 1, slots: 0 });
    assert_eq!(stack.payers(&username).await?, [Payer::of_profile(&run)]);
    stack.refund(&run).await?;
    stack.refund(&other).await?;
    Ok(())
}

#[tokio::test]
async fn a_run_cancelled_before_it_gets_a_slot_starts_no_actor_and_forgets_nobody() -> Result<()> {
    let stack = Stack::connect().await?;
    let (user, second) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let username = user.username("queueing");
    let run = user.accept(&username).await?;
    let other = second.accept(&username).await?;
    let dynamodb = DynamoDbProxy::start(&stack).await?;
    let mut lambda = scraper(&stack, &dynamodb).await?;
    let mut waits = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    let mut look = dynamodb.hold(&stack.description.tables["scrape-slots"]);
    // After three seconds it looks once more.
    let look_again = dynamodb.hold(&stack.description.tables["scrape-slots"]);
    lambda.send(&user.scrape_of(&run))?;
    look.reached().await?;
    assert_eq!(waits.invoke(&second.scrape_of(&other)).await?.error_type()?, "ScrapeUnderWay");
    assert_eq!(user.cancel(&run).await?.status, 202);
    look_again.let_go();
    look.let_go();
    let answer = lambda.answered().await?;
    assert_eq!(answer.error_type()?, "RunCancelled", "the error");
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 0, "actors");
    assert_eq!(stack.slots_of(&username).await?, 0, "the slot it got is free again");
    stack.runs_waiting(&username, 1).await?;
    stack.refund(&run).await?;
    stack.refund(&other).await?;
    Ok(())
}

#[tokio::test]
async fn of_starts_that_nobody_knows_of_two_hold_a_slot_and_no_third() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("doubtful");
    let fault = Fault::status(Upstream::Apify, 502).of(&username).times(2);
    stack.stand_ins.fault(fault).await?;
    let run = user.accept(&username).await?;
    let mut lambda = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    for (wanted, held) in [("ApifyUnavailable", 1), ("ApifyUnavailable", 2), ("ApifyBusy", 2)] {
        let answer = lambda.invoke(&user.scrape_of(&run)).await?;
        assert_eq!(answer.error_type()?, wanted, "the error");
        assert_eq!(stack.slots_of(&username).await?, held, "slots");
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
