//! What the files of this repository must agree on: template, state machines, Rust, SQL and documents.
//!
//! Nothing is run: files are read and compared. A test that fails says what to change, and where.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(
    clippy::print_stdout,
    reason = "`cargo xtask test` shows lines that begin with `note: ` under its table"
)]

mod declared;
mod documents;
mod errors;
mod files;
mod kinds;
mod lambdas;
mod made_up;
mod models;
mod permissions;
mod pipeline;
mod request_limits;
mod routes;
mod samples;
mod schedules;
mod state_machine;
mod stores;
mod template;
mod tiers;

/// Fails with all problems at once, one a line.
#[track_caller]
fn none(problems: impl IntoIterator<Item = String>) {
    let problems: Vec<String> = problems.into_iter().collect();
    assert!(problems.is_empty(), "\n- {}\n", problems.join("\n- "));
}
