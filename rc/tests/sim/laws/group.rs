//! Laws about what stands between a service and being up besides its needs: conditions, what conflicts
//! with it, pins, the members of bundles and the alternatives of failovers.

use super::{Ending, Judgement, Laws, Verdict, law};
use crate::sim::plan::{About, On, Tie, VALUES, What, id};
use rc::{
    Instant, Millis,
    engine::{Engine, Phase, Want},
};

/// What a failover uses, or how far it has searched: numbers of alternatives.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Choice {
    pub selected: Option<usize>,
    pub reach: usize,
    pub patience: Option<Instant>,
}

impl Laws<'_> {
    pub(super) fn is_up(&self, number: usize) -> bool {
        matches!(self.phase[number], Phase::Starting | Phase::Ready)
    }

    /// Whether a pin keeps it up whatever happens around it.
    pub(super) fn is_held_up(&self, number: usize) -> bool {
        self.pins[number] == Some(true) && !self.retired[number] && self.ending == Ending::No
    }

    /// Whether a condition is met; `None`: it is about a service that is not ready.
    pub(super) fn met(&self, number: usize, at: usize) -> Option<bool> {
        let svc = &self.plan.services[number];
        let one = svc.ifs[at];
        match one.fact {
            About::World => Some(self.holds[number][at]),
            About::Look(look, value) => {
                let look = svc.looks[usize::from(look)];
                let of = usize::from(look.of);
                let is = self.present[of][usize::from(look.output)].as_deref();
                let fits = is.is_some_and(|is| value.is_none_or(|value| VALUES[value] == is));
                self.is_ready(of).then_some(fits != one.not)
            }
        }
    }

    /// The conditions that are known not to be met.
    pub(super) fn bars(&self, number: usize) -> Vec<usize> {
        let ifs = 0..self.plan.services[number].ifs.len();
        ifs.filter(|at| self.met(number, *at) == Some(false)).collect()
    }

    /// The same, as far as the shell tells: known at any moment.
    pub(super) fn is_barred_by_world(&self, number: usize) -> bool {
        let ifs = self.plan.services[number].ifs.iter().zip(&self.holds[number]);
        ifs.into_iter().any(|(one, holds)| one.fact == About::World && !holds)
    }

    /// Who is wanted but cannot be up because of a condition.
    pub(super) fn dormancy(&self) -> Vec<bool> {
        let mut dormant = vec![false; self.phase.len()];
        for &number in &self.order {
            let svc = &self.plan.services[number];
            let asleep = |tie: Tie| {
                let mut all = svc.links.iter().filter(|link| link.tie == tie).peekable();
                all.peek().is_some() && all.all(|link| dormant[usize::from(link.to)])
            };
            let up = self.is_up(number);
            // Who is up stays so without what it needs softly.
            let needs = svc.links.iter().filter(|link| link.tie == Tie::Needs);
            let mut needs = needs.filter(|link| !up || link.is_hard());
            let kept = self.is_held_up(number) && self.is_up(number);
            dormant[number] = self.wants[number]
                && !kept
                && (!self.bars(number).is_empty()
                    || needs.any(|link| dormant[usize::from(link.to)])
                    || asleep(Tie::Member)
                    || asleep(Tie::Alternative));
        }
        dormant
    }

    /// Who is there although it conflicts; even a process that is stuck counts.
    pub(super) fn rivals(&self, number: usize) -> Vec<usize> {
        let there = |other: &usize| {
            matches!(self.phase[*other], Phase::Starting | Phase::Ready | Phase::Stopping)
        };
        let conflicts = self.plan.services[number].conflicts.iter();
        conflicts.map(|other| usize::from(*other)).filter(there).collect()
    }

    /// Whether a group has what it starts with, or stays up with. Who may be dormant counts as such.
    pub(super) fn has_members(&self, number: usize, up: bool) -> bool {
        let svc = &self.plan.services[number];
        let is_ready = |to: u16| self.is_ready(usize::from(to));
        let asleep = |to: u16| {
            self.dormant[usize::from(to)]
                || self.turn.dormant_after.get(usize::from(to)) == Some(&true)
        };
        let members = svc.links.iter().enumerate().filter(|(_, link)| link.tie == Tie::Member);
        match svc.what {
            What::Bundle if svc.count > 0 => {
                let soft = |on: On| up && on == On::Nothing;
                let fine = members.filter(|(_, link)| is_ready(link.to) || soft(link.on));
                fine.count() >= svc.members_needed()
            }
            What::Bundle if up => members.into_iter().all(|(at, link)| {
                !self.counted[number][at]
                    || link.on == On::Nothing
                    || is_ready(link.to)
                    || asleep(link.to)
            }),
            What::Bundle => {
                members.into_iter().all(|(_, link)| is_ready(link.to) || asleep(link.to))
            }
            What::Failover if up => true,
            What::Failover => {
                let mut all = svc.links.iter().filter(|link| link.tie == Tie::Alternative);
                all.any(|link| is_ready(link.to))
            }
            What::Longrun | What::Oneshot | What::File => true,
        }
    }

    pub(super) fn alternatives(&self, number: usize) -> Vec<usize> {
        let links = self.plan.services[number].links.iter();
        let all = links.filter(|link| link.tie == Tie::Alternative);
        all.map(|link| usize::from(link.to)).collect()
    }

    /// Nothing is to be expected soon from an alternative.
    pub(super) fn is_given_up(&self, number: usize) -> bool {
        let settled = match self.phase[number] {
            Phase::Backoff | Phase::Failed => true,
            Phase::Down => !self.wants[number],
            Phase::Waiting => self.blocked[number],
            Phase::Stopping => !self.is_active(number),
            Phase::Starting | Phase::Ready => false,
        };
        settled && !self.is_ready(number)
    }

    /// Takes over what failovers chose; it is judged afterwards.
    pub(super) fn take_choices(&mut self, engine: &Engine) {
        for number in 0..self.phase.len() {
            let all = self.alternatives(number);
            let Some(view) = engine.view(id(number)) else { continue };
            let selected = view.selected.and_then(|to| all.iter().position(|one| id(*one) == to));
            let (reach, patience) = engine.searching(id(number)).unwrap_or_default();
            let reach = all.iter().position(|one| id(*one) == reach).unwrap_or(0);
            self.before[number] =
                core::mem::replace(&mut self.choice[number], Choice { selected, reach, patience });
            if self.turned_alive(number) {
                self.news[number] += 1;
                // Failovers turn before those who depend on them begin.
                for (dependent, _) in &self.dependents[number] {
                    if self.turn.begun.contains(dependent) {
                        let links = self.plan.services[*dependent].links.iter();
                        let news = links.map(|link| self.news[usize::from(link.to)]);
                        self.known[*dependent] = news.collect();
                    }
                }
            }
        }
    }

    /// Whether a failover turned to another alternative without leaving ready.
    pub(super) fn turned_alive(&self, number: usize) -> bool {
        let (was, is) = (self.before[number].selected, self.choice[number].selected);
        let stayed = self.turn.at_first[number] == Phase::Ready
            && !self.turn.entered.contains(&(number, Phase::Ready));
        stayed && self.is_ready(number) && was != is
    }

    /// Judges what failovers chose.
    pub(super) fn choices_right(&self, now: Instant) -> Verdict {
        for number in 0..self.phase.len() {
            let svc = &self.plan.services[number];
            if svc.what != What::Failover {
                continue;
            }
            let all = self.alternatives(number);
            let (is, was) = (self.choice[number], self.before[number]);
            let Choice { selected, reach, patience } = is;
            let ready = |at: usize| all.get(at).is_some_and(|one| self.is_ready(*one));
            let name = format!("service {number}: {is:?}, before {was:?}");
            let retiring = self.retired[number] && self.phase[number] != Phase::Ready;
            let before = self.turn.at_first[number];
            law!(
                "16 what a failover used is kept for another database",
                !retiring || before == Phase::Waiting || was.selected.is_none() || is == was,
                "{name}"
            );
            // A failover that just began to search turns to others after a moment. Who was let go before,
            // because nobody wanted it, has lost nothing.
            let searches = |at: usize| {
                at != number
                    && self.plan.services[at].what == What::Failover
                    && self.turn.entered.contains(&(at, Phase::Waiting))
            };
            let was_down =
                before == Phase::Down || self.turn.entered.contains(&(number, Phase::Down));
            let late = was_down && (0..self.phase.len()).any(searches);
            let lost = was
                .selected
                .filter(|_| selected.is_none() && self.is_surely_wanted(number) && !late);
            law!(
                "12 who lost its alternative tries the next at once",
                lost.is_none_or(|lost| {
                    reach > lost || lost + 1 == all.len() || self.comes_back(all[lost])
                }),
                "{name}"
            );
            match self.phase[number] {
                Phase::Ready => {
                    law!(
                        "12 a failover that is ready uses an alternative that is ready",
                        selected.is_some_and(ready) || self.is_held_up(number),
                        "{name}"
                    );
                    law!(
                        "12 the preferred alternative is used, where that is the rule",
                        !svc.first || !(0..selected.unwrap_or(0)).any(ready),
                        "{name}"
                    );
                    let stayed = self.turn.at_first[number] == Phase::Ready
                        && !self.turn.entered.iter().any(|(at, _)| *at == number);
                    law!(
                        "12 who sticks to an alternative does not turn away from it",
                        svc.first || !stayed || was.selected == selected,
                        "{name}"
                    );
                }
                Phase::Waiting if self.searches(number) => {
                    law!("12 what is ready is used", !(0..=reach).any(ready), "{name}");
                    let last = reach + 1 >= all.len();
                    law!(
                        "12 the next alternative is tried when one is given up",
                        last || !self.is_given_up(all[reach]),
                        "{name}"
                    );
                    law!(
                        "12 an alternative is waited for with patience, and not longer",
                        if last { patience.is_none() } else { patience.is_some_and(|at| at > now) },
                        "{name}"
                    );
                    // A new failover above it may have turned to it only after a moment.
                    let anew = self.turn.entered.contains(&(number, Phase::Waiting));
                    let moved = reach != was.reach || was.patience.is_none() || anew;
                    let fresh = now.after(Millis(svc.patience_ms));
                    law!(
                        "12 patience begins with an alternative",
                        last || patience == if moved { Some(fresh) } else { was.patience },
                        "{name}"
                    );
                    let went_on = self.turn.at_first[number] == Phase::Waiting
                        && !self.turn.entered.iter().any(|(at, _)| *at == number);
                    law!(
                        "12 a search does not go back",
                        !went_on || was.selected.is_some() || reach >= was.reach,
                        "{name}"
                    );
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether a service is, or was at first, stopping by our will.
    fn comes_back(&self, number: usize) -> bool {
        let going = self.turn.at_first[number] == Phase::Stopping;
        self.turn.ended_by_will.contains(&number)
            || (going && self.judgement[number] == Judgement::Free)
    }

    /// Whether a failover waits for nothing but its alternatives.
    pub(super) fn searches(&self, number: usize) -> bool {
        let links = &self.plan.services[number].links;
        self.choice[number].selected.is_none()
            && self.bars(number).is_empty()
            && self.rivals(number).is_empty()
            && self.missing_outputs(number).is_empty()
            && !links.iter().any(|link| self.waits_for(link, &self.settled_now))
            && !self.dormant[number]
    }

    /// Takes note of which members a bundle counts on.
    pub(super) fn count_members(&mut self) {
        for number in 0..self.phase.len() {
            for (at, link) in self.plan.services[number].links.iter().enumerate() {
                let to = usize::from(link.to);
                if self.phase[number] != Phase::Ready {
                    self.counted[number][at] = false;
                } else if self.is_ready(to) {
                    self.counted[number][at] = true;
                } else if self.dormant[to] {
                    self.counted[number][at] = false;
                }
            }
        }
    }

    /// Nothing is up beside what it conflicts with, nor against its conditions or a pin.
    pub(super) fn may_be_up(&self, number: usize, engine: &Engine) -> Verdict {
        let Some(view) = engine.view(id(number)) else { return Ok(()) };
        let pinned = self.pins[number].map(|up| if up { Want::Up } else { Want::Down });
        law!("13 pins are told", view.pinned == pinned, "service {number}: {:?}", view.pinned);
        law!(
            "11 who cannot be up because of a condition is dormant",
            view.dormant == self.dormant[number],
            "service {number}: {}",
            view.dormant
        );
        if !self.is_up(number) {
            return Ok(());
        }
        law!(
            "11 nothing is up against its conditions",
            self.bars(number).is_empty() || self.is_held_up(number),
            "service {number}"
        );
        let rivals = self.rivals(number);
        law!("14 what conflicts is not up", rivals.is_empty(), "service {number} and {rivals:?}");
        Ok(())
    }
}
