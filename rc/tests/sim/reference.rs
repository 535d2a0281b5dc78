//! The reference: what the whole system must be at rest, computed from the plan and from what was asked,
//! slowly and obviously. It knows nothing of how the engine works, and nothing of what happened before,
//! except for the few things that history decides; those are listed at [`History`].
//!
//! At rest means: nothing is on its way, and nothing happens any more but that bad services (those that
//! die whenever they run) are tried again.

use super::plan::{About, Again, Link, On, Out, Plan, Svc, Tells, Tie, VALUES, What};
use rc::engine::Phase;

/// What was asked, and what is so in the world.
pub struct Given<'a> {
    pub plan: &'a Plan,
    /// Asked to be up, down, or neither.
    pub asks: Vec<Option<bool>>,
    /// Held up, down, or not.
    pub pins: Vec<Option<bool>>,
    /// By service: what holds of the conditions that the shell tells of.
    pub facts: &'a [Vec<bool>],
    pub bad: Vec<bool>,
    pub shutdown: bool,
}

/// What the past decides. Everything else follows.
pub struct History {
    /// Who of two that conflict is up; who is up although a soft need, or a need of what is held up, is away
    /// since; which bundle goes on although a member that was dormant came and fails: all these are up now.
    pub phases: Vec<Phase>,
    /// Which alternative a failover uses, as a number among its alternatives.
    pub selected: Vec<Option<usize>>,
    /// What is published.
    pub values: Vec<Vec<Option<String>>>,
}

/// The phases that each service may be in.
pub type Expected = Vec<Vec<Phase>>;

struct Reference<'a> {
    given: &'a Given<'a>,
    history: &'a History,
    wanted: Vec<bool>,
    dormant: Vec<bool>,
    ready: Vec<bool>,
}

pub fn expected(given: &Given<'_>, history: &History) -> Expected {
    let count = given.plan.services.len();
    let mut reference = Reference {
        given,
        history,
        wanted: vec![false; count],
        dormant: vec![false; count],
        ready: vec![false; count],
    };
    reference.want();
    let mut expected = vec![Vec::new(); count];
    for number in given.plan.sorted() {
        reference.dormant[number] = reference.wanted[number] && reference.is_dormant(number);
        let phases = reference.judge(number);
        // Where history decides, it has decided.
        let now = history.phases[number];
        reference.ready[number] = phases.contains(&now) && now == Phase::Ready;
        expected[number] = phases;
    }
    expected
}

