//! The few AWS calls that the stack needs beside `sam deploy`, as plain HTTP requests to the emulator.

use crate::{
    http,
    stack::ministack::{REGION, endpoint},
};
use anyhow::{Context, Result, bail};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

/// The emulator demands a role for what it creates, and never uses it.
const NO_ROLE: &str = "arn:aws:iam::000000000000:role/none";

/// A client of the emulator.
pub(crate) struct Aws {
    endpoint: String,
}

/// One resource of the deployed stack.
pub(crate) struct Resource {
    /// Its name in the template.
    pub(crate) logical_id: String,
    /// Its actual name: a table's or function's name, a queue's URL, a state machine's ARN.
    pub(crate) physical_id: String,
    /// For example `AWS::SQS::Queue`.
    pub(crate) kind: String,
}

/// An execution of a state machine.
pub(crate) struct Execution {
    /// `RUNNING`, `SUCCEEDED`, `FAILED`, `TIMED_OUT` or `ABORTED`.
    pub(crate) status: String,
    /// Its input, as JSON.
    pub(crate) input: String,
    /// When it was started, in seconds since 1970.
    pub(crate) started_at: f64,
    /// When it ended, in seconds since 1970; `None` while it has not.
    pub(crate) stopped_at: Option<f64>,
}

/// What a Lambda answered.
pub(crate) struct Invocation {
    /// Its answer, or its error.
    pub(crate) payload: Value,
    /// Whether the Lambda failed.
    pub(crate) is_error: bool,
    /// The last lines of its log.
    pub(crate) log: String,
}

impl Aws {
    /// The emulator at this port.
    pub(crate) fn at(port: u16) -> Self {
        Self { endpoint: endpoint(port) }
    }

    /// The emulator reads the service and account from this header and checks no signature.
    fn authorization(service: &str) -> String {
        format!(
            "AWS4-HMAC-SHA256 Credential=test/20200101/{REGION}/{service}/aws4_request, SignedHeaders=host, Signature=0"
        )
    }

    /// Creates a bucket. Succeeds when the bucket exists already.
    pub(crate) fn create_bucket(&self, name: &str) -> Result<()> {
        let answer = http::put(
            &format!("{}/{name}", self.endpoint),
            &[("authorization", &Self::authorization("s3"))],
            "",
        )?;
        if answer.status != 409 {
            answer.ok(&format!("creating the bucket {name}"))?;
        }
        Ok(())
    }

    /// Returns the execution of this name, if there is one.
    pub(crate) fn execution(&self, machine: &str, name: &str) -> Result<Option<Execution>> {
        let target = "AWSStepFunctions.DescribeExecution";
        let body = json!({ "executionArn": execution_arn(machine, name) });
        let answer = self.call("states", target, &body)?;
        if answer.text.contains("ExecutionDoesNotExist") {
            return Ok(None);
        }
        let answer = answer.json(target)?;
        let text =
            |name: &str| answer[name].as_str().map(str::to_owned).context("an execution without a status");
        Ok(Some(Execution {
            status: text("status")?,
            input: text("input")?,
            started_at: answer["startDate"].as_f64().context("an execution without a start")?,
            stopped_at: answer["stopDate"].as_f64(),
        }))
    }

    /// Starts an execution of this name.
    pub(crate) fn start_execution(&self, machine: &str, name: &str, input: &str) -> Result<()> {
        let body = json!({ "stateMachineArn": machine, "name": name, "input": input });
        self.json("states", "AWSStepFunctions.StartExecution", &body).map(drop)
    }

    /// Puts an item, in DynamoDB's JSON, into a table.
    pub(crate) fn put_item(&self, table: &str, item: &Value) -> Result<()> {
        let body = json!({ "TableName": table, "Item": item });
        self.json("dynamodb", "DynamoDB_20120810.PutItem", &body).map(drop)
    }

    /// Deletes the item with this key, if there is one.
    pub(crate) fn delete_item(&self, table: &str, key: &Value) -> Result<()> {
        let body = json!({ "TableName": table, "Key": key });
        self.json("dynamodb", "DynamoDB_20120810.DeleteItem", &body).map(drop)
    }

    /// Returns the item with this key.
    pub(crate) fn item(&self, table: &str, key: &Value) -> Result<Option<Value>> {
        let body = json!({ "TableName": table, "Key": key });
        let mut answer = self.json("dynamodb", "DynamoDB_20120810.GetItem", &body)?;
        Ok(Some(answer["Item"].take()).filter(Value::is_object))
    }

