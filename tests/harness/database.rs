//! Postgres as its superuser: to set the scene, and to look behind the API.

use anyhow::{Context, Result};
use serde_json::Value;
use tokio_postgres::{
    Client, NoTls, SimpleQueryMessage,
    types::{ToSql, Type},
};

/// A direct connection that row-level security does not bind.
pub struct Database(Client);

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Database")
    }
}

impl Database {
    pub(crate) async fn connect(url: &str) -> Result<Self> {
        // The server speaks TLS too; on one machine, a test need not.
        let mut config: tokio_postgres::Config = url.parse()?;
        config.ssl_mode(tokio_postgres::config::SslMode::Disable);
        let (client, connection) = config.connect(NoTls).await.context("Postgres is not reachable")?;
        tokio::spawn(connection);
        Ok(Self(client))
    }

    /// Runs statements.
    pub async fn run(&self, sql: &str) -> Result<()> {
        Ok(self.0.batch_execute(sql).await?)
    }

    /// The rows of a query as JSON objects. Parameters are text; cast them in the query.
    pub async fn rows(&self, sql: &str, params: &[&str]) -> Result<Vec<Value>> {
        let params: Vec<(&(dyn ToSql + Sync), Type)> =
            params.iter().map(|param| (param as &(dyn ToSql + Sync), Type::TEXT)).collect();
        let sql = format!("with q as ({sql}) select to_jsonb(q) from q");
        let rows = self.0.query_typed(&sql, &params).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// The only row of a query.
    pub async fn row(&self, sql: &str, params: &[&str]) -> Result<Value> {
        let mut rows = self.rows(sql, params).await?;
        anyhow::ensure!(rows.len() == 1, "{} rows instead of one", rows.len());
        rows.pop().context("no row")
    }

    /// How Postgres would run a query without parameters, if it uses an index wherever one fits.
    pub async fn plan(&self, sql: &str) -> Result<String> {
        let forced = "set local enable_seqscan = off; set local enable_bitmapscan = off";
        let sql = format!("begin; {forced}; explain (costs off) {sql}; rollback");
        let answers = self.0.simple_query(&sql).await?;
        let lines = answers.iter().filter_map(|answer| match answer {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        Ok(lines.collect::<Vec<_>>().join("\n"))
    }

    /// The process id of this connection.
    pub async fn process_id(&self) -> Result<String> {
        let row = self.row("select pg_backend_pid()::text as pid", &[]).await?;
        Ok(row["pid"].as_str().context("no pid")?.to_owned())
    }

    /// What an account used by its usage, and what by its ledger: the number of charges and of refunds, and the credits of each.
    /// They are equal, or something was miscounted.
    pub async fn usage_and_ledger(&self, account_id: &str) -> Result<(Value, Value)> {
        let sql = "select
                     (select jsonb_build_array(coalesce(sum(u.started), 0), coalesce(sum(u.credits_charged), 0),
                                               coalesce(sum(u.refunded), 0), coalesce(sum(u.credits_refunded), 0))
                        from public.usage_days u where u.account_id = a.account_id) as usage,
                     (select jsonb_build_array(count(*) filter (where t.amount < 0), coalesce(sum(-t.amount) filter (where t.amount < 0), 0),
                                               count(*) filter (where t.amount > 0), coalesce(sum(t.amount) filter (where t.amount > 0), 0))
                        from public.credit_transactions t where t.account_id = a.account_id and t.run_id is not null) as ledger
                     from public.accounts a where a.account_id = $1::text::uuid";
        let row = self.row(sql, &[account_id]).await?;
        Ok((row["usage"].clone(), row["ledger"].clone()))
    }

    /// Balance and ledger sum of an account: equal, or credits were lost or made.
    pub async fn balance_and_ledger(&self, account_id: &str) -> Result<(i64, i64)> {
        let sql = "select b.balance, (select coalesce(sum(amount), 0) from public.credit_transactions t
                     where t.account_id = b.account_id) as ledger
                     from public.credit_balances b where b.account_id = $1::text::uuid";
        let row = self.row(sql, &[account_id]).await?;
        Ok((row["balance"].as_i64().context("balance")?, row["ledger"].as_i64().context("ledger")?))
    }
}
