//! Everything the server remembers, shared by all handlers.

use crate::{
    counters::Counters,
    faults::Faults,
    keys::Keys,
    prompt_cache::PromptCache,
    runs::Runs,
    settings::{Behaviour, Latency},
    supabase::User,
};
use parking_lot::Mutex;
use serde_json::{Value, value::RawValue};
use std::{collections::HashMap, sync::Arc};

/// The state as handlers get it.
pub(crate) type Shared = Arc<StandIns>;

/// Everything the server remembers. Each part has its own lock, none is held across an await.
#[derive(Debug)]
pub(crate) struct StandIns {
    /// `http://127.0.0.1:PORT`.
    pub(crate) base_url: String,
    /// Signing keys.
    pub(crate) keys: Mutex<Keys>,
    /// Users who can sign in.
    pub(crate) users: Mutex<Vec<User>>,
    /// How long things take.
    pub(crate) latency: Mutex<Latency>,
    /// Switches.
    pub(crate) behaviour: Mutex<Behaviour>,
    /// Faults in force.
    pub(crate) faults: Mutex<Faults>,
    /// What was asked.
    pub(crate) counters: Counters,
    /// Actor runs.
    pub(crate) runs: Runs,
    /// Changes to generated profiles, by username.
    pub(crate) profile_changes: Mutex<HashMap<String, Value>>,
    /// Items in place of generated ones, by username, as JSON that no library would write.
    pub(crate) profile_items: Mutex<HashMap<String, Box<RawValue>>>,
    /// OpenAI's prefix cache.
    pub(crate) openai_cache: PromptCache,
    /// Anthropic's prefix cache.
    pub(crate) anthropic_cache: PromptCache,
}

impl StandIns {
    /// A fresh memory; only the keys come from before.
    pub(crate) fn new(base_url: String, keys: Keys, latency: Latency) -> Self {
        Self {
            base_url,
            keys: Mutex::new(keys),
            users: Mutex::default(),
            latency: Mutex::new(latency),
            behaviour: Mutex::default(),
            faults: Mutex::default(),
            counters: Counters::default(),
            runs: Runs::default(),
            profile_changes: Mutex::default(),
            profile_items: Mutex::default(),
            openai_cache: PromptCache::default(),
            anthropic_cache: PromptCache::default(),
        }
    }
}
