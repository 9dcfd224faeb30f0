//! Answers of AI models in S3, kept for a day for anyone who asks exactly the same again.

use crate::objects::Objects;
use jiff::{SignedDuration, Timestamp};
use oslira_domain::{Error, Result};
use oslira_lambda::Env;

/// How long a kept answer may be used.
const ANSWERS_STAND: SignedDuration = SignedDuration::from_hours(24);

/// The kept answers, in the bucket of profiles. An object holds an answer and nothing of the question.
#[derive(Clone, Debug)]
pub struct AiResponses(Objects);

impl AiResponses {
    /// Needs the variable `PROFILES_BUCKET`.
    pub fn new(env: &Env) -> Result<Self> {
        Objects::new(env).map(Self)
    }

    /// Returns the answer under a key, unless it is older than a day. An answer that cannot be read counts as
    /// missing, with a warning in the log: the model can be asked again.
    pub async fn recall(&self, key: &str) -> Option<String> {
        self.try_recall(key).await.unwrap_or_else(|error| {
            tracing::warn!(key, cause = error.chain(), "a kept answer cannot be read");
            None
        })
    }

    /// Keeps an answer. A failure is only a warning in the log, because the caller has the answer all the
    /// same.
    pub async fn keep(&self, key: &str, answer: &str) {
        if let Err(error) = self.0.put_bytes(&object(key), answer.into()).await {
            tracing::warn!(key, cause = error.chain(), "an answer was not kept");
        }
    }

    async fn try_recall(&self, key: &str) -> Result<Option<String>> {
        let kept = self.0.get_bytes(&object(key)).await?;
        let Some((bytes, _)) = kept.filter(|(_, kept_at)| stands(*kept_at, Timestamp::now())) else {
            return Ok(None);
        };
        String::from_utf8(bytes).map(Some).map_err(Error::internal)
    }
}

fn object(key: &str) -> String {
    format!("ai-responses/{key}")
}

fn stands(kept_at: Timestamp, now: Timestamp) -> bool {
    now.duration_since(kept_at) < ANSWERS_STAND
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_stands_for_a_day() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        for (kept_at, expected) in
            [("2026-11-20T12:00:01Z", true), ("2026-11-20T12:00:00Z", false), ("2026-11-21T12:00:05Z", true)]
        {
            assert_eq!(stands(kept_at.parse().unwrap(), now), expected, "{kept_at}");
        }
        assert!(!stands(Timestamp::MIN, now));
    }
}
