//! What every Lambda that asks a model has in common: the vendors, which models are asked, and what all of these Lambdas
//! share.

use oslira_domain::{Error, Result, Task};
use oslira_lambda::{CachedSecret, Env, Secret, http_client};
use oslira_llm::{Catalogue, Endpoint, Llm, Provider, Shared};
use oslira_stores::{AiResponses, AiUsage, Breakers, Permit, Upstream};
use std::{sync::Arc, time::Duration};

/// How models are asked.
#[derive(Debug)]
pub struct Asking {
    http: reqwest::Client,
    openai_url: String,
    openai_key: CachedSecret,
    anthropic_url: String,
    anthropic_key: CachedSecret,
    catalogue: Arc<Catalogue>,
    hedges: bool,
    shared: SharedState,
}

impl Asking {
    /// Reads the vendors' addresses, the roles' models and whether slow calls are made twice; opens no connection.
    pub fn new(env: &Env) -> Result<Self> {
        Ok(Self {
            http: http_client()?,
            openai_url: env.var("OPENAI_BASE_URL")?,
            openai_key: env.secret(Secret::OpenAiKey)?,
            anthropic_url: env.var("ANTHROPIC_BASE_URL")?,
            anthropic_key: env.secret(Secret::AnthropicKey)?,
            catalogue: catalogue(&env.optional("AI_ROLES").unwrap_or_default())?,
            hedges: hedges(&env.var("AI_HEDGING")?)?,
            shared: SharedState {
                breakers: Breakers::new(env)?,
                responses: AiResponses::new(env)?,
                usage: AiUsage::new(env)?,
            },
        })
    }

    /// A client of both vendors, once their keys are known.
    pub(crate) async fn llm(&self) -> Result<Llm<'_, SharedState>> {
        let (openai_key, anthropic_key) = tokio::join!(self.openai_key.get(), self.anthropic_key.get());
        let llm = Llm::new(
            self.http.clone(),
            Endpoint::new(&self.openai_url, openai_key?),
            Endpoint::new(&self.anthropic_url, anthropic_key?),
        );
        Ok(llm.with_catalogue(Arc::clone(&self.catalogue)).sharing(&self.shared))
    }

    /// After how long this task's call is made a second time.
    pub(crate) fn hedge_after(&self, task: Task) -> Option<Duration> {
        self.hedges.then(|| self.catalogue.hedge_after(task))
    }

    /// Where calls are counted.
    pub(crate) fn usage(&self) -> &AiUsage {
        &self.shared.usage
    }
}

fn catalogue(overrides: &str) -> Result<Arc<Catalogue>> {
    let catalogue = Catalogue::embedded().with_roles(overrides);
    catalogue.map(Arc::new).map_err(|error| Error::internal(format!("AI_ROLES: {error}")))
}

fn hedges(setting: &str) -> Result<bool> {
    match setting {
        "on" => Ok(true),
        "off" => Ok(false),
        other => Err(Error::internal(format!("AI_HEDGING must be on or off, not {other:?}"))),
    }
}

/// What all Lambdas share, in the stores that hold it.
#[derive(Debug)]
pub(crate) struct SharedState {
    breakers: Breakers,
    responses: AiResponses,
    usage: AiUsage,
}

impl Shared for SharedState {
    type Permit = Permit;

    async fn admit(&self, provider: Provider) -> Option<Permit> {
        self.breakers.admit(upstream(provider)).await
    }

    async fn succeeded(&self, provider: Provider, permit: Permit) {
        self.breakers.succeeded(upstream(provider), permit).await;
    }

    async fn failed(&self, provider: Provider, permit: Permit) {
        self.breakers.failed(upstream(provider), permit).await;
    }

    async fn recall(&self, key: &str) -> Option<String> {
        self.responses.recall(key).await
    }

    async fn keep(&self, key: &str, answer: &str) {
        self.responses.keep(key, answer).await;
    }

    async fn may_hedge(&self) -> bool {
        self.usage.may_hedge().await
    }
}

const fn upstream(provider: Provider) -> Upstream {
    match provider {
        Provider::OpenAi => Upstream::OpenAi,
        Provider::Anthropic => Upstream::Anthropic,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oslira_domain::Role;

    #[test]
    fn roles_and_hedging_are_configuration_and_mistakes_are_told() {
        assert_eq!(*catalogue("").unwrap(), *Catalogue::embedded());
        let changed = catalogue("fast=claude-haiku-5-5/gpt-6-luna").unwrap();
        assert_eq!(changed.of(Role::Fast)[0].model.id, "claude-haiku-5-5");
        let error = catalogue("fast=gpt-9/claude-haiku-5-5").unwrap_err();
        assert!(error.chain().contains("AI_ROLES: the role fast names the unknown model"), "{error:?}");

        assert_eq!((hedges("on").unwrap(), hedges("off").unwrap()), (true, false));
        assert!(hedges("yes").unwrap_err().chain().contains("AI_HEDGING must be on or off"));
    }
}
