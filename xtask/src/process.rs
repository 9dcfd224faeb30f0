//! Runs commands to their end, and stops every child on Ctrl-C.
//!
//! Each child leads a process group of its own. So it is stopped together with its children (`cargo` with its
//! `rustc`s, the emulator with its Lambdas), and the terminal's Ctrl-C reaches only this program.

use crate::{procfs, ui::Phase, workspace};
use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use signal_hook::{consts::TERM_SIGNALS, iterator::Signals};
use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{Read, Seek, SeekFrom, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// How long a group may take to end before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// What else to do on an interrupt.
type Cleanup = Box<dyn FnOnce() -> Result<()> + Send>;

/// What to stop on an interrupt.
struct Running {
    interrupted: bool,
    groups: Vec<i32>,
    cleanup: Option<Cleanup>,
}

static RUNNING: Mutex<Running> =
    Mutex::new(Running { interrupted: false, groups: Vec::new(), cleanup: None });

fn running() -> MutexGuard<'static, Running> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on SIGINT, SIGTERM, SIGHUP and SIGQUIT stop every running command, do the work given to
/// [`when_interrupted`], and then end this process.
pub(crate) fn handle_signals() -> Result<()> {
    let mut signals = Signals::new(TERM_SIGNALS.iter().chain(&[signal_hook::consts::SIGHUP]))?;
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            let (groups, cleanup) = {
                let mut running = running();
                running.interrupted = true;
                (std::mem::take(&mut running.groups), running.cleanup.take())
            };
            eprintln!("\nInterrupted: stopping what was started …");
            stop_groups(&groups);
            if let Some(Err(error)) = cleanup.map(|cleanup| cleanup()) {
                eprintln!("{error:#}");
            }
            std::process::exit(128 + signal);
        }
    });
    Ok(())
}

/// Sets what to do on an interrupt, after every command has ended. `None` clears it.
pub(crate) fn when_interrupted(cleanup: Option<Cleanup>) {
    running().cleanup = cleanup;
}

/// After an interrupt, waits until the signal's thread ends this process. Errors of children that were
/// stopped need not be shown.
pub(crate) fn wait_if_interrupted() {
    while running().interrupted {
        thread::park();
    }
}

/// Starts a child in a group of its own. The lock is held meanwhile, so that no child escapes an interrupt.
/// `record` runs under the lock, too.
pub(crate) fn spawn_group<T>(
    command: &mut Command,
    record: impl FnOnce(&mut Vec<i32>, &Child) -> Result<T>,
) -> Result<(Child, T)> {
    let mut running = running();
    if running.interrupted {
        bail!("interrupted");
    }
    let program = command.get_program().to_string_lossy().into_owned();
    let child = command.process_group(0).spawn().with_context(|| format!("{program} does not start"))?;
    let recorded = record(&mut running.groups, &child)?;
    Ok((child, recorded))
}

/// Forgets a command that has ended, so that an interrupt does not stop it.
fn forget_group(group: i32) {
    running().groups.retain(|other| *other != group);
}

/// Asks process groups to end, and kills those that have not ended in time.
pub(crate) fn stop_groups(groups: &[i32]) {
    for group in groups {
        signal_group(*group, Signal::TERM);
    }
    if !wait_until(GRACE, || groups.iter().all(|group| procfs::group_members(*group).is_empty())) {
        for group in groups {
            signal_group(*group, Signal::KILL);
        }
    }
}

/// Sends a signal to a process group. A group that has ended is not an error.
pub(crate) fn signal_group(group: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(group) {
        let _already_ended = kill_process_group(pid, signal);
    }
}

/// Kills one process. A process that has ended is not an error.
pub(crate) fn kill(pid: i32) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _already_ended = kill_process(pid, Signal::KILL);
    }
}

/// Checks a condition until it is true or the time is over. Returns whether it became true.
pub(crate) fn wait_until(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    while !condition() {
        if Instant::now() >= end {
            return false;
        }
        thread::sleep(Duration::from_millis(20));
    }
    true
}

/// A child that has ended.
struct Ended {
    status: ExitStatus,
    /// Its standard output if that is a pipe. It is no longer than a pipe can hold, or the child would not
    /// have ended.
    stdout: Option<ChildStdout>,
}

/// A command that runs to its end, with what to tell the user when it fails.
pub(crate) struct Cmd {
    command: Command,
    input: Option<String>,
    log: Option<PathBuf>,
    hint: Option<String>,
}

