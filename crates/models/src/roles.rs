//! Other models for roles, as a stage's configuration names them.

use crate::{Catalogue, InvalidCatalogue, catalogue::Pair};
use oslira_domain::Role;
use std::collections::HashSet;

impl Catalogue {
    /// The same catalogue with other models in the roles that `overrides` names. An example is
    /// `fast=gpt-6-luna/claude-haiku-5-5,premium=gpt-6.1-sol/claude-sonnet-5-5`, with the primary before the
    /// fallback. An empty text or spaces alone change nothing.
    ///
    /// # Errors
    /// When the text is malformed, names an unknown role or names one twice, or gives a role a model that the
    /// catalogue refuses there.
    pub fn with_roles(&self, overrides: &str) -> Result<Self, InvalidCatalogue> {
        let mut catalogue = self.clone();
        let mut named = HashSet::new();
        for entry in overrides.split(',').filter(|_| !overrides.trim().is_empty()) {
            let (role, pair) = read(entry)
                .filter(|(role, _)| named.insert(*role))
                .ok_or_else(|| InvalidCatalogue::Override(entry.trim().to_owned()))?;
            catalogue.roles.insert(role, pair);
        }
        catalogue.checked()
    }
}

fn read(entry: &str) -> Option<(Role, Pair)> {
    let (role, models) = entry.split_once('=')?;
    let role = Role::ALL.into_iter().find(|it| it.as_str() == role.trim())?;
    let (primary, fallback) = models.split_once('/')?;
    Some((role, Pair { primary: primary.trim().to_owned(), fallback: fallback.trim().to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn models(catalogue: &Catalogue, role: Role) -> [String; 2] {
        catalogue.of(role).map(|assignment| assignment.model.id.clone())
    }

    #[test]
    fn roles_that_are_named_change_and_the_others_stay() {
        let embedded = Catalogue::embedded();
        let changed = embedded
            .with_roles("fast=gpt-6.1-terra/claude-haiku-5-5, premium = claude-sonnet-5-5/gpt-6.1-sol");
        let changed = changed.unwrap();
        assert_eq!(models(&changed, Role::Fast), ["gpt-6.1-terra", "claude-haiku-5-5"]);
        assert_eq!(models(&changed, Role::Premium), ["claude-sonnet-5-5", "gpt-6.1-sol"]);
        assert_eq!(models(&changed, Role::Balanced), models(&embedded, Role::Balanced));
    }

    #[test]
    fn without_overrides_nothing_changes() {
        let embedded = Catalogue::embedded();
        for none in ["", "  "] {
            assert_eq!(embedded.with_roles(none).unwrap(), *embedded);
        }
    }

    #[test]
    fn mistakes_are_refused() {
        let refused = |text: &str| Catalogue::embedded().with_roles(text).unwrap_err().to_string();
        let form = "is not of the form role=primary/fallback, once for any of fast, balanced, premium";
        for text in [
            "slow=gpt-6-luna/claude-haiku-5-5",
            "fast=gpt-6-luna",
            "fast",
            "Fast=gpt-6-luna/claude-haiku-5-5",
        ] {
            assert_eq!(refused(text), format!("{text:?} {form}"));
        }
        let pair = "fast=gpt-6-luna/claude-haiku-5-5";
        assert_eq!(refused(&format!("{pair},{pair}")), format!("{pair:?} {form}"));
        assert_eq!(refused(&format!("{pair},")), format!("\"\" {form}"));
        assert_eq!(refused("fast=gpt-9/claude-haiku-5-5"), "the role fast names the unknown model \"gpt-9\"");
        assert_eq!(
            refused("balanced=gpt-6-luna/gpt-6.1-sol"),
            "both models of the role balanced are of one provider"
        );
    }
}
