//! The checks, in the order in which they run.

use super::{
    Setting,
    count::{cargo_tests, pg_prove_tests},
    programs,
};
use crate::{
    client,
    fuzz::{self, Effort},
    process::Cmd,
    stack::{self, sam, template},
    ui::Phase,
    workspace::{ROOT, cargo, packages},
};
use anyhow::{Result, bail};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The package whose tests look at the project from outside.
const TESTS: &str = "oslira-tests";
/// The test target that needs no stack.
const CONTRACTS: &str = "contracts";

/// The test target whose tests disturb all others. They run last.
const OUTAGES: &str = "outages";
/// The test targets whose tests run one at a time. One of `races` starts a hundred Lambdas at once.
const ONE_AT_A_TIME: [&str; 2] = ["races", OUTAGES];

/// Cases that `fuzz` makes for each route and way of making them.
const FUZZ_CASES: u32 = 20;

/// One check.
pub(crate) struct Check {
    /// Its name on the command line and in the table.
    pub(crate) name: String,
    /// What it needs to run.
    pub(crate) needs: Needs,
    /// Whether it runs test programs, whose tests can be chosen by name.
    pub(crate) has_named_tests: bool,
    pub(crate) run: Box<Run>,
}

/// What a check needs to run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Cargo alone.
    Cargo,
    /// The pinned tools.
    Tools,
    /// The stack.
    Stack,
}

/// The code of a check.
pub(crate) type Run = dyn Fn(&Setting, &Phase) -> Result<Outcome>;

/// The outcome of a check that did not fail.
pub(crate) enum Outcome {
    /// The check passed, with its tests if it has any.
    Passed(Option<Ran>),
    /// The check was skipped, for this reason: it had nothing to check, or something that it needs is
    /// missing.
    Skipped(String),
}

/// The tests of a check that passed.
#[derive(Default)]
pub(crate) struct Ran {
    /// How many tests ran.
    pub(crate) tests: u64,
    /// What the tests tell the developer: lines that begin with `note: `.
    pub(crate) notes: Vec<String>,
}

impl From<u64> for Ran {
    fn from(tests: u64) -> Self {
        Self { tests, notes: Vec::new() }
    }
}

pub(crate) fn all() -> Result<Vec<Check>> {
    let check = |name: &str, needs: Needs, run: fn(&Setting, &Phase) -> Result<Outcome>| Check {
        name: name.to_owned(),
        needs,
        has_named_tests: false,
        run: Box::new(run),
    };
    let mut checks = vec![
        check("format", Needs::Cargo, format),
        check("features", Needs::Cargo, features),
        check("lints", Needs::Cargo, lints),
        Check { has_named_tests: true, ..check("unit", Needs::Cargo, unit) },
        check("docs", Needs::Cargo, docs),
        check("dependencies", Needs::Cargo, dependencies),
        check("template", Needs::Tools, validate_template),
        check("state-machines", Needs::Tools, state_machines),
        check("db", Needs::Stack, database),
        check("fuzz", Needs::Stack, fuzz),
        check("client", Needs::Stack, client),
    ];
    let packages = packages()?;
    let tests = packages.iter().filter(|package| package.name == TESTS);
    let mut targets: Vec<_> = tests.flat_map(|tests| tests.targets_of("test")).map(str::to_owned).collect();
    targets.sort_by_key(|target| target == OUTAGES);
    for target in targets {
        checks.push(Check {
            name: target.clone(),
            needs: if target == CONTRACTS { Needs::Cargo } else { Needs::Stack },
            has_named_tests: true,
            run: Box::new(move |setting, phase| {
                let mut programs = programs::build(setting, &["--test", &target])?;
                programs.retain(|program| program.manifest == tests_manifest());
                let args: &[&str] =
                    if ONE_AT_A_TIME.contains(&&*target) { &["--test-threads", "1"] } else { &[] };
                Ok(Outcome::Passed(Some(programs::run(setting, &target, &programs, args, phase)?)))
            }),
        });
    }
    Ok(checks)
}

