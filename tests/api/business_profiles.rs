//! `/api/business-profiles`

use anyhow::{Context, Result};
use oslira_tests::{Reply, Run, Stack, User, paths, refused};
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
async fn what_the_description_allows_is_stored_and_a_name_of_two_lines_is_refused() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let mut body = coffee();
    body["name"] = json!("é".repeat(200));
    body["icp"]["followerRange"] = json!({"min": 0, "max": u32::MAX});
    body["icp"]["contentThemes"] = json!(vec!["\"".repeat(60); 30]);
    body["icp"]["geoFocus"] = json!(vec!["é".repeat(60); 30]);
    let reply = user.post(paths::BUSINESS_PROFILES, &body).await?;
    assert_eq!(reply.status, 201, "{}", reply.body);
    assert_eq!(reply.data()["icp"]["contentThemes"], body["icp"]["contentThemes"]);
    for bad in ["Brew\nCo", "Brew\u{1}", "Brew\u{85}Co"] {
        body["name"] = json!(bad);
        let reply = user.post(paths::BUSINESS_PROFILES, &body).await?;
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
        assert_eq!(reply.refusal(), refused(404, "BusinessProfileNotFound"), "{}", reply.body);
        assert!(!reply.body.to_string().contains(id), "{}", reply.body);
    }
    Ok(())
}

#[tokio::test]
async fn a_key_whose_profile_was_deleted_makes_no_other() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let post = async |body: &Value| user.post_with_key(paths::BUSINESS_PROFILES, "k-1", body).await;
    let made = post(&coffee()).await?;
    let id = made.data()["id"].as_str().context("no id")?;
    assert_eq!(delete(&user, id).await?.status, 200);
    let reply = post(&coffee()).await?;
    assert_eq!(reply.refusal(), refused(404, "BusinessProfileNotFound"), "{}", reply.body);
    let mut other = coffee();
    other["name"] = json!("Other");
    assert_eq!(post(&other).await?.refusal(), refused(422, "IdempotencyKeyReused"));
    // The one that every test user has.
    assert_eq!(user.get(paths::BUSINESS_PROFILES).await?.data()["total"], 1);
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

/// Makes one, and answers its id.
async fn made(user: &User<'_>, profile: &Value) -> Result<String> {
    let reply = user.post(paths::BUSINESS_PROFILES, profile).await?;
    assert_eq!(reply.status, 201, "{}", reply.body);
    Ok(reply.data()["id"].as_str().context("no id")?.to_owned())
}

async fn put(user: &User<'_>, id: &str, profile: &Value) -> Result<Reply> {
    user.request(Method::PUT, &paths::business_profile(id), &[], Some(profile.to_string())).await
}

async fn delete(user: &User<'_>, id: &str) -> Result<Reply> {
    user.request(Method::DELETE, &paths::business_profile(id), &[], None).await
}

#[tokio::test]
async fn a_profile_is_read_as_it_was_made_and_as_it_was_changed() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let id = made(&user, &coffee()).await?;
    let read = user.get(&paths::business_profile(&id)).await?;
    assert_eq!(read.status, 200, "{}", read.body);
    assert_eq!(read.data()["name"], "Brew & Co");
    assert_eq!(read.data()["updatedAt"], read.data()["createdAt"]);

    // The whole document: what is left out is removed.
    let mut tea = coffee();
    tea["name"] = json!("Leaf & Co");
    tea.as_object_mut().context("an object")?.remove("voice");
    let changed = put(&user, &id, &tea).await?;
    assert_eq!(changed.status, 200, "{}", changed.body);
    assert_eq!(changed.data()["name"], "Leaf & Co");
    assert_eq!(changed.data()["voice"], Value::Null);
    assert_eq!(changed.data()["createdAt"], read.data()["createdAt"]);
    assert_ne!(changed.data()["updatedAt"], read.data()["updatedAt"]);
    assert_eq!(user.get(&paths::business_profile(&id)).await?.data(), changed.data());
    Ok(())
}

#[tokio::test]
async fn a_refused_change_changes_nothing() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let id = made(&user, &coffee()).await?;
    let before = user.get(&paths::business_profile(&id)).await?;
    let mut bad = coffee();
    bad["name"] = json!("");
    bad["id"] = json!(id);
    let reply = put(&user, &id, &bad).await?;
    assert_eq!(reply.status, 400, "{}", reply.body);
    let details = reply.body["details"].as_object().context("no details")?;
    assert!(details.contains_key("name") && details.contains_key("id"), "{details:?}");
    assert_eq!(user.get(&paths::business_profile(&id)).await?.data(), before.data());
    Ok(())
}

