//! oslira-stores
