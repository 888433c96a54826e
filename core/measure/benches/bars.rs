//! Measures what the crate must be fast at, and prints each figure beside its bar.
//!
//! `cargo bench -p insitu-measure`. If `python3` (or `$PYTHON`) has the references installed, the
//! same kind of data is measured there, too. Times are CPU seconds on one thread, the best of five
//! (by `/proc`, so that a busy machine does not count); memory is the largest the process has been
//! so far.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a benchmark measures real time and prints it"
)]

use std::hint::black_box;
use std::process::Command;
use std::time::Instant;
use std::{env, fs};

use insitu_measure::agreement::{Scale, alpha};
use insitu_measure::calibration::{Risk, auto_accept};
use insitu_measure::consensus::DawidSkene;
use insitu_measure::drift::Histograms;
use insitu_measure::label_errors::{ConfidentLearning, Filter};
use insitu_measure::weak::{TripletSums, VoteTable};
use insitu_measure::{Probabilities, Ratings};

/// How often each measurement is made; the best counts.
const TRIES: usize = 5;
const REFERENCES: &str = include_str!("references.py");

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> Outcome {
    println!("{:<44} {:>9} {:>9}  memory so far", "what", "seconds", "bar");
    coefficient()?;
    label_model()?;
    stability()?;
    consensus()?;
    label_errors()?;
    acceptance()?;
    references();
    Ok(())
}

fn coefficient() -> Outcome {
    let mut random = Lcg(1);
    let mut table = Vec::with_capacity(1_000_000);
    for _ in 0..250_000 {
        let truth = random.below(5);
        table.extend(
            (0..4).map(|_| Some(if random.below(10) < 8 { truth } else { random.below(5) })),
        );
    }
    measure("Krippendorff α, 1,000,000 ratings, with reading", 0.02, || {
        let ratings = Ratings::from_table(5, 4, &table)?;
        Ok(alpha(&ratings, Scale::Nominal)?)
    })
}

fn consensus() -> Outcome {
    let (items, annotators, k) = (98_000_u32, 500, 5);
    let mut random = Lcg(2);
    let mut triples = Vec::with_capacity(980_000);
    for item in 0..items {
        let truth = random.below(k);
        for _ in 0..10 {
            let label = if random.below(10) < 7 { truth } else { random.below(k) };
            triples.push((item, random.below(annotators), label));
        }
    }
    measure("Dawid–Skene, 980,000 labels × 5, with reading", 0.25, || {
        let ratings =
            Ratings::from_triples(k as usize, items as usize, annotators as usize, &triples)?;
        Ok(DawidSkene::fit(&ratings, 5)?.1.values()[0])
    })
}

fn label_errors() -> Outcome {
    let (items, k) = (1_000_000, 10);
    let mut random = Lcg(3);
    let mut values = Vec::with_capacity(items * k);
    let mut labels = Vec::with_capacity(items);
    for _ in 0..items {
        let truth = random.below(10);
        let top = 0.3 + 0.69 * random.unit();
        values.extend((0..10).map(|class| if class == truth { top } else { (1.0 - top) / 9.0 }));
        labels.push(if random.below(10) == 0 { random.below(10) } else { truth });
    }
    measure("confident learning, 1,000,000 × 10", 0.1, || {
        let fit = ConfidentLearning::new(&labels, Probabilities::new(k, &values)?)?;
        Ok(fit.find(Filter::NoiseRate).len() as f64)
    })
}

fn label_model() -> Outcome {
    let (items, functions) = (1_000_000, 10);
    let mut random = Lcg(4);
    let mut votes: Vec<Option<u16>> = Vec::with_capacity(items * functions);
    for _ in 0..items {
        let truth = random.below(2) as u16;
        votes.extend((0..10).map(|_| match random.below(10) {
            0..4 => None,
            4..8 => Some(truth),
            _ => Some(1 - truth),
        }));
    }
    measure("label model (triplets), 1,000,000 × 10", 0.1, || {
        let table = VoteTable::new(2, functions, &votes)?;
        let fit = TripletSums::new(&table)?.solve([0.5, 0.5])?;
        Ok(fit.probabilities(&table)?[0])
    })
}

