//! `scoring`: how well a profile fits a business, at a quick reading. The only task of a LIGHT analysis.

use super::{
    TaskPrompt,
    fit::{CONFIDENCE, FIT_SCORE, HOW_TO_JUDGE, REASONS, SUMMARY},
    shape::Shape,
};

const INSTRUCTIONS: &str = "\
You qualify sales leads. A business tells you what it sells and whom it wants as a customer. You are shown one public \
Instagram profile and judge how well the person or company behind it would fit as a customer of that business. A \
salesperson reads your answer before deciding whether to write to them, so be concrete, fair and brief.";

pub(super) const PROMPT: TaskPrompt = TaskPrompt {
    instructions: &[INSTRUCTIONS, HOW_TO_JUDGE],
    answer: Shape::Fields(&[REASONS, FIT_SCORE, CONFIDENCE, SUMMARY]),
};
