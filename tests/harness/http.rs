//! Requests to the API, and its answers.

use crate::{Stack, openapi};
use anyhow::{Context, Result};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

/// A page that may call the API.
pub const ORIGIN: &str = "http://localhost:3000";

/// An answer of the API.
#[derive(Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: HeaderMap,
    /// The envelope, or the text of an answer that is no JSON.
    pub body: Value,
}

/// A refusal, to compare: its status and its code.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal<'a> {
    /// The HTTP status.
    pub status: u16,
    /// `code` of the envelope.
    pub code: &'a str,
}

/// The refusal that is expected.
pub const fn refused(status: u16, code: &str) -> Refusal<'_> {
    Refusal { status, code }
}

impl Reply {
    /// What it refuses with; the code of a success is empty.
    pub fn refusal(&self) -> Refusal<'_> {
        refused(self.status, self.code())
    }

    /// A header's text; empty when it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The id of the run that was begun.
    pub fn run_id(&self) -> Result<&str> {
        self.data()["runId"].as_str().with_context(|| format!("no run in {}", self.body))
    }

    /// `code` of the envelope.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// `data` of the envelope.
    pub fn data(&self) -> &Value {
        &self.body["data"]
    }
}

/// The route that a Lambda's event is of.
#[derive(Clone, Debug)]
pub(crate) struct EventRoute {
    method: String,
    path: String,
}

impl EventRoute {
    /// `None` when the event is none of API Gateway's.
    pub(crate) fn of(event: &Value) -> Option<Self> {
        let text = |name: &str| event[name].as_str().map(str::to_owned);
        Some(Self { method: text("httpMethod")?, path: text("resource")? })
    }
}

impl Reply {
    /// An answer, which must be one of those that the route is described with.
    fn described(status: u16, headers: HeaderMap, text: String, method: &str, path: &str) -> Result<Self> {
        let is_csv = headers
            .get("content-type")
            .and_then(|value| value.to_str().ok())
            .is_some_and(|form| form.starts_with("text/csv"));
        let body = if is_csv {
            openapi::check_csv(method, path, status, &text)?;
            Value::String(text)
        } else {
            let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
            openapi::check(method, path, status, &body)?;
            body
        };
        Ok(Self { status, headers, body })
    }

    /// What a Lambda answers to API Gateway. It must be one of the answers that the route is described with.
    pub(crate) fn of_lambda(response: &Value, route: &EventRoute) -> Result<Self> {
        let status = u16::try_from(response["statusCode"].as_u64().context("no status")?)?;
        let mut headers = HeaderMap::new();
        for (name, values) in response["multiValueHeaders"].as_object().into_iter().flatten() {
            let value = values[0].as_str().with_context(|| format!("no text in {name}"))?;
            headers.insert(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
        }
        let text = response["body"].as_str().context("no body")?.to_owned();
        Self::described(status, headers, text, &route.method, &route.path)
    }
}

/// Any request to the API.
pub(crate) async fn request(
    stack: &Stack,
    method: reqwest::Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<String>,
) -> Result<Reply> {
    let named = method.to_string();
    let mut request = stack.http.request(method, format!("{}{path}", stack.description.api_url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body);
    }
    let answer = request.send().await?;
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    Reply::described(status, headers, answer.text().await?, &named, path)
}

impl Stack {
    /// A request without a user.
    pub async fn request(
        &self,
        method: reqwest::Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Reply> {
        request(self, method, path, headers, None).await
    }
}
