//! `svc selfcheck`: figures about PID 1 itself, and whether one of them is not as it has to be.

use super::{Connection, args::Args, json::Json, query::unexpected};
use crate::exit::{self, Failure};
use rc::proto::{Figure, Reply, Request};
use std::fmt::Write as _;

/// The command. Exit code 1, and words, if something is off.
pub fn selfcheck(args: &Args) -> Result<i32, Failure> {
    let figures = match Connection::open()?.ask(Request::Selfcheck)? {
        Reply::Figures(figures) => figures,
        other => return Err(unexpected(other)),
    };
    let is_off = |figure: &&Figure| figure.bound.is_some_and(|bound| figure.value > bound);
    if args.json {
        let fields = |json: &mut Json| {
            for Figure { name, value, bound } in &figures {
                json.key(name).object(|json| {
                    json.count("value", *value);
                    json.count_or_null("bound", *bound);
                });
            }
        };
        exit::say(&(Json::text(|json| json.object(fields)) + "\n"));
    } else {
        let mut text = format!("{:<17}{:>10}{:>10}\n", "FIGURE", "VALUE", "BOUND");
        for Figure { name, value, bound } in &figures {
            let bound = bound.map_or_else(|| "-".to_owned(), |bound| bound.to_string());
            writeln!(text, "{name:<17}{value:>10}{bound:>10}").ok();
        }
        exit::say(&text);
    }
    let mut code = exit::OK;
    for Figure { name, value, bound } in figures.iter().filter(is_off) {
        let bound = bound.unwrap_or(0);
        exit::complain(
            "svc",
            format_args!("{name} is {value}, more than the {bound} there should be"),
        );
        code = exit::FAILED;
    }
    Ok(code)
}
