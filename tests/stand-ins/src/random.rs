//! Randomness that depends on nothing but a text.

use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use sha2::{Digest, Sha256};

/// A generator that gives the same numbers for the same text.
pub(crate) fn seeded(text: &str) -> StdRng {
    StdRng::from_seed(Sha256::digest(text.as_bytes()).into())
}

/// A number that stands for a text.
pub(crate) fn seed(text: &str) -> u64 {
    seeded(text).next_u64()
}

/// One of several things.
pub(crate) fn pick<'a, T: ?Sized>(rng: &mut impl Rng, list: &'a [&'a T]) -> &'a T {
    list[rng.random_range(0..list.len())]
}

/// A log-normal number: `median` times or divided by e^`sigma` in two thirds of all cases.
pub(crate) fn log_normal(rng: &mut impl Rng, median: f64, sigma: f64) -> f64 {
    // Box and Muller's transformation.
    let (u, v): (f64, f64) = (rng.random_range(f64::MIN_POSITIVE..1.0), rng.random());
    let normal = (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos();
    median * (sigma * normal).exp()
}
