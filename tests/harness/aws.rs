//! The AWS emulator, by its JSON protocols.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// The emulator.
#[derive(Debug)]
pub struct Aws {
    http: reqwest::Client,
    endpoint: String,
}

/// How an execution stands.
#[derive(Debug, PartialEq)]
pub struct Execution {
    /// `RUNNING`, `SUCCEEDED`, `FAILED`, `TIMED_OUT` or `ABORTED`.
    pub status: String,
}

impl Aws {
    pub(crate) fn new(http: reqwest::Client, endpoint: &str) -> Self {
        Self { http, endpoint: endpoint.to_owned() }
    }

    /// Multiplies what state machines wait between retries.
    pub(crate) async fn scale_waits(&self, factor: f64) -> Result<()> {
        let url = format!("{}/_ministack/config", self.endpoint);
        let config = json!({"stepfunctions._SFN_WAIT_SCALE": factor.to_string()});
        self.http.post(url).json(&config).send().await?.error_for_status()?;
        Ok(())
    }

    /// Invokes a Lambda: its answer, or what it reports as error.
    pub async fn invoke(&self, function_arn: &str, payload: &Value) -> Result<Result<Value, Value>> {
        let url = format!("{}/2015-03-31/functions/{function_arn}/invocations", self.endpoint);
        let answer =
            self.http.post(url).header("authorization", authorization("lambda")).json(payload).send().await?;
        let is_error = answer.headers().contains_key("x-amz-function-error");
        let body: Value = answer.error_for_status()?.json().await?;
        Ok(if is_error { Err(body) } else { Ok(body) })
    }

    /// An execution of a state machine, by its name; `None` before it was started.
    pub async fn execution(&self, state_machine_arn: &str, name: &str) -> Result<Option<Execution>> {
        let arn = execution_arn(state_machine_arn, name);
        let answer = self
            .json("AWSStepFunctions.DescribeExecution", "states", "1.0", &json!({"executionArn": arn}))
            .await?;
        Ok(answer["status"].as_str().map(|status| Execution { status: status.to_owned() }))
    }

    /// Starts an execution.
    pub async fn start_execution(&self, state_machine_arn: &str, name: &str, input: &Value) -> Result<()> {
        let input = json!({"stateMachineArn": state_machine_arn, "name": name, "input": input.to_string()});
        let answer = self.json("AWSStepFunctions.StartExecution", "states", "1.0", &input).await?;
        ensure!(answer.get("executionArn").is_some(), "not started: {answer}");
        Ok(())
    }

    /// The history of an execution: everything an operator, or an intruder, can read there.
    pub async fn history(&self, state_machine_arn: &str, name: &str) -> Result<Value> {
        let input = json!({"executionArn": execution_arn(state_machine_arn, name), "maxResults": 1000});
        self.json("AWSStepFunctions.GetExecutionHistory", "states", "1.0", &input).await
    }

    /// Stops an execution, as an operator would in the console.
    pub async fn stop_execution(&self, state_machine_arn: &str, name: &str) -> Result<()> {
        let arn = execution_arn(state_machine_arn, name);
        let input = json!({"executionArn": arn, "error": "Stopped", "cause": "by a test"});
        let answer = self.json("AWSStepFunctions.StopExecution", "states", "1.0", &input).await?;
        ensure!(answer.get("stopDate").is_some(), "not stopped: {answer}");
        Ok(())
    }

    /// Puts an item into a DynamoDB table.
    pub async fn put_item(&self, table: &str, item: Value) -> Result<()> {
        let input = json!({"TableName": table, "Item": item});
        let answer = self.json("DynamoDB_20120810.PutItem", "dynamodb", "1.0", &input).await?;
        ensure!(answer.get("__type").is_none(), "not put: {answer}");
        Ok(())
    }

    /// Takes the item of a key from a DynamoDB table.
    pub async fn delete_item(&self, table: &str, key: Value) -> Result<()> {
        let input = json!({"TableName": table, "Key": key});
        self.json("DynamoDB_20120810.DeleteItem", "dynamodb", "1.0", &input).await.map(drop)
    }

    /// The item of a key in a DynamoDB table.
    pub async fn item(&self, table: &str, key: Value) -> Result<Option<Value>> {
        let input = json!({"TableName": table, "Key": key, "ConsistentRead": true});
        let answer = self.json("DynamoDB_20120810.GetItem", "dynamodb", "1.0", &input).await?;
        Ok(answer.get("Item").cloned())
    }

    /// Sets a number in an item that is there.
    pub async fn set_number(&self, table: &str, key: Value, name: &str, number: i64) -> Result<()> {
        self.set(table, key, name, json!({"N": number.to_string()})).await
    }

    /// Sets a number in an item, which is made if it is missing.
    pub async fn put_number(&self, table: &str, key: Value, name: &str, number: i64) -> Result<()> {
        let input = json!({
            "TableName": table, "Key": key, "UpdateExpression": format!("SET {name} = :value"),
            "ExpressionAttributeValues": {":value": {"N": number.to_string()}},
        });
        let answer = self.json("DynamoDB_20120810.UpdateItem", "dynamodb", "1.0", &input).await?;
        ensure!(answer.get("__type").is_none(), "not set: {answer}");
        Ok(())
    }

