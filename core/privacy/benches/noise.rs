//! Time to noise a release of 1,000 counts and a head update of 29,645 values.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark measures real time and prints it"
)]

use std::time::{Duration, Instant};

use insitu_privacy::{GaussianScale, NoiseError, Rho, SquaredSensitivity, add_noise};

fn main() -> Result<(), NoiseError> {
    let statistics =
        GaussianScale::for_budget(SquaredSensitivity::new(1), Rho::from_nano(6_640_000))?;
    // C = 1 at b = 12, one of 50 steps of a training run at epsilon = 3.
    let update =
        GaussianScale::for_budget(SquaredSensitivity::new(1 << 24), Rho::from_nano(3_701_400))?;
    report("1,000 counts", 1_000, statistics)?;
    report("29,645 values", 29_645, update)
}

/// Prints the median of several runs.
fn report(what: &str, values: usize, scale: GaussianScale) -> Result<(), NoiseError> {
    let exact = vec![100; values];
    let mut times = Vec::new();
    for _ in 0..11 {
        let start = Instant::now();
        add_noise(&exact, scale)?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let median: Duration = times[times.len() / 2];
    let each = median.as_secs_f64() * 1e6 / values as f64;
    println!("{what}, scale {:.1}: {median:.1?} median, {each:.2} us each", scale.as_f64());
    Ok(())
}
