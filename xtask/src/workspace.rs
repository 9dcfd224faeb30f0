//! Where things are in the checkout, and how Cargo is called.

use crate::process::Cmd;
use anyhow::{Context, Result};
use serde::Deserialize;
use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

/// The root of the checkout. `cargo run` sets the manifest's folder at run time.
pub(crate) static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
    let manifest =
        std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
    Path::new(&manifest).parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
});

/// The folder of the tools that stacks share: the Python environment and the state machine linter.
pub(crate) fn tools() -> PathBuf {
    ROOT.join("target/local")
}

/// A path as the user would type it from the root.
pub(crate) fn shown(path: &Path) -> String {
    path.strip_prefix(&*ROOT).unwrap_or(path).display().to_string()
}

/// The host's target triple, as `rustc` names it.
pub(crate) fn host_triple() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("rustc does not start")?;
    let text = String::from_utf8(output.stdout)?;
    let host =
        text.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc -vV names no host")?;
    Ok(host.to_owned())
}

/// The host's architecture, as Lambda names it.
pub(crate) fn host_architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" }
}

/// `cargo SUBCOMMAND --workspace --target HOST …`.
///
/// The selection is always the whole workspace, because Cargo unifies the features of shared dependencies
/// over the packages that it is asked for: `-p one-crate` would compile `tokio` and the AWS SDK again with
/// other features. The target is always named, because `cargo lambda build` always names it, and a named
/// target has a folder of its own. Otherwise everything would be compiled a second time into `target/debug`.
/// `cargo lambda build` passes no other flag in the dev profile (seen with strace, cargo-lambda 1.9.2).
pub(crate) fn cargo(subcommand: &str, host: &str) -> Cmd {
    Cmd::new("cargo")
        .args([subcommand, "--workspace", "--target", host])
        .env("CARGO_TERM_COLOR", "never")
        // The template expects the zips below `target/`, wherever the developer's other projects are built.
        .env("CARGO_TARGET_DIR", ROOT.join("target"))
}

/// One of our packages, as `cargo metadata` describes it.
#[derive(Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest_path: PathBuf,
    pub(crate) targets: Vec<Target>,
}

/// A library, binary or test of a package.
#[derive(Deserialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) kind: Vec<String>,
}

impl Package {
    /// The names of its targets of one kind (`bin`, `test`).
    pub(crate) fn targets_of(&self, kind: &str) -> impl Iterator<Item = &str> {
        self.targets
            .iter()
            .filter(move |target| target.kind.iter().any(|k| k == kind))
            .map(|t| t.name.as_str())
    }

    /// Whether its binaries are Lambdas.
    pub(crate) fn is_function(&self) -> bool {
        self.manifest_path.starts_with(ROOT.join("functions"))
    }
}

/// The packages of the workspace.
pub(crate) fn packages() -> Result<Vec<Package>> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    let text = Cmd::new("cargo")
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .output("reading the workspace")?;
    Ok(serde_json::from_str::<Metadata>(&text)
        .context("cargo metadata answered something unexpected")?
        .packages)
}

/// The names of all Lambdas, which are the binaries under `functions/`.
pub(crate) fn lambdas() -> Result<Vec<String>> {
    let packages = packages()?;
    let functions = packages.iter().filter(|package| package.is_function());
    Ok(functions.flat_map(|package| package.targets_of("bin")).map(str::to_owned).collect())
}
