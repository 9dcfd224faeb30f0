//! Money and tenancy under pressure: many at once, and processes killed at any moment.

mod doubt;
mod limits;
mod pooler;
mod settlement;
mod starts;