#[tokio::test]
async fn profiles_are_listed_newest_first_a_page_at_a_time() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let (first, second) = (made(&user, &coffee()).await?, made(&user, &coffee()).await?);
    let ids = |reply: &Reply| -> Vec<Value> {
        let entries = reply.data()["data"].as_array().into_iter().flatten();
        entries.map(|entry| entry["id"].clone()).collect()
    };
    // The oldest is the one that every test user has.
    let newest = user.get(&paths::with_query(paths::BUSINESS_PROFILES, "pageSize=2")).await?;
    assert_eq!(newest.data()["total"], 3);
    assert_eq!(ids(&newest), [json!(second), json!(first)]);
    let rest = user.get(&paths::with_query(paths::BUSINESS_PROFILES, "pageSize=2&page=2")).await?;
    assert_eq!(ids(&rest), [json!(user.business_profile_id)]);
    assert_eq!(delete(&user, &first).await?.status, 200);
    let left = user.get(paths::BUSINESS_PROFILES).await?;
    assert_eq!(ids(&left), [json!(second), json!(user.business_profile_id)]);
    let odd = user.get(&paths::with_query(paths::BUSINESS_PROFILES, "name=Brew")).await?;
    assert_eq!(odd.status, 400, "{}", odd.body);
    assert_eq!(odd.body["details"]["name"], "is not a known parameter; known are page, pageSize");
    Ok(())
}

#[tokio::test]
async fn a_deleted_profile_is_gone_and_what_it_was_used_for_stays() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let id = made(&user, &coffee()).await?;
    let mut body = user.analysis_of(&user.username("bakery"));
    body["businessProfileId"] = json!(id);
    let started = user.post(paths::ANALYZE, &body).await?;
    assert_eq!(started.status, 202, "{}", started.body);
    let deleted = delete(&user, &id).await?;
    assert_eq!(deleted.status, 200, "{}", deleted.body);
    assert_eq!(*deleted.data(), json!({"id": id}));
    let again = delete(&user, &id).await?;
    assert_eq!((again.status, again.data()), (200, deleted.data()), "deleted twice: {}", again.body);

    // The run under way goes on, and its result can be read.
    let run = Run { run_id: started.run_id()?.to_owned(), username: body["username"].to_string() };
    assert_eq!(user.finished(&run).await?["status"], "complete");
    assert_eq!(user.result(&run).await?.status, 200);

    for (what, reply) in [
        ("read", user.get(&paths::business_profile(&id)).await?),
        ("changed", put(&user, &id, &coffee()).await?),
        ("analysed against", user.post(paths::ANALYZE, &body).await?),
    ] {
        assert_eq!(reply.refusal(), refused(404, "BusinessProfileNotFound"), "{what}: {}", reply.body);
    }
    Ok(())
}

#[tokio::test]
async fn a_run_judges_by_the_profile_as_it_was_when_the_run_was_accepted() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    // A model that takes its time: the change comes while the run is under way.
    let username = user.username("bakery");
    let run = user.start_with_slow_model(&username).await?;
    let mut elsewhere = coffee();
    elsewhere["icp"]["followerRange"] = json!({"min": 4_000_000_000_u64, "max": 4_000_000_001_u64});
    let changed = put(&user, &user.business_profile_id, &elsewhere).await?;
    assert_eq!(changed.status, 200, "{}", changed.body);
    assert_eq!(user.finished(&run).await?["status"], "complete");
    let result = user.result(&run).await?;
    let evidence = result.data()["subScores"].to_string();
    assert!(evidence.contains("500000"), "judged by another range than that of the start: {evidence}");
    Ok(())
}

#[tokio::test]
async fn only_owners_delete() -> Result<()> {
    let stack = Stack::connect().await?;
    let (owner, member) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    owner.add_member(&member).await?;
    let path = paths::business_profile(&owner.business_profile_id);
    let headers = [("x-account-id", owner.account_id.as_str())];
    let reply = member.request(Method::DELETE, &path, &headers, None).await?;
    assert_eq!(reply.refusal(), refused(403, "OwnerRequired"), "{}", reply.body);
    // What members may do.
    let changed = member.request(Method::PUT, &path, &headers, Some(coffee().to_string())).await?;
    assert_eq!(changed.status, 200, "{}", changed.body);
    assert_eq!(owner.get(&path).await?.data()["name"], "Brew & Co");
    Ok(())
}

#[tokio::test]
async fn another_tenants_profile_does_not_exist() -> Result<()> {
    let stack = Stack::connect().await?;
    let (user, stranger) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let id = &stranger.business_profile_id;
    for (what, reply) in [
        ("read", user.get(&paths::business_profile(id)).await?),
        ("changed", put(&user, id, &coffee()).await?),
        ("deleted", delete(&user, id).await?),
        ("no id", user.get(&paths::business_profile("mine")).await?),
    ] {
        assert_eq!(reply.refusal(), refused(404, "BusinessProfileNotFound"), "{what}: {}", reply.body);
    }
    let headers = [("x-account-id", stranger.account_id.as_str())];
    let listed = user.request(Method::GET, paths::BUSINESS_PROFILES, &headers, None).await?;
    assert_eq!(listed.refusal(), refused(404, "AccountNotFound"), "{}", listed.body);
    assert_eq!(stranger.get(&paths::business_profile(id)).await?.data()["name"], "Brew & Co");
    Ok(())
}
