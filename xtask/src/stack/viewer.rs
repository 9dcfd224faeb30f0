//! The server of the page that shows `docs/openapi.yaml` and tries its routes.

use crate::{
    stack::{Stack, own_server::OwnServer, up::free_ports},
    workspace::ROOT,
};
use anyhow::Result;
use std::path::Path;

const NAME: &str = "viewer";

/// Starts the viewer on its earlier port, or on a free one. Returns its address.
pub(super) fn ensure(stack: &Stack, host: &str, node_modules: &Path) -> Result<String> {
    let port = match stack.daemons().alive(NAME) {
        Some(daemon) => daemon.port,
        None => {
            let [port] = free_ports()?;
            port
        }
    };
    OwnServer { name: NAME, port, settings: "", health: "" }.ensure(stack, host, |command| {
        command
            .arg("--stack", stack.description_file())
            .arg("--description", ROOT.join("docs/openapi.yaml"))
            .arg("--assets", node_modules.join("swagger-ui-dist"))
    })?;
    Ok(format!("http://127.0.0.1:{port}/"))
}
