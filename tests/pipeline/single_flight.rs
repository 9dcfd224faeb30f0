//! Runs that want the same profile at the same time scrape it once, whoever of them dies, fails or is cancelled.

use anyhow::{Context, Result};
use futures::future::{join_all, try_join_all};
use oslira_tests::{Lambda, Reply, Run, Stack, User, eventually};
use serde_json::{Value, json};

/// From now on, actors take as long for this username as it takes until they are released.
pub(crate) async fn hold(stack: &Stack, username: &str) -> Result<()> {
    let fault = json!({"upstream": "apify", "match": username, "kind": "runSlow", "delayMs": 600_000});
    stack.stand_ins.fault(fault).await
}

async fn actors(stack: &Stack, username: &str, count: u64) -> Result<()> {
    eventually("the actors", || async {
        Ok((stack.stand_ins.actor_runs(username).await? == count).then_some(()))
    })
    .await
}

/// What is noted of a flight, if there is one.
pub(crate) async fn flight(stack: &Stack, wanted: &str) -> Result<Option<Value>> {
    let flights = stack.aws.items(&stack.description.tables["scrape-flights"]).await?;
    Ok(flights.into_iter().find(|flight| flight["wanted"]["S"] == wanted))
}

/// As if the run in charge had given no sign of life for long.
pub(crate) async fn seem_dead(stack: &Stack, wanted: &str) -> Result<()> {
    let flights = &stack.description.tables["scrape-flights"];
    stack.aws.set_number(flights, json!({"wanted": {"S": wanted}}), "aliveUntil", 0).await
}

/// Waits until so many runs wait for another one's scrape of what is wanted.
pub(crate) async fn waiting(stack: &Stack, wanted: &str, count: usize) -> Result<()> {
    eventually("the runs to wait", || async {
        let flight = flight(stack, wanted).await?;
        let names = flight.as_ref().and_then(Value::as_object).into_iter().flat_map(|flight| flight.keys());
        Ok((names.filter(|name| name.starts_with("waits_")).count() == count).then_some(()))
    })
    .await
}

/// How many slots what is wanted has.
pub(crate) async fn slots(stack: &Stack, wanted: &str) -> Result<usize> {
    let slots = stack.slots().await?;
    Ok(slots.iter().filter(|slot| slot["holder"]["S"] == wanted).count())
}

/// The slot that what is wanted has.
pub(crate) async fn slot(stack: &Stack, wanted: &str) -> Result<Value> {
    let slots = stack.slots().await?;
    slots.into_iter().find(|slot| slot["holder"]["S"] == wanted).context("no slot")
}

/// Which run each scrape of a username was put down to.
pub(crate) async fn payers(stack: &Stack, username: &str) -> Result<Vec<Value>> {
    let sql = "select l.run_id, l.task from public.ai_usage_logs l join public.runs r using (run_id)
                 where r.username = $1 and l.provider = 'apify' order by l.task";
    stack.database.rows(sql, &[username]).await
}

pub(crate) async fn cancel(user: &User<'_>, run: &Run) -> Result<Reply> {
    user.request(reqwest::Method::POST, &format!("/api/analysis/{}/cancel", run.run_id), &[], None).await
}

async fn assert_ended(user: &User<'_>, run: &Run, status: &str, balance: i64) -> Result<()> {
    let progress = user.finished(run).await?;
    assert_eq!((&progress["status"], user.balance().await?), (&json!(status), balance), "{progress}");
    Ok(())
}

/// Two tenants' runs of one username: the first is in charge of its scrape, the second waits.
async fn pair<'a>(stack: &Stack, first: &User<'a>, second: &User<'a>, username: &str) -> Result<(Run, Run)> {
    hold(stack, username).await?;
    let scrapes = first.start(username).await?;
    actors(stack, username, 1).await?;
    let waits = second.start(username).await?;
    waiting(stack, username, 1).await?;
    Ok((scrapes, waits))
}

