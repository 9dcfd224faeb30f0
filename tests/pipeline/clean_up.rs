//! `clean-up-daily`: what nobody needs any more is gone in the morning.

use anyhow::{Context, Result};
use oslira_tests::{Stack, User, paths};
use serde_json::json;

#[tokio::test]
async fn expired_keys_are_deleted_once_however_many_jobs_run_and_others_stay() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let sql = format!(
        "insert into oslira.idempotency_keys (account_id, route, idempotency_key, body_hash, resource_id, created_at)
           select '{}', 'POST /api/leads/analyze', 'key ' || n, sha256('b'), gen_random_uuid(),
               now() - interval '24 hours 1 minute'
             from generate_series(1, 2500) n",
        user.account_id
    );
    stack.database.run(&sql).await?;
    let body = json!({"name": "n", "description": "d", "icp": {
        "followerRange": {"min": 1, "max": 2}, "engagementMin": 1, "contentThemes": [], "geoFocus": []}});
    let made = user.post_with_key(paths::BUSINESS_PROFILES, "today", &body).await?;
    assert_eq!(made.status, 201, "{}", made.body);

    let function = &stack.description.functions["clean-up-daily"];
    let job = || async {
        let answer = stack.aws.invoke(function, &json!({})).await?.map_err(anyhow::Error::msg)?;
        assert_eq!(answer["isComplete"], true, "{answer}");
        answer["idempotencyKeys"].as_u64().context("no count")
    };
    let (one, two, three) = tokio::try_join!(job(), job(), job())?;
    assert!(one + two + three >= 2_500, "{one}, {two} and {three} were deleted");
    let sql = "select idempotency_key from oslira.idempotency_keys where account_id = $1::text::uuid";
    assert_eq!(stack.database.row(sql, &[&user.account_id]).await?["idempotency_key"], "today");
    let again = user.post_with_key(paths::BUSINESS_PROFILES, "today", &body).await?;
    assert_eq!(again.data()["id"], made.data()["id"]);
    assert_eq!(job().await?, 0, "twice does no harm");
    Ok(())
}
