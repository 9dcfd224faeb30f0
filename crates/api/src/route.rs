//! A route's description, which its feature declares beside the handler.

use crate::{
    CsvEntry, Failure, MOST_CSV_BYTES, PAGE_SIZE, Page, csv,
    error_code::GATEWAY_ANSWERS,
    export::export_too_large,
    page::MOST_ROWS,
    schema::{Described, Direction, describe, without_null},
};
use oslira_domain::{Code, Error, RequestClass};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, time::Duration};

/// The request id in examples.
const REQUEST_ID: &str = "6f1b2c9a-0f5e-4c8e-9a57-2f6f3d1f0b11";
/// The time in examples.
const TIMESTAMP: &str = "2026-11-20T09:30:00.123456Z";

/// The group that a route belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// From a username to a scored lead.
    Analyses,
    /// The Instagram accounts that were analysed.
    Leads,
    /// A first look, without an account.
    Anonymous,
    /// What the account sells, and to whom.
    BusinessProfiles,
    /// Who is calling, and what is left to spend.
    Account,
    /// Who is in the account, and who is invited.
    Team,
    /// The service itself.
    Platform,
}

impl Tag {
    pub(crate) const ALL: [Self; 7] = [
        Self::Analyses,
        Self::Leads,
        Self::Anonymous,
        Self::BusinessProfiles,
        Self::Account,
        Self::Team,
        Self::Platform,
    ];

    pub(crate) const fn name_and_description(self) -> (&'static str, &'static str) {
        match self {
            Self::Analyses => ("Analyses", "From a username to a scored lead"),
            Self::Leads => ("Leads", "The Instagram accounts that were analysed"),
            Self::Anonymous => ("Anonymous analyses", "A first look, without an account"),
            Self::BusinessProfiles => ("Business profiles", "What the account sells, and to whom"),
            Self::Account => ("Account", "Who is calling, and what is left to spend"),
            Self::Team => ("Team", "Who is in the account, and who is invited"),
            Self::Platform => ("Platform", "The service itself"),
        }
    }
}

/// One method of one path: its input and all its answers.
#[derive(Debug)]
pub struct Route {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) named: Map<String, Value>,
    is_open: bool,
    refuses_odd_queries: bool,
    operation: Map<String, Value>,
    parameters: Vec<Value>,
    answers: BTreeMap<u16, Answer>,
}

/// All answers with one status.
#[derive(Debug, Default)]
struct Answer {
    /// The schemas of the answers' bodies.
    bodies: Vec<Value>,
    description: Vec<String>,
    examples: Map<String, Value>,
    /// The content of an answer as CSV.
    csv: Option<Value>,
    /// The routes that take what the answer names, by their operation ids.
    links: Map<String, Value>,
    may_say_when_to_retry: bool,
    /// A Lambda may give it.
    is_ours: bool,
    /// It has headers that say how much is left of the limits.
    says_what_is_left: bool,
    /// API Gateway may give it by itself, and then sends fewer headers.
    may_be_gateways: bool,
}

impl Route {
    /// A route that reads something.
    pub fn get(path: &'static str, id: &str, tag: Tag, summary: &str) -> Self {
        Self::new("get", path, id, tag, summary)
    }

    /// A route that makes or starts something.
    pub fn post(path: &'static str, id: &str, tag: Tag, summary: &str) -> Self {
        Self::new("post", path, id, tag, summary).refuses_by_gateway("PayloadTooLarge")
    }

    /// A route that replaces something as a whole.
    pub fn put(path: &'static str, id: &str, tag: Tag, summary: &str) -> Self {
        Self::new("put", path, id, tag, summary).refuses_by_gateway("PayloadTooLarge")
    }

    /// A route that deletes something.
    pub fn delete(path: &'static str, id: &str, tag: Tag, summary: &str) -> Self {
        Self::new("delete", path, id, tag, summary)
    }

