//! A panic is an error like any other: it is logged and answered, and the environment lives on.

use futures::FutureExt;
use oslira_domain::{Error, Result};
use std::{future::Future, panic::AssertUnwindSafe};

/// Runs a handler, and turns a panic into an error.
pub(crate) fn caught<T>(handler: impl Future<Output = Result<T>>) -> impl Future<Output = Result<T>> {
    // Boxed because the compiler limits how deeply futures may be nested. It is boxed here and not inside the
    // block, since the block would hold the unboxed future until then.
    let outcome = AssertUnwindSafe(Box::pin(handler)).catch_unwind();
    async { outcome.await.unwrap_or_else(|_| Err(Error::internal("the handler panicked"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_answered_as_a_fault_of_ours() {
        let outcome: Result<()> = caught(async { panic!("oh no") }).await;
        assert_eq!(outcome.unwrap_err().code, oslira_domain::Code::InternalError);
        assert_eq!(caught(async { Ok(7) }).await.unwrap(), 7);
    }
}
