//! The usage of a call: as the vendor reports it, within the limits of what the request could use.
//!
//! The figures never matter more than the answer. Whatever they are, the answer is used and the provider is
//! not blamed.

use crate::{Assignment, Model, json::Part};
use serde_json::Value;

/// Tokens, counted as in [`Call`](crate::Call) for either vendor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Prompt tokens that were not read from the cache, including those written to it.
    pub(crate) input: u64,
    /// The part of `input` that was written to the cache.
    pub(crate) cache_written: u64,
    pub(crate) cached: u64,
    pub(crate) output: u64,
}

impl Usage {
    /// In US dollars.
    pub(crate) fn cost(self, model: &Model) -> f64 {
        let price = model.price;
        let written = self.cache_written.min(self.input);
        let dollars_per_million = (self.input - written) as f64 * price.input
            + written as f64 * price.cache_write.unwrap_or(price.input)
            + self.cached as f64 * price.cached
            + self.output as f64 * price.output;
        dollars_per_million / 1e6
    }
}

/// The usage that a vendor reports for a call. `None` for a figure that is missing or cannot be read: text, a
/// fraction, a negative number, or a number that does not fit into 64 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// The whole prompt, including `cached`. `None` also where the vendor reports the parts only.
    pub(crate) prompt: Option<u64>,
    /// Prompt tokens that were neither read from the cache nor written to it.
    pub(crate) fresh: Option<u64>,
    pub(crate) cache_written: Option<u64>,
    pub(crate) cached: Option<u64>,
    pub(crate) output: Option<u64>,
}

/// Reads a figure that must be there.
pub(crate) fn figure(part: &Part) -> Option<u64> {
    part.read()
}

/// Reads a figure that may be left out when it is 0.
pub(crate) fn figure_or_none(part: &Part) -> Option<u64> {
    if part.is_absent() { Some(0) } else { figure(part) }
}

/// How many bytes of a prompt make a token, as a rule of thumb.
const BYTES_PER_TOKEN: u64 = 4;

/// The most that a request may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// The size of the request's body. A token has one byte at least.
    bytes: u64,
    output: u64,
}

/// What is counted for a call.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Counted {
    /// The reported usage, within bounds.
    pub(crate) usage: Usage,
    /// An estimate of the usage that was not reported.
    pub(crate) estimated: Usage,
}

impl Bounds {
    pub(crate) fn new(body: &Value, max_output_tokens: u32) -> Self {
        Self { bytes: body.to_string().len() as u64, output: max_output_tokens.into() }
    }

    /// The estimated usage of a request whose answer nobody has seen: a token for every four bytes, and the
    /// longest answer that is allowed.
    pub(crate) fn estimate(self) -> Usage {
        Usage { input: self.bytes / BYTES_PER_TOKEN, output: self.output, ..Usage::default() }
    }

    /// Counts the reported usage within bounds, and estimates what is missing. Both corrections are logged.
    pub(crate) fn count(self, Assignment { model, .. }: Assignment<'_>, told: Told) -> Counted {
        let within = |figure: Option<u64>, left: u64| figure.unwrap_or_default().min(left);
        // The dearer tokens come first, so that what is beyond the bound is cut from the cheaper ones.
        let cache_written = within(told.cache_written, self.bytes);
        let fresh = within(told.fresh, self.bytes - cache_written);
        let input = cache_written + fresh;
        let left = self.bytes - input;
        let cached = within(told.cached, told.prompt.map_or(left, |prompt| left.min(prompt)));
        let usage = Usage { input, cache_written, cached, output: within(told.output, self.output) };

        let estimate = self.estimate();
        let is_prompt_known = [told.fresh, told.cache_written, told.cached].iter().all(Option::is_some);
        let estimated = Usage {
            input: if is_prompt_known { 0 } else { estimate.input.saturating_sub(input + cached) },
            output: if told.output.is_some() { 0 } else { estimate.output },
            ..Usage::default()
        };
        let counted = Told {
            prompt: told.prompt,
            fresh: Some(fresh),
            cache_written: Some(cache_written),
            cached: Some(cached),
            output: Some(usage.output),
        };
        if told != counted {
            let provider = model.provider.as_str();
            tracing::warn!(
                provider,
                model = model.id,
                ?told,
                ?usage,
                ?estimated,
                "usage was not as it can be"
            );
        }
        Counted { usage, estimated }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Catalogue;
    use oslira_domain::Role;

    const BOUNDS: Bounds = Bounds { bytes: 8_000, output: 1_000 };

    fn count(told: Told) -> Counted {
        BOUNDS.count(Catalogue::embedded().of(Role::Fast)[0], told)
    }

    fn told(fresh: u64, cache_written: u64, cached: u64, output: u64) -> Told {
        let [fresh, cache_written, cached, output] = [fresh, cache_written, cached, output].map(Some);
        Told { prompt: None, fresh, cache_written, cached, output }
    }

    #[test]
    fn what_can_be_is_counted_as_it_is_told() {
        let usage = Usage { input: 8_000, cache_written: 1_000, cached: 0, output: 1_000 };
        assert_eq!(count(told(7_000, 1_000, 0, 1_000)), Counted { usage, ..Counted::default() });
    }

    #[test]
    fn no_more_is_counted_than_the_request_could_use_and_the_dearest_of_it() {
        let all = u64::MAX;
        for (told, counted) in [
            (told(all, all, all, all), [8_000, 8_000, 0, 1_000]),
            (told(all, 10, 20, 5), [8_000, 10, 0, 5]),
            (told(300, 1_000, all, 200), [1_300, 1_000, 6_700, 200]),
        ] {
            let [input, cache_written, cached, output] = counted;
            let usage = Usage { input, cache_written, cached, output };
            assert_eq!(count(told), Counted { usage, ..Counted::default() }, "{told:?}");
        }
    }

    #[test]
    fn what_nobody_told_is_estimated() {
        let estimated = |told| count(told).estimated;
        assert_eq!(estimated(Told::default()), BOUNDS.estimate());
        let output_missing = Told { output: None, ..told(300, 0, 100, 0) };
        assert_eq!(estimated(output_missing), Usage { output: 1_000, ..Usage::default() });
        // The usual length of this prompt is 2,000 tokens, a quarter of its 8,000 bytes. 400 tokens were
        // reported.
        let prompt_missing = Told { cached: None, ..told(300, 100, 0, 7) };
        assert_eq!(estimated(prompt_missing), Usage { input: 1_600, ..Usage::default() });
        assert_eq!(count(prompt_missing).usage.input, 400);
    }
}
