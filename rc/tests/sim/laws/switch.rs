//! What is known of the services that another database keeps, under their new numbers; of those that it
//! has otherwise, what was asked of them and their generation. Everything else begins anew.

use super::{Ask, Ending, Laws, Live, Verdict, action::number_of, group::Choice, law, side::Side};
use crate::sim::{
    plan::{Plan, id},
    switch::Next,
};
use rc::engine::{Engine, Incarnation, Origin, Phase, Role};
use std::collections::BTreeSet;

impl<'p> Laws<'p> {
    /// Whether those that are on their way out are down, and the engine says the same.
    pub fn are_retired(&self, engine: &Engine) -> Result<bool, super::Violation> {
        let retired = (0..self.phase.len()).all(|at| !self.retired[at] || !self.is_active(at));
        if engine.is_retired() == retired {
            return Ok(retired);
        }
        let text = format!("{}, not {retired}", engine.is_retired());
        Err(super::Violation { law: "16 it is told when all are out", text })
    }

    /// Whoever went has cleaned up as its old definition says, unless it is stuck.
    pub fn left_cleanly(&self) -> Verdict {
        let went = (0..self.phase.len()).filter(|at| self.retired[*at] && self.live[*at].is_none());
        went.into_iter().try_for_each(|number| self.cleaned_up(number))
    }

    pub fn is_ending(&self) -> bool {
        self.ending != Ending::No
    }

    pub fn target(&self) -> Option<usize> {
        self.target
    }

    /// The same laws over the second database.
    pub fn switch(&mut self, next: &'p Next, origins: &[Origin], target: Option<usize>) {
        let plan: &'p Plan = &next.plan;
        let mut new = Self::new(plan);
        for (to, origin) in origins.iter().enumerate() {
            match *origin {
                Origin::New => {}
                Origin::Kept(from) => new.keep(to, self, from.index()),
                Origin::Changed(from) => {
                    let from = from.index();
                    new.asks[to] = self.asks[from];
                    new.pins[to] = self.pins[from];
                    new.generation[to] = self.generation[from];
                    new.news[to] = self.news[from] + 1;
                    // Its old definition has cleaned up.
                    new.done[to] = BTreeSet::from([number_of(Role::Down), number_of(Role::Finish)]);
                    new.choice[to] = self.choice_after(from, &new, to, origins);
                }
            }
        }
        new.target = target;
        if let Some(target) = target
            && new.asks[target] == Ask::Nothing
        {
            new.asks[target] = Ask::Up;
        }
        new.settled = self.settled;
        new.ending = self.ending;
        new.stale = self.stale;
        new.met = core::mem::take(&mut self.met);
        new.wants = new.wanted();
        for (number, origin) in origins.iter().enumerate() {
            let used = new.choice[number].selected.map(|at| new.alternatives(number)[at]);
            let is_other = matches!(origin, Origin::Changed(_));
            if is_other && new.wants[number] && used.is_some_and(|used| new.is_ready(used)) {
                new.adopted.push(number);
            }
        }
        *self = new;
    }

    /// A failover goes on with the alternative that it used, if that is kept.
    fn choice_after(&self, from: usize, new: &Self, to: usize, origins: &[Origin]) -> Choice {
        let used = self.choice[from].selected.map(|at| self.alternatives(from)[at]);
        let is_used =
            |other: &usize| used.is_some_and(|at| origins[*other] == Origin::Kept(id(at)));
        match new.alternatives(to).iter().position(is_used) {
            Some(at) => Choice { selected: Some(at), reach: at, patience: None },
            None => Choice::default(),
        }
    }

    /// Takes everything over that is known of a service.
    fn keep(&mut self, to: usize, old: &mut Self, from: usize) {
        macro_rules! take {
            ($($field:ident)*) => { $(
                core::mem::swap(&mut self.$field[to], &mut old.$field[from]);
            )* };
        }
        take!(asks pins phase since generation done was_ready judgement ends pardoned failures retry_at
            last_exit holds dormant flaps damp escalated reloading ended_by_us hopeless silent choice before
            counted settled_now blocked own present bound news known);
        // The old laws need it no longer, but for the choices of others.
        old.choice[from] = self.choice[to];
        let moved = |live: Live| Live { run: Incarnation { service: id(to), ..live.run }, ..live };
        self.live[to] = old.live[from].map(moved);
        let side = core::mem::take(&mut old.side[from]);
        self.side[to] =
            Side { check: side.check.map(moved), action: side.action.map(moved), ..side };
    }

    /// A failover that is other than it was goes on with what it used; nothing else is started for it.
    pub(super) fn adopted_right(&mut self) -> Verdict {
        for number in core::mem::take(&mut self.adopted) {
            for other in self.alternatives(number) {
                let wanted = self.turn.wants_before[other] || self.wants[other];
                law!(
                    "16 a failover goes on with what it used",
                    wanted || !self.turn.begun.contains(&other),
                    "service {number} starts {other}"
                );
            }
        }
        Ok(())
    }

    /// Who is kept is so: the switch itself has done nothing to it.
    pub fn switched(&self, engine: &Engine, origins: &[Origin]) -> Verdict {
        for (number, origin) in origins.iter().enumerate() {
            let Some(view) = engine.view(id(number)) else { continue };
            let live = self.live[number].map(|live| live.run);
            let kept = matches!(origin, Origin::Kept(_));
            law!(
                "16 who is kept goes on, and all others are down",
                view.phase == self.phase[number]
                    && view.generation == self.generation[number]
                    && view.live == live
                    && (kept || view.phase == Phase::Down),
                "service {number}, {origin:?}: {} instead of {}",
                view.phase.name(),
                self.phase[number].name()
            );
        }
        Ok(())
    }
}
