//! The state table of rc/STATES.md, played cell by cell: what the page says is what the engine does.
//!
//! `STATES_BLESS=1` writes what the engine does into the page, for reading what a change did to it.

use super::*;
use crate::model::Back;
use std::{collections::BTreeSet, fmt::Write as _, fs, path::PathBuf};

/// The services that a section of the page is about.
fn world(section: &str) -> Vec<Def> {
    match section {
        "Longrun" => {
            let policy = |policy: &mut Policy| {
                policy.start_timeout = Some(Millis::from_secs(60));
                policy.max_restarts = 3;
            };
            let s = daemon("s").ready(Ready::Fd(3)).finish().publishes("key").needs("base");
            vec![longrun("base"), s.policy(policy), longrun("top").needs("s")]
        }
        "Oneshot" => {
            vec![
                longrun("base"),
                oneshot("s").down().publishes("key").needs("base"),
                longrun("top").needs("s"),
            ]
        }
        "File" => vec![
            longrun("base").publishes("key"),
            file("s").reads("base.key").on_change(OnChange::Render),
            longrun("top").needs("s"),
        ],
        "Bundle" => vec![
            daemon("a"),
            daemon("b"),
            bundle("s", ReadyWhen::All, &["a", "b"]),
            longrun("top").needs("s"),
        ],
        "Failover" => vec![
            daemon("a"),
            daemon("b"),
            failover("s", Back::Sticky, &["a", "b"]),
            longrun("top").needs("s"),
        ],
        "Condition and conflict" => vec![
            longrun("a").conflicts("s"),
            daemon("s").when().health().conflicts("a"),
            longrun("top").needs("s"),
        ],
        other => panic!("no world for {other}"),
    }
}

/// One section of the page.
struct Section<'t> {
    name: &'t str,
    /// How the subject gets into each state.
    states: Vec<(&'t str, &'t str)>,
    /// The events, with a cell for each state, and the line that each stands in.
    events: Vec<(usize, &'t str, Vec<&'t str>)>,
}

fn cells(line: &str) -> Vec<&str> {
    line.trim_matches('|').split('|').map(str::trim).collect()
}

fn parse(page: &str) -> Vec<Section<'_>> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    let mut columns = Vec::new();
    for (number, line) in page.lines().enumerate() {
        if let Some(name) = line.strip_prefix("## ") {
            sections.push(Section { name, states: Vec::new(), events: Vec::new() });
        }
        let (Some(section), true) = (sections.last_mut(), line.starts_with("| ")) else { continue };
        let row = cells(line);
        match (row[0], columns.first()) {
            ("state" | "event", _) => columns = row,
            (state, Some(&"state")) => section.states.push((state, row[1])),
            (event, _) => section.events.push((number, event, row[1..].to_vec())),
        }
        if columns[0] == "event" {
            let states: Vec<_> = section.states.iter().map(|(state, _)| *state).collect();
            assert_eq!(states, columns[1..], "the columns of {}", section.name);
        }
    }
    sections
}

