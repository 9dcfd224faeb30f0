//! Which models there are, what they cost, and which role uses which.

use jiff::{Unit, civil::Date};
use oslira_domain::{Effort, Role, Task};
use serde::{Deserialize, Serialize};
use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, LazyLock},
    time::Duration,
};

static EMBEDDED: LazyLock<Arc<Catalogue>> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the file is compiled in, and a test parses it")]
    let catalogue = Catalogue::parse(include_str!("../models.toml")).expect("models.toml is valid");
    Arc::new(catalogue)
});

#[derive(Clone, Debug, PartialEq)]
pub struct Catalogue {
    models: HashMap<String, Model>,
    pub(crate) roles: HashMap<Role, Pair>,
    hedge_after_ms: HashMap<Task, u64>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The vendor's name for the model.
    pub id: String,
    pub provider: Provider,
    pub price: Price,
    /// The reasoning efforts that the model accepts. When empty, the parameter is not sent.
    pub efforts: Vec<String>,
    /// The first day on which the model is no longer served; `None` when no date is known.
    #[serde(default)]
    pub shutdown: Option<Date>,
}

/// US dollars per million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Prompt tokens.
    pub input: f64,
    /// Prompt tokens read from the vendor's cache.
    pub cached: f64,
    /// Answer and reasoning tokens.
    pub output: f64,
    /// Prompt tokens written to the vendor's cache; `None` where that costs nothing extra.
    #[serde(default)]
    pub cache_write: Option<f64>,
}

/// A vendor of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// OpenAI, chat completions.
    OpenAi,
    /// Anthropic, messages.
    Anthropic,
}

/// A model in a role.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assignment<'a> {
    pub role: Role,
    /// Whether it serves only when the role's first model does not.
    pub is_fallback: bool,
    pub model: &'a Model,
}

/// Why a catalogue cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidCatalogue {
    /// The text is not TOML, or not of this shape.
    #[error("the catalogue of models cannot be read")]
    Unreadable(#[from] toml::de::Error),
    /// Two models have one id.
    #[error("the model {0:?} is listed twice")]
    Duplicate(String),
    /// A price is negative or not a number.
    #[error("the model {0:?} has an impossible price")]
    Price(String),
    /// A role names a model that is not listed.
    #[error("the role {0} names the unknown model {1:?}")]
    UnknownModel(Role, String),
    /// A role's two models would fail together.
    #[error("both models of the role {0} are of one provider")]
    OneProvider(Role),
    /// A role has no models.
    #[error("the role {0} has no models")]
    MissingRole(Role),
    /// A task lacks the time after which its call counts as slow.
    #[error("hedge_after_ms has no usable time for {0}")]
    MissingHedge(Task),
    /// The text with other models for roles is malformed.
    #[error("{0:?} is not of the form role=primary/fallback, once for any of fast, balanced, premium")]
    Override(String),
}

/// A role's models by their ids.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pair {
    pub(crate) primary: String,
    pub(crate) fallback: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    roles: HashMap<Role, Pair>,
    hedge_after_ms: HashMap<Task, u64>,
    models: Vec<Model>,
}

impl Catalogue {
    /// The catalogue in this crate's `models.toml`.
    pub fn embedded() -> Arc<Self> {
        Arc::clone(&EMBEDDED)
    }

    /// Reads and checks a catalogue.
    ///
    /// # Errors
    /// When the text is malformed, a model or a price is wrong, a role does not have two known models of two
    /// providers, or a task lacks the time after which its call counts as slow.
    pub fn parse(text: &str) -> Result<Self, InvalidCatalogue> {
        let file: File = toml::from_str(text)?;
        let mut models = HashMap::new();
        for model in file.models {
            let Price { input, cached, output, cache_write } = model.price;
            if [input, cached, output, cache_write.unwrap_or_default()]
                .iter()
                .any(|usd| !usd.is_finite() || *usd < 0.0)
            {
                return Err(InvalidCatalogue::Price(model.id));
            }
            if let Some(twin) = models.insert(model.id.clone(), model) {
                return Err(InvalidCatalogue::Duplicate(twin.id));
            }
        }
        for task in Task::ALL {
            if file.hedge_after_ms.get(&task).is_none_or(|ms| *ms == 0) {
                return Err(InvalidCatalogue::MissingHedge(task));
            }
        }
        Self { models, roles: file.roles, hedge_after_ms: file.hedge_after_ms }.checked()
    }

    /// Returns the catalogue if each role has two known models of two providers.
    pub(crate) fn checked(self) -> Result<Self, InvalidCatalogue> {
        for role in Role::ALL {
            let pair = self.roles.get(&role).ok_or(InvalidCatalogue::MissingRole(role))?;
            let mut providers = HashSet::new();
            for id in [&pair.primary, &pair.fallback] {
                let model =
                    self.models.get(id).ok_or_else(|| InvalidCatalogue::UnknownModel(role, id.clone()))?;
                providers.insert(model.provider);
            }
            if providers.len() < 2 {
                return Err(InvalidCatalogue::OneProvider(role));
            }
        }
        Ok(self)
    }

