//! A signed-in user with an account of their own, who uses the API as a front end would.

use crate::{
    Fault, Reply, Run, Stack, Upstream, eventually,
    http::{ORIGIN, request},
    paths, unique_username,
};
use anyhow::{Context, Result, ensure};
use oslira_domain::Tier;
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

/// A user of one test: no other test sees their account.
#[derive(Debug)]
pub struct User<'a> {
    stack: &'a Stack,
    /// Supabase's id.
    pub user_id: String,
    /// The address in the token.
    pub email: String,
    /// Their account.
    pub account_id: String,
    /// A business profile of that account.
    pub business_profile_id: String,
    /// A good token.
    pub token: String,
}

impl<'a> User<'a> {
    /// Signs up a new user, confirmed, with this many credits and a business profile for coffee.
    pub async fn sign_up(stack: &'a Stack, credits: i32) -> Result<User<'a>> {
        let user_id = Uuid::now_v7().to_string();
        let email = format!("{user_id}@example.test");
        let db = &stack.database;
        db.run(&format!(
            "insert into auth.users (id, email, email_confirmed_at) values ('{user_id}', '{email}', now())"
        ))
        .await?;
        let sql = "select m.account_id, b.balance from public.members m join public.credit_balances b using (account_id)
                     where m.user_id = $1::text::uuid";
        let row = db.row(sql, &[&user_id]).await?;
        let account_id = row["account_id"].as_str().context("no account")?.to_owned();
        let missing = i64::from(credits) - row["balance"].as_i64().context("no balance")?;
        if missing != 0 {
            db.run(&format!("select oslira.grant_credits('{account_id}', {missing}, 'test')")).await?;
        }
        let business_profile_id = Uuid::now_v7().to_string();
        db.run(&format!(
            "insert into public.business_profiles (business_profile_id, account_id, name, description, follower_min,
                 follower_max, engagement_min, content_themes, geo_focus)
               values ('{business_profile_id}', '{account_id}', 'Brew & Co', 'Roasts coffee for cafés.', 1000, 500000, 1.5,
                 '{{coffee,travel}}', '{{}}')"
        ))
        .await?;
        let token = stack.stand_ins.token_of(&user_id, &email).await?;
        Ok(Self { stack, user_id, email, account_id, business_profile_id, token })
    }

    pub(crate) fn stack(&self) -> &'a Stack {
        self.stack
    }

    /// Adds so many business profiles, beside the one that there is.
    pub async fn add_business_profiles(&self, count: u32) -> Result<()> {
        let account_id = &self.account_id;
        self.stack
            .database
            .run(&format!(
                "insert into public.business_profiles (account_id, name, description, follower_min, follower_max, engagement_min)
                   select '{account_id}', 'one of many', 'd', 1, 2, 1 from generate_series(1, {count})"
            ))
            .await
    }

    /// Makes another user a member of this one's account.
    pub async fn add_member(&self, member: &User<'_>) -> Result<()> {
        let sql = format!(
            "insert into public.members (account_id, user_id, role) values ('{}', '{}', 'member')",
            self.account_id, member.user_id
        );
        self.stack.database.run(&sql).await
    }

    /// A username no other test uses. What is in it decides what the scraper finds: see the stand-ins' README.
    pub fn username(&self, word: &str) -> String {
        unique_username(word)
    }

    /// GET as this user.
    pub async fn get(&self, path: &str) -> Result<Reply> {
        self.request(reqwest::Method::GET, path, &[], None).await
    }

    /// POST as this user.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Reply> {
        self.request(reqwest::Method::POST, path, &[], Some(body.to_string())).await
    }

    /// POST as this user, with an `Idempotency-Key`.
    pub async fn post_with_key(&self, path: &str, key: &str, body: &Value) -> Result<Reply> {
        let headers = [("idempotency-key", key)];
        self.request(reqwest::Method::POST, path, &headers, Some(body.to_string())).await
    }

    /// Any request as this user, with more headers and a body as it is.
    pub async fn request(
        &self,
        method: reqwest::Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Result<Reply> {
        let authorization = format!("Bearer {}", self.token);
        let mut all = vec![("authorization", authorization.as_str()), ("origin", ORIGIN)];
        all.extend(headers);
        request(self.stack, method, path, &all, body).await
    }

    /// The body that asks for a LIGHT analysis.
    pub fn analysis_of(&self, username: &str) -> Value {
        self.analysis_in(Tier::Light, username)
    }

    /// The body that asks for an analysis of this tier.
    pub fn analysis_in(&self, tier: Tier, username: &str) -> Value {
        json!({"username": username, "analysisType": tier.as_str(), "businessProfileId": self.business_profile_id})
    }

    /// Starts a LIGHT analysis that must be accepted.
    pub async fn start(&self, username: &str) -> Result<Run> {
        self.start_tier(Tier::Light, username).await
    }

    /// Starts a LIGHT analysis that must be accepted, with a model that takes six seconds, and waits until that is asked.
    pub async fn start_with_slow_model(&self, username: &str) -> Result<Run> {
        let Stack { stand_ins, .. } = self.stack;
        self.stack.use_up_hedges().await?;
        stand_ins.fault(Fault::slow(Upstream::OpenAi, Duration::from_secs(6)).of(username)).await?;
        let run = self.start(username).await?;
        eventually("the question", || async {
            Ok((stand_ins.requests(Upstream::OpenAi, username).await? == 1).then_some(()))
        })
        .await?;
        Ok(run)
    }

    /// Starts an analysis of this tier that must be accepted.
    pub async fn start_tier(&self, tier: Tier, username: &str) -> Result<Run> {
        let reply = self.post(paths::ANALYZE, &self.analysis_in(tier, username)).await?;
        ensure!(reply.status == 202, "not accepted: {} {}", reply.status, reply.body);
        Ok(Run { run_id: reply.run_id()?.to_owned(), username: username.to_owned() })
    }

    /// Waits until a run has ended, and answers its last progress.
    pub async fn finished(&self, run: &Run) -> Result<Value> {
        let path = paths::progress(&run.run_id);
        eventually("the run to end", || async {
            let reply = self.get(&path).await?;
            ensure!(reply.status == 200, "no progress: {} {}", reply.status, reply.body);
            let ended = ["complete", "failed", "cancelled"]
                .contains(&reply.data()["status"].as_str().unwrap_or_default());
            Ok(ended.then(|| reply.data().clone()))
        })
        .await
    }

    /// The result of a run.
    pub async fn result(&self, run: &Run) -> Result<Reply> {
        self.get(&paths::result(&run.run_id)).await
    }

    /// Runs a LIGHT analysis to its end, whichever it is.
    pub async fn analyze(&self, username: &str) -> Result<(Run, Value)> {
        self.analyze_tier(Tier::Light, username).await
    }

    /// Runs an analysis of this tier to its end, whichever it is.
    pub async fn analyze_tier(&self, tier: Tier, username: &str) -> Result<(Run, Value)> {
        let run = self.start_tier(tier, username).await?;
        let progress = self.finished(&run).await?;
        Ok((run, progress))
    }

    /// The balance, after seeing that it equals the ledger's sum, and that usage says the same as the ledger.
    pub async fn balance(&self) -> Result<i64> {
        let (balance, ledger) = self.stack.database.balance_and_ledger(&self.account_id).await?;
        ensure!(balance == ledger, "the balance is {balance} and the ledger's sum {ledger}");
        let (usage, ledger) = self.stack.database.usage_and_ledger(&self.account_id).await?;
        ensure!(usage == ledger, "the usage is {usage} and the ledger's {ledger}");
        Ok(balance)
    }
}
