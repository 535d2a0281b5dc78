//! What the engine's conditions are about: links, devices and paths, each watched only if a condition of
//! the database asks for it. Tells the engine what is so at first, and from then on what changed.
//!
//! A watcher that breaks keeps its last word until another one can be made; that is tried again and again.

use super::watch::{Watch, Watched};
use ifwait::{Devices, Monitor, Pattern, Predicate, Table, Turn, Uevents, Watch as Links};
use mio::{Interest, Registry, Token};
use rc::{
    db::Database,
    engine::{Engine, Met},
    model::{Condition, Fact, LinkIs, ServiceId},
};
use std::io;
use supervisor::{
    problem::{Problem, problem},
    time::{Instant, Millis},
};

/// For the poll.
pub const LINKS: Token = Token(2);
pub const DEVICES: Token = Token(3);
pub const PATHS: Token = Token(4);
pub const MOUNTS: Token = Token(5);

/// How soon a watcher that broke is replaced.
const AGAIN: Millis = Millis::from_secs(1);
/// Turns that a watcher may take to know what is so at first.
const FIRST_TURNS: usize = 1000;

/// A condition, and what the engine was told about it.
struct Asked {
    service: ServiceId,
    index: u16,
    negated: bool,
    told: bool,
    what: What,
}

/// What it is about.
enum What {
    Link(String, Predicate),
    /// By position among the patterns.
    Device(usize),
    /// By position among the paths.
    Path(usize),
}

/// All conditions and what watches for them.
pub struct Conditions {
    asked: Vec<Asked>,
    routes: bool,
    links: Option<Monitor>,
    table: Table,
    uevents: Option<Uevents>,
    devices: Devices,
    watch: Option<Watch>,
    /// First those of conditions, then pid files.
    paths: Vec<Watched>,
    path_conditions: usize,
    links_are: State,
    devices_are: State,
    paths_are: State,
    again_at: Option<Instant>,
    complained: bool,
    /// Paths were looked at since changes were last asked for.
    looked: bool,
}

/// Where a watcher is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// It has something to read, or has to be made. What it knows is not to be judged by.
    Busy,
    /// It waits for an answer. What it knows is not to be judged by.
    Waiting,
    /// It knows what is so.
    Settled,
}

impl State {
    const fn of(turn: Turn) -> Self {
        match turn {
            Turn::More => Self::Busy,
            Turn::Waiting => Self::Waiting,
            Turn::Settled { .. } => Self::Settled,
        }
    }

    const fn busy_if(is_busy: bool) -> Self {
        if is_busy { Self::Busy } else { Self::Settled }
    }
}

impl Conditions {
    /// How many descriptors its watchers have.
    pub fn descriptors(&self) -> usize {
        // One for what happens, one for what is asked.
        let links = if self.links.is_some() { 2 } else { 0 };
        let paths = self.watch.as_ref().map_or(0, Watch::descriptors);
        links + usize::from(self.uevents.is_some()) + paths
    }

    /// The conditions of the database, of which the engine may know some. Nothing is opened yet.
    pub fn new(database: &Database, engine: &Engine) -> Self {
        let mut asked = Vec::new();
        let mut patterns: Vec<Pattern> = Vec::new();
        let mut paths: Vec<Watched> = Vec::new();
        for service in database.ids() {
            if database.node(service).conditions().len() == 0 {
                continue;
            }
            // Who has a record that cannot be read cannot be started either, and says so.
            let record = database.record(service);
            let facts = record.map(|record| record.facts).unwrap_or_default();
            let conditions = database.conditions(service, facts);
            for (index, Condition { fact, negated }) in (0..).zip(conditions) {
                let what = match fact {
                    Fact::Link { name, is } => What::Link(name, predicate(is)),
                    Fact::Device { subsystem, name, properties } => {
                        let pattern = Pattern { subsystem, name, properties };
                        What::Device(place(&mut patterns, pattern))
                    }
                    Fact::Path(path) => What::Path(place(&mut paths, Watched::new(path, false))),
                    // The engine knows outputs itself.
                    Fact::Output { .. } => continue,
                };
                // Another program may have told it already.
                let told = engine.conditions(service).nth(usize::from(index)) == Some(Met::Yes);
                asked.push(Asked { service, index, negated, told, what });
            }
        }
        let has = |kind: fn(&What) -> bool| asked.iter().any(|one| kind(&one.what));
        let routes = has(|what| matches!(what, What::Link(_, Predicate::Route(_))));
        let links = has(|what| matches!(what, What::Link(..)));
        Self {
            routes,
            links_are: State::busy_if(links),
            devices_are: State::busy_if(!patterns.is_empty()),
            paths_are: State::busy_if(!paths.is_empty()),
            path_conditions: paths.len(),
            asked,
            links: None,
            table: Table::default(),
            uevents: None,
            devices: Devices::new(patterns),
            watch: None,
            paths,
            again_at: None,
            complained: false,
            looked: false,
        }
    }

