//! oslira-llm
