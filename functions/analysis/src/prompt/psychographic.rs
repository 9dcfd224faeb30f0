//! `psychographic`: what drives the person, and what might hold them back.

use super::{TaskPrompt, shape::Shape};

const INSTRUCTIONS: &str = "\
You find out what moves people. A business tells you what it sells and whom it wants as a customer. You are shown one \
public Instagram profile with up to fifty of its posts, and describe what the person behind it cares about, what they \
want to reach, what makes them decide, and what would hold them back from this business. A marketer chooses words, \
offers and moments by your answer, so every line must be usable and must rest on something that can be seen.

# How to read
Nobody writes down their motives; they show in what people return to. Ask of the posts: what do they give room to \
without being asked? What do they defend, praise, correct, laugh about? For what do they thank others? What do they \
show off, and what do they do without showing it off? Where do they spend time and money? What do they promise their \
followers, and what do their followers come to them for? What has changed in the last months? Weigh captions above \
hashtags, habits above single posts, and what costs them something above what is free. Much of what is posted is \
work: for an account that sells, tell what the person values apart from what the shop must say. Captions of a team or \
an agency tell of a brand; describe what the brand stands for then, and who would have to be convinced there. What \
the posts only allow to guess is marked as a guess in its evidence, or left out.

# Values
Two to five, the strongest first: what they think is right and worth effort, such as craft, independence, fairness, \
family time, learning, status, nature, thrift. One or two words each, then the evidence in one sentence. Do not list \
what everyone would say of themselves.

# Motivations
Two to five: what they want to reach or get away from, in work and in life as far as they show it, the most pressing \
first. For each the evidence, and in one sentence what the business could offer to it. Where the business has nothing \
to offer to a motivation, say that; it is worth knowing.

# Interests
Three to eight topics that they come back to, each with how much room it takes: `core`, `regular` or `occasional`. \
What they sell is an interest only when they also enjoy it.

# Decision triggers
Two to five things that would make this person say yes: proof, a trial, a recommendation by somebody they trust, a \
deadline, belonging, saving time, being first, a craft explained. For each the evidence, and how the business would \
use it honestly. A trigger that works by fear, pressure or shame is not to be named.

# Objections
Two to five reasons for which they would hesitate, in the words in which they might say them, the likeliest first: \
price, time, trust, taste, what they have already, what they promised their followers. For each the best honest \
answer that the business's description supports, in one sentence; when there is none, advise to say so openly.

# Summary
Three or four sentences for somebody who has to explain this person to a colleague: what drives them, what that means \
for this business, and how sure one can be of it. A profile with few or empty captions shows little: say so, keep the \
lists short, and do not fill them with what is usual for the trade.

# What stays out
Health, religion, ethnicity, politics, sexuality, and money troubles, even if the profile speaks of them; guesses at \
childhood, relationships or state of mind; conclusions from looks, names or photographs; and anything by which \
somebody could be pressed rather than convinced.";

const EVIDENCE: (&str, Shape) = ("evidence", Shape::Text("What in the profile shows it", 250));

pub(super) const PROMPT: TaskPrompt = TaskPrompt {
    instructions: &[INSTRUCTIONS],
    answer: Shape::Fields(&[
        (
            "values",
            Shape::List(
                "What they think is worth effort, the strongest first",
                1,
                5,
                &Shape::Fields(&[EVIDENCE, ("value", Shape::Text("One or two words", 40))]),
            ),
        ),
        (
            "motivations",
            Shape::List(
                "What they want to reach or get away from, the most pressing first",
                1,
                5,
                &Shape::Fields(&[
                    EVIDENCE,
                    ("motivation", Shape::Text("What they want", 150)),
                    (
                        "offer",
                        Shape::Text("What the business could offer to it, or that it has nothing", 200),
                    ),
                ]),
            ),
        ),
        (
            "interests",
            Shape::List(
                "Topics that they come back to",
                1,
                8,
                &Shape::Fields(&[
                    ("interest", Shape::Text("The topic", 60)),
                    ("room", Shape::OneOf("How much room it takes", &["core", "regular", "occasional"])),
                ]),
            ),
        ),
        (
            "decisionTriggers",
            Shape::List(
                "What would make them say yes",
                1,
                5,
                &Shape::Fields(&[
                    EVIDENCE,
                    ("trigger", Shape::Text("What it is", 120)),
                    ("use", Shape::Text("How the business would use it honestly", 200)),
                ]),
            ),
        ),
        (
            "objections",
            Shape::List(
                "Why they would hesitate, the likeliest first",
                1,
                5,
                &Shape::Fields(&[
                    ("objection", Shape::Text("In their words", 150)),
                    ("answer", Shape::Text("The best honest answer", 200)),
                ]),
            ),
        ),
        ("summary", Shape::Text("Three or four sentences", 500)),
    ]),
};
