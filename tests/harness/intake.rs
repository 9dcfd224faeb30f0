//! The gate before new analyses.

use crate::{User, paths, refused};
use anyhow::{Context, Result};
use serde_json::json;

impl User<'_> {
    /// A start is refused for this reason and leaves no trace; the seconds it says to wait. The user has ten credits and no run.
    pub async fn refused_because(&self, reason: &str) -> Result<u64> {
        let reply = self.post(paths::ANALYZE, &self.analysis_of(&self.username("paused"))).await?;
        assert_eq!(reply.refusal(), refused(503, "Paused"), "{reason}: {}", reply.body);
        assert_eq!(reply.body["details"], json!({"reason": reason}));
        assert_eq!(self.stack().run_count(&self.account_id).await?, 0, "{reason}: no run");
        assert_eq!(self.balance().await?, 10, "{reason}: nothing is charged");
        // A browser reads the header only because it is exposed.
        assert!(reply.header("access-control-expose-headers").contains("Retry-After"));
        reply.header("retry-after").parse().context("Retry-After is no number")
    }
}
