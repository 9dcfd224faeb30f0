//! One account's flood takes no more than its share, others' runs go on beside it, and the flood itself ends well.

use anyhow::{Result, ensure};
use aws_sdk_dynamodb::Client;
use futures::future::{join_all, select_all, try_join_all};
use oslira_domain::Tier;
use oslira_stores::{AiUsage, InFlight};
use oslira_tests::{DynamoDbProxy, Lambda, Run, Stack, User, eventually};
use serde_json::{Value, json};

/// How many slots hold something with this word in its name, all of them with an actor.
async fn at_work(stack: &Stack, word: &str) -> Result<usize> {
    let slots = stack.slots().await?;
    let is_its = |slot: &&Value| {
        slot["holder"]["S"].as_str().is_some_and(|holder| holder.contains(word))
            && slot["actorRunId"]["S"].is_string()
    };
    Ok(slots.iter().filter(is_its).count())
}

/// Waits until actors are at work in so many slots of what has this word in its name.
async fn working(stack: &Stack, word: &str, count: usize) -> Result<()> {
    eventually("the actors", || async { Ok((at_work(stack, word).await? == count).then_some(())) }).await
}

/// The scrape steps of so many runs of an account, each of another profile.
async fn scrapes(user: &User<'_>, word: &str, count: usize) -> Result<Vec<Value>> {
    try_join_all((0..count).map(async |number| {
        let run = user.accept(&format!("{word}{number}")).await?;
        Ok(user.scrape_of(&run))
    }))
    .await
}

/// A Lambda for each step.
async fn lambdas(
    stack: &Stack,
    name: &str,
    overrides: &[(&str, &str)],
    inputs: Vec<Value>,
) -> Result<Vec<(Lambda, Value)>> {
    let starts =
        inputs.into_iter().map(async |input| Ok((Lambda::start(stack, name, overrides).await?, input)));
    try_join_all(starts).await
}

async fn scrapers(stack: &Stack, user: &User<'_>, word: &str, count: usize) -> Result<Vec<(Lambda, Value)>> {
    lambdas(stack, "scrape-profiles", &[], scrapes(user, word, count).await?).await
}

/// Hands each its event at the same moment, and waits until so many were told to come back: the others, which are at work, and
/// these.
async fn at_once(
    lambdas: Vec<(Lambda, Value)>,
    turned_away: usize,
) -> Result<(Vec<(Lambda, Value)>, Vec<(Lambda, Value)>)> {
    let mut at_work: Vec<_> = lambdas.into_iter().map(Some).collect();
    for (lambda, input) in at_work.iter_mut().flatten() {
        lambda.send(input)?;
    }
    let mut away = Vec::new();
    while away.len() < turned_away {
        let answers = at_work.iter_mut().enumerate().filter_map(|(number, lambda)| {
            let (lambda, _) = lambda.as_mut()?;
            Some(Box::pin(async move { (number, lambda.answered().await) }))
        });
        let ((number, answer), ..) = select_all(answers).await;
        let answer = answer?;
        ensure!(answer.error_type()? == "ShareTaken", "{answer:?}");
        away.extend(at_work.get_mut(number).and_then(Option::take));
    }
    Ok((at_work.into_iter().flatten().collect(), away))
}

#[tokio::test]
async fn thirty_scrapers_of_one_account_that_start_at_once_get_seven_slots_and_another_gets_one_at_once()
-> Result<()> {
    let stack = &Stack::connect_alone().await?;
    let (user, other) = (User::sign_up(stack, 40).await?, User::sign_up(stack, 10).await?);
    let (word, others_word) = (user.username("flood"), other.username("single"));
    stack.hold_actors(&word).await?;
    stack.hold_actors(&others_word).await?;
    let flood = scrapers(stack, &user, &word, 30).await?;
    let (mut flood, _) = at_once(flood, 23).await?;
    working(stack, &word, 7).await?;

    // Both halves of another account's DEEP analysis get a slot, while nothing of the flood ends.
    let run = other.start_tier(Tier::Deep, &others_word).await?;
    working(stack, &others_word, 2).await?;
    assert_eq!(at_work(stack, &word).await?, 7, "slots of the flood");
    assert_eq!(stack.slots().await?.len(), 9, "slots of all");
    // A slot is free, and not for the flood.
    at_once(scrapers(stack, &user, &format!("{word}_"), 1).await?, 1).await?;

    stack.stand_ins.clear_faults().await?;
    stack.stand_ins.release(&word).await?;
    stack.stand_ins.release(&others_word).await?;
    assert_eq!(other.finished(&run).await?["status"], "complete");
    for (lambda, _) in &mut flood {
        lambda.answered().await?.output()?;
    }
    assert!(stack.slots().await?.is_empty());
    stack.calm().await
}

