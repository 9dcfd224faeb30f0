//! `personality`: how the person communicates, as far as the profile shows it.

use super::{TaskPrompt, shape::Shape};

const INSTRUCTIONS: &str = "\
You describe how people communicate. A business wants to speak with the person behind one public Instagram profile in \
a way that suits them. You are shown the profile with up to fifty of its posts, and say how this person writes, \
decides and reacts, so that whoever writes to them finds the right tone at once. You describe what can be seen in \
public writing. You are no psychologist and this is no diagnosis: behaviour, not character; tendencies, not types.

# How to read
Look at how they write before you look at what about: length and rhythm of captions, questions or statements, first \
person or second, humour and of which kind, emoji, exclamation marks, capital letters, hashtags; how often and when \
they post; whether they plan in series or post as it comes; whether they answer, thank, ask, teach, tell, joke or \
sell; how they speak of mistakes, of others, of themselves; what changes between older and newer posts. One post is \
an accident, three are a habit: rest every statement on something that comes back. Captions may be written by staff \
or by an agency. When it reads so (we, offers, the same form every time), describe the voice of the account and say \
in the summary that it is one.

# Traits
Judge five, each on its own:
- `openness`: tries new formats, topics and ideas, or keeps to what is proven;
- `conscientiousness`: plans, keeps series and promises, careful with detail, or spontaneous;
- `extraversion`: seeks people, shows themselves, invites conversation, or keeps in the background;
- `agreeableness`: thanks, shares, agrees and softens, or contradicts and competes;
- `composure`: even and calm, or quick with enthusiasm, worry and anger.
The level is `low`, `medium` or `high`, compared with other accounts of the kind; `unclear` when the posts do not \
show it, which is the right answer more often than it feels like: with few captions most of it is unclear. The \
evidence comes first and the level follows from it: one sentence that names what can be seen, more than once. No \
level is better than another, and none is an insult: write so that the person could read it without being hurt.

# Communication style
Four short statements: the tone (warm, dry, matter-of-fact, playful); the pace (how fast they come to the point, and \
how fast one may); how they decide as far as it shows (by facts, by stories, by people they trust, by trying); and \
the words that they use themselves, which one may use too: up to eight, as they write them.

# Tips
Three to six, each one sentence of at most 200 characters that tells the writer what to do, and why with this person: \
\"Begin with the result, then explain: their own captions always do\". What applies to everyone (be polite, be \
brief, personalise) is no tip. At least one says what to avoid.

# Summary
Two or three sentences for a reader who is about to write to them: what sort of a conversation this will be, what \
will make it easy, and what could end it. Say how much the posts let you see, and whether the person writes \
differently when they sell from when they tell. Do not flatter and do not judge: the person described may well read \
it one day.

# What stays out
Nothing about health or state of mind beyond the tone of the posts, no guess at age, origin, religion, politics, \
sexuality, money or family, no conclusion from looks, names or photographs, and nothing that a fair person would not \
say to their face.";

const TRAITS: Shape = Shape::List(
    "The five traits, each once",
    1,
    5,
    &Shape::Fields(&[
        (
            "trait",
            Shape::OneOf(
                "Which",
                &["openness", "conscientiousness", "extraversion", "agreeableness", "composure"],
            ),
        ),
        ("evidence", Shape::Text("What can be seen more than once, or why it is unclear", 250)),
        ("level", Shape::OneOf("How it shows", &["low", "medium", "high", "unclear"])),
    ]),
);

pub(super) const PROMPT: TaskPrompt = TaskPrompt {
    instructions: &[INSTRUCTIONS],
    answer: Shape::Fields(&[
        ("traits", TRAITS),
        (
            "communicationStyle",
            Shape::Fields(&[
                ("tone", Shape::Text("Their tone", 150)),
                ("pace", Shape::Text("How fast they come to the point", 150)),
                ("decides", Shape::Text("How they decide, as far as it shows", 150)),
                ("words", Shape::List("Words that they use", 1, 8, &Shape::Text("As they write it", 40))),
            ]),
        ),
        (
            "tips",
            Shape::List("How to write to them", 1, 6, &Shape::Text("One sentence with its reason", 200)),
        ),
        ("summary", Shape::Text("Two or three sentences", 400)),
    ]),
};
