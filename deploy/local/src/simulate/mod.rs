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
mod local;
mod mechanism;
mod options;
mod outcome;
mod plot;
mod population;
mod records;
mod spans;
mod split;
mod training;

use std::collections::BTreeMap;
use std::io::Write as _;

use anyhow::{Context as _, Result, ensure};
use insitu_models::head::{Head, HeadKind};
use insitu_models::personal::personalise;
use insitu_privacy::Delta;
use insitu_privacy::contribution::ItemsPerSubject;

use crate::clock::Stopwatch;
use crate::draws::Draws;
use collect::{Aggregation, Collector};
pub(crate) use options::Options;
use options::{Mechanism, Switch};
use outcome::{Outcome, Personalised};
use population::{Division, Population};
use records::Records;
use split::Split;
use training::{Items, Labels, Plan, Trained};

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
    options.check()?;
    let kind = options.head;
    let mut source =
        features::Source::open(&options.bundle, &options.features, options.text.as_deref(), kind)?;
    let mut columns = public_columns(&options.label, &source);
    columns.extend(options.subject.as_deref());
    if let Split::Natural(column) = &options.split {
        columns.push(column);
    }
    // Spans are places in a text as it is written.
    let exact = source.columns().first().filter(|_| kind == HeadKind::Tokens).cloned();
    let train = Records::read(&options.train, &columns, exact.as_deref())?;
    let test = Records::read(&options.test, &columns, exact.as_deref())?;
    let classes = match source.classes() {
        Some(classes) => classes,
        None => population::classes(&train, &options.label, kind)?,
    };
    source.learn_classes(&classes)?;
    let of_train = population::labels(&train, &options.label, &classes, kind)?;
    let of_test = population::labels(&test, &options.label, &classes, kind)?;
    let by = (of_train.firsts(), of_test.firsts());
    let population = division(options)?.divide((&train, &by.0), (&test, &by.1))?;
    let mut collector = collector(options, population.names.len())?;
    let ranges = match &options.ranges {
        Some(path) => encode::read_ranges(path)?,
        None => encode::Ranges::new(),
    };
    source.learn_ranges(ranges, &train, &population.training, &mut collector)?;
    let train = items(&mut source, &train, of_train)?;
    let test = items(&mut source, &test, of_test)?;
    let first = first_head(options, &mut source, &classes)?;
    let measure = |round, head: &Head| {
        let accuracy = share(&right(head, &test)?, |_| true).unwrap_or(0.0);
        tracing::info!(round, accuracy, "round done");
        Ok(accuracy)
    };
    let trained = train_by(options, &train, &population, &first, &mut collector, measure)?;
    let right = right(&trained.head, &test)?;
    let personalised = options
        .personalise
        .then(|| at_each_site(&trained.head, (&train, &test), &population))
        .transpose()?;
    let spans = spans::figures(&trained.head, &test)?;
    let outcome = outcome(&trained, &right, &population, &collector);
    Ok(Outcome { seconds: stopwatch.seconds(), spans, personalised, ..outcome })
}

/// Records with their features.
fn items(source: &mut features::Source, records: &Records, labels: Labels) -> Result<Items> {
    match labels {
        Labels::Marked(marked) => spans::items(source.words(records)?, source.width(), marked),
        Labels::One(_) | Labels::Several(_) => {
            Ok(Items::new(source.features(records)?, source.width(), labels))
        }
    }
}

/// Where training starts: at public records, or where the source does.
fn first_head(
    options: &Options,
    source: &mut features::Source,
    classes: &[String],
) -> Result<Head> {
    let kind = options.head;
    let first = match &options.public {
        Some(path) => {
            let public = Records::read(path, &public_columns(&options.label, source), None)?;
            let labels = population::labels(&public, &options.label, classes, kind)?;
            training::first_head(&items(source, &public, labels)?, classes.len())?
        }
        None => source.first_head(classes.len())?,
    };
    Ok(if first.shape().kind == kind { first } else { first.into_kind(kind)? })
}

fn train_by(
    options: &Options,
    train: &Items,
    population: &Population,
    first: &Head,
    collector: &mut Collector,
    measure: impl FnMut(u32, &Head) -> Result<f64>,
) -> Result<Trained> {
    let plan = Plan {
        rounds: options.rounds.0,
        optimiser: options.optimiser,
        local_steps: options.local_steps,
        proximal: options.proximal,
    };
    let sites = &population.training;
    match options.mechanism {
        Mechanism::Gradient => training::train(train, sites, first, &plan, collector, measure),
        Mechanism::ClassSums => mechanism::class_sums(train, sites, first, collector, measure),
        Mechanism::DpFtrl => {
            let draws = Draws::new(options.seed);
            mechanism::batches(train, sites, first, (plan.rounds, draws), collector, measure)
        }
    }
}

/// Each site with a head of its own beside the common one.
fn at_each_site(
    common: &Head,
    (train, test): (&Items, &Items),
    population: &Population,
) -> Result<Personalised> {
    let mut found = Personalised::default();
    let mut all = vec![false; test.labels.len()];
    for (site, name) in population.names.iter().enumerate() {
        let own = population.training[site].iter().flatten().map(|index| train.item(*index));
        let personal = personalise(common, &own.collect::<Vec<_>>())?;
        for (index, right) in all.iter_mut().enumerate() {
            if population.test[index] == site {
                let (features, target) = test.item(index);
                *right = personal.head.is_right(features, target)?;
            }
        }
        let accuracy = share(&all, |test| population.test[test] == site);
        found.accuracy_by_site.insert(name.clone(), accuracy);
        found.own_share_by_site.insert(name.clone(), personal.share);
    }
    found.accuracy = share(&all, |_| true).unwrap_or(0.0);
    found.accuracy_mean_of_sites = mean_of_known(&found.accuracy_by_site);
    Ok(found)
}

/// Mean over the sites that have test records.
fn mean_of_known(by_site: &BTreeMap<String, Option<f64>>) -> f64 {
    let known: Vec<f64> = by_site.values().copied().flatten().collect();
    known.iter().sum::<f64>() / known.len().max(1) as f64
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
        let (features, target) = items.item(index);
        Ok(head.is_right(features, target)?)
    };
    (0..items.labels.len()).map(judge).collect()
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
    let loss = collector.loss();
    let subjects = population.training.iter().flatten();
    Outcome {
        accuracy: share(right, |_| true).unwrap_or(0.0),
        accuracy_mean_of_sites: mean_of_known(&accuracy_by_site),
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
        spans: None,
        personalised: None,
    }
}
