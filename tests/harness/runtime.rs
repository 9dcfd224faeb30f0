//! A Lambda runtime of our own: starts one of our binaries and hands it events, as Lambda does.
//!
//! For what the emulator cannot do: other environment variables, a process killed between any two instructions,
//! the time to the first poll, the memory.

use crate::{ORIGIN, Reply, Stack, http::EventRoute};
use anyhow::{Context, Result, anyhow, bail};
use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Map, Value, json};
use std::{
    collections::VecDeque,
    env,
    path::PathBuf,
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::{
    io::AsyncReadExt,
    net::TcpListener,
    process::{Child, Command},
    sync::{Mutex, mpsc},
    task::JoinHandle,
};

/// A running execution environment of one Lambda. It ends with the value.
#[derive(Debug)]
pub struct Lambda {
    child: Child,
    server: JoinHandle<()>,
    events: mpsc::UnboundedSender<Event>,
    answers: mpsc::UnboundedReceiver<Outcome>,
    /// The routes of the events that are not answered yet; the runtime answers them in their order.
    routes: VecDeque<Option<EventRoute>>,
    /// From the start of the process to its first request for an event.
    pub init: Duration,
    next_id: u64,
}

/// What an invocation came to.
#[derive(Debug)]
pub struct Answer {
    /// The response, or the reported error.
    pub outcome: Result<Value, Value>,
    /// When it arrived.
    pub at: Instant,
    route: Option<EventRoute>,
}

/// An answer, before it is known which event it is of.
#[derive(Debug)]
struct Outcome {
    outcome: Result<Value, Value>,
    at: Instant,
}

/// A message of a queue.
#[derive(Debug)]
pub struct Message<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its text.
    pub body: String,
    /// How often it was received.
    pub receive_count: u32,
}

#[derive(Debug)]
struct Event {
    id: u64,
    payload: Bytes,
}

struct Runtime {
    events: Mutex<mpsc::UnboundedReceiver<Event>>,
    answers: mpsc::UnboundedSender<Outcome>,
    polled: mpsc::UnboundedSender<Instant>,
}

impl Lambda {
    /// Starts the binary of this name with the stack's environment and `overrides`.
    pub async fn start(stack: &Stack, name: &str, overrides: &[(&str, &str)]) -> Result<Self> {
        Self::start_binary(&binary(name)?, name, &stack.functions_env, overrides).await
    }

    /// Starts a binary from a file.
    pub async fn start_binary(
        file: &std::path::Path,
        name: &str,
        environment: &std::collections::HashMap<String, String>,
        overrides: &[(&str, &str)],
    ) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (events, queue) = mpsc::unbounded_channel();
        let (answered, answers) = mpsc::unbounded_channel();
        let (polled, mut polls) = mpsc::unbounded_channel();
        let runtime = Arc::new(Runtime { events: Mutex::new(queue), answers: answered, polled });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .with_state(runtime);
        let server = tokio::spawn(async move {
            // It ends when the value is dropped; until then there is nothing to do about an error.
            let _ = axum::serve(listener, router).await;
        });
        let started = Instant::now();
        let mut child = Command::new(file)
            .env_clear()
            .envs(environment)
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", name)
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "local")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "local")
            .envs(overrides.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} does not start; was it built?", file.display()))?;
        let first_poll = tokio::select! {
            at = polls.recv() => at.context("no poll")?,
            status = child.wait() => bail!("{name} ended during init, {}: {}", status?, log(&mut child).await),
        };
        // Nobody reads it from here on, and a full pipe would stop the process.
        if let Some(mut stderr) = child.stderr.take() {
            tokio::spawn(async move { tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await });
        }
        let init = first_poll.duration_since(started);
        Ok(Self { child, server, events, answers, routes: VecDeque::new(), init, next_id: 0 })
    }

    /// Hands over an event and waits for what comes of it.
    pub async fn invoke(&mut self, payload: &Value) -> Result<Answer> {
        self.send(payload)?;
        self.answered().await
    }

    /// Waits for what comes of the event that was sent.
    pub async fn answered(&mut self) -> Result<Answer> {
        tokio::select! {
            answer = self.answers.recv() => {
                let Outcome { outcome, at } = answer.context("the runtime ended")?;
                Ok(Answer { outcome, at, route: self.routes.pop_front().flatten() })
            }
            status = self.child.wait() => bail!("the process ended: {}", status?),
        }
    }

    /// Hands over messages of its queue, and answers the ids of those that it reports as failed.
    pub async fn work_off(&mut self, messages: &[Message<'_>]) -> Result<Vec<String>> {
        let records = messages.iter().map(|message| {
            json!({
                "messageId": message.id,
                "body": message.body,
                "attributes": {"ApproximateReceiveCount": message.receive_count.to_string()},
                "eventSource": "aws:sqs",
            })
        });
        let answer = self.invoke(&json!({"Records": records.collect::<Vec<_>>()})).await?;
        let answer = answer.output()?;
        let failures = answer["batchItemFailures"].as_array().context("no failures")?.iter();
        let id = |failure: &Value| failure["itemIdentifier"].as_str().map(str::to_owned);
        failures.map(|failure| id(failure).with_context(|| format!("no id in {failure}"))).collect()
    }

    /// Hands over an event and waits for nothing.
    pub fn send(&mut self, payload: &Value) -> Result<()> {
        self.next_id += 1;
        self.routes.push_back(EventRoute::of(payload));
        let payload = Bytes::from(payload.to_string());
        self.events.send(Event { id: self.next_id, payload }).context("the runtime ended")
    }

    /// Kills the process where it stands.
    pub async fn kill(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Resident memory, in bytes.
    pub fn memory(&self) -> Result<u64> {
        self.status("VmRSS:")
    }

    /// The most resident memory that it ever had, in bytes.
    pub fn peak_memory(&self) -> Result<u64> {
        self.status("VmHWM:")
    }

    fn status(&self, name: &str) -> Result<u64> {
        let id = self.child.id().context("the process has ended")?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name)).context(name.to_owned())?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024)
    }
}

