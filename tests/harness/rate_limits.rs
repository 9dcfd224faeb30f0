//! The turns that rate limits count, in their table.

use crate::{Stack, User};
use anyhow::{Context, Result};
use serde_json::{Value, json};

impl Stack {
    /// The item of a limit's key, with a map of turns for each window.
    pub async fn turns(&self, key: &str) -> Result<Option<Value>> {
        self.aws.item(&self.description.tables["rate-limits"], json!({"key": {"S": key}})).await
    }

    /// Lets so much time go by for a limit's key.
    pub async fn let_time_pass(&self, key: &str, ms: i64) -> Result<()> {
        let mut item = self.turns(key).await?.with_context(|| format!("{key} took no turn"))?;
        let attributes = item.as_object_mut().into_iter().flatten();
        for (_, window) in attributes.filter(|(name, _)| name.starts_with("window")) {
            for (_, at) in window["M"].as_object_mut().into_iter().flatten() {
                let then: i64 = at["N"].as_str().context("no number")?.parse()?;
                *at = json!({"N": (then - ms).to_string()});
            }
        }
        self.aws.put_item(&self.description.tables["rate-limits"], item).await
    }
}

impl User<'_> {
    /// Puts the account on a plan of its own with so many analyses an hour. The authorizer remembers the plan
    /// that it saw first, so this comes before the user's first request.
    pub async fn may_start_an_hour(&self, analyses: u32) -> Result<()> {
        let plan = format!("test-{}", self.account_id);
        let sql = format!(
            "insert into public.plans (plan_id, name, monthly_credits, starting_credits, price_cents, analyses_per_hour)
               values ('{plan}', 'Test', 0, 0, 0, {analyses})
               on conflict (plan_id) do update set analyses_per_hour = excluded.analyses_per_hour;
             update public.accounts set plan_id = '{plan}' where account_id = '{}'",
            self.account_id
        );
        self.stack().database.run(&sql).await
    }

    /// The key of the account's limit of analyses.
    pub fn analyses_key(&self) -> String {
        format!("analyses#{}", self.account_id)
    }
}
