//! `GET /api/credits/transactions`

use anyhow::{Context, Result};
use oslira_tests::paths::{CREDITS_TRANSACTIONS, with_query};
use oslira_tests::{Stack, User, paths, refused};
use reqwest::Method;
use serde_json::{Value, json};

/// One value of each entry on a page.
fn each<'a>(page: &'a Value, name: &str) -> Vec<&'a Value> {
    page["data"].as_array().into_iter().flatten().map(|entry| &entry[name]).collect()
}

/// A user whose ledger has the sign-up, so many adjustments a minute apart, and nothing else.
async fn with_adjustments(stack: &Stack, count: u32) -> Result<User<'_>> {
    let user = User::sign_up(stack, 10).await?;
    let sql = format!(
        "insert into public.credit_transactions (account_id, kind, amount, reason, created_at)
           select '{}', 'adjustment', n, 'test', timestamptz '2026-01-01T00:00:00Z' + n * interval '1 minute'
             from generate_series(1, {count}) n",
        user.account_id
    );
    stack.database.run(&sql).await?;
    Ok(user)
}

#[tokio::test]
async fn the_ledger_tells_every_move_of_credits_newest_first() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let run = user.start(&user.username("private")).await?;
    user.finished(&run).await?;

    let reply = user.get(CREDITS_TRANSACTIONS).await?;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let page = reply.data();
    assert_eq!(page["total"], 3);
    assert_eq!(each(page, "kind"), ["refund", "charge", "signup"]);
    assert_eq!(each(page, "amount"), [&json!(1), &json!(-1), &json!(10)]);
    let run_id = json!(run.run_id);
    assert_eq!(each(page, "runId"), [&run_id, &run_id, &Value::Null]);
    let sum: i64 = each(page, "amount").into_iter().filter_map(Value::as_i64).sum();
    assert_eq!(user.get(paths::CREDITS_BALANCE).await?.data()["balance"], sum);
    Ok(())
}

#[tokio::test]
async fn pages_show_each_row_once_and_a_page_beyond_the_last_is_empty() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = with_adjustments(&stack, 24).await?;
    // Rows of one moment: only the id tells their order.
    let sql = format!(
        "insert into public.credit_transactions (account_id, kind, amount, reason, created_at)
           select '{}', 'adjustment', 1, 'at once', '2026-01-01T00:00:00Z' from generate_series(1, 5)",
        user.account_id
    );
    stack.database.run(&sql).await?;
    let mut seen = Vec::new();
    for page in 1..=4 {
        let reply = user.get(&with_query(CREDITS_TRANSACTIONS, &format!("pageSize=8&page={page}"))).await?;
        assert_eq!(reply.data()["page"], page);
        assert_eq!(reply.data()["pageSize"], 8);
        assert_eq!(reply.data()["total"], 30, "page {page}");
        seen.extend(each(reply.data(), "id").into_iter().cloned());
    }
    let whole = user.get(&with_query(CREDITS_TRANSACTIONS, "pageSize=100")).await?;
    assert_eq!(seen.iter().collect::<Vec<_>>(), each(whole.data(), "id"));
    let beyond = user.get(&with_query(CREDITS_TRANSACTIONS, "page=100&pageSize=100")).await?;
    assert_eq!(*beyond.data(), json!({"page": 100, "pageSize": 100, "total": 30, "data": []}));
    Ok(())
}

#[tokio::test]
async fn rows_are_counted_and_shown_up_to_the_ten_thousandth() -> Result<()> {
    let stack = Stack::connect().await?;
    // With the sign-up there are as many as are counted, and then some more.
    let user = with_adjustments(&stack, 9_998).await?;
    let last = with_query(CREDITS_TRANSACTIONS, "page=334&pageSize=30");
    let reply = user.get(&last).await?;
    assert_eq!(reply.data()["total"], 9_999);
    assert_eq!(each(reply.data(), "amount").len(), 9);

    let more = format!(
        "insert into public.credit_transactions (account_id, kind, amount, reason)
           select '{}', 'adjustment', 1, 'more' from generate_series(1, 50)",
        user.account_id
    );
    stack.database.run(&more).await?;
    let reply = user.get(&last).await?;
    assert_eq!(reply.data()["total"], 10_000, "10,000 or more");
    assert_eq!(each(reply.data(), "amount").len(), 10, "none is shown beyond it");
    for beyond in ["page=335&pageSize=30", "page=101&pageSize=100", "page=10000&pageSize=2"] {
        let reply = user.get(&with_query(CREDITS_TRANSACTIONS, beyond)).await?;
        assert_eq!(reply.refusal(), refused(400, "ValidationFailed"), "{beyond}: {}", reply.body);
        let problem = reply.body["details"]["page"].as_str().context("no problem with the page")?;
        assert!(problem.ends_with("so narrow the filter"), "{problem}");
    }
    Ok(())
}