impl Machine {
    /// Does what one command of a script says.
    fn play(&mut self, command: &str) -> String {
        let words: Vec<_> = command.split(' ').collect();
        match words[..] {
            ["boot", x] => self.boot(x),
            ["start", x] => self.start(x),
            ["stop", x] => self.stop(x),
            ["restart", x] => self.restart(x),
            ["spawned", x] => self.tell(Event::Spawned(self.run(x))),
            ["ready", x] => self.ready(x),
            ["closed", x] => self.tell(Event::ReadyClosed(self.run(x))),
            ["exit", x, code] => self.exits(x, code.parse().unwrap()),
            ["cannot", "spawn", x] => {
                let failure = SpawnFailure { step: SpawnStep::Fork, errno: 11 };
                self.tell(Event::Exited(self.run(x), Exit::NotStarted(failure)))
            }
            ["publish", x, value] => self.publish(x, &[value]),
            ["wrote", x, "failed"] => self.cannot_write(x),
            ["wrote", x, what] => self.wrote(x, what == "new"),
            ["wrote", x] => self.wrote(x, true),
            ["pass", ms] => self.pass(ms.parse().unwrap()),
            ["deadline"] => {
                self.now = self.engine.next_deadline().unwrap_or(self.now);
                self.tell(Event::Tick)
            }
            ["unready", x] => self.tell(Event::Unready(self.run(x))),
            ["reloading", x] => self.tell(Event::Reloading(self.run(x))),
            ["extend", x, ms] => {
                let span = Millis(ms.parse().unwrap());
                self.tell(Event::Extend(self.run(x), span))
            }
            ["keepalive", x] => self.tell(Event::Keepalive(self.run(x))),
            ["watchdog", x, ms] => {
                let span = Millis(ms.parse().unwrap());
                self.tell(Event::Watchdog(self.run(x), span))
            }
            ["trigger", x] => self.tell(Event::Trigger(self.run(x))),
            ["condition", x, value] => {
                let (service, holds) = (self.id(x), value == "true");
                self.tell(Event::Condition { service, number: 0, holds })
            }
            ["reload", x] => self.tell(Event::Reload(self.id(x))),
            ["reset", x] => self.tell(Event::Reset(self.id(x))),
            ["hold", x, "up"] => self.tell(Event::Hold(self.id(x), Want::Up)),
            ["hold", x, "down"] => self.tell(Event::Hold(self.id(x), Want::Down)),
            ["release", x] => self.tell(Event::Release(self.id(x))),
            ["retire", x] => self.tell(Event::Retire(self.id(x))),
            ["tick"] => self.tell(Event::Tick),
            ["shutdown"] => self.tell(Event::Shutdown),
            ["shutdown", "now"] => self.tell(Event::ShutdownNow),
            ["late", what, x] => {
                let run = self.earlier(x);
                self.tell(match what {
                    "spawned" => Event::Spawned(run),
                    "ready" => Event::Ready(run),
                    _ => Event::ReadyClosed(run),
                })
            }
            ["late", "exit", x, _] => self.tell(Event::Exited(self.earlier(x), Exit::Code(0))),
            ["late", "wrote", x, _] => self.tell(Event::Written(self.earlier(x), Ok(true))),
            ["late", "publish", x, _] => {
                let Incarnation { service, generation, .. } = self.earlier(x);
                let values = vec![(0, Some("1".to_owned()))];
                self.tell(Event::Published { service, generation, values })
            }
            _ => panic!("no command {command}"),
        }
    }

    /// The run before the present one.
    fn earlier(&self, what: &str) -> Incarnation {
        let run = self.run(what);
        Incarnation { generation: run.generation.wrapping_sub(1), ..run }
    }

    /// The state of `s`, with the steps of a stop told apart.
    fn state(&self) -> String {
        use crate::engine::{State, Step};
        let state = self.engine.dynamic[self.id("s").index()].state;
        match state {
            State::Stopping(Step::Draining(_), _) => "draining",
            State::Stopping(Step::Ending(_), _) => "ending",
            State::Stopping(Step::Cleanup(..), _) => "finishing",
            other => other.phase().name(),
        }
        .to_owned()
    }
}

/// What a cell has to say.
fn outcome(section: &Section<'_>, state: &str, script: &str, event: &str) -> String {
    let mut m = Machine::new(world(section.name));
    for command in script.split("; ").filter(|command| !command.is_empty()) {
        m.play(command);
    }
    assert_eq!(m.state(), state, "{}: after {script}", section.name);
    let stale = m.engine.stale_events();
    let mut words = m.play(event);
    if m.engine.stale_events() > stale {
        assert_eq!(words, "", "{event} in {state}: what is stale has no effect");
        words = "stale".to_owned();
    }
    let after = m.state();
    let own = m.entered.iter().filter(|(name, _)| *name == "s").map(|(_, phase)| phase.name());
    let path = if after == state { own.collect() } else { vec![after.as_str()] };
    for state in path {
        words += if words.is_empty() { "→ " } else { " → " };
        words += state;
    }
    if words.is_empty() { "–".to_owned() } else { words }
}

