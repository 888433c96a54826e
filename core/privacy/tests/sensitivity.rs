//! Sensitivities by brute force: all data sets on small domains, every neighbour of each.
#![allow(clippy::unwrap_used, reason = "a test")]

use insitu_privacy::{
    clip::{ClipShape, ClippedSum},
    contribution::{ContributionKey, ItemRef, ItemsPerSubject, SubjectRef, select},
    statistics::Statistic,
};

/// Values that an item takes in these tests: four, read as two bits where a kind has two parts.
const VALUES: u8 = 4;

/// All lists of at most `longest` items.
fn lists(longest: usize) -> Vec<Vec<u8>> {
    let mut all = vec![Vec::new()];
    let mut last = all.clone();
    for _ in 0..longest {
        last = last
            .iter()
            .flat_map(|list| (0..VALUES).map(move |value| [list.as_slice(), &[value]].concat()))
            .collect();
        all.extend(last.iter().cloned());
    }
    all
}

fn reference(subject: u8, item: u8) -> [u8; 32] {
    let mut bytes = [subject; 32];
    bytes[31] = item;
    bytes
}

/// The exact statistic of a data set: `subjects[s]` is the list of items of subject s.
fn tally(kind: Statistic, limit: ItemsPerSubject, subjects: &[(u8, &[u8])]) -> Vec<i64> {
    let mut items = Vec::new();
    let mut values = Vec::new();
    for (subject, list) in subjects {
        for (index, value) in (0_u8..).zip(*list) {
            items.push((SubjectRef([*subject; 32]), ItemRef(reference(*subject, index))));
            values.push(*value);
        }
    }
    let mut cells = vec![0_i64; 12];
    let mut kept = select(&ContributionKey::new([7; 32]), b"window", limit, &items);
    if kind == Statistic::Campaign {
        // A queue with room for as many as one subject may fill, whose own come first.
        kept.sort_by_key(|at| std::cmp::Reverse(items[*at].0.0));
        kept.truncate(usize::try_from(limit.get()).unwrap());
    }
    for at in kept {
        let (value, high, low) =
            (values[at], usize::from(values[at] / 2), usize::from(values[at] % 2));
        match kind {
            Statistic::Confusion
            | Statistic::Coincidence
            | Statistic::Calibration
            | Statistic::Campaign => {
                cells[usize::from(value)] += 1;
            }
            Statistic::Drift { .. } => {
                cells[high] += 1;
                cells[2 + low] += 1;
            }
            Statistic::Marginals => {
                cells[0] += 1;
                cells[1] += i64::from(high == low);
                cells[2 + high] += 1;
                cells[4 + low] += 1;
            }
            Statistic::Evaluation { step } => {
                cells[usize::from(value)] += i64::from(step);
                for block in [4, 6, 8, 10] {
                    cells[block + if block % 4 == 0 { high } else { low }] += 1;
                }
            }
        }
    }
    cells
}

fn squared_distance(a: &[i64], b: &[i64]) -> u64 {
    a.iter().zip(b).map(|(x, y)| x.abs_diff(*y).pow(2)).sum()
}

#[test]
fn statistics_move_by_exactly_their_sensitivity() {
    let kinds = [
        Statistic::Confusion,
        Statistic::Coincidence,
        Statistic::Calibration,
        Statistic::Drift { features: 2 },
        Statistic::Marginals,
        Statistic::Evaluation { step: 2 },
        Statistic::Evaluation { step: 3 },
        Statistic::Campaign,
    ];
    let lists = lists(3);
    for kind in kinds {
        for m in 1..=3 {
            let limit = ItemsPerSubject::new(m).unwrap();
            let mut furthest = 0;
            for other in &lists {
                let without = tally(kind, limit, &[(1, other)]);
                for own in &lists {
                    let with = tally(kind, limit, &[(1, other), (2, own)]);
                    furthest = furthest.max(squared_distance(&with, &without));
                }
            }
            assert_eq!(
                furthest,
                kind.sensitivity(limit).get(),
                "{kind:?} with {m} items a subject"
            );
        }
    }
}

/// All gradients of two values on a coarse grid, inside and far outside of the clip norm.
#[test]
fn clipped_sums_move_by_at_most_their_sensitivity_and_reach_it() {
    for (norm, bits) in [(1.0, 4), (0.7, 3), (2.5, 2)] {
        let shape = ClipShape::new(2, norm, bits).unwrap();
        let grid: Vec<f32> = (-12..=12_i16).map(|step| f32::from(step) / 4.0).collect();
        let mut furthest = 0;
        for x in &grid {
            for y in &grid {
                let mut without = ClippedSum::new(shape);
                without.add(&[0.3, -0.2]).unwrap();
                let mut with = without.clone();
                with.add(&[*x, *y]).unwrap();
                furthest = furthest.max(squared_distance(&with.values(), &without.values()));
            }
        }
        let claimed = shape.sensitivity().get();
        let on_axis = claimed.isqrt().pow(2); // the largest whole vector along one axis
        assert!((on_axis..=claimed).contains(&furthest), "{norm} {bits}: {furthest} of {claimed}");
    }
}
