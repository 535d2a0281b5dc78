//! A jamb, its events, and its scripted children: what every case starts with.

use crate::{
    child::{Child, Children},
    events::{Event, Events},
    world::{Def, World, bundle, database_with, scratch},
};
use rc::{Millis, model::System};
use std::process::Command;

/// The three.
pub struct Rig {
    // In the order in which they are dropped: children that nobody listens to end by themselves.
    pub children: Children,
    pub events: Events,
    pub world: World,
}

impl Rig {
    /// Starts jamb with all of `defs` in the target, unless there is a `default` among them.
    pub fn start(mut defs: Vec<Def>) -> Self {
        if !defs.iter().any(|def| def.name == "default") {
            let all: Vec<&'static str> = defs.iter().map(|def| def.name).collect();
            defs.push(bundle("default", &all));
        }
        Self::start_with(defs, |_| {}, |_| {})
    }

    /// The same with these as they are, another system record, and another command line.
    pub fn start_with(
        defs: Vec<Def>,
        system: impl FnOnce(&mut System),
        command: impl FnOnce(&mut Command),
    ) -> Self {
        let mut record = System { shutdown_timeout: Millis(20_000), ..System::default() };
        system(&mut record);
        let dir = scratch();
        let children = Children::listen(&dir);
        let world = World::start_in(dir, &database_with(defs, record), command);
        let events = Events::follow(&world);
        Self { world, events, children }
    }

    /// The next process of a longrun.
    pub fn run(&self, service: &str) -> Child {
        self.children.next(service, "run")
    }

    /// Waits until a service enters a state; answers the event's number.
    pub fn state(&self, service: &str, state: &str) -> u64 {
        self.events.state(service, state)
    }

    /// A command of `svc` that succeeds.
    pub fn svc(&self, words: &[&str]) {
        self.world.ok(words);
    }

    /// A command that changes something, without waiting for what comes of it: events tell.
    pub fn order(&self, verb: &str, service: &str) {
        self.world.ok(&[verb, service, "--no-wait"]);
    }

    /// The state of a service now.
    pub fn now(&self, service: &str) -> String {
        self.world.status(service)["state"].as_str().unwrap_or_default().to_owned()
    }

    /// Ends it in order; answers everything that happened.
    pub fn end(self) -> Vec<Event> {
        let Self { children, events, world } = self;
        drop(children);
        crate::world::kill(i64::from(world.child.id()), "TERM");
        let all = events.to_the_end();
        assert_eq!(world.end().code(), Some(0), "it ends in order");
        all
    }
}
