//! What a model writes: sentences for a field of an answer, about the account in the prompt.

use crate::random::pick;
use rand::{Rng, RngExt};

/// Who and what a prompt is about.
#[derive(Debug, PartialEq)]
pub(crate) struct Subject {
    /// The username in the prompt.
    pub(crate) username: Option<String>,
    /// Its most frequent hashtags.
    pub(crate) themes: Vec<String>,
}

impl Subject {
    /// Reads a prompt.
    pub(crate) fn of(prompt: &str) -> Self {
        Self { username: username_in(prompt), themes: themes_in(prompt) }
    }

    fn who(&self) -> String {
        self.username.as_ref().map_or_else(|| "this account".to_owned(), |name| format!("@{name}"))
    }

    fn theme(&self, rng: &mut impl Rng) -> String {
        if self.themes.is_empty() {
            return pick(rng, &["its niche", "its core topics", "everyday craft"]).to_owned();
        }
        self.themes[rng.random_range(0..self.themes.len())].clone()
    }
}

/// The text after `username` or `handle`, else the first `@mention`.
fn username_in(prompt: &str) -> Option<String> {
    let is_name_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
    let name_at = |rest: &str| {
        let name: String = rest.chars().take_while(|c| is_name_char(*c)).collect();
        let name = name.trim_matches('.').to_owned();
        (!name.is_empty()).then_some(name)
    };
    for key in ["username", "Username", "handle", "Handle"] {
        for (index, _) in prompt.match_indices(key) {
            let rest = &prompt[index + key.len()..];
            let value = rest.trim_start_matches(['"', '\'', '`', '*', ':', '=', '>', ' ', '@', '\\']);
            // Only `username: x` names one; `the username of` does not.
            let separator = &rest[..rest.len() - value.len()];
            if separator.contains([':', '=', '>', '@'])
                && let Some(name) = name_at(value)
            {
                return Some(name);
            }
        }
    }
    prompt.match_indices('@').find_map(|(index, _)| {
        let starts_word = !prompt[..index].ends_with(is_name_char);
        if starts_word { name_at(&prompt[index + 1..]) } else { None }
    })
}

/// The three most frequent hashtags.
fn themes_in(prompt: &str) -> Vec<String> {
    let mut counts: Vec<(String, usize)> = Vec::new();
    for (index, _) in prompt.match_indices('#') {
        let tag: String = prompt[index + 1..].chars().take_while(|c| c.is_alphanumeric()).collect();
        if tag.len() < 3 || tag.starts_with(|c: char| c.is_ascii_digit()) {
            continue;
        }
        match counts.iter_mut().find(|(known, _)| *known == tag) {
            Some((_, count)) => *count += 1,
            None => counts.push((tag, 1)),
        }
    }
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.into_iter().take(3).map(|(tag, _)| tag).collect()
}

const FIT: &[&str] = &[
    "{who} posts about {theme} often enough to be taken seriously in it, and the comments read like customers, not bots.",
    "The audience of {who} overlaps well with the ideal customer: engaged, reachable and used to hearing recommendations.",
    "{who} has built trust around {theme}, which makes an offer that saves time there easy to place.",
    "Engagement on {who} is steady for the size of the account, with {theme} drawing the most replies.",
    "{who} already promotes partners now and then, so a commercial approach will not feel out of place.",
    "The profile of {who} is clear and active; the main gap is a weak call to action in the bio.",
];

const SUMMARIES: &[&str] = &[
    "{who} is an active account around {theme} with an audience that answers back.",
    "{who} combines personal stories with {theme} and keeps a steady rhythm.",
    "A credible voice on {theme}: {who} shows its work and talks to its followers.",
];

const MESSAGES: &[&str] = &[
    "Hi {who}, your recent post on {theme} stood out: practical, honest and no filler. We help accounts like yours turn \
     that attention into steady enquiries. Would a two-minute example be useful?",
    "Hey {who}! The way you explain {theme} is exactly how our best customers talk about it. May I send you an idea made \
     for your page?",
    "Hello {who}, I have followed your {theme} series for a while. One small change could bring you more from it. Shall I \
     show you?",
];

