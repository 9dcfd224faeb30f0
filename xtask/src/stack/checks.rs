//! What the checks of `cargo xtask test` need from the stack.

use crate::{
    process::Cmd,
    stack::{Need, Stack, postgres::Postgres, prerequisites, secrets::Secrets, tools},
    ui::Phase,
};
use anyhow::{Context, Result};

/// Installs what the checks need.
pub(crate) fn prepare_for_tests(stack: &Stack, phase: &Phase) -> Result<()> {
    prerequisites::ensure(stack, Need::Tests, phase)?;
    tools::ensure_venv(stack, phase)
}

/// `pg_prove` on the running stack, where pgTAP gets installed. pgTAP's functions are in the schema
/// `extensions`, where Supabase puts extensions, and every role may call them.
pub(crate) fn pg_prove(stack: &Stack, phase: &Phase) -> Result<Cmd> {
    let programs = prerequisites::ensure(stack, Need::Tests, phase)?;
    let secrets = Secrets::ensure(stack)?;
    let port = stack.daemons().alive("postgres").context("PostgreSQL does not run")?.port;
    let postgres = Postgres::at(port, &programs, &secrets);
    postgres.sql("installing pgTAP", "create extension if not exists pgtap with schema extensions;")?;
    Ok(Cmd::new("pg_prove")
        .arg("--psql-bin", programs.postgres_bin.join("psql"))
        .args(["--dbname", "postgres", "--comments"])
        .envs(postgres.environment()))
}
