//! `insitu-local simulate`: a federation in one process, on anybody's file, for research.
//!
//! Clipping, noise, accounting and descent are the functions that agents and coordinator use. What
//! is not simulated: the network, dropouts, and the masks of secure aggregation, which cancel.
//! `--seed` decides who is where. Privacy noise is never seedable: two runs of one seed differ by
//! their noise, unless `--epsilon none`.

mod bounds;
mod collect;
mod encode;
mod features;
mod outcome;
mod plot;
mod population;
mod records;
mod split;
mod training;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};
use insitu_models::head::Head;
use insitu_privacy::contribution::ItemsPerSubject;
use insitu_privacy::{Delta, Epsilon};

use crate::clock::Stopwatch;
use crate::draws::Draws;
use collect::{Aggregation, Collector};
use outcome::Outcome;
use population::{Division, Population};
use records::Records;
use split::Split;
use training::{Items, Trained};

/// Most rounds of a run.
const ROUNDS_MAX: u32 = 10_000;

/// What to simulate.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Training records: CSV with a header, or JSON lines (.jsonl, .ndjson, .json)
    #[arg(long, value_name = "FILE")]
    train: PathBuf,
    /// Test records, with the same columns
    #[arg(long, value_name = "FILE")]
    test: PathBuf,
    /// Column of the class
    #[arg(long, value_name = "COLUMN")]
    label: String,
    /// Columns that features are made of; a bundle names its own
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    features: Vec<String>,
    /// A bundle's folder: its backbone makes the features, its head is where training starts; or none
    #[arg(long, value_name = "DIR", default_value = "none")]
    bundle: PathBuf,
    /// TOML of what is public: `age = [20, 90]`, `sex = ["female", "male"]`. Ranges of numbers that
    /// are not there are found under privacy and charged
    #[arg(long, value_name = "FILE")]
    ranges: Option<PathBuf>,
    /// Public records with labels, one for each class or more: training starts at their class means.
    /// Say, features of the classes' names
    #[arg(long, value_name = "FILE")]
    public: Option<PathBuf>,
    /// Number of sites; a natural split counts them itself
    #[arg(long, value_name = "N")]
    sites: Option<usize>,
    /// natural:COLUMN, iid or dirichlet:A
    #[arg(long, default_value = "iid")]
    split: Split,
    /// Column of the subject, the unit of privacy [default: each record is a subject]
    #[arg(long, value_name = "COLUMN")]
    subject: Option<String>,
    /// Most records of a subject that count
    #[arg(long, value_name = "M", default_value_t = 5)]
    items_per_subject: u32,
    /// ε that a subject's part in training costs, or none for no noise
    #[arg(long, value_name = "E")]
    epsilon: Limit,
    /// δ of that
    #[arg(long, value_name = "D", default_value_t = 1e-5)]
    delta: f64,
    /// Whether the coordinator sees only the sum over the sites
    #[arg(long, value_enum, default_value_t = Switch::On)]
    secure_aggregation: Switch,
    /// Sites whose noise must suffice, as in a federation where the others may drop out
    /// [default: all]
    #[arg(long, value_name = "T")]
    threshold: Option<usize>,
    /// Sites that may collude with the coordinator
    #[arg(long, value_name = "C", default_value_t = 0)]
    colluders: usize,
    /// Rounds, or auto: as many as the budget makes use of
    #[arg(long, value_name = "R", default_value = "auto")]
    rounds: Rounds,
    /// Decides who is where; privacy noise is never seedable
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Draw the accuracy by round into this SVG file
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

#[derive(Clone, Copy, Debug)]
struct Limit(Option<Epsilon>);

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(None));
        }
        let number: f64 = text.parse().map_err(|_| "neither a number nor none".to_owned())?;
        let epsilon = Epsilon::new(number).map_err(|error| error.to_string())?;
        if epsilon.get() > 0.0 { Ok(Self(Some(epsilon))) } else { Err("not above zero".to_owned()) }
    }
}

#[derive(Clone, Copy, Debug)]
struct Rounds(Option<u32>);

impl FromStr for Rounds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = || text.parse().ok().filter(|number| (1..=ROUNDS_MAX).contains(number));
        match text {
            "auto" => Ok(Self(None)),
            _ => number()
                .map(|n| Self(Some(n)))
                .ok_or_else(|| format!("neither auto nor 1 to {ROUNDS_MAX}")),
        }
    }
}

/// Runs the simulation and prints what it found.
///
/// # Errors
/// When a file does not fit what is asked for: says where.
pub(crate) fn run(options: &Options) -> Result<()> {
    let outcome = simulate(options)?;
    if let Some(path) = &options.plot {
        let title = format!("accuracy by round, last {:.4}", outcome.accuracy);
        std::fs::write(path, plot::svg(&outcome.accuracy_by_round, &title))
            .with_context(|| path.display().to_string())?;
    }
    let mut out = std::io::stdout().lock();
    if options.json {
        serde_json::to_writer_pretty(&mut out, &outcome)?;
        writeln!(out)?;
    } else {
        write!(out, "{}\n{}", outcome.text(), plot::text(&outcome.accuracy_by_round))?;
    }
    Ok(())
}

