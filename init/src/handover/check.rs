//! Before another version takes over it is asked whether it can: it is run beside the one that works, with a
//! copy of the state, and has to make an engine of it. Nothing else happens.

use super::{area::Area, database, engine, legacy, shell, state};
use crate::{
    applet::{Call, VERSION, asked_for_help},
    exit, inherit,
};
use supervisor::{
    decimal,
    problem::{Problem, problem},
};

/// What it says first if it can; whoever asked insists on it, as most programs would just do something else.
pub const CAN: &str = "jamb can take over: ";

const HELP: &str = "\
usage: handover-check STATE DATABASE

jamb starts it itself, before svc upgrade, with two descriptors.
";

/// The applet.
pub fn main(call: Call) -> i32 {
    if let Some(code) = asked_for_help(&call, HELP) {
        return code;
    }
    match check(&call.args) {
        Ok(()) => {
            exit::tell(format_args!("{CAN}{VERSION}\n"));
            exit::OK
        }
        Err(problem) => {
            exit::say(&problem);
            exit::FAILED
        }
    }
}

fn check(args: &[String]) -> Result<(), Problem> {
    let number = |at: usize| args.get(at).and_then(|text| decimal::number(text));
    let area = number(0).and_then(Area::open).ok_or("there is no state to take over")?;
    let legacy = legacy(&area)?;
    let fixed: state::Fixed = state::read(&legacy, state::FIXED).ok_or(super::DAMAGED)?;
    let fd = number(1).and_then(inherit::adopt).ok_or("there is no database to take over")?;
    let (database, graph) = database(&fd)
        .map_err(|problem| problem!("the database in use is {problem}, install both and reboot"))?;
    if database.len() != usize::from(fixed.services) {
        return Err(super::DAMAGED.into());
    }
    engine(graph, &legacy)?;
    shell(&legacy)?;
    for key in database.ids().map(state::of_service).filter(|key| legacy.has(*key)) {
        let known: Option<state::Service> = state::read(&legacy, key);
        known.ok_or(super::DAMAGED)?;
    }
    Ok(())
}
