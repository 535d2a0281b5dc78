//! The graph as a picture: an SVG without anything outside of it.

use super::{Edge, Graph, Node, edge_tooltip, layer, order, place, tooltip};
use std::fmt::Write as _;

const MARGIN: f64 = 20.0;
/// The width of a character of the fixed-width font at 12 pixels, and the room beside the text.
const CHARACTER: f64 = 7.3;
const PADDING: f64 = 24.0;
/// The height of a service with few lines, what each further line adds, and the most.
const BOX: f64 = 28.0;
const LINE: f64 = 6.0;
const TALLEST: f64 = 110.0;
/// Between two services of a column, and for a line that passes.
const BETWEEN: f64 = 16.0;
const PASSING: f64 = 12.0;

const STYLE: &str = "\
text{font:12px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#1c2530}\
.t{font-size:14px;font-weight:bold}.s{fill:#5a6673}\
.b{stroke:#33414f;stroke-width:1.2}.longrun{fill:#cfe2f7}.oneshot{fill:#d6efd2}.bundle{fill:#e9ecef}\
.file{fill:#fdf1c4}.other{fill:#f3d9ee}.target .b{stroke-width:3}\
.e{fill:none;stroke-width:1.4}.needs{stroke:#33414f}.reads{stroke:#c2570c}\
.wants{stroke:#33414f;stroke-dasharray:6 4}.after{stroke:#77838f;stroke-dasharray:1.5 4}\
.contains{stroke:#a3b1bf}.uses{stroke:#6b3fa0}.n:hover .b{stroke:#c2570c}.e:hover{stroke-width:3.5}";

/// The picture; `None` if there are too many services for one.
#[must_use]
pub fn svg(graph: &Graph) -> Option<String> {
    let mut grid = layer::grid(graph)?;
    order::order(&mut grid);
    let ends = Ends::new(graph);
    let tall = |cell: usize| grid.cells[cell].node.map_or(0.0, |node| ends.height(node));
    let room = |cell: usize| match grid.cells[cell].node {
        Some(_) => tall(cell) + BETWEEN,
        None => PASSING,
    };
    let middle = place::place(&grid, &room);
    let columns = columns(graph, &grid);
    let placed = Placed { graph, grid: &grid, middle: &middle, columns: &columns };
    let bottom = (0..grid.cells.len()).map(|cell| middle[cell] + room(cell) / 2.0);
    let bottom = bottom.fold(0.0, f64::max);
    let width = columns.last().map_or(0.0, |(left, wide)| left + wide);
    let legend = Legend::new(graph);
    let (width, top) = (width.max(legend.width) + 2.0 * MARGIN, legend.height + MARGIN);
    let height = top + bottom + MARGIN;
    let mut out = String::new();
    // Writing into a string cannot fail.
    let mut put = |text: std::fmt::Arguments<'_>| out.write_fmt(text).unwrap_or_default();
    put(format_args!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\">\n<style>{STYLE}{}</style>\n<defs>{}</defs>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{}<g transform=\"translate({MARGIN} {top:.1})\">\n",
        focus(graph),
        heads(),
        legend.text,
    ));
    for (edge, route) in graph.edges.iter().zip(&grid.routes) {
        put(format_args!("{}", placed.line(edge, route, &ends)));
    }
    for (number, node) in graph.nodes.iter().enumerate() {
        put(format_args!("{}", placed.service(number, node, ends.height(number))));
    }
    put(format_args!("</g>\n</svg>\n"));
    Some(out)
}

/// While the pointer is on a service, only its own lines are seen.
fn focus(graph: &Graph) -> String {
    let rule = |n| format!("svg:has(#n{n}:hover) .e:not(.a{n}){{opacity:.1}}");
    (0..graph.nodes.len()).map(rule).collect()
}

/// The arrows' heads: full ones for relations that stop the service too, hollow ones for those that do not.
fn heads() -> String {
    let colours = [
        ("needs", "#33414f"),
        ("reads", "#c2570c"),
        ("after", "#77838f"),
        ("contains", "#a3b1bf"),
        ("uses", "#6b3fa0"),
    ];
    let mut out = String::new();
    for (name, colour) in colours {
        for (kind, fill) in [("", colour), ("-soft", "#fff")] {
            out.push_str(&format!(
                "<marker id=\"{name}{kind}\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" \
                 markerWidth=\"9\" markerHeight=\"9\" markerUnits=\"userSpaceOnUse\" orient=\"auto\">\
                 <path d=\"M1 1L9 5L1 9z\" fill=\"{fill}\" stroke=\"{colour}\"/></marker>"
            ));
        }
    }
    out
}

