//! Limits of rows, against many who write at once.

use anyhow::Result;
use futures::future::try_join_all;
use oslira_tests::{Stack, User};
use serde_json::json;
use std::collections::BTreeMap;

#[tokio::test]
async fn of_ten_who_add_the_hundredth_business_profile_one_does() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let account_id = &user.account_id;
    // With the one that every test user has, 99.
    stack
        .database
        .run(&format!(
            "insert into public.business_profiles (account_id, name, description, follower_min, follower_max, engagement_min)
               select '{account_id}', 'one of many', 'd', 1, 2, 1 from generate_series(1, 98)"
        ))
        .await?;
    let body = json!({
        "name": "Brew & Co",
        "description": "Roasts coffee for cafés.",
        "icp": {"followerRange": {"min": 1, "max": 2}, "engagementMin": 1, "contentThemes": [], "geoFocus": []},
    });
    let replies = try_join_all((0..10).map(|_| user.post("/api/business-profiles", &body))).await?;
    let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
    for reply in &replies {
        *statuses.entry(reply.status).or_default() += 1;
        if reply.status == 409 {
            assert_eq!(reply.code(), "BusinessProfileLimitReached", "{}", reply.body);
            assert_eq!(reply.body["details"], json!({"limit": 100}));
        }
    }
    assert_eq!(statuses, BTreeMap::from([(201, 1), (409, 9)]));
    Ok(())
}
