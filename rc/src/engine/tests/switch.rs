//! Another database at run time: who keeps its process, who does not, and what was asked survives.

use super::*;
use crate::engine::Origin;

impl Machine {
    /// Goes over to other definitions; those named in `changed` are not the same as before. Answers
    /// what the shell had to do, at first and then for the new definitions.
    fn switch(&mut self, defs: Vec<Def>, changed: &[&str]) -> (String, String) {
        let next = Self::new(defs);
        let names = self.names.clone();
        let stays = |name: &&str| next.names.contains(name) && !changed.contains(name);
        let gone: Vec<_> = names.iter().filter(|name| !stays(name)).collect();
        let mut words = Vec::new();
        for name in gone {
            words.push(self.tell(Event::Retire(self.id(name))));
        }
        // Whoever has to end does so; nobody else is told to.
        while !self.engine.is_retired() {
            let waiting = names.iter().find(|name| {
                let live = self.engine.view(self.id(name)).unwrap().live;
                live.is_some() && self.phase(name) == Phase::Stopping && self.waits(name).is_empty()
            });
            let name = *waiting.expect("somebody who ends");
            words.push(self.exits(name, 0));
        }
        let origin = |name: &&str| match names.iter().position(|one| one == name) {
            None => Origin::New,
            Some(at) if stays(name) => Origin::Kept(ServiceId(u16::try_from(at).unwrap())),
            Some(at) => Origin::Changed(ServiceId(u16::try_from(at).unwrap())),
        };
        let origins: Vec<_> = next.names.iter().map(origin).collect();
        let target = next.names.iter().position(|name| *name == "default");
        let target = target.map(|at| ServiceId(u16::try_from(at).unwrap()));
        let old = core::mem::replace(&mut self.engine, Engine::new(next.engine.graph().clone()));
        self.engine = old.adopt(next.engine.graph().clone(), &origins, target);
        self.names = next.names;
        words.retain(|word| !word.is_empty());
        (words.join(", "), self.tell(Event::Tick))
    }
}

fn first() -> Vec<Def> {
    vec![
        bundle("default", ReadyWhen::All, &["clock", "route"]),
        longrun("clock"),
        longrun("route").needs("wan"),
        longrun("wan"),
    ]
}

#[test]
fn the_same_definitions_restart_nobody() {
    let mut m = Machine::new(first());
    m.boot("default");
    assert_eq!(m.switch(first(), &[]), (String::new(), String::new()));
    assert_eq!(m.states(), "clock ready, default ready, route ready, wan ready");
    assert_eq!(m.exits("wan", 1), "TERM route", "and all goes on");
}

#[test]
fn what_changed_restarts_with_its_dependents_and_nobody_else() {
    let mut m = Machine::new(first());
    m.boot("default");
    let (down, up) = m.switch(first(), &["wan"]);
    assert_eq!(down, "TERM route, TERM wan");
    assert_eq!(up, "spawn wan, spawn route");
    assert_eq!(m.generation("clock"), 1);
    assert_eq!(m.generation("wan"), 2, "reports of the first stay stale");
}

#[test]
fn what_is_new_starts_and_what_is_gone_stops() {
    let mut m = Machine::new(first());
    m.boot("default");
    let next = vec![
        longrun("a"),
        bundle("default", ReadyWhen::All, &["a", "route"]),
        longrun("route").needs("wan"),
        longrun("wan"),
    ];
    assert_eq!(m.switch(next, &["default"]), ("TERM clock".into(), "spawn a".into()));
    assert_eq!(m.states(), "a ready, default ready, route ready, wan ready");
    assert_eq!((m.generation("wan"), m.generation("route")), (1, 1));
}

#[test]
fn what_was_asked_survives() {
    let mut m = Machine::new(first());
    m.boot("default");
    m.stop("clock");
    m.exits("clock", 0);
    m.tell(Event::Hold(m.id("wan"), Want::Up));
    let (_, up) = m.switch(first(), &["clock", "wan"]);
    assert_eq!(up, "spawn wan, spawn route", "clock was stopped by command");
    assert_eq!(m.engine.view(m.id("wan")).unwrap().pinned, Some(Want::Up));
}

/// Only the patience with them is other: the line that is up stays so, and the one that failed is not
/// started in its place.
#[test]
fn a_failover_goes_on_with_what_it_used() {
    let lines = |back| {
        vec![
            bundle("default", ReadyWhen::All, &["wan"]),
            daemon("fibre"),
            longrun("lte"),
            failover("wan", back, &["fibre", "lte"]),
        ]
    };
    let mut m = Machine::new(lines(Back::Sticky));
    m.boot("default");
    assert_eq!(m.exits("fibre", 1), "spawn lte, settled");
    assert_eq!(m.states(), "default ready, fibre down, lte ready, wan ready");
    m.pass(1000);
    let words = m.switch(lines(Back::Sticky), &["wan"]);
    assert_eq!(
        words,
        (String::new(), String::new()),
        "fibre could be started, but nobody needs it"
    );
    assert_eq!(m.states(), "default ready, fibre down, lte ready, wan ready");
    let words = m.switch(lines(Back::PreferFirst), &["wan"]);
    assert_eq!(words, (String::new(), "spawn fibre".into()), "what is better is tried now");
    assert_eq!(m.generation("lte"), 1);
}

#[test]
fn what_a_failover_used_and_nobody_wants_any_more_stops() {
    let line = || longrun("lte");
    let mut m = Machine::new(vec![
        bundle("default", ReadyWhen::All, &["wan"]),
        line(),
        failover("wan", Back::Sticky, &["lte"]),
    ]);
    m.boot("default");
    let next = vec![bundle("default", ReadyWhen::All, &["z"]), line(), longrun("z")];
    assert_eq!(m.switch(next, &["default"]), (String::new(), "spawn z, TERM lte".into()));
}
