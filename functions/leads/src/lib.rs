//! oslira-leads