impl Reference<'_> {
    fn svc(&self, number: usize) -> &Svc {
        &self.given.plan.services[number]
    }

    fn links(&self, number: usize, tie: Tie) -> Vec<Link> {
        let links = self.svc(number).links.iter().copied();
        links.filter(|link| link.tie == tie).collect()
    }

    /// Whether its owner lets it be up.
    fn is_allowed(&self, number: usize) -> bool {
        match self.given.pins[number] {
            Some(up) => up,
            None => self.given.asks[number] != Some(false),
        }
    }

    /// Everything that somebody who asked reaches; again and again until nothing new is reached.
    fn want(&mut self) {
        let count = self.wanted.len();
        if self.given.shutdown {
            return;
        }
        let root = |at| self.given.asks[at] == Some(true) || self.given.pins[at] == Some(true);
        let mut reached: Vec<bool> = (0..count).map(root).collect();
        loop {
            let before = reached.clone();
            for number in (0..count).filter(|number| before[*number]) {
                for tie in [Tie::Needs, Tie::Wants, Tie::Member] {
                    for link in self.links(number, tie) {
                        reached[usize::from(link.to)] = true;
                    }
                }
                if !self.is_allowed(number) {
                    continue;
                }
                let selected = self.history.selected[number];
                for (at, link) in self.links(number, Tie::Alternative).iter().enumerate() {
                    let used = match (selected, self.svc(number).first) {
                        // A search that is at rest has tried all.
                        (None, _) => true,
                        (Some(selected), false) => at == selected,
                        (Some(selected), true) => at <= selected,
                    };
                    reached[usize::from(link.to)] |= used;
                }
            }
            if reached == before {
                break;
            }
        }
        self.wanted = (0..count).map(|at| reached[at] && self.is_allowed(at)).collect();
    }

    /// Whether its conditions let it be up. Nothing is known of the values of what is not ready: that is
    /// enough to stay up, not to start.
    fn holds(&self, number: usize, unknown: bool) -> bool {
        self.svc(number).ifs.iter().enumerate().all(|(at, one)| {
            match one.fact {
                // The shell has taken the negation into account.
                About::World => self.given.facts[number][at],
                About::Look(look, value) => {
                    let look = self.svc(number).looks[usize::from(look)];
                    let (of, output) = (usize::from(look.of), usize::from(look.output));
                    let is = self.history.values[of][output].as_deref();
                    let fits = is.is_some_and(|is| value.is_none_or(|v| VALUES[v] == is));
                    if self.ready[of] { fits != one.not } else { unknown }
                }
            }
        })
    }

    /// Whether it is a group of which everything is dormant.
    fn sleeps(&self, number: usize) -> bool {
        let asleep = |links: Vec<Link>| {
            !links.is_empty() && links.iter().all(|link| self.dormant[usize::from(link.to)])
        };
        asleep(self.links(number, Tie::Member)) || asleep(self.links(number, Tie::Alternative))
    }

    fn is_dormant(&self, number: usize) -> bool {
        if self.given.pins[number] == Some(true) && self.history.phases[number] == Phase::Ready {
            return false;
        }
        // Who is up already stays so without what it needs softly.
        let up = self.history.phases[number] == Phase::Ready;
        let needs = self.links(number, Tie::Needs).into_iter();
        let mut needs = needs.filter(|link| !up || link.on == On::Stop);
        !self.holds(number, true)
            || needs.any(|link| self.dormant[usize::from(link.to)])
            || self.sleeps(number)
    }

    fn is_missing_a_value(&self, number: usize) -> bool {
        self.svc(number).looks.iter().any(|look| {
            let (of, output) = (usize::from(look.of), usize::from(look.output));
            look.must && self.ready[of] && self.history.values[of][output].is_none()
        })
    }

    fn judge(&self, number: usize) -> Vec<Phase> {
        let svc = self.svc(number);
        if !self.wanted[number] {
            return vec![Phase::Down];
        }
        let up = |link: &Link| self.ready[usize::from(link.to)];
        let needs = self.links(number, Tie::Needs);
        let rival = svc.conflicts.iter().any(|other| {
            matches!(self.history.phases[usize::from(*other)], Phase::Ready | Phase::Starting)
        });
        let can_start = self.holds(number, false)
            && !self.sleeps(number)
            && needs.iter().all(up)
            && !rival
            && !self.is_missing_a_value(number)
            && self.stands(number, false);
        let was_up = self.history.phases[number] == Phase::Ready;
        let hard = |link: &&Link| link.on == On::Stop;
        let may_stay = was_up
            && !rival
            && (self.given.pins[number] == Some(true)
                || (self.holds(number, true)
                    && !self.sleeps(number)
                    && needs.iter().filter(hard).all(up)
                    && self.stands(number, true)));
        let may_fail = matches!(svc.what, What::Longrun | What::Oneshot)
            && (svc.max > 0 || svc.permanent || svc.end || svc.again != Again::Always);
        let mut phases = Vec::new();
        let bad = self.given.bad[number] && self.runs(svc);
        let kept = may_stay && self.given.pins[number] == Some(true);
        if (can_start && !bad) || may_stay {
            phases.push(Phase::Ready);
        }
        if !(can_start || kept) {
            phases.push(Phase::Waiting);
        }
        // Delayed after a failure, or because its condition flaps; a failover that turns away from what
        // has failed for good, and back, tries it once more after its delay.
        if bad && (svc.again != Again::NotAtAll || !svc.ifs.is_empty() || self.is_searched(number))
        {
            phases.push(Phase::Backoff);
        }
        // Failed for good, long ago or just now.
        if may_fail {
            phases.push(Phase::Failed);
        }
        phases
    }

    /// Whether some alternative of a failover reaches it.
    fn is_searched(&self, number: usize) -> bool {
        let services = self.given.plan.services.iter().enumerate();
        let reaches = |link: &Link| usize::from(link.to) == number && link.tie != Tie::After;
        let mut above = services.filter(|(_, svc)| svc.links.iter().any(reaches));
        above.any(|(other, svc)| {
            let mut links = svc.links.iter().filter(|link| reaches(link));
            links.any(|link| link.tie == Tie::Alternative) || self.is_searched(other)
        })
    }

    /// Whether it has a process that can die.
    fn runs(&self, svc: &Svc) -> bool {
        match svc.what {
            What::Longrun => true,
            What::Oneshot => svc.up,
            What::Bundle | What::File | What::Failover => false,
        }
    }

    /// Whether a group has what makes it ready, or keeps it so.
    fn stands(&self, number: usize, keeps: bool) -> bool {
        let svc = self.svc(number);
        let is_up = |link: &Link| self.ready[usize::from(link.to)];
        let members = self.links(number, Tie::Member);
        let soft = |link: &&Link| keeps && link.on == On::Nothing;
        match svc.what {
            What::Bundle if svc.count > 0 => {
                let up = members.iter().filter(|link| is_up(link) || soft(link)).count();
                up >= svc.members_needed()
            }
            // One that came back after the bundle was ready is not counted before it is.
            What::Bundle if keeps => true,
            What::Bundle => {
                members.iter().all(|link| is_up(link) || self.dormant[usize::from(link.to)])
            }
            What::Failover => {
                let alternatives = self.links(number, Tie::Alternative);
                let used = self.history.selected[number].and_then(|at| alternatives.get(at));
                used.is_some_and(is_up)
            }
            What::Longrun | What::Oneshot | What::File => true,
        }
    }
}

