//! `GET /api/credits/balance`.

use jiff::Timestamp;
use oslira_domain::Result;
use oslira_lambda::{Reply, Request};
use oslira_postgres::UserDb;
use serde_json::json;

/// Answers `{balance, plan, periodEnd, status}`: whole credits, the plan's id, when its paid period ends
/// (`null` without one), and the subscription's status in Stripe's words.
pub async fn get_credit_balance(db: &UserDb, request: Request) -> Result<Reply> {
    let (caller, account_id) = (request.caller()?, request.account_id()?);
    let sql = "select b.balance, a.plan_id, a.period_end, a.plan_status
                 from public.credit_balances b join public.accounts a using (account_id)
                 where b.account_id = $1";
    let row = db.optional(caller.user_id, sql, &[&account_id]).await?;
    let row = row.ok_or_else(Request::account_not_found)?;
    Ok(Reply::ok(json!({
        "balance": row.read::<i32>("balance")?,
        "plan": row.read::<String>("plan_id")?,
        "periodEnd": row.read::<Option<Timestamp>>("period_end")?,
        "status": row.read::<String>("plan_status")?,
    })))
}