fn format(setting: &Setting, phase: &Phase) -> Result<Outcome> {
    Cmd::new("cargo")
        .args(["fmt", "--all", "--check", "--", "--color", "never"])
        .log(setting.stack.log("test-format"))
        .run("cargo fmt", phase)?;
    Ok(Outcome::Passed(None))
}

/// Checks features of dependencies. Tests must not ask for features of shared dependencies that the Lambdas'
/// build does not ask for. Otherwise Cargo would compile these dependencies, and everything above them, once
/// for `cargo build` and again for `cargo test`.
fn features(setting: &Setting, _: &Phase) -> Result<Outcome> {
    let features = |edges: &str| -> Result<BTreeSet<String>> {
        let tree = cargo("tree", &setting.host).args([
            "--prefix",
            "none",
            "--format",
            "{p} with {f}",
            "--edges",
            edges,
        ]);
        let tree = tree.output("cargo tree")?;
        Ok(tree.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect())
    };
    let package = |line: &str| line.split(" with ").next().map(str::to_owned);
    let built = features("normal,build")?;
    let packages: BTreeSet<_> = built.iter().map(|line| package(line)).collect();
    let tested = features("normal,build,dev")?;
    let differing: Vec<&String> =
        tested.difference(&built).filter(|line| packages.contains(&package(line))).collect();
    if !differing.is_empty() {
        bail!(
            "a [dev-dependencies] section asks for features that nothing else asks for:\n  {}\nWhat to do: have a tool's \
             own [dependencies] ask for them, or everything is compiled twice",
            differing.into_iter().map(String::as_str).collect::<Vec<_>>().join("\n  ")
        );
    }
    Ok(Outcome::Passed(None))
}

fn lints(setting: &Setting, phase: &Phase) -> Result<Outcome> {
    cargo("clippy", &setting.host)
        .args(["--all-targets", "--", "-D", "warnings"])
        .log(setting.stack.log("test-lints"))
        .run("cargo clippy", phase)?;
    Ok(Outcome::Passed(None))
}

/// The tests within crates, including those of binaries, but not of the Lambdas. A Lambda's binary is twenty
/// lines without tests, and linking a test program for each takes minutes.
fn unit(setting: &Setting, phase: &Phase) -> Result<Outcome> {
    let packages = packages()?;
    let mut selection = vec!["--lib"];
    for package in packages.iter().filter(|package| package.name != TESTS) {
        selection.extend(package.targets_of("test").flat_map(|target| ["--test", target]));
        if !package.is_function() {
            selection.extend(package.targets_of("bin").flat_map(|target| ["--bin", target]));
        }
    }
    let mut programs = programs::build(setting, &selection)?;
    // This build also contains a test of the same name in the other package.
    programs.retain(|program| !(program.is_integration && program.manifest == tests_manifest()));
    Ok(Outcome::Passed(Some(programs::run(setting, "unit", &programs, &[], phase)?)))
}

fn tests_manifest() -> PathBuf {
    ROOT.join("tests/Cargo.toml")
}

/// Checks that the documentation builds without warnings, and runs the examples in it.
fn docs(setting: &Setting, phase: &Phase) -> Result<Outcome> {
    cargo("doc", &setting.host)
        .args(["--no-deps"])
        .env("RUSTDOCFLAGS", "-D warnings")
        .log(setting.stack.log("test-docs"))
        .run("cargo doc", phase)?;
    let log = setting.stack.log("test-doc-examples");
    cargo("test", &setting.host).args(["--doc"]).log(&log).run("cargo test --doc", phase)?;
    Ok(Outcome::Passed(Some(cargo_tests(&log)?.into())))
}

fn validate_template(setting: &Setting, phase: &Phase) -> Result<Outcome> {
    sam()
        .args(["validate", "--lint", "--region", "us-east-1"])
        .arg("--template-file", template())
        .log(setting.stack.log("test-template"))
        .run("sam validate", phase)?;
    Ok(Outcome::Passed(None))
}

