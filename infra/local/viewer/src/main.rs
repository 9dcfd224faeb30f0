//! Starts the viewer and serves until told to stop.

use anyhow::Result;
use clap::Parser;
use oslira_viewer::{Server, Sources};
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};

/// A page on 127.0.0.1 that shows the API's description and tries its routes against the local stack.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Port to listen on; 0 takes any that is free
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// What the running stack says about itself
    #[arg(long, value_name = "FILE", default_value = "target/local/stack.json")]
    stack: PathBuf,
    /// The API's description
    #[arg(long, value_name = "FILE", default_value = "docs/openapi.yaml")]
    description: PathBuf,
    /// The npm package swagger-ui-dist
    #[arg(long, value_name = "FOLDER", default_value = "target/local/node/node_modules/swagger-ui-dist")]
    assets: PathBuf,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let Arguments { port, stack, description, assets } = Arguments::parse();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let server = Server::bind(port, Sources { stack, description, assets }).await?;
    eprintln!("the viewer listens on {}", server.base_url());
    tokio::select! {
        result = server.serve() => result,
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}
