//! `svc tree` and `svc deps`: who has to do with whom, and how each is.

use super::{Connection, args::Args, json::Json, query, show, unknown};
use crate::exit::{self, Failure};
use rc::{
    model::{Relation, ServiceId},
    proto::{Item, Reply, Request},
};

/// Lines of a tree, at most: a service is shown wherever it is needed, which may be everywhere.
const MOST_LINES: usize = 20_000;

/// All services, by number, and all relations.
struct World {
    items: Vec<Item>,
    edges: Vec<(ServiceId, ServiceId, Relation)>,
}

impl World {
    fn ask() -> Result<Self, Failure> {
        let mut connection = Connection::open()?;
        let items = query::all(&mut connection)?;
        let mut edges = Vec::new();
        let mut from = 0;
        loop {
            match connection.ask(Request::Edges { from })? {
                Reply::Edges { edges: more, next } => {
                    edges.extend(more);
                    match next {
                        // A page that does not lead on would lead round in circles.
                        Some(next) if next > from => from = next,
                        _ => return Ok(Self { items, edges }),
                    }
                }
                other => return Err(query::unexpected(other)),
            }
        }
    }

    fn find(&self, name: &str) -> Result<ServiceId, Failure> {
        let place = self.items.iter().position(|item| item.name == name);
        let number = place.and_then(|place| u16::try_from(place).ok());
        number.map(ServiceId).ok_or_else(|| unknown(name))
    }

    /// Its relations to others, or those of others to it, as lines at this depth, the last one first.
    fn of(&self, id: ServiceId, reverse: bool, depth: usize, lines: &mut Vec<Line>) {
        for &(from, to, relation) in self.edges.iter().rev() {
            let (own, other) = if reverse { (to, from) } else { (from, to) };
            if own == id {
                lines.push(Line { depth, relation: Some(relation), id: other, again: false });
            }
        }
    }
}

const fn word(relation: Relation) -> &'static str {
    match relation {
        Relation::Needs => "needs",
        Relation::Wants => "wants",
        Relation::After => "after",
        Relation::Member => "contains",
        Relation::Alternative => "alternative",
    }
}

/// One line of either command.
struct Line {
    depth: usize,
    relation: Option<Relation>,
    id: ServiceId,
    /// What follows from it was shown before.
    again: bool,
}

/// `svc deps`
pub fn deps(args: &Args) -> Result<i32, Failure> {
    let world = World::ask()?;
    let id = world.find(&args.names[0])?;
    let mut lines = Vec::new();
    world.of(id, args.reverse, 0, &mut lines);
    lines.reverse();
    print(&world, &lines, "deps", args.json);
    Ok(exit::OK)
}

/// `svc tree`
pub fn tree(args: &Args) -> Result<i32, Failure> {
    let world = World::ask()?;
    let mut open = Vec::new();
    let mut shown = vec![false; world.items.len()];
    let mut root = |id| open.push(Line { depth: 0, relation: None, id, again: false });
    match args.names.first() {
        Some(name) => root(world.find(name)?),
        None => {
            for (_, to, _) in &world.edges {
                if let Some(has_parent) = shown.get_mut(to.index()) {
                    *has_parent = true;
                }
            }
            for (place, has_parent) in shown.iter().enumerate().rev() {
                if let (false, Ok(number)) = (has_parent, u16::try_from(place)) {
                    root(ServiceId(number));
                }
            }
            shown.fill(false);
        }
    }
    let mut lines = Vec::new();
    while let (Some(mut line), true) = (open.pop(), lines.len() < MOST_LINES) {
        let Some(shown) = shown.get_mut(line.id.index()) else { continue };
        let before = open.len();
        // The last one put there is the first one shown.
        world.of(line.id, false, line.depth + 1, &mut open);
        line.again = *shown && open.len() > before;
        *shown = true;
        if line.again {
            open.truncate(before);
        }
        lines.push(line);
    }
    print(&world, &lines, "tree", args.json);
    Ok(exit::OK)
}

fn print(world: &World, lines: &[Line], key: &str, json: bool) {
    let text = if json { as_json(world, lines, key) } else { as_text(world, lines) };
    exit::say(&text);
}

fn as_text(world: &World, lines: &[Line]) -> String {
    let name = |line: &Line| world.items.get(line.id.index()).map_or("?", |item| &item.name);
    let width = |line: &Line| 2 * line.depth + name(line).len();
    let widest = lines.iter().map(width).max().unwrap_or(0).min(48);
    let mut text = String::new();
    for line in lines {
        let item = world.items.get(line.id.index());
        text.push_str(&"  ".repeat(line.depth));
        text.push_str(name(line));
        text.push_str(&" ".repeat((widest + 2).saturating_sub(width(line))));
        let phase = item.map_or("?", |item| item.phase.name());
        let relation = line.relation.map_or("", word);
        text.push_str(format!("{phase:<8}  {relation}").trim_ascii_end());
        text.push_str(if line.again { ", see above\n" } else { "\n" });
    }
    text
}

fn as_json(world: &World, lines: &[Line], key: &str) -> String {
    let one = |json: &mut Json, line: &Line| {
        let Some(item) = world.items.get(line.id.index()) else { return };
        json.object(|json| {
            json.named("name", &item.name);
            json.named("relation", line.relation.map_or("", word));
            json.count("depth", line.depth as u64);
            json.named("state", item.phase.name());
            json.named("want", show::want(item.want));
            json.flag("again", line.again);
        });
    };
    let list = |json: &mut Json| lines.iter().for_each(|line| one(json, line));
    Json::text(|json| json.object(|json| json.key(key).array(list))) + "\n"
}
