//! Answers of AI models in S3, for who asks the same again within a day.

use crate::s3_client;
use aws_sdk_s3::{Client, error::SdkError, operation::get_object::GetObjectError, primitives::ByteStream};
use jiff::{SignedDuration, Timestamp};
use oslira_domain::{Error, Result};
use oslira_lambda::Env;

/// How long an answer stands.
const ANSWERS_STAND: SignedDuration = SignedDuration::from_hours(24);

/// The answers, in the bucket of profiles. An object holds an answer and nothing of what was asked.
#[derive(Clone, Debug)]
pub struct AiResponses {
    client: Client,
    bucket: String,
}

impl AiResponses {
    /// Needs the variable `PROFILES_BUCKET`.
    pub fn new(env: &Env) -> Result<Self> {
        Ok(Self { client: s3_client(env), bucket: env.var("PROFILES_BUCKET")? })
    }

    /// The answer under a key, unless it is older than a day. One that cannot be read is none, with a warning: it can
    /// be asked for again.
    pub async fn recall(&self, key: &str) -> Option<String> {
        self.try_recall(key).await.unwrap_or_else(|error| {
            tracing::warn!(key, cause = error.chain(), "a kept answer cannot be read");
            None
        })
    }

    /// Keeps an answer. What fails is a warning: the answer was given all the same.
    pub async fn keep(&self, key: &str, answer: &str) {
        let body = ByteStream::from(answer.as_bytes().to_vec());
        let put = self.client.put_object().bucket(&self.bucket).key(object(key));
        if let Err(error) = put.content_type("application/json").body(body).send().await {
            tracing::warn!(key, cause = Error::store(error).chain(), "an answer was not kept");
        }
    }

    async fn try_recall(&self, key: &str) -> Result<Option<String>> {
        let answer = self.client.get_object().bucket(&self.bucket).key(object(key)).send().await;
        let object = match answer {
            Ok(object) => object,
            Err(SdkError::ServiceError(error)) if matches!(error.err(), GetObjectError::NoSuchKey(_)) => {
                return Ok(None);
            }
            Err(error) => return Err(Error::store(error)),
        };
        let kept_at = object.last_modified().map_or(Timestamp::MIN, |time| second(time.secs()));
        if !stands(kept_at, Timestamp::now()) {
            return Ok(None);
        }
        let bytes = object.body.collect().await.map_err(Error::store)?.into_bytes();
        String::from_utf8(bytes.into()).map(Some).map_err(Error::internal)
    }
}

fn object(key: &str) -> String {
    format!("ai-responses/{key}")
}

fn second(unix: i64) -> Timestamp {
    Timestamp::from_second(unix).unwrap_or(Timestamp::MIN)
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
        assert!(!stands(second(i64::MAX), now) && !stands(Timestamp::MIN, now));
    }
}
