//! Asking: which vendors, in which order, and how much of the time each one gets.

use crate::{
    Assignment, Catalogue, Outcome, Provider, Question, Shared, SharesNothing, anthropic,
    attempt::receive,
    failure::{Failure, Failures, Remedy},
    openai,
    turn::{Answered, Turn},
};
use jiff::civil::Date;
use oslira_domain::Class;
use reqwest::{Client, RequestBuilder, Url, header::HeaderValue};
use serde_json::Value;
use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};
use tokio::time::Instant;

/// The part of the remaining time that a vendor may use while another vendor waits behind it.
const FIRST_PROVIDER_SHARE: f64 = 0.6;
/// The part of a question's time that a call must have had before its time-out speaks against the provider.
/// The first attempt at the first provider has 40 %, which is more. After such an attempt has timed out, the
/// later calls have less, so their time-outs say nothing.
const FAIR_SHARE: f64 = 1.0 / 3.0;

/// The address of a vendor, and our key there.
#[derive(Clone)]
pub struct Endpoint {
    base_url: String,
    key: String,
}

impl Endpoint {
    /// OpenAI's own address; `/chat/completions` is appended.
    pub const OPENAI: &'static str = "https://api.openai.com/v1";
    /// Anthropic's own address; `/v1/messages` is appended.
    pub const ANTHROPIC: &'static str = "https://api.anthropic.com";

    /// The address of a vendor or of a gateway in front of it, and the key.
    pub fn new(base_url: impl AsRef<str>, key: impl AsRef<str>) -> Self {
        Self {
            base_url: base_url.as_ref().trim_end_matches('/').to_owned(),
            key: key.as_ref().trim().to_owned(),
        }
    }

    /// Whether this address belongs to a gateway, not to a vendor. Every host of a vendor's own domain is the
    /// vendor. A text that is not an address is not a gateway.
    pub fn is_a_gateway(base_url: &str) -> bool {
        let url = Url::parse(base_url).ok();
        url.as_ref().and_then(Url::host_str).is_some_and(|host| {
            let host = host.trim_end_matches('.');
            !["openai.com", "anthropic.com"].iter().any(|domain| {
                host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            })
        })
    }
}

impl fmt::Debug for Endpoint {
    /// Leaves the key out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

/// A client of both vendors. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Llm<'a, S = SharesNothing> {
    http: Client,
    openai: Endpoint,
    anthropic: Endpoint,
    gateway_token: Option<HeaderValue>,
    catalogue: Arc<Catalogue>,
    pub(crate) shared: &'a S,
}

impl Llm<'static> {
    /// A client that uses the [embedded catalogue](Catalogue::embedded) and shares nothing with other
    /// workers.
    pub fn new(http: Client, openai: Endpoint, anthropic: Endpoint) -> Self {
        Self {
            http,
            openai,
            anthropic,
            gateway_token: None,
            catalogue: Catalogue::embedded(),
            shared: &SharesNothing,
        }
    }
}

impl<'a, S: Shared> Llm<'a, S> {
    /// The same client with other models.
    #[must_use]
    pub fn with_catalogue(self, catalogue: impl Into<Arc<Catalogue>>) -> Self {
        Self { catalogue: catalogue.into(), ..self }
    }

    /// The same client with the token for an AI gateway, which is sent beside the vendor's key
    /// (`cf-aig-authorization`). It is sent to [gateways](Endpoint::is_a_gateway) only.
    #[must_use]
    pub fn with_gateway_token(self, token: &str) -> Self {
        Self { gateway_token: Some(sensitive(&format!("Bearer {token}"))), ..self }
    }

