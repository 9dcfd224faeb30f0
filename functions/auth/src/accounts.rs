//! `GET /api/auth/verify`: the caller's user id, email, accounts and role in each.

use oslira_domain::{AccountId, Result};
use oslira_lambda::{Reply, Request};
use oslira_postgres::UserDb;
use serde_json::{Value, json};

/// Answers `{userId, email, accounts: [{accountId, name, role}]}`, the default account first.
pub async fn verify_token(db: &UserDb, request: Request) -> Result<Reply> {
    let caller = request.caller()?;
    let sql = "select m.account_id, a.name, m.role
                 from public.members m join public.accounts a using (account_id)
                 where m.user_id = (select auth.uid())
                 order by m.created_at, m.account_id";
    let rows = db.all(caller.user_id, sql, &[]).await?;
    let accounts = rows.iter().map(|row| {
        Ok(json!({
            "accountId": row.read::<AccountId>("account_id")?,
            "name": row.read::<String>("name")?,
            "role": row.read::<String>("role")?,
        }))
    });
    let accounts = accounts.collect::<Result<Vec<Value>>>()?;
    Ok(Reply::ok(json!({"userId": caller.user_id, "email": caller.email, "accounts": accounts})))
}
