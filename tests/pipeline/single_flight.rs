//! Runs that want the same profile at the same time scrape it once, whoever of them dies, fails or is cancelled.

use anyhow::Result;
use futures::future::{join_all, try_join_all};
use oslira_domain::{RunStatus, Tier};
use oslira_tests::{Fault, Lambda, Payer, Run, Scraped, Stack, User};
use serde_json::json;

async fn assert_ended(user: &User<'_>, run: &Run, status: RunStatus, balance: i64) -> Result<()> {
    let progress = user.finished(run).await?;
    assert_eq!(progress["status"], status.as_str(), "{progress}");
    assert_eq!(user.balance().await?, balance, "the balance of a run that ended so: {progress}");
    Ok(())
}

/// Two tenants' runs of one username: the first is in charge of its scrape, the second waits.
async fn pair<'a>(stack: &Stack, first: &User<'a>, second: &User<'a>, username: &str) -> Result<(Run, Run)> {
    stack.hold_actors(username).await?;
    let scrapes = first.start(username).await?;
    stack.actors_started(username, 1).await?;
    let waits = second.start(username).await?;
    stack.runs_waiting(username, 1).await?;
    Ok((scrapes, waits))
}

#[tokio::test]
async fn two_tenants_share_one_scrape_and_each_pays_for_an_analysis() -> Result<()> {
    let stack = Stack::connect().await?;
    let (first, second) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let username = first.username("shared");
    stack.hold_actors(&username).await?;
    let (one, other) = tokio::try_join!(first.start(&username), second.start(&username))?;
    stack.actors_started(&username, 1).await?;
    stack.runs_waiting(&username, 1).await?;
    stack.stand_ins.release(&username).await?;
    assert_ended(&first, &one, RunStatus::Complete, 9).await?;
    assert_ended(&second, &other, RunStatus::Complete, 9).await?;
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 1);
    assert_eq!(stack.payers(&username).await?.len(), 1, "payers");
    assert_eq!(stack.slots_of(&username).await?, 0, "slots");
    let (one, other) = (first.result(&one).await?, second.result(&other).await?);
    assert_eq!(one.data()["dataAsOf"], other.data()["dataAsOf"]);
    assert_eq!(one.data()["cacheHit"], false, "of the one in charge");
    assert_eq!(other.data()["cacheHit"], false, "of the one that waited");
    Ok(())
}

#[tokio::test]
async fn tiers_share_what_both_read() -> Result<()> {
    let stack = Stack::connect().await?;
    let (first, second) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let username = first.username("tiers");
    stack.hold_actors(&username).await?;
    let (light, deep) = tokio::try_join!(first.start(&username), second.start_tier(Tier::Deep, &username))?;
    stack.actors_started(&username, 2).await?;
    stack.runs_waiting(&username, 1).await?;
    stack.stand_ins.release(&username).await?;
    assert_ended(&first, &light, RunStatus::Complete, 9).await?;
    assert_ended(&second, &deep, RunStatus::Complete, 5).await?;
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 2, "one of the profile, one of its posts");
    let payers = stack.payers(&username).await?;
    let of_profile = [Payer::of_profile(&light), Payer::of_profile(&deep)];
    assert_eq!(payers.len(), 2, "{payers:?}");
    assert!(of_profile.contains(&payers[0]), "either pays for the profile: {payers:?}");
    assert_eq!(payers[1], Payer::of_posts(&deep), "only one wanted the posts");
    Ok(())
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "the figure is the point of it")]
async fn twenty_tenants_at_once_start_one_actor() -> Result<()> {
    const TENANTS: usize = 20;
    let stack = Stack::connect().await?;
    let users = try_join_all((0..TENANTS).map(|_| User::sign_up(&stack, 10))).await?;
    let username = users[0].username("popular");
    stack.hold_actors(&username).await?;
    let runs = try_join_all(users.iter().map(|user| user.start(&username))).await?;
    stack.actors_started(&username, 1).await?;
    stack.runs_waiting(&username, TENANTS - 1).await?;
    stack.stand_ins.release(&username).await?;
    let ended = users.iter().zip(&runs).map(|(user, run)| assert_ended(user, run, RunStatus::Complete, 9));
    join_all(ended).await.into_iter().collect::<Result<()>>()?;
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 1, "actors");
    assert_eq!(stack.payers(&username).await?.len(), 1, "payers");
    println!("note: {TENANTS} analyses of one username at once shared one actor run");
    Ok(())
}

