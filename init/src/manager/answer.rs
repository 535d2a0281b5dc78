//! Requests of clients and their answers. Who may ask what is decided here, before anything is done:
//! root and jamb's own user anything, a service's user only to publish that service's outputs.

use super::{
    End, Manager,
    client::{Mode, Turn},
    users,
};
use crate::handover::point::point;
use rc::{
    engine::{Event, Phase, Want},
    model::ServiceId,
    proto::{Goal, Reply, Request, Verb},
};
use rustix::process::geteuid;
use supervisor::{
    problem::{Problem, problem},
    reap,
    time::Millis,
};

/// Requests of one client in one turn.
const REQUEST_TURN: usize = 4;
/// Events sent at once.
const EVENT_TURN: usize = 64;

/// A reason for the end is cut at this length, in bytes.
const MAX_WHY: usize = 200;

/// Why a request is not carried out.
enum Refusal {
    Unknown(String),
    Because(Problem),
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unknown(name) => Self::Unknown(name),
            Refusal::Because(problem) => Self::Refused(problem.into()),
        }
    }
}

impl Manager {
    /// Gives every client that has something to do its turn.
    pub(super) fn serve_clients(&mut self) {
        if let Err(error) = self.control.accept(self.clock.now(), &self.poll) {
            self.report.tell(
                "control",
                format_args!("cannot accept a client: {error}; tried again every second"),
            );
        }
        for place in self.control.take_busy() {
            self.serve(place);
        }
    }

    fn serve(&mut self, place: usize) {
        for _ in 0..REQUEST_TURN {
            self.push_news(place);
            let Some(client) = self.control.client(place) else { return };
            match client.turn() {
                Turn::Blocked => {
                    // What was queued before the turn may be on its way now, and more be waiting.
                    if client.is_free() && self.has_news(place) {
                        continue;
                    }
                    return;
                }
                Turn::Gone => return self.control.close(place),
                Turn::Request(request) => {
                    let uid = client.uid;
                    point("client");
                    let reply = self.answer(place, uid, request);
                    point("answered");
                    if let (Some(reply), Some(client)) = (reply, self.control.client(place)) {
                        client.answer(reply);
                    }
                }
            }
        }
        self.control.again(place);
    }

    fn has_news(&mut self, place: usize) -> bool {
        let next = self.feed.next();
        let mode = self.control.client(place).map(|client| client.mode);
        matches!(mode, Some(Mode::Following(number)) if number < next)
    }

    /// Answers a client that waited, if it is time; sends events to one that follows.
    fn push_news(&mut self, place: usize) {
        let Some(client) = self.control.client(place) else { return };
        if !client.is_free() {
            return;
        }
        match client.mode {
            Mode::Idle | Mode::Upgrading => {}
            Mode::Waiting { service, goal, after } => {
                let Some(reached) = self.outcome(service, goal, after) else { return };
                let Some(item) = self.item(service) else { return };
                if let Some(client) = self.control.client(place) {
                    client.mode = Mode::Idle;
                    client.answer(Reply::Waited { reached, item });
                }
            }
            Mode::Following(number) => {
                let (lost, events) = self.feed.from(number);
                let mut next = number + lost;
                if lost > 0 {
                    client.answer(Reply::Lost(lost));
                }
                for event in events.take(EVENT_TURN) {
                    next = event.number + 1;
                    client.answer(Reply::Event(event.clone()));
                }
                client.mode = Mode::Following(next);
            }
        }
    }

