//! How many anonymous analyses may be started from one address: three in any hour, ten in any 24 hours.

use anyhow::{Context, Result};
use futures::future::try_join_all;
use oslira_tests::{AnonymousCaller, Lambda, NOWHERE, Reply, Stack, refused};
use serde_json::json;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

fn retry_after(reply: &Reply) -> Result<i64> {
    reply.header("retry-after").parse().context("no Retry-After")
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "the figures are worth seeing")]
async fn of_fifty_at_once_exactly_three_are_let_through() -> Result<()> {
    let stack = Stack::connect().await?;
    let caller = AnonymousCaller::arrive(&stack);
    let body = caller.analysis_of(&caller.username("crowd"));
    let answers = try_join_all((0..50).map(|_| caller.invoke(&body))).await?;
    let of = |wanted: u16| answers.iter().filter(|reply| reply.status == wanted).count();
    println!(
        "note: of 50 requests at once from one address, {} were let through and {} got 429",
        of(202),
        of(429)
    );
    let statuses: Vec<u16> = answers.iter().map(|reply| reply.status).collect();
    assert_eq!(of(202), 3, "let through: {statuses:?}");
    assert_eq!(of(429), 47, "refused: {statuses:?}");
    for reply in answers.iter().filter(|reply| reply.status == 429) {
        assert_eq!(reply.code(), "TooManyRequests");
        assert_eq!(reply.body["details"], json!({"limit": 3, "windowSeconds": 3_600}));
        assert!((3_500..=3_600).contains(&retry_after(reply)?), "{:?}", reply.headers);
    }
    Ok(())
}

#[tokio::test]
async fn the_windows_slide() -> Result<()> {
    let stack = Stack::connect().await?;
    let caller = AnonymousCaller::arrive(&stack);
    let body = caller.analysis_of(&caller.username("patient"));
    let status = async || anyhow::Ok(caller.invoke(&body).await?.status);
    // One in the first minute of an hour, two in its last: the next hour has room for one, not for three.
    assert_eq!(status().await?, 202);
    caller.wait(59 * MINUTE).await?;
    assert_eq!([status().await?, status().await?, status().await?], [202, 202, 429]);
    caller.wait(MINUTE).await?;
    assert_eq!([status().await?, status().await?], [202, 429]);
    let wait = retry_after(&caller.invoke(&body).await?)?;
    assert!(
        (58 * 60..=59 * 60).contains(&wait),
        "until the second of the first hour is an hour ago: {wait} s"
    );

    // Six more, an hour apart: then the day is full, and it is the day that one must wait for.
    for _ in 0..6 {
        caller.wait(HOUR).await?;
        assert_eq!(status().await?, 202);
    }
    caller.wait(HOUR).await?;
    let reply = caller.invoke(&body).await?;
    assert_eq!(reply.status, 429, "{}", reply.body);
    assert_eq!(reply.body["details"], json!({"limit": 10, "windowSeconds": 86_400}));
    let wait = retry_after(&reply)?;
    assert!((15 * 3_600..17 * 3_600).contains(&wait), "eight hours of the day are over: {wait} s");
    caller.wait(wait * 1_000).await?;
    assert_eq!(caller.invoke(&body).await?.status, 202, "as long as Retry-After said");
    Ok(())
}

#[tokio::test]
async fn an_address_is_what_api_gateway_saw_and_a_network_of_ipv6_is_one() -> Result<()> {
    let stack = Stack::connect().await?;
    let unique = uuid::Uuid::new_v4().as_u128();
    let (a, b, c) = (unique >> 16 & 0xffff, unique & 0xffff, unique >> 32 & 0xffff);
    let at = |address: String| {
        let mut caller = AnonymousCaller::arrive(&stack);
        caller.address = address;
        caller
    };
    let (v4, mapped) =
        (format!("10.1.{}.{}", a & 255, b & 255), format!("::ffff:10.1.{}.{}", a & 255, b & 255));
    for group in [
        [v4.clone(), mapped.clone(), v4.clone(), mapped],
        [1, 2, 3, 0xffff].map(|host| format!("2001:db8:{a:x}:{b:x}:{c:x}::{host:x}")),
    ] {
        let mut statuses = Vec::new();
        // Every event claims another X-Forwarded-For.
        for address in group {
            let caller = at(address);
            statuses.push(caller.invoke(&caller.analysis_of("nasa")).await?.status);
        }
        assert_eq!(statuses, [202, 202, 202, 429]);
    }
    let next = at(format!("2001:db8:{a:x}:{:x}::1", b ^ 1));
    assert_eq!(next.invoke(&next.analysis_of("nasa")).await?.status, 202, "the next network is another");
    for nowhere in ["", "test-invoke-source-ip"] {
        let caller = at(nowhere.to_owned());
        let reply = caller.invoke(&caller.analysis_of("nasa")).await?;
        assert_eq!(reply.refusal(), refused(500, "InternalError"), "it could not be limited");
    }
    Ok(())
}

#[tokio::test]
async fn a_run_that_is_not_started_does_not_count() -> Result<()> {
    let stack = Stack::connect().await?;
    let caller = AnonymousCaller::arrive(&stack);
    let nowhere = [("AWS_ENDPOINT_URL_SFN", NOWHERE)];
    let mut lambda = Lambda::start(&stack, "start-anonymous-analysis", &nowhere).await?;
    let reply = lambda.invoke(&caller.event(&caller.analysis_of("nasa"))).await?.http()?;
    assert_eq!(reply.refusal(), refused(503, "StoreUnavailable"), "{}", reply.body);
    assert_eq!(reply.body.get("data"), None, "{}", reply.body);
    let item = caller.limit().await?.context("it was let through")?;
    for window in ["window3600", "window86400"] {
        assert_eq!(item[window], json!({"M": {}}), "and given back");
    }
    for wanted in [202, 202, 202, 429] {
        assert_eq!(caller.invoke(&caller.analysis_of("nasa")).await?.status, wanted);
    }
    Ok(())
}

#[tokio::test]
async fn without_its_table_nobody_is_let_through() -> Result<()> {
    let stack = Stack::connect().await?;
    let caller = AnonymousCaller::arrive(&stack);
    let mut lambda =
        Lambda::start(&stack, "start-anonymous-analysis", &[("RATE_LIMITS_TABLE", "no-such-table")]).await?;
    let reply = lambda.invoke(&caller.event(&caller.analysis_of("nasa"))).await?.http()?;
    assert_eq!(reply.refusal(), refused(503, "StoreUnavailable"), "{}", reply.body);
    Ok(())
}
