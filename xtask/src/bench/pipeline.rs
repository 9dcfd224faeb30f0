//! `bench pipeline`: measures an analysis's own time, and what hedging does about slow models, on a stack of
//! its own.

use super::{deploy, on_a_stack_of_its_own, times};
use crate::{
    process::Cmd,
    stack::{self, Stack},
    ui::{self, Ui},
    workspace::{ROOT, host_triple},
};
use anyhow::Result;

/// The options of the command line.
pub(crate) struct Pipeline {
    /// How many analyses to make per tier, each cold and again from the cache.
    pub(crate) runs: u32,
    /// How many AI calls to make, each with hedging and without.
    pub(crate) calls: u32,
    /// Whether to measure the debug build, not the release build.
    pub(crate) debug: bool,
}

/// Starts a stack of its own, measures, prints, and stops the stack.
pub(crate) fn pipeline(options: &Pipeline, ui: &Ui) -> Result<()> {
    on_a_stack_of_its_own(false, ui, |stack| measure(stack, options, ui))
}

fn measure(stack: &Stack, options: &Pipeline, ui: &Ui) -> Result<()> {
    let no_op = deploy(stack, &stack.description()?, options.debug, ui)?;
    ui::print(times::measure(stack, options.runs, &no_op, ui)?)?;
    ui::print(hedging(stack, options, ui)?.trim_end())?;
    Ok(())
}

/// Measures the AI call among slow ones. Returns a table, and what its columns mean.
fn hedging(stack: &Stack, options: &Pipeline, ui: &Ui) -> Result<String> {
    let binaries = ROOT.join("target").join(host_triple()?);
    ui.phase("measure the AI call", |phase| {
        Cmd::new(stack::binary("bench", &host_triple()?))
            .env("OSLIRA_STACK", stack.description_file())
            // The binaries are stripped, so a backtrace would be pages without information.
            .env("RUST_BACKTRACE", "0")
            .args(["hedging", "--calls", &options.calls.to_string()])
            .arg("--binaries", binaries.join(if options.debug { "debug" } else { "release" }))
            .log(stack.log("bench-hedging"))
            .run_for_output("the measurement", phase)
    })
}
