//! oslira-lambda
