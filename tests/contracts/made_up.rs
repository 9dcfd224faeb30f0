//! The rules of the template on a small one that is made up: what is yet to come has its place, and mistakes are told.

use crate::{
    declared, kinds, none, permissions, routes, samples, schedules, stores,
    template::{Resource, Template},
};
use serde_json::{Value, json};

/// Every rule that is about a template alone.
const RULES: [fn(&Template) -> Vec<String>; 22] = [
    declared::undeclared,
    kinds::called_otherwise,
    kinds::strangers_to_databases,
    kinds::routes_that_nobody_counts,
    kinds::migrations_secrets_that_spread,
    kinds::throttled_wrongly,
    kinds::starters_by_mistake,
    kinds::webhooks_that_work,
    kinds::health_checks_that_change,
    kinds::health_checks_elsewhere,
    permissions::loose_statements,
    permissions::secrets_named_or_readable_alone,
    permissions::secrets_of_nobody,
    permissions::secrets_with_a_value,
    routes::paths_written_down,
    routes::routes_with_an_odd_authorizer,
    schedules::schedules_without_a_time,
    stores::messages_shown_too_early,
    stores::batches_that_fail_as_one,
    stores::queues_that_lose_messages,
    stores::tables_filling_up,
    stores::buckets_open_or_filling_up,
];

/// A vendor tells of payments by a webhook, whose consumer writes them down; a job looks every night whether one was missed.
const PAYMENTS: &str = r#"
Globals:
  Function:
    Timeout: 10
Resources:
  Api:
    Type: AWS::Serverless::Api
    Properties:
      Auth:
        DefaultAuthorizer: Token
        Authorizers:
          Token: {FunctionArn: !GetAtt AuthorizeRequest.Arn}
      MethodSettings:
        - {ResourcePath: /~1webhooks~1payments, HttpMethod: POST, ThrottlingRateLimit: 50, ThrottlingBurstLimit: 100}

  AuthorizeRequest:
    Type: AWS::Serverless::Function
    Metadata: {Oslira: {Kind: authorizer}}

  ReceivePayment:
    Type: AWS::Serverless::Function
    Metadata: {Oslira: {Kind: webhook}}
    Properties:
      Environment:
        Variables:
          PAYMENTS_QUEUE_URL: !Ref PaymentsQueue
          WEBHOOK_SECRET: !Ref WebhookSecret
      Policies:
        - Statement:
            - {Effect: Allow, Action: secretsmanager:GetSecretValue, Resource: !Ref WebhookSecret}
            - {Effect: Allow, Action: sqs:SendMessage, Resource: !GetAtt PaymentsQueue.Arn}
      Events:
        Route:
          Type: Api
          Properties: {Method: post, Path: /webhooks/payments, Auth: {Authorizer: NONE}}

  RecordPayment:
    Type: AWS::Serverless::Function
    Metadata: {Oslira: {Kind: queue-consumer}}
    Properties:
      Environment:
        Variables:
          SYSTEM_DATABASE_SECRET: !Ref SystemDatabaseSecret
      Policies:
        - Statement:
            - {Effect: Allow, Action: secretsmanager:GetSecretValue, Resource: !Ref SystemDatabaseSecret}
      Events:
        Queue:
          Type: SQS
          Properties: {Queue: !GetAtt PaymentsQueue.Arn, FunctionResponseTypes: [ReportBatchItemFailures]}

  FindMissedPayments:
    Type: AWS::Serverless::Function
    Metadata: {Oslira: {Kind: scheduled-job}}
    Properties:
      Environment:
        Variables:
          SYSTEM_DATABASE_SECRET: !Ref SystemDatabaseSecret
      Policies:
        - Statement:
            - {Effect: Allow, Action: secretsmanager:GetSecretValue, Resource: !Ref SystemDatabaseSecret}
      Events:
        Nightly:
          Type: ScheduleV2
          Properties: {ScheduleExpression: cron(0 3 * * ? *), ScheduleExpressionTimezone: UTC}

  PaymentsQueue:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 60
      RedrivePolicy: {deadLetterTargetArn: !GetAtt PaymentsDeadLetterQueue.Arn, maxReceiveCount: 100}

  PaymentsDeadLetterQueue:
    Type: AWS::SQS::Queue
    Properties: {MessageRetentionPeriod: 1209600}

  WebhookSecret:
    Type: AWS::SecretsManager::Secret
    Metadata: {Oslira: {For: signature-checks}}
    Properties: {Name: !Sub "oslira/${Stage}/webhook"}

  SystemDatabaseSecret:
    Type: AWS::SecretsManager::Secret
    Metadata: {Oslira: {For: system-database}}
    Properties: {Name: !Sub "oslira/${Stage}/system-database"}