#[tokio::test]
async fn a_scraper_that_takes_a_slot_late_decides_anew() -> Result<()> {
    let stack = &Stack::connect_alone().await?;
    let user = User::sign_up(stack, 20).await?;
    let word = user.username("late");
    stack.hold_actors(&word).await?;
    let posts = async |word: &str, count: usize| -> Result<Vec<Value>> {
        let mut inputs = scrapes(&user, word, count).await?;
        inputs.iter_mut().for_each(|input| input["want"] = json!("posts"));
        Ok(inputs)
    };
    let five = lambdas(stack, "scrape-profiles", &[], posts(&word, 5).await?).await?;
    let (mut at_work, _) = at_once(five, 0).await?;
    working(stack, &word, 5).await?;

    // It would be the sixth, and the slot that it chose stays free: profiles come first to others.
    let dynamodb = DynamoDbProxy::start(stack).await?;
    let proxied = [("AWS_ENDPOINT_URL_DYNAMODB", dynamodb.url.as_str())];
    let mut taking = dynamodb.hold("latestLease = :latest");
    let late = lambdas(stack, "scrape-profiles", &proxied, posts(&format!("{word}_"), 1).await?).await?;
    let (mut late, _) = at_once(late, 0).await?;
    taking.reached().await?;
    let (two, _) = at_once(scrapers(stack, &user, &format!("{word}__"), 2).await?, 0).await?;
    at_work.extend(two);
    working(stack, &word, 7).await?;
    taking.let_go();
    for (lambda, _) in &mut late {
        assert_eq!(lambda.answered().await?.error_type()?, "ShareTaken");
    }
    assert_eq!(stack.slots().await?.len(), 7);

    stack.stand_ins.clear_faults().await?;
    stack.stand_ins.release(&word).await?;
    for (lambda, _) in &mut at_work {
        lambda.answered().await?.output()?;
    }
    stack.calm().await
}

#[tokio::test]
async fn a_flood_of_runs_waits_for_its_share_and_each_of_them_completes() -> Result<()> {
    let stack = &Stack::connect_alone().await?;
    let users = [User::sign_up(stack, 20).await?, User::sign_up(stack, 20).await?];
    let words = [users[0].username("one"), users[1].username("two")];
    for word in &words {
        stack.hold_actors(word).await?;
    }
    let flood = async |number: usize| -> Result<Vec<Run>> {
        let (user, word) = (&users[number], &words[number]);
        try_join_all((0..12).map(|run| async move { user.start(&format!("{word}{run}")).await })).await
    };
    let first = flood(0).await?;
    working(stack, &words[0], 7).await?;
    let second = flood(1).await?;
    working(stack, &words[1], 2).await?;

    // The first flood's share has become smaller: some of what it frees goes to the second. How they come to stand depends
    // on who comes first, between six and three and three and six.
    stack.stand_ins.release(&words[0]).await?;
    eventually("both to have a share", || async {
        let (one, two) = (at_work(stack, &words[0]).await?, at_work(stack, &words[1]).await?);
        Ok((one >= 3 && two >= 3 && one + two >= 8).then_some(()))
    })
    .await?;
    stack.stand_ins.clear_faults().await?;
    for word in &words {
        stack.stand_ins.release(word).await?;
    }
    for (user, runs) in users.iter().zip([&first, &second]) {
        for ended in join_all(runs.iter().map(|run| user.finished(run))).await {
            let progress = ended?;
            ensure!(progress["status"] == "complete", "{progress}");
        }
        assert_eq!(user.balance().await?, 8);
    }
    stack.calm().await
}

/// The AI call of a run about a profile that was scraped.
async fn ai_call(stack: &Stack, user: &User<'_>, word: &str) -> Result<Value> {
    let run = user.accept(&user.username(word)).await?;
    let mut input = user.scrape_of(&run);
    let mut scraper = Lambda::start(stack, "scrape-profiles", &[]).await?;
    let scraped = scraper.invoke(&input).await?.output()?;
    input["snapshotKey"] = scraped["found"][&run.username]["snapshotKey"].clone();
    input["cacheHit"] = json!(false);
    input["task"] = json!("scoring");
    Ok(input)
}

/// So many AI calls of an account begin.
async fn begun(usage: &AiUsage, user: &User<'_>, count: usize) -> Result<Vec<InFlight>> {
    let account_id = Some(user.account_id.parse()?);
    let calls = (0..count).map(async |_| usage.begin(usage.look(account_id).await?).await);
    Ok(try_join_all(calls).await?)
}

#[tokio::test]
async fn an_ai_call_beyond_the_share_of_its_account_waits_at_no_ones_expense_and_is_answered_at_last()
-> Result<()> {
    let stack = &Stack::connect_alone().await?;
    let (user, other) = (User::sign_up(stack, 10).await?, User::sign_up(stack, 10).await?);
    let (call, others_call) =
        (ai_call(stack, &user, "flood").await?, ai_call(stack, &other, "single").await?);
    // Six of nine are its share. These calls are the test's own, so that they end when it says so.
    let client = Client::from_conf(stack.dynamodb().build());
    let usage = AiUsage::with(client, &stack.description.tables["ai-usage"], 9);
    let most = ("MAX_CONCURRENT_AI_CALLS", "9");
    let flood = begun(&usage, &user, 6).await?;

    // It comes back many times: without Postgres, and without a write to what its account's calls are counted by.
    let secret = stack.closed_database().await?;
    let proxy = DynamoDbProxy::start(stack).await?;
    let mut counting = proxy.refuse("account-calls#");
    let reading_only = [
        most,
        ("SYSTEM_DATABASE_SECRET", secret.as_str()),
        ("AWS_ENDPOINT_URL_DYNAMODB", proxy.url.as_str()),
    ];
    let mut lambda = Lambda::start(stack, "analyze-profile", &reading_only).await?;
    let answer = lambda.invoke(&call).await?;
    ensure!(answer.error_type()? == "ShareTaken", "{answer:?}");
    ensure!(!counting.has_been_reached(), "it wrote");

    // Four, the calls of a run, are everyone's, although three are left.
    let others = begun(&usage, &other, 3).await?;
    let mut lambda = Lambda::start(stack, "analyze-profile", &[most]).await?;
    lambda.invoke(&others_call).await?.output()?;

    let ends =
        flood.into_iter().map(|call| (call, &user)).chain(others.into_iter().map(|call| (call, &other)));
    for (call, user) in ends {
        usage.end(Some(call), Some(user.account_id.parse()?), 0, 0.0).await?;
    }
    lambda.invoke(&call).await?.output()?;
    stack.calm().await
}
