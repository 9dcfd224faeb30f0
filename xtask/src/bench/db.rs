//! `bench db`: measures the statements of lists and details on a database of a million leads.

use super::on_a_stack_of_its_own;
use crate::{
    process::Cmd,
    ui::{self, Ui},
    workspace::{ROOT, cargo, host_triple},
};
use anyhow::Result;

/// Starts a stack of its own, fills its database, measures, prints, and stops the stack.
pub(crate) fn db(leads: u32, json: bool, ui: &Ui) -> Result<()> {
    let host = host_triple()?;
    on_a_stack_of_its_own(false, ui, |stack| {
        ui.phase("compile the measuring program", |phase| {
            cargo("build", &host)
                .args(["--bin", "bench"])
                .log(stack.log("bench-compile"))
                .run("cargo build", phase)
        })?;
        let table = ui.phase("fill the database and measure (minutes)", |_| {
            Cmd::new(ROOT.join("target").join(&host).join("debug/bench"))
                .env("OSLIRA_STACK", stack.description_file())
                // The binary has no line tables, so a backtrace would be pages without information.
                .env("RUST_BACKTRACE", "0")
                .args(["db", "--leads", &leads.to_string()])
                .args(json.then_some("--json"))
                .arg("--postgres-log", stack.log("postgres"))
                .output("the measurement")
        })?;
        Ok(ui::print(table)?)
    })
}