"#;

/// What the rules say of a template.
fn problems(template: &Template) -> Vec<String> {
    // One that does not say what its functions are cannot be judged further.
    let undeclared = declared::undeclared(template);
    if undeclared.is_empty() { RULES.iter().flat_map(|rule| rule(template)).collect() } else { undeclared }
}

/// What they say when one place of it is changed.
#[track_caller]
fn problems_with(place: &str, change: &str) -> Vec<String> {
    let place_count = PAYMENTS.matches(place).count();
    assert_eq!(place_count, 1, "how often {place:?} is there");
    problems(&Template::parse(&PAYMENTS.replace(place, change)))
}

/// Changes one place, and expects one problem that begins so.
#[track_caller]
fn told(place: &str, change: &str, problem: &str) {
    let problems = problems_with(place, change);
    let [told] = problems.as_slice() else {
        panic!("{change:?} in place of {place:?} must be one problem, not {problems:#?}")
    };
    assert!(
        told.starts_with(problem),
        "{change:?} in place of {place:?} is told as {told:?}, not {problem:?}"
    );
}

fn function<'a>(template: &'a Template, name: &str) -> Resource<'a> {
    template.resource(name).expect("the function is there")
}

#[test]
fn a_webhook_with_its_consumer_and_a_scheduled_job_follow_the_rules() {
    none(problems(&Template::parse(PAYMENTS)));
}

#[test]
fn a_function_that_does_not_say_what_it_is_is_told_to() {
    told("    Metadata: {Oslira: {Kind: webhook}}\n", "", "ReceivePayment: say what it is");
    told("Kind: webhook", "Kind: hook", "ReceivePayment: Metadata.Oslira: unknown variant `hook`");
    told("Kind: webhook", "Kind: stage", "ReceivePayment: say what it gets");
    told("Kind: webhook", "Kind: webhook, Input: execution", "ReceivePayment: remove Input");
    told(
        "For: signature-checks",
        "For: signing",
        "WebhookSecret: Metadata.Oslira: unknown variant `signing`",
    );
}

#[test]
fn a_kind_has_one_way_to_be_called() {
    let place = "Auth: {Authorizer: NONE}}";
    let problem = "ReceivePayment: as its Kind is webhook it must have an event of type Api with Auth: {Authorizer: NONE} alone";
    told(place, "}", problem);
    let get = "ReceivePayment: as its Kind is webhook its Method must be post, not get";
    assert!(problems_with("Method: post", "Method: get").iter().any(|told| told == get), "{get}");
    told(
        "Type: ScheduleV2\n          Properties: {ScheduleExpression: cron(0 3 * * ? *), ScheduleExpressionTimezone: UTC}",
        "Type: S3",
        "FindMissedPayments: as its Kind is scheduled-job it must have an event of type ScheduleV2 alone; it has an event of type S3",
    );
    told(
        "Kind: authorizer",
        "Kind: operator-job",
        "AuthorizeRequest: as its Kind is operator-job it must have nothing that calls it alone; it has a place among the API's Authorizers",
    );
}

