//! `test`: runs every check, from nothing, with a stack of its own that is gone afterwards.

mod checks;
mod count;
mod programs;

use crate::{
    stack::{self, Latency, Need, Options, Stack, Upstreams},
    ui::{self, Phase, Ui, table},
    workspace::host_triple,
};
use anyhow::{Error, Result, bail};
use checks::{Check, Needs, Outcome, Ran};
use comfy_table::{Cell, CellAlignment, Color};
use std::{
    io, thread,
    time::{Duration, Instant},
};

/// What checks need to know.
pub(crate) struct Setting<'a> {
    stack: &'a Stack,
    host: String,
    /// When set, only tests run whose name contains this.
    name: Option<&'a str>,
    /// The stack's database is PostgreSQL 17.
    postgres_17: bool,
}

/// A line of the table at the end.
struct Line {
    name: String,
    result: Result<Outcome>,
    took: Duration,
}

/// Prints the names of all checks.
pub(crate) fn list() -> Result<()> {
    let names: Vec<String> = checks::all()?.into_iter().map(|check| check.name).collect();
    Ok(ui::print(names.join("\n"))?)
}

/// Runs the checks of these names, or all of them. Fails when one of them fails. With `name`, only tests run
/// whose name contains it.
pub(crate) fn test(wanted: &[String], name: Option<&str>, postgres_17: bool, ui: &Ui) -> Result<()> {
    let stack = &Stack::test();
    let _lock = stack.lock_named("test.lock")?;
    stack.stop_when_interrupted(true);
    let checks = selected(checks::all()?, wanted, name.is_some())?;
    if postgres_17 && checks.iter().all(|check| check.needs != Needs::Stack) {
        bail!("--postgres is for checks that need a stack, and these need none");
    }
    let setting = &Setting { stack, host: host_triple()?, name, postgres_17 };
    let that_need = |needs: Needs| checks.iter().filter(move |check| check.needs == needs);

    let needs_tools = checks.iter().any(|check| check.needs != Needs::Cargo);

    // Cargo's checks run while the tools are being installed.
    let mut lines: Vec<Line> = Vec::new();
    thread::scope(|scope| {
        let prepare = || ui.phase("tools", |phase| stack::prepare_for_tests(stack, phase));
        let prepared = scope.spawn(move || if needs_tools { prepare() } else { Ok(()) });
        lines.extend(that_need(Needs::Cargo).map(|check| run(check, setting, ui)));
        stack::join(prepared)
    })?;
    lines.extend(that_need(Needs::Tools).map(|check| run(check, setting, ui)));
    let on_stack: Vec<&Check> = that_need(Needs::Stack).collect();
    if !on_stack.is_empty() {
        lines.extend(run_on_stack(&on_stack, setting, ui));
    }
    stack.stop_when_interrupted(false);
    print(&lines)?;
    conclude(&lines, name)
}

/// Returns the checks of these names, or all. With `by_name`, only checks whose tests can be chosen by name.
fn selected(mut checks: Vec<Check>, wanted: &[String], by_name: bool) -> Result<Vec<Check>> {
    if let Some(unknown) = wanted.iter().find(|wanted| checks.iter().all(|check| check.name != **wanted)) {
        let names: Vec<&str> = checks.iter().map(|check| &*check.name).collect();
        bail!("there is no check {unknown:?}; there are: {}", names.join(", "));
    }
    checks.retain(|check| wanted.is_empty() || wanted.contains(&check.name));
    if by_name {
        if let Some(other) = checks.iter().find(|check| !wanted.is_empty() && !check.has_named_tests) {
            bail!("{} has no tests to be chosen by name", other.name);
        }
        checks.retain(|check| check.has_named_tests);
    }
    Ok(checks)
}

/// Runs the checks that need the stack. The stack is stopped whatever they do.
fn run_on_stack(checks: &[&Check], setting: &Setting, ui: &Ui) -> Vec<Line> {
    let stack = setting.stack;
    let started = Instant::now();
    let options = Options {
        load: true,
        upstreams: Upstreams::StandIns,
        latency: Latency::Fast,
        need: Need::Tests,
        postgres_17: setting.postgres_17,
    };
    // A stack that a killed `test` left behind may contain anything.
    let up = stack.stop().and_then(|()| stack::up(stack, &options, ui));
    stack.stop_when_interrupted(true);
    let mut lines = Vec::new();
    match up {
        Ok(_) => {
            lines.push(Line {
                name: "stack".to_owned(),
                result: Ok(Outcome::Passed(None)),
                took: started.elapsed(),
            });
            lines.extend(checks.iter().map(|check| run(check, setting, ui)));
        }
        Err(error) => {
            lines.push(Line { name: "stack".to_owned(), result: Err(error), took: started.elapsed() });
            let skipped = |check: &&Check| Line {
                name: check.name.clone(),
                result: Ok(Outcome::Skipped("no stack".to_owned())),
                took: Duration::ZERO,
            };
            lines.extend(checks.iter().map(skipped));
        }
    }
    if let Err(error) = ui.phase("stop the stack", |_| stack.stop()) {
        lines.push(Line { name: "stop".to_owned(), result: Err(error), took: Duration::ZERO });
    }
    lines
}

fn run(check: &Check, setting: &Setting, ui: &Ui) -> Line {
    let started = Instant::now();
    let result = ui.phase(&check.name, |phase: &Phase| (check.run)(setting, phase));
    let result = result.map_err(|error| {
        error.context(format!("{name} failed. To run it alone: cargo xtask test {name}", name = check.name))
    });
    Line { name: check.name.clone(), result, took: started.elapsed() }
}

fn print(lines: &[Line]) -> io::Result<()> {
    let mut results = table(["check", "result", "tests", "seconds"]);
    for line in lines {
        let (result, tests) = match &line.result {
            Ok(Outcome::Passed(ran)) => (
                Cell::new("passed").fg(Color::Green),
                ran.as_ref().map(|ran| ran.tests.to_string()).unwrap_or_default(),
            ),
            Ok(Outcome::Skipped(why)) => {
                (Cell::new(format!("skipped: {why}")).fg(Color::Yellow), String::new())
            }
            Err(_) => (Cell::new("FAILED").fg(Color::Red), String::new()),
        };
        results.add_row([
            Cell::new(&line.name),
            result,
            Cell::new(tests).set_alignment(CellAlignment::Right),
            Cell::new(format!("{:.1}", line.took.as_secs_f64())).set_alignment(CellAlignment::Right),
        ]);
    }
    ui::print(results)?;
    for note in lines.iter().filter_map(ran).flat_map(|ran| &ran.notes) {
        ui::print(note)?;
    }
    for error in lines.iter().filter_map(|line| line.result.as_ref().err()) {
        ui::print(format!("\n{}", in_lines(error)))?;
    }
    Ok(())
}

fn in_lines(error: &Error) -> String {
    error.chain().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn ran(line: &Line) -> Option<&Ran> {
    match &line.result {
        Ok(Outcome::Passed(ran)) => ran.as_ref(),
        _ => None,
    }
}

/// The verdict. After a success, the last line counts the tests.
fn conclude(lines: &[Line], name: Option<&str>) -> Result<()> {
    let failed = lines.iter().filter(|line| line.result.is_err()).count();
    if failed > 0 {
        bail!("{failed} of {} checks failed", lines.len());
    }
    let passed: u64 = lines.iter().filter_map(ran).map(|ran| ran.tests).sum();
    if let Some(name) = name.filter(|_| passed == 0) {
        bail!("no test's name contains {name:?}");
    }
    Ok(ui::print(format!("\n{passed} passed, 0 failed"))?)
}
