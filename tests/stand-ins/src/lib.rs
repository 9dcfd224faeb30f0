#![doc = include_str!("../README.md")]

mod answers;
mod anthropic;
mod apify;
mod control;
mod counters;
mod faults;
mod gate;
mod keys;
mod niches;
mod openai;
mod posts;
mod profiles;
mod prompt_cache;
mod prose;
mod random;
mod reset;
mod runs;
mod schemas;
mod settings;
mod state;
mod supabase;
mod upstream;

pub use settings::Latency;
use upstream::Upstream;

use anyhow::{Context, Result};
use axum::{Router, extract::DefaultBodyLimit, middleware};
use reset::{Connection, ResettableListener};
use state::{Shared, StandIns};
use std::{net::Ipv4Addr, path::Path, sync::Arc};
use tokio::net::TcpListener;

/// A server that has its port and is ready to serve.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    state: Shared,
}

impl Server {
    /// Takes a port of 127.0.0.1 (0: any that is free) and opens the key file, or makes it.
    ///
    /// # Errors
    /// When the port is taken or the key file cannot be used.
    pub async fn bind(port: u16, key_file: &Path, latency: Latency) -> Result<Self> {
        let keys = keys::Keys::open(key_file)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .with_context(|| format!("cannot listen on port {port}"))?;
        let base_url = format!("http://{}", listener.local_addr()?);
        Ok(Self { listener, state: Arc::new(StandIns::new(base_url, keys, latency)) })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn base_url(&self) -> &str {
        &self.state.base_url
    }

    /// The port.
    ///
    /// # Errors
    /// When the operating system does not tell.
    pub fn port(&self) -> Result<u16> {
        Ok(self.listener.local_addr()?.port())
    }

    /// Serves until the future is dropped.
    ///
    /// # Errors
    /// When the listener breaks.
    pub async fn serve(self) -> Result<()> {
        let service = router(self.state).into_make_service_with_connect_info::<Connection>();
        axum::serve(ResettableListener(self.listener), service).await?;
        Ok(())
    }
}

fn router(state: Shared) -> Router {
    Router::new()
        .nest("/apify", apify::routes())
        .nest("/openai", openai::routes())
        .nest("/anthropic", anthropic::routes())
        .nest("/supabase", supabase::routes())
        .nest("/_control", control::routes())
        // The gate has read the body and set its limit.
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(Arc::clone(&state), gate::gate))
        .with_state(state)
}
