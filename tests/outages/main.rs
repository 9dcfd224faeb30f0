//! A provider is away, for all or at times. These tests run one at a time and after the others: what they do would
//! strike any run that is under way.

mod transient_faults;
mod upstream_faults;
