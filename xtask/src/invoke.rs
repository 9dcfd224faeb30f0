//! `invoke` and `logs`: work with one deployed Lambda by hand.

use crate::{
    stack::{Description, Stack},
    ui::print,
    workspace::{ROOT, shown},
};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Calls a function with one event, or with each of its samples in `events/`, and prints answers and log
/// lines.
pub(crate) fn invoke(stack: &Stack, function: &str, event: Option<&Path>) -> Result<()> {
    let arn = stack.description()?.function(function)?.to_owned();
    let events = match event {
        Some(event) => vec![event.to_owned()],
        None => samples(function)?,
    };
    let mut failed = 0;
    for event in &events {
        let text =
            fs::read_to_string(event).with_context(|| format!("{} cannot be read", event.display()))?;
        let payload: Value =
            serde_json::from_str(&text).with_context(|| format!("{} is not JSON", event.display()))?;
        let answer = stack.aws()?.invoke(&arn, &payload)?;
        let verdict = if answer.is_error { "  (failed)" } else { "" };
        print(format!("{function} ← {}{verdict}", shown(event)))?;
        print(serde_json::to_string_pretty(&readable(answer.payload))?)?;
        print(format!("{}\n", answer.log.trim_end()))?;
        failed += usize::from(answer.is_error);
    }
    if failed > 0 {
        bail!("{failed} of {} invocations of {function} failed", events.len());
    }
    Ok(())
}

/// The sample events of a function.
fn samples(function: &str) -> Result<Vec<PathBuf>> {
    let folder = ROOT.join("events").join(function);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .with_context(|| format!("there are no samples in events/{function}: give one with --event FILE"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    if files.is_empty() {
        bail!("there are no samples in events/{function}: give one with --event FILE");
    }
    Ok(files)
}

/// Shows the body of an HTTP answer, which is JSON inside a string, as JSON.
fn readable(mut payload: Value) -> Value {
    let body = payload.get("body").and_then(Value::as_str).and_then(|body| serde_json::from_str(body).ok());
    if let Some(body) = body {
        payload["body"] = body;
    }
    payload
}

/// Prints a function's log of the past hour. With `follow` it goes on with new lines.
pub(crate) fn logs(stack: &Stack, function: &str, follow: bool) -> Result<()> {
    let description: Description = stack.description()?;
    let arn = description.function(function)?;
    let name = arn.rsplit(':').next().unwrap_or(arn);
    let aws = stack.aws()?;
    let hour_ms = 3_600_000;
    let mut since = now_ms()?.saturating_sub(hour_ms);
    // Lines of the same millisecond may arrive in two reads. So the lines shown of the last millisecond are
    // remembered.
    let mut shown_at_since: Vec<String> = Vec::new();
    loop {
        for (time, line) in aws.logs(name, since)? {
            if time == since && shown_at_since.contains(&line) {
                continue;
            }
            if time > since {
                (since, shown_at_since) = (time, Vec::new());
            }
            print(&line)?;
            shown_at_since.push(line);
        }
        if !follow {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(500));
    }
}

fn now_ms() -> Result<u64> {
    Ok(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_body_is_shown_as_json() {
        let answer = json!({ "statusCode": 200, "body": "{\"success\":true}" });
        assert_eq!(readable(answer), json!({ "statusCode": 200, "body": { "success": true } }));
        assert_eq!(readable(json!("text")), json!("text"));
    }
}
