//! Refreshes of leads: checks, demands for newer data, and the cache that both are about.

use crate::{Reply, Run, Stack, User, eventually, paths};
use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};

/// A check that was started.
#[derive(Debug, PartialEq, Eq)]
pub struct RefreshCheck {
    /// Its id.
    pub check_id: String,
    /// Which lead it is of.
    pub lead_id: String,
}

impl User<'_> {
    /// A lead that a complete LIGHT analysis made: its id.
    pub async fn lead(&self, username: &str) -> Result<String> {
        let (run, progress) = self.analyze(username).await?;
        ensure!(progress["status"] == "complete", "no lead: {progress}");
        self.lead_of(&run).await
    }

    /// The lead of a complete run: its id.
    pub async fn lead_of(&self, run: &Run) -> Result<String> {
        let result = self.result(run).await?;
        Ok(result.data()["leadId"]
            .as_str()
            .with_context(|| format!("no lead in {}", result.body))?
            .to_owned())
    }

    /// Asks whether a lead needs a refresh.
    pub async fn check_refresh(&self, lead_id: &str) -> Result<Reply> {
        self.request(Method::POST, &paths::refresh_check(lead_id), &[], None).await
    }

    /// The same, for a profile that has to be scraped.
    pub async fn start_check(&self, lead_id: &str) -> Result<RefreshCheck> {
        let reply = self.check_refresh(lead_id).await?;
        ensure!(reply.status == 202, "no check was started: {} {}", reply.status, reply.body);
        ensure!(reply.data()["statusUrl"] == paths::refresh_check(lead_id).as_str(), "{}", reply.body);
        let check_id = reply.data()["checkId"].as_str().context("no check")?.to_owned();
        Ok(RefreshCheck { check_id, lead_id: lead_id.to_owned() })
    }

    /// Waits until a lead's check has ended, and answers how.
    pub async fn finished_check(&self, check: &RefreshCheck) -> Result<Value> {
        eventually("the check to end", || async {
            let reply = self.get(&paths::refresh_check(&check.lead_id)).await?;
            ensure!(reply.status == 200, "no check: {} {}", reply.status, reply.body);
            ensure!(reply.data()["checkId"] == check.check_id.as_str(), "another check: {}", reply.body);
            Ok((reply.data()["status"] != "checking").then(|| reply.data().clone()))
        })
        .await
    }

    /// The answer of a check that must be complete.
    pub async fn checked(&self, check: &RefreshCheck) -> Result<Value> {
        let ended = self.finished_check(check).await?;
        ensure!(ended["status"] == "complete", "no answer: {ended}");
        Ok(ended["answer"].clone())
    }

    /// Demands newer data for a lead.
    pub async fn force_refresh(&self, lead_id: &str) -> Result<Reply> {
        self.request(Method::POST, &paths::force_refresh(lead_id), &[], None).await
    }

    /// The input of a check's execution, and of its stages.
    pub fn check_input(&self, check: &RefreshCheck, username: &str) -> Value {
        json!({
            "runId": check.check_id, "accountId": self.account_id, "leadId": check.lead_id, "username": username,
            "tier": "xray",
        })
    }
}

impl Stack {
    /// Lets the cache have got a username's profile so many hours earlier.
    pub async fn age_cached_profile(&self, username: &str, hours: i64) -> Result<()> {
        let (bucket, key) = (&self.description.buckets["profiles"], profile_entry(username));
        let mut entry = self.aws.object(bucket, &key).await?.context("the profile is not in the cache")?;
        let scraped_at: Timestamp = entry["scrapedAt"].as_str().context("scrapedAt")?.parse()?;
        entry["scrapedAt"] = json!(scraped_at - SignedDuration::from_hours(hours));
        self.aws.put_object(bucket, &key, &entry).await
    }

    /// Whether the cache has a username's posts.
    pub async fn has_cached_posts(&self, username: &str) -> Result<bool> {
        let bucket = &self.description.buckets["profiles"];
        Ok(self.aws.object(bucket, &format!("instagram:{username}:posts:v1")).await?.is_some())
    }

    /// Stops a check's execution, as an operator would in the console.
    pub async fn stop_check(&self, check: &RefreshCheck) -> Result<()> {
        self.aws.stop_execution(&self.description.state_machines["refresh-check"], &check.check_id).await
    }

    /// Takes a check's start and its latest sign of life ten minutes back, as if nothing had happened since.
    pub async fn quieten_check(&self, check: &RefreshCheck) -> Result<()> {
        let ago = (Timestamp::now() - SignedDuration::from_mins(10)).as_millisecond();
        let table = &self.description.tables["run-progress"];
        let of_lead = json!({"runId": {"S": format!("refresh-check#{}", check.lead_id)}});
        self.aws.set_number(table, of_lead, "startedAt", ago).await?;
        self.aws.set_number(table, json!({"runId": {"S": check.check_id}}), "updatedAt", ago).await
    }

    /// Changes columns of a lead.
    pub async fn set_lead(&self, lead_id: &str, columns: &str) -> Result<()> {
        self.database.run(&format!("update public.leads set {columns} where lead_id = '{lead_id}'")).await
    }
}

fn profile_entry(username: &str) -> String {
    format!("instagram:{username}:v1")
}
