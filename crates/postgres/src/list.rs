//! Lists: a page at a time, or whole.

use crate::{Parameter, Parameters, Row, UserDb};
use oslira_api::{MOST_ROWS, Page, Paged, export_too_large};
use oslira_domain::{AccountId, Error, Result, UserId};

/// A list of things that belong to an account.
#[derive(Debug)]
pub struct List<'a> {
    /// Selects all matching rows, in any order. It is a `select` in which `$1` is the account, and the other
    /// values are `parameters`.
    pub select: &'a str,
    /// The columns to sort by, as `order by` takes them. The last one has to be an id, which no two entries share:
    /// without a total order an entry may be on two pages, or on none.
    pub order: &'a str,
    /// The values for `$2` and so on.
    pub parameters: &'a Parameters<'a>,
}

impl UserDb {
    /// Returns one page of a list and the number of its entries up to [`MOST_ROWS`], in one statement.
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
        let entries_of_page = entries_at(order, &format!("${}", n + 1), &format!("${}", n + 2));
        let sql = format!(
            "with matching as not materialized ({select})
             select counted.total, entry.*
               from (select count(*) as total from (select from matching limit {MOST_ROWS}) counted) counted
               left join ({entries_of_page}) entry on true
               where exists (select from public.accounts a where a.account_id = $1)
               order by {order}"
        );
        let (limit, offset) = (page.limit(), page.offset());
        let bounds: [&dyn Parameter; 2] = [&limit, &offset];
        let all = [&[&account_id as &dyn Parameter], parameters, &bounds].concat();
        let rows = self.all(user_id, &sql, &all).await?;
        let total = rows.first().ok_or_else(Error::account_not_found)?.read("total")?;
        Ok(page.of(total, entries(&rows, read)?))
    }

    /// Returns all entries of a list, for a CSV.
    ///
    /// # Errors
    /// `AccountNotFound` when the user is not in the account, and `ExportTooLarge` for more than [`MOST_ROWS`].
    pub async fn whole<T>(
        &self,
        user_id: UserId,
        account_id: AccountId,
        list: List<'_>,
        read: impl Fn(&Row) -> Result<T>,
    ) -> Result<Vec<T>> {
        let List { select, order, parameters } = list;
        // Like a page: the account has a row even if the list has none. One entry more than there may be tells that
        // there are too many.
        let first_entries = entries_at(order, &(MOST_ROWS + 1).to_string(), "0");
        let sql = format!(
            "with matching as not materialized ({select})
             select entry.*
               from public.accounts a
               left join ({first_entries}) entry on true
               where a.account_id = $1
               order by {order}"
        );
        let all = [&[&account_id as &dyn Parameter], parameters].concat();
        let rows = self.all(user_id, &sql, &all).await?;
        rows.first().ok_or_else(Error::account_not_found)?;
        if rows.len() > MOST_ROWS as usize {
            return Err(export_too_large());
        }
        entries(&rows, read)
    }
}

/// The entries of `matching` at these places. First their ids are found, for which an index is enough: a page far down the list
/// reads no more whole rows than the first one.
fn entries_at(order: &str, limit: &str, offset: &str) -> String {
    let last_column = order.rsplit(',').next().unwrap_or(order);
    let id = last_column.split_whitespace().next().unwrap_or(last_column);
    format!(
        "select true as is_entry, matching.* from matching
           where {id} = any (array(select {id} from matching order by {order} limit {limit} offset {offset}))"
    )
}

fn entries<T>(rows: &[Row], read: impl Fn(&Row) -> Result<T>) -> Result<Vec<T>> {
    let mut entries = Vec::new();
    for row in rows {
        if row.read::<Option<bool>>("is_entry")?.is_some() {
            entries.push(read(row)?);
        }
    }
    Ok(entries)
}
