//! A question, as a caller of this crate puts it.

use oslira_domain::{Effort, Role};
use serde_json::Value;
use std::{fmt, time::Duration};

/// One question, for whichever model has the role.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// Determines the models.
    pub role: Role,
    /// How hard the model thinks. It is not sent to a model that does not accept it.
    pub effort: Effort,
    /// The upper limit of the answer in tokens, reasoning included.
    pub max_output_tokens: u32,
    /// What to do, and for which business. This is the prefix that stays the same, so vendors cache it.
    pub instructions: &'a str,
    /// What to work on: untrusted text, different each time.
    pub data: &'a str,
    /// The schema's name: 1 to 64 of `a-z A-Z 0-9 _ -`.
    pub schema_name: &'a str,
    /// The shape of the answer; see [`assert_strict`](crate::assert_strict).
    pub schema: &'a Value,
    /// Questions with the same key have the same instructions. At most 64 characters of it are used.
    pub cache_key: &'a str,
    /// A call that takes longer is made a second time, if the budget allows it. `None` for never.
    pub hedge_after: Option<Duration>,
}

impl fmt::Debug for Question<'_> {
    /// Leaves the prompt out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question")
            .field("role", &self.role)
            .field("effort", &self.effort)
            .field("schema_name", &self.schema_name)
            .finish_non_exhaustive()
    }
}

/// The question's data, and after it what was wrong with the last answer.
pub(crate) fn data_with(question: &Question<'_>, correction: Option<&str>) -> String {
    match correction {
        None => question.data.to_owned(),
        Some(correction) => format!(
            "{}\n\nYour previous answer could not be used: {correction}\nAnswer again, as JSON of the given schema.",
            question.data
        ),
    }
}
