//! Profiles as nobody expects them: an item that cannot be read, and one that holds more than Instagram can have.

use anyhow::Result;
use oslira_tests::{Lambda, Stack, User};
use serde_json::json;

#[tokio::test]
async fn in_a_batch_an_item_that_cannot_be_read_spoils_itself_alone() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let usernames: Vec<String> = (0..10).map(|_| user.username("batch")).collect();
    stack.stand_ins.profile_item(&usernames[3], "\"?\"".to_owned()).await?;
    let cut_in_an_emoji =
        format!(r#"{{"username": "{}", "followersCount": 5, "id": "\ud83d", "id2": 1e999}}"#, usernames[7]);
    stack.stand_ins.profile_item(&usernames[7], cut_in_an_emoji).await?;
    let run = user.accept(&usernames[0]).await?;
    let mut input = user.scrape_of(&run);
    (input["usernames"], input["runKind"]) = (json!(usernames), json!("batch"));
    let mut lambda = Lambda::start(&stack, "scrape-profiles", &[]).await?;
    let scraped = lambda.invoke(&input).await?.output()?;
    let found = |username: &&String| scraped["found"][username.as_str()]["snapshotKey"].is_string();
    let lost: Vec<&String> = usernames.iter().filter(|username| !found(username)).collect();
    assert_eq!(lost, [&usernames[3]], "{scraped}");
    assert_eq!(stack.stand_ins.actor_runs(&usernames[0]).await?, 1, "actors");
    assert_eq!(stack.slots_of(&run.run_id).await?, 0, "slots");
    assert_eq!(stack.payers(&usernames[0]).await?.len(), 1);
    stack.refund(&run).await?;
    Ok(())
}

#[tokio::test]
async fn a_lead_shows_no_more_than_instagram_can_have_and_no_link_that_runs() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("boundless");
    let fields = json!({
        "biography": format!("a\r\n\u{202e}b{}", "x".repeat(1_000_000)), "fullName": "N\u{0}\nN".repeat(100),
        "externalUrl": "javascript:alert(1)", "externalUrls": [{"url": "JAVASCRIPT:alert(2)"}],
        "followersCount": 5_000, "followsCount": u64::MAX, "postsCount": 1e18,
    });
    stack.stand_ins.profile(&username, &fields).await?;
    let (_, progress) = user.analyze(&username).await?;
    assert_eq!(progress["status"], "complete", "{progress}");
    let sql =
        "select full_name, biography, external_url, followers, following, posts_count < 1000000 as few_posts
                 from public.leads where username = $1";
    let lead = stack.database.row(sql, &[&username]).await?;
    let biography = lead["biography"].as_str().unwrap_or_default();
    assert!(biography.starts_with("a\nbx") && biography.chars().count() == 300, "{lead}");
    let full_name = lead["full_name"].as_str().unwrap_or_default();
    assert!(full_name.starts_with("N NN N") && full_name.chars().count() == 128, "{lead}");
    assert!(lead["external_url"].is_null(), "{lead}");
    assert_eq!(lead["followers"], 5_000, "{lead}");
    assert_eq!(lead["following"], 0, "{lead}");
    assert_eq!(lead["few_posts"], true, "{lead}");
    Ok(())
}
