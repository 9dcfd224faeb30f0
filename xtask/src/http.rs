//! Plain HTTP to servers on this machine.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::{sync::LazyLock, time::Duration};
use ureq::{Agent, Body, http::Response};

static AGENT: LazyLock<Agent> = LazyLock::new(|| {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        // Every server that we call is local, whatever proxy the environment names.
        .proxy(None)
        .timeout_global(Some(Duration::from_secs(120)))
        .build();
    config.into()
});

/// An answer: its status and its text.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
    pub(crate) headers: ureq::http::HeaderMap,
}

impl Answer {
    /// Returns the text if the status is a success.
    pub(crate) fn ok(self, what: &str) -> Result<String> {
        if !(200..300).contains(&self.status) {
            bail!("{what}: HTTP {} {}", self.status, self.text.trim());
        }
        Ok(self.text)
    }

    /// Returns the JSON if the status is a success.
    pub(crate) fn json(self, what: &str) -> Result<Value> {
        let text = self.ok(what)?;
        serde_json::from_str(&text).with_context(|| format!("{what}: the answer is not JSON: {text}"))
    }
}

/// A header's name and value.
pub(crate) type Header<'a> = (&'a str, &'a str);

pub(crate) fn get(url: &str, headers: &[Header]) -> Result<Answer> {
    let mut request = AGENT.get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(url, request.call())
}

pub(crate) fn post(url: &str, headers: &[Header], body: &str) -> Result<Answer> {
    send(AGENT.post(url), url, headers, body)
}

pub(crate) fn put(url: &str, headers: &[Header], body: &str) -> Result<Answer> {
    send(AGENT.put(url), url, headers, body)
}

fn send(
    mut request: ureq::RequestBuilder<ureq::typestate::WithBody>,
    url: &str,
    headers: &[Header],
    body: &str,
) -> Result<Answer> {
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(url, request.send(body))
}

fn answer(url: &str, response: Result<Response<Body>, ureq::Error>) -> Result<Answer> {
    let mut response = response.with_context(|| format!("{url} cannot be reached"))?;
    let text = response.body_mut().read_to_string().with_context(|| format!("{url} broke off its answer"))?;
    Ok(Answer { status: response.status().as_u16(), text, headers: response.headers().clone() })
}

/// The header of a JSON body.
pub(crate) const JSON: Header = ("content-type", "application/json");
