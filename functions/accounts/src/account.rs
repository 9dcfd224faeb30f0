//! `GET` and `PUT /api/account`.

use oslira_api::{Account, AccountDocument, Route, Tag, example};
use oslira_domain::{Error, Result};
use oslira_lambda::{Reply, Request};
use oslira_postgres::{Row, UserDb};
use serde_json::json;

const PATH: &str = "/api/account";

pub(crate) fn get_route() -> Route {
    Route::get(PATH, "getAccount", Tag::Account, "The account, and what the caller may do in it")
        .in_account()
        .answers::<Account>(200, "The account.", [("owner", kestrel())])
}

pub(crate) fn update_route() -> Route {
    Route::put(PATH, "updateAccount", Tag::Account, "Rename the account")
        .describe("For owners.")
        .in_account()
        .takes::<AccountDocument>([("renamed", json!({"name": "Kestrel Coffee Roasters"}))])
        .answers::<Account>(200, "The account as it is now.", [("renamed", kestrel())])
        .refuses(&Error::owner_required())
}

/// Answers [`Account`].
pub async fn get_account(db: &UserDb, request: Request) -> Result<Reply> {
    let (caller, account_id) = (request.caller()?, request.account_id()?);
    request.no_query()?;
    let sql = "select a.account_id, a.name, m.role, a.created_at
                 from public.accounts a join public.members m using (account_id)
                 where a.account_id = $1 and m.user_id = (select auth.uid())";
    let row = db.optional(caller.user_id, sql, &[&account_id]).await?;
    Ok(Reply::ok(read(&row.ok_or_else(Error::account_not_found)?)?))
}

/// Renames the account and answers with it. A repeated request changes nothing more.
///
/// # Errors
/// `OwnerRequired` for a member who is not an owner.
pub async fn update_account(db: &UserDb, request: Request) -> Result<Reply> {
    let (caller, account_id) = (request.caller()?, request.account_id()?);
    request.no_query()?;
    let AccountDocument { name } = request.body()?;
    // Row-level security lets owners alone update the row, and shows it to every member.
    let sql = "with renamed as (
                 update public.accounts set name = $2 where account_id = $1 returning name
               )
               select a.account_id, renamed.name, m.role, a.created_at
                 from public.accounts a
                 join public.members m using (account_id)
                 left join renamed on true
                 where a.account_id = $1 and m.user_id = (select auth.uid())";
    let row = db.optional(caller.user_id, sql, &[&account_id, &name]).await?;
    let row = row.ok_or_else(Error::account_not_found)?;
    if row.read::<Option<String>>("name")?.is_none() {
        return Err(Error::owner_required());
    }
    Ok(Reply::ok(read(&row)?))
}

fn read(row: &Row) -> Result<Account> {
    Ok(Account {
        id: row.read("account_id")?,
        name: row.read("name")?,
        role: row.read("role")?,
        created_at: row.read("created_at")?,
    })
}

fn kestrel() -> Account {
    example(json!({
        "id": "3f0f7a52-9d59-4a5f-8d0e-6f6f9b6a2c11", "name": "Kestrel Coffee Roasters", "role": "owner",
        "createdAt": "2026-11-20T18:04:11.402113Z",
    }))
}
