//! How well a profile meets each criterion of the ideal customer profile.

use super::{
    Metrics,
    text::{contains, hashtag_words, normalised_hashtag, same_word, words},
};
use crate::{Icp, Profile};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A theme shows fully from this share of posts on.
const FULL_SHARE: f64 = 0.2;

/// One part of the score, with the reasons for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubScore {
    /// `aiFit`, `contentThemes`, `followerRange`, `engagement` or `geoFocus`.
    #[schemars(extend("enum" = ["aiFit", "contentThemes", "followerRange", "engagement", "geoFocus"]))]
    pub name: String,
    /// 0 to 100; `null` when it cannot be judged.
    #[schemars(range(min = 0, max = 100))]
    pub score: Option<u8>,
    /// Its share of the whole, 0 to 1; 0 when it cannot be judged.
    #[schemars(range(min = 0, max = 1))]
    pub weight: f64,
    /// How many points it adds to the score, 0 to 100: `weight × score`, to one decimal; 0 when it cannot be
    /// judged. The points of all sub-scores, quality flags and adjustments sum to the score.
    pub points: f64,
    /// The reasons, as sentences.
    pub evidence: Vec<String>,
}

/// Returns a sub-score with its base weight (see the [module](super)) for each criterion that the ICP sets,
/// known or not. Its points are set later, together with the score.
pub fn icp_match(profile: &Profile, metrics: &Metrics, icp: &Icp) -> Vec<SubScore> {
    let text = ProfileText::of(profile);
    let themes = (!icp.content_themes.is_empty()).then(|| content_themes(&text, &icp.content_themes));
    let engagement = (icp.engagement_min > 0.0).then(|| engagement(metrics, icp.engagement_min));
    let places = (!icp.geo_focus.is_empty()).then(|| geo_focus(&text, &icp.geo_focus));
    [
        themes.map(|judged| sub_score("contentThemes", 0.20, judged)),
        Some(sub_score("followerRange", 0.15, follower_range(metrics, icp))),
        engagement.map(|judged| sub_score("engagement", 0.15, judged)),
        places.map(|judged| sub_score("geoFocus", 0.10, judged)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// 0 to 100 if it can be judged, and the reasons.
type Judged = (Option<f64>, Vec<String>);

fn sub_score(name: &str, weight: f64, (score, evidence): Judged) -> SubScore {
    SubScore {
        name: name.to_owned(),
        score: score.map(|score| score.round().clamp(0.0, 100.0) as u8),
        weight,
        points: 0.0,
        evidence,
    }
}

fn follower_range(metrics: &Metrics, icp: &Icp) -> Judged {
    let (followers, range) = (metrics.followers, icp.follower_range);
    let (score, position) = if followers < range.min {
        (100.0 * followers as f64 / range.min as f64, "below")
    } else if followers > range.max {
        (100.0 * range.max as f64 / followers as f64, "above")
    } else {
        (100.0, "inside")
    };
    let evidence = format!("{followers} followers: {position} the range of {} to {}.", range.min, range.max);
    (Some(score), vec![evidence])
}

fn engagement(metrics: &Metrics, minimum: f64) -> Judged {
    let Some(rate) = metrics.engagement_rate else {
        return (None, vec!["The engagement rate is not known: no post shows its likes.".into()]);
    };
    let evidence = format!(
        "An engagement rate of {rate:.2} % over {} posts; the minimum is {minimum} %.",
        metrics.posts_measured
    );
    (Some((100.0 * rate / minimum).min(100.0)), vec![evidence])
}

fn content_themes(text: &ProfileText, themes: &[String]) -> Judged {
    let shown: Vec<Shown> = themes.iter().map(|theme| text.shows(theme)).collect();
    let best = shown.iter().map(|shown| shown.strength).fold(0.0, f64::max);
    let mean = shown.iter().map(|shown| shown.strength).sum::<f64>() / themes.len() as f64;
    if best == 0.0 && text.posts_unknown {
        return (None, vec!["The posts are not known, and the bio names none of the themes.".into()]);
    }
    let evidence = themes.iter().zip(&shown).map(|(theme, shown)| shown.sentence(theme)).collect();
    (Some(100.0 * (0.7 * best + 0.3 * mean)), evidence)
}

fn geo_focus(text: &ProfileText, places: &[String]) -> Judged {
    let shown: Vec<(&String, Shown)> = places
        .iter()
        .map(|place| (place, text.shows(place)))
        .filter(|(_, shown)| shown.strength > 0.0)
        .collect();
    if shown.is_empty() {
        return (None, vec![format!("The profile names none of: {}.", places.join(", "))]);
    }
    let best = shown.iter().map(|(_, shown)| shown.strength).fold(0.0, f64::max);
    (Some(100.0 * best), shown.iter().map(|(place, shown)| shown.sentence(place)).collect())
}

/// The words of a profile.
struct ProfileText {
    parts: [(&'static str, Vec<String>); 3],
    posts: Vec<PostText>,
    posts_unknown: bool,
}

struct PostText {
    caption: Vec<String>,
    hashtags: Vec<Hashtag>,
}

struct Hashtag {
    words: Vec<String>,
    together: String,
}

/// How clearly a theme or a place shows.
struct Shown {
    strength: f64,
    part: Option<&'static str>,
    posts: usize,
    of: usize,
}

impl ProfileText {
    fn of(profile: &Profile) -> Self {
        let posts = profile.posts.iter().map(|post| PostText {
            caption: words(&post.caption),
            hashtags: post
                .hashtags
                .iter()
                .map(|tag| Hashtag { words: hashtag_words(tag), together: normalised_hashtag(tag) })
                .collect(),
        });
        Self {
            parts: [
                ("bio", words(&profile.biography)),
                ("category", words(profile.business_category.as_deref().unwrap_or_default())),
                ("display name", words(&profile.full_name)),
            ],
            posts: posts.collect(),
            posts_unknown: profile.posts.is_empty() && profile.posts_count > 0,
        }
    }

    fn shows(&self, phrase: &str) -> Shown {
        let phrase = words(phrase);
        let together = phrase.concat();
        let part = self.parts.iter().find(|(_, words)| contains(words, &phrase)).map(|(part, _)| *part);
        let tagged = |tag: &Hashtag| contains(&tag.words, &phrase) || same_word(&tag.together, &together);
        let posts = self
            .posts
            .iter()
            .filter(|post| contains(&post.caption, &phrase) || post.hashtags.iter().any(tagged))
            .count();
        let of = self.posts.len();
        let share = if of == 0 { 0.0 } else { posts as f64 / of as f64 };
        let strength = if part.is_some() { 1.0 } else { (share / FULL_SHARE).min(1.0) };
        Shown { strength, part, posts, of }
    }
}

impl Shown {
    fn sentence(&self, phrase: &str) -> String {
        match (self.part, self.posts) {
            (Some(part), 0) => format!("\"{phrase}\" is in the {part}."),
            (Some(part), posts) => {
                format!("\"{phrase}\" is in the {part} and in {posts} of {} posts.", self.of)
            }
            (None, 0) => format!("\"{phrase}\" was not found."),
            (None, posts) => format!("\"{phrase}\" is in {posts} of {} posts.", self.of),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{icp, now, profile};
    use super::*;
    use crate::FollowerRange;

    fn matched(profile: &Profile, icp: &Icp) -> Vec<SubScore> {
        icp_match(profile, &Metrics::of(profile, now()), icp)
    }

    fn one(name: &str, profile: &Profile, icp: &Icp) -> SubScore {
        matched(profile, icp).into_iter().find(|sub| sub.name == name).unwrap()
    }

    #[test]
    fn a_profile_that_meets_everything() {
        let subs = matched(&profile(), &icp());
        let names: Vec<_> = subs.iter().map(|sub| sub.name.as_str()).collect();
        assert_eq!(names, ["contentThemes", "followerRange", "engagement", "geoFocus"]);
        assert!(subs.iter().all(|sub| sub.score == Some(100) && sub.weight > 0.0), "{subs:?}");
        assert_eq!(subs[0].evidence, ["\"bakeries\" is in the category."]);
        assert_eq!(subs[3].evidence, ["\"Berlin\" is in the bio."]);
    }

    #[test]
    fn criteria_left_open_are_left_out() {
        let icp = Icp { engagement_min: 0.0, content_themes: vec![], geo_focus: vec![], ..icp() };
        let names: Vec<_> = matched(&profile(), &icp).into_iter().map(|sub| sub.name).collect();
        assert_eq!(names, ["followerRange"]);
    }

    #[test]
    fn outside_the_range_the_score_falls_smoothly() {
        for (followers, expected) in [
            (0, 0),
            (500, 50),
            (999, 100),
            (1_000, 100),
            (50_000, 100),
            (50_500, 99),
            (100_000, 50),
            (u64::MAX, 0),
        ] {
            let profile = Profile { followers, ..profile() };
            assert_eq!(one("followerRange", &profile, &icp()).score, Some(expected), "{followers}");
        }
        let open = Icp { follower_range: FollowerRange { min: 0, max: 0 }, ..icp() };
        assert_eq!(one("followerRange", &profile(), &open).score, Some(0));
    }

    #[test]
    fn engagement_counts_up_to_its_minimum() {
        let wanted = |engagement_min| Icp { engagement_min, ..icp() };
        assert_eq!(one("engagement", &profile(), &wanted(3.0)).score, Some(100));
        assert_eq!(one("engagement", &profile(), &wanted(6.0)).score, Some(50));
        let mut hidden = profile();
        hidden.posts.iter_mut().for_each(|post| post.likes = None);
        let unknown = one("engagement", &hidden, &wanted(3.0));
        assert_eq!(unknown.score, None);
        assert_eq!(unknown.evidence.len(), 1);
    }

    #[test]
    fn themes_are_looked_for_in_posts_too() {
        let mut profile = profile();
        let themes =
            |themes: &[&str]| Icp { content_themes: themes.iter().map(|t| (*t).into()).collect(), ..icp() };
        profile.posts[0].hashtags = vec!["HealthyFood".into()];
        profile.posts[1].hashtags = vec!["healthyfoods".into()];
        let food = one("contentThemes", &profile, &themes(&["healthy food"]));
        assert_eq!(
            (food.score, food.evidence[0].as_str()),
            (Some(100), "\"healthy food\" is in 2 of 6 posts.")
        );

        // One post in six is 5/6 of the share that counts fully.
        profile.posts[2].caption = "My new Recipe!".into();
        assert_eq!(one("contentThemes", &profile, &themes(&["recipes"])).score, Some(83));
        profile.biography = "Recipes".into();
        let recipes = one("contentThemes", &profile, &themes(&["recipe"]));
        assert_eq!(recipes.evidence, ["\"recipe\" is in the bio and in 1 of 6 posts."]);

        // 0.7 for the best theme, plus 0.3 times one third.
        let partly = one("contentThemes", &profile, &themes(&["bakery", "chess", "opera"]));
        assert_eq!(partly.score, Some(80));
        assert_eq!(partly.evidence[1], "\"chess\" was not found.");
        assert_eq!(one("contentThemes", &profile, &themes(&["chess"])).score, Some(0));
    }

    #[test]
    fn what_unknown_posts_might_hold_is_unknown() {
        let mut profile = profile();
        profile.posts.clear();
        let chess = Icp { content_themes: vec!["chess".into()], ..icp() };
        assert_eq!(one("contentThemes", &profile, &chess).score, None);
        assert_eq!(one("contentThemes", &profile, &icp()).score, Some(100));
        profile.posts_count = 0;
        assert_eq!(one("contentThemes", &profile, &chess).score, Some(0));
    }

    #[test]
    fn a_place_that_is_not_named_is_unknown() {
        let places =
            |places: &[&str]| Icp { geo_focus: places.iter().map(|p| (*p).into()).collect(), ..icp() };
        let none = one("geoFocus", &profile(), &places(&["Paris", "Rome"]));
        assert_eq!(
            (none.score, none.evidence[0].as_str()),
            (None, "The profile names none of: Paris, Rome.")
        );
        let one_of_two = one("geoFocus", &profile(), &places(&["Paris", "BERLIN"]));
        assert_eq!((one_of_two.score, one_of_two.evidence.len()), (Some(100), 1));
    }
}