    /// Sets an attribute in an item that is there, as DynamoDB writes it.
    pub async fn set(&self, table: &str, key: Value, name: &str, value: Value) -> Result<()> {
        let input = json!({
            "TableName": table, "Key": key, "UpdateExpression": format!("SET {name} = :value"),
            "ConditionExpression": format!("attribute_exists({name})"), "ExpressionAttributeValues": {":value": value},
        });
        let answer = self.json("DynamoDB_20120810.UpdateItem", "dynamodb", "1.0", &input).await?;
        // Without the item there is nothing to set.
        let is_gone = answer["__type"].as_str().is_some_and(|kind| kind.contains("ConditionalCheckFailed"));
        ensure!(is_gone || answer.get("__type").is_none(), "not set: {answer}");
        Ok(())
    }

    /// An object of a bucket, which is JSON; `None` when there is none.
    pub async fn object(&self, bucket: &str, key: &str) -> Result<Option<Value>> {
        let url = format!("{}/{bucket}/{key}", self.endpoint);
        let answer = self.http.get(url).header("authorization", authorization("s3")).send().await?;
        if answer.status() == reqwest::StatusCode::NOT_FOUND {
            return Ok(None);
        }
        Ok(Some(answer.error_for_status()?.json().await?))
    }

    /// Puts JSON into a bucket.
    pub async fn put_object(&self, bucket: &str, key: &str, value: &Value) -> Result<()> {
        let url = format!("{}/{bucket}/{key}", self.endpoint);
        let request = self.http.put(url).header("authorization", authorization("s3")).body(value.to_string());
        request.send().await?.error_for_status()?;
        Ok(())
    }

    /// Deletes an object from a bucket.
    pub async fn delete_object(&self, bucket: &str, key: &str) -> Result<()> {
        let url = format!("{}/{bucket}/{key}", self.endpoint);
        let request = self.http.delete(url).header("authorization", authorization("s3"));
        request.send().await?.error_for_status()?;
        Ok(())
    }

    /// All that a function has logged since then, in Unix milliseconds.
    pub async fn logs(&self, function_arn: &str, since_ms: i64) -> Result<String> {
        let function = function_arn.rsplit(':').next().unwrap_or_default();
        let mut input = json!({"logGroupName": format!("/aws/lambda/{function}"), "startTime": since_ms});
        let mut text = String::new();
        loop {
            let answer = self.json("Logs_20140328.FilterLogEvents", "logs", "1.1", &input).await?;
            for event in answer["events"].as_array().into_iter().flatten() {
                text.push_str(event["message"].as_str().unwrap_or_default());
                text.push('\n');
            }
            match answer.get("nextToken").filter(|token| token.is_string()) {
                Some(token) => input["nextToken"] = token.clone(),
                None => return Ok(text),
            }
        }
    }

    /// All items of a DynamoDB table.
    pub async fn items(&self, table: &str) -> Result<Vec<Value>> {
        let answer =
            self.json("DynamoDB_20120810.Scan", "dynamodb", "1.0", &json!({"TableName": table})).await?;
        Ok(answer["Items"].as_array().context("no items")?.clone())
    }

    /// The value of a secret.
    pub async fn secret(&self, arn: &str) -> Result<String> {
        let answer = self
            .json("secretsmanager.GetSecretValue", "secretsmanager", "1.1", &json!({"SecretId": arn}))
            .await?;
        Ok(answer["SecretString"].as_str().context("no value")?.to_owned())
    }

    /// Makes a secret; its ARN.
    pub async fn create_secret(&self, value: &str) -> Result<String> {
        let input = json!({"Name": uuid::Uuid::now_v7().to_string(), "SecretString": value});
        let answer = self.json("secretsmanager.CreateSecret", "secretsmanager", "1.1", &input).await?;
        Ok(answer["ARN"].as_str().with_context(|| format!("no secret: {answer}"))?.to_owned())
    }

    /// Gives a secret another value.
    pub async fn put_secret(&self, arn: &str, value: &str) -> Result<()> {
        let input = json!({"SecretId": arn, "SecretString": value});
        self.json("secretsmanager.PutSecretValue", "secretsmanager", "1.1", &input).await.map(drop)
    }

    async fn json(&self, target: &str, service: &str, version: &str, input: &Value) -> Result<Value> {
        let answer = self
            .http
            .post(&self.endpoint)
            .header("x-amz-target", target)
            .header("content-type", format!("application/x-amz-json-{version}"))
            .header("authorization", authorization(service))
            .body(input.to_string())
            .send()
            .await?;
        Ok(answer.json().await?)
    }
}

/// The emulator tells services and regions apart by the credential's scope, and checks no signature.
fn authorization(service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=00"
    )
}

fn execution_arn(state_machine_arn: &str, name: &str) -> String {
    format!("{}:{name}", state_machine_arn.replace(":stateMachine:", ":execution:"))
}
