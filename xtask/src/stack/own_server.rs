//! Servers that are programs of this workspace.

use crate::{
    http,
    process::Cmd,
    stack::{Stack, build},
};
use anyhow::{Context, Result};
use std::{fs, path::Path, time::UNIX_EPOCH};

/// A server that is the program `oslira-NAME`.
pub(super) struct OwnServer<'a> {
    pub(super) name: &'a str,
    /// The port that it listens on, on 127.0.0.1.
    pub(super) port: u16,
    /// The server is restarted when this changes.
    pub(super) settings: &'a str,
    /// A path that it answers with 200 once it runs.
    pub(super) health: &'a str,
}

impl OwnServer<'_> {
    /// Starts the server. Restarts it on the same port when its binary or its settings have changed.
    pub(super) fn ensure(&self, stack: &Stack, host: &str, arguments: impl FnOnce(Cmd) -> Cmd) -> Result<()> {
        let Self { name, port, settings, health } = self;
        let program = format!("oslira-{name}");
        let binary = build::binary(&program, host);
        let version = format!("{settings} {}", modified(&binary)?);
        if stack.daemons().alive(name).is_some_and(|daemon| daemon.version == version) {
            return Ok(());
        }
        stack.daemons().stop(name)?;
        // It runs from a copy, so that the next build does not have to replace a running program.
        let copy = stack.path(program);
        fs::copy(&binary, &copy).with_context(|| format!("cannot copy {}", binary.display()))?;
        let command = arguments(Cmd::new(copy).arg("--port", port.to_string()));
        let health = format!("http://127.0.0.1:{port}/{health}");
        stack.daemons().start(name, *port, &version, command, || {
            http::get(&health, &[]).is_ok_and(|answer| answer.status == 200)
        })
    }
}

fn modified(path: &Path) -> Result<u128> {
    let time = fs::metadata(path).and_then(|metadata| metadata.modified());
    Ok(time.with_context(|| format!("{} is missing", path.display()))?.duration_since(UNIX_EPOCH)?.as_nanos())
}