    /// Returns what happened in an execution, sorted, because the order within a Parallel is random. The
    /// emulator names states outside of a Parallel only; inside one it only reports tasks.
    pub(crate) fn events(&self, machine: &str, name: &str) -> Result<Vec<String>> {
        let body = json!({ "executionArn": execution_arn(machine, name), "maxResults": 1000 });
        let history = self.json("states", "AWSStepFunctions.GetExecutionHistory", &body)?;
        let events = history["events"].as_array().context("an execution without a history")?;
        let mut told: Vec<String> = events
            .iter()
            .map(|event| {
                let state = event["stateEnteredEventDetails"]["name"].as_str().unwrap_or_default();
                format!("{} {state}", event["type"].as_str().unwrap_or_default())
            })
            .collect();
        told.sort();
        Ok(told)
    }

    /// Creates a state machine and returns its ARN.
    pub(crate) fn create_state_machine(&self, name: &str, definition: &str) -> Result<String> {
        let body = json!({ "name": name, "definition": definition, "roleArn": NO_ROLE });
        let answer = self.json("states", "AWSStepFunctions.CreateStateMachine", &body)?;
        Ok(answer["stateMachineArn"].as_str().context("a state machine without an ARN")?.to_owned())
    }

    fn json(&self, service: &str, target: &str, body: &Value) -> Result<Value> {
        self.call(service, target, body)?.json(target)
    }

    fn call(&self, service: &str, target: &str, body: &Value) -> Result<http::Answer> {
        let headers = [
            ("authorization", Self::authorization(service)),
            ("content-type", "application/x-amz-json-1.1".to_owned()),
            ("x-amz-target", target.to_owned()),
        ];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        http::post(&format!("{}/", self.endpoint), &headers, &body.to_string())
    }

    /// Gives a secret its value.
    pub(crate) fn put_secret(&self, name: &str, value: &str) -> Result<()> {
        let body = json!({ "SecretId": name, "SecretString": value });
        self.json("secretsmanager", "secretsmanager.PutSecretValue", &body)
            .with_context(|| format!("the secret {name} cannot be set: is it in infra/template.yaml?"))?;
        Ok(())
    }

    /// Returns a secret's value.
    pub(crate) fn secret(&self, name: &str) -> Result<String> {
        let answer =
            self.json("secretsmanager", "secretsmanager.GetSecretValue", &json!({ "SecretId": name }))?;
        Ok(answer["SecretString"]
            .as_str()
            .with_context(|| format!("the secret {name} has no value"))?
            .to_owned())
    }

    /// Returns the resources of a deployed stack.
    pub(crate) fn resources(&self, stack: &str) -> Result<Vec<Resource>> {
        resources(&self.cloudformation("DescribeStackResources", stack)?)
    }

    /// Returns the template of a deployed stack after its transforms, as JSON.
    pub(crate) fn template(&self, stack: &str) -> Result<String> {
        let xml = self.cloudformation("GetTemplate", stack)?;
        let document = roxmltree::Document::parse(&xml).context("GetTemplate did not answer with XML")?;
        let body = document.descendants().find(|node| node.tag_name().name() == "TemplateBody");
        Ok(body.and_then(|body| body.text()).context("GetTemplate answered no template")?.to_owned())
    }

    fn cloudformation(&self, action: &str, stack: &str) -> Result<String> {
        let headers = [
            ("authorization", Self::authorization("cloudformation")),
            ("content-type", "application/x-www-form-urlencoded".to_owned()),
        ];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        let body = format!("Action={action}&Version=2010-05-15&StackName={stack}");
        http::post(&format!("{}/", self.endpoint), &headers, &body)?.ok(action)
    }

    /// Sets one of API Gateway's own answers.
    pub(crate) fn put_gateway_response(&self, api: &str, kind: &str, response: &Value) -> Result<()> {
        let url = format!("{}/restapis/{api}/gatewayresponses/{kind}", self.endpoint);
        let authorization = Self::authorization("apigateway");
        http::put(&url, &[("authorization", &authorization)], &response.to_string())?
            .ok(&format!("the gateway response {kind}"))
            .map(drop)
    }

    /// Deploys an API to a stage.
    pub(crate) fn deploy_api(&self, api: &str, stage: &str) -> Result<()> {
        let url = format!("{}/restapis/{api}/deployments", self.endpoint);
        let body = json!({ "stageName": stage }).to_string();
        http::post(&url, &[("authorization", &Self::authorization("apigateway"))], &body)?
            .ok("deploying the API")
            .map(drop)
    }

    /// Returns a function's configuration: its ARN and its environment.
    pub(crate) fn function(&self, name: &str) -> Result<Value> {
        let url = format!("{}/2015-03-31/functions/{name}/configuration", self.endpoint);
        http::get(&url, &[("authorization", &Self::authorization("lambda"))])?
            .json(&format!("the configuration of {name}"))
    }

