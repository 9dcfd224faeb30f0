//! The running stack, from its `stack.json`.

use crate::{Aws, Database, StandIns, eventually};
use anyhow::{Context, Result};
use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, Config, Credentials, Region};
use base64::{Engine, prelude::BASE64_STANDARD};
use oslira_lambda::{Secret, Variable};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashMap},
    env, fs,
    path::PathBuf,
};

/// The stack's description and the clients to its parts.
#[derive(Debug)]
pub struct Stack {
    /// What `stack.json` says.
    pub description: Description,
    /// The environment of all Lambdas together, as `functions.env` has it.
    pub functions_env: HashMap<String, String>,
    /// The AWS emulator.
    pub aws: Aws,
    /// The upstream servers.
    pub stand_ins: StandIns,
    /// Postgres as its superuser.
    pub database: Database,
    /// The client that tests send requests with.
    pub http: reqwest::Client,
}

/// `stack.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    /// The public API.
    pub api_url: String,
    /// The AWS emulator.
    pub aws_endpoint: String,
    /// The superuser, directly.
    pub postgres_url: String,
    /// The Lambdas' user role, through the pooler.
    pub pooler_url: String,
    /// The upstream servers.
    pub stand_ins_url: String,
    /// ARNs by name.
    pub state_machines: BTreeMap<String, String>,
    /// ARNs by name.
    pub functions: BTreeMap<String, String>,
    /// URLs by name.
    pub queues: BTreeMap<String, String>,
    /// Names by name.
    pub tables: BTreeMap<String, String>,
    /// Names by name.
    pub buckets: BTreeMap<String, String>,
}

impl Stack {
    /// What the waits of state machines are divided by in tests.
    pub const HASTE: u32 = 50;

    /// Connects to the stack that `OSLIRA_STACK` names, or that `cargo xtask up` left running.
    pub async fn connect() -> Result<Self> {
        let file = env::var_os("OSLIRA_STACK").map_or_else(
            || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/local/stack.json")),
            PathBuf::from,
        );
        let text = fs::read_to_string(&file)
            .with_context(|| format!("no stack at {}; `cargo xtask up` starts one", file.display()))?;
        let description: Description = serde_json::from_str(&text)?;
        let functions_env = fs::read_to_string(file.with_file_name("functions.env"))?
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned()))
            .collect();
        let http = oslira_lambda::http_client()?;
        let stack = Self {
            aws: Aws::new(http.clone(), &description.aws_endpoint),
            stand_ins: StandIns::new(http.clone(), &description.stand_ins_url),
            database: Database::connect(&description.postgres_url).await?,
            functions_env,
            description,
            http,
        };
        // Retries wait as long as in production, which tests need not.
        stack.aws.scale_waits(f64::from(Self::HASTE).recip()).await?;
        Ok(stack)
    }

    /// Connects for a test that makes a provider fail or turns a switch of the whole product, and puts back what such a
    /// test before it may have left.
    pub async fn connect_alone() -> Result<Self> {
        let stack = Self::connect().await?;
        stack.calm().await?;
        Ok(stack)
    }

    /// Withdraws faults, closes circuit breakers, takes back the operator's pause and the day's spending, and frees slots
    /// whose actor may or may not have started.
    pub async fn calm(&self) -> Result<()> {
        self.stand_ins.clear_faults().await?;
        for (table, key) in [
            ("circuit-breakers", "upstream"),
            ("intake", "switch"),
            ("ai-usage", "period"),
            ("scrape-slots", "slot"),
        ] {
            let table = self.description.tables.get(table).with_context(|| format!("no table {table}"))?;
            for item in self.aws.items(table).await? {
                self.aws.delete_item(table, json!({key: item[key]})).await?;
            }
        }
        Ok(())
    }

    /// Another connection of the superuser's, for a test that holds a lock on it.
    pub async fn another_database_connection(&self) -> Result<Database> {
        Database::connect(&self.description.postgres_url).await
    }

    /// The leases of Apify's slots, expired ones too: each with the `slot` that it is of.
    pub async fn slots(&self) -> Result<Vec<Value>> {
        let item = self.aws.item(&self.description.tables["scrape-slots"], Self::slots_key()).await?;
        let slots = item.iter().filter_map(Value::as_object).flatten();
        let leases = slots.filter_map(|(name, lease)| {
            let mut lease = lease["M"].clone();
            lease.as_object_mut()?.insert("slot".to_owned(), json!({"S": name}));
            Some(lease)
        });
        Ok(leases.collect())
    }

    /// The key of the item that holds all slots.
    fn slots_key() -> Value {
        json!({"slot": {"S": "all"}})
    }

    /// Lets the lease of that slot have expired.
    pub async fn expire_slot(&self, slot: &str) -> Result<()> {
        let table = &self.description.tables["scrape-slots"];
        self.aws.set_number(table, Self::slots_key(), &format!("{slot}.leasedUntil"), 0).await
    }

    /// The certificate authority of the pooler, as its DER.
    pub fn database_root(&self) -> Result<Vec<u8>> {
        Ok(BASE64_STANDARD.decode(&self.functions_env["DATABASE_CA_CERTIFICATE"])?)
    }

    /// Waits until no statement of a user's is at work any more.
    pub async fn users_statements_ended(&self) -> Result<()> {
        eventually("users' statements to end", || async {
            let sql =
                "select count(*) as n from pg_stat_activity where usename = 'oslira_user' and state <> 'idle'";
            Ok((self.database.row(sql, &[]).await?["n"] == 0).then_some(()))
        })
        .await
    }

    /// Waits until so many statements of Lambdas wait, one behind the other, for the connection with this process id.
    pub async fn statements_waiting(&self, process_id: &str, count: usize) -> Result<()> {
        eventually("statements to wait", || async {
            Ok((self.waiting_for(process_id).await? == count).then_some(()))
        })
        .await
    }

    /// How many wait so.
    async fn waiting_for(&self, process_id: &str) -> Result<usize> {
        let sql = "with recursive waiting as (
                     select pid from pg_stat_activity
                       where usename in ('oslira_user', 'oslira_system') and $1::text::integer = any (pg_blocking_pids(pid))
                     union
                     select a.pid from pg_stat_activity a, waiting w
                       where a.usename in ('oslira_user', 'oslira_system') and w.pid = any (pg_blocking_pids(a.pid))
                   )
                   select count(*) as n from waiting";
        let n = self.database.row(sql, &[process_id]).await?["n"].as_u64().context("n")?;
        Ok(usize::try_from(n)?)
    }

    /// The settings of a client of the stack's tables.
    pub fn dynamodb(&self) -> Builder {
        dynamodb_at(&self.description.aws_endpoint)
    }

    /// The value of a secret of the Lambdas.
    pub async fn secret(&self, secret: Secret) -> Result<String> {
        let variable = Variable::Secret(secret).name();
        let arn = self.functions_env.get(variable).with_context(|| format!("no variable {variable}"))?;
        self.aws.secret(arn).await
    }
}

/// The settings of a client of the tables at this address.
pub fn dynamodb_at(endpoint: &str) -> Builder {
    let credentials =
        Credentials::builder().access_key_id("test").secret_access_key("test").provider_name("test");
    Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(credentials.build())
}
