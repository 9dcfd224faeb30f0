//! oslira-apify
