//! What an answer says about the limits that its request counted towards: the headers `RateLimit-Policy` and
//! `RateLimit` of draft-ietf-httpapi-ratelimit-headers-11.
//!
//! Whoever counts notes it here, as with the log: `serve` the requests of a minute, and `RateLimits` of
//! `oslira-stores` its turns. So no handler passes on what it does not use.

use std::{cell::RefCell, time::Duration};

/// A limit of requests, and how much of it is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// What clients call the limit: small letters and hyphens.
    pub policy: String,
    /// So many requests in any window are let through.
    pub count: u32,
    pub window: Duration,
    /// How many more would be let through now.
    pub left: u32,
    /// Until there is more.
    pub wait: Duration,
}

thread_local! {
    // As with the notes of the log: one invocation at a time on one thread.
    static QUOTAS: RefCell<Vec<Quota>> = const { RefCell::new(Vec::new()) };
}

/// Adds a limit to the headers of this invocation's answer, in the place of what was noted before about the
/// same limit.
pub fn note_quota(quota: Quota) {
    QUOTAS.with_borrow_mut(|quotas| {
        quotas.retain(|other| other.policy != quota.policy);
        quotas.push(quota);
    });
}

/// The limits of this invocation. The next one begins without any.
pub(crate) fn take() -> Vec<Quota> {
    QUOTAS.take()
}

/// The headers' values, if there are limits.
pub(crate) fn headers(quotas: &[Quota]) -> Option<[(&'static str, String); 2]> {
    let list = |item: fn(&Quota) -> String| quotas.iter().map(item).collect::<Vec<_>>().join(", ");
    let policy =
        |quota: &Quota| format!("\"{}\";q={};w={}", quota.policy, quota.count, quota.window.as_secs());
    let standing = |quota: &Quota| {
        format!("\"{}\";r={};t={}", quota.policy, quota.left, quota.wait.as_millis().div_ceil(1000))
    };
    (!quotas.is_empty()).then(|| [("ratelimit-policy", list(policy)), ("ratelimit", list(standing))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_an_item_of_both_headers_and_the_latest_note_of_it_counts() {
        let quota = |policy: &str, left| Quota {
            policy: policy.to_owned(),
            count: 100,
            window: Duration::from_secs(3_600),
            left,
            wait: Duration::from_millis(61_001),
        };
        assert_eq!(headers(&take()), None);
        note_quota(quota("analyses-an-hour", 98));
        note_quota(quota("writes-a-minute", 7));
        note_quota(quota("analyses-an-hour", 99));
        let [(_, policy), (_, standing)] = headers(&take()).unwrap();
        assert_eq!(policy, r#""writes-a-minute";q=100;w=3600, "analyses-an-hour";q=100;w=3600"#);
        assert_eq!(standing, r#""writes-a-minute";r=7;t=62, "analyses-an-hour";r=99;t=62"#);
        assert!(take().is_empty());
    }
}
