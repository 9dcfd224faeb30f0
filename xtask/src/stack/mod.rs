//! The local stack: PostgreSQL, pgbouncer, the AWS emulator and the stand-ins for upstream services, with our
//! template deployed to it.

mod aws;
mod borrow;
mod build;
mod certificates;
mod checks;
mod daemon;
mod deploy;
mod description;
mod gateway_responses;
mod ministack;
mod own_server;
mod pgbouncer;
mod postgres;
mod prerequisites;
mod query;
mod secrets;
mod stand_ins;
mod tools;
mod up;
mod upstreams;
mod users;
mod viewer;

pub(crate) use aws::{Aws, Execution};
pub(crate) use borrow::borrow;
pub(crate) use build::{binary, zip_binaries};
pub(crate) use checks::{pg_prove, prepare_for_tests};
pub(crate) use deploy::{STACK_NAME, sam, template};
pub(crate) use description::{Description, User};
pub(crate) use prerequisites::Need;
pub(crate) use query::query;
pub(crate) use tools::{ensure_node_modules, ensure_venv, npm_packages, program};
pub(crate) use up::{Options, up};
pub(crate) use upstreams::Upstreams;

use crate::{
    process::{self, Cmd},
    workspace::{ROOT, shown},
};
use anyhow::{Context, Result, bail};
use daemon::{Daemon, Daemons};
use serde::{Deserialize, Serialize};
use std::{
    fmt, fs,
    fs::{File, TryLockError},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// A stack is a folder that contains all of its files.
#[derive(Clone)]
pub(crate) struct Stack {
    folder: PathBuf,
}

/// The servers that must run for the stack to be up.
const SERVERS: [&str; 4] = ["postgres", "pgbouncer", "ministack", "stand-ins"];

/// How quickly the stand-ins answer.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Latency {
    /// As quickly as the real services do.
    Realistic,
    /// At once.
    Fast,
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Realistic => "realistic",
            Self::Fast => "fast",
        })
    }
}

impl Stack {
    /// The developer's stack: `target/local`.
    pub(crate) fn local() -> Self {
        Self { folder: ROOT.join("target/local") }
    }

    /// The stack that `cargo xtask test` starts and stops: `target/test`.
    pub(crate) fn test() -> Self {
        Self { folder: ROOT.join("target/test") }
    }

    /// The stack that `cargo xtask bench pipeline`, `bench fairness` and `bench db` start and stop: `target/bench-stack`.
    pub(crate) fn bench() -> Self {
        Self { folder: ROOT.join("target/bench-stack") }
    }

    /// The stack whose description the variable `OSLIRA_STACK` names, as in tests; otherwise the developer's.
    pub(crate) fn chosen() -> Self {
        let description = std::env::var_os("OSLIRA_STACK").map(PathBuf::from);
        match description.as_deref().and_then(Path::parent) {
            Some(folder) => Self { folder: folder.to_owned() },
            None => Self::local(),
        }
    }