const SUBJECTS: &[&str] =
    &["An idea for your {theme} posts", "{who} + a quick thought on {theme}", "Your {theme} audience"];

const ASKS: &[&str] = &[
    "Offer a two-minute example made for {who}.",
    "Ask {who} for a short call this week about {theme}.",
    "Send {who} one finished idea for {theme} and ask for an opinion.",
];

const REASONS: &[&str] = &[
    "Posts on {theme} get above-average replies.",
    "{who} names clear problems that the offer solves.",
    "The posting rhythm of {who} is regular.",
    "Followers of {who} ask for recommendations in comments.",
    "The bio of {who} states who it is for.",
    "Captions about {theme} end with questions, and people answer.",
    "The location and language of {who} match the focus.",
];

const PERSONALITY: &[&str] = &[
    "{who} writes warmly and directly, with short sentences and few superlatives.",
    "{who} leads with usefulness: tips on {theme} come before anything personal.",
    "{who} values craft and consistency, and reacts well to specific, well-researched messages.",
    "Humour is dry and self-aware; {who} rarely uses hype.",
];

const LABELS: &[&str] =
    &["{theme}", "consistency", "community", "craft", "trust", "education", "storytelling", "quality"];

/// Text for a field, told by its name.
pub(crate) fn text_for(field: &str, subject: &Subject, rng: &mut impl Rng) -> String {
    let field = field.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| field.contains(word));
    let (templates, sentences) = match () {
        () if has(&["subject", "headline", "title"]) => (SUBJECTS, 1),
        () if has(&["message", "opener", "outreach", "email", "draft", "dm", "followup", "follow_up"]) => {
            (MESSAGES, 1)
        }
        () if has(&["cta", "call", "ask", "next", "offer"]) => (ASKS, 1),
        () if has(&["deep", "analysis", "strategy"]) => (FIT, 4),
        () if has(&["summary", "overview"]) => (SUMMARIES, 2),
        () if has(&["tag", "theme", "label", "keyword", "topic", "trait", "interest", "value"]) => {
            (LABELS, 1)
        }
        () if has(&["tone", "style", "persona", "communicat", "motivat", "voice"]) => (PERSONALITY, 1),
        () if has(&["reason", "evidence", "signal", "point", "strength", "hook", "flag"]) => (REASONS, 1),
        () if has(&["name"]) => (LABELS, 1),
        () => (FIT, 1),
    };
    let start = rng.random_range(0..templates.len());
    let parts: Vec<_> =
        (0..sentences).map(|n| filled(templates[(start + n) % templates.len()], subject, rng)).collect();
    parts.join(" ")
}

/// A paragraph, for prompts that ask for no schema and for padding.
pub(crate) fn paragraph(subject: &Subject, rng: &mut impl Rng) -> String {
    text_for("deep summary", subject, rng)
}

fn filled(template: &str, subject: &Subject, rng: &mut impl Rng) -> String {
    template.replace("{who}", &subject.who()).replace("{theme}", &subject.theme(rng))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_username_is_found_however_it_is_written() {
        for prompt in [
            "{\"username\":\"kate.fit\"}",
            "Username: kate.fit",
            "<username>kate.fit</username>",
            "handle=@kate.fit",
            "Look at @kate.fit.",
            "Judge the username given: username: `kate.fit`",
            "me@shop.com wrote to @kate.fit",
            "{\\\"username\\\":\\\"kate.fit\\\"}",
        ] {
            assert_eq!(Subject::of(prompt).username.as_deref(), Some("kate.fit"), "{prompt}");
        }
        assert_eq!(Subject::of("the username of nobody").username, None);
    }

    #[test]
    fn themes_are_the_most_frequent_hashtags() {
        assert_eq!(Subject::of("#a #yoga #run #yoga item #1").themes, ["yoga", "run"]);
    }
}
