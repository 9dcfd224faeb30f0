//! The passwords of the local stack. They are made once per checkout, and only their owner can read them.
//! Programs get them by files, standard input and environment variables, never on a command line.

use crate::stack::{Stack, write_private};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::{fs, fs::File, io::Read};

/// The content of `secrets.json`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Secrets {
    /// The password of PostgreSQL's superuser `supabase_admin`.
    pub(crate) superuser_password: String,
    /// The password of Supabase's role `postgres`, which runs the migrations.
    pub(crate) postgres_password: String,
    /// The password of the role of Lambdas that act for a user.
    pub(crate) user_password: String,
    /// The password of the role of pipeline stages, queues and scheduled jobs.
    pub(crate) system_password: String,
    /// The password that the demo users sign in with.
    pub(crate) demo_user_password: String,
    /// The secret that signs Stripe's events.
    pub(crate) webhook_secret: String,
}

impl Secrets {
    /// Returns the checkout's secrets, and makes them if there are none.
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

/// 128 random bits in hexadecimal, which need no quoting in SQL, URLs and configuration files.
fn random() -> Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
