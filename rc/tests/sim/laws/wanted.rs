//! Laws about what is wanted, what is settled, and what comes of it in the end.

use super::{Ask, Ending, Laws, Verdict, law};
use crate::sim::{
    plan::{About, Link, Tie, What},
    reference,
};
use rc::{
    Instant, Millis,
    engine::{Engine, Event, Phase},
};
use std::collections::BTreeSet;

/// What is left when all is killed is not waited for longer than this.
const KILLING: Millis = Millis(3500);

impl Laws<'_> {
    /// Takes note of what a command asks for.
    pub(super) fn command(&mut self, now: Instant, event: &Event) {
        match event {
            Event::Boot(service) => {
                self.target = Some(service.index());
                self.asks[service.index()] = Ask::Up;
            }
            Event::Start(service) => self.start(service.index()),
            Event::Stop(service) => {
                self.asks[service.index()] = Ask::Down;
                self.pardoned[service.index()] = false;
            }
            Event::Restart(service) => {
                let number = service.index();
                if !self.wants[number] {
                    self.start(number);
                } else {
                    self.forgive(number);
                    if matches!(self.phase[number], Phase::Starting | Phase::Ready) {
                        self.turn.bounced.insert(number);
                        self.turn.restarts.push(number);
                    }
                }
            }
            Event::Condition { service, number, holds } => {
                self.holds[service.index()][usize::from(*number)] = *holds;
            }
            Event::Reload(service) => {
                let number = service.index();
                if matches!(self.phase[number], Phase::Starting | Phase::Ready) {
                    self.turn.reloaded = Some(number);
                }
            }
            Event::Reset(service) => self.forgive(service.index()),
            Event::Hold(service, want) => {
                let up = *want == rc::engine::Want::Up;
                self.pins[service.index()] = Some(up);
                if up {
                    self.forgive(service.index());
                } else {
                    self.pardoned[service.index()] = false;
                    self.turn.bounced.insert(service.index());
                }
            }
            Event::Release(service) => {
                let number = service.index();
                let held = self.pins[number].take() == Some(true);
                if held && self.has_missed(number) {
                    self.turn.bounced.insert(number);
                    self.turn.released = Some(number);
                }
            }
            Event::Retire(service) => {
                self.retired[service.index()] = true;
                self.pardoned[service.index()] = false;
                self.turn.bounced.insert(service.index());
            }
            Event::Shutdown if self.ending == Ending::No => {
                self.ending = Ending::Orderly(now.after(Millis(self.plan.shutdown_ms)));
            }
            Event::ShutdownNow if matches!(self.ending, Ending::No | Ending::Orderly(_)) => {
                self.ending = Ending::Killing(now.after(KILLING));
            }
            _ => {}
        }
        if let Ending::Orderly(until) = self.ending
            && now >= until
        {
            // In this turn the orderly part and the killing meet.
            self.turn.crossing = true;
            self.ending = Ending::Killing(now.after(KILLING));
        }
        let wants = self.wanted();
        let before = core::mem::replace(&mut self.wants, wants);
        let others = matches!(event, Event::Shutdown | Event::ShutdownNow | Event::Retire(_));
        if others || self.turn.crossing {
            return;
        }
        // Who is not wanted any longer by command is forgiven.
        for (number, before) in before.into_iter().enumerate() {
            if before && !self.wants[number] {
                self.failures[number] = 0;
                self.retry_at[number] = None;
            }
        }
    }

    pub(super) fn start(&mut self, number: usize) {
        // What was stopped and cannot be done without is lifted; alternatives are forgiven only.
        let chosen = self.reached(number, &[Tie::Needs, Tie::Member]);
        for &next in &chosen {
            if self.asks[next] == Ask::Down {
                self.asks[next] = Ask::Nothing;
            }
        }
        for next in self.reached(number, &[Tie::Needs, Tie::Member, Tie::Alternative]) {
            self.forgive(next);
        }
        for &next in &chosen {
            for other in self.plan.services[next].conflicts.clone() {
                let other = usize::from(other);
                if !chosen.contains(&other) && self.pins[other] != Some(true) {
                    self.asks[other] = Ask::Down;
                    self.pardoned[other] = false;
                }
            }
        }
        self.asks[number] = Ask::Up;
    }

    /// Whether something that it would have restarted for is other than it knows, as it was held up.
    fn has_missed(&self, number: usize) -> bool {
        let svc = &self.plan.services[number];
        let changed = |to: u16| {
            svc.looks.iter().zip(&self.bound[number]).any(|(look, bound)| {
                let of = &self.present[usize::from(look.of)];
                look.of == to && *bound != of[usize::from(look.output)]
            })
        };
        self.is_up(number)
            && svc.links.iter().zip(&self.known[number]).any(|(link, known)| {
                let to = usize::from(link.to);
                link.is_hard() && self.is_ready(to) && (*known != self.news[to] || changed(link.to))
            })
    }

    fn reached(&self, from: usize, ties: &[Tie]) -> BTreeSet<usize> {
        let mut open = vec![from];
        let mut reached = BTreeSet::new();
        while let Some(next) = open.pop() {
            if reached.insert(next) {
                let links = self.plan.services[next].links.iter();
                let links = links.filter(|link| ties.contains(&link.tie));
                open.extend(links.map(|link| usize::from(link.to)));
            }
        }
        reached
    }

    fn forgive(&mut self, number: usize) {
        self.turn.forgiven.insert(number);
        self.failures[number] = 0;
        self.retry_at[number] = None;
        self.flaps[number] = 0;
        self.damp[number] = false;
        if self.turn.starter.is_none() {
            self.escalated[number] = false;
        }
        self.side[number].failures = 0;
        let failed = matches!(self.judgement[number], super::Judgement::Failed(..));
        if self.phase[number] == Phase::Stopping && failed {
            self.pardoned[number] = true;
        }
    }

    /// What somebody who asked for something reaches, without what was asked to be down.
    pub(super) fn wanted(&self) -> Vec<bool> {
        let mut reached = vec![false; self.asks.len()];
        if self.ending != Ending::No {
            return reached;
        }
        for (number, reached) in reached.iter_mut().enumerate() {
            *reached = self.asks[number] == Ask::Up || self.pins[number] == Some(true);
        }
        let allowed = |number: usize| match self.pins[number] {
            Some(up) => up,
            None => self.asks[number] != Ask::Down,
        };
        // From dependents to dependencies.
        for &number in self.order.iter().rev() {
            if !reached[number] {
                continue;
            }
            let svc = &self.plan.services[number];
            let choice = self.choice[number];
            let mut alternative = 0;
            for link in &svc.links {
                let pulls = match link.tie {
                    Tie::Needs | Tie::Wants | Tie::Member => true,
                    Tie::After => false,
                    Tie::Alternative => {
                        let at = alternative;
                        alternative += 1;
                        allowed(number)
                            && match choice.selected {
                                Some(selected) if svc.first => at <= selected,
                                Some(selected) => at == selected,
                                None => at <= choice.reach,
                            }
                    }
                };
                reached[usize::from(link.to)] |= pulls;
            }
        }
        let up = |number: usize| reached[number] && allowed(number) && !self.retired[number];
        (0..reached.len()).map(up).collect()
    }

    /// Whether each service is ready, or will not be so soon; and whether what it waits for has failed.
    pub(super) fn settlement(&self) -> (Vec<bool>, Vec<bool>) {
        let count = self.phase.len();
        let (mut settled, mut blocked) = (vec![false; count], vec![false; count]);
        for &number in &self.order {
            blocked[number] =
                self.phase[number] == Phase::Waiting && self.is_blocked(number, &settled);
            settled[number] = match self.phase[number] {
                Phase::Down | Phase::Ready | Phase::Backoff | Phase::Failed => true,
                Phase::Starting => false,
                Phase::Stopping => !self.is_active(number),
                Phase::Waiting => blocked[number],
            };
        }
        (settled, blocked)
    }

    fn is_blocked(&self, number: usize, settled: &[bool]) -> bool {
        let svc = &self.plan.services[number];
        let hopeless = |link: &Link| {
            let to = usize::from(link.to);
            link.tie == Tie::Needs && !self.is_ready(to) && settled[to]
        };
        let hopeless_condition = |at: usize| match svc.ifs[at].fact {
            About::World => true,
            About::Look(look, _) => settled[usize::from(svc.looks[usize::from(look)].of)],
        };
        let unmet = self.unmet(number);
        let rivals = self.rivals(number);
        if svc.links.iter().any(hopeless)
            || !self.missing_outputs(number).is_empty()
            || unmet.iter().any(|at| hopeless_condition(*at))
            || rivals.iter().any(|other| self.is_settled_alone(*other, settled))
        {
            return true;
        }
        let waits = svc.links.iter().any(|link| self.waits_for(link, settled))
            || !unmet.is_empty()
            || !rivals.is_empty();
        if waits {
            return false;
        }
        let mut members = svc.links.iter().filter(|link| link.tie == Tie::Member);
        match svc.what {
            What::Bundle => members.all(|link| settled[usize::from(link.to)]),
            What::Failover => {
                let choice = self.choice[number];
                let all = self.alternatives(number);
                let tried = all.len() <= choice.reach + 1;
                let lost = |at: &usize| settled[*at] && !self.is_ready(*at);
                if choice
                    .selected
                    .is_some_and(|at| all.get(at).is_some_and(|at| self.is_ready(*at)))
                {
                    true
                } else {
                    tried && all.iter().all(lost)
                }
            }
            _ => false,
        }
    }

    /// A rival that conflicts is there: it is settled when it is up, or stuck.
    fn is_settled_alone(&self, number: usize, _: &[bool]) -> bool {
        match self.phase[number] {
            Phase::Ready => true,
            Phase::Stopping => !self.is_active(number),
            _ => false,
        }
    }

    /// The conditions that are not known to be met.
    pub(super) fn unmet(&self, number: usize) -> Vec<usize> {
        let ifs = 0..self.plan.services[number].ifs.len();
        ifs.filter(|at| self.met(number, *at) != Some(true)).collect()
    }

    /// Whether a link, other than to a member, keeps a service from starting.
    pub(super) fn waits_for(&self, link: &Link, settled: &[bool]) -> bool {
        let to = usize::from(link.to);
        match link.tie {
            Tie::Needs => !self.is_ready(to),
            Tie::Wants => !settled[to],
            Tie::After => self.wants[to] && !settled[to],
            Tie::Member | Tie::Alternative => false,
        }
    }

    /// The outputs that it cannot do without and that their services, being ready, do not publish.
    pub(super) fn missing_outputs(&self, number: usize) -> Vec<(u16, u16)> {
        let looks = self.plan.services[number].looks.iter();
        let missing = looks.filter(|look| {
            let of = usize::from(look.of);
            look.must && self.is_ready(of) && self.present[of][usize::from(look.output)].is_none()
        });
        missing.map(|look| (look.of, look.output)).collect()
    }

    /// Who was settled at any moment of this turn: those who wait softly may have started then.
    fn settled_meanwhile(&self) -> Vec<bool> {
        let (mut settled, _) = self.settlement();
        for &(number, phase) in &self.turn.entered {
            settled[number] |= matches!(phase, Phase::Ready | Phase::Backoff | Phase::Failed);
        }
        for (number, at_first) in self.turn.at_first.iter().enumerate() {
            settled[number] |= matches!(at_first, Phase::Ready | Phase::Backoff | Phase::Failed)
                || (*at_first == Phase::Waiting && self.turn.blocked_before[number]);
        }
        for &number in &self.order {
            let svc = &self.plan.services[number];
            let waited = self.turn.at_first[number] == Phase::Waiting
                || self.turn.entered.contains(&(number, Phase::Waiting));
            let need = |link: &Link| link.tie == Tie::Needs && settled[usize::from(link.to)];
            let mut members = svc.links.iter().filter(|link| link.tie == Tie::Member);
            let mut alternatives = svc.links.iter().filter(|link| link.tie == Tie::Alternative);
            settled[number] |= waited
                && (svc.links.iter().any(need)
                    || !svc.conflicts.is_empty()
                    || svc.ifs.iter().any(|one| match one.fact {
                        About::Look(look, _) => {
                            let of = usize::from(svc.looks[usize::from(look)].of);
                            // A search that had no patience with another may want it only now.
                            settled[of]
                                || (self.searched[of] && self.turn.at_first[of] == Phase::Down)
                        }
                        About::World => false,
                    })
                    || (svc.what == What::Failover
                        && alternatives.all(|link| settled[usize::from(link.to)]))
                    || (svc.what == What::Bundle
                        && members.all(|link| settled[usize::from(link.to)])));
        }
        settled
    }

    /// Soft needs were waited for.
    pub(super) fn soft_needs_were_waited_for(&self) -> Verdict {
        let starts = |phase: &Phase| matches!(phase, Phase::Starting | Phase::Ready);
        let begun = self
            .turn
            .entered
            .iter()
            .filter(|(number, phase)| starts(phase) && !starts(&self.turn.at_first[*number]));
        let begun: Vec<usize> = begun.map(|(number, _)| *number).collect();
        if begun.is_empty() {
            return Ok(());
        }
        let settled = self.settled_meanwhile();
        for number in begun {
            for link in &self.plan.services[number].links {
                let to = usize::from(link.to);
                let fine = match link.tie {
                    Tie::Wants => settled[to],
                    Tie::After => {
                        settled[to]
                            || !self.wants[to]
                            || self.turn.wants_before.get(to) == Some(&false)
                    }
                    Tie::Needs | Tie::Member | Tie::Alternative => true,
                };
                law!(
                    "1 what is wanted is waited for until it is ready or has failed",
                    fine,
                    "service {number} did not wait for {to}, which is {}",
                    self.phase[to].name()
                );
            }
        }
        Ok(())
    }

    /// Boot is told to have settled in the turn in which it has, once.
    pub(super) fn settling(&mut self, engine: &Engine) -> Verdict {
        let (settled, _) = self.settlement();
        let due = self.target.filter(|_| !self.settled && self.ending == Ending::No);
        let due = due.filter(|&target| settled[target]).map(|target| self.is_ready(target));
        law!(
            "10 settled when the target is, and once",
            self.turn.settled == due,
            "told {:?}, due {due:?}",
            self.turn.settled
        );
        self.settled |= due.is_some();
        law!("10 settled is remembered", engine.has_settled() == self.settled, "{}", self.settled);
        Ok(())
    }

    /// The world has behaved for as long as anything moved: everything is as the reference says, and all
    /// that is wanted and nothing keeps down is ready.
    pub fn all_is_well(&self) -> Verdict {
        for (number, phase) in self.phase.iter().enumerate() {
            law!(
                "4 liveness: nothing goes on failing",
                *phase != Phase::Failed,
                "service {number}"
            );
        }
        Ok(())
    }

    /// How it is held; who is on its way out comes down whatever is asked.
    fn pin(&self, number: usize) -> Option<bool> {
        if self.retired[number] { Some(false) } else { self.pins[number] }
    }

    /// At rest everything is as the reference says.
    pub fn is_as_reference(&self, bad: &dyn Fn(u16) -> bool) -> Verdict {
        let asked = |ask: &Ask| match ask {
            Ask::Nothing => None,
            Ask::Up => Some(true),
            Ask::Down => Some(false),
        };
        let given = reference::Given {
            plan: self.plan,
            asks: self.asks.iter().map(asked).collect(),
            pins: (0..self.pins.len()).map(|at| self.pin(at)).collect(),
            facts: &self.holds,
            bad: (0..self.phase.len()).map(|at| u16::try_from(at).is_ok_and(bad)).collect(),
            shutdown: self.ending != Ending::No,
        };
        let history = reference::History {
            phases: self.phase.clone(),
            selected: self.choice.iter().map(|choice| choice.selected).collect(),
            values: self.present.clone(),
        };
        let expected = reference::expected(&given, &history);
        for (number, (expected, phase)) in expected.iter().zip(&self.phase).enumerate() {
            law!(
                "15 at rest it is as the reference says",
                expected.contains(phase),
                "service {number} is {}, not {}",
                phase.name(),
                expected.iter().map(|phase| phase.name()).collect::<Vec<_>>().join(" or ")
            );
            // One on its way out keeps for another database what it used.
            if self.plan.services[number].what == What::Failover && !self.retired[number] {
                law!(
                    "15 at rest a failover uses what the reference says",
                    reference::choice_is_right(&given, &history, number),
                    "service {number} uses {:?}",
                    history.selected[number]
                );
            }
        }
        if let Err(text) = reference::values_are_right(self.plan, &history) {
            return super::violation("15 at rest values are what the reference says", text);
        }
        Ok(())
    }
}
