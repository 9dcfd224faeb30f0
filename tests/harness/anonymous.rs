//! A caller without an account, at an address that no other test has.

use crate::{
    Reply, Stack, eventually,
    http::{ORIGIN, request},
    paths,
    runs::failure_of,
    unique_username,
};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A caller without an account. The emulator takes `X-Forwarded-For` for the source address, which API Gateway does not.
#[derive(Debug)]
pub struct AnonymousCaller<'a> {
    stack: &'a Stack,
    /// Where they are: by default an IPv4 address.
    pub address: String,
}

/// An anonymous run that was accepted.
#[derive(Debug)]
pub struct AnonymousRun {
    /// What opens its result.
    pub token: String,
    /// Its id, which the caller does not learn.
    pub run_id: String,
    /// Whom it analyses.
    pub username: String,
}

impl<'a> AnonymousCaller<'a> {
    /// A caller at a new address.
    pub fn arrive(stack: &'a Stack) -> Self {
        let [a, b, c, ..] = *Uuid::new_v4().as_bytes();
        Self { stack, address: format!("10.{a}.{b}.{c}") }
    }

    /// A username no other test uses, with a word that decides what the scraper finds.
    pub fn username(&self, word: &str) -> String {
        unique_username(word)
    }

    /// The body that asks for an analysis.
    pub fn analysis_of(&self, username: &str) -> Value {
        json!({"username": username, "business": {"summary": "Roasts coffee for cafés."}})
    }

    /// Sends a body.
    pub async fn post(&self, body: &Value) -> Result<Reply> {
        let headers = [("x-forwarded-for", self.address.as_str()), ("origin", ORIGIN)];
        let method = reqwest::Method::POST;
        request(self.stack, method, paths::ANALYZE_ANONYMOUS, &headers, Some(body.to_string())).await
    }

    /// Starts an analysis that must be accepted.
    pub async fn start(&self, username: &str) -> Result<AnonymousRun> {
        let reply = self.post(&self.analysis_of(username)).await?;
        ensure!(reply.status == 202, "not accepted: {} {}", reply.status, reply.body);
        AnonymousRun::of(reply.data(), username)
    }

    /// What a token opens.
    pub async fn show(&self, token: &str) -> Result<Reply> {
        let path = paths::anonymous_run(token);
        request(self.stack, reqwest::Method::GET, &path, &[("origin", ORIGIN)], None).await
    }

    /// Waits until a run has ended, and answers what its token opens then.
    pub async fn finished(&self, run: &AnonymousRun) -> Result<Value> {
        eventually("the anonymous run to end", || async {
            let reply = self.show(&run.token).await?;
            ensure!(reply.status == 200, "not shown: {} {}", reply.status, reply.body);
            let status = reply.data()["status"].as_str().unwrap_or_default();
            Ok(["complete", "failed"].contains(&status).then(|| reply.data().clone()))
        })
        .await
    }

    /// Runs an analysis to its end, whichever it is.
    pub async fn analyze(&self, username: &str) -> Result<(AnonymousRun, Value)> {
        let run = self.start(username).await?;
        let ended = self.finished(&run).await?;
        Ok((run, ended))
    }

    /// The event of a start, as API Gateway hands it to the Lambda, with what callers may claim in headers.
    pub fn event(&self, body: &Value) -> Value {
        json!({
            "resource": paths::ANALYZE_ANONYMOUS, "path": paths::ANALYZE_ANONYMOUS, "httpMethod": "POST",
            "headers": {"Content-Type": "application/json", "X-Forwarded-For": Uuid::new_v4().to_string()},
            "multiValueHeaders": {"Content-Type": ["application/json"], "X-Forwarded-For": ["198.51.100.1"]},
            "queryStringParameters": null, "multiValueQueryStringParameters": null, "pathParameters": null,
            "stageVariables": null, "isBase64Encoded": false, "body": body.to_string(),
            "requestContext": {
                "accountId": "000000000000", "apiId": "local", "httpMethod": "POST", "requestId": "request-1",
                "identity": {"sourceIp": self.address}, "path": paths::ANALYZE_ANONYMOUS, "resourceId": "local",
                "resourcePath": paths::ANALYZE_ANONYMOUS, "stage": "v1",
            },
        })
    }

    /// Invokes the Lambda with that event.
    pub async fn invoke(&self, body: &Value) -> Result<Reply> {
        self.stack.invoke("start-anonymous-analysis", &self.event(body)).await?.http()
    }

    /// The item that holds when this address was let through.
    pub async fn limit(&self) -> Result<Option<Value>> {
        self.stack.aws.item(&self.stack.description.tables["rate-limits"], self.limit_key()).await
    }

    /// Lets so much time go by for the limits of this address.
    pub async fn wait(&self, ms: i64) -> Result<()> {
        let item = self.limit().await?.context("never let through")?;
        let times = item["passedAt"]["L"].as_array().context("no times")?.iter();
        let earlier = times
            .map(|time| {
                let at: i64 = time["N"].as_str().context("no number")?.parse()?;
                Ok(json!({"N": (at - ms).to_string()}))
            })
            .collect::<Result<Vec<Value>>>()?;
        let table = &self.stack.description.tables["rate-limits"];
        self.stack.aws.set(table, self.limit_key(), "passedAt", json!({"L": earlier})).await
    }

    fn limit_key(&self) -> Value {
        json!({"key": {"S": format!("anonymous#{}", self.address)}})
    }
}

impl AnonymousRun {
    /// From the answer to its start.
    pub fn of(data: &Value, username: &str) -> Result<Self> {
        let token = data["runToken"].as_str().context("no token")?.to_owned();
        let bits: Vec<u8> = (0..token.len() / 2)
            .map(|i| token.get(2 * i..2 * i + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()))
            .collect::<Option<_>>()
            .context("no hexadecimal token")?;
        let mut id = [0; 16];
        id.iter_mut().zip(Sha256::digest(bits)).for_each(|(to, from)| *to = from);
        let run_id = uuid::Builder::from_custom_bytes(id).into_uuid().to_string();
        Ok(Self { token, run_id, username: username.to_owned() })
    }

    /// The input of its execution, and of its first stage.
    pub fn execution_input(&self) -> Value {
        json!({"runId": self.run_id, "username": self.username, "tier": "light"})
    }

    /// What the last step of its machine is told when an error ended it: the name of its execution, and the error.
    pub fn failure(&self) -> Value {
        failure_of(&self.run_id)
    }

    /// The key of its progress item.
    pub fn key(&self) -> Value {
        json!({"runId": {"S": self.run_id}})
    }
}
