//! The sections that only DEEP and X-Ray have. Each is what one AI task answers, within the limits that its prompt sets.

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
    /// Why the lead could buy.
    SellingPoint {
        /// What the business can do for them.
        point: String,
        /// What in the profile shows that it matters to them.
        evidence: String,
    }
}

section! {
    /// A first message, ready to send.
    Outreach {
        /// What to talk about, the freshest first.
        hooks: Vec<Hook>,
        /// For sending the message as an e-mail.
        subject: String,
        /// The message.
        message: String,
        /// Other messages.
        alternatives: Vec<Alternative>,
        /// What to do.
        dos: Vec<String>,
        /// What not to do.
        donts: Vec<String>,
    }
}

section! {
    /// Something to talk about.
    Hook {
        /// What.
        hook: String,
        /// Why it would be heard.
        why: String,
    }
}

section! {
    /// Another message.
    Alternative {
        /// The message.
        message: String,
        /// When to prefer it.
        when: String,
    }
}

section! {
    /// How the person communicates in public, as far as the posts show it.
    Personality {
        /// Traits, each on its own.
        traits: Vec<Trait>,
        /// How they write.
        communication_style: CommunicationStyle,
        /// How to write to them.
        tips: Vec<String>,
        /// Two or three sentences.
        summary: String,
    }
}

section! {
    /// A trait, as far as it shows.
    Trait {
        /// Which.
        r#trait: TraitName,
        /// What can be seen more than once, or why it is unclear.
        evidence: String,
        /// How it shows.
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
    /// How a trait shows.
    Level {
        /// Little.
        Low,
        /// Somewhat.
        Medium,
        /// Much.
        High,
        /// The posts do not tell.
        Unclear,
    }
}

section! {
    /// How the person writes.
    CommunicationStyle {
        /// Their tone.
        tone: String,
        /// How fast they come to the point.
        pace: String,
        /// How they decide, as far as it shows.
        decides: String,
        /// Words that they use.
        words: Vec<String>,
    }
}

section! {
    /// What moves the person, and what would hold them back.
    Psychographic {
        /// What they hold dear.
        values: Vec<Value>,
        /// What they want.
        motivations: Vec<Motivation>,
        /// What they like to do.
        interests: Vec<Interest>,
        /// What makes them decide.
        decision_triggers: Vec<DecisionTrigger>,
        /// What they would object.
        objections: Vec<Objection>,
        /// Two or three sentences.
        summary: String,
    }
}

section! {
    /// Something that they hold dear.
    Value {
        /// What.
        value: String,
        /// What in the posts shows it.
        evidence: String,
    }
}

section! {
    /// Something that they want.
    Motivation {
        /// What.
        motivation: String,
        /// What in the posts shows it.
        evidence: String,
        /// What the business could offer to it.
        offer: String,
    }
}

section! {
    /// Something that they like.
    Interest {
        /// What.
        interest: String,
        /// How much of the posts it takes.
        room: Room,
    }
}

words! {
    /// How much of the posts something takes.
    Room {
        /// Most posts.
        Core,
        /// Again and again.
        Regular,
        /// Now and then.
        Occasional,
    }
}

section! {
    /// Something that makes them decide.
    DecisionTrigger {
        /// What.
        trigger: String,
        /// What in the posts shows it.
        evidence: String,
        /// How the business would use it honestly.
        r#use: String,
    }
}

section! {
    /// Something that they would object.
    Objection {
        /// The objection, in their words.
        objection: String,
        /// What the business could answer.
        answer: String,
    }
}

section! {
    /// The moment, the money, and what the two could do together.
    Commercial {
        /// Signs that they are about to buy, the strongest first; empty when there is none.
        buying_signals: Vec<BuyingSignal>,
        /// What they could spend.
        budget_estimate: BudgetEstimate,
        /// What the two could do together.
        partnership: Partnership,
    }
}

section! {
    /// A sign that they are about to buy.
    BuyingSignal {
        /// What it is.
        signal: String,
        /// How much it says.
        strength: Strength,
    }
}

words! {
    /// How much a sign says.
    Strength {
        /// They are looking for it now.
        Strong,
        /// They will need it soon.
        Medium,
        /// They may need it.
        Weak,
    }
}

section! {
    /// What they could spend.
    BudgetEstimate {
        /// The band.
        band: BudgetBand,
        /// How sure the model is, in percent.
        #[schemars(range(min = 0, max = 100))]
        confidence: u8,
        /// Why.
        reasons: Vec<String>,
    }
}

/// US dollars a month.
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
    /// The profile does not tell.
    #[serde(rename = "unknown")]
    Unknown,
}

section! {
    /// What the two could do together.
    Partnership {
        /// How well they would fit as partners, 0 to 100.
        #[schemars(range(min = 0, max = 100))]
        fit_score: u8,
        /// Why.
        summary: String,
        /// How they could work together.
        formats: Vec<String>,
        /// What could go wrong.
        risk: String,
    }
}
