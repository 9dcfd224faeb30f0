//! JSON documents in the bucket of profiles.

use aws_sdk_s3::{Client, error::SdkError, operation::get_object::GetObjectError, primitives::ByteStream};
use jiff::Timestamp;
use oslira_domain::{Error, Result};
use oslira_lambda::{Env, Variable, aws_error};
use serde::{Serialize, de::DeserializeOwned};

#[derive(Clone, Debug)]
pub(crate) struct Objects {
    client: Client,
    bucket: String,
}

/// A client of S3. When the variable `S3_FORCE_PATH_STYLE` is `true`, it works with a server that has no host
/// name per bucket.
pub fn s3_client(env: &Env) -> Client {
    let is_path_style = env.optional(Variable::S3ForcePathStyle).as_deref() == Some("true");
    Client::from_conf(aws_sdk_s3::config::Builder::from(env.sdk()).force_path_style(is_path_style).build())
}

impl Objects {
    /// Needs the variable `PROFILES_BUCKET`.
    pub(crate) fn new(env: &Env) -> Result<Self> {
        Ok(Self { client: s3_client(env), bucket: env.var(Variable::ProfilesBucket)? })
    }

    /// Returns the document under a key, or `None` when there is none.
    pub(crate) async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let Some((bytes, _)) = self.get_bytes(key).await? else { return Ok(None) };
        // The parser's own message is left out, because it may quote a profile.
        let unreadable = |error: serde_json::Error| {
            let (line, column) = (error.line(), error.column());
            Error::internal(format!("the object {key} cannot be read: line {line}, column {column}"))
        };
        serde_json::from_slice(&bytes).map(Some).map_err(unreadable)
    }

    /// Writes a document under a key and replaces an existing one.
    pub(crate) async fn put(&self, key: &str, value: &impl Serialize) -> Result<()> {
        self.put_bytes(key, serde_json::to_vec(value).map_err(Error::internal)?).await
    }

    /// Removes the object under a key. Succeeds when there is none.
    pub(crate) async fn delete(&self, key: &str) -> Result<()> {
        self.client.delete_object().bucket(&self.bucket).key(key).send().await.map_err(aws_error)?;
        Ok(())
    }

    /// Returns the bytes under a key and when they were written, or `None` when there are none.
    pub(crate) async fn get_bytes(&self, key: &str) -> Result<Option<(Vec<u8>, Timestamp)>> {
        let answer = self.client.get_object().bucket(&self.bucket).key(key).send().await;
        let object = match answer {
            Ok(object) => object,
            Err(SdkError::ServiceError(error)) if matches!(error.err(), GetObjectError::NoSuchKey(_)) => {
                return Ok(None);
            }
            Err(error) => return Err(aws_error(error)),
        };
        let put_at = object.last_modified().and_then(|time| Timestamp::from_second(time.secs()).ok());
        let bytes = object.body.collect().await.map_err(Error::store)?.into_bytes();
        Ok(Some((bytes.into(), put_at.unwrap_or(Timestamp::MIN))))
    }

    /// Writes bytes of JSON under a key and replaces existing ones.
    pub(crate) async fn put_bytes(&self, key: &str, bytes: Vec<u8>) -> Result<()> {
        let put = self.client.put_object().bucket(&self.bucket).key(key).content_type("application/json");
        put.body(ByteStream::from(bytes)).send().await.map_err(aws_error)?;
        Ok(())
    }
}
