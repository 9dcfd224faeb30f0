//! Builds what the stack runs: the stand-ins, and a zip per Lambda.

use crate::{
    process::Cmd,
    stack::Stack,
    ui::Phase,
    workspace::{ROOT, cargo, lambdas},
};
use anyhow::Result;
use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::SystemTime,
};

/// A script that zips binaries. It is Python because this program is a debug build, whose own compressor
/// would be slow.
const ZIP: &str = include_str!("zip.py");

/// Compiles every program of the workspace. A test that does not compile yet does not matter. This needs none
/// of the pinned tools, so it runs while they are being installed.
pub(crate) fn compile(stack: &Stack, host: &str, phase: &Phase) -> Result<()> {
    cargo("build", host)
        .args(["--bins"])
        .log(stack.log("cargo-build"))
        .hint(format!("cargo build --workspace --bins --target {host}"))
        .run("cargo build", phase)
}

/// Zips the Lambdas whose binary is newer than their zip.
///
/// The compiling is the same as with `cargo lambda build --compiler cargo` (seen with strace: it calls `cargo
/// build --target HOST` and nothing else). But that command zips every Lambda every time, one after the
/// other, 1.2 s each (measured with debug binaries of 28 MB). That takes half a minute, and this takes two
/// seconds. Releases are built with that command.
pub(crate) fn package(stack: &Stack, host: &str, phase: &Phase) -> Result<()> {
    let outdated: Vec<String> = lambdas()?.into_iter().filter(|lambda| !is_packaged(lambda, host)).collect();
    phase.detail(&format!("{} of them", outdated.len()));
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let share = outdated.len().div_ceil(cores).max(1);
    thread::scope(|scope| {
        let shares: Vec<_> = outdated.chunks(share).enumerate().collect();
        let zipping: Vec<_> = shares
            .into_iter()
            .map(|(index, share)| scope.spawn(move || zip_share(stack, index, share, host, phase)))
            .collect();
        zipping.into_iter().try_for_each(super::join)
    })
}

fn zip_share(stack: &Stack, index: usize, lambdas: &[String], host: &str, phase: &Phase) -> Result<()> {
    let pairs = lambdas.iter().map(|lambda| [binary(lambda, host), zip(lambda)]);
    zip_binaries(&stack.log(&format!("zip-{index}")), pairs, phase)
}

/// Zips each binary into the file beside it.
pub(crate) fn zip_binaries(
    log: &Path,
    pairs: impl IntoIterator<Item = [PathBuf; 2]>,
    phase: &Phase,
) -> Result<()> {
    Cmd::new("python3")
        .args(["-"])
        .args(pairs.into_iter().flatten())
        .input(ZIP)
        .log(log)
        .run("zipping the Lambdas", phase)
}

/// The zip that SAM deploys for a Lambda.
pub(crate) fn zip(lambda: &str) -> PathBuf {
    ROOT.join("target/lambda").join(lambda).join("bootstrap.zip")
}

/// A debug binary of this host.
pub(crate) fn binary(name: &str, host: &str) -> PathBuf {
    ROOT.join("target").join(host).join("debug").join(name)
}

fn is_packaged(lambda: &str, host: &str) -> bool {
    let changed = |path: PathBuf| -> Option<SystemTime> { fs::metadata(path).ok()?.modified().ok() };
    matches!((changed(binary(lambda, host)), changed(zip(lambda))), (Some(binary), Some(zip)) if binary <= zip)
}