    /// The same client, with what it shares with other workers.
    #[must_use]
    pub fn sharing<T: Shared>(self, shared: &T) -> Llm<'_, T> {
        let Self { http, openai, anthropic, gateway_token, catalogue, .. } = self;
        Llm { http, openai, anthropic, gateway_token, catalogue, shared }
    }

    /// Asks until a model's answer can be read, in the order that this crate's page describes.
    ///
    /// `read` turns the JSON into the answer. When it cannot, it says what is wrong, in words for the model.
    ///
    /// # Errors
    /// In the outcome: `AiUnavailable`, `AiRejected` or `AnswerUnusable`.
    pub async fn ask<T>(
        &self,
        question: &Question<'_>,
        today: Date,
        deadline: Instant,
        read: impl Fn(Value) -> Result<T, String>,
    ) -> Outcome<'a, T> {
        let mut failures = Vec::new();
        let mut models = Vec::new();
        for assignment in self.catalogue.of(question.role) {
            match self.serves(assignment, today) {
                Ok(()) => models.push(assignment),
                Err(failure) => failures.push(failure),
            }
        }
        let mut calls = Vec::new();
        let fair_time = deadline.saturating_duration_since(Instant::now()).mul_f64(FAIR_SHARE);
        for (index, assignment) in models.iter().copied().enumerate() {
            let is_last = index + 1 == models.len();
            let left = deadline.saturating_duration_since(Instant::now());
            let share = if is_last { left } else { left.mul_f64(FIRST_PROVIDER_SHARE) };
            let ends = Instant::now() + share;
            let turn = Turn { llm: self, question, assignment, ends, fair_time, calls: &mut calls };
            match turn.take(&read).await {
                Ok(Answered::Recalled(answer)) => {
                    return Outcome { calls, answer: Ok(answer), afterwards: Box::pin(async {}) };
                }
                Ok(Answered::Fresh(fit, permit, key)) => {
                    let (shared, provider) = (self.shared, assignment.model.provider);
                    let afterwards = Box::pin(async move {
                        tokio::join!(shared.succeeded(provider, permit), shared.keep(&key, &fit.text));
                    });
                    return Outcome { calls, answer: Ok(fit.answer), afterwards };
                }
                Err(failure) => {
                    report(assignment, &failure);
                    failures.push(failure);
                }
            }
        }
        Outcome { calls, answer: Err(Failures(failures).into()), afterwards: Box::pin(async {}) }
    }

    /// Returns the shutdown dates that OpenAI announces, by model id (`GET {base}/models`). Models without a
    /// date are left out. Anthropic's list has no dates.
    ///
    /// # Errors
    /// `AiUnavailable` or `AiRejected`.
    pub async fn openai_shutdown_dates(
        &self,
        timeout: Duration,
    ) -> oslira_domain::Result<BTreeMap<String, Date>> {
        let provider = Provider::OpenAi;
        let url = format!("{}/models", self.openai.base_url);
        let request = self.http.get(url).bearer_auth(&self.openai.key).timeout(timeout);
        let request = self.past_the_gateway(&self.openai, request);
        let listed = receive(request, provider, "the list of models").await;
        listed
            .and_then(|(body, _)| openai::shutdown_dates(&body).map_err(|_| Failure::Body { provider }))
            .map_err(|failure| Failures(vec![failure]).into())
    }

    fn serves(&self, Assignment { role, model, .. }: Assignment<'_>, today: Date) -> Result<(), Failure> {
        if let Some(date) = model.shutdown.filter(|_| model.is_shut_down(today)) {
            let class = Class::Critical.as_str();
            tracing::error!(class, model = model.id, ?role, %date, "a role has a model that was shut down");
            return Err(Failure::ShutDown { model: model.id.clone(), date });
        }
        Ok(())
    }

    /// The request body that puts the question to the model.
    pub(crate) fn body(
        &self,
        Assignment { model, .. }: Assignment<'_>,
        question: &Question<'_>,
        correction: Option<&str>,
    ) -> Value {
        match model.provider {
            Provider::OpenAi => openai::request(model, question, correction),
            Provider::Anthropic => anthropic::request(model, question, correction),
        }
    }

    pub(crate) fn request(&self, provider: Provider, body: &Value) -> RequestBuilder {
        let (endpoint, request) = match provider {
            Provider::OpenAi => {
                let url = format!("{}/chat/completions", self.openai.base_url);
                (&self.openai, self.http.post(url).bearer_auth(&self.openai.key))
            }
            Provider::Anthropic => {
                let request = self
                    .http
                    .post(format!("{}/v1/messages", self.anthropic.base_url))
                    .header("x-api-key", sensitive(&self.anthropic.key))
                    .header("anthropic-version", anthropic::VERSION);
                (&self.anthropic, request)
            }
        };
        self.past_the_gateway(endpoint, request).json(body)
    }

    fn past_the_gateway(&self, endpoint: &Endpoint, request: RequestBuilder) -> RequestBuilder {
        match &self.gateway_token {
            Some(token) if Endpoint::is_a_gateway(&endpoint.base_url) => {
                request.header("cf-aig-authorization", token)
            }
            _ => request,
        }
    }
}

/// Makes a header that no log shows. A key with a line break becomes an empty header, which the vendor
/// refuses.
fn sensitive(key: &str) -> HeaderValue {
    let mut value = HeaderValue::from_str(key).unwrap_or(HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

/// Logs why a provider is given up.
fn report(Assignment { role, is_fallback, model }: Assignment<'_>, failure: &Failure) {
    let class = match failure.remedy() {
        Remedy::Repair => Class::Critical,
        Remedy::Wait | Remedy::None => Class::Warn,
    };
    let (class, model, provider) = (class.as_str(), &model.id, model.provider.as_str());
    if class == Class::Critical.as_str() {
        tracing::error!(class, provider, model, ?role, is_fallback, %failure, "a provider refuses us");
    } else {
        tracing::warn!(class, provider, model, ?role, is_fallback, %failure, "a provider gave no answer");
    }
}