    /// A watcher is ready to be read.
    pub fn is_readable(&mut self, token: Token) {
        match token {
            LINKS => self.links_are = State::Busy,
            DEVICES => self.devices_are = State::Busy,
            MOUNTS => self.look(),
            _ => self.paths_are = State::Busy,
        }
    }

    /// Whether there is something to do without waiting for the poll.
    pub fn has_more(&self) -> bool {
        let is_due = |state, is_open| state == State::Busy && (is_open || self.again_at.is_none());
        is_due(self.links_are, self.links.is_some())
            || is_due(self.devices_are, self.uevents.is_some())
            || is_due(self.paths_are, self.watch.is_some())
    }

    /// Whether a turn would do something.
    pub fn is_due(&self, now: Instant) -> bool {
        self.has_more() || self.looked || self.again_at.is_some_and(|at| at <= now)
    }

    /// When a watcher that broke is to be replaced.
    pub const fn deadline(&self) -> Option<Instant> {
        self.again_at
    }

    /// Reads until everything is known; what cannot be known holds as if it were not so.
    pub fn settle(&mut self, now: Instant, registry: &Registry) -> Option<Problem> {
        let mut problem = None;
        for _ in 0..FIRST_TURNS {
            problem = self.turn(now, registry).or(problem);
            if !self.has_more() {
                break;
            }
        }
        problem
    }

    /// Gives each watcher that has something its turn; answers what went wrong, for people, once.
    pub fn turn(&mut self, now: Instant, registry: &Registry) -> Option<Problem> {
        if self.again_at.is_some_and(|at| at <= now) {
            self.again_at = None;
        }
        if !self.has_more() {
            return None;
        }
        let waits = self.again_at.is_some();
        let mut broken = None;
        if self.links_are == State::Busy && (self.links.is_some() || !waits) {
            match self.read_links(registry) {
                Ok(state) => self.links_are = state,
                Err(error) => {
                    self.links = None;
                    broken = Some(("network interfaces", error));
                }
            }
        }
        if self.devices_are == State::Busy && (self.uevents.is_some() || !waits) {
            match self.read_devices(registry) {
                Ok(state) => self.devices_are = state,
                Err(error) => {
                    self.uevents = None;
                    broken = Some(("devices", error));
                }
            }
        }
        if self.paths_are == State::Busy && (self.watch.is_some() || !waits) {
            match self.read_paths(registry) {
                Ok(state) => self.paths_are = state,
                Err(error) => {
                    if let Some(watch) = self.watch.take() {
                        watch.close(registry);
                    }
                    broken = Some(("paths", error));
                }
            }
        }
        let Some((what, error)) = broken else {
            self.complained &= waits;
            return None;
        };
        self.again_at = Some(now.after(AGAIN));
        let is_news = !core::mem::replace(&mut self.complained, true);
        is_news.then(|| problem!("cannot watch {what}: {error}; it is tried again every second"))
    }

    fn read_links(&mut self, registry: &Registry) -> io::Result<State> {
        let monitor = match &mut self.links {
            Some(monitor) => monitor,
            None => {
                let what = if self.routes { Links::Routes } else { Links::LinksAndAddresses };
                let mut monitor = Monitor::new(what)?;
                registry.register(&mut monitor, LINKS, Interest::READABLE)?;
                // What a former one read into it is replaced as a whole.
                self.links.insert(monitor)
            }
        };
        Ok(State::of(monitor.drain(&mut self.table)?))
    }