#[tokio::test]
async fn a_cancelled_run_leaves_the_actor_to_the_one_that_waits() -> Result<()> {
    let stack = Stack::connect().await?;
    let (first, second) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let username = first.username("left");
    let (scrapes, waits) = pair(&stack, &first, &second, &username).await?;
    assert_eq!(first.cancel(&scrapes).await?.status, 202);
    assert_ended(&first, &scrapes, RunStatus::Cancelled, 10).await?;
    stack.stand_ins.release(&username).await?;
    assert_ended(&second, &waits, RunStatus::Complete, 9).await?;
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 1, "actors");
    assert_eq!(stack.stand_ins.aborted(&username).await?, 0, "aborted actors");
    assert_eq!(
        stack.payers(&username).await?,
        [Payer::of_profile(&scrapes)],
        "it is put down, once, to the run that started it"
    );
    assert_eq!(stack.slots_of(&username).await?, 0);
    Ok(())
}

/// Which of two runs is cancelled first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    InChargeFirst,
    WaitingFirst,
    AtOnce,
}

#[tokio::test]
async fn the_last_to_be_cancelled_aborts_the_actor() -> Result<()> {
    let stack = Stack::connect().await?;
    for order in [Order::InChargeFirst, Order::WaitingFirst, Order::AtOnce] {
        let (first, second) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
        let username = first.username("unwanted");
        let (scrapes, waits) = pair(&stack, &first, &second, &username).await?;
        let (early, late) = match order {
            Order::WaitingFirst => ((&second, &waits), (&first, &scrapes)),
            Order::InChargeFirst | Order::AtOnce => ((&first, &scrapes), (&second, &waits)),
        };
        assert_eq!(early.0.cancel(early.1).await?.status, 202);
        if order != Order::AtOnce {
            assert_ended(early.0, early.1, RunStatus::Cancelled, 10).await?;
            assert_eq!(stack.stand_ins.aborted(&username).await?, 0, "{order:?}: the other wants it");
        }
        assert_eq!(late.0.cancel(late.1).await?.status, 202);
        assert_ended(&first, &scrapes, RunStatus::Cancelled, 10).await?;
        assert_ended(&second, &waits, RunStatus::Cancelled, 10).await?;
        let scraped = stack.scraped(&username).await?;
        assert_eq!(scraped, Scraped { actors: 1, slots: 0 }, "{order:?}: the slot is free");
        assert_eq!(stack.stand_ins.aborted(&username).await?, 1, "{order:?}: aborted actors");
        assert_eq!(stack.payers(&username).await?.len(), 1, "{order:?}: payers");
    }
    Ok(())
}

#[tokio::test]
async fn a_run_that_waits_takes_over_from_one_whose_execution_was_stopped() -> Result<()> {
    let stack = Stack::connect().await?;
    let (first, second) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let username = first.username("halted");
    let (scrapes, waits) = pair(&stack, &first, &second, &username).await?;
    stack.stop_execution(&scrapes).await?;
    assert_ended(&first, &scrapes, RunStatus::Failed, 10).await?;
    stack.run_in_charge(&waits).await?;
    stack.stand_ins.release(&username).await?;
    assert_ended(&second, &waits, RunStatus::Complete, 9).await?;
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 1, "actors");
    assert_eq!(stack.stand_ins.aborted(&username).await?, 0, "aborted actors");
    Ok(())
}

#[tokio::test]
async fn a_run_that_waits_takes_over_from_one_that_died() -> Result<()> {
    let stack = Stack::connect().await?;
    let (first, second) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let username = first.username("dead");
    stack.hold_actors(&username).await?;
    let dead = first.accept(&username).await?;
    let mut lambda = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    lambda.send(&first.scrape_of(&dead))?;
    stack.actor_noted(&username).await?;
    lambda.kill().await?;
    let waits = second.start(&username).await?;
    stack.runs_waiting(&username, 1).await?;
    stack.stand_ins.release(&username).await?;
    assert_ended(&second, &waits, RunStatus::Complete, 9).await?;
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 1);
    assert_eq!(
        stack.payers(&username).await?,
        [Payer::of_profile(&dead)],
        "what it started is put down to the dead run"
    );
    assert_eq!(stack.slots_of(&username).await?, 0);

    // Should it come to itself again, it finds what it wanted.
    let mut lambda = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    let scraped = lambda.invoke(&first.scrape_of(&dead)).await?.output()?;
    assert!(scraped["found"][&username]["snapshotKey"].is_string(), "{scraped}");
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 1);
    stack.refund(&dead).await?;
    Ok(())
}

