//! Lists, a page at a time.

use crate::{Parameter, Parameters, Row, UserDb};
use oslira_api::{Page, Paged};
use oslira_domain::{AccountId, Error, Result, UserId};

/// A list of things that belong to an account.
#[derive(Debug)]
pub struct List<'a> {
    /// Selects all matching rows, in any order. It is a `select` in which `$1` is the account, and the other
    /// values are `parameters`.
    pub select: &'a str,
    /// The columns to sort by, as `order by` takes them. The last one has to be an id: without a total order
    /// an entry may be on two pages, or on none.
    pub order: &'a str,
    /// The values for `$2` and so on.
    pub parameters: &'a Parameters<'a>,
}

impl UserDb {
    /// Returns one page of a list and the number of all its entries, in one statement.
    ///
    /// # Errors
    /// `AccountNotFound` when the user is not in the account.
    pub async fn page<T>(
        &self,
        user_id: UserId,
        account_id: AccountId,
        list: List<'_>,
        page: Page,
        read: impl Fn(&Row) -> Result<T>,
    ) -> Result<Paged<T>> {
        let List { select, order, parameters } = list;
        let n = parameters.len() + 1;
        // An empty page still has one row, with the total and without an entry. There is no row when
        // row-level security does not show the account.
        let sql = format!(
            "with matching as not materialized ({select})
             select counted.total, entry.*
               from (select count(*) as total from matching) counted
               left join lateral (
                 select true as is_entry, matching.* from matching order by {order} limit ${} offset ${}
               ) entry on true
               where exists (select from public.accounts a where a.account_id = $1)
               order by {order}",
            n + 1,
            n + 2
        );
        let (limit, offset) = (page.limit(), page.offset());
        let bounds: [&dyn Parameter; 2] = [&limit, &offset];
        let all = [&[&account_id as &dyn Parameter], parameters, &bounds].concat();
        let rows = self.all(user_id, &sql, &all).await?;
        let total = rows.first().ok_or_else(Error::account_not_found)?.read("total")?;
        let mut entries = Vec::new();
        for row in &rows {
            if row.read::<Option<bool>>("is_entry")?.is_some() {
                entries.push(read(row)?);
            }
        }
        Ok(page.of(total, entries))
    }
}