#[tokio::test]
async fn two_tenants_share_one_scrape_and_each_pays_for_an_analysis() -> Result<()> {
    let stack = Stack::connect().await?;
    let (first, second) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let username = first.username("shared");
    hold(&stack, &username).await?;
    let (one, other) = tokio::try_join!(first.start(&username), second.start(&username))?;
    actors(&stack, &username, 1).await?;
    waiting(&stack, &username, 1).await?;
    stack.stand_ins.release(&username).await?;
    assert_ended(&first, &one, "complete", 9).await?;
    assert_ended(&second, &other, "complete", 9).await?;
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 1);
    assert_eq!((payers(&stack, &username).await?.len(), slots(&stack, &username).await?), (1, 0));
    let (one, other) = (first.result(&one).await?, second.result(&other).await?);
    assert_eq!(one.data()["dataAsOf"], other.data()["dataAsOf"]);
    assert_eq!((&one.data()["cacheHit"], &other.data()["cacheHit"]), (&json!(false), &json!(false)));
    Ok(())
}

#[tokio::test]
async fn tiers_share_what_both_read() -> Result<()> {
    let stack = Stack::connect().await?;
    let (first, second) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let username = first.username("tiers");
    hold(&stack, &username).await?;
    let (light, deep) = tokio::try_join!(first.start(&username), second.start_tier("deep", &username))?;
    actors(&stack, &username, 2).await?;
    waiting(&stack, &username, 1).await?;
    stack.stand_ins.release(&username).await?;
    assert_ended(&first, &light, "complete", 9).await?;
    assert_ended(&second, &deep, "complete", 5).await?;
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 2, "one of the profile, one of its posts");
    let payers = payers(&stack, &username).await?;
    let tasks: Vec<_> = payers.iter().map(|row| (&row["task"], row["run_id"] == deep.run_id)).collect();
    assert_eq!((tasks.len(), tasks[0].0, tasks[1]), (2, &json!("scrape"), (&json!("scrape_posts"), true)));
    Ok(())
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "the figure is the point of it")]
async fn twenty_tenants_at_once_start_one_actor() -> Result<()> {
    const TENANTS: usize = 20;
    let stack = Stack::connect().await?;
    let users = try_join_all((0..TENANTS).map(|_| User::sign_up(&stack, 10))).await?;
    let username = users[0].username("popular");
    hold(&stack, &username).await?;
    let runs = try_join_all(users.iter().map(|user| user.start(&username))).await?;
    actors(&stack, &username, 1).await?;
    waiting(&stack, &username, TENANTS - 1).await?;
    stack.stand_ins.release(&username).await?;
    let ended = users.iter().zip(&runs).map(|(user, run)| assert_ended(user, run, "complete", 9));
    join_all(ended).await.into_iter().collect::<Result<()>>()?;
    let counts = (stack.stand_ins.actor_runs(&username).await?, payers(&stack, &username).await?.len());
    assert_eq!(counts, (1, 1));
    println!("note: {TENANTS} analyses of one username at once shared one actor run");
    Ok(())
}

#[tokio::test]
async fn a_cancelled_run_leaves_the_actor_to_the_one_that_waits() -> Result<()> {
    let stack = Stack::connect().await?;
    let (first, second) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let username = first.username("left");
    let (scrapes, waits) = pair(&stack, &first, &second, &username).await?;
    assert_eq!(cancel(&first, &scrapes).await?.status, 202);
    assert_ended(&first, &scrapes, "cancelled", 10).await?;
    stack.stand_ins.release(&username).await?;
    assert_ended(&second, &waits, "complete", 9).await?;
    let stand_ins = &stack.stand_ins;
    assert_eq!((stand_ins.actor_runs(&username).await?, stand_ins.aborted(&username).await?), (1, 0));
    assert_eq!(
        payers(&stack, &username).await?,
        [json!({"run_id": scrapes.run_id, "task": "scrape"})],
        "it is put down, once, to the run that started it"
    );
    assert_eq!(slots(&stack, &username).await?, 0);
    Ok(())
}

