//! `GET /api/cache/statistics`.

use crate::days::{Days, Used, rate, used};
use jiff::Timestamp;
use oslira_api::{CacheFigures, CacheStatistics, HitsOfAge, Route, Tag, TierCacheFigures, example};
use oslira_domain::{Result, Tier};
use oslira_lambda::{Reply, Request};
use oslira_postgres::UserDb;
use serde_json::json;

/// The ages that hits are counted by, in hours. Each begins where the one before it ends.
const AGES: [(u32, u32); 5] = [(0, 1), (1, 3), (3, 6), (6, 12), (12, 24)];

pub(crate) fn cache_statistics_route() -> Route {
    let statistics = example(json!({
        "since": "2026-10-27", "until": "2026-11-26",
        "total": {"hits": 12, "misses": 28, "hitRate": 0.3, "scrapesSaved": 13, "secondsSaved": 71},
        "tiers": [
            {"analysisType": "light", "hits": 11, "misses": 28, "hitRate": 0.282_051_282_051_282_05, "scrapesSaved": 11,
             "secondsSaved": 71, "ages": ages(Tier::Light, [6, 2, 1, 0, 2])},
            {"analysisType": "deep", "hits": 1, "misses": 0, "hitRate": 1.0, "scrapesSaved": 2, "secondsSaved": null,
             "ages": ages(Tier::Deep, [1, 0, 0, 0, 0])},
            {"analysisType": "xray", "hits": 0, "misses": 0, "hitRate": null, "scrapesSaved": 0, "secondsSaved": 0,
             "ages": ages(Tier::Xray, [0; 5])},
        ],
    }));
    let summary = "What the profile cache did for the account";
    Route::get("/api/cache/statistics", "getCacheStatistics", Tag::Account, summary)
        .describe("Of the account's own analyses of the last 30 days, with today. The cache itself is never listed.")
        .in_account()
        .answers::<CacheStatistics>(200, "What the cache did.", [("someTiers", statistics)])
}

/// Answers [`CacheStatistics`].
pub async fn get_cache_statistics(db: &UserDb, request: Request) -> Result<Reply> {
    let (caller, account_id) = (request.caller()?, request.account_id()?);
    request.no_query()?;
    let days = Days::recent(Timestamp::now())?;
    let used = used(db, caller.user_id, account_id, days).await?;
    let tiers = Tier::ALL.map(|tier| {
        let of_tier: Vec<Used> = used.iter().filter(|used| used.tier == tier).copied().collect();
        let by_age = of_tier.iter().map(|used| used.hits_by_age);
        let by_age = by_age.fold([0; 5], |sum, hits| std::array::from_fn(|at| sum[at] + hits[at]));
        TierCacheFigures { analysis_type: tier, figures: figures(tier, &of_tier), ages: ages(tier, by_age) }
    });
    let total = total(&tiers);
    Ok(Reply::ok(CacheStatistics { since: days.since, until: days.until, total, tiers: tiers.into() }))
}

fn figures(tier: Tier, used: &[Used]) -> CacheFigures {
    let sum = |count: fn(&Used) -> u64| used.iter().map(count).sum::<u64>();
    let (hits, completed) = (sum(|used| used.cache_hits), sum(|used| used.completed));
    let misses = completed.saturating_sub(hits);
    // What the hits would have taken at the misses' average, without what they did take.
    let would_have_taken_ms = match (hits, misses) {
        (0, _) => Some(0),
        (_, 0) => None,
        _ => Some(hits.saturating_mul(sum(|used| used.misses_reading_ms)) / misses),
    };
    let took_ms = sum(|used| used.hits_reading_ms);
    CacheFigures {
        hits,
        misses,
        hit_rate: rate(hits, completed),
        scrapes_saved: hits * u64::from(tier.scrapes()),
        seconds_saved: would_have_taken_ms.map(|ms| ms.saturating_sub(took_ms) / 1_000),
    }
}