#[tokio::test]
async fn kinds_and_dates_choose_rows() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = with_adjustments(&stack, 5).await?;
    for (query, amounts) in [
        ("kind=signup", vec![10]),
        ("kind=charge", vec![]),
        ("kind=signup,adjustment", vec![10, 5, 4, 3, 2, 1]),
        // From a moment on, and before one: two such ranges meet without a gap.
        ("since=2026-01-01T00:02:00Z&until=2026-01-01T00:04:00Z", vec![3, 2]),
        ("kind=adjustment&until=2026-01-01T01:03:00%2B01:00", vec![2, 1]),
    ] {
        let reply = user.get(&with_query(CREDITS_TRANSACTIONS, query)).await?;
        assert_eq!(reply.status, 200, "{query}: {}", reply.body);
        let found: Vec<i64> = each(reply.data(), "amount").into_iter().filter_map(Value::as_i64).collect();
        assert_eq!(found, amounts, "{query}");
        assert_eq!(reply.data()["total"], amounts.len(), "{query}");
    }
    Ok(())
}

#[tokio::test]
async fn every_bad_parameter_is_named() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let query =
        "kind=gift&since=yesterday&page=0&pageSize=101&colour=blue&until=2026-01-01T00:00:00Z&until=x";
    let reply = user.get(&with_query(CREDITS_TRANSACTIONS, query)).await?;
    assert_eq!(reply.refusal(), refused(400, "ValidationFailed"), "{}", reply.body);
    let details = reply.body["details"].as_object().context("no details")?;
    let mut named: Vec<&str> = details.keys().map(String::as_str).collect();
    named.sort_unstable();
    assert_eq!(named, ["colour", "kind", "page", "pageSize", "since", "until"]);
    assert_eq!(details["until"], "must be given only once");
    Ok(())
}

#[tokio::test]
async fn a_moment_that_postgres_does_not_know_and_a_range_without_a_moment_are_refused() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    for (query, field) in [
        ("since=-009999-06-01T00:00:00Z", "since"),
        ("since=0000-06-01T00:00:00Z", "since"),
        ("until=2026-01-01T00:00:00%2B01:00[Europe/Berlin]", "until"),
        ("until=20260101T000000Z", "until"),
        ("since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "until"),
        ("since=2026-01-01T00:00:00Z&until=2026-01-01T01:00:00%2B01:00", "until"),
    ] {
        let reply = user.get(&with_query(CREDITS_TRANSACTIONS, query)).await?;
        assert_eq!(reply.refusal(), refused(400, "ValidationFailed"), "{query}: {}", reply.body);
        let details = reply.body["details"].as_object().context("no details")?;
        assert_eq!(details.keys().collect::<Vec<_>>(), [field], "{query}");
        if query.contains('&') {
            assert_eq!(details["until"], "must be later than since", "{query}");
        }
    }
    // The widest range that there is.
    let widest = "since=0001-01-01T00:00:00Z&until=9999-12-30T00:00:00Z";
    let reply = user.get(&with_query(CREDITS_TRANSACTIONS, widest)).await?;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.data()["total"], 1);
    Ok(())
}

#[tokio::test]
async fn another_tenants_ledger_does_not_exist() -> Result<()> {
    let stack = Stack::connect().await?;
    let (user, stranger) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    for query in ["", "page=7", "kind=charge"] {
        let path = with_query(CREDITS_TRANSACTIONS, query);
        let headers = [("x-account-id", stranger.account_id.as_str())];
        let reply = user.request(Method::GET, &path, &headers, None).await?;
        assert_eq!(reply.refusal(), refused(404, "AccountNotFound"), "{query}: {}", reply.body);
    }
    Ok(())
}
