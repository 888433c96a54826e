//! Which site holds whom.

use std::collections::BTreeMap;
use std::str::FromStr;

use anyhow::{Result, ensure};
use chacha20::ChaCha20Rng;
use chacha20::rand_core::SeedableRng as _;
use rand_distr::{Distribution as _, Gamma};

use crate::draws::Draws;

/// Most sites of a simulation.
pub(crate) const SITES_MAX: usize = 10_000;

/// How subjects come to sites.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Split {
    /// By what a column says.
    Natural(String),
    /// Dealt out one by one, as in a game of cards.
    Iid,
    /// Each class by proportions that are drawn from a symmetric Dirichlet distribution.
    Dirichlet(f64),
}

/// Why a split is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a split is natural:COLUMN, iid, or dirichlet:A with A from 0.001 to 1000")]
pub(crate) struct UnknownSplit;

impl FromStr for Split {
    type Err = UnknownSplit;

    fn from_str(text: &str) -> Result<Self, UnknownSplit> {
        match text.split_once(':') {
            None if text == "iid" => Ok(Self::Iid),
            Some(("natural", column)) if !column.is_empty() => Ok(Self::Natural(column.to_owned())),
            Some(("dirichlet", number)) => number
                .parse()
                .ok()
                .filter(|alpha| (1e-3..=1e3).contains(alpha))
                .map(Self::Dirichlet)
                .ok_or(UnknownSplit),
            None | Some(_) => Err(UnknownSplit),
        }
    }
}

/// Deals `classes.len()` subjects out to `sites` sites, each at least one.
///
/// # Errors
/// When there are more sites than subjects.
pub(crate) fn deal(
    draws: Draws,
    purpose: &str,
    subjects: usize,
    sites: usize,
) -> Result<Vec<usize>> {
    enough(subjects, sites)?;
    let mut site = vec![0; subjects];
    for (place, subject) in shuffled(draws, purpose, subjects).into_iter().enumerate() {
        site[subject] = place % sites;
    }
    Ok(site)
}

/// The share of each class that goes to each site: `[classes][sites]`, each row adding up to 1.
///
/// # Errors
/// When the distribution has no such parameter, which [`Split::from_str`] rules out.
pub(crate) fn proportions(
    draws: Draws,
    alpha: f64,
    classes: usize,
    sites: usize,
) -> Result<Vec<Vec<f64>>> {
    let gamma = Gamma::new(alpha, 1.0)?;
    let row = |class: usize| {
        let mut rng = ChaCha20Rng::seed_from_u64(draws.bits("proportions", &class.to_string()));
        let mut shares: Vec<f64> = (0..sites).map(|_| gamma.sample(&mut rng)).collect();
        let sum: f64 = shares.iter().sum();
        if sum > 0.0 {
            shares.iter_mut().for_each(|share| *share /= sum);
        } else {
            // Every draw was too small for a number: the limit of a small parameter, one site.
            shares[class % sites] = 1.0;
        }
        shares
    };
    Ok((0..classes).map(row).collect())
}

/// Cuts each class by its proportions; sites may stay empty.
///
/// # Errors
/// When there are more sites than subjects.
pub(crate) fn by_class(
    draws: Draws,
    purpose: &str,
    classes: &[usize],
    proportions: &[Vec<f64>],
) -> Result<Vec<usize>> {
    enough(classes.len(), proportions.first().map_or(1, Vec::len))?;
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for subject in shuffled(draws, purpose, classes.len()) {
        members.entry(classes[subject]).or_default().push(subject);
    }
    let mut site = vec![0; classes.len()];
    for (class, members) in members {
        let mut bounds = proportions[class].iter().scan(0.0, |sum, share| {
            *sum += share;
            Some(*sum)
        });
        let (mut at, mut bound) = (0, bounds.next().unwrap_or(1.0));
        for (place, subject) in members.iter().enumerate() {
            let position = (place as f64 + 0.5) / members.len() as f64;
            while position > bound {
                let Some(next) = bounds.next() else { break };
                (at, bound) = (at + 1, next);
            }
            site[*subject] = at;
        }
    }
    Ok(site)
}

fn enough(subjects: usize, sites: usize) -> Result<()> {
    ensure!((1..=SITES_MAX).contains(&sites), "{sites} sites where 1 to {SITES_MAX} are possible");
    ensure!(sites <= subjects, "{sites} sites for {subjects} subjects: some would have nobody");
    Ok(())
}

/// All numbers below `count` in an order that the seed decides.
fn shuffled(draws: Draws, purpose: &str, count: usize) -> Vec<usize> {
    let mut order: Vec<(u64, usize)> =
        (0..count).map(|index| (draws.bits(purpose, &index.to_string()), index)).collect();
    order.sort_unstable();
    order.into_iter().map(|(_, index)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_are_read_and_nonsense_is_not() {
        assert_eq!("iid".parse(), Ok(Split::Iid));
        assert_eq!("natural:ward".parse(), Ok(Split::Natural("ward".to_owned())));
        assert_eq!("dirichlet:0.5".parse(), Ok(Split::Dirichlet(0.5)));
        for bad in
            ["", "natural", "natural:", "dirichlet:0", "dirichlet:x", "dirichlet:NaN", "iid:3"]
        {
            assert_eq!(bad.parse::<Split>(), Err(UnknownSplit), "{bad}");
        }
    }

    #[test]
    fn dealing_is_even_and_decided_by_the_seed() {
        let sites = deal(Draws::new(1), "train", 103, 10).unwrap();
        for site in 0..10 {
            let size = sites.iter().filter(|at| **at == site).count();
            assert!((10..=11).contains(&size));
        }
        assert_eq!(sites, deal(Draws::new(1), "train", 103, 10).unwrap());
        assert_ne!(sites, deal(Draws::new(2), "train", 103, 10).unwrap());
        assert!(
            deal(Draws::new(1), "train", 3, 4).unwrap_err().to_string().contains("4 sites for 3")
        );
        assert!(deal(Draws::new(1), "train", 3, 0).is_err());
    }

    #[test]
    fn dirichlet_is_the_more_uneven_the_smaller_its_parameter() {
        const CLASSES: usize = 40;
        let classes: Vec<usize> = (0..4_000).map(|subject| subject % CLASSES).collect();
        let largest = |alpha| {
            let shares = proportions(Draws::new(3), alpha, CLASSES, 10).unwrap();
            let sites = by_class(Draws::new(3), "train", &classes, &shares).unwrap();
            for (class, shares) in shares.iter().enumerate() {
                for (site, share) in shares.iter().enumerate() {
                    let is =
                        |subject: &usize| classes[*subject] == class && sites[*subject] == site;
                    let got = (0..4_000).filter(is).count() as f64;
                    assert!((got - 100.0 * share).abs() <= 1.0, "{got} {share}");
                }
            }
            shares.iter().map(|row| row.iter().copied().fold(0.0, f64::max)).sum::<f64>()
                / CLASSES as f64
        };
        let (uneven, middle, even) = (largest(0.01), largest(0.5), largest(1000.0));
        assert!(uneven > 0.8 && (0.2..0.8).contains(&middle) && even < 0.12);
    }

    #[test]
    fn a_tiny_parameter_gives_each_class_to_one_site() {
        let shares = proportions(Draws::new(1), 1e-3, 50, 7).unwrap();
        assert!(shares.iter().all(|row| (row.iter().sum::<f64>() - 1.0).abs() < 1e-9));
    }
}
