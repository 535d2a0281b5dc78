//! Laws about what follows when a service has left starting or ready: whether, and when, it starts
//! again. The rule is written anew here, from its description.

use super::{Judgement, Laws, Verdict, law};
use crate::sim::plan::{Again, FATAL, Fail, Svc, What};
use rc::{Exit, Instant, Millis, engine::Phase};
use supervisor::exit::{SpawnFailure, SpawnStep};

/// A run of this length forgets earlier failures.
const STABLE_MS: u64 = 10_000;
/// The first failure after a run of this length costs no delay.
const SHORT_MS: u64 = 1000;
/// No other delay is shorter.
const LEAST_MS: u64 = 10;

/// What the policy says about a failure: the phase that follows, failures so far, and the delay.
fn sentence(
    svc: &Svc,
    failures: u32,
    exit: Option<Exit>,
    ready_ms: Option<u64>,
    itself: bool,
    hopeless: bool,
) -> (Phase, u32, u32) {
    let policy = svc.effective_policy();
    let (min, max) = (u64::from(policy.backoff.min.0), u64::from(policy.backoff.max.0));
    let ready = ready_ms.unwrap_or(0);
    let (delay, count) = if ready >= STABLE_MS || (failures == 0 && ready >= SHORT_MS) {
        (0, 1)
    } else {
        let doubled = min.max(LEAST_MS) << failures.min(30);
        (doubled.min(max.max(min).max(LEAST_MS)), failures + 1)
    };
    let is_own = matches!(svc.what, What::Longrun | What::Oneshot);
    let left = is_own
        && match svc.again {
            Again::Always => false,
            Again::Failing => itself && ready_ms.is_some() && exit == Some(Exit::Code(0)),
            Again::NotAtAll => true,
        };
    let too_many = policy.max_restarts > 0 && count > policy.max_restarts;
    let permanent = itself && svc.permanent && exit == Some(Exit::Code(FATAL));
    let phase = if left || too_many || hopeless || (is_own && permanent) {
        Phase::Failed
    } else {
        Phase::Backoff
    };
    (phase, count, u32::try_from(delay).unwrap_or(u32::MAX))
}