    /// Creates a function from a zip, with these environment variables, and returns its ARN.
    pub(crate) fn create_function(&self, name: &str, zip: &[u8], environment: &Value) -> Result<String> {
        let body = json!({
            "FunctionName": name, "Runtime": "provided.al2023", "Handler": "bootstrap", "Role": NO_ROLE,
            "Code": { "ZipFile": BASE64_STANDARD.encode(zip) }, "Environment": { "Variables": environment },
        });
        let url = format!("{}/2015-03-31/functions", self.endpoint);
        let answer =
            http::post(&url, &[("authorization", &Self::authorization("lambda"))], &body.to_string())?
                .json(&format!("creating the function {name}"))?;
        Ok(answer["FunctionArn"].as_str().context("a function without an ARN")?.to_owned())
    }

    /// Replaces a function's zip.
    pub(crate) fn update_function(&self, function: &str, zip: &[u8]) -> Result<()> {
        let url = format!("{}/2015-03-31/functions/{function}/code", self.endpoint);
        let body = json!({ "ZipFile": BASE64_STANDARD.encode(zip) }).to_string();
        http::put(&url, &[("authorization", &Self::authorization("lambda"))], &body)?
            .ok(&format!("updating {function}"))
            .map(drop)
    }

    /// Calls a function and waits for its answer.
    pub(crate) fn invoke(&self, function: &str, payload: &Value) -> Result<Invocation> {
        let url = format!("{}/2015-03-31/functions/{function}/invocations", self.endpoint);
        let headers = [("authorization", &*Self::authorization("lambda")), ("x-amz-log-type", "Tail")];
        let answer = http::post(&url, &headers, &payload.to_string())?;
        if answer.status != 200 {
            bail!("{function} cannot be invoked: HTTP {} {}", answer.status, answer.text);
        }
        let header = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok());
        let log =
            header("x-amz-log-result").and_then(|text| BASE64_STANDARD.decode(text).ok()).unwrap_or_default();
        Ok(Invocation {
            payload: serde_json::from_str(&answer.text).unwrap_or_else(|_| answer.text.clone().into()),
            is_error: header("x-amz-function-error").is_some(),
            log: String::from_utf8_lossy(&log).into_owned(),
        })
    }

    /// Returns the newest log lines of a function, oldest first, with their time in milliseconds since 1970.
    pub(crate) fn logs(&self, function: &str, since_ms: u64) -> Result<Vec<(u64, String)>> {
        let body = json!({ "logGroupName": format!("/aws/lambda/{function}"), "startTime": since_ms });
        let answer = self.json("logs", "Logs_20140328.FilterLogEvents", &body)?;
        let events = answer["events"].as_array().into_iter().flatten();
        let line = |event: &Value| {
            Some((event["timestamp"].as_u64()?, event["message"].as_str()?.trim_end().to_owned()))
        };
        Ok(events.filter_map(line).collect())
    }
}

fn execution_arn(machine: &str, name: &str) -> String {
    format!("{}:{name}", machine.replace(":stateMachine:", ":execution:"))
}

fn resources(xml: &str) -> Result<Vec<Resource>> {
    let document =
        roxmltree::Document::parse(xml).context("DescribeStackResources did not answer with XML")?;
    let members = document.descendants().filter(|node| node.tag_name().name() == "member");
    let text = |node: roxmltree::Node, name: &str| {
        node.children()
            .find(|child| child.tag_name().name() == name)
            .and_then(|child| child.text())
            .map(str::to_owned)
    };
    Ok(members
        .filter_map(|member| {
            Some(Resource {
                logical_id: text(member, "LogicalResourceId")?,
                physical_id: text(member, "PhysicalResourceId")?,
                kind: text(member, "ResourceType")?,
            })
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_read_whatever_the_namespace() {
        let xml = r#"<DescribeStackResourcesResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/">
            <DescribeStackResourcesResult><StackResources>
              <member><LogicalResourceId>StartRunsQueue</LogicalResourceId><ResourceType>AWS::SQS::Queue</ResourceType>
                <PhysicalResourceId>http://127.0.0.1/q</PhysicalResourceId></member>
              <member><LogicalResourceId>Half</LogicalResourceId></member>
            </StackResources></DescribeStackResourcesResult></DescribeStackResourcesResponse>"#;
        let found = resources(xml).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((&*found[0].logical_id, &*found[0].kind), ("StartRunsQueue", "AWS::SQS::Queue"));
        assert_eq!(found[0].physical_id, "http://127.0.0.1/q");
        assert!(resources("no xml").is_err());
    }
}
