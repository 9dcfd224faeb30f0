//! The pinned tools: a Python environment (ministack, SAM, cargo-lambda) and npm packages (the state machine
//! linter, and the page that shows the API).

use crate::{
    process::Cmd,
    stack::Stack,
    ui::Phase,
    workspace::{self, ROOT},
};
use anyhow::{Context, Result};
use std::{
    fs,
    fs::File,
    path::{Path, PathBuf},
};

/// A program of the Python environment.
pub(crate) fn program(name: &str) -> PathBuf {
    workspace::tools().join("venv/bin").join(name)
}

/// Makes the Python environment, unless it was made from the same pinned versions.
pub(crate) fn ensure_venv(stack: &Stack, phase: &Phase) -> Result<()> {
    let pins = ROOT.join("infra/local/requirements.txt");
    let venv = workspace::tools().join("venv");
    made_from(&pins, &venv, || {
        Cmd::new("python3")
            .args(["-m", "venv", "--clear"])
            .args([&venv])
            .log(stack.log("venv"))
            .hint("is Python 3.10 or later there, with its venv module?")
            .run("making the Python environment", phase)?;
        // The file names every package that is needed, so pip need not resolve dependencies.
        Cmd::new(venv.join("bin/pip"))
            .args([
                "install",
                "--disable-pip-version-check",
                "--no-input",
                "--no-deps",
                "--require-hashes",
                "-r",
            ])
            .args([&pins])
            .log(stack.log("pip"))
            .hint("can this machine reach the Python package index?")
            .run("installing the Python tools", phase)
    })
}

/// Installs the npm packages, unless the same were installed before; their folder. No script of theirs is run.
pub(crate) fn ensure_node_modules(stack: &Stack, phase: &Phase) -> Result<PathBuf> {
    let lock = ROOT.join("infra/local/package-lock.json");
    let node = workspace::tools().join("node");
    made_from(&lock, &node, || {
        fs::create_dir_all(&node)?;
        for file in ["package.json", "package-lock.json"] {
            fs::copy(ROOT.join("infra/local").join(file), node.join(file))?;
        }
        Cmd::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .directory(&node)
            .log(stack.log("npm"))
            .hint("can this machine reach the npm registry?")
            .run("installing the npm packages", phase)
    })?;
    Ok(node.join("node_modules"))
}

/// Makes a folder from a file, and makes it again when the file has changed. A copy of the file inside the
/// folder shows what the folder was made from. It is written last, so that half a folder never counts as
/// complete. A lock keeps two commands from making the folder at once.
fn made_from(pins: &Path, folder: &Path, make: impl FnOnce() -> Result<()>) -> Result<()> {
    fs::create_dir_all(workspace::tools())?;
    let lock = File::create(folder.with_extension("lock"))?;
    lock.lock()?;
    let wanted = fs::read(pins).with_context(|| format!("{} is missing", workspace::shown(pins)))?;
    let stamp = folder.join(".made-from");
    if fs::read(&stamp).is_ok_and(|made| made == wanted) {
        return Ok(());
    }
    make()?;
    fs::write(stamp, wanted)?;
    Ok(())
}
