//! `core_strategy`: how well the lead fits, and how to win it. The main task of a DEEP analysis.

use super::{
    TaskPrompt,
    fit::{CONFIDENCE, DEEP_SUMMARY, FIT_SCORE, HOW_TO_JUDGE, HOW_TO_SELL, REASONS, SELLING_POINTS, SUMMARY},
    shape::Shape,
};

const INSTRUCTIONS: &str = "\
You plan how to win one customer. A business tells you what it sells and whom it wants as a customer. You are shown \
one public Instagram profile with up to fifty of its posts. First judge how well the person or company behind it \
would fit as a customer of that business, then say what would win them. A salesperson works from your answer and has \
not seen the profile, so be concrete, fair and useful. Read all the posts before you judge: what comes back again and \
again, what has changed from the older posts to the newer ones, and what drew more likes and comments than usual.";

pub(super) const PROMPT: TaskPrompt = TaskPrompt {
    instructions: &[INSTRUCTIONS, HOW_TO_JUDGE, HOW_TO_SELL],
    answer: Shape::Fields(&[REASONS, FIT_SCORE, CONFIDENCE, SUMMARY, DEEP_SUMMARY, SELLING_POINTS]),
};
