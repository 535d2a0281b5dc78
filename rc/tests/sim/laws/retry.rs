//! Laws about what follows when a service has left starting or ready: whether, and when, it starts
//! again. The rule is written anew here, from its description.

use super::{Judgement, Laws, Verdict, law};
use crate::sim::plan::{Again, Svc};
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
    let is_own =
        matches!(svc.what, super::super::plan::What::Longrun | super::super::plan::What::Oneshot);
    let left = is_own
        && match svc.again {
            Again::Always => false,
            Again::Failing => ready_ms.is_some() && exit == Some(Exit::Code(0)),
            Again::NotAtAll => true,
        };
    let too_many = policy.max_restarts > 0 && count > policy.max_restarts;
    let phase = if left || too_many { Phase::Failed } else { Phase::Backoff };
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
                // What was told to end before it left had its time.
                let told = self.live[number].is_some_and(|live| live.told.is_some());
                self.judgement[number] =
                    if told { Judgement::Failed(None, None) } else { Judgement::Free };
                let ready_ms = now.since_ms(self.since[number]);
                if from == Phase::Ready && ready_ms >= STABLE_MS {
                    self.failures[number] = 0;
                }
            }
            (Phase::Starting | Phase::Ready | Phase::Stopping, Phase::Down)
            | (_, Phase::Backoff | Phase::Failed) => self.rests(now, number, to)?,
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
            (_, Phase::Down) => {
                law!("4 down is not wanted", !self.wants[number], "service {number}");
                self.failures[number] = 0;
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
            Some(Event::Exited(run, _)) if self.turn.fresh
                && run.service.index() == number
                && matches!(run.role, Role::Run | Role::Up)
        ) && matches!(self.judgement[number], Judgement::Failed(..))
            && !self.turn.spawned.iter().any(|run| run.service.index() == number)
    }

    fn rests(&mut self, now: Instant, number: usize, to: Phase) -> Verdict {
        let pardoned = core::mem::take(&mut self.pardoned[number]);
        self.retry_at[number] = None;
        let (expected, delay) = match self.judgement[number] {
            Judgement::Failed(exit, ready_ms) if self.wants[number] && !pardoned => {
                let svc = &self.plan.services[number];
                let (phase, count, delay) = sentence(svc, self.failures[number], exit, ready_ms);
                self.failures[number] = count;
                (phase, delay)
            }
            _ => (Phase::Down, 0),
        };
        law!(
            "6 the policy decides",
            to == expected,
            "service {number} is {} after {:?}, not {}",
            to.name(),
            self.judgement[number],
            expected.name()
        );
        if to == Phase::Backoff {
            self.retry_at[number] = Some(now.after(Millis(delay)));
        } else if to == Phase::Down && !self.wants[number] {
            self.failures[number] = 0;
        }
        self.own[number].fill(None);
        Ok(())
    }
}
