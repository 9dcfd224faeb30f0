//! The ideal customer in a body, by the same rules wherever one is sent.

use crate::{BodyErrors, FieldProblem, trimmed};
use deserr::Deserr;
use oslira_domain::{FollowerRange, Icp};

/// `{followerRange: {min, max}, engagementMin, contentThemes, geoFocus}`: at most 30 themes and places of at most 60
/// characters.
#[derive(Debug, Deserr)]
#[deserr(error = BodyErrors, rename_all = camelCase, deny_unknown_fields)]
pub struct IcpBody {
    #[deserr(try_from(Range) = ordered -> FieldProblem)]
    follower_range: Range,
    #[deserr(try_from(f64) = percent -> FieldProblem)]
    engagement_min: f64,
    #[deserr(try_from(Vec<String>) = words -> FieldProblem)]
    content_themes: Vec<String>,
    #[deserr(try_from(Vec<String>) = words -> FieldProblem)]
    geo_focus: Vec<String>,
}

#[derive(Debug, Deserr)]
#[deserr(error = BodyErrors, rename_all = camelCase, deny_unknown_fields)]
struct Range {
    min: u32,
    max: u32,
}

impl From<IcpBody> for Icp {
    fn from(body: IcpBody) -> Self {
        let Range { min, max } = body.follower_range;
        Self {
            follower_range: FollowerRange { min: min.into(), max: max.into() },
            engagement_min: body.engagement_min,
            content_themes: body.content_themes,
            geo_focus: body.geo_focus,
        }
    }
}

fn ordered(range: Range) -> Result<Range, FieldProblem> {
    if range.min <= range.max {
        Ok(range)
    } else {
        Err(FieldProblem("must have min no greater than max".to_owned()))
    }
}

fn percent(value: f64) -> Result<f64, FieldProblem> {
    if (0.0..=100.0).contains(&value) {
        Ok(value)
    } else {
        Err(FieldProblem("must be a percentage, 0 to 100".to_owned()))
    }
}

fn words(words: Vec<String>) -> Result<Vec<String>, FieldProblem> {
    if words.len() > 30 {
        return Err(FieldProblem(format!("must hold at most 30 entries, not {}", words.len())));
    }
    words
        .iter()
        .map(|word| {
            trimmed::<60>(word).map_err(|problem| FieldProblem(format!("has an entry that {problem}")))
        })
        .collect()
}
