//! What workers share, in a test's memory, with a log of what was asked of it.

use oslira_llm::{Provider, Shared};
use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::sync::watch;

#[derive(Debug, Default)]
pub(crate) struct Fake {
    /// Providers whose breaker opens after it was asked this many times.
    pub(crate) open_after: Vec<(Provider, usize)>,
    pub(crate) kept: Mutex<HashMap<String, String>>,
    /// Returned in place of any kept answer.
    pub(crate) recalls: Option<&'static str>,
    pub(crate) recall_hangs: bool,
    /// How many second calls may be made.
    pub(crate) budget: AtomicUsize,
    pub(crate) log: watch::Sender<Vec<String>>,
    pub(crate) keys: Mutex<Vec<String>>,
    /// Permits that were given back, numbered by provider from 0.
    pub(crate) given_back: Mutex<Vec<usize>>,
}

/// Shares nothing, and the breaker of this provider is open.
pub(crate) fn without(provider: Provider) -> Fake {
    Fake { open_after: vec![(provider, 0)], ..Fake::default() }
}

fn is_verdict(entry: &str) -> bool {
    ["succeeded", "failed", "undecided"].iter().any(|verdict| entry.starts_with(verdict))
}

impl Fake {
    pub(crate) fn with_budget(budget: usize) -> Self {
        Self { budget: budget.into(), ..Self::default() }
    }

    /// What was asked, in order, such as `admit openai`.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.borrow().clone()
    }

    /// The keys of kept answers that were asked for.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.keys.lock().unwrap().clone()
    }

    /// Waits until this was asked.
    pub(crate) async fn was_asked(&self, entry: &str) {
        self.log.subscribe().wait_for(|log| log.iter().any(|it| it == entry)).await.unwrap();
    }

    /// What was reported about calls, in order, such as `failed openai`.
    pub(crate) fn verdicts(&self) -> Vec<String> {
        self.log().into_iter().filter(|entry| is_verdict(entry)).collect()
    }

    /// Waits until this many calls were reported.
    pub(crate) async fn were_given_back(&self, calls: usize) {
        let is_enough = |log: &Vec<String>| log.iter().filter(|it| is_verdict(it)).count() >= calls;
        self.log.subscribe().wait_for(is_enough).await.unwrap();
    }

    fn give_back(&self, provider: Provider, permit: Permit) {
        assert_eq!(permit.0, provider);
        self.given_back.lock().unwrap().push(permit.1);
    }

    fn note(&self, entry: String) {
        self.log.send_modify(|log| log.push(entry));
    }
}

/// Names the provider and the number of the permit, so that a test notices when another one is given back in
/// its place.
#[derive(Debug)]
pub(crate) struct Permit(Provider, usize);

impl Shared for Fake {
    type Permit = Permit;

    async fn admit(&self, provider: Provider) -> Option<Permit> {
        let entry = format!("admit {provider}");
        let before = self.log.borrow().iter().filter(|it| **it == entry).count();
        self.note(entry);
        let is_open = self.open_after.iter().any(|(it, calls)| *it == provider && before >= *calls);
        (!is_open).then_some(Permit(provider, before))
    }

    async fn succeeded(&self, provider: Provider, permit: Permit) {
        self.give_back(provider, permit);
        self.note(format!("succeeded {provider}"));
    }

    async fn failed(&self, provider: Provider, permit: Permit) {
        self.give_back(provider, permit);
        self.note(format!("failed {provider}"));
    }

    async fn undecided(&self, provider: Provider, permit: Permit) {
        self.give_back(provider, permit);
        self.note(format!("undecided {provider}"));
    }

    async fn recall(&self, key: &str) -> Option<String> {
        self.keys.lock().unwrap().push(key.to_owned());
        self.note("recall".to_owned());
        if self.recall_hangs {
            std::future::pending::<()>().await;
        }
        self.recalls.map(str::to_owned).or_else(|| self.kept.lock().unwrap().get(key).cloned())
    }

    async fn keep(&self, key: &str, answer: &str) {
        self.note("keep".to_owned());
        self.kept.lock().unwrap().insert(key.to_owned(), answer.to_owned());
    }

    async fn may_hedge(&self) -> bool {
        self.note("may hedge".to_owned());
        self.budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}
