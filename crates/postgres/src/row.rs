//! A row of a statement's answer.

use crate::values::Column;
use oslira_domain::{Error, Result};

#[derive(Debug)]
pub struct Row(pub(crate) tokio_postgres::Row);

impl Row {
    /// Returns the value of a column. An internal error when the statement has no column of this name and
    /// type.
    pub fn read<T: Column>(&self, column: &str) -> Result<T> {
        T::from_stored(self.0.try_get(column).map_err(Error::internal)?)
    }
}

pub(crate) fn at_most_one(mut rows: Vec<Row>) -> Result<Option<Row>> {
    match rows.len() {
        0 | 1 => Ok(rows.pop()),
        n => Err(Error::internal(format!("a statement for one row answered {n}"))),
    }
}

pub(crate) fn just_one(rows: Vec<Row>) -> Result<Row> {
    at_most_one(rows)?.ok_or_else(|| Error::internal("a statement for one row answered none"))
}
