//! Token counts, and the memory of prompt prefixes that both AI vendors bill less for.

use parking_lot::Mutex;
use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};
use tokio::time::Instant;

/// Prefixes shorter than this are not cached by either vendor.
pub(crate) const MIN_CACHED_TOKENS: u64 = 1_024;
/// OpenAI caches in steps of this many tokens.
const STEP_TOKENS: usize = 128;
const BYTES_PER_TOKEN: usize = 4;
/// How long a prefix is remembered after its last use.
const TTL: Duration = Duration::from_secs(300);
/// Entries at which the expired ones are dropped.
const PRUNE_AT: usize = 50_000;

/// About as many tokens as a model would count: four bytes each.
pub(crate) fn tokens(text: &str) -> u64 {
    text.len().div_ceil(BYTES_PER_TOKEN) as u64
}

/// A remembered beginning of a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prefix {
    hash: u64,
    /// Its length.
    pub(crate) tokens: u64,
}

/// Every prefix of a prompt that OpenAI would cache, shortest first: from 1,024 tokens in steps of 128.
///
/// `scope` is what must be equal besides the text: the model and the caller's cache key.
pub(crate) fn stepped_prefixes(scope: &str, text: &str) -> Vec<Prefix> {
    let mut hasher = DefaultHasher::new();
    scope.hash(&mut hasher);
    let mut prefixes = Vec::new();
    for (index, block) in text.as_bytes().chunks_exact(STEP_TOKENS * BYTES_PER_TOKEN).enumerate() {
        hasher.write(block);
        let tokens = ((index + 1) * STEP_TOKENS) as u64;
        if tokens >= MIN_CACHED_TOKENS {
            prefixes.push(Prefix { hash: hasher.finish(), tokens });
        }
    }
    prefixes
}

/// The prefixes that end at cache marks, shortest first, without those too short to be cached.
///
/// `blocks` are the texts of a prompt in order, each with whether it carries a mark.
pub(crate) fn marked_prefixes(scope: &str, blocks: &[(String, bool)]) -> Vec<Prefix> {
    let mut hasher = DefaultHasher::new();
    scope.hash(&mut hasher);
    let mut length = 0;
    let mut prefixes = Vec::new();
    for (text, is_marked) in blocks {
        text.hash(&mut hasher);
        length += tokens(text);
        if *is_marked && length >= MIN_CACHED_TOKENS {
            prefixes.push(Prefix { hash: hasher.finish(), tokens: length });
        }
    }
    prefixes
}

/// The prefixes seen in the past five minutes.
#[derive(Debug, Default)]
pub(crate) struct PromptCache(Mutex<HashMap<u64, Instant>>);

impl PromptCache {
    /// The tokens of the longest prefix that is remembered; 0 when none is.
    pub(crate) fn longest(&self, prefixes: &[Prefix]) -> u64 {
        let seen = self.0.lock();
        let is_fresh = |prefix: &&Prefix| seen.get(&prefix.hash).is_some_and(|at| at.elapsed() < TTL);
        prefixes.iter().rev().find(is_fresh).map_or(0, |prefix| prefix.tokens)
    }

    /// Remembers the prefixes of a prompt that was answered.
    pub(crate) fn remember(&self, prefixes: &[Prefix]) {
        let mut seen = self.0.lock();
        if seen.len() > PRUNE_AT {
            seen.retain(|_, at| at.elapsed() < TTL);
        }
        seen.extend(prefixes.iter().map(|prefix| (prefix.hash, Instant::now())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_an_equal_beginning_of_1024_tokens_is_remembered_for_five_minutes() {
        let cache = PromptCache::default();
        let common = "x".repeat(5_000);
        let prefixes = |scope: &str, tail: &str| stepped_prefixes(scope, &format!("{common}{tail}"));
        assert_eq!(cache.longest(&prefixes("a", "one")), 0);
        cache.remember(&prefixes("a", &"one".repeat(500)));
        // 5,000 bytes are 1,250 tokens: nine steps of 128.
        assert_eq!(cache.longest(&prefixes("a", &"two".repeat(500))), 1_152);
        assert_eq!(cache.longest(&prefixes("b", "one")), 0);
        assert!(stepped_prefixes("a", &"x".repeat(4_000)).is_empty());
        tokio::time::advance(TTL).await;
        assert_eq!(cache.longest(&prefixes("a", "two")), 0);
    }

    #[test]
    fn marks_count_only_from_1024_tokens() {
        let long = "y".repeat(4_096);
        let block = |text: &str, is_marked| (text.to_owned(), is_marked);
        assert!(marked_prefixes("", &[block("short", true)]).is_empty());
        assert!(marked_prefixes("", &[block(&long, false)]).is_empty());
        let prefixes = marked_prefixes("", &[block(&long, true), block("tail", true), block("open", false)]);
        assert_eq!(prefixes.iter().map(|prefix| prefix.tokens).collect::<Vec<_>>(), [1_024, 1_025]);
    }
}