    fn new(method: &'static str, path: &'static str, id: &str, tag: Tag, summary: &str) -> Self {
        let operation =
            json!({"operationId": id, "tags": [tag.name_and_description().0], "summary": summary});
        let operation = operation.as_object().cloned().unwrap_or_default();
        let (named, parameters, answers) = Default::default();
        let route = Self {
            method,
            path,
            is_open: false,
            refuses_odd_queries: true,
            operation,
            parameters,
            answers,
            named,
        };
        route
            .refuses_by_gateway("TooManyRequests")
            .refuses(&Error::internal(""))
            .refuses(&Error::store(""))
            .may_be_gateways(500)
            .may_be_gateways(503)
    }

    /// The route needs no token.
    #[must_use]
    pub fn open(mut self) -> Self {
        self.is_open = true;
        self.operation.insert("security".to_owned(), json!([]));
        self
    }

    /// The route takes whatever query comes with it, and reads none.
    #[must_use]
    pub fn ignores_query(mut self) -> Self {
        self.refuses_odd_queries = false;
        self
    }

    /// Adds paragraphs that say more than the summary.
    #[must_use]
    pub fn describe(mut self, description: &str) -> Self {
        self.operation.insert("description".to_owned(), json!(description));
        self
    }

    /// The route acts in one of the caller's accounts, which a header names.
    #[must_use]
    pub fn in_account(mut self) -> Self {
        self.parameters.push(json!({"$ref": "#/components/parameters/AccountId"}));
        self.refuses(&Error::account_not_found())
    }

