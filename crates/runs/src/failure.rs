//! The failure that ended an execution, as a state machine's last step is told of it.

use oslira_domain::{Code, Error, Result, RunId, execution_of};
use oslira_lambda::note_run;
use serde::Deserialize;

/// A state's error, as Step Functions reports it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct StateError {
    error: String,
    #[serde(default)]
    cause: String,
}

impl StateError {
    /// The code and the sentence to show. Our own stages give their code as the error and their sentence in
    /// the cause. Any other error is the platform's, and its words are not meant for users.
    pub fn explain(&self) -> (Code, String) {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct LambdaCause {
            error_message: String,
        }
        match (Code::named(&self.error), serde_json::from_str::<LambdaCause>(&self.cause)) {
            (Some(code), Ok(cause)) => (code, cause.error_message),
            _ => (Code::InternalError, "Something went wrong on our side.".to_owned()),
        }
    }
}

/// The run, or what is worked on like one, that an execution is named by.
pub fn run_of(execution_name: &str) -> Result<RunId> {
    let run_id = execution_of(execution_name)
        .map(|(run_id, _)| run_id)
        .ok_or_else(|| Error::new(Code::ValidationFailed, "The execution is not named by a run's id."))?;
    note_run(run_id);
    Ok(run_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(error: &str, cause: &str) -> (Code, String) {
        StateError { error: error.to_owned(), cause: cause.to_owned() }.explain()
    }

    #[test]
    fn our_errors_speak_for_themselves_and_the_platforms_do_not() {
        let cause = r#"{"errorType":"ProfilePrivate","errorMessage":"The account is private."}"#;
        assert_eq!(
            explained("ProfilePrivate", cause),
            (Code::ProfilePrivate, "The account is private.".to_owned())
        );
        assert_eq!(explained("Runtime.ExitError", "RequestId: 1 exited").0, Code::InternalError);
        assert_eq!(explained("States.Timeout", "").0, Code::InternalError);
    }
}
