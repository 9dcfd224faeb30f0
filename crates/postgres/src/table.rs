//! What a table looks like as a domain type. Whoever writes it and whoever reads it use the same mapping.

pub mod business_profile;