/// An operator's, which may know every database.
const MIGRATE: &str = r#"
  MigrateDatabase:
    Type: AWS::Serverless::Function
    Metadata: {Oslira: {Kind: operator-job}}
    Properties:
      Environment:
        Variables:
          MIGRATIONS_DATABASE_SECRET: !Ref MigrationsDatabaseSecret
      Policies:
        - Statement:
            - {Effect: Allow, Action: secretsmanager:GetSecretValue, Resource: !Ref MigrationsDatabaseSecret}

  MigrationsDatabaseSecret:
    Type: AWS::SecretsManager::Secret
    Metadata: {Oslira: {For: migrations-database}}
    Properties: {Name: !Sub "oslira/${Stage}/migrations-database"}
"#;

#[test]
fn nothing_calls_an_operators_job() {
    let with = |more: &str| problems(&Template::parse(&format!("{PAYMENTS}{MIGRATE}{more}")));
    none(with(""));
    let of = |kind: &str, properties: &str| {
        format!("\n  Caller:\n    Type: {kind}\n    Properties: {properties}\n")
    };
    for (kind, properties) in [
        ("AWS::Lambda::Url", "{AuthType: NONE, TargetFunctionArn: !Ref MigrateDatabase}"),
        ("AWS::Lambda::Permission", "{FunctionName: !GetAtt MigrateDatabase.Arn, Principal: '*'}"),
        ("AWS::Lambda::EventSourceMapping", "{FunctionName: {Fn::GetAtt: [MigrateDatabase, Arn]}}"),
        ("AWS::Events::Rule", "{Targets: [{Id: A, Arn: !GetAtt MigrateDatabase.Arn}]}"),
        ("AWS::Scheduler::Schedule", "{Target: {Arn: !Sub '${MigrateDatabase.Arn}:live'}}"),
    ] {
        let problem = format!(
            "MigrateDatabase: as its Kind is operator-job it must have nothing that calls it alone; it has the {kind} Caller"
        );
        assert_eq!(with(&of(kind, properties)), [problem]);
    }
    none(with(&of("AWS::CloudWatch::Alarm", "{Dimensions: [{Name: F, Value: !Ref MigrateDatabase}]}")));
    let url = MIGRATE.replace(
        "    Properties:\n      Env",
        "    Properties:\n      FunctionUrlConfig: {AuthType: NONE}\n      Env",
    );
    assert_eq!(
        problems(&Template::parse(&format!("{PAYMENTS}{url}"))),
        [
            "MigrateDatabase: as its Kind is operator-job it must have nothing that calls it alone; it has a FunctionUrlConfig"
        ]
    );
    let for_all = problems_with(
        "  Function:\n    Timeout: 10",
        "  Function:\n    FunctionUrlConfig: {AuthType: NONE}\n    Timeout: 10",
    );
    assert_eq!(for_all.len(), 4, "one of each function: {for_all:#?}");
}

#[test]
fn the_database_of_the_migrations_is_known_to_one_function() {
    let second = MIGRATE.split("  MigrationsDatabaseSecret:").next().unwrap_or_default();
    let second = second.replace("MigrateDatabase", "LookAround");
    assert_eq!(
        problems(&Template::parse(&format!("{PAYMENTS}{MIGRATE}{second}"))),
        ["MigrationsDatabaseSecret: let one function alone know it, not MigrateDatabase and LookAround"]
    );
}

#[test]
fn there_is_one_health_check_and_it_is_at_health() {
    let check = r#"
  CheckHealth:
    Type: AWS::Serverless::Function
    Metadata: {Oslira: {Kind: health-check}}
    Properties:
      Events:
        Route:
          Type: Api
          Properties: {Method: get, Path: /health, Auth: {Authorizer: NONE}}
"#;
    let setting = "      MethodSettings:\n";
    let throttled = |path: &str| {
        let entry = format!(
            "        - {{ResourcePath: /~1{path}, HttpMethod: GET, ThrottlingRateLimit: 5, ThrottlingBurstLimit: 5}}\n"
        );
        PAYMENTS.replace(setting, &format!("{setting}{entry}"))
    };
    let with = |path: &str, more: &str| problems(&Template::parse(&format!("{}{more}", throttled(path))));
    none(with("health", check));
    assert_eq!(
        with("leads", &check.replace("/health,", "/leads,")),
        ["CheckHealth: a health check's Path is /health, not /leads"]
    );
    let second = check.replace("CheckHealth", "CheckAll");
    assert_eq!(with("health", &format!("{check}{second}")), ["CheckAll: there is a health check already"]);
}

