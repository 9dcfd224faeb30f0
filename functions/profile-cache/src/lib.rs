//! oslira-profile-cache
