//! The watchdog in the loop: tells the ratchet how services are, and the device what the ratchet says.
//! A loop that does not turn does not feed; nothing else in PID 1 may.

use super::{Manager, Report, messages};
use crate::machine::watchdog::Device;
use rc::{
    db::Database,
    engine::{Engine, Graph},
    model,
    proto::{self, DogState},
    watchdog::{Ratchet, Verdict, Why, proof},
};
use supervisor::time::{Instant, Millis};

/// What follows an orderly stop of services: killing what is left, emptying pipes, unmounting.
const AFTERWARDS: Millis = Millis::from_secs(15);

/// The watchdog, whether its device is there yet or not.
pub struct Guard {
    rule: model::Watchdog,
    ratchet: Ratchet,
    device: Option<Device>,
    /// How many services had been ready when the device was looked for; `None`: not yet.
    tried: Option<u32>,
    starving: Option<Why>,
    /// How long the end of the machine may take.
    bound: Millis,
    fed: Instant,
}

impl Guard {
    /// Of a machine that boots; `device` if it is open already.
    pub fn new(
        now: Instant,
        rule: model::Watchdog,
        graph: &Graph,
        device: Option<Device>,
        report: &mut Report,
    ) -> Self {
        let mut ratchet = Ratchet::new(now, &rule);
        for id in &rule.needs {
            let health = graph.node(*id).health();
            ratchet.add(now, proof(health.map(|health| (health.every, health.timeout))));
        }
        let mut guard = Self {
            rule,
            ratchet,
            device: None,
            tried: None,
            starving: None,
            bound: Millis(0),
            fed: now,
        };
        match device {
            Some(device) => guard.begin(now, device, report),
            None => guard.look(now, 0, report),
        }
        guard
    }

    /// The device, for those who feed it when there is no loop any more.
    pub fn into_device(self) -> Option<Device> {
        self.device
    }

    /// The descriptor of the device, for the next program.
    pub fn fd(&self) -> Option<i32> {
        self.device.as_ref().map(Device::number)
    }

    /// What the next program has to know: the descriptor of the device, and whether the ratchet has
    /// turned.
    pub fn record(&self) -> Option<(i32, bool)> {
        Some((self.fd()?, self.ratchet.is_armed()))
    }

    /// The ratchet had turned before this program was executed.
    pub fn arm(&mut self) {
        self.ratchet.arm();
    }

    /// Whether the device is there.
    pub const fn is_open(&self) -> bool {
        self.device.is_some()
    }

    /// When it has to have a turn.
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        self.device.as_ref().and_then(|_| self.ratchet.deadline(now))
    }

    /// The machine ends within `bound`, and what comes after that.
    pub fn end(&mut self, now: Instant, bound: Millis) {
        self.bound = Millis(bound.0.saturating_add(AFTERWARDS.0));
        self.ratchet.end(now, self.bound);
    }

    fn begin(&mut self, now: Instant, device: Device, report: &mut Report) {
        let Device { timeout, is_known, has_reset, .. } = &device;
        let (path, seconds) = (&self.rule.device, timeout.0 / 1000);
        let doubt = if *is_known { "" } else { ", it is believed: its driver does not tell" };
        let last = if *has_reset { "; the last reset was the watchdog's" } else { "" };
        report.tell(
            "watchdog",
            format_args!("{path}: resets if not fed for {seconds} s{doubt}{last}"),
        );
        self.ratchet.open(now, *timeout);
        self.fed = now;
        self.device = Some(device);
    }

    /// Looks for the device if there may be one now: `ready` services have been ready so far.
    fn look(&mut self, now: Instant, ready: u32, report: &mut Report) {
        if self.device.is_some() || self.tried == Some(ready) {
            return;
        }
        let model::Watchdog { device, timeout, pretimeout, .. } = &self.rule;
        match Device::open(device, *timeout, *pretimeout) {
            Ok(device) => self.begin(now, device, report),
            Err(error) if self.tried.is_none() => {
                let text =
                    format_args!("cannot open {device}: {error}; again when a service is ready");
                report.tell("watchdog", text);
            }
            Err(_) => {}
        }
        self.tried = Some(ready);
    }

    fn turn(
        &mut self,
        now: Instant,
        ready: u32,
        engine: &Engine,
        names: &Database,
        report: &mut Report,
    ) {
        self.look(now, ready, report);
        for (position, id) in self.rule.needs.iter().enumerate() {
            let run = engine.view(*id).map_or(0, |view| view.generation);
            self.ratchet.see(now, position, engine.seen(*id), run);
        }
        let was_armed = self.ratchet.is_armed();
        let verdict = self.ratchet.turn(now, ready);
        let Some(device) = &self.device else { return };
        if self.ratchet.is_armed() && !was_armed {
            report.say("watchdog", "all that it needs is well; it is fed only while that is so");
        }
        let starving = match verdict {
            Verdict::Starve(why) => Some(why),
            Verdict::Feed => {
                if let Err(error) = device.feed() {
                    report.tell(
                        "watchdog",
                        format_args!("cannot be fed: {error}; it is tried again"),
                    );
                }
                self.fed = now;
                None
            }
            Verdict::Wait => None,
        };
        if starving != self.starving {
            self.starving = starving;
            let need =
                |at: u16| self.rule.needs.get(usize::from(at)).map_or("", |id| names.name(*id));
            let text = starving.map(|why| {
                let (who, what, span) = match why {
                    Why::Boot => ("boot", "is not over after", self.rule.boot),
                    Why::Stall => ("boot", "has not got on for", self.rule.stall),
                    Why::Need(at) => (need(at), "has not been well for", self.rule.grace),
                    Why::End => ("shutdown", "is not over after", self.bound),
                };
                messages::starving(who, what, span, device.timeout)
            });
            report.say("watchdog", text.as_deref().unwrap_or("it is fed again"));
        }
    }

    fn told(&self, now: Instant) -> proto::Watchdog {
        let (timeout, has_reset) =
            self.device.as_ref().map_or((Millis(0), false), |one| (one.timeout, one.has_reset));
        proto::Watchdog {
            timeout_ms: timeout.0,
            state: match (timeout, self.starving) {
                (Millis(0), _) => DogState::Absent,
                (_, Some(_)) => DogState::Starving,
                _ if self.ratchet.is_armed() => DogState::Armed,
                _ => DogState::Boot,
            },
            has_reset,
            fed_ms: now.since_ms(self.fed),
        }
    }
}

impl Manager {
    /// Gives the watchdog its turn, if the machine has one.
    pub(super) fn guard_turn(&mut self) {
        let now = self.clock.now();
        if let Some(guard) = &mut self.guard {
            guard.turn(now, self.ever_ready, &self.engine, &self.database, &mut self.report);
            // It may have been opened just now.
            if let Some(fd) = guard.fd() {
                self.vault.keep(fd, true);
            }
        }
    }

    /// How the watchdog is, for clients.
    pub(super) fn guard_told(&self) -> Option<proto::Watchdog> {
        self.guard.as_ref().map(|guard| guard.told(self.clock.now()))
    }
}