impl Drop for Lambda {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// What a process that has ended left on stderr.
async fn log(child: &mut Child) -> String {
    let mut text = String::new();
    if let Some(stderr) = &mut child.stderr {
        let _ = stderr.read_to_string(&mut text).await;
    }
    text
}

/// Runs `cargo xtask` with these arguments on the tests' stack: what it prints, or what it complains of.
pub async fn xtask(arguments: &[&str]) -> Result<Result<String, String>> {
    let output = Command::new(binary("xtask")?).args(arguments).output().await?;
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Ok(if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) })
}

/// The binary that the build put beside the tests' own.
fn binary(name: &str) -> Result<PathBuf> {
    // target/{triple}/debug/deps/{test}-{hash}
    let test = env::current_exe()?;
    let folder = test.parent().and_then(std::path::Path::parent).context("an odd place for a test")?;
    Ok(folder.join(name))
}

async fn next(State(runtime): State<Arc<Runtime>>) -> Response {
    // The receiver is gone once the first poll was seen.
    let _ = runtime.polled.send(Instant::now());
    let Some(event) = runtime.events.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + Duration::from_secs(60);
    let mut headers = HeaderMap::new();
    let mut set = |name: &'static str, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    };
    set("lambda-runtime-aws-request-id", event.id.to_string());
    set("lambda-runtime-deadline-ms", deadline.as_millis().to_string());
    set(
        "lambda-runtime-invoked-function-arn",
        "arn:aws:lambda:us-east-1:000000000000:function:local".to_owned(),
    );
    set(
        "lambda-runtime-trace-id",
        "Root=1-00000000-000000000000000000000000;Parent=0000000000000000;Sampled=0".to_owned(),
    );
    (headers, event.payload).into_response()
}

async fn response(State(runtime): State<Arc<Runtime>>, Path(_): Path<String>, body: Bytes) -> StatusCode {
    answer(&runtime, Ok(parse(&body)))
}

async fn error(State(runtime): State<Arc<Runtime>>, Path(_): Path<String>, body: Bytes) -> StatusCode {
    answer(&runtime, Err(parse(&body)))
}

fn answer(runtime: &Runtime, outcome: Result<Value, Value>) -> StatusCode {
    let _ = runtime.answers.send(Outcome { outcome, at: Instant::now() });
    StatusCode::ACCEPTED
}

fn parse(body: &Bytes) -> Value {
    serde_json::from_slice(body).unwrap_or(Value::Null)
}

impl Stack {
    /// Invokes a deployed Lambda.
    pub async fn invoke(&self, function: &str, event: &Value) -> Result<Answer> {
        let outcome = self.aws.invoke(&self.description.functions[function], event).await?;
        Ok(Answer { outcome, at: Instant::now(), route: EventRoute::of(event) })
    }
}

impl Answer {
    /// The name of the error that a stage has failed with.
    pub fn error_type(&self) -> Result<&str> {
        let error = self.outcome.as_ref().err().context("it succeeded")?;
        error["errorType"].as_str().with_context(|| format!("no name in {error}"))
    }

    /// What it answers, if it has not failed.
    pub fn output(self) -> Result<Value> {
        self.outcome.map_err(|error| anyhow!("it failed: {error}"))
    }

    /// An HTTP endpoint's answer.
    pub fn http(&self) -> Result<Reply> {
        let response = self.outcome.as_ref().map_err(|error| anyhow!("it failed: {error}"))?;
        Reply::of_lambda(response, self.route.as_ref().context("the event was of no route")?)
    }
}

impl crate::User<'_> {
    /// The event of a GET of this user, as API Gateway hands it to a Lambda. The path is as the route is declared; the values of
    /// its placeholders come beside it.
    pub fn get_event(&self, path: &str, path_parameters: &[(&str, &str)]) -> Value {
        self.event("GET", path, path_parameters, None)
    }

    /// The event of a POST of this user.
    pub fn post_event(&self, path: &str, body: &Value) -> Value {
        self.event("POST", path, &[], Some(body))
    }

    /// The event of any request of this user. The path is as the route is declared.
    pub fn event(
        &self,
        method: &str,
        path: &str,
        path_parameters: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Value {
        let path_parameters: Map<String, Value> =
            path_parameters.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        json!({
            "resource": path,
            "path": path,
            "httpMethod": method,
            "headers": {"Content-Type": "application/json", "Origin": ORIGIN},
            "multiValueHeaders": {"Content-Type": ["application/json"], "Origin": [ORIGIN]},
            "queryStringParameters": null,
            "multiValueQueryStringParameters": null,
            "pathParameters": Some(path_parameters).filter(|values| !values.is_empty()),
            "stageVariables": null,
            "requestContext": {
                "accountId": "000000000000",
                "apiId": "local",
                "httpMethod": method,
                "identity": {"sourceIp": "127.0.0.1"},
                "path": path,
                "requestId": "request-1",
                "resourceId": "local",
                "resourcePath": path,
                "stage": "v1",
                "authorizer": {
                    "principalId": self.user_id,
                    "userId": self.user_id,
                    "email": self.email,
                    "accountId": self.account_id,
                    "expiresAt": "4102444800",
                },
            },
            "body": body.map(Value::to_string),
            "isBase64Encoded": false,
        })
    }
}