#[test]
fn a_webhook_is_kept_small() {
    let secret = "          WEBHOOK_SECRET: !Ref WebhookSecret\n";
    let statement = "            - {Effect: Allow, Action: secretsmanager:GetSecretValue, Resource: !Ref WebhookSecret}\n";
    let both = [
        (secret, "          WEBHOOK_SECRET: !Ref SystemDatabaseSecret\n"),
        (
            statement,
            "            - {Effect: Allow, Action: secretsmanager:GetSecretValue, Resource: !Ref SystemDatabaseSecret}\n",
        ),
    ];
    let text = both.iter().fold(PAYMENTS.to_owned(), |text, (place, change)| text.replace(place, change));
    assert_eq!(
        problems(&Template::parse(&text)),
        [
            "ReceivePayment: take SystemDatabaseSecret from its Environment and Policies; as webhook it may know no database",
            "ReceivePayment: let it read a secret of Metadata: {Oslira: {For: signature-checks}}; a webhook verifies who calls",
            "WebhookSecret: remove it, or let the function that needs it read it",
        ]
    );

    let send =
        "            - {Effect: Allow, Action: sqs:SendMessage, Resource: !GetAtt PaymentsQueue.Arn}\n";
    told(send, "", "ReceivePayment: give it sqs:SendMessage on a queue");
    let more = |statement: &str| format!("{send}            - {{Effect: Allow, {statement}}}\n");
    let write = more("Action: dynamodb:PutItem, Resource: !GetAtt PaymentsQueue.Arn");
    told(send, &write, "ReceivePayment: take \"dynamodb:PutItem\" from its Policies");
    let elsewhere = "            - {Effect: Allow, Action: sqs:SendMessage, Resource: !GetAtt PaymentsDeadLetterQueue.Arn}\n";
    told(
        send,
        elsewhere,
        "ReceivePayment: it puts messages into PaymentsDeadLetterQueue; add a function of Kind queue-consumer",
    );
    let start = more("Action: states:StartExecution, Resource: !GetAtt PaymentsQueue.Arn");
    let starts = "ReceivePayment: take states:StartExecution on PaymentsQueue from its Policies; a webhook starts nothing";
    assert!(problems_with(send, &start).iter().any(|told| told == starts), "{starts}");
}

#[test]
fn a_route_without_a_token_is_bounded_and_no_other() {
    let setting = "        - {ResourcePath: /~1webhooks~1payments, HttpMethod: POST, ThrottlingRateLimit: 50, ThrottlingBurstLimit: 100}\n";
    told(setting, "", "POST /webhooks/payments: give it an entry in the API's MethodSettings");
    told(
        setting,
        &setting.replace(", ThrottlingBurstLimit: 100", ""),
        "POST /webhooks/payments: give it an entry in the API's MethodSettings",
    );
    let twice = format!("{setting}{}", setting.replace("webhooks", "api"));
    told(setting, &twice, "POST /api/payments: take it out of the API's MethodSettings");
}

