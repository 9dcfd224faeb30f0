//! A server that stands for both vendors: it gives prepared answers and keeps the requests.

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use oslira_llm::{Endpoint, Llm};
use serde_json::{Value, json};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, mpsc},
};
use tokio::sync::{Notify, watch};

pub(crate) const OPENAI_KEY: &str = "sk-openai-secret";
pub(crate) const ANTHROPIC_KEY: &str = "sk-ant-secret";
/// Marks an answer that never comes.
const HANGS: &str = "x-hangs";
/// Names the gate that an answer waits for.
const HELD: &str = "x-held";

#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

#[derive(Clone, Default)]
pub(crate) struct Vendors {
    openai: Arc<Mutex<VecDeque<Response>>>,
    anthropic: Arc<Mutex<VecDeque<Response>>>,
    seen: Arc<watch::Sender<Vec<Seen>>>,
    gates: Arc<Mutex<HashMap<String, Arc<Notify>>>>,
}

impl Vendors {
    /// Starts vendors that give these answers, one per request, and makes a client of both.
    pub(crate) async fn start(
        openai: impl IntoIterator<Item = Response>,
        anthropic: impl IntoIterator<Item = Response>,
    ) -> (Self, Llm<'static>) {
        let vendors = Self::default();
        vendors.openai.lock().unwrap().extend(openai);
        vendors.anthropic.lock().unwrap().extend(anthropic);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(vendors.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (vendors, client(&base_url))
    }

    pub(crate) fn openai_requests(&self) -> Vec<Seen> {
        self.requests("/openai")
    }

    pub(crate) fn anthropic_requests(&self) -> Vec<Seen> {
        self.requests("/anthropic")
    }

    fn requests(&self, prefix: &str) -> Vec<Seen> {
        self.seen.borrow().iter().filter(|seen| seen.path.starts_with(prefix)).cloned().collect()
    }

    /// Waits until this many requests have come.
    pub(crate) async fn were_asked(&self, times: usize) {
        self.seen.subscribe().wait_for(|seen| seen.len() >= times).await.unwrap();
    }

    /// Releases the answer that is [`held`] under this name.
    pub(crate) fn release(&self, name: &str) {
        self.gate(name).notify_one();
    }

    fn gate(&self, name: &str) -> Arc<Notify> {
        Arc::clone(self.gates.lock().unwrap().entry(name.to_owned()).or_default())
    }
}

async fn answer(State(vendors): State<Vendors>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let path = parts.uri.path().to_owned();
    let queue = if path.starts_with("/openai") { &vendors.openai } else { &vendors.anthropic };
    let next = queue.lock().unwrap().pop_front();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    vendors.seen.send_modify(|seen| seen.push(Seen { path, headers: parts.headers, body }));
    match next {
        Some(response) if response.headers().contains_key(HANGS) => std::future::pending().await,
        Some(response) => {
            if let Some(name) = response.headers().get(HELD) {
                vendors.gate(name.to_str().unwrap()).notified().await;
            }
            response
        }
        None => StatusCode::IM_A_TEAPOT.into_response(),
    }
}

/// A client of both vendors at one address.
pub(crate) fn client(base_url: &str) -> Llm<'static> {
    _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    Llm::new(
        http,
        Endpoint::new(format!("{base_url}/openai"), OPENAI_KEY),
        Endpoint::new(format!("{base_url}/anthropic/"), format!("{ANTHROPIC_KEY}\n")),
    )
}

pub(crate) fn openai_answer(content: &str) -> Response {
    respond(
        200,
        json!({
            "id": "chatcmpl-C1", "object": "chat.completion", "created": 1763600000, "model": "gpt-6-luna",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": content, "refusal": null},
                "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 150, "completion_tokens": 20, "total_tokens": 170,
                "prompt_tokens_details": {"cached_tokens": 120},
                "completion_tokens_details": {"reasoning_tokens": 12}},
        }),
    )
}

pub(crate) fn message(stop_reason: &str, text: &str) -> Response {
    respond(
        200,
        json!({
            "id": "msg_01", "type": "message", "role": "assistant", "model": "claude-haiku-5-5",
            "content": [{"type": "thinking", "thinking": "…", "signature": "s"}, {"type": "text", "text": text}],
            "stop_reason": stop_reason,
            "usage": {"input_tokens": 30, "cache_creation_input_tokens": 100, "cache_read_input_tokens": 120,
                "output_tokens": 20},
        }),
    )
}

pub(crate) fn openai_error(status: u16, code: &str) -> Response {
    let message = format!("canary: Incorrect API key provided: {OPENAI_KEY}.");
    respond(
        status,
        json!({"error": {"message": message, "type": "invalid_request_error", "param": null, "code": code}}),
    )
}

/// Any answer. It asks for no wait, which spares the test the client's own back-off.
pub(crate) fn respond(status: u16, body: Value) -> Response {
    (StatusCode::from_u16(status).unwrap(), [("retry-after", "0")], Json(body)).into_response()
}

/// An answer with these bytes as its body.
pub(crate) fn respond_with(status: u16, body: impl Into<axum::body::Body>) -> Response {
    (StatusCode::from_u16(status).unwrap(), [("retry-after", "0")], body.into()).into_response()
}

/// An answer that waits until it is released.
pub(crate) fn held(name: &str, mut response: Response) -> Response {
    response.headers_mut().insert(HELD, name.parse().unwrap());
    response
}

pub(crate) fn hangs() -> Response {
    [(HANGS, "1")].into_response()
}

/// Collects what is logged while a test keeps it.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn keep(&self) -> tracing::subscriber::DefaultGuard {
        // If only one subscriber exists in the process, a thread without one may decide for all that a line
        // is not needed.
        let nowhere = tracing_subscriber::fmt().with_writer(std::io::sink).finish();
        _ = tracing::subscriber::set_global_default(nowhere);
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt().json().with_writer(move || log.clone()).finish();
        tracing::subscriber::set_default(subscriber)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Keeps a paused clock from moving while the runtime only waits for a socket. Otherwise the clock would jump
/// to the next timer. Only work on another thread prevents that.
pub(crate) fn frozen() -> mpsc::Sender<()> {
    let (time, ends) = mpsc::channel();
    tokio::task::spawn_blocking(move || ends.recv().is_err());
    time
}
