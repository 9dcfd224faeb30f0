//! The sections that only DEEP and X-Ray have. Each is the answer of one AI task, within the limits of its
//! prompt.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase")]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }
    };
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase")]
        pub enum $name { $($(#[$word_doc])* $word,)* }
    };
}

section! {
    /// A reason why the lead could buy.
    SellingPoint {
        /// What the business can do for the lead.
        point: String,
        /// What in the profile shows that this matters to the lead.
        evidence: String,
    }
}

section! {
    /// A first message, ready to send.
    Outreach {
        /// What to talk about, the freshest first.
        hooks: Vec<Hook>,
        /// The subject, for sending the message as an e-mail.
        subject: String,
        /// The message.
        message: String,
        /// Other messages.
        alternatives: Vec<Alternative>,
        /// What to do when writing to the lead.
        dos: Vec<String>,
        /// What to avoid when writing to the lead.
        donts: Vec<String>,
    }
}

section! {
    /// Something to talk about.
    Hook {
        /// The subject to talk about.
        hook: String,
        /// Why the lead would be interested.
        why: String,
    }
}

section! {
    /// Another message.
    Alternative {
        /// The message.
        message: String,
        /// When to use it instead.
        when: String,
    }
}

section! {
    /// How the person communicates in public, as far as the posts show it.
    Personality {
        /// The person's traits, each judged by itself.
        traits: Vec<Trait>,
        /// How the person writes.
        communication_style: CommunicationStyle,
        /// How to write to the person.
        tips: Vec<String>,
        /// Two or three sentences.
        summary: String,
    }
}

section! {
    /// A trait, as far as the posts show it.
    Trait {
        /// Which trait it is.
        r#trait: TraitName,
        /// What shows the trait more than once, or why it is unclear.
        evidence: String,
        /// How clearly the trait shows.
        level: Level,
    }
}

words! {
    /// The five traits.
    TraitName {
        /// Tries new things.
        Openness,
        /// Plans and keeps order.
        Conscientiousness,
        /// Seeks company.
        Extraversion,
        /// Gives way to others.
        Agreeableness,
        /// Stays calm.
        Composure,
    }
}

words! {
    /// How clearly a trait shows.
    Level {
        /// A little.
        Low,
        /// Somewhat.
        Medium,
        /// Clearly.
        High,
        /// The posts do not show it.
        Unclear,
    }
}

section! {
    /// How the person writes.
    CommunicationStyle {
        /// The tone of their texts.
        tone: String,
        /// How quickly they come to the point.
        pace: String,
        /// How they make decisions, as far as the posts show it.
        decides: String,
        /// Words that they often use.
        words: Vec<String>,
    }
}

section! {
    /// What drives the person, and what might hold them back.
    Psychographic {
        /// What is important to them.
        values: Vec<Value>,
        /// What they want.
        motivations: Vec<Motivation>,
        /// What they like to do.
        interests: Vec<Interest>,
        /// What makes them decide.
        decision_triggers: Vec<DecisionTrigger>,
        /// What they might object to.
        objections: Vec<Objection>,
        /// Two or three sentences.
        summary: String,
    }
}

section! {
    /// Something that is important to the person.
    Value {
        /// What is important to them.
        value: String,
        /// What in the posts shows it.
        evidence: String,
    }
}

section! {
    /// Something that the person wants.
    Motivation {
        /// What they want.
        motivation: String,
        /// What in the posts shows it.
        evidence: String,
        /// How the business could help with it.
        offer: String,
    }
}

section! {
    /// Something that the person likes.
    Interest {
        /// What they like.
        interest: String,
        /// How much of the posts is about it.
        room: Room,
    }
}

words! {
    /// How much of the posts is about something.
    Room {
        /// Most of the posts.
        Core,
        /// Posts again and again.
        Regular,
        /// Posts now and then.
        Occasional,
    }
}

section! {
    /// Something that makes the person decide.
    DecisionTrigger {
        /// What makes them decide.
        trigger: String,
        /// What in the posts shows it.
        evidence: String,
        /// How the business could use it honestly.
        r#use: String,
    }
}

section! {
    /// Something that the person might object to.
    Objection {
        /// The objection, in their words.
        objection: String,
        /// What the business could answer.
        answer: String,
    }
}

section! {
    /// When the lead could buy, for how much, and how the two could work together.
    Commercial {
        /// Signs that the lead is about to buy, the strongest first; empty when there are none.
        buying_signals: Vec<BuyingSignal>,
        /// How much the lead could spend.
        budget_estimate: BudgetEstimate,
        /// How the two could work together as partners.
        partnership: Partnership,
    }
}

section! {
    /// A sign that the lead is about to buy.
    BuyingSignal {
        /// What the sign is.
        signal: String,
        /// How strong the sign is.
        strength: Strength,
    }
}

words! {
    /// How strong a sign is.
    Strength {
        /// The lead is looking for such an offer now.
        Strong,
        /// The lead will need such an offer soon.
        Medium,
        /// The lead may need such an offer.
        Weak,
    }
}

section! {
    /// How much the lead could spend.
    BudgetEstimate {
        /// The range of the amount.
        band: BudgetBand,
        /// How sure the model is, in percent.
        #[schemars(range(min = 0, max = 100))]
        confidence: u8,
        /// The reasons for the estimate.
        reasons: Vec<String>,
    }
}

/// A range of US dollars per month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum BudgetBand {
    /// Less than 100.
    #[serde(rename = "under100")]
    Under100,
    /// 100 to 500.
    #[serde(rename = "100to500")]
    From100To500,
    /// 500 to 2,000.
    #[serde(rename = "500to2000")]
    From500To2000,
    /// 2,000 to 10,000.
    #[serde(rename = "2000to10000")]
    From2000To10000,
    /// More than 10,000.
    #[serde(rename = "over10000")]
    Over10000,
    /// The profile does not show it.
    #[serde(rename = "unknown")]
    Unknown,
}

section! {
    /// How the two could work together as partners.
    Partnership {
        /// How well they would fit as partners, 0 to 100.
        #[schemars(range(min = 0, max = 100))]
        fit_score: u8,
        /// The reasons for the fit.
        summary: String,
        /// How they could work together.
        formats: Vec<String>,
        /// What could go wrong.
        risk: String,
    }
}
