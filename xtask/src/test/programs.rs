//! Test programs: Cargo builds them, and we run them.
//!
//! Within a build of the whole workspace (see [`cargo`]), Cargo cannot be asked for the test `api` of one
//! package: it takes every package's test of that name. So Cargo builds them and says what it has built, and
//! the right ones are run here.

use super::{Setting, checks::Ran, count};
use crate::{
    process::Cmd,
    ui::Phase,
    workspace::{cargo, shown},
};
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::path::{Path, PathBuf};

pub(super) struct Program {
    /// The manifest of its package.
    pub(super) manifest: PathBuf,
    /// The name of its target.
    pub(super) name: String,
    /// Whether it is an integration test, not the tests within a library or binary.
    pub(super) is_integration: bool,
    path: PathBuf,
}

/// Builds a selection of the workspace's tests, as `cargo test` takes it.
pub(super) fn build(setting: &Setting, selection: &[&str]) -> Result<Vec<Program>> {
    let messages = cargo("test", &setting.host)
        .args(selection)
        .args(["--no-run", "--message-format", "json-render-diagnostics"])
        .output("cargo test --no-run")?;
    Ok(messages.lines().filter_map(program).collect())
}

/// Returns the test program that one of Cargo's messages reports, if it reports one.
fn program(message: &str) -> Option<Program> {
    #[derive(Deserialize)]
    struct Built {
        manifest_path: PathBuf,
        target: BuiltTarget,
        profile: BuiltProfile,
        executable: PathBuf,
    }
    #[derive(Deserialize)]
    struct BuiltTarget {
        name: String,
        kind: Vec<String>,
    }
    #[derive(Deserialize)]
    struct BuiltProfile {
        test: bool,
    }
    let built: Built = serde_json::from_str(message).ok()?;
    built.profile.test.then(|| Program {
        manifest: built.manifest_path,
        is_integration: built.target.kind.iter().any(|kind| kind == "test"),
        name: built.target.name,
        path: built.executable,
    })
}

/// Runs test programs one after the other, with these additional arguments. All of them run, even when one
/// fails.
pub(super) fn run(
    setting: &Setting,
    check: &str,
    programs: &[Program],
    args: &[&str],
    phase: &Phase,
) -> Result<Ran> {
    let mut ran = Ran::default();
    let mut failed = Vec::new();
    for program in programs {
        let log = setting.stack.log(&format!("test-{check}-{}", stem(&program.path)));
        phase.detail(&program.name);
        let folder = program.manifest.parent().context("a manifest without a folder")?;
        let result = Cmd::new(&program.path)
            .args(setting.name)
            .args(args)
            // Otherwise the output of passing tests would be hidden, notes included.
            .args(["--show-output"])
            .directory(folder)
            .env("CARGO_MANIFEST_DIR", folder)
            .env("OSLIRA_STACK", setting.stack.description_file())
            // The binaries are stripped, so a backtrace would be pages without information.
            .env("RUST_BACKTRACE", "0")
            .log(&log)
            .run(&format!("{} of {}", program.name, shown(&program.manifest)), phase);
        match result {
            Ok(()) => {
                ran.tests += count::cargo_tests(&log)?;
                ran.notes.extend(count::notes(&log)?);
            }
            Err(error) => {
                let quoted = count::failures(&log).unwrap_or_else(|| format!("{error:#}"));
                failed.push(format!("{} (all of it in {}):\n{quoted}", program.name, shown(&log)));
            }
        }
    }
    if !failed.is_empty() {
        bail!("tests failed in {}", failed.join("\n\n"));
    }
    Ok(ran)
}

/// The name of its file, which Cargo keeps unique.
fn stem(program: &Path) -> String {
    program.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_programs_are_told_from_what_else_is_built() {
        let message = |test: bool, kind: &str, executable: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"/a/Cargo.toml","target":{{"name":"api","kind":["{kind}"]}},
                    "profile":{{"test":{test}}},"executable":{executable}}}"#
            )
        };
        let found = program(&message(true, "test", r#""/t/api-1f""#)).unwrap();
        assert_eq!((&*found.name, found.is_integration), ("api", true));
        assert_eq!(stem(&found.path), "api-1f");
        assert!(!program(&message(true, "lib", r#""/t/api-1f""#)).unwrap().is_integration);
        assert!(program(&message(false, "bin", r#""/t/api""#)).is_none(), "a program, but no test");
        assert!(program(&message(true, "lib", "null")).is_none(), "a library to be linked");
        assert!(program(r#"{"reason":"build-finished","success":true}"#).is_none());
    }
}
