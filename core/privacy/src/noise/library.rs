//! The discrete Gaussian as opendp draws it: exact, over rationals of any size.
//!
//! Without its OpenSSL feature opendp reads `rand` 0.7's thread generator and warns that this is not
//! secure in general. It is, for us:
//! - that generator is ChaCha20 in `rand` 0.7.3 (feature `std`), keyed with 256 bits from the
//!   operating system, re-keyed every 64 KiB and after a fork: a cryptographic generator whose
//!   output nobody distinguishes from uniform bits, which is the sampler's one assumption;
//! - its weak points are that a failure to re-key is ignored, that its key stays in memory, and
//!   that a snapshot of a virtual machine freezes it, so that two clones would draw one noise.
//!   [`add_noise`] therefore draws on a thread that it starts for this call, whose generator is keyed
//!   from the operating system then and gone when it returns. When the system cannot provide a key the
//!   thread fails, and the call is refused.
//!
//! A test pins the version that this was read in. OpenSSL would add a C dependency and double the
//! time per value, for the same assumption.

use std::thread;

use dashu::{integer::IBig, rational::RBig};
use opendp::traits::samplers::sample_discrete_gaussian;
use zeroize::Zeroizing;

use super::{GaussianScale, NoiseError, STEPS_PER_UNIT};

/// Each value with noise of its own; about 5 µs a value.
///
/// # Errors
/// [`NoiseError::Randomness`].
pub(super) fn add_noise(exact: &[i64], scale: GaussianScale) -> Result<Vec<i64>, NoiseError> {
    let scale = RBig::from_parts(scale.steps.into(), STEPS_PER_UNIT.into());
    let drawn = thread::scope(|scope| scope.spawn(|| noised(exact, &scale)).join());
    // A panic there is `rand`'s way to say that the thread's generator got no key.
    let mut drawn = drawn.ok().flatten().ok_or(NoiseError::Randomness)?;
    Ok(std::mem::take(&mut *drawn))
}

fn noised(exact: &[i64], scale: &RBig) -> Option<Zeroizing<Vec<i64>>> {
    let mut noised = Zeroizing::new(Vec::with_capacity(exact.len()));
    for value in exact {
        let noise = sample_discrete_gaussian(scale.clone()).ok()?;
        // Leaves an i64 with probability below exp(-2^42): no value is ever clamped or wrapped.
        noised.push(i64::try_from(IBig::from(*value) + noise).ok()?);
    }
    Some(noised)
}

#[cfg(test)]
mod tests {
    /// What the module says about the random source was read in exactly these versions.
    #[test]
    fn the_random_source_is_the_one_that_was_read() {
        let lock = include_str!("../../../../Cargo.lock");
        let package = |head: &str| lock.split("[[package]]").find(|entry| entry.contains(head));
        let opendp = package("name = \"opendp\"\nversion = \"0.16.0\"").unwrap();
        assert!(opendp.contains("\"rand 0.7.3\"") && !opendp.contains("openssl"));
        let rand = package("name = \"rand\"\nversion = \"0.7.3\"").unwrap();
        assert!(rand.contains("\"rand_chacha 0.2.2\""), "{rand}");
    }
}
