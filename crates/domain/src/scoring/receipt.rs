//! The score as a column of points that adds up.

use super::{MAX_PENALTY, QualityFlag, SubScore};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A line of the column that belongs to no single sub-score or flag.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Adjustment {
    /// The kind of adjustment.
    pub code: AdjustmentCode,
    /// The adjustment as a sentence.
    pub message: String,
    /// How many points it adds to the score, or takes when negative; to one decimal, and never 0.
    pub points: f64,
}

/// The kinds of adjustments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum AdjustmentCode {
    /// Gives back what the flags took beyond 30 points.
    PenaltyCap,
    /// The sum of the sub-scores is rounded to whole points, while each of them is shown to one decimal.
    Rounding,
    /// Gives back what was taken below 0. There is no such line at 100, because sub-scores never sum to more.
    Floor,
}

impl AdjustmentCode {
    const fn message(self) -> &'static str {
        match self {
            Self::PenaltyCap => "All flags together take 30 points at most.",
            Self::Rounding => "The score is a whole number.",
            Self::Floor => "A score is never below 0.",
        }
    }
}

/// The weighted mean of the sub-scores, 0 to 100.
pub(super) fn mean(sub_scores: &[SubScore]) -> f64 {
    sub_scores.iter().map(|sub| sub.weight * f64::from(sub.score.unwrap_or_default())).sum()
}

/// How many points the flags take together, before the limit.
pub(super) fn taken(flags: &[QualityFlag]) -> i32 {
    -flags.iter().map(|flag| i32::from(flag.points)).sum::<i32>()
}

