//! A TCP proxy before the database that delays, counts round trips, loses answers, and breaks. What it passes on is TLS: it sees
//! directions and sizes only.

use anyhow::{Context, Result, bail};
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
    sync::watch,
    time::sleep,
};

/// A running proxy. It ends with the program.
#[derive(Debug)]
pub struct DatabaseProxy {
    /// The database's URL, through the proxy.
    pub url: String,
    round_trips: Arc<AtomicU64>,
    way: watch::Sender<Way>,
}

/// What becomes of what comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Open,
    /// What the server says gets lost.
    Silent,
    /// Until a client speaks: then nothing of it gets through, and the way is shut.
    ShutByData,
    /// Connections are cut, and no others made.
    Shut,
}

impl DatabaseProxy {
    /// Stands before the server of `url`, half of `round_trip` away in each direction.
    pub async fn start(url: &str, round_trip: Duration) -> Result<Self> {
        let (head, rest) = url.rsplit_once('@').context("no host in the URL")?;
        let (server, path) = rest.split_once('/').context("no database in the URL")?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("{head}@{}/{path}", listener.local_addr()?);
        let (server, round_trips) = (server.to_owned(), Arc::new(AtomicU64::new(0)));
        let counter = Arc::clone(&round_trips);
        let (way, _) = watch::channel(Way::Open);
        let gate = way.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if *gate.borrow() == Way::Shut {
                    continue;
                }
                let (server, counter, gate) = (server.clone(), Arc::clone(&counter), gate.clone());
                tokio::spawn(async move {
                    let (mut shut, mut silent) = (gate.subscribe(), gate.subscribe());
                    let silence_ended = async {
                        silent.wait_for(|way| *way == Way::Silent).await?;
                        anyhow::Ok(silent.wait_for(|way| *way != Way::Silent).await.map(drop)?)
                    };
                    tokio::select! {
                        _ = join(client, &server, round_trip / 2, counter, gate) => {}
                        _ = shut.wait_for(|way| *way == Way::Shut) => {}
                        _ = silence_ended => {}
                    }
                });
            }
        });
        Ok(Self { url, round_trips, way })
    }

    /// How often a client has spoken after the server had, so far.
    pub fn round_trips(&self) -> u64 {
        self.round_trips.load(Ordering::SeqCst)
    }

    /// Cuts all connections, and makes no others.
    pub fn shut(&self) {
        self.way.send_replace(Way::Shut);
    }

    /// Passes on what clients say, and nothing that the server answers.
    pub fn silence(&self) {
        self.way.send_replace(Way::Silent);
    }

    /// Cuts the connections whose answers were lost. Others can be made.
    pub fn cut_silent(&self) {
        self.way.send_replace(Way::Open);
    }

    /// Does so as soon as a client says anything more.
    pub fn shut_by_data(&self) {
        self.way.send_replace(Way::ShutByData);
    }
}

async fn join(
    client: TcpStream,
    server: &str,
    delay: Duration,
    counter: Arc<AtomicU64>,
    way: watch::Sender<Way>,
) -> Result<()> {
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    let server_spoke = Arc::new(AtomicBool::new(true));
    let (heard, back_way) = (Arc::clone(&server_spoke), way.subscribe());
    let there = pass(client_read, server_write, delay, move || {
        if way.send_if_modified(|way| {
            *way == Way::ShutByData && {
                *way = Way::Shut;
                true
            }
        }) {
            bail!("shut by data");
        }
        if heard.swap(false, Ordering::SeqCst) {
            counter.fetch_add(1, Ordering::SeqCst);
        }
        Ok(true)
    });
    let back = pass(server_read, client_write, delay, move || {
        server_spoke.store(true, Ordering::SeqCst);
        Ok(*back_way.borrow() != Way::Silent)
    });
    tokio::try_join!(there, back)?;
    Ok(())
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    delay: Duration,
    seen: impl Fn() -> Result<bool>,
) -> Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let n = from.read(&mut buffer).await?;
        if n == 0 {
            to.shutdown().await?;
            return Ok(());
        }
        let gets_through = seen()?;
        sleep(delay).await;
        if gets_through {
            to.write_all(buffer.get(..n).unwrap_or_default()).await?;
        }
    }
}
