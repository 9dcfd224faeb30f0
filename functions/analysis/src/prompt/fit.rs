//! The common part of the three tasks that judge the fit: scoring, core strategy and commercial.

use super::shape::Shape;
use serde::Deserialize;

/// How well the lead fits; it becomes `aiFit` of the score.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FitAnswer {
    /// 0 to 100.
    pub(crate) fit_score: u8,
    /// In percent.
    pub(crate) confidence: u8,
    /// One to six sentences.
    pub(crate) reasons: Vec<String>,
}

/// How to judge. It is the same in every tier: a lead must not look better because more was paid for its
/// analysis.
pub(super) const HOW_TO_JUDGE: &str = "# How to judge
Ask, in this order:
1. Need. Does what they post, sell or say about themselves show a problem that the business solves, or a wish it \
fulfils? Name the post, the phrase or the habit that shows it. A shared topic alone is not a need: a photographer's \
followers love pictures, yet few of them buy cameras.
2. Match. Do they look like the ideal customer: size of audience, how lively it is, themes, place? The figures are \
given to you and are right; do not compute them again and do not guess those that are null. Null means unknown, \
never zero.
3. Means. Are there signs that they spend money on such things, or earn enough to: a shop, staff, paid partnerships, \
good equipment, premises, travel for work?
4. Moment. Is there a reason to write now: a launch, a move, a new season, a question they asked their followers, a \
complaint about what they use today?
5. Reach. Can the business get to them: is there a contact, do they answer comments, is the account run by a person \
or by an agency?
Then ask what speaks against them: a competitor, a reseller of the same thing, a fan page, a meme or repost account, \
a celebrity far out of reach, an account that has gone quiet, an audience that looks bought, a place the business \
does not serve. Each of these weighs more than any number of small signs in favour.

# Fit score, 0 to 100
- 85 to 100: clear need, clear match and a reason to write now. Rare: fewer than one lead in ten.
- 70 to 84: clear need and a good match; worth a personal message this week.
- 50 to 69: the match is there, the need is likely but not shown; worth a look.
- 30 to 49: some overlap of interests, no sign of a need.
- 10 to 29: little to do with the business.
- 0 to 9: the wrong kind of account altogether, or one that speaks against itself as above.
Use the whole scale and avoid round numbers out of habit. Two leads that you would not treat alike should not have \
the same score, and a score must follow from your reasons: someone who reads only those should guess it within ten \
points. Being famous, pretty or large is no fit. A small account \
with a plain need is a better lead than a large one without. When the profile shows too little to judge need, stay \
below 60 and say so.

# Confidence, 0 to 100
How sure you are of the fit score, given what you could see: above 80 with an informative bio and ten or more \
captions that agree; about 60 when the signs are mixed; below 40 when there are few posts, empty captions or a \
language you read poorly. A low score can be a very confident one.

# Reasons
Two to five, the weightiest first, each one sentence of at most 200 characters that names its evidence, for example: \
\"Three of the last twelve posts ask followers for a new roastery\". Give reasons against as well as for. If \
something speaks against the lead, say it plainly and first. Do not repeat the summary, and do not report a figure \
without saying what it means for this business.

# Summary
Two or three sentences, at most 400 characters, for a reader who has not seen the profile: who they are, why they fit \
or do not, and the one fact that decided it. No praise, hashtags, emoji, and not the score itself.";

/// What the deeper tiers add about a lead.
pub(super) const HOW_TO_SELL: &str = "# Deep summary
Two to four short paragraphs, at most 1,200 characters, that spare the reader the profile: who they are and what they \
live on, as far as it shows; what they work on now and where they seem to be heading; what that means for this \
business; and what a salesperson should find out first. Facts before impressions, and say which is which.

# Selling points
Three to five, the strongest first: something in the profile that shows what matters to them, and what of the \
business's own offer answers to it. The evidence comes first and is something that a reader could look up: a post, a \
phrase, a habit. Offer nothing that the business does not say it has. When the profile gives no more than one, give \
one: a generic point costs more trust than it wins.";

/// The fields of a fit. Reasons come before the number that follows from them.
pub(super) const REASONS: (&str, Shape) = (
    "reasons",
    Shape::List(
        "Reasons for and against, the weightiest first",
        1,
        6,
        &Shape::Text("One sentence that names its evidence", 200),
    ),
);
pub(super) const FIT_SCORE: (&str, Shape) =
    ("fitScore", Shape::Percent("How well the lead fits the business"));
pub(super) const CONFIDENCE: (&str, Shape) = ("confidence", Shape::Percent("How sure of it you are"));
pub(super) const SUMMARY: (&str, Shape) = ("summary", Shape::Text("Two or three sentences", 400));
pub(super) const DEEP_SUMMARY: (&str, Shape) =
    ("deepSummary", Shape::Text("Two to four short paragraphs", 1_200));
pub(super) const SELLING_POINTS: (&str, Shape) = (
    "sellingPoints",
    Shape::List(
        "What to sell them with, the strongest first",
        1,
        6,
        &Shape::Fields(&[
            ("evidence", Shape::Text("What in the profile shows that it matters to them", 250)),
            ("point", Shape::Text("What the business can do for them", 200)),
        ]),
    ),
);
