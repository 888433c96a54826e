//! The cheapest way to pair rows with columns.

/// For each row the column it is paired with, so that as many rows as possible are paired and
/// the sum of costs is least. `None` costs forbid a pair. O(n² · m) for the
/// smaller number n and the larger m.
///
/// Source: H. W. Kuhn, *The Hungarian method for the assignment problem* (1955), with potentials
/// and shortest augmenting paths.
pub(crate) fn assign(
    rows: usize,
    columns: usize,
    cost: impl Fn(usize, usize) -> Option<f64>,
) -> Vec<Option<usize>> {
    let costs: Vec<Option<f64>> =
        (0..rows * columns).map(|at| cost(at / columns, at % columns)).collect();
    // One forbidden pair costs more than any set of allowed ones.
    let sum: f64 = costs.iter().flatten().map(|cost| cost.abs()).sum();
    let table: Vec<f64> = costs.iter().map(|cost| cost.unwrap_or(2.0 * sum + 1.0)).collect();
    let mut paired = vec![None; rows];
    let mut pair = |row: usize, column: usize| {
        if costs[row * columns + column].is_some() {
            paired[row] = Some(column);
        }
    };
    if rows <= columns {
        let owner = shortest_paths(rows, columns, &table);
        let pairs = owner.iter().enumerate().skip(1).filter(|(_, row)| **row > 0);
        pairs.for_each(|(column, row)| pair(row - 1, column - 1));
    } else {
        let turned: Vec<f64> =
            (0..rows * columns).map(|at| table[at % rows * columns + at / rows]).collect();
        let owner = shortest_paths(columns, rows, &turned);
        let pairs = owner.iter().enumerate().skip(1).filter(|(_, column)| **column > 0);
        pairs.for_each(|(row, column)| pair(row - 1, column - 1));
    }
    paired
}

/// The row (from 1) that owns each column (from 1); 0 for none. `rows` ≤ `columns`.
fn shortest_paths(rows: usize, columns: usize, table: &[f64]) -> Vec<usize> {
    let mut row_potential = vec![0.0; rows + 1];
    let mut column_potential = vec![0.0; columns + 1];
    let mut owner = vec![0_usize; columns + 1];
    for row in 1..=rows {
        owner[0] = row;
        let mut at = 0;
        let mut least = vec![f64::INFINITY; columns + 1];
        let mut before = vec![0_usize; columns + 1];
        let mut done = vec![false; columns + 1];
        while owner[at] != 0 {
            done[at] = true;
            let current = owner[at];
            let (mut delta, mut next) = (f64::INFINITY, 0);
            for column in (1..=columns).filter(|&column| !done[column]) {
                let reduced = table[(current - 1) * columns + column - 1]
                    - row_potential[current]
                    - column_potential[column];
                if reduced < least[column] {
                    least[column] = reduced;
                    before[column] = at;
                }
                if least[column] < delta {
                    delta = least[column];
                    next = column;
                }
            }
            for column in 0..=columns {
                if done[column] {
                    row_potential[owner[column]] += delta;
                    column_potential[column] -= delta;
                } else {
                    least[column] -= delta;
                }
            }
            at = next;
        }
        while at != 0 {
            owner[at] = owner[before[at]];
            at = before[at];
        }
    }
    owner
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn best_by_trying(
        rows: usize,
        columns: usize,
        table: &[Option<f64>],
        used: u32,
    ) -> (usize, f64) {
        if rows == 0 {
            return (0, 0.0);
        }
        let row = &table[(rows - 1) * columns..rows * columns];
        let mut best = best_by_trying(rows - 1, columns, table, used);
        for column in (0..columns).filter(|column| used & (1 << column) == 0) {
            if let Some(cost) = row[column] {
                let (pairs, sum) = best_by_trying(rows - 1, columns, table, used | (1 << column));
                let found = (pairs + 1, sum + cost);
                if found.0 > best.0 || (found.0 == best.0 && found.1 < best.1) {
                    best = found;
                }
            }
        }
        best
    }

    #[test]
    fn equals_trying_everything() {
        let mut random = Random::new(5);
        for _ in 0..200 {
            let (rows, columns) = (random.below(6), random.below(6));
            let table: Vec<Option<f64>> = (0..rows * columns)
                .map(|_| Some(random.unit()).filter(|cost| *cost < 0.7))
                .collect();
            let paired = assign(rows, columns, |row, column| table[row * columns + column]);
            let pairs: Vec<_> =
                paired.iter().enumerate().filter_map(|(r, c)| c.map(|c| r * columns + c)).collect();
            let sum: f64 = pairs.iter().map(|&at| table[at].unwrap()).sum();
            let best = best_by_trying(rows, columns, &table, 0);
            assert_eq!(pairs.len(), best.0);
            assert!((sum - best.1).abs() < 1e-9, "{sum} {best:?}");
        }
    }
}
