//! `bench pipeline`: an analysis's own time, and what hedging does to slow models, on a stack of its own.

use super::{build_for_release, times};
use crate::{
    process::Cmd,
    stack::{self, Description, Latency, Need, Options, Stack, Upstreams},
    ui::{self, Ui},
    workspace::{ROOT, host_triple},
};
use anyhow::{Context, Result};
use std::fs;

/// What the command line asks for.
pub(crate) struct Pipeline {
    /// Analyses per tier, cold and again from the cache.
    pub(crate) runs: u32,
    /// AI steps, with hedging and without.
    pub(crate) calls: u32,
    /// The debug build instead of the release build.
    pub(crate) debug: bool,
}

/// Starts a stack for it, measures, prints, and stops the stack.
pub(crate) fn pipeline(options: &Pipeline, ui: &Ui) -> Result<()> {
    let stack = &Stack::bench();
    let _lock = stack.lock_named("bench.lock")?;
    // One that was killed may have left anything behind.
    stack.stop()?;
    let up = Options {
        load: false,
        upstreams: Upstreams::StandIns,
        latency: Latency::Realistic,
        need: Need::Stack,
    };
    stack::up(stack, &up, ui)?;
    stack.stop_when_interrupted(true);
    let measured = measure(stack, options, ui);
    ui.phase("stop the stack", |_| stack.stop())?;
    stack.stop_when_interrupted(false);
    measured
}

fn measure(stack: &Stack, options: &Pipeline, ui: &Ui) -> Result<()> {
    let no_op = deploy(stack, &stack.description()?, options.debug, ui)?;
    ui::print(if options.debug { "Debug build: its times are no promise." } else { "Release build." })?;
    ui::print(times::measure(stack, options.runs, &no_op, ui)?)?;
    ui::print(hedging(stack, options, ui)?.trim_end())?;
    Ok(())
}

/// The AI step among slow calls: a table, and what its columns mean.
fn hedging(stack: &Stack, options: &Pipeline, ui: &Ui) -> Result<String> {
    let binaries = ROOT.join("target").join(host_triple()?);
    ui.phase("measure the AI step", |phase| {
        Cmd::new(stack::binary("bench", &host_triple()?))
            .env("OSLIRA_STACK", stack.description_file())
            // The binaries are stripped: a backtrace would be pages of nothing.
            .env("RUST_BACKTRACE", "0")
            .args(["hedging", "--calls", &options.calls.to_string()])
            .arg("--binaries", binaries.join(if options.debug { "debug" } else { "release" }))
            .log(stack.log("bench-hedging"))
            .run_for_output("the measurement", phase)
    })
}

/// Puts the release build in the place of the debug build that `up` has deployed, unless that is to be measured; the
/// zip of the Lambda that does nothing, of the same build.
fn deploy(stack: &Stack, description: &Description, debug: bool, ui: &Ui) -> Result<Vec<u8>> {
    if debug {
        let zip = stack.path("no-op.zip");
        ui.phase("zip the no-op", |phase| {
            let binary = stack::binary("no-op", &host_triple()?);
            stack::zip_binaries(&stack.log("zip-no-op"), [[binary, zip.clone()]], phase)
        })?;
        return Ok(fs::read(zip)?);
    }
    let zips = ROOT.join("target/bench/pipeline");
    let zip = |name: &str| {
        let file = zips.join(name).join("bootstrap.zip");
        fs::read(&file).with_context(|| format!("{} cannot be read", file.display()))
    };
    build_for_release(stack, &["oslira-no-op"], &zips, ui)?;
    ui.phase("deploy the release build", |phase| {
        let aws = stack.aws()?;
        for (name, arn) in &description.functions {
            phase.detail(name);
            aws.update_function(arn, &zip(name)?)?;
        }
        zip("no-op")
    })
}
