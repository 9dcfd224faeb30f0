//! From a scraped profile and what the AI said of it to the lead's score, and the reasons for it.
//!
//! Everything here is computed in code, without I/O, and the same input always gives the same score. What
//! the model says is one part of the score among others, never the whole.
//!
//! # Score
//!
//! Every sub-score runs from 0 to 100. [`assess`] takes their weighted mean and subtracts the penalties of
//! the quality flags:
//!
//! ```text
//! score = clamp(round(Σ weight × sub-score) − min(Σ penalty, 30), 0, 100)
//! ```
//!
//! | sub-score | base weight | how it is found |
//! |---|---|---|
//! | `aiFit` | 0.40 | the model's own fit score |
//! | `contentThemes` | 0.20 | themes found: `100 × (0.7 × the best theme + 0.3 × the mean of all)` |
//! | `followerRange` | 0.15 | 100 in the range; below it `100 × followers / min`, above it `100 × max / followers` |
//! | `engagement` | 0.15 | 100 from the minimum on, below it `100 × rate / minimum` |
//! | `geoFocus` | 0.10 | the place that shows best |
//!
//! A criterion the ICP leaves open (no theme, no place, a minimum of zero) is left out. One that cannot be
//! judged, because likes are hidden or posts are not known, has a sub-score of `null` and the weight 0. The
//! weights of the others are scaled so that they sum to 1: nobody loses points for what is not known, the
//! confidence falls instead. Outside a range sub-scores fall off smoothly: half the minimum, or twice the
//! maximum, is worth 50.
//!
//! # Themes and places
//!
//! A theme or place shows fully (1.0) when it is in the display name, the bio or the category. Otherwise it
//! shows by the share of posts that have it in caption or hashtags: fully from one post in five, below that
//! `share / 0.2`. Words match whole, whatever their case, accents and plural; a hashtag also matches when it
//! is the theme written together (`#HealthyFood`, `#healthyfood`). When not one theme is found and the posts
//! are not known, the criterion is unknown. When no place is found it is unknown too: most profiles name
//! none, and silence is no sign of living elsewhere.
//!
//! # Confidence
//!
//! ```text
//! confidence = the model's confidence × (0.5 + 0.5 × known share of the base weights) × data
//! data       = min(1, 0.7 + 0.05 × posts that engagement was measured on)
//! ```
//!
//! # Quality flags
//!
//! [`quality_flags`] says what is odd about a profile, in a sentence, and what it costs: see [`FlagCode`].
//! All penalties together cost at most 30 points, so that flags lower a good match and do not erase it.

mod assessment;
mod flags;
mod icp;
mod metrics;
#[cfg(test)]
mod samples;
mod text;

pub use assessment::{Assessment, Fit, MAX_PENALTY, assess};
pub use flags::{FlagCode, QualityFlag, quality_flags};
pub use icp::{SubScore, icp_match};
pub use metrics::Metrics;
