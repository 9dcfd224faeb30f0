//! `POST /api/business-profiles`

use anyhow::{Context, Result};
use oslira_tests::{Stack, User, paths, refused};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

fn coffee() -> Value {
    json!({
        "name": "Brew & Co",
        "description": "Roasts coffee for cafés.",
        "website": "https://brew.example",
        "voice": "warm",
        "icp": {
            "followerRange": {"min": 1_000, "max": 50_000},
            "engagementMin": 1.5,
            "contentThemes": ["coffee", "café culture"],
            "geoFocus": ["Berlin"],
        },
    })
}

#[tokio::test]
async fn a_new_profile_is_answered_with_its_id_and_can_be_analysed_against() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let reply = user.post(paths::BUSINESS_PROFILES, &coffee()).await?;
    assert_eq!(reply.status, 201, "{}", reply.body);
    let id = reply.data()["id"].as_str().context("no id")?.to_owned();
    assert_eq!(reply.data()["icp"], coffee()["icp"]);

    let mut body = user.analysis_of(&user.username("fresh"));
    body["businessProfileId"] = json!(id);
    let started = user.post(paths::ANALYZE, &body).await?;
    assert_eq!(started.status, 202, "{}", started.body);
    Ok(())
}

#[tokio::test]
async fn every_bad_field_is_named() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let mut body = coffee();
    body["name"] = json!("");
    body["description"] = json!("x".repeat(4_001));
    body["website"] = json!("brew.example");
    body["icp"]["followerRange"] = json!({"min": 9, "max": 1});
    body["icp"]["engagementMin"] = json!(101);
    body["icp"]["contentThemes"] = json!(["ok", 7]);
    body["icp"]["geoFocus"] = json!(vec!["x"; 31]);
    body["color"] = json!("red");
    let reply = user.post(paths::BUSINESS_PROFILES, &body).await?;
    assert_eq!(reply.refusal(), refused(400, "ValidationFailed"), "{}", reply.body);
    let details = reply.body["details"].as_object().context("no details")?;
    let mut fields: Vec<&str> = details.keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "color",
            "description",
            "icp.contentThemes[1]",
            "icp.engagementMin",
            "icp.followerRange",
            "icp.geoFocus",
            "name",
            "website",
        ]
    );
    Ok(())
}

#[tokio::test]
async fn no_text_may_hold_what_postgres_cannot_store() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    for place in
        ["/name", "/description", "/website", "/voice", "/offer", "/icp/contentThemes/0", "/icp/geoFocus/0"]
    {
        let mut body = coffee();
        body["offer"] = json!("Beans");
        *body.pointer_mut(place).context("no such place")? = json!("https://a.example/\0b");
        let reply = user.post(paths::BUSINESS_PROFILES, &body).await?;
        assert_eq!(reply.refusal(), refused(400, "ValidationFailed"), "{place}: {}", reply.body);
        assert!(reply.body["details"].to_string().contains("U+0000"), "{place}: {}", reply.body);
    }
    Ok(())
}

#[tokio::test]
async fn a_website_is_stored_as_it_was_written_or_refused() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let with = |website: &str| {
        let mut body = coffee();
        body["website"] = json!(website);
        body
    };
    let reply = user.post(paths::BUSINESS_PROFILES, &with(" HTTPS://Brew.example/Café?q=1 ")).await?;
    assert_eq!(reply.status, 201, "{}", reply.body);
    assert_eq!(reply.data()["website"], "HTTPS://Brew.example/Café?q=1");
    for bad in ["http://", "https://brew.example/\r\nX: y", "https://a@brew.example", "ftp://brew.example"] {
        let reply = user.post(paths::BUSINESS_PROFILES, &with(bad)).await?;
        assert_eq!(reply.refusal(), refused(400, "ValidationFailed"), "{bad:?}: {}", reply.body);
    }
    Ok(())
}

#[tokio::test]
async fn one_idempotency_key_makes_one_profile() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let post = async |body: Value| user.post_with_key(paths::BUSINESS_PROFILES, "k-1", &body).await;
    let replies = futures::future::try_join_all((0..10).map(|_| post(coffee()))).await?;
    let ids: std::collections::BTreeSet<String> =
        replies.iter().map(|reply| reply.data()["id"].to_string()).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert!(replies.iter().all(|reply| reply.status == 201));
    let sql = "select count(*) as n from public.business_profiles where account_id = $1::text::uuid";
    // One more than this test made: the one that every test user has.
    assert_eq!(stack.database.row(sql, &[&user.account_id]).await?["n"], 2);

    let mut other = coffee();
    other["name"] = json!("Other");
    let reply = post(other).await?;
    assert_eq!(reply.refusal(), refused(422, "IdempotencyKeyReused"));
    Ok(())
}

#[tokio::test]
async fn nothing_is_added_to_another_tenants_account() -> Result<()> {
    let stack = Stack::connect().await?;
    let (user, stranger) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let headers = [("x-account-id", stranger.account_id.as_str())];
    let reply =
        user.request(Method::POST, paths::BUSINESS_PROFILES, &headers, Some(coffee().to_string())).await?;
    assert_eq!(reply.refusal(), refused(404, "AccountNotFound"), "{}", reply.body);
    Ok(())
}

#[tokio::test]
async fn a_key_that_was_planted_answers_with_nothing_of_another_tenant() -> Result<()> {
    let stack = Stack::connect().await?;
    let (user, other) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let body = coffee().to_string();
    let hash: String = Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
    for (key, id) in [("another-tenants", other.business_profile_id.as_str()), ("nobodys", &user.user_id)] {
        // As the database's own functions allow a signed-in user.
        claim(&stack, &user, &format!("'{key}', '\\x{hash}', '{id}'")).await?;
        let reply = user
            .request(Method::POST, paths::BUSINESS_PROFILES, &[("idempotency-key", key)], Some(body.clone()))
            .await?;
        assert_eq!(reply.refusal(), refused(422, "IdempotencyKeyReused"), "{}", reply.body);
        assert!(!reply.body.to_string().contains(id), "{}", reply.body);
    }
    Ok(())
}

/// Claims keys with SQL of the user's own, as the database's functions allow a signed-in user.
async fn claim(stack: &Stack, user: &User<'_>, arguments: &str) -> Result<()> {
    let sql = format!(
        "set local role authenticated;
         select set_config('request.jwt.claims', '{{\"sub\": \"{}\"}}', true);
         select c.* from generate_series(1, 1000) n
           cross join lateral public.claim_idempotency_key('{}', 'POST {}', {arguments}) c",
        user.user_id,
        user.account_id,
        paths::BUSINESS_PROFILES,
    );
    stack.database.run(&sql).await
}

#[tokio::test]
async fn who_has_as_many_as_there_may_be_is_told_how_many() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    user.add_business_profiles(99).await?;
    let reply = user.post(paths::BUSINESS_PROFILES, &coffee()).await?;
    assert_eq!(reply.refusal(), refused(409, "BusinessProfileLimitReached"), "{}", reply.body);
    assert_eq!(reply.body["details"], json!({"limit": 100}));

    claim(&stack, &user, "n::text, sha256('b'), gen_random_uuid()").await?;
    let reply = user.post_with_key(paths::BUSINESS_PROFILES, "one-more", &coffee()).await?;
    assert_eq!(reply.refusal(), refused(429, "TooManyRequests"), "{}", reply.body);
    assert_eq!(reply.body["details"], json!({"limit": 1_000, "windowSeconds": 86_400}));
    Ok(())
}
