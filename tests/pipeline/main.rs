//! Analyses from acceptance to their end, on the whole stack: what users get, and what faults do to it.

mod compensation;
mod confidentiality;
mod hostile_profiles;
mod light;
mod stages_twice;
mod upstream_faults;
