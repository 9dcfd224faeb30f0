//! What all workers share: circuit breakers, kept answers and the budget for second calls.

use crate::Provider;
use std::future::Future;

/// What all workers share about the providers, wherever it is stored. None of it may fail a question. When
/// the store does not answer, calls are permitted, no kept answer is found, and no second call is made.
pub trait Shared: Sync {
    /// The permission to make one call. It is given back with the call's outcome. A dropped call does not
    /// give it back. If it was the only permit of a half-open breaker, the breaker must recover by itself.
    type Permit: Send;

    /// Asks for permission to make one call. `None` while the provider's circuit breaker holds calls back.
    fn admit(&self, provider: Provider) -> impl Future<Output = Option<Self::Permit>> + Send;

    /// Reports that the provider answered, whatever the answer was.
    fn succeeded(&self, provider: Provider, permit: Self::Permit) -> impl Future<Output = ()> + Send;

    /// Reports that the call failed in a way that speaks against the provider.
    fn failed(&self, provider: Provider, permit: Self::Permit) -> impl Future<Output = ()> + Send;

    /// Reports that the call's end says nothing about the provider. A half-open breaker that waited for this
    /// call still does not know whether the provider works.
    fn undecided(&self, provider: Provider, permit: Self::Permit) -> impl Future<Output = ()> + Send;

    /// Returns the answer that was kept under this key, as the model wrote it.
    fn recall(&self, key: &str) -> impl Future<Output = Option<String>> + Send;

    /// Keeps an answer under a key, which is a SHA-256 in hexadecimal.
    fn keep(&self, key: &str, answer: &str) -> impl Future<Output = ()> + Send;

    /// Takes one second call from the budget. `false` when none is left.
    fn may_hedge(&self) -> impl Future<Output = bool> + Send;
}

/// Shares nothing: every call is permitted, no answer is kept, no call is made twice.
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
