//! oslira-postgres
