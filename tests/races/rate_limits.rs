//! A hundred starts at once against a limit of fewer.

use crate::starts::have_lambdas_ready;
use anyhow::Result;
use futures::future::try_join_all;
use oslira_tests::{Lambda, Run, Stack, User, eventually, paths, refused};
use serde_json::json;
use std::collections::BTreeMap;

const STARTS: usize = 100;
const LIMIT: u32 = 37;
/// How many are started half an hour before the others.
const EARLY: u32 = 12;
const HOUR: i64 = 3_600_000;

#[tokio::test]
#[expect(clippy::print_stdout, reason = "the figures are worth seeing")]
async fn exactly_as_many_are_let_through_as_the_plan_allows_in_any_hour() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 200).await?;
    user.may_start_an_hour(LIMIT).await?;
    have_lambdas_ready(&user, STARTS).await?;
    let burst = async || {
        let start = |_: usize| {
            let body = user.analysis_of(&user.username("limit"));
            let user = &user;
            async move { user.post(paths::ANALYZE, &body).await }
        };
        let replies = try_join_all((0..STARTS).map(start)).await?;
        let mut statuses: BTreeMap<u16, u32> = BTreeMap::new();
        for reply in &replies {
            *statuses.entry(reply.status).or_default() += 1;
        }
        anyhow::Ok(statuses)
    };
    let all = BTreeMap::from([(202, LIMIT), (429, 63)]);
    assert_eq!(burst().await?, all, "at first");
    assert_eq!(stack.run_count(&user.account_id).await?, u64::from(LIMIT), "runs");
    assert_eq!(user.balance().await?, 163, "the balance");
    assert_eq!(burst().await?, BTreeMap::from([(429, 100)]), "within the same hour");
    // The item is full of turns that are over. All hundred want the room at the same time.
    stack.let_time_pass(&user.analyses_key(), HOUR).await?;
    for _ in 0..EARLY {
        user.start(&user.username("early")).await?;
    }
    stack.let_time_pass(&user.analyses_key(), HOUR / 2).await?;
    let rest = BTreeMap::from([(202, LIMIT - EARLY), (429, 63 + EARLY)]);
    assert_eq!(burst().await?, rest, "half an hour after those");
    stack.let_time_pass(&user.analyses_key(), HOUR / 2).await?;
    let fell_out = BTreeMap::from([(202, EARLY), (429, 100 - EARLY)]);
    assert_eq!(burst().await?, fell_out, "as many as fell out of the window");
    println!(
        "note: of 100 starts at once at a limit of {LIMIT} an hour, {LIMIT} were let through and 63 got 429; later as many as \
         had fallen out of the hour"
    );
    // Leave the stack as quiet as it was.
    eventually("the runs to end", || async {
        let sql =
            "select count(*) as n from public.runs where account_id = $1::text::uuid and status = 'pending'";
        Ok((stack.database.row(sql, &[&user.account_id]).await?["n"] == 0).then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_start_whose_first_answer_is_lost_keeps_its_turn() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    user.may_start_an_hour(1).await?;
    let username = user.username("lost");
    let mut event = user.post_event(paths::ANALYZE, &user.analysis_of(&username));
    event["requestContext"]["authorizer"]["analysesPerHour"] = json!(format!("{}=1", user.account_id));
    let committed = format!("select count(*) as n from public.runs where account_id = '{}'", user.account_id);
    let reply = Lambda::with_lost_answer(&stack, "start-analysis", &event, &committed).await?.http()?;
    assert_eq!(reply.status, 202, "{}", reply.body);
    let more = user.post(paths::ANALYZE, &user.analysis_of(&user.username("more"))).await?;
    assert_eq!(more.refusal(), refused(429, "TooManyRequests"), "{}", more.body);
    assert_eq!(user.balance().await?, 9);
    user.finished(&Run { run_id: reply.run_id()?.to_owned(), username }).await?;
    Ok(())
}
