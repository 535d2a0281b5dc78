//! Laws about outputs: what is published, who is bound to what, what files hold, and who may be
//! stopped because of it.

use super::{Laws, Verdict, law};
use crate::sim::{
    plan::{On, Out, Tells, Tie, What, id},
    world::World,
};
use rc::engine::{Engine, Event, Incarnation, Phase, Role};
use std::collections::BTreeMap;

pub(super) type Values = Vec<Option<String>>;

impl Laws<'_> {
    pub(super) fn values_hold(&mut self, engine: &Engine, world: &World) -> Verdict {
        // Most services publish and read what they did before; of the others, what that was.
        let (mut published, mut read) = (BTreeMap::new(), BTreeMap::new());
        for number in 0..self.phase.len() {
            let outputs = || engine.outputs(id(number)).map(|(_, value)| value);
            let same = outputs().eq(self.present[number].iter().map(Option::as_deref));
            if !same {
                let values = outputs().map(|value| value.map(str::to_owned)).collect();
                let before = core::mem::replace(&mut self.present[number], values);
                published.insert(number, before);
            }
            let count = self.plan.services[number].looks.len();
            let looks = || (0..count).filter_map(|at| u16::try_from(at).ok());
            let bound = || looks().map(|look| engine.bound(id(number), look));
            if !bound().eq(self.bound[number].iter().map(Option::as_deref)) {
                let values = bound().map(|value| value.map(str::to_owned)).collect();
                let before = core::mem::replace(&mut self.bound[number], values);
                read.insert(number, before);
            }
        }
        for number in 0..self.phase.len() {
            self.published_right(number, published.get(&number))?;
            self.bound_right(number)?;
            self.kept_right(number, read.get(&number))?;
            self.file_right(number, world)?;
            self.reacted_right(number, read.contains_key(&number))?;
            self.actions_right(number, read.get(&number))?;
        }
        self.stopped_right(&read)
    }

    /// Whether a service is up in the same run as before this turn.
    pub(super) fn stayed_up(&self, number: usize) -> bool {
        let up = |phase: Phase| matches!(phase, Phase::Starting | Phase::Ready);
        up(self.turn.at_first[number])
            && up(self.phase[number])
            && !self.turn.begun.contains(&number)
    }

    /// Whoever stays up while another changes signals itself or is written again, then and only then.
    fn reacted_right(&self, number: usize, rebound: bool) -> Verdict {
        let svc = &self.plan.services[number];
        if !self.stayed_up(number) {
            return self.restarted_right(number);
        }
        let back = |on: On| {
            svc.links.iter().any(|link| {
                let mut looks = svc.looks.iter().filter(|look| look.of == link.to);
                let none = looks.clone().count() == 0;
                let of = usize::from(link.to);
                let whole = looks
                    .all(|look| !look.must || self.present[of][usize::from(look.output)].is_some());
                link.on == on && self.is_new(of) && (none || (on == On::Render && whole))
            })
        };
        if svc.what == What::Longrun && !svc.links.iter().any(|link| matches!(link.on, On::Run(_)))
        {
            let signalled = self.turn.signalled.contains(&number);
            let reloaded = self.turn.reloaded == Some(number) && svc.reload == On::Hup;
            // A reload by an action takes over what was missed.
            let took_over = self.turn.reloaded == Some(number) && !reloaded;
            let due = (rebound && !took_over) || back(On::Hup) || reloaded;
            // Ready for a moment, in a turn in which a failover searched.
            let passing = svc.links.iter().any(|link| {
                let to = usize::from(link.to);
                self.searched[to] && self.turn.entered.contains(&(to, Phase::Ready))
            });
            law!(
                "8 who is told of changes by a signal gets it, then and only then",
                due == signalled || (signalled && passing),
                "service {number}, due: {due}"
            );
        } else if svc.what == What::File {
            let written = self.turn.written.iter().any(|run| run.service.index() == number);
            let due = rebound || back(On::Render);
            law!("8 who is told of changes is written", !due || written, "service {number}");
        }
        self.restarted_right(number)
    }

    /// Whether what a service stands for is new since this turn.
    pub(super) fn is_new(&self, number: usize) -> bool {
        let written = matches!(
            &self.turn.event,
            Some(Event::Written(run, Ok(true))) if self.turn.fresh && run.service.index() == number
        );
        match self.plan.services[number].what {
            What::File => written && self.is_ready(number),
            // Another alternative is news even to those who read nothing.
            What::Failover if self.turned_alive(number) => true,
            _ => self.turn.entered.contains(&(number, Phase::Ready)) && self.is_ready(number),
        }
    }

    /// A file that has new content while it is up restarts who depends on it.
    fn restarted_right(&self, number: usize) -> Verdict {
        for link in self.plan.services[number].links.iter().filter(|link| link.is_hard()) {
            let of = usize::from(link.to);
            let file = self.plan.services[of].what == What::File;
            let renewed = self.is_new(of) && self.turn.at_first[of] == Phase::Ready;
            law!(
                "8 who needs a file restarts when it is new",
                !(file && renewed && self.stayed_up(number)) || self.is_held_up(number),
                "service {number} needs {of}"
            );
        }
        Ok(())
    }

    /// What is published is what the service published, or what follows from what it reads.
    fn published_right(&self, number: usize, before: Option<&Values>) -> Verdict {
        let before = before.unwrap_or(&self.present[number]);
        let svc = &self.plan.services[number];
        let up = matches!(self.phase[number], Phase::Starting | Phase::Ready);
        let gone = matches!(
            self.phase[number],
            Phase::Down | Phase::Waiting | Phase::Backoff | Phase::Failed
        );
        let read = |look: u16| self.bound[number][usize::from(look)].clone();
        for (at, out) in svc.outs.iter().enumerate() {
            let is = &self.present[number][at];
            let right = match out {
                Out::Own => *is == self.own[number][at],
                _ if gone => is.is_none(),
                // What the alternative that is used has, live.
                Out::Pick(first) => {
                    let selected = self.choice[number].selected;
                    let look = selected.map(|at| svc.looks[usize::from(*first) + at]);
                    let look = look.filter(|look| self.is_ready(usize::from(look.of)));
                    let right = look.and_then(|look| {
                        self.present[usize::from(look.of)][usize::from(look.output)].clone()
                    });
                    !self.is_ready(number) || *is == right
                }
                out => self.phase[number] != Phase::Ready || *is == svc.fixed(*out, &read),
            };
            law!("8 what is published is right", right, "service {number} output {at}: {is:?}");
        }
        let withdrawn = self.turn.withdrawn.contains(&number);
        // Withdrawn values are gone; what is there after a new start was published since.
        let before = if withdrawn { &vec![None; before.len()] } else { before };
        law!(
            "8 what is new is made visible",
            !up || *before == self.present[number] || self.turn.published.contains(&number),
            "service {number}: {before:?} became {:?}",
            self.present[number]
        );
        let had = before.iter().any(Option::is_some);
        // What was published anew and is nothing needs no withdrawal.
        let anew = self.turn.published.contains(&number);
        law!("8 what is gone is withdrawn", !(had && gone) || anew, "service {number}");
        law!(
            "8 what is up is not withdrawn",
            !withdrawn || self.rested(number),
            "service {number}"
        );
        let own = svc.outs.iter().zip(&self.own[number]);
        let complete = own.clone().all(|(out, value)| *out != Out::Own || value.is_some());
        let any = own.clone().any(|(out, _)| *out == Out::Own);
        if svc.what == What::Longrun && svc.tells == Tells::ByOutputs {
            let ready = self.phase[number] == Phase::Ready;
            let may_wait = !complete || !any;
            law!(
                "4 ready with all its outputs, and no longer",
                !up || (ready && complete) || (!ready && may_wait),
                "service {number} is {}, complete: {complete}",
                self.phase[number].name()
            );
        }
        Ok(())
    }

    /// Whether it came to rest in this turn.
    fn rested(&self, number: usize) -> bool {
        let rest = |phase: &Phase| matches!(phase, Phase::Down | Phase::Backoff | Phase::Failed);
        self.turn.entered.iter().any(|(at, phase)| *at == number && rest(phase))
    }

    /// A reader that is up has what there is to read, unless its links let it keep older values.
    fn bound_right(&self, number: usize) -> Verdict {
        let svc = &self.plan.services[number];
        if !matches!(self.phase[number], Phase::Starting | Phase::Ready) {
            return Ok(());
        }
        for (at, look) in svc.looks.iter().enumerate() {
            let of = usize::from(look.of);
            let bound = &self.bound[number][at];
            law!(
                "1 nothing runs without a value that it cannot do without",
                !look.must || bound.is_some() || matches!(svc.what, What::Bundle | What::Failover),
                "service {number} look {at}"
            );
            let Some(link) = svc.on(look.of) else { continue };
            let mut whole = svc.looks.iter().filter(|one| one.of == look.of && one.must);
            let whole = whole.all(|one| self.present[of][usize::from(one.output)].is_some());
            let current = match link.on {
                On::Stop => !self.is_held_up(number),
                On::Hup | On::Render | On::Run(_) => whole,
                On::Follow => false,
                On::Nothing => false,
            };
            law!(
                "8 who reads a changed value reacts",
                !current
                    || !self.is_ready(of)
                    || *bound == self.present[of][usize::from(look.output)],
                "service {number} has {bound:?}, service {of} publishes {:?}",
                self.present[of][usize::from(look.output)]
            );
        }
        Ok(())
    }

    /// Who goes on while a publisher is away keeps what it read there last.
    fn kept_right(&self, number: usize, bound_before: Option<&Values>) -> Verdict {
        let svc = &self.plan.services[number];
        let follows = matches!(svc.what, What::Bundle | What::Failover);
        let Some(bound_before) = bound_before.filter(|_| !follows && self.stayed_up(number)) else {
            return Ok(());
        };
        for (at, look) in svc.looks.iter().enumerate() {
            let of = usize::from(look.of);
            let away = !self.is_ready(of) && self.turn.at_first[of] != Phase::Ready;
            let passing = self.turn.entered.contains(&(of, Phase::Ready));
            law!(
                "8 who stays up keeps what it read from who is away",
                !away || passing || self.bound[number][at] == bound_before[at],
                "service {number} has {:?} of {of}, not {:?}",
                self.bound[number][at],
                bound_before[at]
            );
        }
        Ok(())
    }

    /// A file that is up holds what its text says; one that is down does not exist.
    fn file_right(&self, number: usize, world: &World) -> Verdict {
        let svc = &self.plan.services[number];
        if svc.what != What::File {
            return Ok(());
        }
        let run = Incarnation {
            service: id(number),
            generation: self.generation[number],
            role: Role::Write,
        };
        let disk = &world.disk[number];
        match self.phase[number] {
            Phase::Starting => law!(
                "4 liveness: a file that starts is being written",
                world.is_writing(run),
                "service {number}"
            ),
            Phase::Ready if world.touched[number] || world.is_writing(run) => {}
            Phase::Ready => {
                let read = |look: u16| self.bound[number][usize::from(look)].clone();
                let content = svc.content(&read);
                law!(
                    "8 a file holds what it should",
                    *disk == content,
                    "{disk:?}, not {content:?}"
                );
            }
            Phase::Stopping => {}
            _ => law!("2 a file that is down is gone", disk.is_none(), "service {number}"),
        }
        Ok(())
    }

    /// Whoever was stopped although it is wanted was so for a reason.
    fn stopped_right(&self, bound_before: &BTreeMap<usize, Values>) -> Verdict {
        for &(number, from) in &self.turn.stopped {
            let svc = &self.plan.services[number];
            let lost = |to: u16| {
                let to = usize::from(to);
                !self.is_ready(to) || self.turn.left_ready.contains(&to)
            };
            // A bundle counts on members that were ready while it was.
            let counts = |at: usize| svc.count > 0 || self.counted[number][at];
            let hard = |at: usize, link: &crate::sim::plan::Link| match link.tie {
                Tie::Member => link.on != On::Nothing && counts(at),
                Tie::Alternative => true,
                _ => link.is_hard(),
            };
            let mut links = svc.links.iter().enumerate();
            let need = links.any(|(at, link)| hard(at, link) && lost(link.to));
            let value = svc.looks.iter().enumerate().any(|(at, look)| {
                svc.on(look.of).is_some_and(|link| link.on == On::Stop)
                    && bound_before.get(&number).unwrap_or(&self.bound[number])[at]
                        != self.present[usize::from(look.of)][usize::from(look.output)]
            });
            let of_it = |run: &Incarnation| run.service.index() == number;
            let event = match &self.turn.event {
                // Its own end, or that of its hope to become ready.
                Some(Event::Exited(run, _)) => of_it(run),
                Some(Event::ReadyClosed(run)) => of_it(run) && from == Phase::Starting,
                Some(Event::Written(run, Ok(true))) => {
                    svc.on(run.service.0).is_some_and(crate::sim::plan::Link::is_hard)
                }
                _ => false,
            };
            let told = self.live[number].is_some_and(|live| live.told.is_some());
            let late = from == Phase::Starting && told;
            let bounced = self.turn.bounced.contains(&number);
            let barred = !self.bars(number).is_empty() || self.is_barred_by_world(number);
            let group = self.turn.dormant_after.get(number) == Some(&true)
                || !self.has_members(number, true);
            let given_up = self.turn.given_up.contains(&number);
            law!(
                "13 what is held up is stopped for reasons of its own only",
                !self.is_held_up(number) || event || late || bounced || given_up,
                "service {number}"
            );
            law!(
                "8 nobody is stopped without a reason",
                !self.is_surely_wanted(number)
                    || need
                    || value
                    || event
                    || late
                    || bounced
                    || barred
                    || group
                    || given_up
                    || self.searched[number],
                "service {number}"
            );
        }
        Ok(())
    }
}