/// Gives each sub-score its points. Returns what these and the flags' points lack to the score.
///
/// Everything is counted in tenths of a point, so that the shown figures add up exactly.
pub(super) fn itemise(score: u8, sub_scores: &mut [SubScore], flags: &[QualityFlag]) -> Vec<Adjustment> {
    let mut given = 0;
    for sub in &mut *sub_scores {
        let tenths = (10.0 * sub.weight * f64::from(sub.score.unwrap_or_default())).round() as i32;
        sub.points = f64::from(tenths) / 10.0;
        given += tenths;
    }
    let taken = taken(flags);
    let cap = (taken - i32::from(MAX_PENALTY)).max(0);
    // A score above 0 is above the floor. This check comes first for assessments that were saved and read
    // again: their weights may have changed in the last bit and moved the mean over a half.
    let floor = if score == 0 { (taken - cap - mean(sub_scores).round() as i32).max(0) } else { 0 };
    let rounding = 10 * i32::from(score) - (given + 10 * (cap + floor - taken));
    let line = |code: AdjustmentCode, tenths: i32| {
        (tenths != 0).then(|| Adjustment {
            code,
            message: code.message().to_owned(),
            points: f64::from(tenths) / 10.0,
        })
    };
    [
        line(AdjustmentCode::PenaltyCap, 10 * cap),
        line(AdjustmentCode::Rounding, rounding),
        line(AdjustmentCode::Floor, 10 * floor),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{
        Assessment, Fit, FlagCode, Metrics, assess,
        samples::{icp, now, post, profile},
    };
    use super::*;
    use crate::{FollowerRange, Icp, Profile};
    use rand::{RngExt, SeedableRng, rngs::StdRng};
    use serde_json::{Value, json};

    const CODES: [FlagCode; 9] = [
        FlagCode::EmptyProfile,
        FlagCode::NoPosts,
        FlagCode::NotEnoughData,
        FlagCode::LikesHidden,
        FlagCode::EngagementTooLow,
        FlagCode::EngagementTooHigh,
        FlagCode::FollowRatio,
        FlagCode::Inactive,
        FlagCode::NewAccount,
    ];

    fn flags(codes: &[FlagCode]) -> Vec<QualityFlag> {
        codes
            .iter()
            .map(|code| QualityFlag { code: *code, message: String::new(), points: code.points() })
            .collect()
    }

    fn assessed(profile: &Profile, codes: &[FlagCode], icp: Option<&Icp>, fit: u8) -> Assessment {
        let fit = Fit { score: fit, confidence: 80, reasons: Vec::new() };
        assess(profile, Metrics::of(profile, now()), flags(codes), icp, fit)
    }

    /// The figures of the JSON in tenths, read digit by digit as a person would.
    fn figures(assessment: &Assessment) -> Vec<i64> {
        let json = json!(assessment);
        let points = ["subScores", "qualityFlags", "adjustments"]
            .iter()
            .flat_map(|list| json[list].as_array().unwrap().iter().map(|line| &line["points"]));
        points
            .map(|points: &Value| {
                let text = points.to_string();
                let (whole, tenths) = text.split_once('.').unwrap_or((&text, "0"));
                assert_eq!(tenths.len(), 1, "{text} has one decimal");
                format!("{whole}{tenths}").parse().unwrap()
            })
            .collect()
    }

    /// Checks that the column adds up, that each line is what it says, and that the score is the formula's.
    fn check(assessment: &Assessment) {
        let sum: i64 = figures(assessment).iter().sum();
        assert_eq!(sum, 10 * i64::from(assessment.score), "{assessment:?}");
        for sub in &assessment.sub_scores {
            let exact = sub.weight * f64::from(sub.score.unwrap_or(0));
            assert!((sub.points - exact).abs() <= 0.05 + 1e-9, "{sub:?}");
        }
        let line = |code| {
            let lines: Vec<_> = assessment.adjustments.iter().filter(|line| line.code == code).collect();
            assert!(lines.len() <= 1 && lines.iter().all(|line| line.points != 0.0), "{assessment:?}");
            lines.first().map_or(0.0, |line| line.points)
        };
        let taken: f64 = -assessment.quality_flags.iter().map(|flag| f64::from(flag.points)).sum::<f64>();
        let whole = mean(&assessment.sub_scores).round();
        let by_formula = (whole - taken.min(30.0)).clamp(0.0, 100.0);
        assert_eq!(f64::from(assessment.score), by_formula, "{assessment:?}");
        assert_eq!(line(AdjustmentCode::PenaltyCap), (taken - 30.0).max(0.0), "{assessment:?}");
        assert_eq!(line(AdjustmentCode::Floor), (taken.min(30.0) - whole).max(0.0), "{assessment:?}");
        // Half a point for the whole, and half a tenth for each of five parts.
        assert!(line(AdjustmentCode::Rounding).abs() < 0.75 + 1e-9, "{assessment:?}");
    }

    #[test]
    fn the_column_adds_up_whatever_comes() {
        let mut random = StdRng::seed_from_u64(9);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..5_000 {
            let mut profile = profile();
            profile.followers = random.random_range(0..200_000);
            profile.posts =
                (0..random.random_range(0..9)).map(|day| post(random.random_range(0..900), 3, day)).collect();
            if random.random_bool(0.5) {
                profile.biography.clear();
                profile.business_category = None;
            }
            if random.random_bool(0.2) {
                profile.posts.iter_mut().for_each(|post| post.likes = None);
            }
            let icp = random.random_bool(0.9).then(|| Icp {
                follower_range: FollowerRange { min: random.random_range(0..5_000), max: 60_000 },
                engagement_min: if random.random_bool(0.5) { random.random_range(0.1..9.0) } else { 0.0 },
                content_themes: ["bakery", "chess", "opera"]
                    .iter()
                    .take(random.random_range(0..4))
                    .map(|theme| (*theme).to_owned())
                    .collect(),
                geo_focus: if random.random_bool(0.5) { vec!["Berlin".into()] } else { Vec::new() },
            });
            let codes: Vec<FlagCode> = CODES.into_iter().filter(|_| random.random_bool(0.3)).collect();
            let assessment = assessed(&profile, &codes, icp.as_ref(), random.random_range(0..=100));
            check(&assessment);
            seen.extend(assessment.adjustments.iter().map(|line| format!("{:?}", line.code)));
            seen.extend(
                assessment.sub_scores.iter().filter(|sub| sub.score.is_none()).map(|sub| sub.name.clone()),
            );
        }
        let wanted = ["Floor", "PenaltyCap", "Rounding", "contentThemes", "engagement", "geoFocus"];
        assert_eq!(seen.iter().map(String::as_str).collect::<Vec<_>>(), wanted, "the inputs are too tame");
    }

    #[test]
    fn a_hundred_needs_no_adjustment_and_nothing_needs_none() {
        let best = assessed(&profile(), &[], Some(&icp()), 100);
        assert_eq!((best.score, figures(&best)), (100, vec![400, 200, 150, 150, 100]));
        let worst = assessed(&profile(), &[], None, 0);
        assert_eq!((worst.score, figures(&worst)), (0, vec![0]));
        check(&best);
        check(&worst);
    }

    #[test]
    fn what_is_not_known_gives_nothing_and_the_others_more() {
        let mut profile = profile();
        profile.posts.clear();
        let assessment = assessed(&profile, &[FlagCode::NotEnoughData], Some(&icp()), 81);
        // The weights are divided by 0.85: 38.12, 23.53, 17.65, unknown, 11.76. They sum to 91.06.
        assert_eq!((assessment.score, figures(&assessment)), (91, vec![381, 235, 176, 0, 118, 0]));
        check(&assessment);
    }

    #[test]
    fn the_limit_of_penalties_and_the_floor_have_lines_of_their_own() {
        let codes = [FlagCode::EmptyProfile, FlagCode::NoPosts, FlagCode::FollowRatio];
        let capped = assessed(&profile(), &codes, None, 64);
        assert_eq!((capped.score, figures(&capped)), (34, vec![640, -100, -150, -100, 50]));
        assert_eq!(capped.adjustments[0].message, "All flags together take 30 points at most.");
        let floored = assessed(&profile(), &codes, None, 12);
        assert_eq!((floored.score, figures(&floored)), (0, vec![120, -100, -150, -100, 50, 180]));
        assert_eq!(floored.adjustments[1].message, "A score is never below 0.");
        check(&capped);
        check(&floored);
    }

    #[test]
    fn without_an_icp_the_fit_is_the_whole_column() {
        for fit in 0..=100 {
            let assessment = assessed(&profile(), &[], None, fit);
            assert_eq!(figures(&assessment), [10 * i64::from(fit)]);
            assert!(assessment.adjustments.is_empty());
        }
    }

    #[test]
    fn the_parts_of_a_rounded_score_say_by_how_much() {
        let lighter = Icp { geo_focus: Vec::new(), ..icp() };
        let assessment = assessed(&profile(), &[], Some(&lighter), 79);
        // The weights are divided by 0.9: 35.11, 22.22, 16.67, 16.67. They sum to 90.67.
        assert_eq!((assessment.score, figures(&assessment)), (91, vec![351, 222, 167, 167, 3]));
        assert_eq!(assessment.adjustments[0].code, AdjustmentCode::Rounding);
        check(&assessment);
    }
}
