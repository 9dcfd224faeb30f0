//! A proxy before the emulator's DynamoDB, for what happens between a write and its answer.

use crate::Stack;
use anyhow::{Context, Result};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

/// A running proxy; for a Lambda whose variable `AWS_ENDPOINT_URL_DYNAMODB` is its `url`. It ends with the value.
#[derive(Debug)]
pub struct DynamoDbProxy {
    /// Where it listens.
    pub url: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

/// A request that is to be struck, or has been.
#[derive(Debug)]
pub struct Struck {
    reached: oneshot::Receiver<()>,
    go_on: oneshot::Sender<()>,
}

#[derive(Debug)]
struct Shared {
    http: reqwest::Client,
    endpoint: String,
    traps: Mutex<Vec<Trap>>,
}

/// What the next request with a text in it meets.
#[derive(Debug)]
struct Trap {
    text: String,
    effect: Effect,
    reached: oneshot::Sender<()>,
    go_on: oneshot::Receiver<()>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Effect {
    Hold,
    LoseAnswer,
    Refuse,
}

impl DynamoDbProxy {
    /// Starts it.
    pub async fn start(stack: &Stack) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let endpoint = stack.description.aws_endpoint.clone();
        let shared = Arc::new(Shared { http: stack.http.clone(), endpoint, traps: Mutex::default() });
        let router = Router::new().fallback(pass).with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move {
            // It ends when the value is dropped; until then there is nothing to do about an error.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { url, shared, server })
    }

    /// The next request with this text in its body, or this name, waits until it may go on.
    pub fn hold(&self, text: &str) -> Struck {
        self.set(text, Effect::Hold)
    }

    /// It is carried out, and answered as if it might not have been.
    pub fn lose_answer(&self, text: &str) -> Struck {
        self.set(text, Effect::LoseAnswer)
    }

    /// It is not carried out.
    pub fn refuse(&self, text: &str) -> Struck {
        self.set(text, Effect::Refuse)
    }

    fn set(&self, text: &str, effect: Effect) -> Struck {
        let (reached, has_reached) = oneshot::channel();
        let (may_go_on, go_on) = oneshot::channel();
        self.shared.traps().push(Trap { text: text.to_owned(), effect, reached, go_on });
        Struck { reached: has_reached, go_on: may_go_on }
    }
}

impl Drop for DynamoDbProxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Struck {
    /// Waits until the request has come.
    pub async fn reached(&mut self) -> Result<()> {
        (&mut self.reached).await.context("the proxy ended")
    }

    /// Whether the request has come.
    pub fn has_been_reached(&mut self) -> bool {
        self.reached.try_recv().is_ok()
    }

    /// Lets it go on.
    pub fn let_go(self) {
        // Who sent it may have given up.
        let _ = self.go_on.send(());
    }
}

impl Shared {
    fn traps(&self) -> std::sync::MutexGuard<'_, Vec<Trap>> {
        self.traps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trap_for(&self, headers: &HeaderMap, body: &[u8]) -> Option<Trap> {
        let name = headers.get("x-amz-target").and_then(|name| name.to_str().ok()).unwrap_or_default();
        let body = String::from_utf8_lossy(body);
        let mut traps = self.traps();
        let at = traps.iter().position(|trap| name.ends_with(&trap.text) || body.contains(&trap.text))?;
        Some(traps.remove(at))
    }
}

async fn pass(
    State(shared): State<Arc<Shared>>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let trap = shared.trap_for(&headers, &body);
    let effect = trap.as_ref().map(|trap| trap.effect);
    if let Some(trap) = trap {
        let _ = trap.reached.send(());
        if effect == Some(Effect::Hold) {
            let _ = trap.go_on.await;
        }
    }
    let unanswered = || StatusCode::INTERNAL_SERVER_ERROR.into_response();
    if effect == Some(Effect::Refuse) {
        return unanswered();
    }
    match forward(&shared, method, headers, body).await {
        Ok(_) if effect == Some(Effect::LoseAnswer) => unanswered(),
        Ok(answer) => answer,
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}

async fn forward(shared: &Shared, method: Method, mut headers: HeaderMap, body: Bytes) -> Result<Response> {
    headers.remove(header::HOST);
    let request = shared.http.request(method, &shared.endpoint).headers(headers).body(body);
    let answer = request.send().await?;
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    headers.remove(header::TRANSFER_ENCODING);
    Ok((status, headers, answer.bytes().await?).into_response())
}
