//! Passwords of the local stack. They are made once per checkout, readable by their owner only, and reach
//! programs by files, standard input and environment variables, never on a command line.

use crate::stack::{Stack, write_private};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::{fs, fs::File, io::Read};

/// What `secrets.json` holds.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Secrets {
    /// PostgreSQL's superuser `supabase_admin`.
    pub(crate) superuser_password: String,
    /// Supabase's role `postgres`, which runs the migrations.
    pub(crate) postgres_password: String,
    /// The role of Lambdas that act for a user.
    pub(crate) user_password: String,
    /// The role of pipeline stages, queues and crons.
    pub(crate) system_password: String,
    /// What the demo users sign in with.
    pub(crate) demo_user_password: String,
    /// What Stripe's events are signed with.
    pub(crate) webhook_secret: String,
}

impl Secrets {
    /// The checkout's secrets, made if there are none.
    pub(crate) fn ensure(stack: &Stack) -> Result<Self> {
        let path = stack.path("secrets.json");
        if let Ok(text) = fs::read_to_string(&path) {
            return serde_json::from_str(&text).context("target/…/secrets.json is damaged: delete it");
        }
        let secrets = Self {
            superuser_password: random()?,
            postgres_password: random()?,
            user_password: random()?,
            system_password: random()?,
            demo_user_password: random()?,
            webhook_secret: format!("whsec_{}", random()?),
        };
        write_private(&path, &serde_json::to_string_pretty(&secrets)?)?;
        Ok(secrets)
    }
}

/// 128 random bits in hexadecimal: safe in SQL, URLs and configuration files.
fn random() -> Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
