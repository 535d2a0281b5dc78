//! The order of the cells in each column, so that few lines cross: sweeps by medians and swaps of
//! neighbours (Gansner et al., "A Technique for Drawing Directed Graphs", 1993).

use super::layer::Grid;

const SWEEPS: usize = 24;

/// Above this many cells neighbours are not swapped one by one.
const SWAPPED: usize = 3000;

/// Orders the columns of the grid.
pub(super) fn order(grid: &mut Grid) {
    let mut rows = vec![0; grid.cells.len()];
    number(grid, &mut rows);
    let mut best = (crossings(grid, &rows), grid.columns.clone());
    for sweep in 0..SWEEPS {
        let to_right = sweep.is_multiple_of(2);
        let columns: Vec<usize> = if to_right {
            (1..grid.columns.len()).collect()
        } else {
            (0..grid.columns.len().saturating_sub(1)).rev().collect()
        };
        for column in columns {
            by_median(grid, &mut rows, column, to_right);
        }
        if grid.cells.len() < SWAPPED {
            swap(grid, &mut rows);
        }
        let count = crossings(grid, &rows);
        if count < best.0 {
            best = (count, grid.columns.clone());
        }
    }
    grid.columns = best.1;
}

fn number(grid: &Grid, rows: &mut [usize]) {
    for column in &grid.columns {
        for (row, cell) in column.iter().enumerate() {
            rows[*cell] = row;
        }
    }
}

/// Sorts a column by the medians of the rows of its neighbours on one side; a cell without neighbours
/// keeps its row.
fn by_median(grid: &mut Grid, rows: &mut [usize], column: usize, from_left: bool) {
    let mut keyed: Vec<(usize, usize)> = Vec::new();
    for &cell in &grid.columns[column] {
        let joined = if from_left { &grid.cells[cell].left } else { &grid.cells[cell].right };
        let mut joined: Vec<usize> = joined.iter().map(|other| rows[*other]).collect();
        joined.sort_unstable();
        // Twice the median, so that it is whole.
        let key = match (joined.len(), joined.len() / 2) {
            (0, _) => 2 * rows[cell],
            (length, middle) if length % 2 == 1 => 2 * joined[middle],
            (_, middle) => joined[middle - 1] + joined[middle],
        };
        keyed.push((key, cell));
    }
    keyed.sort_by_key(|(key, _)| *key);
    grid.columns[column] = keyed.into_iter().map(|(_, cell)| cell).collect();
    for (row, cell) in grid.columns[column].iter().enumerate() {
        rows[*cell] = row;
    }
}

/// Swaps neighbours as long as that saves crossings.
fn swap(grid: &mut Grid, rows: &mut [usize]) {
    for _ in 0..8 {
        let mut better = false;
        for column in 0..grid.columns.len() {
            for row in 1..grid.columns[column].len() {
                let (upper, lower) = (grid.columns[column][row - 1], grid.columns[column][row]);
                if between(grid, rows, lower, upper) < between(grid, rows, upper, lower) {
                    grid.columns[column].swap(row - 1, row);
                    (rows[upper], rows[lower]) = (row, row - 1);
                    better = true;
                }
            }
        }
        if !better {
            return;
        }
    }
}

/// How many lines of two cells cross if `upper` is above `lower`.
fn between(grid: &Grid, rows: &[usize], upper: usize, lower: usize) -> usize {
    let (upper, lower) = (&grid.cells[upper], &grid.cells[lower]);
    let pairs = [(&upper.left, &lower.left), (&upper.right, &lower.right)];
    let count = |(above, below): &(&Vec<usize>, &Vec<usize>)| -> usize {
        above.iter().map(|a| below.iter().filter(|b| rows[**b] < rows[*a]).count()).sum()
    };
    pairs.iter().map(count).sum()
}

/// How many lines cross: inversions among the lines of each pair of columns, counted with a tree of
/// partial sums.
fn crossings(grid: &Grid, rows: &[usize]) -> usize {
    let mut total = 0;
    for column in &grid.columns {
        let mut ends: Vec<usize> = Vec::new();
        for &cell in column {
            let mut right: Vec<usize> =
                grid.cells[cell].right.iter().map(|other| rows[*other]).collect();
            right.sort_unstable();
            ends.extend(right);
        }
        let size = ends.iter().max().map_or(0, |last| last + 2);
        let mut sums = vec![0_usize; size];
        for (before, end) in ends.iter().enumerate() {
            let mut not_above = 0;
            let mut at = end + 1;
            while at > 0 {
                not_above += sums[at];
                at &= at - 1;
            }
            total += before - not_above;
            let mut at = end + 1;
            while at < size {
                sums[at] += 1;
                at += at & at.wrapping_neg();
            }
        }
    }
    total
}