    fn answer(&mut self, place: usize, uid: u32, request: Request) -> Option<Reply> {
        let may = uid == 0 || uid == geteuid().as_raw();
        if !may && !matches!(request, Request::Publish { .. }) {
            let text = format!("user {uid} may not do that; only root may");
            return Some(Reply::Refused(text));
        }
        let reply = match request {
            Request::Info => Reply::Info(self.info()),
            Request::Status { from } => self.page(from),
            Request::Service { name } => match self.find(&name) {
                Ok(id) => Reply::Status { items: self.item(id).into_iter().collect(), next: None },
                Err(refusal) => refusal.into(),
            },
            Request::Change { verb, names } => self.change(verb, names),
            Request::Signal { name, signal } => match self.find(&name) {
                Ok(id) => match self.children.pid(id) {
                    Some(pid) => {
                        reap::signal_one(pid, signal);
                        Reply::Done
                    }
                    None => Reply::Refused(format!("{name} has no process")),
                },
                Err(refusal) => refusal.into(),
            },
            Request::Wait { name, goal, after } => match self.find(&name) {
                Ok(service) => {
                    let client = self.control.client(place)?;
                    client.mode = Mode::Waiting { service, goal, after };
                    return None;
                }
                Err(refusal) => refusal.into(),
            },
            Request::Events { from } => {
                let next = self.feed.next();
                let from = if from == 0 { next } else { from.min(next) };
                self.control.client(place)?.mode = Mode::Following(from);
                // The client knows now that it misses nothing from here on.
                Reply::Done
            }
            Request::Edges { from } => self.edges(from),
            Request::Milestones { from } => self.milestones(from),
            Request::Publish { service, generation, values, replace } => {
                let done = self.find(&service).and_then(|id| {
                    self.take_values(uid, may, id, generation, values, replace)
                        .map_err(Refusal::Because)
                });
                done.map_or_else(Reply::from, |()| Reply::Done)
            }
            Request::Selfcheck => Reply::Figures(self.figures()),
            Request::Reexec => match self.follow_itself() {
                Ok(()) => return None,
                Err(problem) => Reply::Refused(problem.into()),
            },
            Request::Upgrade { path } => {
                let begun = self.consider(&path);
                return self.goes_over(place, begun);
            }
            Request::Switch { path, confirm_ms } => {
                let begun = self.switch_to(&path, confirm_ms.map(Millis));
                return self.goes_over(place, begun);
            }
            Request::Rollback => {
                let begun = self.roll_back();
                return self.goes_over(place, begun);
            }
            Request::Confirm => match self.confirm() {
                Ok(()) => Reply::Done,
                Err(problem) => Reply::Refused(problem.into()),
            },
            Request::Shutdown { how, now, mut why, last_act } => {
                if !last_act.is_empty() && (self.rescue.is_none() || last_act.len() > MAX_WHY) {
                    let text = "only the PID 1 of a machine has a last act, with a short name; \
                                nothing was done";
                    return Some(Reply::Refused(text.to_owned()));
                }
                let pid = self.control.client(place)?.pid;
                // It is one line, on the console, too.
                let mut room = MAX_WHY;
                why.retain(|letter| {
                    room = room.saturating_sub(letter.len_utf8());
                    room > 0 && !letter.is_control()
                });
                let colon = if why.is_empty() { "" } else { ": " };
                let why = format!("user {uid}, process {pid}{colon}{why}");
                self.end(End { how, why, last_act }, now);
                Reply::Done
            }
        };
        Some(reply)
    }

    /// The connection ends when another program takes over, if it comes to that.
    fn goes_over(&mut self, place: usize, begun: Result<(), Problem>) -> Option<Reply> {
        match begun {
            Ok(()) => self.control.client(place)?.mode = Mode::Upgrading,
            Err(problem) => return Some(Reply::Refused(problem.into())),
        }
        None
    }

    fn find(&self, name: &str) -> Result<ServiceId, Refusal> {
        self.database.find(name).ok_or_else(|| Refusal::Unknown(name.to_owned()))
    }

    fn change(&mut self, verb: Verb, names: Vec<String>) -> Reply {
        // All names or none: half a command is worse than a refused one.
        let (mut ids, mut tickets) = (Vec::new(), Vec::new());
        for name in names {
            match self.find(&name) {
                Ok(id) => {
                    ids.push(id);
                    tickets.push((name, self.engine.view(id).map_or(0, |view| view.generation)));
                }
                Err(refusal) => return refusal.into(),
            }
        }
        if self.engine.is_shutting_down() && !matches!(verb, Verb::Stop | Verb::Reset) {
            return Reply::Refused("a shutdown is in progress".to_owned());
        }
        for id in ids {
            self.tell(match verb {
                Verb::Start => Event::Start(id),
                Verb::Stop => Event::Stop(id),
                Verb::Restart => Event::Restart(id),
                Verb::Reload => Event::Reload(id),
                Verb::Reset => Event::Reset(id),
                Verb::Hold(want) => Event::Hold(id, want.unwrap_or_else(|| self.is_up_now(id))),
                Verb::Release => Event::Release(id),
            });
        }
        Reply::Tickets(tickets)
    }

