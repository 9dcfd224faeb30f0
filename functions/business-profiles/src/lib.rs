//! oslira-business-profiles
