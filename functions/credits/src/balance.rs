//! `GET /api/credits/balance`.

use oslira_api::{CreditBalance, Route, Tag, example};
use oslira_domain::{Error, Result};
use oslira_lambda::{Reply, Request};
use oslira_postgres::UserDb;
use serde_json::json;

pub(crate) fn balance_route() -> Route {
    let free = example(json!({"balance": 9, "plan": "free", "periodEnd": null, "status": "active"}));
    Route::get("/api/credits/balance", "getCreditBalance", Tag::Account, "Credits left, and the plan")
        .in_account()
        .answers::<CreditBalance>(200, "The account's balance.", [("free", free)])
}

/// Answers [`CreditBalance`].
pub async fn get_credit_balance(db: &UserDb, request: Request) -> Result<Reply> {
    let (caller, account_id) = (request.caller()?, request.account_id()?);
    request.no_query()?;
    let sql = "select b.balance, a.plan_id, a.period_end, a.plan_status
                 from public.credit_balances b join public.accounts a using (account_id)
                 where b.account_id = $1";
    let row = db.optional(caller.user_id, sql, &[&account_id]).await?;
    let row = row.ok_or_else(Error::account_not_found)?;
    Ok(Reply::ok(CreditBalance {
        balance: row.read("balance")?,
        plan: row.read("plan_id")?,
        period_end: row.read("period_end")?,
        status: row.read("plan_status")?,
    }))
}
