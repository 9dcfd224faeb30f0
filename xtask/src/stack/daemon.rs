//! The stack's servers. They are started once and keep running. Later commands find them again, and stop them
//! with all their children.

use crate::{
    process::{self, Cmd, create_log, indent, last_lines, signal_group, spawn_group, wait_until},
    procfs::{self, Process},
    workspace::shown,
};
use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

/// How long a server may take until its first answer.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long a server may take to end before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(8);

/// One server, as `processes.json` holds it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Daemon {
    pub(crate) name: String,
    /// Its process id, which is also the id of its process group.
    pub(crate) pid: i32,
    /// The port that it listens on.
    pub(crate) port: u16,
    /// When this changes, the server has to be restarted to be up to date.
    pub(crate) version: String,
    start_ticks: u64,
    boot_id: String,
}

impl Daemon {
    /// Whether it still runs: the same process, not a later one with its number.
    pub(crate) fn is_alive(&self) -> bool {
        self.boot_id == procfs::boot_id()
            && Process::find(self.pid).is_some_and(|p| p.start_ticks == self.start_ticks && !p.is_zombie)
    }

    /// PostgreSQL takes SIGTERM as "end when the last client has left", and SIGINT as "end now, cleanly".
    fn stop_signal(&self) -> Signal {
        if self.name == "postgres" { Signal::INT } else { Signal::TERM }
    }

    /// The remaining processes of its group. A server that was killed from outside leaves its children
    /// behind. They are ours if their working directory is below the stack's folder.
    fn remains(&self, folder: &Path) -> Vec<Process> {
        if self.boot_id != procfs::boot_id() {
            return Vec::new();
        }
        let alive = self.is_alive();
        let ours = |process: &Process| {
            alive || process.working_directory().is_some_and(|directory| directory.starts_with(folder))
        };
        procfs::group_members(self.pid).into_iter().filter(ours).collect()
    }
}

/// The servers of one stack.
#[derive(Clone)]
pub(crate) struct Daemons {
    folder: PathBuf,
}

impl Daemons {
    /// The servers of the stack in this folder.
    pub(crate) fn of(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    fn file(&self) -> PathBuf {
        self.folder.join("processes.json")
    }

    /// All servers that were started and not stopped by us, alive or not.
    pub(crate) fn all(&self) -> Vec<Daemon> {
        let text = fs::read_to_string(self.file()).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// The server of this name, if it runs.
    pub(crate) fn alive(&self, name: &str) -> Option<Daemon> {
        self.all().into_iter().find(|daemon| daemon.name == name && daemon.is_alive())
    }

    /// Starts a server and waits until it answers.
    pub(crate) fn start(
        &self,
        name: &str,
        port: u16,
        version: &str,
        command: Cmd,
        mut answers: impl FnMut() -> bool,
    ) -> Result<()> {
        let log = self.folder.join(format!("logs/{name}.log"));
        let file = create_log(&log)?;
        let mut command = command.into_command();
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let (mut child, _) = spawn_group(&mut command, |_, child| {
            let pid = i32::try_from(child.id())?;
            let process = Process::find(pid).with_context(|| format!("{name} ended at once"))?;
            let daemon = Daemon {
                name: name.to_owned(),
                pid,
                port,
                version: version.to_owned(),
                start_ticks: process.start_ticks,
                boot_id: procfs::boot_id(),
            };
            let mut all = self.all();
            all.retain(|other| other.name != name);
            all.push(daemon);
            self.write(&all)
        })?;
        let mut ended = false;
        let answered = wait_until(START_LIMIT, || {
            ended = matches!(child.try_wait(), Ok(Some(_)));
            ended || answers()
        });
        if ended || !answered {
            let how = if ended { "ended while starting" } else { "does not answer" };
            let log_name = shown(&log);
            bail!("{name} {how}. The last lines of {log_name}:\n{}", indent(&last_lines(&log, 25)));
        }
        Ok(())
    }

    fn write(&self, all: &[Daemon]) -> Result<()> {
        // The file is renamed into place, so that a reader never sees half of it.
        let new = self.folder.join("processes.json.new");
        fs::write(&new, serde_json::to_string_pretty(all)?)?;
        fs::rename(new, self.file())?;
        Ok(())
    }

    /// Stops one server, if it runs.
    pub(crate) fn stop(&self, name: &str) -> Result<()> {
        let (stopping, others): (Vec<_>, Vec<_>) =
            self.all().into_iter().partition(|daemon| daemon.name == name);
        self.stop_these(&stopping)?;
        self.write(&others)
    }

    /// Stops all servers and forgets them.
    pub(crate) fn stop_all(&self) -> Result<()> {
        let all = self.all();
        self.stop_these(&all)?;
        if self.file().exists() {
            fs::remove_file(self.file())?;
        }
        Ok(())
    }

    fn stop_these(&self, daemons: &[Daemon]) -> Result<()> {
        let remains = || daemons.iter().flat_map(|daemon| daemon.remains(&self.folder)).collect::<Vec<_>>();
        for daemon in daemons.iter().filter(|daemon| daemon.is_alive()) {
            signal_group(daemon.pid, daemon.stop_signal());
        }
        if wait_until(STOP_LIMIT, || remains().is_empty()) {
            return Ok(());
        }
        for process in remains() {
            process::kill(process.pid);
        }
        if !wait_until(STOP_LIMIT, || remains().is_empty()) {
            let pids: Vec<String> = remains().iter().map(|process| process.pid.to_string()).collect();
            bail!("these processes do not end: {}", pids.join(", "));
        }
        Ok(())
    }
}