    /// Repeating the request with the same key does nothing twice.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.parameters.push(json!({"$ref": "#/components/parameters/IdempotencyKey"}));
        let details = json!({"Idempotency-Key": "must be 1 to 255 visible ASCII characters"});
        self.refuses(&Error::idempotency_key_reused()).refuses_bad_fields("BadIdempotencyKey", details)
    }

    /// Adds the query's parameters, which are the fields of a type.
    #[must_use]
    pub fn query<T: JsonSchema>(mut self) -> Self {
        let Described { schema, mut named } = describe::<T>(Direction::Request);
        // Only the fields of this type are shown, not the type itself.
        let name = schema["$ref"].as_str().and_then(|name| name.rsplit('/').next()).unwrap_or_default();
        let fields = named.remove(name).unwrap_or(schema);
        self.named.extend(named);
        for (name, schema) in fields["properties"].as_object().into_iter().flatten() {
            let (mut schema, required) = (schema.clone(), is_required(&fields, name));
            let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
            // No query has a null: what is not wanted is left out.
            without_null(&mut schema);
            let mut parameter =
                json!({"name": name, "in": "query", "required": required, "description": description});
            // A list is one text with commas.
            if schema["type"] == "array" {
                parameter["style"] = json!("form");
                parameter["explode"] = json!(false);
            }
            parameter["schema"] = schema;
            self.parameters.push(parameter);
        }
        self
    }

    /// Adds a placeholder of the path.
    #[must_use]
    pub fn path<T: JsonSchema>(mut self, name: &str, description: &str) -> Self {
        let mut schema = self.schema::<T>(Direction::Request);
        if let Some(schema) = schema.as_object_mut() {
            schema.remove("description");
        }
        self.parameters.push(json!({
            "name": name, "in": "path", "required": true, "description": description, "schema": schema,
        }));
        self.refuses_by_gateway("RouteNotFound")
    }

    /// The route answers with a page of a list. Adds the parameters that choose the page, and an example of
    /// the entries.
    #[must_use]
    pub fn answers_pages_of<T: JsonSchema + Serialize>(mut self, description: &str, entries: Vec<T>) -> Self {
        for name in Page::NAMES {
            self.parameters.push(json!({"$ref": format!("#/components/parameters/{name}")}));
        }
        let total = entries.len() as u64;
        self.answers(200, description, [("page", Page::default().of(total, entries))])
    }

    /// The route answers with the whole list as CSV, too, to who asks for it by `Accept: text/csv`.
    #[must_use]
    pub fn answers_csv_of<T: CsvEntry>(mut self, entries: &[T]) -> Self {
        let description = format!(
            "All entries that match, as CSV (RFC 4180, in UTF-8): a line with the names of the columns, then a line for each entry, \
             in the list's order, whatever the page. The columns are {}. Each has what the field of that name has \
             in JSON; an empty cell is `null`. A text that a spreadsheet would take for a formula has an apostrophe before it: one \
             that begins with `=`, `+`, `-`, `@`, a tab or a line break, or has one of the first four after a semicolon or a line break. At most {MOST_ROWS} entries and {MOST_CSV_BYTES} bytes.",
            T::COLUMNS.join(", ")
        );
        let example = csv(entries).unwrap_or_default();
        self.answers.entry(200).or_default().csv =
            Some(json!({"schema": {"type": "string", "description": description}, "example": example}));
        self.refuses(&export_too_large())
    }

    /// The route takes a JSON body. The examples have names.
    #[must_use]
    pub fn takes<T: JsonSchema>(mut self, examples: impl IntoIterator<Item = (&'static str, Value)>) -> Self {
        let schema = self.schema::<T>(Direction::Request);
        let examples = named_examples(examples);
        let content = json!({"application/json": {"schema": &schema, "examples": examples}});
        let bad_body = bad_body(&self.fields_of(&schema));
        self.operation.insert("requestBody".to_owned(), json!({"required": true, "content": content}));
        self.refuses_bad_fields("BadBody", bad_body)
            .refuses(&Error::new(
                Code::MalformedBody,
                "The body is not JSON: EOF while parsing a value at line 1 column 0.",
            ))
            .refuses(&Error::new(Code::PayloadTooLarge, "The body is larger than 65536 bytes."))
            .refuses_by_gateway("RequestRefused")
    }

    fn refuses_bad_fields(self, name: &str, details: Value) -> Self {
        let fields: Vec<&str> =
            details.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        let message = format!("Not accepted: {}. See details for what would be.", fields.join(", "));
        self.refuses_as(name, &Error::new(Code::ValidationFailed, message).with_details(details))
    }

    /// The names of the fields of a named type.
    fn fields_of(&self, schema: &Value) -> Vec<String> {
        let name = schema["$ref"].as_str().and_then(|name| name.rsplit('/').next()).unwrap_or_default();
        let fields = self.named.get(name).and_then(|schema| schema["properties"].as_object());
        fields.into_iter().flatten().map(|(name, _)| name.clone()).collect()
    }

    /// The names of the query's parameters.
    fn parameters_of_query(&self) -> Vec<String> {
        let named =
            |parameter: &Value| match parameter["$ref"].as_str().and_then(|name| name.rsplit('/').next()) {
                Some(name) => Page::NAMES.contains(&name).then(|| name.to_owned()),
                None if parameter["in"] == "query" => parameter["name"].as_str().map(str::to_owned),
                None => None,
            };
        self.parameters.iter().filter_map(named).collect()
    }

    /// The route answers with data and this status. The examples have names.
    #[must_use]
    pub fn answers<T: JsonSchema + Serialize>(
        mut self,
        status: u16,
        description: &str,
        examples: impl IntoIterator<Item = (&'static str, T)>,
    ) -> Self {
        let data = self.schema::<T>(Direction::Answer);
        let success = status < 400;
        let schema = json!({
            "type": "object",
            "required": ["success", "data", "requestId", "timestamp"],
            "additionalProperties": false,
            "properties": {
                "success": {"const": success},
                "data": data,
                "requestId": {"type": "string"},
                "timestamp": {"type": "string", "format": "date-time"},
            },
        });
        let answer = self.answer(status, schema, description);
        answer.is_ours = true;
        for (name, example) in examples {
            let body =
                json!({"success": success, "data": example, "requestId": REQUEST_ID, "timestamp": TIMESTAMP});
            answer.examples.insert(name.to_owned(), json!({"value": body}));
        }
        self
    }

    /// The answer with this status holds, at this place of its body, what the placeholder in the path of other
    /// routes asks for. Programs that try the API follow such links.
    #[must_use]
    pub fn links(mut self, status: u16, place: &str, placeholder: &str, operations: &[&str]) -> Self {
        let answer = self.answers.entry(status).or_default();
        for id in operations {
            let link =
                json!({"operationId": id, "parameters": {placeholder: format!("$response.body#{place}")}});
            answer.links.insert((*id).to_owned(), link);
        }
        self
    }

    /// The route can answer with this error. The example is the handler's own error.
    #[must_use]
    pub fn refuses(self, error: &Error) -> Self {
        self.refuses_as(error.code.as_str(), error)
    }

    /// The same for an error whose code already has another example.
    #[must_use]
    pub fn refuses_as(mut self, name: &str, error: &Error) -> Self {
        let (code, status) = (error.code, error.code.http_status());
        let mut body = json!({"success": false, "error": error.message, "code": code.as_str()});
        if let Some(details) = &error.details {
            body["details"] = details.clone();
        }
        body["requestId"] = json!(REQUEST_ID);
        body["timestamp"] = json!(TIMESTAMP);
        let schema = self.schema::<Failure>(Direction::Answer);
        let answer = self.answer(status, schema, &format!("`{code}`: {}", code.meaning()));
        answer.examples.insert(name.to_owned(), json!({"value": body}));
        answer.is_ours = true;
        answer.may_say_when_to_retry |= error.retry_after_seconds.is_some() || [429, 503].contains(&status);
        self
    }

    /// The answers with these statuses say how much is left of a limit of the route's own. Signed-in routes need not
    /// say so: their requests are counted anyway.
    #[must_use]
    pub fn says_what_is_left(mut self, statuses: &[u16]) -> Self {
        for status in statuses {
            self.answers.entry(*status).or_default().says_what_is_left = true;
        }
        self
    }

    /// API Gateway itself can answer with this code.
    fn refuses_by_gateway(mut self, code: &str) -> Self {
        let Some(gateways) = GATEWAY_ANSWERS.into_iter().find(|answer| answer.code == code) else {
            return self;
        };
        let status = gateways.status;
        let schema = self.schema::<Failure>(Direction::Answer);
        let answer = self.answer(status, schema, &format!("`{code}`: {}", gateways.meaning));
        let body =
            json!({"success": false, "error": gateways.sentence, "code": code, "requestId": REQUEST_ID});
        answer.examples.insert(format!("{code}ByApiGateway"), json!({"value": body}));
        answer.may_say_when_to_retry |= status == 429;
        self.may_be_gateways(status)
    }

    fn may_be_gateways(mut self, status: u16) -> Self {
        self.answers.entry(status).or_default().may_be_gateways = true;
        self
    }

    fn answer(&mut self, status: u16, schema: Value, description: &str) -> &mut Answer {
        let answer = self.answers.entry(status).or_default();
        if !answer.bodies.contains(&schema) {
            answer.bodies.push(schema);
        }
        let description = description.to_owned();
        if !answer.description.contains(&description) {
            answer.description.push(description);
        }
        answer
    }

    fn schema<T: JsonSchema>(&mut self, direction: Direction) -> Value {
        let Described { schema, named } = describe::<T>(direction);
        self.named.extend(named);
        schema
    }

    /// The operation as OpenAPI describes it.
    pub(crate) fn operation(mut self) -> Value {
        if !self.is_open {
            let (class, name) = match self.method {
                "get" => (RequestClass::Read, "TooManyReads"),
                _ => (RequestClass::Write, "TooManyWrites"),
            };
            let too_many = class.refusal(class.usual_limit(), Duration::from_secs(12));
            self = self.refuses_as(name, &too_many);
            // All that a Lambda answers to a signed-in user.
            for answer in self.answers.values_mut().filter(|answer| answer.is_ours) {
                answer.says_what_is_left = true;
            }
            self = self.refuses_by_gateway("Unauthorized").refuses_by_gateway("Forbidden");
        }
        if self.refuses_odd_queries {
            let known = self.parameters_of_query();
            self = self.refuses_bad_fields("BadQuery", bad_query(&known));
        }
        let mut operation = self.operation;
        if !self.parameters.is_empty() {
            operation.insert("parameters".to_owned(), self.parameters.into());
        }
        // People expect the body after the parameters.
        if let Some(body) = operation.shift_remove("requestBody") {
            operation.insert("requestBody".to_owned(), body);
        }
        let answers =
            self.answers.into_iter().map(|(status, answer)| (status.to_string(), answer.response()));
        operation.insert("responses".to_owned(), Value::Object(answers.collect()));
        Value::Object(operation)
    }
}

impl Answer {
    fn response(self) -> Value {
        let mut headers = Map::new();
        if !self.may_be_gateways {
            headers.insert("X-Request-Id".to_owned(), json!({"$ref": "#/components/headers/RequestId"}));
        }
        if self.says_what_is_left {
            for (name, header) in [("RateLimit", "RateLimit"), ("RateLimit-Policy", "RateLimitPolicy")] {
                headers.insert(name.to_owned(), json!({"$ref": format!("#/components/headers/{header}")}));
            }
        }
        if self.may_say_when_to_retry {
            headers.insert("Retry-After".to_owned(), json!({"$ref": "#/components/headers/RetryAfter"}));
        }
        let mut bodies = self.bodies;
        let schema =
            if bodies.len() > 1 { json!({"anyOf": bodies}) } else { bodies.pop().unwrap_or_default() };
        let mut content = json!({"application/json": {"schema": schema, "examples": self.examples}});
        if let Some(csv) = self.csv {
            content["text/csv"] = csv;
        }
        let mut response =
            json!({"description": self.description.join("\n\n"), "headers": headers, "content": content});
        if !self.links.is_empty() {
            response["links"] = Value::Object(self.links);
        }
        response
    }
}

/// What a body with a missing and an unknown field is told.
fn bad_body(known: &[String]) -> Value {
    let mut details = Map::new();
    if let Some(first) = known.first() {
        details.insert(first.clone(), json!("is required"));
    }
    details
        .insert("colour".to_owned(), json!(format!("is not a known field; known are {}", known.join(", "))));
    Value::Object(details)
}

/// What a query with an unknown parameter is told.
fn bad_query(known: &[String]) -> Value {
    let problem = if known.is_empty() {
        "is not a known parameter; there are none".to_owned()
    } else {
        format!("is not a known parameter; known are {}", known.join(", "))
    };
    json!({"colour": problem})
}

fn named_examples(examples: impl IntoIterator<Item = (&'static str, Value)>) -> Map<String, Value> {
    examples.into_iter().map(|(name, value)| (name.to_owned(), json!({"value": value}))).collect()
}

/// The parameters that many routes share.
pub(crate) fn shared_parameters() -> Value {
    json!({
        "AccountId": {
            "name": "X-Account-Id", "in": "header", "required": false,
            "description": "The account to act in; the caller's oldest one when it is left out.",
            "schema": {"type": "string", "format": "uuid"},
        },
        "IdempotencyKey": {
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "A value of the caller's own choice that makes repeating the request safe for 24 hours. The same key \
                with the same body answers the same and does nothing twice. With another body it is refused with 422. \
                Refusals are not remembered.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        },
        "page": {
            "name": "page", "in": "query", "required": false,
            "description": format!("Which page of the list; the first is 1. A list shows its first {MOST_ROWS} entries: a page beyond \
                them is refused."),
            "schema": {"type": "integer", "minimum": 1, "maximum": MOST_ROWS, "default": 1},
        },
        "pageSize": {
            "name": "pageSize", "in": "query", "required": false,
            "description": "How many entries a page has at most.",
            "schema": {"type": "integer", "minimum": 1, "maximum": PAGE_SIZE.1, "default": PAGE_SIZE.0},
        },
    })
}

fn is_required(schema: &Value, name: &str) -> bool {
    schema["required"].as_array().is_some_and(|names| names.iter().any(|required| required == name))
}