#[tokio::test]
async fn the_last_to_be_cancelled_aborts_the_actor() -> Result<()> {
    let stack = Stack::connect().await?;
    for order in ["first the one in charge", "first the one that waits", "both at once"] {
        let (first, second) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
        let username = first.username("unwanted");
        let (scrapes, waits) = pair(&stack, &first, &second, &username).await?;
        let (early, late) = match order {
            "first the one that waits" => ((&second, &waits), (&first, &scrapes)),
            _ => ((&first, &scrapes), (&second, &waits)),
        };
        assert_eq!(cancel(early.0, early.1).await?.status, 202);
        if order != "both at once" {
            assert_ended(early.0, early.1, "cancelled", 10).await?;
            assert_eq!(stack.stand_ins.aborted(&username).await?, 0, "{order}: the other wants it");
        }
        assert_eq!(cancel(late.0, late.1).await?.status, 202);
        assert_ended(&first, &scrapes, "cancelled", 10).await?;
        assert_ended(&second, &waits, "cancelled", 10).await?;
        let stand_ins = &stack.stand_ins;
        let counts = (stand_ins.actor_runs(&username).await?, stand_ins.aborted(&username).await?);
        assert_eq!((counts, payers(&stack, &username).await?.len()), ((1, 1), 1), "{order}");
        assert_eq!(slots(&stack, &username).await?, 0, "{order}: the slot is free");
    }
    Ok(())
}

#[tokio::test]
async fn a_run_that_waits_takes_over_from_one_whose_execution_was_stopped() -> Result<()> {
    let stack = Stack::connect().await?;
    let (first, second) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let username = first.username("halted");
    let (scrapes, waits) = pair(&stack, &first, &second, &username).await?;
    stack.aws.stop_execution(&stack.description.state_machines["analysis"], &scrapes.run_id).await?;
    assert_ended(&first, &scrapes, "failed", 10).await?;
    in_charge(&stack, &waits).await?;
    stack.stand_ins.release(&username).await?;
    assert_ended(&second, &waits, "complete", 9).await?;
    let stand_ins = &stack.stand_ins;
    assert_eq!((stand_ins.actor_runs(&username).await?, stand_ins.aborted(&username).await?), (1, 0));
    Ok(())
}

#[tokio::test]
async fn a_run_that_waits_takes_over_from_one_that_died() -> Result<()> {
    let stack = Stack::connect().await?;
    let (first, second) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let username = first.username("dead");
    hold(&stack, &username).await?;
    let dead = first.accept(&username, "0 minutes").await?;
    let mut lambda = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    lambda.send(&scrape_of(&first, &dead))?;
    noted(&stack, &username).await?;
    lambda.kill().await?;
    let waits = second.start(&username).await?;
    waiting(&stack, &username, 1).await?;
    stack.stand_ins.release(&username).await?;
    assert_ended(&second, &waits, "complete", 9).await?;
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 1);
    assert_eq!(
        payers(&stack, &username).await?,
        [json!({"run_id": dead.run_id, "task": "scrape"})],
        "what it started is put down to the dead run"
    );
    assert_eq!(slots(&stack, &username).await?, 0);

    // Should it come to itself again, it finds what it wanted.
    let mut lambda = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    let scraped = lambda.invoke(&scrape_of(&first, &dead)).await?.outcome.map_err(anyhow::Error::msg)?;
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
    hold(&stack, &username).await?;
    let (one, other) =
        (first.accept(&username, "0 minutes").await?, second.accept(&username, "0 minutes").await?);
    let mut slow = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    let mut usurper = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    slow.send(&scrape_of(&first, &one))?;
    noted(&stack, &username).await?;
    // As if it had given no sign of life for long.
    let flights = &stack.description.tables["scrape-flights"];
    stack.aws.delete_item(flights, json!({"wanted": {"S": username}})).await?;
    usurper.send(&scrape_of(&second, &other))?;
    in_charge(&stack, &other).await?;
    for when in ["with its next sign of life", "when it comes back"] {
        let answer = match when {
            "when it comes back" => slow.invoke(&scrape_of(&first, &one)).await?,
            _ => slow.answered().await?,
        };
        assert_eq!(answer.error_type()?, "ScrapeUnderWay", "{when}: {answer:?}");
        waiting(&stack, &username, 1).await?;
    }
    stack.stand_ins.release(&username).await?;
    let scraped = usurper.answered().await?.outcome.map_err(anyhow::Error::msg)?;
    let found = slow.invoke(&scrape_of(&first, &one)).await?.outcome.map_err(anyhow::Error::msg)?;
    assert_eq!((found, stack.stand_ins.actor_runs(&username).await?), (scraped, 1));
    stack.refund(&one).await?;
    stack.refund(&other).await?;
    Ok(())
}

