//! Which events met services in which states, and which changes of state happened: what the seeds are worth.

use super::{Laws, action};
use crate::sim::plan::id;
use rc::engine::Event;
use std::collections::BTreeSet;

const PHASES: [&str; 7] = ["down", "waiting", "starting", "ready", "stopping", "backoff", "failed"];

const EVENTS: [&str; 25] = [
    "boot",
    "start",
    "stop",
    "restart",
    "spawned",
    "exited",
    "told ready",
    "closed",
    "written",
    "published",
    "time",
    "shutdown",
    "shutdown now",
    "unready",
    "reloading",
    "extend",
    "keepalive",
    "trigger",
    "watchdog",
    "condition",
    "reload",
    "reset",
    "hold",
    "release",
    "retire",
];

/// Which pairs of phase and event were met; see the coverage test.
#[derive(Clone, Default)]
pub struct Met {
    pub pairs: BTreeSet<(&'static str, &'static str)>,
    pub moves: BTreeSet<(&'static str, &'static str)>,
}

impl Met {
    pub fn add(&mut self, other: &Self) {
        self.pairs.extend(&other.pairs);
        self.moves.extend(&other.moves);
    }

    /// Whether every event met every phase.
    pub fn must_have_met(&self) {
        for event in EVENTS {
            for phase in PHASES {
                // Files are tried again for ever.
                let exists = (phase, event) != ("failed", "written");
                let met = self.pairs.contains(&(phase, event));
                assert!(met || !exists, "{event} never met {phase}");
            }
        }
    }

    /// Whether every move of the table was made.
    pub fn must_have_moved(&self) {
        let moves = PHASES.iter().flat_map(|from| PHASES.iter().map(move |to| (*from, *to)));
        let missing: Vec<_> = moves
            .filter(|pair| action::TABLE.contains(pair) && !self.moves.contains(pair))
            .collect();
        assert!(missing.is_empty(), "never made: {missing:?}");
    }
}

impl Laws<'_> {
    pub(super) fn meet(&mut self, event: &Event) {
        let (name, service) = match event {
            Event::Boot(service) => ("boot", *service),
            Event::Start(service) => ("start", *service),
            Event::Stop(service) => ("stop", *service),
            Event::Restart(service) => ("restart", *service),
            Event::Spawned(run) => ("spawned", run.service),
            Event::Exited(run, _) => ("exited", run.service),
            Event::Ready(run) => ("told ready", run.service),
            Event::ReadyClosed(run) => ("closed", run.service),
            Event::Written(run, _) => ("written", run.service),
            Event::Published { service, .. } => ("published", *service),
            Event::Unready(run) => ("unready", run.service),
            Event::Reloading(run) => ("reloading", run.service),
            Event::Extend(run, _) => ("extend", run.service),
            Event::Keepalive(run) => ("keepalive", run.service),
            Event::Trigger(run) => ("trigger", run.service),
            Event::Watchdog(run, _) => ("watchdog", run.service),
            Event::Condition { service, .. } => ("condition", *service),
            Event::Reload(service) => ("reload", *service),
            Event::Reset(service) => ("reset", *service),
            Event::Hold(service, _) => ("hold", *service),
            Event::Release(service) => ("release", *service),
            Event::Retire(service) => ("retire", *service),
            Event::Tick => ("time", id(0)),
            Event::Shutdown => ("shutdown", id(0)),
            Event::ShutdownNow => ("shutdown now", id(0)),
        };
        if matches!(event, Event::Tick | Event::Shutdown | Event::ShutdownNow) {
            self.met.pairs.extend(self.phase.iter().map(|phase| (phase.name(), name)));
        } else {
            self.met.pairs.insert((self.phase[service.index()].name(), name));
        }
    }
}
