//! `GET /api/analysis`

use anyhow::{Context, Result};
use oslira_tests::paths::{CREDITS_TRANSACTIONS, RUNS, with_query};
use oslira_tests::{Stack, User, refused};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// One value of each entry on a page.
fn each<'a>(page: &'a Value, name: &str) -> Vec<&'a Value> {
    page["data"].as_array().into_iter().flatten().map(|entry| &entry[name]).collect()
}

/// A user with so many runs from long ago, a minute apart. Of the runs `many_1`, `many_2` and so on, the odd ones are complete
/// and the even ones cancelled. Every third one is a DEEP one. None of them was charged.
async fn with_runs(stack: &Stack, count: u32) -> Result<User<'_>> {
    let user = User::sign_up(stack, 10).await?;
    add_runs(stack, &user, &format!("generate_series(1, {count}) n"), "n * interval '1 minute'").await?;
    Ok(user)
}

async fn add_runs(stack: &Stack, user: &User<'_>, numbers: &str, after: &str) -> Result<()> {
    let (account_id, profile_id, user_id) = (&user.account_id, &user.business_profile_id, &user.user_id);
    stack
        .database
        .run(&format!(
            "select oslira.keep_business_profile_version(p) from public.business_profiles p
               where business_profile_id = '{profile_id}';
             insert into public.runs (run_id, account_id, business_profile_id, business_profile_version, requested_by, username,
                 tier, status, failure_code, credits_charged, created_at, finished_at)
               select gen_random_uuid(), '{account_id}', '{profile_id}', 1, '{user_id}', 'many_' || n,
                      case when n % 3 = 0 then 'deep' else 'light' end,
                      case when n % 2 = 0 then 'cancelled' else 'complete' end,
                      case when n % 2 = 0 then 'RunCancelled' end, 1, t.moment, t.moment
                 from {numbers} cross join lateral (select timestamptz '2026-01-01T00:00:00Z' + {after}) t (moment)"
        ))
        .await
}

#[tokio::test]
async fn runs_are_listed_newest_first_however_they_ended() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let (failed, _) = user.analyze(&user.username("private")).await?;
    let (complete, _) = user.analyze(&user.username("listed")).await?;
    let pending = user.accept(&user.username("pending")).await?;

    let reply = user.get(RUNS).await?;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let page = reply.data();
    assert_eq!(page["total"], 3);
    let [first, second, third] = page["data"].as_array().context("no entries")?.as_slice() else {
        panic!("three entries: {page}")
    };
    let profile_id = &user.business_profile_id;
    assert_eq!(
        *first,
        json!({
            "runId": pending.run_id, "status": "pending", "code": null, "reason": null, "analysisType": "light",
            "username": pending.username, "businessProfileId": profile_id, "leadId": null, "score": null, "creditsCharged": 1,
            "creditsRefunded": null, "createdAt": first["createdAt"], "finishedAt": null,
        })
    );
    let result = user.result(&complete).await?;
    assert_eq!(
        *second,
        json!({
            "runId": complete.run_id, "status": "complete", "code": null, "reason": null, "analysisType": "light",
            "username": complete.username, "businessProfileId": profile_id, "leadId": result.data()["leadId"],
            "score": result.data()["score"], "creditsCharged": 1,
            "creditsRefunded": null, "createdAt": second["createdAt"], "finishedAt": second["finishedAt"],
        })
    );
    // A first scrape that failed made no lead: this list and the ledger tell of it.
    let ledger = user.get(&with_query(CREDITS_TRANSACTIONS, "kind=refund")).await?;
    assert_eq!(each(ledger.data(), "runId"), [&json!(failed.run_id)]);
    assert_eq!(
        *third,
        json!({
            "runId": failed.run_id, "status": "failed", "code": "ProfilePrivate",
            "reason": "The account is private, so there is nothing to analyse.",
            "analysisType": "light", "username": failed.username,
            "businessProfileId": profile_id, "leadId": null, "score": null, "creditsCharged": 1,
            "creditsRefunded": 1, "createdAt": third["createdAt"], "finishedAt": third["finishedAt"],
        })
    );
    for (entry, is_over) in [(first, false), (second, true), (third, true)] {
        assert_eq!(entry["finishedAt"].is_string(), is_over, "{entry}");
    }
    stack.refund(&pending).await?;
    Ok(())
}

#[tokio::test]
async fn pages_show_each_run_once_and_a_page_beyond_the_last_is_empty() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = with_runs(&stack, 25).await?;
    // Runs of one moment: only the id tells their order.
    add_runs(&stack, &user, "generate_series(101, 105) n", "interval '1 minute'").await?;
    let mut seen = Vec::new();
    for page in 1..=4 {
        let reply = user.get(&with_query(RUNS, &format!("pageSize=8&page={page}"))).await?;
        assert_eq!(reply.data()["total"], 30, "page {page}");
        seen.extend(each(reply.data(), "runId").into_iter().cloned());
    }
    let whole = user.get(&with_query(RUNS, "pageSize=100")).await?;
    assert_eq!(seen.iter().collect::<Vec<_>>(), each(whole.data(), "runId"));
    assert_eq!(seen.len(), 30);
    let beyond = user.get(&with_query(RUNS, "page=5&pageSize=8")).await?;
    assert_eq!(*beyond.data(), json!({"page": 5, "pageSize": 8, "total": 30, "data": []}));
    Ok(())
}