#[tokio::test]
async fn one_that_cannot_go_on_hands_over_at_once() -> Result<()> {
    let stack = Stack::connect().await?;
    let (first, second) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let username = first.username("handover");
    let (one, other) =
        (first.accept(&username, "0 minutes").await?, second.accept(&username, "0 minutes").await?);
    let secret =
        stack.aws.create_secret("postgresql://oslira_system:x@127.0.0.1:9/postgres?sslmode=require").await?;
    let mut without_postgres =
        Lambda::start(&stack, "scrape-profiles", &[("SYSTEM_DATABASE_SECRET", &secret)]).await?;
    let answer = without_postgres.invoke(&scrape_of(&first, &one)).await?;
    assert_eq!(answer.error_type()?, "StoreUnavailable", "{answer:?}");
    let mut next = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    next.invoke(&scrape_of(&second, &other)).await?.outcome.map_err(anyhow::Error::msg)?;
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 1);
    assert_eq!(payers(&stack, &username).await?, [json!({"run_id": one.run_id, "task": "scrape"})]);
    stack.refund(&one).await?;
    stack.refund(&other).await?;
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_scraped_is_told_to_all_who_wait() -> Result<()> {
    let stack = Stack::connect().await?;
    let (first, second) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let username = first.username("blocked");
    let fault =
        json!({"upstream": "apify", "match": username, "kind": "runSlow", "delayMs": 600_000, "times": 1});
    stack.stand_ins.fault(fault).await?;
    let (one, other) =
        (first.accept(&username, "0 minutes").await?, second.accept(&username, "0 minutes").await?);
    let mut scrapes = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    let mut waits = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    scrapes.send(&scrape_of(&first, &one))?;
    noted(&stack, &username).await?;
    let other_input = scrape_of(&second, &other);
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
    let run = user.accept(&username, "0 minutes").await?;
    let mut flight = json!({
        "wanted": {"S": username}, "failureCode": {"S": "ApifyRejected"}, "failureMessage": {"S": "Refused."},
    });
    flight[format!("waits_{}", run.run_id)] = json!({"N": "0"});
    stack.aws.put_item(&stack.description.tables["scrape-flights"], flight).await?;
    let mut lambda = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    lambda.invoke(&scrape_of(&user, &run)).await?.outcome.map_err(anyhow::Error::msg)?;
    stack.refund(&run).await?;
    Ok(())
}

/// The input of the stage that scrapes a run's profile.
pub(crate) fn scrape_of(user: &User<'_>, run: &Run) -> Value {
    let mut input = user.execution_input(run);
    input["usernames"] = json!([run.username]);
    input
}

/// Waits until an actor run is noted in a slot of what is wanted.
pub(crate) async fn noted(stack: &Stack, wanted: &str) -> Result<()> {
    eventually("the actor run to be noted", || async {
        let slots = stack.slots().await?;
        let of_wanted = |slot: &&Value| slot["holder"]["S"] == wanted && slot["actorRunId"]["S"].is_string();
        Ok(slots.iter().find(of_wanted).map(drop))
    })
    .await
}

/// Waits until a run is in charge of a scrape.
async fn in_charge(stack: &Stack, run: &Run) -> Result<()> {
    eventually("the run to be in charge", || async {
        let flights = stack.aws.items(&stack.description.tables["scrape-flights"]).await?;
        Ok(flights.iter().find(|flight| flight["starter"]["S"] == run.run_id.as_str()).map(drop))
    })
    .await
}
