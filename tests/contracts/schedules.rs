//! Jobs on a schedule.

use crate::{declared::Kind, files::string, none, template::Template};

/// Schedules that do not say when, or not in UTC.
pub(crate) fn schedules_without_a_time(template: &Template) -> Vec<String> {
    let mut problems = Vec::new();
    for function in template.functions() {
        for schedule in function.events("ScheduleV2") {
            let expression = string(&schedule["ScheduleExpression"]);
            if !expression.starts_with("rate(") && !expression.starts_with("cron(") {
                problems
                    .push(format!("{}: its ScheduleExpression must be rate(…) or cron(…)", function.name));
            }
            if schedule["ScheduleExpressionTimezone"] != "UTC" {
                problems.push(format!("{}: set ScheduleExpressionTimezone to UTC", function.name));
            }
        }
        // The older kind knows no time zone, and goes through EventBridge's rules, of which there are few.
        if function.events("Schedule").next().is_some() {
            problems.push(format!("{}: use ScheduleV2", function.name));
        }
    }
    problems
}

#[test]
fn a_schedule_says_when_in_utc() {
    let template = Template::read();
    let mut kinds = template.functions().map(|function| function.kind_of_function());
    assert!(kinds.any(|kind| kind == Kind::ScheduledJob), "no scheduled jobs were found");
    none(schedules_without_a_time(&template));
}
