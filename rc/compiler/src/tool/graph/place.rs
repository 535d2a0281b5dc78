//! How high each cell of a column lies: near what it is joined with, without overlaps, and long lines
//! straight.

use super::layer::Grid;

const PASSES: usize = 30;

/// How much straighter a line that passes is drawn than one that ends.
const STRAIGHT: f64 = 8.0;

/// The middle of every cell from the top, in pixels. `height` is that of a cell with its margin.
pub(super) fn place(grid: &Grid, height: &dyn Fn(usize) -> f64) -> Vec<f64> {
    let mut middle = vec![0.0; grid.cells.len()];
    for column in &grid.columns {
        let mut top = 0.0;
        for &cell in column {
            middle[cell] = top + height(cell) / 2.0;
            top += height(cell);
        }
    }
    for pass in 0..PASSES {
        let count = grid.columns.len();
        for step in 0..count {
            let column = if pass.is_multiple_of(2) { step } else { count - 1 - step };
            let (wanted, weights) = wishes(grid, &middle, column, pass);
            settle(&grid.columns[column], &wanted, &weights, height, &mut middle);
        }
    }
    let top = (0..grid.cells.len()).map(|cell| middle[cell] - height(cell) / 2.0);
    let top = top.fold(f64::INFINITY, f64::min);
    middle.iter().map(|y| y - if top.is_finite() { top } else { 0.0 }).collect()
}

/// Where each cell of a column would like to be, and how much: at the mean of its neighbours, at first of
/// those on the side that the pass comes from, in the end of both.
fn wishes(grid: &Grid, middle: &[f64], column: usize, pass: usize) -> (Vec<f64>, Vec<f64>) {
    let mut wanted = Vec::new();
    let mut weights = Vec::new();
    for &cell in &grid.columns[column] {
        let this = &grid.cells[cell];
        let from_left = pass.is_multiple_of(2);
        let near = if from_left { &this.left } else { &this.right };
        let far = if from_left { &this.right } else { &this.left };
        let both = pass + 8 >= PASSES || near.is_empty();
        let joined = near.iter().chain(far.iter().filter(|_| both));
        let (mut sum, mut weight) = (0.0, 0.0);
        for &other in joined {
            let passes = this.node.is_none() && grid.cells[other].node.is_none();
            let strength = if passes { STRAIGHT } else { 1.0 };
            sum += strength * middle[other];
            weight += strength;
        }
        if weight == 0.0 {
            (sum, weight) = (0.1 * middle[cell], 0.1);
        }
        wanted.push(sum / weight);
        weights.push(weight);
    }
    (wanted, weights)
}

/// The places nearest to the wishes (by weighted squares) that keep order and distances: a monotone
/// regression by pooling neighbours that would overlap.
fn settle(
    column: &[usize],
    wanted: &[f64],
    weights: &[f64],
    height: &dyn Fn(usize) -> f64,
    middle: &mut [f64],
) {
    // What lies between the first cell's middle and this one's if all are packed.
    let mut offsets: Vec<f64> = Vec::new();
    let mut pools: Vec<(f64, f64, usize)> = Vec::new();
    for (row, &cell) in column.iter().enumerate() {
        let offset = match row.checked_sub(1) {
            None => 0.0,
            Some(above) => offsets[above] + (height(column[above]) + height(cell)) / 2.0,
        };
        offsets.push(offset);
        pools.push((wanted[row] - offset, weights[row], 1));
        while let [.., upper, lower] = pools.as_slice()
            && upper.0 > lower.0
        {
            let weight = upper.1 + lower.1;
            let value = (upper.0 * upper.1 + lower.0 * lower.1) / weight;
            let pooled = (value, weight, upper.2 + lower.2);
            pools.truncate(pools.len() - 2);
            pools.push(pooled);
        }
    }
    let mut row = 0;
    for (value, _, count) in pools {
        for _ in 0..count {
            middle[column[row]] = value + offsets[row];
            row += 1;
        }
    }
}