#[tokio::test]
async fn status_tier_username_and_dates_choose_runs() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = with_runs(&stack, 7).await?;
    for (query, numbers) in [
        ("status=complete", vec![7, 5, 3, 1]),
        ("status=cancelled", vec![6, 4, 2]),
        ("status=failed", vec![]),
        ("status=pending", vec![]),
        ("tier=deep", vec![6, 3]),
        ("tier=xray", vec![]),
        ("tier=light&status=cancelled", vec![4, 2]),
        ("username=many_4", vec![4]),
        ("username=https://www.instagram.com/MANY_4/", vec![4]),
        ("username=many", vec![]),
        // From a moment on, and before one: two such ranges meet without a gap.
        ("since=2026-01-01T00:02:00Z&until=2026-01-01T00:04:00Z", vec![3, 2]),
        ("status=complete&until=2026-01-01T01:04:00%2B01:00", vec![3, 1]),
    ] {
        let reply = user.get(&with_query(RUNS, query)).await?;
        assert_eq!(reply.status, 200, "{query}: {}", reply.body);
        let names: Vec<String> = numbers.iter().map(|n| format!("many_{n}")).collect();
        assert_eq!(each(reply.data(), "username"), names.iter().collect::<Vec<_>>(), "{query}");
        assert_eq!(reply.data()["total"], names.len(), "{query}");
    }
    Ok(())
}

#[tokio::test]
async fn a_csv_has_all_runs_that_match_whatever_the_page() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = with_runs(&stack, 7).await?;
    let path = with_query(RUNS, "status=cancelled&page=5001&pageSize=2");
    let reply = user.request(Method::GET, &path, &[("accept", "text/csv")], None).await?;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let text = reply.body.as_str().context("no text")?;
    let names: Vec<&str> = text.lines().skip(1).filter_map(|line| line.split(',').nth(5)).collect();
    assert_eq!(names, ["many_6", "many_4", "many_2"], "{text}");
    let first = format!(
        ",cancelled,RunCancelled,,deep,many_6,{},,,1,,2026-01-01T00:06:00Z,2026-01-01T00:06:00Z",
        user.business_profile_id
    );
    assert!(text.lines().nth(1).is_some_and(|line| line.ends_with(&first)), "{text}");
    Ok(())
}

#[tokio::test]
async fn every_bad_parameter_is_named() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let query = "status=queued&tier=LIGHT&username=na%20sa&since=yesterday&until=x&until=y&page=0&pageSize=101&colour=blue";
    let reply = user.get(&with_query(RUNS, query)).await?;
    assert_eq!(reply.refusal(), refused(400, "ValidationFailed"), "{}", reply.body);
    let details = reply.body["details"].as_object().context("no details")?;
    let mut named: Vec<&str> = details.keys().map(String::as_str).collect();
    named.sort_unstable();
    assert_eq!(named, ["colour", "page", "pageSize", "since", "status", "tier", "until", "username"]);

    let backwards = "since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z";
    let reply = user.get(&with_query(RUNS, backwards)).await?;
    assert_eq!(reply.refusal(), refused(400, "ValidationFailed"), "{}", reply.body);
    assert_eq!(reply.body["details"], json!({"until": "must be later than since"}));
    Ok(())
}

#[tokio::test]
async fn a_name_that_only_sql_takes_hides_no_other_run() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let page = user.accept_earlier("explore", Duration::from_mins(1)).await?;
    let other = user.accept(&user.username("beside")).await?;
    let reply = user.get(RUNS).await?;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(each(reply.data(), "runId"), [&json!(other.run_id), &json!(page.run_id)]);
    stack.refund(&page).await?;
    stack.refund(&other).await?;
    Ok(())
}

#[tokio::test]
async fn another_tenants_runs_do_not_exist() -> Result<()> {
    let stack = Stack::connect().await?;
    let (user, stranger) = (with_runs(&stack, 1).await?, User::sign_up(&stack, 10).await?);
    let headers = [("x-account-id", user.account_id.as_str())];
    for query in ["", "page=7", "username=many_1"] {
        let reply = stranger.request(Method::GET, &with_query(RUNS, query), &headers, None).await?;
        assert_eq!(reply.refusal(), refused(404, "AccountNotFound"), "{query}: {}", reply.body);
    }
    assert_eq!(stranger.get(RUNS).await?.data()["total"], 0);
    user.add_member(&stranger).await?;
    let reply = stranger.request(Method::GET, RUNS, &headers, None).await?;
    assert_eq!(each(reply.data(), "username"), ["many_1"], "a member sees the account's runs");
    Ok(())
}
