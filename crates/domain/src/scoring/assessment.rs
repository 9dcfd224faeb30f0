//! Puts the score of a lead together.

use super::{
    Adjustment, Metrics, QualityFlag, SubScore, icp_match,
    receipt::{itemise, mean, taken},
};
use crate::{Icp, Profile};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most points that all quality flags may take together.
pub const MAX_PENALTY: u8 = 30;

const AI_FIT_WEIGHT: f64 = 0.40;

/// The AI's judgement, already checked and clamped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fit {
    /// How well the lead fits, 0 to 100.
    pub score: u8,
    /// How sure the model is, in percent.
    pub confidence: u8,
    /// Why, as sentences.
    pub reasons: Vec<String>,
}

/// The lead's score and everything that explains it. In the analysis's result it stands under these names.
/// The points of sub-scores, quality flags and adjustments sum to the score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Assessment {
    /// The lead's score.
    #[schemars(range(min = 0, max = 100))]
    pub score: u8,
    /// How much is known, 0 to 1, to two decimals.
    #[schemars(range(min = 0, max = 1))]
    pub confidence: f64,
    /// The parts of the score, the AI's first. The weights of the known parts sum to 1.
    pub sub_scores: Vec<SubScore>,
    /// What is odd about the profile, and how many points that takes.
    pub quality_flags: Vec<QualityFlag>,
    /// What the points above lack to the score: rounding, the limit on penalties, the floor at 0.
    pub adjustments: Vec<Adjustment>,
    /// The profile's figures.
    pub metrics: Metrics,
}

/// Puts the score together by the formula of the [module](super). Without an ICP, only the AI's fit counts.
pub fn assess(
    profile: &Profile,
    metrics: Metrics,
    flags: Vec<QualityFlag>,
    icp: Option<&Icp>,
    fit: Fit,
) -> Assessment {
    let ai_fit = SubScore {
        name: "aiFit".into(),
        score: Some(fit.score.min(100)),
        weight: AI_FIT_WEIGHT,
        points: 0.0,
        evidence: fit.reasons,
    };
    let mut sub_scores = vec![ai_fit];
    sub_scores.extend(icp.into_iter().flat_map(|icp| icp_match(profile, &metrics, icp)));

    let asked: f64 = sub_scores.iter().map(|sub| sub.weight).sum();
    let known: f64 = sub_scores.iter().filter(|sub| sub.score.is_some()).map(|sub| sub.weight).sum();
    for sub in &mut sub_scores {
        sub.weight = if sub.score.is_some() { sub.weight / known } else { 0.0 };
    }
    let penalty = taken(&flags).min(MAX_PENALTY.into()) as u8;
    let score = (mean(&sub_scores).round() as u8).saturating_sub(penalty);
    let adjustments = itemise(score, &mut sub_scores, &flags);

    let data = (0.7 + 0.05 * metrics.posts_measured as f64).min(1.0);
    let confidence = f64::from(fit.confidence.min(100)) / 100.0 * (0.5 + 0.5 * known / asked) * data;
    Assessment {
        score,
        confidence: (confidence * 100.0).round() / 100.0,
        sub_scores,
        quality_flags: flags,
        adjustments,
        metrics,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        quality_flags,
        samples::{icp, now, profile},
    };
    use super::*;

    fn fit(score: u8, confidence: u8) -> Fit {
        Fit { score, confidence, reasons: vec!["Bakes daily.".into()] }
    }

    fn assessed(profile: &Profile, icp: &Icp, fit: Fit) -> Assessment {
        let metrics = Metrics::of(profile, now());
        let flags = quality_flags(profile, &metrics);
        assess(profile, metrics, flags, Some(icp), fit)
    }

    fn weights(assessment: &Assessment) -> f64 {
        assessment.sub_scores.iter().map(|sub| sub.weight).sum()
    }

    #[test]
    fn a_perfect_lead_scores_100() {
        let assessment = assessed(&profile(), &icp(), fit(100, 90));
        assert_eq!((assessment.score, assessment.confidence), (100, 0.9));
        assert!((weights(&assessment) - 1.0).abs() < 1e-9);
        assert_eq!(assessment.sub_scores[0].evidence, ["Bakes daily."]);
    }

    #[test]
    fn the_ai_decides_two_fifths() {
        assert_eq!(assessed(&profile(), &icp(), fit(0, 90)).score, 60);
        assert_eq!(assessed(&profile(), &icp(), fit(50, 90)).score, 80);
        assert_eq!(assessed(&profile(), &icp(), fit(255, 255)).confidence, 1.0, "clamped");
    }

    #[test]
    fn the_unknown_costs_confidence_not_points() {
        let mut profile = profile();
        profile.posts.clear();
        let assessment = assessed(&profile, &icp(), fit(100, 100));
        assert_eq!(assessment.score, 100);
        // Engagement is not known, which leaves 0.85 of the weights. Nothing was measured, which gives 0.7.
        assert_eq!(assessment.confidence, 0.65);
        assert!((weights(&assessment) - 1.0).abs() < 1e-9);
        let engagement = assessment.sub_scores.iter().find(|sub| sub.name == "engagement").unwrap();
        assert_eq!((engagement.score, engagement.weight), (None, 0.0));
    }

    #[test]
    fn without_criteria_the_ai_decides_alone() {
        let profile = profile();
        let metrics = Metrics::of(&profile, now());
        let assessment = assess(&profile, metrics, Vec::new(), None, fit(64, 80));
        assert_eq!((assessment.score, assessment.confidence), (64, 0.8));
        assert_eq!(assessment.sub_scores.len(), 1);
        assert_eq!((assessment.sub_scores[0].name.as_str(), assessment.sub_scores[0].weight), ("aiFit", 1.0));
    }

    #[test]
    fn flags_cost_points_up_to_a_limit() {
        let mut profile = profile();
        profile.biography = "  ".into();
        profile.external_url = None;
        let lighter = Icp { geo_focus: vec![], ..icp() };
        assert_eq!(assessed(&profile, &lighter, fit(100, 100)).score, 90);

        profile.posts.clear();
        profile.posts_count = 0;
        profile.following = 30_000;
        let assessment = assessed(&profile, &lighter, fit(100, 100));
        assert_eq!(assessment.quality_flags.iter().map(|flag| flag.points).sum::<i8>(), -35);
        assert_eq!(assessment.score, 70);
        assert_eq!(
            assessed(&profile, &Icp { content_themes: vec!["chess".into()], ..lighter }, fit(0, 100)).score,
            0
        );
    }

    #[test]
    fn it_serialises_to_the_shape_of_a_result() {
        let assessment = assessed(&profile(), &icp(), fit(80, 75));
        let json = serde_json::to_value(&assessment).unwrap();
        let keys: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["score", "confidence", "subScores", "qualityFlags", "adjustments", "metrics"]);
        assert_eq!(json["subScores"][0]["name"], "aiFit");
        assert_eq!(serde_json::from_value::<Assessment>(json).unwrap(), assessment);
    }
}
