//! Puts one task about one profile to a model, for one business, and shares what all Lambdas with AI calls
//! share.

use crate::prompt;
use jiff::{Timestamp, tz::TimeZone};
use oslira_domain::{AccountId, Business, Code, Error, Result, Snapshot, Task, Tier, scoring::Metrics};
use oslira_lambda::{CachedSecret, Env, Secret, Variable, http_client};
use oslira_llm::{Call, Catalogue, Endpoint, Llm, Outcome, Provider, Question, Shared};
use oslira_stores::{AiResponses, AiUsage, Breakers, InFlight, Permit, Room, Upstream};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, timeout};

/// How long the stage waits until its answer is kept for others. The stage has its answer already, and
/// keeping it only saves money.
const KEEP_TIMEOUT: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub struct Asking {
    http: reqwest::Client,
    openai_url: String,
    openai_key: CachedSecret,
    anthropic_url: String,
    anthropic_key: CachedSecret,
    /// The token of the AI gateway; `None` when there is no gateway in front of a vendor.
    gateway_token: Option<CachedSecret>,
    catalogue: Arc<Catalogue>,
    hedges: bool,
    shared: SharedState,
}

/// A task with its material.
pub(crate) struct Matter<'a> {
    pub(crate) tier: Tier,
    pub(crate) task: Task,
    /// The id of the business for the vendors' prompt caches.
    pub(crate) business_key: &'a str,
    pub(crate) business: &'a Business,
    pub(crate) snapshot: &'a Snapshot,
}

impl Asking {
    /// Reads the vendors' addresses, the models of the roles, and whether slow calls are made twice. Opens no
    /// connection.
    pub fn new(env: &Env) -> Result<Self> {
        let (openai_url, anthropic_url) =
            (env.var(Variable::OpenAiBaseUrl)?, env.var(Variable::AnthropicBaseUrl)?);
        let is_gateway = [&openai_url, &anthropic_url].into_iter().any(|url| Endpoint::is_a_gateway(url));
        let gateway_token = is_gateway.then(|| env.secret(Secret::AiGatewayToken)).transpose()?;
        Ok(Self {
            http: http_client()?,
            openai_url,
            openai_key: env.secret(Secret::OpenAiKey)?,
            anthropic_url,
            gateway_token,
            anthropic_key: env.secret(Secret::AnthropicKey)?,
            catalogue: catalogue(&env.optional(Variable::AiRoles).unwrap_or_default())?,
            hedges: hedges(&env.var(Variable::AiHedging)?)?,
            shared: SharedState {
                breakers: Breakers::new(env)?,
                responses: AiResponses::new(env)?,
                usage: AiUsage::new(env)?,
            },
        })
    }

    /// A client of both vendors. It waits for the vendors' keys and the gateway's token.
    pub(crate) async fn llm(&self) -> Result<Llm<'_, SharedState>> {
        let gateway_token = async {
            match &self.gateway_token {
                Some(token) => token.get_if_set().await,
                None => Ok(None),
            }
        };
        let (openai_key, anthropic_key, gateway_token) =
            tokio::join!(self.openai_key.get(), self.anthropic_key.get(), gateway_token);
        let llm = Llm::new(
            self.http.clone(),
            Endpoint::new(&self.openai_url, openai_key?),
            Endpoint::new(&self.anthropic_url, anthropic_key?),
        );
        let llm = match gateway_token? {
            Some(token) => llm.with_gateway_token(&token),
            None => llm,
        };
        Ok(llm.with_catalogue(Arc::clone(&self.catalogue)).sharing(&self.shared))
    }

    /// Asks until the deadline. Returns the answer within its limits, and every call that was made for it.
    pub(crate) async fn ask<'a>(
        &self,
        llm: &Llm<'a, SharedState>,
        matter: Matter<'_>,
        deadline: Instant,
    ) -> Outcome<'a, Value> {
        let Matter { tier, task, snapshot, .. } = matter;
        let (prompt, settings) = (prompt::of(task), task.settings());
        let metrics = Metrics::of(&snapshot.profile, snapshot.scraped_at);
        let question = Question {
            role: settings.role,
            effort: settings.effort,
            max_output_tokens: settings.max_output_tokens,
            instructions: &prompt::prefix(prompt, matter.business),
            data: &prompt::data(&snapshot.profile, &metrics, tier.posts()),
            schema_name: task.as_str(),
            schema: &prompt.schema(),
            cache_key: &format!("{}:{task}", matter.business_key),
            hedge_after: self.hedges.then(|| self.catalogue.hedge_after(task)),
        };
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        llm.ask(&question, today, deadline, |answer| prompt.read(answer)).await
    }

    /// Checks whether an AI call may begin. `account_id` is `None` for an anonymous run. Returns `None` when
    /// the store does not answer: a limit that is slightly exceeded is no reason to fail a run.
    ///
    /// # Errors
    /// `ShareTaken` when the account has as many AI calls under way as it may have.
    pub(crate) async fn look(&self, account_id: Option<AccountId>) -> Result<Option<Room>> {
        unless_unknown(self.shared.usage.look(account_id).await)
    }

    /// Counts an AI call as under way, if there is still room. [`end`](Self::end) ends that. Returns `None`
    /// when the call cannot be counted.
    ///
    /// # Errors
    /// `ShareTaken` when the account has as many AI calls under way as it may have.
    pub(crate) async fn begin(&self, room: Option<Room>) -> Result<Option<InFlight>> {
        let Some(room) = room else { return Ok(None) };
        unless_unknown(self.shared.usage.begin(room).await)
    }

    /// Ends the count of an AI call as under way, and adds its cost to the day and to its account, if it has
    /// one. Costs that no vendor reported are estimated. Here too, a limit that is slightly exceeded is no
    /// reason to fail a run that is paid for.
    pub(crate) async fn end(
        &self,
        in_flight: Option<InFlight>,
        account_id: Option<AccountId>,
        calls: &[Call],
    ) {
        let made = calls.iter().filter(|call| !call.cache_hit).count();
        let cost_usd = calls.iter().map(|call| call.cost_usd + call.estimated_usd).sum();
        let made = u32::try_from(made).unwrap_or(u32::MAX);
        if let Err(error) = self.shared.usage.end(in_flight, account_id, made, cost_usd).await {
            not_counted(&error);
        }
    }
}

/// Only `ShareTaken` stops an AI call. Any other error becomes `None`.
fn unless_unknown<T>(counted: Result<T>) -> Result<Option<T>> {
    match counted {
        Err(error) if error.code != Code::ShareTaken => {
            not_counted(&error);
            Ok(None)
        }
        counted => counted.map(Some),
    }
}

fn not_counted(error: &Error) {
    tracing::warn!(cause = error.chain(), "AI usage not counted");
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

    async fn undecided(&self, provider: Provider, permit: Permit) {
        self.breakers.undecided(upstream(provider), permit).await;
    }

    async fn recall(&self, key: &str) -> Option<String> {
        self.responses.recall(key).await
    }

    async fn keep(&self, key: &str, answer: &str) {
        if timeout(KEEP_TIMEOUT, self.responses.keep(key, answer)).await.is_err() {
            tracing::warn!(key, "an answer was not kept: S3 took too long");
        }
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
