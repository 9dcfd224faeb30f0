//! `bench`: builds for release and measures on a local stack.

mod db;
mod fairness;
mod fuzz;
mod no_op;
mod pipeline;
mod times;

pub(crate) use db::db;
pub(crate) use fairness::{Fairness, fairness};
pub(crate) use fuzz::fuzz;
pub(crate) use pipeline::{Pipeline, pipeline};

use crate::{
    process::Cmd,
    stack::{self, Description, Latency, Need, Options, Stack, Upstreams},
    ui::{self, Ui},
    workspace::{ROOT, cargo, host_triple, packages},
};
use anyhow::{Context, Result};
use std::{fs, path::Path};

/// Prints the size, start-up time and memory of every Lambda, and the time of the handlers that a user waits
/// for.
pub(crate) fn lambdas(stack: &Stack, ui: &Ui) -> Result<()> {
    let host = host_triple()?;
    let target = ROOT.join("target");
    let zips = target.join("bench");
    let tables = stack::borrow(stack, Upstreams::new(None, false)?, ui, |_| {
        build_for_release(stack, &[], &zips, ui)?;
        ui.phase("compile the measuring program", |phase| {
            cargo("build", &host)
                .args(["--bin", "bench"])
                .log(stack.log("bench-compile"))
                .run("cargo build", phase)
        })?;
        ui.phase("measure", |_| {
            Cmd::new(target.join(&host).join("debug/bench"))
                .env("OSLIRA_STACK", stack.description_file())
                // The binaries are stripped, so a backtrace would be pages without information.
                .env("RUST_BACKTRACE", "0")
                .args(["lambdas"])
                .arg("--binaries", target.join(&host).join("release"))
                .arg("--zips", &zips)
                .output("the measurement")
        })
    })?;
    Ok(ui::print(tables)?)
}

/// Builds the Lambdas as a deploy does, and other packages with them. Writes `{zips}/{lambda}/bootstrap.zip`.
fn build_for_release(stack: &Stack, others: &[&str], zips: &Path, ui: &Ui) -> Result<()> {
    let packages = packages()?;
    let functions = packages.iter().filter(|package| package.is_function());
    let names = functions.map(|package| &*package.name).chain(others.iter().copied());
    ui.phase("build for release (minutes, the first time)", |phase| {
        Cmd::new(stack::program("cargo-lambda"))
            .args(["lambda", "build", "--release", "--compiler", "cargo", "--output-format", "zip"])
            .args(names.flat_map(|name| ["--package", name]))
            .arg("--lambda-dir", zips)
            .log(stack.log("bench-build"))
            .run("cargo lambda build", phase)
    })
}

/// Runs a stack for as long as something is measured on it. With `load` it has the user `load`.
fn on_a_stack_of_its_own(load: bool, ui: &Ui, measure: impl FnOnce(&Stack) -> Result<()>) -> Result<()> {
    let stack = &Stack::bench();
    let _lock = stack.lock_named("bench.lock")?;
    // A stack that was killed may have left anything behind.
    stack.stop()?;
    let up = Options {
        load,
        upstreams: Upstreams::StandIns,
        latency: Latency::Realistic,
        need: Need::Stack,
        postgres_17: false,
    };
    stack::up(stack, &up, ui)?;
    stack.stop_when_interrupted(true);
    let measured = measure(stack);
    ui.phase("stop the stack", |_| stack.stop())?;
    stack.stop_when_interrupted(false);
    measured
}

/// Replaces the debug build that `up` has deployed by the release build, unless `debug` is set, and prints
/// which of the two it is. Returns the zip of the Lambda that does nothing, of the same build.
fn deploy(stack: &Stack, description: &Description, debug: bool, ui: &Ui) -> Result<Vec<u8>> {
    ui::print(if debug { "Debug build: its times are no promise." } else { "Release build." })?;
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
