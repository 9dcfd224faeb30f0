//! oslira-platform
