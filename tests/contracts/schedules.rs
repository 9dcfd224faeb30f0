//! Jobs on a schedule.

use crate::{files::string, none, template::Template};

#[test]
fn a_schedule_says_when_in_utc() {
    let template = Template::read();
    let mut count = 0;
    let mut problems = Vec::new();
    for function in template.functions() {
        for schedule in function.events("ScheduleV2") {
            count += 1;
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
    assert!(count > 0, "no schedules were found");
    none(problems);
}

#[test]
fn the_hourly_jobs_query_has_its_index() {
    let query = crate::files::text("functions/maintenance/src/stale_runs.rs");
    let index = crate::files::text("migrations/V0012__find_stale_runs.sql");
    for part in ["status = 'pending'", "created_at, run_id"] {
        assert!(query.contains(part) && index.contains(part), "{part:?} must be in both");
    }
}