    /// Where a service is held that is to be held where it is.
    fn is_up_now(&self, id: ServiceId) -> Want {
        let view = self.engine.view(id);
        match view.is_some_and(|view| matches!(view.phase, Phase::Starting | Phase::Ready)) {
            true => Want::Up,
            false => Want::Down,
        }
    }

    /// What became of a wait: reached, out of reach by itself, or still open.
    fn outcome(&self, id: ServiceId, goal: Goal, after: u32) -> Option<bool> {
        let view = self.engine.view(id)?;
        let later = after == 0 || view.generation.wrapping_sub(after).cast_signed() > 0;
        match (goal, view.phase) {
            (Goal::Ready | Goal::ReadyAtOnce, Phase::Ready) => later.then_some(true),
            (Goal::Ready | Goal::ReadyAtOnce, Phase::Failed) => Some(false),
            (Goal::Ready | Goal::ReadyAtOnce, Phase::Down) if view.want == Want::Down => {
                Some(false)
            }
            (Goal::ReadyAtOnce, Phase::Backoff) => Some(false),
            (Goal::ReadyAtOnce, Phase::Waiting) => view.blocked.then_some(false),
            (Goal::Down, Phase::Down | Phase::Failed | Phase::Backoff | Phase::Waiting) => {
                Some(true)
            }
            _ => None,
        }
    }

    /// Checks what a service wants to publish, and lets the engine know.
    fn take_values(
        &mut self,
        uid: u32,
        may: bool,
        id: ServiceId,
        generation: u32,
        values: Vec<(String, Option<String>)>,
        replace: bool,
    ) -> Result<(), Problem> {
        let name = self.database.name(id);
        if !may {
            let exec = self.database.record(id).map_err(|error| problem!("{error}"))?.exec;
            let account =
                users::account(exec.user.as_deref(), exec.group.as_deref(), &exec.groups)?;
            if account.is_none_or(|account| account.identity.uid != uid) {
                return Err(problem!("user {uid} may not publish for {name}"));
            }
        }
        let view = self.engine.view(id).ok_or("it is gone")?;
        let up = matches!(view.phase, Phase::Starting | Phase::Ready);
        if !up || view.generation != generation {
            return Err(problem!(
                "{name} is {} in generation {}; values of generation {generation} are too late",
                view.phase.name(),
                view.generation
            ));
        }
        let node = self.engine.graph().node(id);
        let mut changes: Vec<(u16, Option<String>)> = Vec::new();
        for (key, value) in values {
            let mut outputs = node.outputs().enumerate();
            let at = outputs.find(|(_, output)| output.key == key && !output.fixed);
            let Some((position, output)) = at else {
                let mut keys = Vec::new();
                for output in node.outputs().filter(|output| !output.fixed) {
                    keys.push(output.key.to_owned());
                }
                return Err(problem!(
                    "{name} declares no output {key} of its own; it declares: {}",
                    keys.join(", ")
                ));
            };
            let kind = output.kind;
            if let Some(value) = value.as_ref().filter(|value| !kind.accepts(value)) {
                let shown = if kind.is_secret() { "the value" } else { value };
                return Err(problem!("{key}: {shown} is no {kind}; nothing was published"));
            }
            changes.push((u16::try_from(position).unwrap_or(u16::MAX), value));
        }
        if replace {
            for (position, output) in node.outputs().enumerate() {
                let position = u16::try_from(position).unwrap_or(u16::MAX);
                if !output.fixed && !changes.iter().any(|(at, _)| *at == position) {
                    changes.push((position, None));
                }
            }
        }
        self.tell(Event::Published { service: id, generation, values: changes });
        Ok(())
    }
}
