//! Conditional writes to DynamoDB, where a refusal is an answer and not an error.

use crate::Item;
use aws_sdk_dynamodb::{
    error::SdkError,
    operation::{
        delete_item::builders::DeleteItemFluentBuilder,
        update_item::{UpdateItemError, UpdateItemOutput, builders::UpdateItemFluentBuilder},
    },
    types::{ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use oslira_domain::{Error, Result};
use oslira_lambda::{aws_error, aws_refused};

/// Sends a conditional update and returns the item as it is afterwards. When the condition refused the
/// update, the inner error is the item as it was, or `None` if there was no item.
pub async fn update_if(update: UpdateItemFluentBuilder) -> Result<Result<Item, Option<Item>>> {
    let outcome = update
        .return_values(ReturnValue::AllNew)
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .send()
        .await;
    match outcome {
        Ok(UpdateItemOutput { attributes: Some(item), .. }) => Ok(Ok(item)),
        Ok(_) => Err(Error::store("DynamoDB answered without the item")),
        Err(SdkError::ServiceError(error)) => match error.into_err() {
            UpdateItemError::ConditionalCheckFailedException(refused) => Ok(Err(refused.item)),
            error => Err(aws_refused(&error)),
        },
        Err(error) => Err(aws_error(error)),
    }
}

/// Sends a conditional delete. Nothing happens when the condition refuses it.
pub async fn delete_if(delete: DeleteItemFluentBuilder) -> Result<()> {
    match delete.send().await {
        Ok(_) => Ok(()),
        Err(SdkError::ServiceError(error)) if error.err().is_conditional_check_failed_exception() => Ok(()),
        Err(error) => Err(aws_error(error)),
    }
}
