//! `commercial`: how well the lead fits, what it would buy, when and for how much, and whether a partnership is
//! worth more. The main task of an X-Ray.

use super::{
    TaskPrompt,
    fit::{CONFIDENCE, DEEP_SUMMARY, FIT_SCORE, HOW_TO_JUDGE, HOW_TO_SELL, REASONS, SELLING_POINTS, SUMMARY},
    shape::Shape,
};

const INSTRUCTIONS: &str = "\
You assess one business opportunity. A business tells you what it sells and whom it wants as a customer. You are \
shown one public Instagram profile with up to fifty of its posts. First judge how well the person or company behind \
it would fit as a customer of that business, then what they would buy, when, for how much, and whether a partnership \
would be worth more than a sale. A sales lead decides by your answer how much time this account deserves, so be \
concrete, fair and careful with money.";

const MONEY: &str = "\
# Buying signals
Up to six things in the profile that say that they may buy something like this soon, the strongest first, each with \
its strength: `strong` when they say that they look for it, complain about what they have, or have just begun \
something that needs it; `medium` when a purchase would follow naturally from what they do now; `weak` when it only \
suits them. Name the post or phrase. No signal is a valid finding: answer with an empty list, and let the fit score \
say so.

# Budget
Put what they could spend a month on an offer of this kind into one band, in US dollars: `under100`, `100to500`, \
`500to2000`, `2000to10000`, `over10000`; or `unknown`, which is the right answer whenever the profile shows neither \
income nor spending. Then one to four reasons that a stranger could check: staff, premises, stock, prices they name, \
paid partnerships and how often, equipment, travel, how long they have been in business. The number of followers \
alone says nothing of a budget, and neither do looks, names, places of birth or the neighbourhood of a photograph.

# Partnership
Judge apart from the sale whether the two could promote each other: do their audiences overlap without competing, has \
the account worked with brands before and said so, would its followers trust such a recommendation, is the tone one \
that the business could stand beside? Score that from 0 to 100 on the same scale as the fit, and name up to four \
formats that would suit this account in particular (a review, a giveaway, a code for followers, a joint event, \
content made for the business), the best first, each with the reason. Say in one sentence what could go wrong.";

pub(super) const PROMPT: TaskPrompt = TaskPrompt {
    instructions: &[INSTRUCTIONS, HOW_TO_JUDGE, HOW_TO_SELL, MONEY],
    answer: Shape::Fields(&[
        REASONS,
        FIT_SCORE,
        CONFIDENCE,
        SUMMARY,
        DEEP_SUMMARY,
        SELLING_POINTS,
        (
            "buyingSignals",
            Shape::List(
                "Signs that they may buy soon, the strongest first",
                0,
                6,
                &Shape::Fields(&[
                    ("signal", Shape::Text("One sentence that names its evidence", 200)),
                    ("strength", Shape::OneOf("How much it says", &["strong", "medium", "weak"])),
                ]),
            ),
        ),
        (
            "budgetEstimate",
            Shape::Fields(&[
                (
                    "reasons",
                    Shape::List(
                        "What it rests on",
                        1,
                        4,
                        &Shape::Text("One sentence that names its evidence", 200),
                    ),
                ),
                (
                    "band",
                    Shape::OneOf(
                        "US dollars a month",
                        &["under100", "100to500", "500to2000", "2000to10000", "over10000", "unknown"],
                    ),
                ),
                ("confidence", Shape::Percent("How sure of it you are")),
            ]),
        ),
        (
            "partnership",
            Shape::Fields(&[
                ("summary", Shape::Text("One or two sentences", 300)),
                ("fitScore", Shape::Percent("How well the two could promote each other")),
                (
                    "formats",
                    Shape::List(
                        "What they could do together, the best first",
                        0,
                        4,
                        &Shape::Text("One format with its reason", 200),
                    ),
                ),
                ("risk", Shape::Text("What could go wrong, in one sentence", 200)),
            ]),
        ),
    ]),
};