fn stability() -> Outcome {
    let mut random = Lcg(5);
    let mut sample =
        || -> Vec<f64> { (0..1_000_000).map(|_| random.unit() + random.unit()).collect() };
    let (reference, current) = (sample(), sample());
    let edges: Vec<f64> = (1..10).map(|i| f64::from(i) / 5.0).collect();
    measure("PSI of 1,000,000 against 1,000,000, 10 bins", 0.02, || {
        Ok(Histograms::from_values(&edges, &reference, &current)?.psi())
    })
}

/// Coverage and violations of automatic acceptance over 1,000 audits of 10,000 items.
fn acceptance() -> Outcome {
    let risk = Risk::new(0.01, 0.05)?;
    let thresholds: Vec<f64> = (0..=1000).rev().map(|i| f64::from(i) / 1000.0).collect();
    let mut random = Lcg(6);
    // A calibrated model: the error at confidence c is 1 − c. With c = 1 − u³/2 the error among
    // accepted items is 1 % up to u = .43.
    let (mut coverage, mut violations) = (0.0, 0);
    for _ in 0..1_000 {
        let confidence: Vec<f64> = (0..10_000).map(|_| 1.0 - random.unit().powi(3) / 2.0).collect();
        let correct: Vec<bool> = confidence.iter().map(|c| random.unit() < *c).collect();
        let accept = auto_accept(&confidence, &correct, &thresholds, risk)?;
        if let Some(step) = accept.chosen {
            let reach = (2.0 * (1.0 - step.threshold)).cbrt();
            // Mean of u³/2 for u up to `reach`.
            violations += usize::from(reach.powi(3) / 8.0 > 0.01);
            coverage += accept.coverage / 1_000.0;
        }
    }
    let ceiling = 0.08_f64.cbrt();
    println!(
        "auto-accept at 1 %, 10,000 audited: coverage {coverage:.3} of a ceiling of {ceiling:.3}, violations {violations} of 1000 (bar: 50)"
    );
    Ok(())
}

fn measure(
    what: &str,
    bar: f64,
    run: impl Fn() -> Result<f64, Box<dyn std::error::Error>>,
) -> Outcome {
    let mut best = f64::INFINITY;
    for _ in 0..TRIES {
        let (start, cpu) = (Instant::now(), cpu_seconds());
        black_box(run()?);
        let wall = start.elapsed().as_secs_f64();
        best = best.min(cpu_seconds().zip(cpu).map_or(wall, |(after, before)| after - before));
    }
    let verdict = if best <= bar { "" } else { "  MISSED" };
    println!("{what:<44} {best:>9.4} {bar:>9.2}  {}{verdict}", peak_memory());
    Ok(())
}

/// CPU time of this thread so far, where the kernel says it in nanoseconds.
fn cpu_seconds() -> Option<f64> {
    let times = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: f64 = times.split(' ').next()?.parse().ok()?;
    Some(nanoseconds / 1e9)
}

fn peak_memory() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.map_or_else(|| "unknown".to_owned(), |peak| peak.trim().to_owned())
}

fn references() {
    let python = env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    match Command::new(&python).args(["-c", REFERENCES]).output() {
        Ok(output) if output.status.success() => {
            println!("references ({python}):\n{}", String::from_utf8_lossy(&output.stdout));
        }
        _ => println!("references: not measured, {python} does not run them"),
    }
}

/// Data need no better generator, only the same numbers every time (Knuth's MMIX constants).
struct Lcg(u64);

impl Lcg {
    fn unit(&mut self) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, bound: u32) -> u32 {
        (self.unit() * f64::from(bound)) as u32
    }
}
