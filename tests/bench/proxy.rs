//! A TCP proxy that delays and counts round trips. What it passes on is TLS: it sees directions and sizes only.

use anyhow::{Context, Result};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::sleep,
};

/// A running proxy. It ends with the program.
pub(crate) struct DelayProxy {
    /// The database's URL, through the proxy.
    pub(crate) url: String,
    round_trips: Arc<AtomicU64>,
}

impl DelayProxy {
    /// Stands before the server of `url`, half of `round_trip` away in each direction.
    pub(crate) async fn start(url: &str, round_trip: Duration) -> Result<Self> {
        let (head, rest) = url.rsplit_once('@').context("no host in the URL")?;
        let (server, path) = rest.split_once('/').context("no database in the URL")?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("{head}@{}/{path}", listener.local_addr()?);
        let (server, round_trips) = (server.to_owned(), Arc::new(AtomicU64::new(0)));
        let counter = Arc::clone(&round_trips);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, counter) = (server.clone(), Arc::clone(&counter));
                tokio::spawn(async move { join(client, &server, round_trip / 2, counter).await });
            }
        });
        Ok(Self { url, round_trips })
    }

    /// How often a client has spoken after the server had, so far.
    pub(crate) fn round_trips(&self) -> u64 {
        self.round_trips.load(Ordering::SeqCst)
    }
}

async fn join(client: TcpStream, server: &str, delay: Duration, counter: Arc<AtomicU64>) -> Result<()> {
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    let server_spoke = Arc::new(AtomicBool::new(true));
    let heard = Arc::clone(&server_spoke);
    let there = pass(client_read, server_write, delay, move || {
        if heard.swap(false, Ordering::SeqCst) {
            counter.fetch_add(1, Ordering::SeqCst);
        }
    });
    let back = pass(server_read, client_write, delay, move || server_spoke.store(true, Ordering::SeqCst));
    tokio::try_join!(there, back)?;
    Ok(())
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    delay: Duration,
    seen: impl Fn(),
) -> Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let n = from.read(&mut buffer).await?;
        if n == 0 {
            to.shutdown().await?;
            return Ok(());
        }
        seen();
        sleep(delay).await;
        to.write_all(buffer.get(..n).unwrap_or_default()).await?;
    }
}