/// Validates the state machines with their placeholders filled in, as SAM would do.
fn state_machines(setting: &Setting, phase: &Phase) -> Result<Outcome> {
    let validator = stack::ensure_node_modules(setting.stack, phase)?.join(".bin/asl-validator");
    let filled = setting.stack.path("statemachines");
    fs::create_dir_all(&filled)?;
    let mut paths = Vec::new();
    for file in files(&ROOT.join("statemachines"), ".asl.json")? {
        let path = filled.join(file.file_name().unwrap_or_default());
        fs::write(&path, fill_placeholders(&fs::read_to_string(&file)?))?;
        paths.push(path);
    }
    if paths.is_empty() {
        return Ok(Outcome::Skipped("there are none".to_owned()));
    }
    let mut command = Cmd::new(validator);
    for path in &paths {
        command = command.arg("--json-path", path);
    }
    command.log(setting.stack.log("test-state-machines")).run("asl-validator", phase)?;
    Ok(Outcome::Passed(None))
}

/// `${StartAnalysisArn}` becomes an ARN of that name.
fn fill_placeholders(definition: &str) -> String {
    let mut filled = String::new();
    let mut rest = definition;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        filled += &format!("{before}arn:aws:lambda:us-east-1:000000000000:function:{name}");
        rest = after;
    }
    filled + rest
}

fn dependencies(setting: &Setting, phase: &Phase) -> Result<Outcome> {
    if Cmd::new("cargo").args(["deny", "--version"]).output("cargo deny").is_err() {
        return Ok(Outcome::Skipped("cargo-deny is not installed".to_owned()));
    }
    Cmd::new("cargo")
        .args(["deny", "check"])
        .log(setting.stack.log("test-dependencies"))
        .run("cargo deny", phase)?;
    Ok(Outcome::Passed(None))
}

/// Runs pgTAP as the superuser. The tests themselves change to other roles.
fn database(setting: &Setting, phase: &Phase) -> Result<Outcome> {
    let tests = files(&ROOT.join("tests/db"), ".sql")?;
    if tests.is_empty() {
        return Ok(Outcome::Skipped("there are none".to_owned()));
    }
    let log = setting.stack.log("test-db");
    stack::pg_prove(setting.stack, phase)?.args(&tests).log(&log).run("pg_prove", phase)?;
    let version = stack::query(setting.stack, phase, "the server's version", "show server_version")?;
    let note = format!("note: the database tests ran on PostgreSQL {}", version.trim());
    Ok(Outcome::Passed(Some(Ran { tests: pg_prove_tests(&log)?, notes: vec![note] })))
}

/// Tries the API by its description. The cases are the same in every run, as far as the answers are.
fn fuzz(setting: &Setting, phase: &Phase) -> Result<Outcome> {
    let tried = fuzz::fuzz(setting.stack, &Effort { cases: FUZZ_CASES, seed: 1 }, phase)?;
    let note = format!(
        "note: {} cases for {} routes and {} links between them were answered as described",
        tried.cases, tried.routes, tried.links
    );
    Ok(Outcome::Passed(Some(Ran { tests: tried.routes, notes: vec![note] })))
}

/// Checks that the TypeScript client is current, compiles, and works on the stack.
fn client(setting: &Setting, phase: &Phase) -> Result<Outcome> {
    Ok(Outcome::Passed(Some(client::check(setting.stack, phase)?.into())))
}

/// Returns the files of a folder whose names end with `ending`, in order.
fn files(folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let Ok(entries) = fs::read_dir(folder) else { bail!("{} is missing", folder.display()) };
    let mut files: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|file| file.to_string_lossy().ends_with(ending));
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn placeholders_become_arns() {
        let filled = fill_placeholders(r#"{"FunctionName":"${ScoreLeadArn}","Input":"{% $states.input %}"}"#);
        let value: Value = serde_json::from_str(&filled).unwrap();
        assert_eq!(value["FunctionName"], "arn:aws:lambda:us-east-1:000000000000:function:ScoreLeadArn");
        assert_eq!(value["Input"], "{% $states.input %}");
    }
}