    /// A role's models, the primary first.
    pub fn of(&self, role: Role) -> [Assignment<'_>; 2] {
        let pair = &self.roles[&role];
        [(&pair.primary, false), (&pair.fallback, true)].map(|(id, is_fallback)| Assignment {
            role,
            is_fallback,
            model: &self.models[id],
        })
    }

    /// How long a task's call takes at most when nothing is wrong. After that a second call is worth making.
    pub fn hedge_after(&self, task: Task) -> Duration {
        Duration::from_millis(self.hedge_after_ms[&task])
    }

    /// Every model that has a role.
    pub fn assignments(&self) -> impl Iterator<Item = Assignment<'_>> {
        Role::ALL.into_iter().flat_map(|role| self.of(role))
    }
}

impl Model {
    /// Days until the model is shut down; 0 or less when it is shut down already; `None` when no date is
    /// known.
    pub fn days_until_shutdown(&self, today: Date) -> Option<i32> {
        Some(today.until((Unit::Day, self.shutdown?)).ok()?.get_days())
    }

    /// Whether the model is no longer served.
    pub fn is_shut_down(&self, today: Date) -> bool {
        self.shutdown.is_some_and(|shutdown| today >= shutdown)
    }

    /// The effort's name, if the model accepts it.
    pub fn effort(&self, effort: Effort) -> Option<&'static str> {
        let name = match effort {
            Effort::Low => "low",
            Effort::Medium => "medium",
        };
        self.efforts.iter().any(|accepted| accepted == name).then_some(name)
    }
}

impl Provider {
    /// The name in JSON, SQL and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn the_embedded_catalogue_is_valid() {
        let catalogue = Catalogue::embedded();
        let [primary, fallback] = catalogue.of(Role::Balanced);
        assert_eq!((primary.model.id.as_str(), primary.is_fallback), ("gpt-6.1-terra", false));
        assert_eq!((fallback.model.id.as_str(), fallback.is_fallback), ("claude-sonnet-5-5", true));
        assert_eq!(catalogue.assignments().count(), 6);
        for Assignment { model, .. } in catalogue.assignments() {
            assert!(
                model.effort(Effort::Low).is_some() && model.effort(Effort::Medium).is_some(),
                "{}",
                model.id
            );
            assert!(!model.is_shut_down(date(2026, 11, 20)), "{}", model.id);
        }
    }

    #[test]
    fn planned_models_have_their_shutdown_dates() {
        let catalogue = Catalogue::embedded();
        let shutdown = |id: &str| catalogue.models[id].shutdown;
        assert_eq!(shutdown("gpt-5"), Some(date(2026, 12, 11)));
        assert_eq!(shutdown("gpt-5-mini"), Some(date(2026, 12, 11)));
        assert_eq!(shutdown("gpt-4o-mini"), Some(date(2027, 1, 14)));
        assert_eq!(shutdown("gpt-6-luna"), None);
    }

    #[test]
    fn days_until_shutdown() {
        let catalogue = Catalogue::embedded();
        let gpt_5 = &catalogue.models["gpt-5"];
        assert_eq!(gpt_5.days_until_shutdown(date(2026, 11, 11)), Some(30));
        assert_eq!(gpt_5.days_until_shutdown(date(2026, 12, 12)), Some(-1));
        assert!(!gpt_5.is_shut_down(date(2026, 12, 10)));
        assert!(gpt_5.is_shut_down(date(2026, 12, 11)));
        assert_eq!(catalogue.of(Role::Fast)[0].model.days_until_shutdown(date(2026, 11, 11)), None);
    }

    #[test]
    fn models_that_take_no_effort_are_not_sent_one() {
        let catalogue = Catalogue::embedded();
        let mini = &catalogue.models["gpt-4o-mini"];
        assert_eq!(mini.effort(Effort::Low), None);
    }

    #[test]
    fn mistakes_are_refused() {
        let with = |from: &str, to: &str| {
            let text = include_str!("../models.toml");
            assert!(text.contains(from), "{from}");
            Catalogue::parse(&text.replacen(from, to, 1)).unwrap_err().to_string()
        };
        assert_eq!(
            with("primary = \"gpt-6-luna\"", "primary = \"gpt-9\""),
            "the role fast names the unknown model \"gpt-9\""
        );
        assert_eq!(
            with("fallback = \"claude-haiku-5-5\"", "fallback = \"gpt-5\""),
            "both models of the role fast are of one provider"
        );
        assert_eq!(with("id = \"gpt-5-mini\"", "id = \"gpt-5\""), "the model \"gpt-5\" is listed twice");
        assert_eq!(
            with("input = 0.15", "input = -0.15"),
            "the model \"gpt-4o-mini\" has an impossible price"
        );
        assert_eq!(
            with("shutdown = \"2027-01-14\"", "shutdown = \"soon\""),
            "the catalogue of models cannot be read"
        );
        assert_eq!(with("[[models]]", "[[modles]]"), "the catalogue of models cannot be read");
        assert_eq!(with("premium = {", "#premium = {"), "the role premium has no models");
        for (from, to) in [("personality =", "#personality ="), ("personality = 15_000", "personality = 0")] {
            assert_eq!(with(from, to), "hedge_after_ms has no usable time for personality");
        }
    }
}