    fn read_devices(&mut self, registry: &Registry) -> io::Result<State> {
        let uevents = match &mut self.uevents {
            Some(uevents) => uevents,
            None => {
                let mut uevents = Uevents::new("/sys")?;
                registry.register(&mut uevents, DEVICES, Interest::READABLE)?;
                self.uevents.insert(uevents)
            }
        };
        Ok(State::of(uevents.drain(&mut self.devices)?))
    }

    fn read_paths(&mut self, registry: &Registry) -> io::Result<State> {
        let Some(watch) = &mut self.watch else {
            if !self.paths.is_empty() {
                let watch = self.watch.insert(Watch::open(registry, PATHS, MOUNTS)?);
                watch.look(&mut self.paths)?;
            }
            return Ok(State::Settled);
        };
        let (matters, more) = watch.drain(&self.paths);
        if matters {
            watch.look(&mut self.paths)?;
        }
        Ok(State::busy_if(more))
    }

    /// Looks at all paths anew.
    fn look(&mut self) {
        self.looked = true;
        if let Some(watch) = &mut self.watch
            && watch.look(&mut self.paths).is_err()
        {
            self.paths_are = State::Busy;
        }
    }

    /// The pid files that are waited for, in place of those before.
    pub fn watch_pidfiles<'a>(&mut self, files: impl Iterator<Item = &'a String>) {
        let had = self.paths.len() > self.path_conditions;
        self.paths.truncate(self.path_conditions);
        for path in files {
            self.paths.push(Watched::new(path.clone(), true));
        }
        if had || self.paths.len() > self.path_conditions {
            // Without a watcher it has to be made.
            self.paths_are = State::Busy;
            self.look();
        }
    }

    /// What the engine does not know yet. Nothing is told of what is being read anew.
    pub fn changes(&mut self) -> Vec<(ServiceId, u16, bool)> {
        self.looked = false;
        let mut changes = Vec::new();
        for place in 0..self.asked.len() {
            let holds = self.holds(&self.asked[place]);
            let asked = &mut self.asked[place];
            if holds != asked.told {
                asked.told = holds;
                changes.push((asked.service, asked.index, holds));
            }
        }
        changes
    }

    fn holds(&self, asked: &Asked) -> bool {
        let (is_so, state) = match &asked.what {
            What::Link(name, predicate) => (self.table.holds(*predicate, name), self.links_are),
            What::Device(pattern) => (self.devices.holds(*pattern), self.devices_are),
            What::Path(path) => (self.paths[*path].exists, self.paths_are),
        };
        if state == State::Settled { is_so != asked.negated } else { asked.told }
    }

    /// What is so of the thing that the condition is about, for people.
    pub fn present(&self, service: ServiceId, index: u16) -> Option<String> {
        let asked = self.asked.iter().find(|one| one.service == service && one.index == index)?;
        let there = |is_there| if is_there { "there" } else { "not there" }.to_owned();
        Some(match &asked.what {
            What::Link(name, _) => self.table.state(name).to_string(),
            What::Device(pattern) => there(self.devices.holds(*pattern)),
            What::Path(path) => there(self.paths[*path].exists),
        })
    }
}

/// The position of an element in a list, which it is added to if it is not there.
fn place<T: PartialEq>(list: &mut Vec<T>, one: T) -> usize {
    list.iter().position(|known| *known == one).unwrap_or_else(|| {
        list.push(one);
        list.len() - 1
    })
}

/// The two crates have the same list in the same order; neither may know the other.
fn predicate(is: LinkIs) -> Predicate {
    Predicate::ALL[is as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_of_links_are_predicates() {
        for (is, name) in LinkIs::ALL {
            assert_eq!(predicate(*is).name(), *name);
        }
        assert_eq!(LinkIs::ALL.len(), Predicate::ALL.len());
    }
}
