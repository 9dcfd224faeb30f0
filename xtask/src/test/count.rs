//! Reads the output of test runners: how many tests ran, and why some failed.

use crate::process::indent;
use anyhow::{Context, Result};
use std::{fs, path::Path};

/// Counts the tests in the log of a `cargo test` that succeeded.
pub(crate) fn cargo_tests(log: &Path) -> Result<u64> {
    Ok(sum(&read(log)?, "test result: ok. ", ' '))
}

/// Counts the tests in the log of a `pg_prove` that succeeded.
pub(crate) fn pg_prove_tests(log: &Path) -> Result<u64> {
    Ok(sum(&read(log)?, ", Tests=", ','))
}

/// Returns the lines with which passing tests tell the developer something, from the log of a `cargo test
/// --show-output`.
pub(crate) fn notes(log: &Path) -> Result<Vec<String>> {
    Ok(note_lines(&read(log)?))
}

fn note_lines(text: &str) -> Vec<String> {
    // The standard library's own hint also begins with `note:`, when a test causes a panic.
    let is_note = |line: &&str| line.starts_with("note: ") && !line.contains("RUST_BACKTRACE");
    text.lines().filter(is_note).map(str::to_owned).collect()
}

fn read(log: &Path) -> Result<String> {
    fs::read_to_string(log).with_context(|| format!("{} cannot be read", log.display()))
}

/// Returns what failing tests printed, from the log of a `cargo test`. `None` when no test failed, but the
/// build did.
pub(crate) fn failures(log: &Path) -> Option<String> {
    let text = sections(&read(log).ok()?);
    (!text.is_empty()).then_some(text)
}

/// Keeps each part from "failures:" with the tests' output to the list of names that follows it.
fn sections(text: &str) -> String {
    let sections =
        text.split("\nfailures:\n\n").skip(1).filter_map(|rest| rest.split("\nfailures:\n").next());
    indent(sections.collect::<Vec<_>>().join("\n").trim())
}

/// The sum of the numbers that stand between `before` and `after`.
fn sum(text: &str, before: &str, after: char) -> u64 {
    let numbers = text.split(before).skip(1).filter_map(|rest| rest.split(after).next()?.parse::<u64>().ok());
    numbers.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failing_tests_are_quoted() {
        let cargo = "\ntest a ... ok\ntest b ... FAILED\n\nfailures:\n\n---- b stdout ----\nassertion failed\n\n\nfailures:\n    b\n\n\
                     test result: FAILED. 1 passed; 1 failed\n";
        assert_eq!(sections(cargo), "  | ---- b stdout ----\n  | assertion failed");
        assert_eq!(sections("test result: ok. 3 passed; 0 failed\n"), "");
    }

    #[test]
    fn notes_of_passing_tests_are_found() {
        let log = "test a ... ok\n\nsuccesses:\n\n---- a stdout ----\nnote: mind this\nother\n\
                   note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n\n\nsuccesses:\n    a\n";
        assert_eq!(note_lines(log), ["note: mind this"]);
    }

    #[test]
    fn the_runners_own_counts_are_summed() {
        let cargo = "\nrunning 3 tests\ntest a ... ok\ntest result: ok. 3 passed; 0 failed; 1 ignored\n\
                     test result: ok. 12 passed; 0 failed\n";
        assert_eq!(sum(cargo, "test result: ok. ", ' '), 15);
        let prove = "All tests successful.\nFiles=2, Tests=45,  1 wallclock secs\nResult: PASS\n";
        assert_eq!(sum(prove, ", Tests=", ','), 45);
        assert_eq!(sum("nothing", ", Tests=", ','), 0);
    }
}
