//! Runs, and what the stores, the ledger and Step Functions know of them.

use crate::Stack;
use anyhow::{Context, Result};
use serde_json::{Value, json};

/// A run that was accepted.
#[derive(Debug)]
pub struct Run {
    /// Its id.
    pub run_id: String,
    /// Whom it analyses.
    pub username: String,
}

impl Run {
    /// What the last step of its machine is told when an error ended it: the name of its execution, and the error.
    pub fn failure(&self) -> Value {
        failure_of(&self.run_id)
    }
}

/// What the last step of a machine is told of an execution that ran out of time.
pub(crate) fn failure_of(execution: &str) -> Value {
    json!({"executionName": execution, "error": {"Error": "States.Timeout", "Cause": ""}})
}

impl Stack {
    /// The history of a run's first execution.
    pub async fn history(&self, run: &Run) -> Result<Value> {
        self.aws.history(&self.description.state_machines["analysis"], &run.run_id).await
    }

    /// What a run moved in its account's ledger, in order: each move's kind and amount.
    pub async fn moves(&self, run: &Run) -> Result<Vec<Value>> {
        let sql = "select kind, amount from public.credit_transactions where run_id = $1::text::uuid order by created_at";
        self.database.rows(sql, &[&run.run_id]).await
    }

    /// How Postgres has a run.
    pub async fn status(&self, run: &Run) -> Result<String> {
        let sql = "select status from public.runs where run_id = $1::text::uuid";
        let row = self.database.row(sql, &[&run.run_id]).await?;
        Ok(row["status"].as_str().context("no status")?.to_owned())
    }

    /// What a run moved in its account's ledger, in order: a charge, and its refund if there was one.
    pub async fn ledger(&self, run: &Run) -> Result<Vec<i64>> {
        let sql =
            "select amount from public.credit_transactions where run_id = $1::text::uuid order by created_at";
        let rows = self.database.rows(sql, &[&run.run_id]).await?;
        rows.iter().map(|row| row["amount"].as_i64().context("no amount")).collect()
    }

    /// The upstream calls on a run's record, oldest first: rows of `ai_usage_logs`. The API does not tell of them.
    pub async fn calls(&self, run: &Run) -> Result<Vec<Value>> {
        let sql = "select task, provider, model, input_tokens, cached_tokens, output_tokens, cost_usd, duration_ms,
                          is_fallback, is_cache_hit, outcome
                     from public.ai_usage_logs where run_id = $1::text::uuid order by created_at, ai_usage_log_id";
        self.database.rows(sql, &[&run.run_id]).await
    }

    /// How many runs an account has.
    pub async fn run_count(&self, account_id: &str) -> Result<u64> {
        let sql = "select count(*) as n from public.runs where account_id = $1::text::uuid";
        self.database.row(sql, &[account_id]).await?["n"].as_u64().context("n")
    }

    /// What `refund-run` says to a run of which the state machine gave up.
    pub async fn refund(&self, run: &Run) -> Result<Value> {
        self.invoke("refund-run", &run.failure()).await?.output()
    }

    /// The key of the snapshot that a run reads, from its execution's history.
    pub async fn snapshot_key(&self, run: &Run) -> Result<String> {
        let history = self.history(run).await?.to_string();
        let start = history.find("profiles/").context("no snapshot in the history")?;
        let rest = history.get(start..).unwrap_or_default();
        let key = rest.split(|c: char| !(c.is_ascii_alphanumeric() || "/._-".contains(c))).next();
        Ok(key.unwrap_or_default().to_owned())
    }
}
