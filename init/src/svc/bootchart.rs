//! `svc bootchart`: when each service was wanted, started and ready for the first time.

use super::{Connection, args::Args, json::Json, query};
use crate::exit::{self, Failure};
use rc::proto::{Item, Milestones, Reply, Request};
use std::fmt::Write as _;

/// Columns of the names, and of the bars; with the times they fit in 80.
const NAME: usize = 20;
const BAR: u32 = 46;

/// `svc bootchart`
pub fn bootchart(args: &Args) -> Result<i32, Failure> {
    let mut connection = Connection::open()?;
    let settled = query::info(&mut connection)?.settled_ms;
    let items = query::all(&mut connection)?;
    let mut times = Vec::new();
    let mut from = 0;
    loop {
        match connection.ask(Request::Milestones { from })? {
            Reply::Milestones { list, next } => {
                times.extend(list);
                match next {
                    Some(next) if next > from => from = next,
                    _ => break,
                }
            }
            other => return Err(query::unexpected(other)),
        }
    }
    let rows = in_order(&items, &times);
    exit::say(&if args.json { as_json(&rows, settled) } else { as_text(&rows) });
    Ok(exit::OK)
}

/// Those that were ever wanted, by their start. Most are in that order already once they are inserted.
fn in_order<'a>(items: &'a [Item], times: &[Milestones]) -> Vec<(&'a Item, Milestones)> {
    let start = |times: &Milestones| times.started.or(times.ready).unwrap_or(u32::MAX);
    let mut rows: Vec<(&Item, Milestones)> = Vec::with_capacity(items.len());
    for (item, times) in items.iter().zip(times) {
        if times.wanted.is_none() {
            continue;
        }
        let key = (start(times), times.ready);
        let place = rows.partition_point(|(_, other)| (start(other), other.ready) <= key);
        rows.insert(place, (item, *times));
    }
    rows
}

fn as_text(rows: &[(&Item, Milestones)]) -> String {
    let last = |times: &Milestones| times.ready.or(times.started).or(times.wanted);
    let end = rows.iter().filter_map(|(_, times)| last(times)).max().unwrap_or(0).max(1);
    let mut text = format!("{:<NAME$} 0 {:>width$} ms  READY\n", "SERVICE", end, width = 41);
    for (item, times) in rows {
        let name: String = item.name.chars().take(NAME).collect();
        write!(text, "{name:<NAME$} ").ok();
        let column = |ms: u32| u64::from(ms) * u64::from(BAR - 1) / u64::from(end);
        let wanted = column(times.wanted.unwrap_or(0));
        // A bundle is never started; a service that is not ready yet goes on.
        let started = times.started.or(times.ready).map_or(u64::from(BAR), column);
        let ready = times.ready.map_or(u64::from(BAR), column);
        for at in 0..u64::from(BAR) {
            text.push(match at {
                _ if at == ready => '#',
                _ if at >= started && at < ready => '=',
                _ if at >= wanted && at < started => '.',
                _ => ' ',
            });
        }
        match times.ready {
            Some(ms) => {
                writeln!(text, " {ms:>7} ms").ok();
            }
            None => text.push_str("         -\n"),
        }
    }
    text.push_str("\n. waits  = starts  # is ready\n");
    text
}

fn as_json(rows: &[(&Item, Milestones)], settled: Option<u64>) -> String {
    let one = |json: &mut Json, (item, times): &(&Item, Milestones)| {
        json.object(|json| {
            json.named("name", &item.name);
            json.count_or_null("wanted_ms", times.wanted.map(u64::from));
            json.count_or_null("start_ms", times.started.map(u64::from));
            json.count_or_null("ready_ms", times.ready.map(u64::from));
        });
    };
    let fields = |json: &mut Json| {
        json.count_or_null("settled_ms", settled);
        json.key("services").array(|json| rows.iter().for_each(|row| one(json, row)));
    };
    Json::text(|json| json.object(fields)) + "\n"
}
