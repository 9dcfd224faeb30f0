//! Places the answers of a tier's tasks in the result.

use crate::prompt::FitAnswer;
use oslira_domain::{Error, Result, Task, Tier};
use serde_json::{Map, Value};

/// Fields of the fit that stand at the top level of every tier's result, if the task returns them.
const AT_THE_TOP: [&str; 3] = ["summary", "deepSummary", "sellingPoints"];
/// Fields of the fit that become part of the score.
const IN_THE_SCORE: [&str; 3] = ["fitScore", "confidence", "reasons"];

/// Returns the fit and the sections. [`AT_THE_TOP`] names what stands at the top level. All other answers
/// stand under the name of their task.
pub(crate) fn of(tier: Tier, answers: &Map<String, Value>) -> Result<(FitAnswer, Map<String, Value>)> {
    let (fit_task, other_tasks) =
        tier.tasks().split_first().ok_or_else(|| Error::internal(format!("{tier} has no task")))?;
    let mut rest = answer_of(*fit_task, answers)?.clone();
    // The parser's own message is left out, because it may quote the model.
    let fit = serde_json::from_value(Value::Object(rest.clone()))
        .map_err(|_| Error::internal("the answer about the fit cannot be read"))?;
    for field in IN_THE_SCORE {
        rest.remove(field);
    }
    let mut sections = Map::new();
    for field in AT_THE_TOP {
        sections.extend(rest.remove_entry(field));
    }
    if !rest.is_empty() {
        sections.insert(fit_task.to_string(), Value::Object(rest));
    }
    for task in other_tasks {
        sections.insert(task.to_string(), Value::Object(answer_of(*task, answers)?.clone()));
    }
    Ok((fit, sections))
}

fn answer_of(task: Task, answers: &Map<String, Value>) -> Result<&Map<String, Value>> {
    let answer = answers.get(task.as_str()).and_then(Value::as_object);
    answer.ok_or_else(|| Error::internal(format!("the task {task} has no answer")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answers(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn a_light_result_has_a_summary_and_nothing_more() {
        let answers = answers(json!({
            "scoring": {"fitScore": 70, "confidence": 80, "reasons": ["r"], "summary": "s"},
        }));
        let (fit, sections) = of(Tier::Light, &answers).unwrap();
        assert_eq!(fit, FitAnswer { fit_score: 70, confidence: 80, reasons: vec!["r".to_owned()] });
        assert_eq!(Value::Object(sections), json!({"summary": "s"}));
    }

    #[test]
    fn every_task_of_an_x_ray_has_its_place() {
        let answers = answers(json!({
            "commercial": {"fitScore": 70, "confidence": 80, "reasons": ["r"], "summary": "s", "deepSummary": "d",
                "sellingPoints": [], "buyingSignals": [], "partnership": {"fitScore": 9}},
            "psychographic": {"values": []}, "outreach": {"message": "m"}, "personality": {"tips": []},
        }));
        let (fit, sections) = of(Tier::Xray, &answers).unwrap();
        assert_eq!(fit.fit_score, 70);
        assert_eq!(
            Value::Object(sections),
            json!({
                "summary": "s", "deepSummary": "d", "sellingPoints": [],
                "commercial": {"buyingSignals": [], "partnership": {"fitScore": 9}},
                "psychographic": {"values": []}, "outreach": {"message": "m"}, "personality": {"tips": []},
            })
        );
    }

    #[test]
    fn a_missing_answer_is_our_fault() {
        let answers = answers(json!({"core_strategy": {"fitScore": 1, "confidence": 1, "reasons": []}}));
        let error = of(Tier::Deep, &answers).unwrap_err();
        assert!(error.chain().contains("outreach"), "{}", error.chain());
    }
}
