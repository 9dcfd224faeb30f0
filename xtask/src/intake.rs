//! `pause` and `unpause`: the operator's switch for new analyses.

use crate::{stack::Stack, ui::print};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Returns the switch of a running stack: its table, and the key of the item that exists while it is set.
fn switch(stack: &Stack) -> Result<(String, Value)> {
    let description = stack.description()?;
    let table =
        description.tables.get("intake").context("the stack has no table `intake`: `cargo xtask up`")?;
    Ok((table.clone(), json!({"switch": {"S": "pause"}})))
}

/// Refuses new analyses for a time, or until [`unpause`].
pub(crate) fn pause(stack: &Stack, minutes: Option<u32>, note: Option<&str>) -> Result<()> {
    let (table, key) = switch(stack)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    stack.aws()?.put_item(&table, &item(key, minutes, note, now))?;
    Ok(print(match minutes {
        Some(minutes) => {
            format!("New analyses are refused for {minutes} min; `cargo xtask unpause` ends it.")
        }
        None => "New analyses are refused until `cargo xtask unpause`.".to_owned(),
    })?)
}

/// Accepts new analyses again.
pub(crate) fn unpause(stack: &Stack) -> Result<()> {
    let (table, key) = switch(stack)?;
    stack.aws()?.delete_item(&table, &key)?;
    Ok(print("New analyses are taken in, as far as limits allow.")?)
}

/// Returns a sentence for `status` while new analyses are refused.
pub(crate) fn shown(stack: &Stack) -> Result<Option<String>> {
    let (table, key) = switch(stack)?;
    let item = stack.aws()?.item(&table, &key)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(item.and_then(|item| sentence(&item, now)))
}

fn item(mut item: Value, minutes: Option<u32>, note: Option<&str>, now: Duration) -> Value {
    if let Some(minutes) = minutes {
        let until = now + Duration::from_mins(minutes.into());
        item["until"] = json!({"N": until.as_millis().to_string()});
    }
    if let Some(note) = note {
        item["note"] = json!({"S": note});
    }
    item
}

fn sentence(item: &Value, now: Duration) -> Option<String> {
    let until = item["until"]["N"].as_str().and_then(|text| text.parse().ok()).map(Duration::from_millis);
    let time = match until {
        Some(until) if until <= now => return None,
        Some(until) => format!("for another {} min", (until - now).as_secs().div_ceil(60)),
        None => "until `cargo xtask unpause`".to_owned(),
    };
    let note = item["note"]["S"].as_str().map(|note| format!(" ({note})")).unwrap_or_default();
    Some(format!("New analyses are paused {time}{note}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_told_while_it_lasts() {
        let now = Duration::from_secs(1_800_000_000);
        let key = || json!({"switch": {"S": "pause"}});
        let endless = item(key(), None, None, now);
        assert_eq!(sentence(&endless, now).unwrap(), "New analyses are paused until `cargo xtask unpause`.");
        let noted = item(key(), Some(90), Some("costs"), now);
        let later = now + Duration::from_secs(30);
        assert_eq!(sentence(&noted, later).unwrap(), "New analyses are paused for another 90 min (costs).");
        assert_eq!(sentence(&noted, now + Duration::from_mins(90)), None);
    }
}
