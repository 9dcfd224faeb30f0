//! Queries the running stack's database.

use crate::{
    stack::{Need, Stack, postgres::Postgres, prerequisites, secrets::Secrets},
    ui::Phase,
};
use anyhow::{Context, Result};

/// Runs SQL as the superuser and returns the rows as bare text.
pub(crate) fn query(stack: &Stack, phase: &Phase, what: &str, sql: &str) -> Result<String> {
    let programs = prerequisites::ensure(stack, Need::Stack, phase)?;
    let secrets = Secrets::ensure(stack)?;
    let port = stack.daemons().alive("postgres").context("PostgreSQL does not run")?.port;
    Postgres::at(port, &programs, &secrets).sql(what, sql)
}
