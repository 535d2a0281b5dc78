//! Laws about what is wanted, what is settled, and what comes of it in the end.

use super::{Ask, Ending, Laws, Verdict, law};
use crate::sim::plan::{Link, Out, Tie, What};
use rc::{
    Instant, Millis,
    engine::{Engine, Event, Phase},
};

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
                        self.turn.bounced = Some(number);
                    }
                }
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
        self.wants = self.wanted();
    }

    fn start(&mut self, number: usize) {
        let mut open = vec![number];
        while let Some(next) = open.pop() {
            if self.turn.forgiven.contains(&next) {
                continue;
            }
            if self.asks[next] == Ask::Down {
                self.asks[next] = Ask::Nothing;
            }
            self.forgive(next);
            let links = self.plan.services[next].links.iter();
            let links = links.filter(|link| matches!(link.tie, Tie::Needs | Tie::Member));
            open.extend(links.map(|link| usize::from(link.to)));
        }
        self.asks[number] = Ask::Up;
    }

    fn forgive(&mut self, number: usize) {
        self.turn.forgiven.insert(number);
        self.failures[number] = 0;
        let failed = matches!(self.judgement[number], super::Judgement::Failed(..));
        if self.phase[number] == Phase::Stopping && failed {
            self.pardoned[number] = true;
        }
    }

    /// What somebody who asked for something reaches, without what was asked to be down.
    fn wanted(&self) -> Vec<bool> {
        let mut reached = vec![false; self.asks.len()];
        if self.ending != Ending::No {
            return reached;
        }
        for (number, ask) in self.asks.iter().enumerate() {
            reached[number] = *ask == Ask::Up;
        }
        // From dependents to dependencies.
        for &number in self.order.iter().rev() {
            if reached[number] {
                for link in &self.plan.services[number].links {
                    reached[usize::from(link.to)] |= link.tie != Tie::After;
                }
            }
        }
        let up = |(ask, reached): (&Ask, bool)| reached && *ask != Ask::Down;
        self.asks.iter().zip(reached).map(up).collect()
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
        if svc.links.iter().any(hopeless) || !self.missing_outputs(number).is_empty() {
            return true;
        }
        let waits = svc.links.iter().any(|link| self.waits_for(link, settled));
        let mut members = svc.links.iter().filter(|link| link.tie == Tie::Member);
        svc.what == What::Bundle && !waits && members.all(|link| settled[usize::from(link.to)])
    }

    /// Whether a link, other than to a member, keeps a service from starting.
    pub(super) fn waits_for(&self, link: &Link, settled: &[bool]) -> bool {
        let to = usize::from(link.to);
        match link.tie {
            Tie::Needs => !self.is_ready(to),
            Tie::Wants => !settled[to],
            Tie::After => self.wants[to] && !settled[to],
            Tie::Member => false,
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
        for (settled, at_first) in settled.iter_mut().zip(&self.turn.at_first) {
            *settled |= matches!(at_first, Phase::Ready | Phase::Backoff | Phase::Failed);
        }
        for &number in &self.order {
            let svc = &self.plan.services[number];
            let waited = self.turn.at_first[number] == Phase::Waiting
                || self.turn.entered.contains(&(number, Phase::Waiting));
            let need = |link: &Link| link.tie == Tie::Needs && settled[usize::from(link.to)];
            let mut members = svc.links.iter().filter(|link| link.tie == Tie::Member);
            settled[number] |= waited
                && (svc.links.iter().any(need)
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
                    Tie::After => settled[to] || !self.wants[to],
                    Tie::Needs | Tie::Member => true,
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

    /// The world has behaved for as long as anything moved: all that can be as wanted is.
    pub fn all_is_well(&self) -> Verdict {
        let mut can = vec![false; self.phase.len()];
        for &number in &self.order {
            let svc = &self.plan.services[number];
            let ready = |link: &&Link| can[usize::from(link.to)];
            let needs = svc.links.iter().filter(|link| link.tie == Tie::Needs);
            let members = svc.links.iter().filter(|link| link.tie == Tie::Member);
            // What follows from a value may be no value of its type.
            let impossible = self.missing_outputs(number).into_iter().any(|(of, output)| {
                let out = self.plan.services[usize::from(of)].outs[usize::from(output)];
                matches!(out, Out::Copy(_) | Out::CopyInt(_))
            });
            can[number] = self.wants[number]
                && !impossible
                && needs.clone().filter(ready).count() == needs.count()
                && (svc.what != What::Bundle
                    || members.filter(ready).count() >= svc.members_needed());
            let phase = self.phase[number];
            law!(
                "4 liveness: what is wanted and can be is ready",
                !can[number] || phase == Phase::Ready,
                "service {number} is {}",
                phase.name()
            );
            law!(
                "4 liveness: what is not wanted is down",
                self.wants[number] || phase == Phase::Down,
                "service {number} is {}",
                phase.name()
            );
        }
        Ok(())
    }
}
