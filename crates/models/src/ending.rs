//! Roles whose models will soon be shut down, or already are.

use crate::{Assignment, Catalogue};
use jiff::civil::Date;
use std::fmt;

/// How many days before a shutdown people are warned.
const NOTICE_DAYS: i32 = 30;

/// A model with a role whose shutdown is near or past.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ending<'a> {
    pub assignment: Assignment<'a>,
    /// The first day on which the model is no longer served.
    pub date: Date,
    /// Days until then; 0 or less when the model is shut down already.
    pub days: i32,
}

impl Catalogue {
    /// The models with a role that are shut down, or will be within 30 days.
    pub fn ending(&self, today: Date) -> impl Iterator<Item = Ending<'_>> {
        self.assignments().filter_map(move |assignment| {
            let days = assignment.model.days_until_shutdown(today)?;
            let date = assignment.model.shutdown?;
            (days <= NOTICE_DAYS).then_some(Ending { assignment, date, days })
        })
    }
}

impl Ending<'_> {
    /// Whether the shutdown is past.
    pub fn is_past(&self) -> bool {
        self.days <= 0
    }
}

impl fmt::Display for Ending<'_> {
    /// Writes a sentence without its full stop.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Assignment { role, is_fallback, model } = self.assignment;
        let place = if is_fallback { "the fallback of the role" } else { "the model of the role" };
        let (model, date, days) = (&model.id, self.date, self.days);
        match days {
            ..=0 => write!(f, "{model}, {place} {role}, was shut down on {date}"),
            1 => write!(f, "{model}, {place} {role}, is shut down tomorrow, on {date}"),
            _ => write!(f, "{model}, {place} {role}, is shut down in {days} days, on {date}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn only_models_with_a_role_and_a_near_end_are_named() {
        let catalogue = Catalogue::embedded();
        let catalogue =
            catalogue.with_roles("fast=gpt-5-mini/claude-haiku-5-5,premium=claude-sonnet-5-5/gpt-5").unwrap();
        let told = |day| catalogue.ending(day).map(|ending| ending.to_string()).collect::<Vec<_>>();
        assert!(told(date(2026, 11, 10)).is_empty());
        assert_eq!(
            told(date(2026, 11, 11)),
            [
                "gpt-5-mini, the model of the role fast, is shut down in 30 days, on 2026-12-11",
                "gpt-5, the fallback of the role premium, is shut down in 30 days, on 2026-12-11"
            ]
        );
        assert!(told(date(2026, 12, 10))[0].contains("tomorrow"));
        assert!(told(date(2026, 12, 11))[0].ends_with("was shut down on 2026-12-11"));
        assert!(catalogue.ending(date(2026, 12, 10)).all(|ending| !ending.is_past()));
        assert!(catalogue.ending(date(2026, 12, 11)).all(|ending| ending.is_past()));
    }
}
