//! Policies as people first write them: they look the caller up for each row.

use anyhow::{Context, Result, ensure};
use oslira_tests::Stack;

/// The condition that members read a tenant's table by, as Postgres prints it.
const OURS: &str =
    "(account_id = ANY (( SELECT oslira.accounts_of_caller('member'::text) AS accounts_of_caller)::uuid[]))";

/// Changes the policies for reading so that they ask for each row whether the caller is in its account. The stack is gone
/// afterwards.
pub(crate) async fn make_bare(stack: &Stack) -> Result<()> {
    let sql =
        "select tablename, policyname, qual from pg_policies where schemaname = 'public' and cmd = 'SELECT'
                 and strpos(qual, 'accounts_of_caller(''member''') > 0";
    let policies = stack.database.rows(sql, &[]).await?;
    ensure!(!policies.is_empty(), "no policy asks for the caller's accounts");
    for policy in policies {
        let text = |name: &str| policy[name].as_str().with_context(|| format!("no {name}"));
        let (table, name, condition) = (text("tablename")?, text("policyname")?, text("qual")?);
        ensure!(condition.contains(OURS), "{table}: another condition than expected: {condition}");
        let bare = format!(
            "exists (select from public.members m where m.account_id = {table}.account_id and m.user_id = auth.uid())"
        );
        let condition = condition.replace(OURS, &bare);
        let sql = format!("alter policy \"{name}\" on public.{table} using ({condition})");
        stack.database.run(&sql).await.with_context(|| sql.clone())?;
    }
    Ok(())
}