/// The left edge and the width of every column.
fn columns(graph: &Graph, grid: &layer::Grid) -> Vec<(f64, f64)> {
    let mut left = 0.0;
    let mut columns = Vec::new();
    for cells in &grid.columns {
        let nodes = cells.iter().filter_map(|cell| grid.cells[*cell].node);
        let wide = nodes.map(|node| width_of(&graph.nodes[node].name)).fold(40.0, f64::max);
        columns.push((left, wide));
        let lines: u32 = cells.iter().map(|cell| count(grid.cells[*cell].right.len())).sum();
        left += wide + (40.0 + 3.0 * f64::from(lines)).min(150.0);
    }
    columns
}

fn width_of(text: &str) -> f64 {
    f64::from(count(text.chars().count())) * CHARACTER + PADDING
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// How many lines begin and end at each service.
struct Ends {
    /// Those that a service has to others, on its left.
    out: Vec<usize>,
    /// Those that others have to it, on its right.
    into: Vec<usize>,
}

impl Ends {
    fn new(graph: &Graph) -> Self {
        let (mut out, mut into) = (vec![0; graph.nodes.len()], vec![0; graph.nodes.len()]);
        for edge in &graph.edges {
            out[edge.from] += 1;
            into[edge.to] += 1;
        }
        Self { out, into }
    }

    fn height(&self, node: usize) -> f64 {
        let lines = f64::from(count(self.out[node].max(self.into[node])));
        (LINE * (lines + 1.0)).clamp(BOX, TALLEST)
    }
}

/// Everything with its place.
struct Placed<'p> {
    graph: &'p Graph,
    grid: &'p layer::Grid,
    middle: &'p [f64],
    columns: &'p [(f64, f64)],
}

impl Placed<'_> {
    fn service(&self, number: usize, node: &Node, tall: f64) -> String {
        let (left, _) = self.columns[self.grid.cells[number].column];
        let wide = width_of(&node.name);
        let (x, y) = (left, self.middle[number] - tall / 2.0);
        let target = if node.is_target { " target" } else { "" };
        format!(
            "<g class=\"n{target}\" id=\"n{number}\"><title>{}</title>{}<text x=\"{:.1}\" y=\"{:.1}\" \
             text-anchor=\"middle\">{}</text></g>\n",
            escaped(&tooltip(node)),
            shape(&node.kind, x, y, wide, tall),
            x + wide / 2.0,
            y + tall / 2.0 + 4.0,
            escaped(&node.name),
        )
    }

    /// A line: curves between the columns, straight where it passes one.
    fn line(&self, edge: &Edge, route: &[usize], ends: &Ends) -> String {
        let (first, last) = (edge.from, edge.to);
        let mut y = self.port(first, ends.height(first), edge, |other| other.from == first);
        let mut x = self.columns[self.grid.cells[first].column].0;
        let mut path = format!("M{x:.1} {y:.1}");
        for &cell in &route[1..] {
            let (left, wide) = self.columns[self.grid.cells[cell].column];
            let (end_x, end_y) = if cell == last {
                let tall = ends.height(last);
                let right = left + width_of(&self.graph.nodes[last].name);
                (right + 1.0, self.port(last, tall, edge, |other| other.to == last))
            } else {
                (left + wide, self.middle[cell])
            };
            // A short name leaves room in its column, which the line crosses straight.
            let bend = end_x.max(left + wide);
            let half = (x + bend) / 2.0;
            path.push_str(&format!("C{half:.1} {y:.1} {half:.1} {end_y:.1} {bend:.1} {end_y:.1}"));
            (x, y) = if cell == last { (end_x, end_y) } else { (left, end_y) };
            if (x - bend).abs() > 0.5 {
                path.push_str(&format!("L{x:.1} {y:.1}"));
            }
        }
        let word = edge.word();
        let head = if word == "wants" { "needs" } else { word };
        let soft = if edge.is_soft() { "-soft" } else { "" };
        format!(
            "<path class=\"e {word} a{first} a{last}\" d=\"{path}\" marker-end=\"url(#{head}{soft})\">\
             <title>{}</title></path>\n",
            escaped(&edge_tooltip(self.graph, edge)),
        )
    }

    /// Where on a service's side a line begins or ends: in the order of where the lines go.
    fn port(&self, node: usize, tall: f64, edge: &Edge, mine: impl Fn(&Edge) -> bool) -> f64 {
        let lines = self.graph.edges.iter().zip(&self.grid.routes).filter(|(other, _)| mine(other));
        let mut keyed: Vec<(f64, usize, usize)> = lines
            .map(|(other, route)| {
                let next =
                    if other.from == node { route.get(1) } else { route.iter().rev().nth(1) };
                let height = next.map_or(0.0, |cell| self.middle[*cell]);
                (height, other.from, other.to)
            })
            .collect();
        keyed.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| (a.1, a.2).cmp(&(b.1, b.2))));
        let at = keyed.iter().position(|(_, from, to)| (*from, *to) == (edge.from, edge.to));
        let share = f64::from(count(at.unwrap_or(0)) + 1) / f64::from(count(keyed.len()) + 1);
        self.middle[node] - tall / 2.0 + tall * share
    }
}

