//! Money and tenancy under pressure: many at once, and processes killed at any moment.

mod pooler;
mod settlement;
mod starts;
