//! Starts the stand-ins and serves until told to stop.

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use oslira_stand_ins::{Latency, Server};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tokio::signal::unix::{SignalKind, signal};

/// One server that imitates Apify, OpenAI, Anthropic and Supabase Auth on 127.0.0.1.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Port to listen on; 0 takes any that is free
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// File that gets the port once the server listens
    #[arg(long, value_name = "FILE")]
    port_file: Option<PathBuf>,
    /// File that keeps the signing keys; made with mode 0600 if missing
    #[arg(long, value_name = "FILE", default_value = "target/stand-in-keys.json")]
    key_file: PathBuf,
    /// How long the imitated services take
    #[arg(long, value_enum, default_value_t = Speed::Realistic)]
    latency: Speed,
}

#[derive(Clone, Copy, ValueEnum)]
enum Speed {
    /// As the real services: seconds
    Realistic,
    /// Milliseconds, for tests
    Fast,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let latency = match arguments.latency {
        Speed::Realistic => Latency::realistic(),
        Speed::Fast => Latency::fast(),
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let server = Server::bind(arguments.port, &arguments.key_file, latency).await?;
    if let Some(file) = &arguments.port_file {
        write_port(file, server.port()?)?;
    }
    eprintln!("stand-ins listen on {}", server.base_url());
    // Requests under way are dropped: nothing here is worth waiting for, and some wait for minutes on purpose.
    tokio::select! {
        result = server.serve() => result,
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}

/// Writes the port so that whoever waits for the file never reads half of it.
fn write_port(file: &Path, port: u16) -> Result<()> {
    let mut temporary = file.to_owned().into_os_string();
    temporary.push(".tmp");
    fs::write(&temporary, port.to_string())
        .and_then(|()| fs::rename(&temporary, file))
        .with_context(|| format!("cannot write {}", file.display()))
}