    /// A path in the stack's folder.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.join(name)
    }

    /// The log file of this name.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.path(format!("logs/{name}.log"))
    }

    /// The file that describes the stack to tests and tools.
    pub(crate) fn description_file(&self) -> PathBuf {
        self.path("stack.json")
    }

    fn daemons(&self) -> Daemons {
        Daemons::of(&self.folder)
    }

    /// Keeps other commands from changing this stack until the lock is dropped.
    pub(crate) fn lock(&self) -> Result<File> {
        self.lock_named("lock")
    }

    /// The same for one purpose only.
    pub(crate) fn lock_named(&self, name: &str) -> Result<File> {
        fs::create_dir_all(&self.folder)?;
        let lock = File::create(self.path(name))?;
        match lock.try_lock() {
            Ok(()) => Ok(lock),
            Err(TryLockError::WouldBlock) => {
                bail!("another `cargo xtask` is at work on this stack; wait for it, or stop it with Ctrl-C")
            }
            Err(TryLockError::Error(error)) => Err(error).context("cannot lock the stack"),
        }
    }

    /// The stack's servers that were started and not stopped.
    pub(crate) fn servers(&self) -> Vec<Daemon> {
        self.daemons().all()
    }

    /// Whether the stack is up: all servers run, and it was described.
    pub(crate) fn is_up(&self) -> bool {
        let daemons = self.daemons();
        SERVERS.iter().all(|name| daemons.alive(name).is_some()) && self.description_file().exists()
    }

    /// Whether the stack is up, completely deployed, and uses these upstreams.
    fn runs_with(&self, upstreams: &Upstreams) -> Result<bool> {
        Ok(self.path("deployed").exists() && Options::of(self)?.upstreams == *upstreams)
    }

    /// Returns the description of the stack, if it is up.
    pub(crate) fn description(&self) -> Result<Description> {
        if !self.is_up() {
            bail!("the local stack is not running: start it with `cargo xtask up`");
        }
        let text = fs::read_to_string(self.description_file())?;
        serde_json::from_str(&text).with_context(|| {
            format!("{} is damaged: `cargo xtask up` writes it anew", shown(&self.description_file()))
        })
    }

    /// Returns the description with the users signed in again, because their tokens are good for an hour.
    pub(crate) fn signed_in(&self) -> Result<Description> {
        let mut description = self.description()?;
        let secrets = secrets::Secrets::ensure(self)?;
        let stand_ins = stand_ins::StandIns { url: description.stand_ins_url.clone() };
        users::sign_in_again(&mut description.users, &stand_ins, &secrets)?;
        write_private(&self.description_file(), &serde_json::to_string_pretty(&description)?)?;
        Ok(description)
    }

    /// What the first demo user signs in with: e-mail address and password.
    pub(crate) fn first_demo_user(&self) -> Result<(String, String)> {
        Ok((users::first_email(), secrets::Secrets::ensure(self)?.demo_user_password))
    }

    /// A client of the running stack's emulator.
    pub(crate) fn aws(&self) -> Result<Aws> {
        Ok(Aws::at(self.emulator()?.port))
    }

    fn emulator(&self) -> Result<Daemon> {
        let emulator = self.daemons().alive("ministack");
        emulator.context("the local stack is not running: start it with `cargo xtask up`")
    }

    /// Python with the pinned tools. It finds the emulator of the running stack as it would find AWS.
    pub(crate) fn python(&self) -> Result<Cmd> {
        let emulator = self.emulator()?;
        Ok(deploy::apart(Cmd::new(program("python3"))).envs(ministack::aws_environment(emulator.port)))
    }

    /// Stops every server and removes what only made sense while they ran. Logs, passwords and certificates
    /// stay.
    pub(crate) fn stop(&self) -> Result<()> {
        self.daemons().stop_all()?;
        for name in [
            "postgres",
            "pgbouncer",
            "tmp",
            "home",
            "stack.json",
            "functions.env",
            "deployed",
            "parameters.yaml",
        ] {
            let path = self.path(name);
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            match removed {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("cannot remove {}", shown(&path)));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// With `true`, an interrupt stops the stack from now on; with `false`, it no longer does.
    pub(crate) fn stop_when_interrupted(&self, stop: bool) {
        let stack = self.clone();
        process::when_interrupted(stop.then(|| Box::new(move || stack.stop()) as _));
    }
}

/// Writes a file that only its owner can read.
fn write_private(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // The file is made anew, because the mode counts only when a file is created.
    let _there_was_none = fs::remove_file(path);
    let file = File::options().write(true).create_new(true).mode(0o600).open(path);
    file.with_context(|| format!("cannot write {}", shown(path)))?.write_all(text.as_bytes())?;
    Ok(())
}

/// Waits for a thread and returns its result. If the thread panicked, the panic goes on here.
pub(crate) fn join<T>(thread: std::thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
