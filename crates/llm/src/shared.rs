//! What all who ask share: the seam to circuit breakers, kept answers and the budget for second calls.

use crate::Provider;
use std::future::Future;

/// What all workers share about the providers, wherever that is kept. None of it may fail a question: what is out of
/// reach permits, remembers nothing, and grants no second call.
pub trait Shared: Sync {
    /// Leave to make one call, to be given back with what came of it. A call that is dropped gives none back; if it was a
    /// half-open breaker's only one, the breaker must get over that by itself.
    type Permit: Send;

    /// Leave to make one call; `None` while the provider's circuit breaker holds calls back.
    fn admit(&self, provider: Provider) -> impl Future<Output = Option<Self::Permit>> + Send;

    /// The provider answered, whatever it answered.
    fn succeeded(&self, provider: Provider, permit: Self::Permit) -> impl Future<Output = ()> + Send;

    /// The call failed in a way that speaks against the provider.
    fn failed(&self, provider: Provider, permit: Self::Permit) -> impl Future<Output = ()> + Send;

    /// The call ended, and that says nothing about the provider. A half-open breaker that was
    /// waiting for this very call has not been shown that the provider works.
    fn undecided(&self, provider: Provider, permit: Self::Permit) -> impl Future<Output = ()> + Send;

    /// The answer that was kept under this key, as the model wrote it.
    fn recall(&self, key: &str) -> impl Future<Output = Option<String>> + Send;

    /// Keeps an answer under a key: a SHA-256 in hexadecimal.
    fn keep(&self, key: &str, answer: &str) -> impl Future<Output = ()> + Send;

    /// Takes one second call from the budget, if there is any left.
    fn may_hedge(&self) -> impl Future<Output = bool> + Send;
}

/// Nothing: every call is made, no answer is kept, no call is made twice.
#[derive(Clone, Copy, Debug)]
pub struct SharesNothing;

impl Shared for SharesNothing {
    type Permit = ();

    async fn admit(&self, _: Provider) -> Option<()> {
        Some(())
    }

    async fn succeeded(&self, _: Provider, (): ()) {}

    async fn failed(&self, _: Provider, (): ()) {}

    async fn undecided(&self, _: Provider, (): ()) {}

    async fn recall(&self, _: &str) -> Option<String> {
        None
    }

    async fn keep(&self, _: &str, _: &str) {}

    async fn may_hedge(&self) -> bool {
        false
    }
}
