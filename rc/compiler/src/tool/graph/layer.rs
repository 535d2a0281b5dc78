//! Which column each service stands in, and the points that a long line passes in the columns between:
//! the first step of Sugiyama's method ("Methods for visual understanding of hierarchical system
//! structures", 1981).

use super::Graph;

/// A place in a column: a service, or a line that passes.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    pub(super) column: usize,
    /// The service; `None` where a line passes.
    pub(super) node: Option<usize>,
    /// Cells of the column to the left that it is joined with.
    pub(super) left: Vec<usize>,
    /// Cells of the column to the right that it is joined with.
    pub(super) right: Vec<usize>,
}

/// All cells and the cells that each line passes.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    /// The first ones are the services, in their order.
    pub(super) cells: Vec<Cell>,
    /// The cells of each column, from top to bottom.
    pub(super) columns: Vec<Vec<usize>>,
    /// For each relation the cells from the service that has it to the one that it points to.
    pub(super) routes: Vec<Vec<usize>>,
}

/// The most cells that a picture has: nobody can read more, and the time to place them would grow.
const MOST: usize = 30_000;

/// The grid; `None` if it would have too many cells for a picture.
pub(super) fn grid(graph: &Graph) -> Option<Grid> {
    let columns = columns(graph);
    let cell = |column, node| Cell { column, node, left: Vec::new(), right: Vec::new() };
    let mut cells: Vec<Cell> =
        columns.iter().enumerate().map(|(node, column)| cell(*column, Some(node))).collect();
    let mut routes = Vec::with_capacity(graph.edges.len());
    for edge in &graph.edges {
        let mut route = vec![edge.from];
        // Only a database that no device accepts has lines that do not go to the left.
        let passed = columns[edge.to] + 1..columns[edge.from];
        for column in passed.rev() {
            if cells.len() > MOST {
                return None;
            }
            route.push(cells.len());
            cells.push(cell(column, None));
        }
        route.push(edge.to);
        for pair in route.windows(2) {
            if cells[pair[0]].column == cells[pair[1]].column + 1 {
                cells[pair[0]].left.push(pair[1]);
                cells[pair[1]].right.push(pair[0]);
            }
        }
        routes.push(route);
    }
    let count = columns.iter().max().map_or(0, |last| last + 1);
    let mut by_column = vec![Vec::new(); count];
    for (number, cell) in cells.iter().enumerate() {
        by_column[cell.column].push(number);
    }
    Some(Grid { cells, columns: by_column, routes })
}

/// The column of each service: right of all that it relates to, and no further than that from what
/// relates to it if there is more of the latter.
fn columns(graph: &Graph) -> Vec<usize> {
    let count = graph.nodes.len();
    let (mut down, mut up) = (vec![Vec::new(); count], vec![Vec::new(); count]);
    for edge in &graph.edges {
        down[edge.from].push(edge.to);
        up[edge.to].push(edge.from);
    }
    let mut open: Vec<usize> = down.iter().map(Vec::len).collect();
    let mut order: Vec<usize> = (0..count).filter(|node| open[*node] == 0).collect();
    let mut column: Vec<usize> = vec![0; count];
    let mut next = 0;
    while let Some(&node) = order.get(next) {
        next += 1;
        for &other in &up[node] {
            column[other] = column[other].max(column[node] + 1);
            open[other] -= 1;
            if open[other] == 0 {
                order.push(other);
            }
        }
    }
    for &node in order.iter().rev() {
        let nearest = up[node].iter().map(|other| column[*other]).min();
        if let Some(nearest) = nearest
            && up[node].len() > down[node].len()
        {
            column[node] = column[node].max(nearest.saturating_sub(1));
        }
    }
    column
}