/// What must be so of a failover that has found an alternative, or none.
pub fn choice_is_right(given: &Given<'_>, history: &History, number: usize) -> bool {
    let svc = &given.plan.services[number];
    let alternatives: Vec<_> =
        svc.links.iter().filter(|link| link.tie == Tie::Alternative).collect();
    let ready = |at: usize| {
        alternatives
            .get(at)
            .is_some_and(|link| history.phases[usize::from(link.to)] == Phase::Ready)
    };
    match history.selected[number] {
        // What is held up stays so without one.
        _ if given.pins[number] == Some(true) => true,
        Some(selected) => ready(selected) && (!svc.first || !(0..selected).any(ready)),
        // Who has none although one is ready waits for something else.
        None => {
            history.phases[number] != Phase::Ready
                && (!(0..alternatives.len()).any(ready)
                    || history.phases[number] != Phase::Waiting
                    || !svc.ifs.is_empty()
                    || svc.links.iter().any(|link| link.tie != Tie::Alternative)
                    || !svc.conflicts.is_empty())
        }
    }
}

/// What every output must be, given what is up: what follows from the reads of its service.
pub fn values_are_right(plan: &Plan, history: &History) -> Result<(), String> {
    for (number, svc) in plan.services.iter().enumerate() {
        for (at, out) in svc.outs.iter().enumerate() {
            let is = &history.values[number][at];
            let up = history.phases[number] == Phase::Ready;
            let right = match *out {
                Out::Own => up || is.is_none() || svc.tells == Tells::ByOutputs,
                Out::Fixed(value) => is.as_deref() == up.then_some(VALUES[value]),
                Out::Copy(_) | Out::CopyInt(_) => up || is.is_none(),
                Out::Pick(first) => match history.selected[number] {
                    Some(selected) if up => {
                        let look = svc.looks[usize::from(first) + selected];
                        let of = usize::from(look.of);
                        let there = history.phases[of] == Phase::Ready;
                        let value = &history.values[of][usize::from(look.output)];
                        is.as_ref() == value.as_ref().filter(|_| there)
                    }
                    _ => is.is_none(),
                },
            };
            if !right {
                return Err(format!("service {number} output {at} is {is:?}"));
            }
        }
    }
    Ok(())
}
