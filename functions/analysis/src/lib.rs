//! oslira-analysis
