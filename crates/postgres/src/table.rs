//! Domain types of tables. Code that writes a table and code that reads it use the same mapping.

pub mod business_profile;
