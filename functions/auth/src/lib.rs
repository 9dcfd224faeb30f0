//! oslira-auth
