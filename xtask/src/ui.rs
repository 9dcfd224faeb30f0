//! What the user sees while something takes long: a spinner per phase on a terminal, plain lines elsewhere.

use anyhow::Result;
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::{
    fmt::Display,
    io::{self, ErrorKind, IsTerminal, Write, stderr, stdout},
    time::{Duration, Instant},
};

/// The progress display of one command. Everything goes to standard error, because standard output is for
/// results.
pub(crate) struct Ui {
    bars: MultiProgress,
    is_terminal: bool,
}

impl Ui {
    pub(crate) fn new() -> Self {
        Self { bars: MultiProgress::new(), is_terminal: stderr().is_terminal() }
    }

    /// Runs one phase and says how long it took.
    pub(crate) fn phase<T>(&self, name: &str, work: impl FnOnce(&Phase) -> Result<T>) -> Result<T> {
        let started = Instant::now();
        let bar = self.bars.add(ProgressBar::new_spinner());
        bar.set_style(style("{spinner:.cyan} {prefix:<34} {elapsed:>4} {wide_msg:.dim}"));
        bar.set_prefix(name.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        let result = work(&Phase(bar.clone()));
        bar.finish_and_clear();
        let took = started.elapsed();
        let mark = if result.is_ok() { "✓" } else { "✗" };
        self.line(&format!("{mark} {name:<34} {:>6.1} s", took.as_secs_f64()));
        result
    }

    /// Prints one line above the spinners.
    pub(crate) fn line(&self, text: &str) {
        if self.is_terminal {
            self.bars.suspend(|| eprintln!("{text}"));
        } else {
            eprintln!("{text}");
        }
    }

    /// A bar from 0 to 100, with a line below it for the current step.
    pub(crate) fn percent(&self, name: &str) -> ProgressBar {
        let bar = self.bars.add(ProgressBar::new(100));
        bar.set_style(
            style("{prefix:<34} {bar:24.cyan/blue} {pos:>3} % {elapsed:>4}\n  {wide_msg:.dim}")
                .progress_chars("━╸─"),
        );
        bar.set_prefix(name.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        bar
    }
}

/// Prints a result on standard output. When nobody reads it any more, as after `| head`, this program ends
/// with the status that a shell gives to a program ended by SIGPIPE.
pub(crate) fn print(text: impl Display) -> io::Result<()> {
    const SIGPIPE: i32 = 128 + 13;
    match writeln!(stdout(), "{text}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(SIGPIPE),
        result => result,
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// A phase under way.
pub(crate) struct Phase(ProgressBar);

impl Phase {
    /// Shows what it is doing now.
    pub(crate) fn detail(&self, text: &str) {
        self.0.set_message(text.trim().to_owned());
    }
}

/// A table with a heading.
pub(crate) fn table(heading: impl IntoIterator<Item = impl ToString>) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(heading.into_iter().map(|cell| cell.to_string()));
    table
}