/// The outline of a kind.
fn shape(kind: &str, x: f64, y: f64, wide: f64, tall: f64) -> String {
    let (right, bottom) = (x + wide, y + tall);
    match kind {
        "longrun" => format!(
            "<rect class=\"b longrun\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{tall:.1}\" rx=\"11\"/>"
        ),
        "oneshot" => format!(
            "<rect class=\"b oneshot\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{tall:.1}\"/>"
        ),
        "file" => format!(
            "<path class=\"b file\" d=\"M{x:.1} {y:.1}H{:.1}L{right:.1} {:.1}V{bottom:.1}H{x:.1}zM{:.1} {y:.1}V{:.1}H{right:.1}\"/>",
            right - 8.0,
            y + 8.0,
            right - 8.0,
            y + 8.0
        ),
        _ => {
            let class = if kind == "bundle" { "bundle" } else { "other" };
            let cut = 8.0;
            format!(
                "<path class=\"b {class}\" d=\"M{:.1} {y:.1}H{:.1}L{right:.1} {:.1}V{:.1}L{:.1} {bottom:.1}H{:.1}L{x:.1} {:.1}V{:.1}z\"/>",
                x + cut,
                right - cut,
                y + cut,
                bottom - cut,
                right - cut,
                x + cut,
                bottom - cut,
                y + cut
            )
        }
    }
}

/// The heading, and what shapes and lines mean.
struct Legend {
    text: String,
    width: f64,
    height: f64,
}

impl Legend {
    fn new(graph: &Graph) -> Self {
        let title = format!("{} services", graph.nodes.len());
        let mut note = "what stands left is ready first".to_owned();
        if graph.hidden > 0 {
            let hidden = graph.hidden;
            note.push_str(&format!(
                "; not drawn: memberships that follow from other lines ({hidden}, --all)"
            ));
        }
        let mut text = format!(
            "<text class=\"t\" x=\"{MARGIN}\" y=\"28\">{title}</text>\
             <text class=\"s\" x=\"{:.1}\" y=\"28\">{note}</text>\n",
            MARGIN + width_of(&title) * 1.2
        );
        let mut x = MARGIN;
        for kind in graph.kinds() {
            let wide = width_of(kind);
            text.push_str(&shape(kind, x, 42.0, wide, 24.0));
            text.push_str(&format!(
                "<text x=\"{:.1}\" y=\"58\">{kind}</text>\n",
                x + PADDING / 2.0
            ));
            x += wide + 14.0;
        }
        for (word, meaning) in LINES {
            let used = |edge: &Edge| edge.word() == *word || (*word == "soft" && edge.is_soft());
            if !graph.edges.iter().any(used) {
                continue;
            }
            let (class, head) = match *word {
                "soft" => ("needs", "needs-soft"),
                "wants" => ("wants", "needs"),
                word => (word, word),
            };
            text.push_str(&format!(
                "<path class=\"e {class}\" d=\"M{:.1} 54H{x:.1}\" marker-end=\"url(#{head})\"/>\
                 <text x=\"{:.1}\" y=\"58\">{meaning}</text>\n",
                x + 34.0,
                x + 42.0
            ));
            x += 42.0 + width_of(meaning);
        }
        let width = (MARGIN + width_of(&title) * 1.2 + width_of(&note)).max(x) - MARGIN;
        Self { text, width, height: 76.0 }
    }
}

const LINES: &[(&str, &str)] = &[
    ("needs", "needs"),
    ("reads", "needs and reads"),
    ("wants", "wants"),
    ("after", "after"),
    ("contains", "contains"),
    ("uses", "one of its alternatives"),
    ("soft", "stays up without it"),
];

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