impl Cmd {
    /// A command that runs in the root folder.
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program);
        command.current_dir(&*workspace::ROOT);
        Self { command, input: None, log: None, hint: None }
    }

    /// The same command as another user, when this process is root and the program refuses to run as root.
    /// `setpriv` becomes the program and does not wait for it, so the process id is the program's own.
    pub(crate) fn as_user(user: Option<&str>, program: impl AsRef<OsStr>) -> Self {
        match user {
            None => Self::new(program),
            Some(user) => {
                let (reuid, regid) = (format!("--reuid={user}"), format!("--regid={user}"));
                Self::new("setpriv").args([&reuid, &regid, "--init-groups", "--"]).args([program])
            }
        }
    }

    pub(crate) fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(args);
        self
    }

    /// Adds an option and its value.
    pub(crate) fn arg(self, option: &str, value: impl AsRef<OsStr>) -> Self {
        self.args([OsStr::new(option), value.as_ref()])
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn envs(
        mut self,
        variables: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
    ) -> Self {
        self.command.envs(variables);
        self
    }

    /// Hides our own environment from the child.
    pub(crate) fn without_env(mut self) -> Self {
        self.command.env_clear();
        self
    }

    /// Hides one of our variables from the child.
    pub(crate) fn remove_env(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    pub(crate) fn directory(mut self, path: &Path) -> Self {
        self.command.current_dir(path);
        self
    }

    /// Sets the text of its standard input, which is the way to pass a secret.
    pub(crate) fn input(mut self, text: impl Into<String>) -> Self {
        self.input = Some(text.into());
        self
    }

    /// Sets the file that its output goes to.
    pub(crate) fn log(mut self, path: impl Into<PathBuf>) -> Self {
        self.log = Some(path.into());
        self
    }

    /// Sets what the user can do when it fails.
    pub(crate) fn hint(mut self, text: impl Into<String>) -> Self {
        self.hint = Some(text.into());
        self
    }

    /// Returns the bare command, for a process that keeps running.
    pub(crate) fn into_command(self) -> Command {
        self.command
    }

    /// Runs it. Its output goes to its log, whose last line the phase shows meanwhile.
    pub(crate) fn run(mut self, what: &str, phase: &Phase) -> Result<()> {
        let log = self.log.clone().context("a command that is run needs a log")?;
        let file = create_log(&log)?;
        self.command.stdout(file.try_clone()?).stderr(file);
        let ended = self.wait(|| phase.detail(&last_lines(&log, 1)))?;
        self.check(what, ended.status, &log)
    }

    /// Runs it and returns its standard output, which must be short. Its standard error goes to its log,
    /// whose last line the phase shows meanwhile.
    pub(crate) fn run_for_output(mut self, what: &str, phase: &Phase) -> Result<String> {
        let log = self.log.clone().context("a command that is run needs a log")?;
        self.command.stdout(Stdio::piped()).stderr(create_log(&log)?);
        let ended = self.wait(|| phase.detail(&last_lines(&log, 1)))?;
        self.check(what, ended.status, &log)?;
        let mut text = String::new();
        ended.stdout.context("no pipe")?.read_to_string(&mut text)?;
        Ok(text)
    }

    /// Runs it and returns its standard output. Its standard error is shown when it fails.
    pub(crate) fn output(mut self, what: &str) -> Result<String> {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let (child, group) = self.start()?;
        let output = child.wait_with_output()?;
        forget_group(group);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(text);
        }
        let errors = String::from_utf8_lossy(&output.stderr);
        let lines = tail(if errors.trim().is_empty() { &text } else { &errors }, 20);
        Err(failure(what, output.status, &lines, None, self.hint.as_deref()))
    }

    fn start(&mut self) -> Result<(Child, i32)> {
        self.command.stdin(if self.input.is_some() { Stdio::piped() } else { Stdio::null() });
        let (mut child, group) = spawn_group(&mut self.command, |groups, child| {
            let group = i32::try_from(child.id())?;
            groups.push(group);
            Ok(group)
        })?;
        if let (Some(mut stdin), Some(text)) = (child.stdin.take(), &self.input) {
            // A child that ends before it has read everything says why by its status.
            let _unread = stdin.write_all(text.as_bytes());
        }
        Ok((child, group))
    }

    fn wait(&mut self, mut meanwhile: impl FnMut()) -> Result<Ended> {
        let (mut child, group) = self.start()?;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            meanwhile();
            thread::sleep(Duration::from_millis(10));
        };
        forget_group(group);
        Ok(Ended { status, stdout: child.stdout.take() })
    }

    fn check(&self, what: &str, status: ExitStatus, log: &Path) -> Result<()> {
        if status.success() {
            return Ok(());
        }
        Err(failure(what, status, &last_lines(log, 25), Some(log), self.hint.as_deref()))
    }
}

fn failure(
    what: &str,
    status: ExitStatus,
    lines: &str,
    log: Option<&Path>,
    hint: Option<&str>,
) -> anyhow::Error {
    let from = log.map(|log| format!(" of {}", workspace::shown(log))).unwrap_or_default();
    let hint = hint.map(|hint| format!("\nWhat to do: {hint}")).unwrap_or_default();
    anyhow!("{what} failed ({status}). The last lines{from}:\n{}{hint}", indent(lines))
}

/// Opens an empty log, and makes its folder if needed.
pub(crate) fn create_log(path: &Path) -> Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    File::create(path).with_context(|| format!("cannot write {}", workspace::shown(path)))
}

/// Returns the last lines of a log that are not empty.
pub(crate) fn last_lines(log: &Path, count: usize) -> String {
    /// Enough for any lines worth showing.
    const TAIL_BYTES: u64 = 16 * 1024;
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    tail(&String::from_utf8_lossy(&read().unwrap_or_default()), count)
}

fn tail(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines.get(lines.len().saturating_sub(count)..).unwrap_or_default().join("\n")
}

/// Indents a text as a quotation.
pub(crate) fn indent(text: &str) -> String {
    text.lines().map(|line| format!("  | {line}")).collect::<Vec<_>>().join("\n")
}
