//! oslira-credits