fn simulate(options: &Options) -> Result<Outcome> {
    let stopwatch = Stopwatch::start();
    let mut source = features::Source::open(&options.bundle, &options.features)?;
    let mut columns = public_columns(&options.label, &source);
    columns.extend(options.subject.as_deref());
    if let Split::Natural(column) = &options.split {
        columns.push(column);
    }
    let train = Records::read(&options.train, &columns)?;
    let test = Records::read(&options.test, &columns)?;
    let classes = match source.classes() {
        Some(classes) => classes,
        None => population::classes(&train, &options.label)?,
    };
    let of_train = population::labels(&train, &options.label, &classes)?;
    let of_test = population::labels(&test, &options.label, &classes)?;
    let population = division(options)?.divide((&train, &of_train), (&test, &of_test))?;
    let mut collector = collector(options, population.names.len())?;
    let ranges = match &options.ranges {
        Some(path) => encode::read_ranges(path)?,
        None => encode::Ranges::new(),
    };
    source.learn_ranges(ranges, &train, &population.training, &mut collector)?;
    let train =
        Items { width: source.width(), features: source.features(&train)?, classes: of_train };
    let test = Items { width: source.width(), features: source.features(&test)?, classes: of_test };
    let first = match &options.public {
        Some(path) => {
            let public = Records::read(path, &public_columns(&options.label, &source))?;
            let labels = population::labels(&public, &options.label, &classes)?;
            let features = source.features(&public)?;
            let items = Items { width: source.width(), features, classes: labels };
            training::first_head(&items, classes.len())?
        }
        None => source.first_head(classes.len())?,
    };
    let rounds = options.rounds.0;
    let trained = training::train(
        &train,
        &population.training,
        &first,
        rounds,
        &mut collector,
        |round, head| {
            let accuracy = share(&right(head, &test)?, |_| true).unwrap_or(0.0);
            tracing::info!(round, accuracy, "round done");
            Ok(accuracy)
        },
    )?;
    let right = right(&trained.head, &test)?;
    let outcome = outcome(&trained, &right, &population, &collector);
    Ok(Outcome { seconds: stopwatch.seconds(), ..outcome })
}

fn public_columns<'a>(label: &'a str, source: &'a features::Source) -> Vec<&'a str> {
    std::iter::once(label).chain(source.columns().iter().map(String::as_str)).collect()
}

fn division(options: &Options) -> Result<Division> {
    let items = options.items_per_subject;
    Ok(Division {
        split: options.split.clone(),
        sites: options.sites,
        subject: options.subject.clone(),
        items_per_subject: ItemsPerSubject::new(items).with_context(|| {
            format!("{items} records of a subject, 1 to {} can count", ItemsPerSubject::MAX)
        })?,
        draws: Draws::new(options.seed),
    })
}

fn collector(options: &Options, sites: usize) -> Result<Collector> {
    let limit = match options.epsilon.0 {
        Some(epsilon) => Some((epsilon, Delta::new(options.delta)?)),
        None => None,
    };
    let threshold = options.threshold.unwrap_or(sites);
    let aggregation = match options.secure_aggregation {
        Switch::Off => Aggregation::Open,
        Switch::On => {
            ensure!(threshold <= sites, "a threshold of {threshold} of {sites} sites");
            let noisy_sites = threshold.saturating_sub(options.colluders);
            ensure!(
                noisy_sites >= 2,
                "secure aggregation needs two honest sites: {threshold} must answer, {} may collude",
                options.colluders
            );
            Aggregation::Secure { noisy_sites }
        }
    };
    Ok(Collector::new(aggregation, limit))
}

/// Whether the head is right about each item.
fn right(head: &Head, items: &Items) -> Result<Vec<bool>> {
    let judge = |index| {
        let (features, class) = items.item(index);
        let probabilities = head.probabilities(features, 1.0)?;
        let first_best = |best: usize, next: usize| {
            if probabilities[next] > probabilities[best] { next } else { best }
        };
        Ok((0..probabilities.len()).fold(0, first_best) == class)
    };
    (0..items.classes.len()).map(judge).collect()
}

/// Share of true among those that count, if any do.
fn share(right: &[bool], counts: impl Fn(usize) -> bool) -> Option<f64> {
    let counted: Vec<bool> =
        right.iter().enumerate().filter(|(at, _)| counts(*at)).map(|(_, right)| *right).collect();
    let hits = counted.iter().filter(|right| **right).count();
    (!counted.is_empty()).then(|| hits as f64 / counted.len() as f64)
}

fn outcome(
    trained: &Trained,
    right: &[bool],
    population: &Population,
    collector: &Collector,
) -> Outcome {
    let of_site = |(site, name): (usize, &String)| {
        (name.clone(), share(right, |test| population.test[test] == site))
    };
    let accuracy_by_site: BTreeMap<String, Option<f64>> =
        population.names.iter().enumerate().map(of_site).collect();
    let known: Vec<f64> = accuracy_by_site.values().copied().flatten().collect();
    let loss = collector.loss();
    let subjects = population.training.iter().flatten();
    Outcome {
        accuracy: share(right, |_| true).unwrap_or(0.0),
        accuracy_mean_of_sites: known.iter().sum::<f64>() / known.len().max(1) as f64,
        accuracy_by_site,
        accuracy_by_round: trained.by_round.clone(),
        epsilon: loss.map(|(epsilon, _, _)| epsilon),
        epsilon_local: loss.map(|(_, local, _)| local),
        delta: loss.map(|(_, _, delta)| delta),
        rounds: trained.rounds,
        seconds: 0.0,
        bytes_up: collector.bytes(),
        parameters: trained.head.weights().len(),
        classes: trained.head.classes(),
        sites: population.names.len(),
        subjects: subjects.clone().count(),
        records: subjects.map(Vec::len).sum(),
        test_records: right.len(),
    }
}