impl Laws<'_> {
    pub(super) fn write_failed(&mut self, number: usize, result: Result<bool, i32>) {
        let errno = result.err().unwrap_or(0);
        let exit = Exit::NotStarted(SpawnFailure { step: SpawnStep::Prepare, errno });
        self.last_exit[number] = Some(exit);
        self.judgement[number] = Judgement::Failed(Some(exit), None);
    }

    /// A service changes its phase: judges what follows from how it left the last one.
    pub(super) fn leaving(
        &mut self,
        now: Instant,
        number: usize,
        from: Phase,
        to: Phase,
    ) -> Verdict {
        match (from, to) {
            (Phase::Starting | Phase::Ready, Phase::Stopping) if !self.died_now(number) => {
                // What was told to end before it left had its time, or all is killed.
                let told =
                    self.live[number].is_some_and(|live| live.told.is_some()) && !self.is_killing();
                let ready_ms = now.since_ms(self.since[number]);
                let stable = from == Phase::Ready && ready_ms >= STABLE_MS;
                if let Some(judgement) = self.verdict_on(now, number) {
                    self.judgement[number] = judgement;
                    self.ended_by_us[number] = true;
                } else if told {
                    self.judgement[number] = Judgement::Failed(None, None);
                    self.ended_by_us[number] = true;
                    if stable {
                        self.failures[number] = 0;
                    }
                } else {
                    self.judgement[number] = Judgement::Free;
                    if stable {
                        self.failures[number] = 0;
                    }
                    self.flaps_by(number, stable);
                }
            }
            (Phase::Starting | Phase::Ready | Phase::Stopping, Phase::Down)
            | (Phase::Starting | Phase::Ready | Phase::Stopping, Phase::Backoff | Phase::Failed) => {
                self.rests(now, number, to)?;
            }
            (Phase::Backoff, Phase::Waiting) => law!(
                "6 not before the delay is over",
                self.retry_at[number].is_some_and(|at| at <= now)
                    || self.turn.forgiven.contains(&number),
                "service {number} at {now:?}, due {:?}",
                self.retry_at[number]
            ),
            (Phase::Failed, Phase::Waiting) => law!(
                "6 failed for good until somebody says otherwise",
                self.turn.forgiven.contains(&number),
                "service {number}"
            ),
            (Phase::Down | Phase::Waiting, Phase::Backoff) => {
                let damped = self.damping(number).map(|delay| now.after(delay));
                let until = damped.max(self.retry_at[number].filter(|at| *at > now));
                law!("11 only flaps are damped, and failures", until.is_some(), "service {number}");
                self.retry_at[number] = until;
            }
            (_, Phase::Down) => {
                let left = !self.is_surely_wanted(number) || self.searched[number];
                law!("4 down is not wanted", left, "service {number}");
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether the report of this turn is of its death.
    fn died_now(&self, number: usize) -> bool {
        use rc::engine::{Event, Role};
        matches!(
            &self.turn.event,
            Some(Event::Exited(run, exit)) if self.turn.fresh
                && run.service.index() == number
                && (run.role == Role::Run || (run.role == Role::Up && !exit.is_success()))
        ) && matches!(self.judgement[number], Judgement::Failed(..))
            && !self.turn.spawned.iter().any(|run| run.service.index() == number)
    }

    fn rests(&mut self, now: Instant, number: usize, to: Phase) -> Verdict {
        let pardoned = core::mem::take(&mut self.pardoned[number]);
        let itself = !core::mem::take(&mut self.ended_by_us[number]);
        let hopeless = core::mem::take(&mut self.hopeless[number]);
        // A stable run forgives what its last failure for good has led to.
        if let Judgement::Failed(_, Some(ready_ms)) = self.judgement[number]
            && ready_ms >= STABLE_MS
        {
            self.escalated[number] = false;
        }
        let mut expected = Phase::Down;
        if let Judgement::Failed(exit, ready_ms) = self.judgement[number]
            && !pardoned
        {
            let svc = &self.plan.services[number];
            let failures = self.failures[number];
            let (phase, count, delay) = sentence(svc, failures, exit, ready_ms, itself, hopeless);
            // It counts, and delays, whether or not it is wanted.
            self.failures[number] = count;
            self.retry_at[number] = Some(now.after(Millis(delay)));
            // While what is wanted changes in this turn, either may be so.
            let wanted = self.may_be_wanted(number)
                && ((self.is_surely_wanted(number) && !self.searched[number]) || to != Phase::Down);
            expected = if wanted { phase } else { Phase::Down };
            let well = itself && ready_ms.is_some() && exit == Some(Exit::Code(0));
            let left = svc.again == Again::NotAtAll || (svc.again == Again::Failing && well);
            let permanent =
                hopeless || (itself && svc.permanent && exit == Some(Exit::Code(FATAL))) || !left;
            if expected == Phase::Failed && permanent {
                self.escalates(number);
            }
        }
        law!(
            "6 the policy decides",
            to == expected,
            "service {number} is {} after {:?}, not {}",
            to.name(),
            self.judgement[number],
            expected.name()
        );
        self.own[number].fill(None);
        Ok(())
    }

    /// A service leaves by our will: if a condition is why, and its run was short, it flaps.
    fn flaps_by(&mut self, number: usize, stable: bool) {
        if stable {
            self.flaps[number] = 0;
        } else if self.is_barred_by_world(number)
            || !self.bars(number).is_empty()
            || self.turn.barred_after.get(number) == Some(&true)
        {
            self.flaps[number] += 1;
        }
        self.damp[number] = self.flaps[number] > 3;
    }

    /// How long the next start waits because of flaps; asked once.
    fn damping(&mut self, number: usize) -> Option<Millis> {
        if !core::mem::take(&mut self.damp[number]) {
            return None;
        }
        let svc = &self.plan.services[number];
        let policy = svc.effective_policy().backoff;
        let (min, max) = (u64::from(policy.min.0.max(10)), u64::from(policy.max.0));
        let times = (self.flaps[number] - 4).min(20);
        let delay = (min << times).min(max.max(u64::from(policy.min.0)).max(LEAST_MS));
        Some(Millis(u32::try_from(delay).unwrap_or(u32::MAX)))
    }

    /// It failed for good: what its definition says for that happens once.
    fn escalates(&mut self, number: usize) {
        if core::mem::replace(&mut self.escalated[number], true) {
            return;
        }
        match self.plan.services[number].fail {
            Fail::Nothing => {}
            Fail::Reboot | Fail::Rescue => {
                self.turn.escalations_due.insert(number);
            }
            Fail::Start(other) => self.turn.starts.push(usize::from(other)),
        }
    }
}