#[test]
fn tokens_in_paths_are_written_down_nowhere() {
    let place = "      MethodSettings:\n";
    let with = |more: &str| format!("      {more}\n{place}");
    let access_log =
        |format: &str| with(&format!("AccessLogSetting: {{DestinationArn: a, Format: '{format}'}}"));
    none(problems_with(place, &access_log("$context.requestId $context.resourcePath $context.status")));
    told(
        place,
        &access_log("$context.status $context.path"),
        "Api: take $context.path out of its AccessLogSetting",
    );
    told(place, &with("TracingEnabled: true"), "Api: remove TracingEnabled");
    told(
        ", HttpMethod: POST, Th",
        ", LoggingLevel: INFO, HttpMethod: POST, Th",
        "Api: take LoggingLevel out",
    );
    told(
        ", HttpMethod: POST, Th",
        ", DataTraceEnabled: true, HttpMethod: POST, Th",
        "Api: take DataTraceEnabled out",
    );
}

#[test]
fn a_signed_in_route_may_count_its_requests() {
    let route = r#"
  ListPayments:
    Type: AWS::Serverless::Function
    Metadata: {Oslira: {Kind: signed-in-route}}
    Properties:
      Policies:
        - Statement:
            - {Effect: Allow, Action: dynamodb:UpdateItem, Resource: !GetAtt RateLimitsTable.Arn}
      Events:
        Route:
          Type: Api
          Properties: {Method: get, Path: /api/payments}

  RateLimitsTable:
    Type: AWS::DynamoDB::Table
    Properties:
      TimeToLiveSpecification: {AttributeName: expiresAt, Enabled: true}
"#;
    let globals =
        "    Timeout: 10\n    Environment: {Variables: {RATE_LIMITS_TABLE: !Ref RateLimitsTable}}\n";
    let template = PAYMENTS.replace("    Timeout: 10\n", globals);
    let with = |route: &str| problems(&Template::parse(&format!("{template}{route}")));
    none(with(route));
    let told = with(&route.replace("UpdateItem", "GetItem"));
    assert!(
        matches!(told.as_slice(), [one] if one.starts_with("ListPayments: add {Effect: Allow, Action: dynamodb:UpdateItem")),
        "{told:#?}"
    );
}

#[test]
fn what_nobody_asked_for_writes_as_the_system_and_never_as_a_user() {
    let user = PAYMENTS.replace("For: system-database", "For: user-database");
    assert_eq!(
        problems(&Template::parse(&user)),
        [
            "RecordPayment: take SystemDatabaseSecret from its Environment and Policies; as queue-consumer it may know system-database",
            "FindMissedPayments: take SystemDatabaseSecret from its Environment and Policies; as scheduled-job it may know system-database",
        ]
    );
}

#[test]
fn a_stage_of_runs_without_an_account_knows_no_database() {
    let stage = r#"
  ScoreLead:
    Type: AWS::Serverless::Function
    Metadata: {Oslira: {Kind: stage, Input: execution}}
    Properties:
      Environment:
        Variables:
          SYSTEM_DATABASE_SECRET: !Ref SystemDatabaseSecret
      Policies:
        - Statement:
            - {Effect: Allow, Action: secretsmanager:GetSecretValue, Resource: !Ref SystemDatabaseSecret}

  Machine:
    Type: AWS::Serverless::StateMachine
    Metadata: {Oslira: {Input: analysis, LastStep: Refund Credits}}
    Properties:
      DefinitionSubstitutions: {ScoreLeadArn: !GetAtt ScoreLead.Arn}
"#;
    let with = |stage: &str| problems(&Template::parse(&format!("{PAYMENTS}{stage}")));
    assert_eq!(with(stage), [""; 0], "a stage of runs with an account");
    assert_eq!(
        with(&stage.replace("Input: analysis", "Input: anonymous-analysis")),
        [
            "ScoreLead: take SystemDatabaseSecret from its Environment and Policies; as a stage of runs without an account it may know no database"
        ]
    );
    assert_eq!(
        with(&stage.replace("ScoreLeadArn: !GetAtt ScoreLead.Arn", "OtherArn: !GetAtt RecordPayment.Arn")),
        [
            "RecordPayment: as its Kind is queue-consumer it must have an event of type SQS alone; it has an event of type SQS and a place in the DefinitionSubstitutions of a state machine",
            "ScoreLead: as its Kind is stage it must have a place in the DefinitionSubstitutions of a state machine alone; it has nothing that calls it",
        ]
    );
}

