//! The graph in the language of Graphviz.

use super::{Graph, edge_tooltip, tooltip};

/// For `dot -Tsvg` and its relatives.
#[must_use]
pub fn dot(graph: &Graph) -> String {
    let mut out =
        String::from("digraph services {\n    rankdir=RL\n    node [fontname=\"sans-serif\"]\n");
    for node in &graph.nodes {
        let (shape, colour) = match node.kind.as_str() {
            "longrun" => ("box, style=\"rounded,filled\"", "#cfe2f7"),
            "oneshot" => ("box, style=filled", "#d6efd2"),
            "bundle" => ("octagon, style=filled", "#eeeeee"),
            "file" => ("note, style=filled", "#fdf1c4"),
            _ => ("hexagon, style=filled", "#f3d9ee"),
        };
        let width = if node.is_target { ", penwidth=3" } else { "" };
        out.push_str(&format!(
            "    {} [shape={shape}, fillcolor=\"{colour}\", tooltip={}{width}]\n",
            quoted(&node.name),
            quoted(&tooltip(node)),
        ));
    }
    for edge in &graph.edges {
        let style = match edge.word() {
            "reads" => "color=\"#b0480f\"",
            "wants" => "style=dashed",
            "after" => "style=dotted",
            "uses" => "color=\"#6b3fa0\"",
            "contains" => "color=\"#7a8794\", arrowhead=vee",
            _ => "color=black",
        };
        let head = if edge.is_soft() { ", arrowhead=empty" } else { "" };
        let (from, to) = (&graph.nodes[edge.from].name, &graph.nodes[edge.to].name);
        out.push_str(&format!(
            "    {} -> {} [{style}{head}, tooltip={}]\n",
            quoted(from),
            quoted(to),
            quoted(&edge_tooltip(graph, edge)),
        ));
    }
    out.push_str("}\n");
    out
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