fn total(tiers: &[TierCacheFigures]) -> CacheFigures {
    let sum = |count: fn(&CacheFigures) -> u64| tiers.iter().map(|tier| count(&tier.figures)).sum::<u64>();
    let (hits, misses) = (sum(|tier| tier.hits), sum(|tier| tier.misses));
    // A tier without hits saved nothing, and knows nothing about those with hits.
    let with_hits = tiers.iter().filter(|tier| tier.figures.hits > 0);
    let known: Vec<u64> = with_hits.filter_map(|tier| tier.figures.seconds_saved).collect();
    CacheFigures {
        hits,
        misses,
        hit_rate: rate(hits, hits + misses),
        scrapes_saved: sum(|tier| tier.scrapes_saved),
        seconds_saved: (hits == 0 || !known.is_empty()).then(|| known.iter().sum()),
    }
}

/// The hits by age, up to the age at which a profile is no longer fresh for the tier.
fn ages(tier: Tier, hits: [u64; 5]) -> Vec<HitsOfAge> {
    let of_tier = AGES.into_iter().zip(hits);
    of_tier
        .filter(|((from_hours, _), _)| i64::from(*from_hours) < tier.cache_ttl().as_hours())
        .map(|((from_hours, until_hours), hits)| HitsOfAge { from_hours, until_hours, hits })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(completed: u64, cache_hits: u64, hits_reading_ms: u64, misses_reading_ms: u64) -> Used {
        Used {
            day: "2026-11-25".parse().unwrap(),
            tier: Tier::Deep,
            started: 0,
            completed,
            refunded: 0,
            credits_charged: 0,
            credits_refunded: 0,
            cache_hits,
            hits_by_age: [cache_hits, 0, 0, 0, 0],
            hits_reading_ms,
            misses_reading_ms,
        }
    }

    #[test]
    fn hits_save_what_misses_took_longer_on_average() {
        let saved = |used: &[Used]| {
            let figures = figures(Tier::Deep, used);
            (figures.scrapes_saved, figures.seconds_saved)
        };
        // Two misses took 6 s each. Three hits took half a second together.
        assert_eq!(saved(&[day(2, 0, 0, 12_000), day(3, 3, 500, 0)]), (6, Some(17)));
        assert_eq!(saved(&[day(2, 1, 9_000, 6_000)]), (2, Some(0)), "a slow hit saved nothing");
        assert_eq!(saved(&[day(1, 1, 100, 0)]), (2, None), "nothing to compare it with");
        assert_eq!(saved(&[day(2, 0, 0, 12_000)]), (0, Some(0)));
        assert_eq!(saved(&[]), (0, Some(0)));
    }

    #[test]
    fn the_total_is_unknown_where_no_tier_with_hits_knows_it() {
        let of = |used: &[Used]| TierCacheFigures {
            analysis_type: Tier::Deep,
            figures: figures(Tier::Deep, used),
            ages: Vec::new(),
        };
        let (none, unknown) = (|| of(&[day(2, 0, 0, 12_000)]), || of(&[day(1, 1, 100, 0)]));
        let known = of(&[day(2, 0, 0, 12_000), day(1, 1, 1_000, 0)]);
        assert_eq!(total(&[none(), none()]).seconds_saved, Some(0));
        assert_eq!(total(&[none(), unknown()]).seconds_saved, None);
        assert_eq!(total(&[known, unknown()]).seconds_saved, Some(5), "of the tiers that know");
    }

    #[test]
    fn ages_end_where_a_profile_is_no_longer_fresh() {
        for tier in Tier::ALL {
            let ages = ages(tier, [1, 2, 3, 4, 5]);
            let last = ages.last().unwrap();
            assert_eq!(i64::from(last.until_hours), tier.cache_ttl().as_hours(), "{tier}");
            for pair in ages.windows(2) {
                assert_eq!(pair[0].until_hours, pair[1].from_hours, "{tier}");
            }
        }
    }
}
