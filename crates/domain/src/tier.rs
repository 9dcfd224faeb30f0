//! The three tiers: what they cost, what they need, which AI tasks they run.
//!
//! This is the only place for these numbers. SQL keeps a copy of the costs in `analysis_tiers`, and a
//! contract test checks that both are equal.

use crate::{field::from_text, price_list::CREDIT_CENTS};
use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// How deep an analysis goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// "Quick Analysis": a score and a brief summary.
    Light,
    /// "Profile Analysis": strategy, outreach and personality from 50 posts.
    Deep,
    /// "X-Ray Analysis": everything.
    Xray,
}

impl Tier {
    /// All tiers, cheapest first.
    pub const ALL: [Self; 3] = [Self::Light, Self::Deep, Self::Xray];

    /// The name in JSON and SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Deep => "deep",
            Self::Xray => "xray",
        }
    }

    /// What it is called in front of customers.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Light => "Quick Analysis",
            Self::Deep => "Profile Analysis",
            Self::Xray => "X-Ray Analysis",
        }
    }

    /// The price in credits.
    pub const fn credits(self) -> u32 {
        match self {
            Self::Light => 1,
            Self::Deep => 5,
            Self::Xray => 6,
        }
    }

    /// The list price in US cents.
    pub const fn list_price_cents(self) -> u32 {
        self.credits() * CREDIT_CENTS
    }

    /// How many posts the analysis reads.
    pub const fn posts(self) -> usize {
        match self {
            Self::Light => 12,
            Self::Deep | Self::Xray => 50,
        }
    }

    /// Whether this is more than a profile shows by itself, so that posts are scraped separately.
    pub const fn needs_more_posts(self) -> bool {
        self.posts() > 12
    }

    /// How many actors a run starts that finds nothing in the cache.
    pub const fn scrapes(self) -> u32 {
        if self.needs_more_posts() { 2 } else { 1 }
    }

    /// How long a cached profile is fresh enough.
    pub const fn cache_ttl(self) -> SignedDuration {
        SignedDuration::from_hours(match self {
            Self::Light => 24,
            Self::Deep => 12,
            Self::Xray => 6,
        })
    }

    /// The AI tasks, which run in parallel. The first one gives the fit score.
    pub const fn tasks(self) -> &'static [Task] {
        match self {
            Self::Light => &[Task::Scoring],
            Self::Deep => &[Task::CoreStrategy, Task::Outreach, Task::Personality],
            Self::Xray => &[Task::Commercial, Task::Psychographic, Task::Outreach, Task::Personality],
        }
    }

    /// Seconds until a result as the user is shown them, for a profile that has to be scraped.
    pub const fn estimated_seconds(self) -> u32 {
        match self {
            Self::Light => 10,
            Self::Deep => 21,
            Self::Xray => 18,
        }
    }

    /// The same for a profile that is in the cache.
    pub const fn estimated_seconds_cached(self) -> u32 {
        match self {
            Self::Light => 3,
            Self::Deep => 14,
            Self::Xray => 12,
        }
    }
}

from_text!(Tier);

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Tier {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|tier| tier.as_str() == text)
            .ok_or("must be \"light\", \"deep\" or \"xray\"")
    }
}

/// One question to a model about a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Fit score, confidence and a brief summary.
    Scoring,
    /// Fit score, deep summary and selling points.
    CoreStrategy,
    /// A first message to the lead.
    Outreach,
    /// How the person communicates.
    Personality,
    /// What drives the person.
    Psychographic,
    /// Fit score, summary, selling points and buying signals.
    Commercial,
}

impl Task {
    pub const ALL: [Self; 6] = [
        Self::Scoring,
        Self::CoreStrategy,
        Self::Outreach,
        Self::Personality,
        Self::Psychographic,
        Self::Commercial,
    ];

    /// The name in JSON and SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scoring => "scoring",
            Self::CoreStrategy => "core_strategy",
            Self::Outreach => "outreach",
            Self::Personality => "personality",
            Self::Psychographic => "psychographic",
            Self::Commercial => "commercial",
        }
    }

    /// Which model answers, how hard it thinks, and how much it may write.
    pub const fn settings(self) -> TaskSettings {
        let (role, effort, max_output_tokens) = match self {
            Self::Scoring => (Role::Fast, Effort::Low, 1_000),
            Self::CoreStrategy => (Role::Balanced, Effort::Medium, 3_000),
            Self::Outreach => (Role::Balanced, Effort::Low, 2_000),
            Self::Personality => (Role::Balanced, Effort::Low, 1_500),
            Self::Psychographic => (Role::Premium, Effort::Medium, 4_000),
            Self::Commercial => (Role::Balanced, Effort::Medium, 3_000),
        };
        TaskSettings { role, effort, max_output_tokens }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a task is put to its model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskSettings {
    pub role: Role,
    /// How hard the model thinks.
    pub effort: Effort,
    /// The upper limit of the answer in tokens, reasoning included.
    pub max_output_tokens: u32,
}

/// What a model is used for. The catalogue names a model and a fallback for each role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Cheap and quick.
    Fast,
    /// The everyday writer.
    Balanced,
    /// The best reader of people.
    Premium,
}

impl Role {
    /// All roles, cheapest first.
    pub const ALL: [Self; 3] = [Self::Fast, Self::Balanced, Self::Premium];

    /// The name in the catalogue of models.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Balanced => "balanced",
            Self::Premium => "premium",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reasoning effort. `high` is never used: 10 to 20 s for about 5 % of quality.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effort {
    /// Little reasoning before the answer.
    Low,
    /// More reasoning before the answer.
    Medium,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_are_read_by_the_name_they_print() {
        for tier in Tier::ALL {
            assert_eq!(tier.to_string().parse(), Ok(tier));
        }
        assert!("LIGHT".parse::<Tier>().is_err());
    }

    #[test]
    fn list_prices_are_97_cents_a_credit() {
        assert_eq!(Tier::ALL.map(Tier::list_price_cents), [97, 485, 582]);
    }

    #[test]
    fn deeper_tiers_read_more_and_cache_less() {
        assert_eq!(Tier::ALL.map(Tier::posts), [12, 50, 50]);
        assert_eq!(Tier::ALL.map(Tier::needs_more_posts), [false, true, true]);
        assert_eq!(Tier::ALL.map(Tier::scrapes), [1, 2, 2]);
        assert_eq!(Tier::ALL.map(|tier| tier.cache_ttl().as_hours()), [24, 12, 6]);
        assert_eq!(Tier::ALL.map(|tier| tier.tasks().len()), [1, 3, 4]);
        assert_eq!(Tier::ALL.map(Tier::estimated_seconds), [10, 21, 18]);
        assert_eq!(Tier::ALL.map(Tier::estimated_seconds_cached), [3, 14, 12]);
    }

    #[test]
    fn task_names_are_their_json_names() {
        for task in Task::ALL {
            assert_eq!(serde_json::to_value(task).unwrap(), task.to_string());
            assert!(task.settings().max_output_tokens >= 1_000);
        }
    }

    #[test]
    fn role_names_are_their_json_names() {
        for role in Role::ALL {
            assert_eq!(serde_json::to_value(role).unwrap(), role.to_string());
        }
    }
}
