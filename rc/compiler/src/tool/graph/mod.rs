//! The services of a database as a graph: for Graphviz, or as a picture that needs no other program.
//!
//! An arrow points from a service to what it waits for, which lies to the left of it.

mod dot;
mod layer;
mod order;
mod place;
mod svg;

pub use dot::dot;
pub use svg::svg;

use crate::show::{self, Decoded};
use rc::db::{Database, Error};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};

/// A service in the picture.
#[derive(Clone, Debug)]
struct Node {
    name: String,
    kind: String,
    description: String,
    /// Whether boot starts it by name.
    is_target: bool,
    /// `KEY: TYPE` of every output.
    outputs: Vec<String>,
}

/// A relation in the picture.
#[derive(Clone, Debug)]
struct Edge {
    from: usize,
    to: usize,
    relation: String,
    on_change: String,
    /// The outputs of `to` that `from` reads.
    reads: Vec<String>,
}

impl Edge {
    /// The word for the relation in the legend and in tooltips.
    fn word(&self) -> &str {
        match self.relation.as_str() {
            "contents" => "contains",
            "alternatives" => "uses",
            "needs" if !self.reads.is_empty() => "reads",
            other => other,
        }
    }

    /// Whether `from` stays up while `to` is away.
    fn is_soft(&self) -> bool {
        self.on_change != "restart"
    }
}

/// What is drawn.
#[derive(Clone, Debug)]
pub struct Graph {
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    /// How many memberships are not drawn, since they follow from other relations.
    hidden: usize,
}

impl Graph {
    /// The graph of a database. A member that the bundle reaches over its other members too is drawn
    /// without a line, unless `all` are asked for.
    ///
    /// # Errors
    /// If a record cannot be decoded.
    pub fn new(database: &Database, all: Lines) -> Result<Self, Error> {
        let shown = show::json(&Decoded::new(database)?, None)?;
        let target = shown["system"]["default"].as_str();
        let services = list(&shown["services"]);
        let nodes: Vec<Node> = services.iter().map(|service| node(service, target)).collect();
        let numbers: HashMap<&str, usize> =
            nodes.iter().enumerate().map(|(number, node)| (node.name.as_str(), number)).collect();
        let mut edges = Vec::new();
        for (from, service) in services.iter().enumerate() {
            edges.extend(list(&service["edges"]).iter().filter_map(|one| {
                let other = one["service"].as_str()?;
                let reads = list(&service["reads"]).iter().filter_map(Value::as_str);
                let reads = reads.filter(|read| {
                    read.split_once('.').is_some_and(|(service, _)| service == other)
                });
                Some(Edge {
                    from,
                    to: *numbers.get(other)?,
                    relation: text(&one["relation"]),
                    on_change: text(&one["on_change"]),
                    reads: reads.map(ToOwned::to_owned).collect(),
                })
            }));
        }
        let mut graph = Self { nodes, edges, hidden: 0 };
        if all == Lines::Telling {
            graph.hide_implied_members();
        }
        Ok(graph)
    }

    fn hide_implied_members(&mut self) {
        let mut next: Vec<Vec<usize>> = vec![Vec::new(); self.nodes.len()];
        for edge in self.edges.iter().filter(|edge| edge.relation != "after") {
            next[edge.from].push(edge.to);
        }
        let mut implied: HashMap<usize, BTreeSet<usize>> = HashMap::new();
        for bundle in 0..self.nodes.len() {
            if !self.edges.iter().any(|edge| edge.from == bundle && edge.relation == "contents") {
                continue;
            }
            // All that is reached in two steps or more.
            let mut open: Vec<usize> =
                next[bundle].iter().flat_map(|one| next[*one].iter().copied()).collect();
            let reached = implied.entry(bundle).or_default();
            while let Some(one) = open.pop() {
                if reached.insert(one) {
                    open.extend(&next[one]);
                }
            }
        }
        let before = self.edges.len();
        self.edges.retain(|edge| {
            let is_implied = implied.get(&edge.from).is_some_and(|all| all.contains(&edge.to));
            !(edge.relation == "contents" && is_implied)
        });
        self.hidden = before - self.edges.len();
    }

    /// The kinds that occur, in the order of the legend.
    fn kinds(&self) -> Vec<&str> {
        let mut kinds: Vec<&str> = self.nodes.iter().map(|node| node.kind.as_str()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }
}

/// Which lines are drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lines {
    /// All but memberships that follow from other lines.
    Telling,
    /// All.
    All,
}

fn node(service: &Value, target: Option<&str>) -> Node {
    let outputs = list(&service["outputs"]).iter();
    let outputs = outputs.map(|one| format!("{}: {}", text(&one["key"]), text(&one["type"])));
    Node {
        name: text(&service["name"]),
        kind: text(&service["kind"]),
        description: text(&service["description"]),
        is_target: service["name"].as_str() == target,
        outputs: outputs.collect(),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A service's tooltip: what it is, in a few lines.
fn tooltip(node: &Node) -> String {
    let mut lines = vec![format!("{}: {}", node.name, node.kind)];
    if !node.description.is_empty() {
        lines.push(node.description.clone());
    }
    if node.is_target {
        lines.push("started at boot".to_owned());
    }
    lines.extend(node.outputs.iter().map(|output| format!("output {output}")));
    lines.join("\n")
}

/// A relation's tooltip.
fn edge_tooltip(graph: &Graph, edge: &Edge) -> String {
    let (from, to) = (&graph.nodes[edge.from].name, &graph.nodes[edge.to].name);
    let relation = match edge.relation.as_str() {
        "contents" => "contains",
        "alternatives" => "uses one of its alternatives,",
        other => other,
    };
    let mut text = format!("{from} {relation} {to}");
    if !edge.reads.is_empty() {
        text.push_str(&format!("\nreads {}", edge.reads.join(", ")));
    }
    if edge.is_soft() {
        text.push_str(&format!("\non change: {}", edge.on_change));
    }
    text
}
