//! What is temporary expires.

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use oslira_tests::{AnonymousCaller, Stack, User};
use serde_json::Value;
use std::collections::BTreeMap;

/// The tables whose items expire, and the attribute that says when. The emulator does not take over from the template what
/// DynamoDB does with it; a contract test compares the attribute with the template.
const TABLES: [&str; 4] = ["run-progress", "scrape-flights", "ai-usage", "rate-limits"];
const EXPIRES_AT: &str = "expiresAt";

/// By table whose items expire: those items that name one of these ids, after seeing that each says when it expires.
async fn expiring(stack: &Stack, ids: &[&str]) -> Result<BTreeMap<String, Vec<Value>>> {
    let mut found = BTreeMap::new();
    for name in TABLES {
        let table = stack.description.tables.get(name).with_context(|| format!("no table {name}"))?;
        let mut items = stack.aws.items(table).await?;
        items.retain(|item| ids.iter().any(|id| item.to_string().contains(id)));
        for item in &items {
            let at = item[EXPIRES_AT]["N"].as_str();
            let at: i64 = at.with_context(|| format!("{name}: no {EXPIRES_AT} in {item}"))?.parse()?;
            ensure!(at > Timestamp::now().as_second(), "{name}: expired at once: {item}");
        }
        found.insert(name.to_owned(), items);
    }
    Ok(found)
}

#[tokio::test]
async fn an_item_of_a_table_whose_items_expire_says_when() -> Result<()> {
    let stack = Stack::connect().await?;
    let (user, caller) = (User::sign_up(&stack, 10).await?, AnonymousCaller::arrive(&stack));
    let username = user.username("expires");
    stack.hold_actors(&username).await?;
    let run = user.start(&username).await?;
    stack.actor_noted(&username).await?;
    // A flight is there only as long as it lasts.
    let mut found = expiring(&stack, &[&run.run_id, &username]).await?;
    stack.stand_ins.release(&username).await?;
    user.finished(&run).await?;
    let (anonymous, _) = caller.analyze(&caller.username("expires")).await?;
    let ids = [&run.run_id, &username, &user.account_id, &anonymous.run_id, &caller.address];
    for (name, items) in expiring(&stack, &ids.map(String::as_str)).await? {
        found.entry(name).or_default().extend(items);
    }
    let unused: Vec<_> = found.iter().filter(|(_, items)| items.is_empty()).map(|(name, _)| name).collect();
    assert!(
        unused.is_empty(),
        "nothing of these runs was seen in {unused:?}: look at a run that writes there"
    );
    Ok(())
}
