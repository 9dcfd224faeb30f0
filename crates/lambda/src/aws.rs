//! Errors of AWS's services.

use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use oslira_domain::Error;
use std::fmt;

/// The error when an AWS service refuses a request or cannot be reached. It keeps the service's error code
/// and the request's id. The service's message is dropped, because it may quote what was sent.
pub fn aws_error<E, R>(error: SdkError<E, R>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: fmt::Debug + Send + Sync + 'static,
{
    match &error {
        SdkError::ServiceError(refused) => aws_refused(refused.err()),
        SdkError::ResponseError(_) => Error::store("AWS answered something that cannot be read"),
        // There was no answer, so this error is about the connection.
        _ => Error::store(error),
    }
}

/// The same, for a caller that has already found the service's refusal in the error.
pub fn aws_refused(refused: &impl ProvideErrorMetadata) -> Error {
    let word = |text: Option<&str>| {
        let is_word = |text: &&str| {
            !text.is_empty()
                && text.len() <= 100
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        text.filter(is_word).unwrap_or("unknown").to_owned()
    };
    let (code, request_id) = (word(refused.code()), word(refused.meta().extra("aws_request_id")));
    Error::store(format!("AWS refused: {code} (request {request_id})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_secretsmanager::{
        error::{BoxError, ConnectorError, ErrorMetadata},
        operation::get_secret_value::GetSecretValueError,
    };

    #[test]
    fn a_refusal_is_told_by_its_code_and_not_in_awss_words() {
        let metadata = ErrorMetadata::builder()
            .code("ValidationException")
            .message("Value 'canary' at 'input' failed to satisfy constraint")
            .custom("aws_request_id", "1b-2c")
            .build();
        let error = aws_error(SdkError::service_error(GetSecretValueError::generic(metadata), ()));
        assert_eq!(error.chain(), "AWS refused: ValidationException (request 1b-2c)");

        for odd in ["no code: canary", ""] {
            let odd = ErrorMetadata::builder().code(odd).build();
            assert_eq!(aws_refused(&odd).chain(), "AWS refused: unknown (request unknown)");
        }

        let unreadable = SdkError::<GetSecretValueError, _>::response_error(BoxError::from("canary"), ());
        assert_eq!(aws_error(unreadable).chain(), "AWS answered something that cannot be read");
    }

    #[test]
    fn a_connection_that_fails_is_told_in_full() {
        let refused = ConnectorError::io(BoxError::from("connection refused"));
        let error = aws_error(SdkError::<GetSecretValueError, ()>::dispatch_failure(refused));
        assert!(error.chain().contains("connection refused"), "{}", error.chain());
    }
}