#[test]
fn queues_and_schedules_keep_their_rules() {
    told(
        "VisibilityTimeout: 60",
        "VisibilityTimeout: 59",
        "PaymentsQueue: set VisibilityTimeout to at least 60",
    );
    told(
        ", FunctionResponseTypes: [ReportBatchItemFailures]",
        "",
        "RecordPayment: add ReportBatchItemFailures",
    );
    told("maxReceiveCount: 100", "maxReceiveCount: 4", "PaymentsQueue: give it a RedrivePolicy");
    told("ScheduleExpressionTimezone: UTC", "ScheduleExpressionTimezone: CET", "FindMissedPayments: set");
}

#[test]
fn what_a_table_holds_expires_or_is_said_to_stay() {
    let table = r#"
  PaymentsTable:
    Type: AWS::DynamoDB::Table
    Properties:
      TimeToLiveSpecification: {AttributeName: expiresAt, Enabled: true}
"#;
    let with = |place: &str, change: &str| {
        problems(&Template::parse(&format!("{PAYMENTS}{}", table.replace(place, change))))
    };
    none(with("", ""));
    let wrong = "PaymentsTable: set the AttributeName of its TimeToLiveSpecification to expiresAt, which its items have";
    assert_eq!(with("expiresAt", "expires_at"), [wrong]);
    let never = "PaymentsTable: enable its TimeToLiveSpecification, or say why its items stay, as Metadata: {Oslira: {Lasting: …}}";
    assert_eq!(with("Enabled: true", "Enabled: false"), [never]);
    let lasting = "Table\n    Metadata: {Oslira: {Lasting: one item}}\n    Properties:\n      BillingMode: X";
    none(with(
        "Table\n    Properties:\n      TimeToLiveSpecification: {AttributeName: expiresAt, Enabled: true}",
        lasting,
    ));
    let both = "PaymentsTable: its items expire, and its Metadata says that they stay (one item); keep one of the two";
    assert_eq!(
        with("Table\n    Prop", "Table\n    Metadata: {Oslira: {Lasting: one item}}\n    Prop"),
        [both]
    );
}

#[test]
fn samples_of_a_webhook_and_of_a_job_are_what_they_get() {
    let template = Template::parse(PAYMENTS);
    let problem =
        |name: &str, event: &Value| samples::problem_with(&template, function(&template, name), event);

    let post = json!({
        "resource": "/webhooks/payments", "httpMethod": "POST", "headers": {"X-Signature": "t=1,v1=2"},
        "requestContext": {"identity": {"sourceIp": "203.0.113.7"}}, "body": "{\"id\": \"evt_1\"}",
    });
    assert_eq!(problem("ReceivePayment", &post), None);
    let mut signed_in = post.clone();
    signed_in["requestContext"]["authorizer"] = json!({"userId": "u"});
    assert!(
        problem("ReceivePayment", &signed_in)
            .is_some_and(|told| told.contains("remove requestContext.authorizer"))
    );
    let mut parsed = post.clone();
    parsed["body"] = json!({"id": "evt_1"});
    assert!(problem("ReceivePayment", &parsed).is_some_and(|told| told.contains("body must be text")));

    let records = json!({"Records": [{"messageId": "1", "body": "{\"id\": \"evt_1\"}"}]});
    assert_eq!(problem("RecordPayment", &records), None);
    assert!(problem("RecordPayment", &post).is_some_and(|told| told.contains("Records")));
    let tick = json!({"source": "aws.scheduler", "time": "2026-11-20T03:00:00Z"});
    assert_eq!(problem("FindMissedPayments", &tick), None);
    assert!(problem("FindMissedPayments", &records).is_some_and(|told| told.contains("a schedule's event")));
}
