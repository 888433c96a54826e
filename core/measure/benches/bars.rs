//! Measures what the crate must be fast at, and prints each figure beside its bar and beside the
//! Python reference for it.
//!
//! `cargo bench -p insitu-measure --bench bars`. References are measured on the same kind of data
//! if `$PYTHON` (`python3` unless set) has them: `crowd-kit`, `cleanlab`, `krippendorff`,
//! `snorkel`, `evidently`. Times are CPU seconds on one thread, the best of five (by `/proc`, so
//! that a busy machine counts little); memory is the peak of the process, data included.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a benchmark measures real time and prints it"
)]

use std::collections::BTreeMap;
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
type Measured = Result<Figure, Box<dyn std::error::Error>>;

fn main() -> Outcome {
    println!("{:<40} {:>8} {:>5} {:>8}", "what", "seconds", "bar", "MiB");
    let ours = [coefficient()?, label_model()?, stability()?, consensus()?, label_errors()?];
    acceptance()?;
    references(&ours);
    Ok(())
}

/// A figure and the reference's name for it.
struct Figure {
    key: &'static str,
    seconds: f64,
    mebibytes: f64,
}

fn coefficient() -> Measured {
    let mut random = Lcg(1);
    let mut table = Vec::with_capacity(1_000_000);
    for _ in 0..250_000 {
        let truth = random.below(5);
        table.extend(
            (0..4).map(|_| Some(if random.below(10) < 8 { truth } else { random.below(5) })),
        );
    }
    measure("alpha", "Krippendorff α, 1,000,000 ratings", 0.02, || {
        let ratings = Ratings::from_table(5, 4, &table)?;
        Ok(alpha(&ratings, Scale::Nominal)?)
    })
}

fn consensus() -> Measured {
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
    measure("dawid_skene", "Dawid–Skene, 980,000 labels × 5", 0.25, || {
        let ratings =
            Ratings::from_triples(k as usize, items as usize, annotators as usize, &triples)?;
        Ok(DawidSkene::fit(&ratings, 5)?.1.values()[0])
    })
}

fn label_errors() -> Measured {
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
    measure("confident_learning", "confident learning, 1,000,000 × 10", 0.1, || {
        let fit = ConfidentLearning::new(&labels, Probabilities::new(k, &values)?)?;
        Ok(fit.find(Filter::NoiseRate).len() as f64)
    })
}

fn label_model() -> Measured {
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
    measure("label_model", "label model (triplets), 1,000,000 × 10", 0.1, || {
        let table = VoteTable::new(2, functions, &votes)?;
        let fit = TripletSums::new(&table)?.solve([0.5, 0.5])?;
        Ok(fit.probabilities(&table)?[0])
    })
}

fn stability() -> Measured {
    let mut random = Lcg(5);
    let mut sample =
        || -> Vec<f64> { (0..1_000_000).map(|_| random.unit() + random.unit()).collect() };
    let (reference, current) = (sample(), sample());
    let edges: Vec<f64> = (1..10).map(|i| f64::from(i) / 5.0).collect();
    measure("stability", "PSI of 1,000,000 against 1,000,000", 0.02, || {
        Ok(Histograms::from_values(&edges, &reference, &current)?.psi())
    })
}

/// Coverage and violations of automatic acceptance over 1,000 audits of 10,000 items.
fn acceptance() -> Outcome {
    /// Share of items with which the true error is exactly 1 %.
    const CEILING: f64 = 0.715;
    let risk = Risk::new(0.01, 0.05)?;
    let thresholds: Vec<f64> = (0..=1000).rev().map(|i| f64::from(i) / 1000.0).collect();
    let mut random = Lcg(6);
    // A calibrated model: the error at confidence c is 1 − c, and 1 − c is s·u³ for uniform u, so
    // that the error among the most confident share u is s·u³/4.
    let scale = 4.0 * 0.01 / CEILING.powi(3);
    let (mut coverage, mut violations) = (0.0, 0);
    for _ in 0..1_000 {
        let confidence: Vec<f64> =
            (0..10_000).map(|_| 1.0 - scale * random.unit().powi(3)).collect();
        let correct: Vec<bool> = confidence.iter().map(|c| random.unit() < *c).collect();
        let accept = auto_accept(&confidence, &correct, &thresholds, risk)?;
        if let Some(step) = accept.chosen {
            let reach = ((1.0 - step.threshold) / scale).cbrt();
            violations += usize::from(reach > CEILING);
            coverage += accept.coverage / 1_000.0;
        }
    }
    println!(
        "auto-accept at 1 %, 10,000 audited: coverage {coverage:.3} of a ceiling of {CEILING} (bar: .64), violations {violations} of 1000 (bar: 50)"
    );
    Ok(())
}

fn measure(
    key: &'static str,
    what: &str,
    bar: f64,
    run: impl Fn() -> Result<f64, Box<dyn std::error::Error>>,
) -> Measured {
    let mut best = f64::INFINITY;
    forget_peak_memory();
    for _ in 0..TRIES {
        let (start, cpu) = (Instant::now(), cpu_seconds());
        black_box(run()?);
        let wall = start.elapsed().as_secs_f64();
        best = best.min(cpu_seconds().zip(cpu).map_or(wall, |(after, before)| after - before));
    }
    let mebibytes = peak_memory();
    let verdict = if best <= bar { "" } else { "  MISSED" };
    println!("{what:<40} {best:>8.4} {bar:>5.2} {mebibytes:>8.0}{verdict}");
    Ok(Figure { key, seconds: best, mebibytes })
}

/// CPU time of this thread so far, where the kernel says it in nanoseconds.
fn cpu_seconds() -> Option<f64> {
    let times = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: f64 = times.split(' ').next()?.parse().ok()?;
    Some(nanoseconds / 1e9)
}

/// Lets the kernel measure the peak anew; without it the peak is that of all so far.
fn forget_peak_memory() {
    drop(fs::write("/proc/self/clear_refs", "5"));
}

/// Peak memory in MiB; NaN where the kernel does not say it.
fn peak_memory() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    kibibytes.map_or(f64::NAN, |peak| peak / 1024.0)
}

fn references(ours: &[Figure]) {
    let python = env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let output = match Command::new(&python).args(["-c", REFERENCES]).output() {
        Ok(output) if output.status.success() => output.stdout,
        _ => return println!("references: not measured, {python} does not run them"),
    };
    let output = String::from_utf8_lossy(&output);
    let lines: BTreeMap<&str, &str> =
        output.lines().filter_map(|line| line.split_once('\t')).collect();
    println!("{:<40} {:>8} {:>5} {:>8} {:>5}", "reference", "seconds", "ratio", "MiB", "ratio");
    for Figure { key, seconds, mebibytes } in ours {
        let line = lines.get(key).copied().unwrap_or("failed");
        let figures = line.split_once('\t');
        match figures.and_then(|(s, m)| Some((s.parse::<f64>().ok()?, m.parse::<f64>().ok()?))) {
            Some((theirs, memory)) => println!(
                "{key:<40} {theirs:>8.3} {:>5.0} {memory:>8.0} {:>5.1}",
                theirs / seconds,
                memory / mebibytes
            ),
            None => println!("{key:<40} {line}"),
        }
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
