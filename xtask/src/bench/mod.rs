//! `bench`: builds for release and measures, on a local stack.

mod no_op;
mod pipeline;
mod times;

pub(crate) use pipeline::{Pipeline, pipeline};

use crate::{
    process::Cmd,
    stack::{self, Stack, Upstreams},
    ui::{self, Ui},
    workspace::{ROOT, cargo, host_triple, packages},
};
use anyhow::Result;
use std::path::Path;

/// Prints size, start-up and memory of every Lambda, and the time of the handlers that a user waits for.
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
                // The binaries are stripped: a backtrace would be pages of nothing.
                .env("RUST_BACKTRACE", "0")
                .args(["lambdas"])
                .arg("--binaries", target.join(&host).join("release"))
                .arg("--zips", &zips)
                .output("the measurement")
        })
    })?;
    Ok(ui::print(tables)?)
}

/// Builds the Lambdas as a deploy does, and other packages with them: `{zips}/{lambda}/bootstrap.zip`.
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
