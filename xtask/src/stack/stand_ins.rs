//! The servers that stand in for Apify, OpenAI, Anthropic and Supabase's sign-in.

use crate::{
    http::{self, JSON},
    stack::{Latency, Stack, own_server::OwnServer},
};
use anyhow::{Context, Result};
use serde_json::{Value, json};

pub(crate) struct StandIns {
    pub(crate) url: String,
}

impl StandIns {
    /// The stand-ins at this port, which are taken to be running.
    pub(crate) fn at(port: u16) -> Self {
        Self { url: format!("http://127.0.0.1:{port}") }
    }

    /// Starts the stand-ins. Restarts them on the same port when their binary or the latency has changed.
    pub(crate) fn ensure(stack: &Stack, host: &str, port: u16, latency: Latency) -> Result<Self> {
        let stand_ins = Self::at(port);
        let latency = latency.to_string();
        let server = OwnServer { name: "stand-ins", port, settings: &latency, health: "_control/health" };
        server.ensure(stack, host, |command| {
            command
                .arg("--latency", &latency)
                .arg("--port-file", stack.path("stand-ins.port"))
                .arg("--key-file", stack.path("stand-ins.keys"))
        })?;
        Ok(stand_ins)
    }

    /// Returns the keys that sign tokens.
    pub(crate) fn keys(&self) -> Result<Keys> {
        let answer = http::get(&format!("{}/_control/keys", self.url), &[])?.json("the stand-ins' keys")?;
        let text = |name: &str| -> Result<String> {
            Ok(answer[name]
                .as_str()
                .with_context(|| format!("the stand-ins' keys have no {name}"))?
                .to_owned())
        };
        Ok(Keys { hs256_secret: text("hs256Secret")?, jwks_url: text("jwksUrl")?, issuer: text("issuer")? })
    }

    /// Makes these the users who can sign in.
    pub(crate) fn put_users(&self, users: &[Value]) -> Result<()> {
        http::put(&format!("{}/_control/users", self.url), &[JSON], &Value::from(users).to_string())?
            .ok("registering the demo users with the stand-ins")?;
        Ok(())
    }

    /// Signs a user in as a front end does. Returns the access token, which is good for an hour.
    pub(crate) fn sign_in(&self, email: &str, password: &str) -> Result<String> {
        let url = format!("{}/supabase/auth/v1/token?grant_type=password", self.url);
        let body = json!({ "email": email, "password": password }).to_string();
        let answer = http::post(&url, &[JSON], &body)?.json(&format!("signing {email} in"))?;
        Ok(answer["access_token"].as_str().context("the sign-in answered no access_token")?.to_owned())
    }
}

/// Supabase's settings for tokens.
pub(crate) struct Keys {
    pub(crate) hs256_secret: String,
    pub(crate) jwks_url: String,
    pub(crate) issuer: String,
}
