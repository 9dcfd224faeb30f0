//! Putting one task to a model: about one profile, for one business.

use crate::prompt;
use jiff::{Timestamp, tz::TimeZone};
use oslira_domain::{BusinessProfile, Result, Snapshot, Task, Tier, scoring::Metrics};
use oslira_lambda::{CachedSecret, Env, Secret, http_client};
use oslira_llm::{Endpoint, Llm, Outcome, Question};
use serde_json::Value;
use tokio::time::Instant;

/// Both vendors' models.
#[derive(Debug)]
pub struct Models {
    http: reqwest::Client,
    openai_url: String,
    openai_key: CachedSecret,
    anthropic_url: String,
    anthropic_key: CachedSecret,
}

/// What is asked.
pub(crate) struct Matter<'a> {
    pub(crate) tier: Tier,
    pub(crate) task: Task,
    /// The business, as its vendors' prompt caches know it.
    pub(crate) business_key: &'a str,
    pub(crate) business: &'a BusinessProfile,
    pub(crate) snapshot: &'a Snapshot,
}

impl Models {
    /// Needs the variables `OPENAI_BASE_URL` and `ANTHROPIC_BASE_URL`, OpenAI's or a gateway's, and both keys' secrets.
    pub fn new(env: &Env) -> Result<Self> {
        Ok(Self {
            http: http_client()?,
            openai_url: env.var("OPENAI_BASE_URL")?,
            openai_key: env.secret(Secret::OpenAiKey)?,
            anthropic_url: env.var("ANTHROPIC_BASE_URL")?,
            anthropic_key: env.secret(Secret::AnthropicKey)?,
        })
    }

    /// Asks until the deadline: the answer within its limits, and every call that was made for it.
    pub(crate) async fn ask(&self, matter: Matter<'_>, deadline: Instant) -> Result<Outcome<Value>> {
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
        };
        let (openai_key, anthropic_key) = tokio::join!(self.openai_key.get(), self.anthropic_key.get());
        let llm = Llm::new(
            self.http.clone(),
            Endpoint::new(&self.openai_url, openai_key?),
            Endpoint::new(&self.anthropic_url, anthropic_key?),
        );
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        Ok(llm.ask(&question, today, deadline, |answer| prompt.read(answer)).await)
    }
}