#[tokio::test]
async fn one_that_was_taken_for_dead_waits_for_the_other() -> Result<()> {
    let stack = Stack::connect().await?;
    let (first, second) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let username = first.username("usurped");
    stack.hold_actors(&username).await?;
    let (one, other) = (first.accept(&username).await?, second.accept(&username).await?);
    let mut slow = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    let mut usurper = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    slow.send(&first.scrape_of(&one))?;
    stack.actor_noted(&username).await?;
    // As if it had given no sign of life for long.
    stack.forget_flight(&username).await?;
    usurper.send(&second.scrape_of(&other))?;
    stack.run_in_charge(&other).await?;
    let answer = slow.answered().await?;
    assert_eq!(answer.error_type()?, "ScrapeUnderWay", "with its next sign of life: {answer:?}");
    stack.runs_waiting(&username, 1).await?;
    let answer = slow.invoke(&first.scrape_of(&one)).await?;
    assert_eq!(answer.error_type()?, "ScrapeUnderWay", "when it comes back: {answer:?}");
    stack.runs_waiting(&username, 1).await?;
    stack.stand_ins.release(&username).await?;
    let scraped = usurper.answered().await?.output()?;
    let found = slow.invoke(&first.scrape_of(&one)).await?.output()?;
    assert_eq!(found, scraped, "what the other found");
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 1, "actors");
    stack.refund(&one).await?;
    stack.refund(&other).await?;
    Ok(())
}

#[tokio::test]
async fn one_that_cannot_go_on_hands_over_at_once() -> Result<()> {
    let stack = Stack::connect().await?;
    let (first, second) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let username = first.username("handover");
    let (one, other) = (first.accept(&username).await?, second.accept(&username).await?);
    let secret = stack.closed_database().await?;
    let mut without_postgres =
        Lambda::start(&stack, "scrape-profiles", &[("SYSTEM_DATABASE_SECRET", &secret)]).await?;
    let answer = without_postgres.invoke(&first.scrape_of(&one)).await?;
    assert_eq!(answer.error_type()?, "StoreUnavailable", "{answer:?}");
    let mut next = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    next.invoke(&second.scrape_of(&other)).await?.output()?;
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 1);
    assert_eq!(stack.payers(&username).await?, [Payer::of_profile(&one)]);
    stack.refund(&one).await?;
    stack.refund(&other).await?;
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_scraped_is_told_to_all_who_wait() -> Result<()> {
    let stack = Stack::connect().await?;
    let (first, second) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let username = first.username("blocked");
    let fault = Fault::held_actor().of(&username).times(1);
    stack.stand_ins.fault(fault).await?;
    let (one, other) = (first.accept(&username).await?, second.accept(&username).await?);
    let mut scrapes = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    let mut waits = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    scrapes.send(&first.scrape_of(&one))?;
    stack.actor_noted(&username).await?;
    let other_input = second.scrape_of(&other);
    assert_eq!(waits.invoke(&other_input).await?.error_type()?, "ScrapeUnderWay");
    stack.stand_ins.release(&username).await?;
    assert_eq!(scrapes.answered().await?.error_type()?, "ApifyUnavailable");
    assert_eq!(waits.invoke(&other_input).await?.error_type()?, "ApifyUnavailable");
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 1, "the other did not try for itself");
    assert_eq!(waits.invoke(&other_input).await?.error_type()?, "ApifyUnavailable");
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 2, "its next try does");
    stack.refund(&one).await?;
    stack.refund(&other).await?;
    Ok(())
}

#[tokio::test]
async fn a_failure_of_which_a_run_learns_late_is_not_its_own() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("late");
    let run = user.accept(&username).await?;
    let mut flight = json!({
        "wanted": {"S": username}, "failureCode": {"S": "ApifyRejected"}, "failureMessage": {"S": "Refused."},
    });
    flight[format!("waits_{}", run.run_id)] = json!({"N": "0"});
    stack.aws.put_item(&stack.description.tables["scrape-flights"], flight).await?;
    let mut lambda = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    lambda.invoke(&user.scrape_of(&run)).await?.output()?;
    stack.refund(&run).await?;
    Ok(())
}