#[test]
fn the_page_is_what_the_engine_does() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("STATES.md");
    let page = fs::read_to_string(&path).unwrap();
    let mut lines: Vec<_> = page.lines().map(str::to_owned).collect();
    let mut wrong = String::new();
    for section in &parse(&page) {
        for (line, event, cells) in &section.events {
            let mut row = format!("| {event} |");
            for (column, (state, script)) in section.states.iter().enumerate() {
                let is = outcome(section, state, script, event);
                let said = cells.get(column).copied().unwrap_or_default();
                if said != is {
                    let name = section.name;
                    writeln!(wrong, "{name}, {state}, {event}: {is}, not {said}").unwrap();
                }
                write!(row, " {is} |").unwrap();
            }
            lines[*line] = row;
        }
    }
    if std::env::var_os("STATES_BLESS").is_some() {
        fs::write(&path, lines.join("\n") + "\n").unwrap();
    } else {
        assert!(wrong.is_empty(), "rc/STATES.md is not what the engine does:\n{wrong}");
    }
}

/// The row of each event; who adds an event is stopped here by the compiler.
fn row(event: &Event) -> &'static str {
    match event {
        Event::Boot(_) => "boot s",
        Event::Spawned(_) => "spawned s",
        Event::Exited(..) => "exit s 1",
        Event::Ready(_) => "ready s",
        Event::ReadyClosed(_) => "closed s",
        Event::Written(..) => "wrote s",
        Event::Published { .. } => "publish s key=1",
        Event::Start(_) => "start s",
        Event::Stop(_) => "stop s",
        Event::Restart(_) => "restart s",
        Event::Unready(_) => "unready s",
        Event::Reloading(_) => "reloading s",
        Event::Extend(..) => "extend s 1000",
        Event::Keepalive(_) => "keepalive s",
        Event::Watchdog(..) => "watchdog s 1000",
        Event::Trigger(_) => "trigger s",
        Event::Condition { .. } => "condition s false",
        Event::Reload(_) => "reload s",
        Event::Reset(_) => "reset s",
        Event::Hold(_, Want::Up) => "hold s up",
        Event::Hold(_, Want::Down) => "hold s down",
        Event::Release(_) => "release s",
        Event::Retire(_) => "retire s",
        Event::Tick => "tick",
        Event::Shutdown => "shutdown",
        Event::ShutdownNow => "shutdown now",
    }
}

/// One of each.
fn every_event() -> Vec<Event> {
    let service = ServiceId(0);
    let run = Incarnation { service, generation: 0, role: Role::Run };
    vec![
        Event::Boot(service),
        Event::Spawned(run),
        Event::Exited(run, Exit::Signal(9)),
        Event::Ready(run),
        Event::ReadyClosed(run),
        Event::Written(run, Ok(true)),
        Event::Published { service, generation: 0, values: Vec::new() },
        Event::Start(service),
        Event::Stop(service),
        Event::Restart(service),
        Event::Unready(run),
        Event::Reloading(run),
        Event::Extend(run, Millis(1000)),
        Event::Keepalive(run),
        Event::Watchdog(run, Millis(1000)),
        Event::Trigger(run),
        Event::Condition { service, number: 0, holds: false },
        Event::Reload(service),
        Event::Reset(service),
        Event::Hold(service, Want::Up),
        Event::Hold(service, Want::Down),
        Event::Release(service),
        Event::Retire(service),
        Event::Tick,
        Event::Shutdown,
        Event::ShutdownNow,
    ]
}

#[test]
fn the_page_has_every_state_and_every_event() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("STATES.md");
    let page = fs::read_to_string(path).unwrap();
    let sections = parse(&page);
    let longrun = &sections[0];
    let states: Vec<_> = longrun.states.iter().map(|(state, _)| *state).collect();
    let all = [
        "down",
        "waiting",
        "starting",
        "ready",
        "draining",
        "ending",
        "finishing",
        "backoff",
        "failed",
    ];
    assert_eq!(states, all);
    let rows: BTreeSet<_> = longrun.events.iter().map(|(_, event, _)| *event).collect();
    for event in every_event() {
        assert!(rows.contains(row(&event)), "{event:?}");
    }
}
