//! What a release costs: `cargo bench -p insitu-agent --bench release`.
//!
//! Prints the time to draw the noise of a release ahead, to make the release from the pool, and to
//! charge it durably (one transaction with its fsync). Medians of wall-clock time: the disk's part
//! is the machine's own.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark measures real time, reports on standard output, and fails by panicking"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use insitu_agent::config::{Limits, Policy};
use insitu_agent::release::{self, Release};
use insitu_agent::store::Store;
use insitu_agent::store::orders::ProjectRow;
use insitu_agent::{outbox, tally};
use insitu_privacy::{Demand, GaussianScale, NoisePool, Rho, SquaredSensitivity};
use insitu_protocol::project::{Class, Project};
use insitu_protocol::text::Line;

/// Repeats of each measurement.
const REPEATS: u64 = 11;
/// Charges, of which the median is shown.
const CHARGES: u32 = 101;

fn main() {
    noise("1,000 counts", 1_000, 1, 6_640_000);
    // C = 1 at b = 12, one of 50 steps of a training run at epsilon = 3.
    noise("a head of 29,645 values", 29_645, 1 << 24, 3_701_400);
    charge();
}

fn noise(what: &str, values: usize, squared: u64, nano_rho: u64) {
    let sensitivity = SquaredSensitivity::new(squared);
    let scale = GaussianScale::for_budget(sensitivity, Rho::from_nano(nano_rho)).unwrap();
    let demand = Demand { scale, values };
    let exact = vec![100; values];
    let pool = NoisePool::new();
    let (mut drawing, mut taking) = (Vec::new(), Vec::new());
    for _ in 0..REPEATS {
        drawing.push(timed(|| pool.fill(&[demand]).unwrap()));
        taking.push(timed(|| {
            black_box(pool.take(&demand).unwrap().add_to(&exact).unwrap());
        }));
    }
    println!("{what}: noise drawn ahead in {:.1?}", median(drawing));
    println!("{what}: noised from the pool in {:.1?}", median(taking));
}

/// Charges and queues the four releases of window after window of an empty store: of 32 classes,
/// so that two of the four have 1,024 counts each.
fn charge() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let mut project: Project = toml::from_str(include_str!("../src/testing.toml")).unwrap();
    let class = |number| Class {
        name: Line::new(format!("class {number}")).unwrap(),
        description: Line::default(),
        key: None,
        colour: None,
        accept_at: None,
        expert_below: None,
    };
    project.classes = (0..32).map(class).collect();
    let row = store.tx("bench", |tx| {
        tx.put_project(&project, 0)?;
        tx.project(&project.name)
    });
    let row = row.unwrap().unwrap();
    let limits = Policy { minimum_cohort: 0, ..Policy::default() }.limits().unwrap();
    let limits = Limits { year: Rho::MAX, local_year: Rho::MAX, ..limits };
    let pool = NoisePool::new();
    let mut times = Vec::new();
    for window in 1..=CHARGES {
        let row = ProjectRow { window, ..row.clone() };
        release::draw_ahead(&pool, &tally::window_outlines(&project)).unwrap();
        let tallies = store.read("bench", |tx| tally::window(tx, &row)).unwrap().tallies;
        let made = tallies.iter().map(|tally| Release::make(tally, &pool));
        let releases = made.collect::<Result<Vec<_>, _>>().unwrap();
        times.push(timed(|| {
            store.alone("bench", |tx| outbox::commit(tx, releases, &limits, 1)).unwrap();
        }));
    }
    println!("a window's four releases charged and queued, with fsync, in {:.1?}", median(times));
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
