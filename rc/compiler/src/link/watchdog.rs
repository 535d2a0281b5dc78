//! Links `[system.watchdog]`: names become numbers, and times are compared with each other and with
//! those of the services that count.

use super::Names;
use crate::{
    definition::Watchdog,
    diag::{Code, Diagnostic},
};
use rc::{Millis, model, watchdog::proof};

/// The record, with what is not said at its default.
pub(super) fn link(names: &Names<'_>, watchdog: &Watchdog) -> model::Watchdog {
    let default = model::Watchdog::default();
    let boot = watchdog.boot.map_or(default.boot, |time| time.value);
    let linked = model::Watchdog {
        device: watchdog.device.as_ref().map_or(default.device, |device| device.value.clone()),
        timeout: watchdog.timeout.map_or(default.timeout, |time| time.value),
        pretimeout: watchdog.pretimeout.map(|time| time.value),
        needs: watchdog.needs.iter().filter_map(|name| names.find(name)).collect(),
        grace: watchdog.grace.map_or(default.grace, |time| time.value),
        boot,
        stall: watchdog.stall.map_or(boot, |time| time.value),
    };
    if let Some(pretimeout) = watchdog.pretimeout
        && pretimeout.value >= linked.timeout
    {
        let message = "`pretimeout` is not below `timeout`";
        let mut error = Diagnostic::error(Code::Contradiction, pretimeout.place, message);
        if let Some(timeout) = watchdog.timeout {
            error = error.related(timeout.place, "so long before this the kernel is told");
        }
        names.report.push(error.help("the kernel is told so long before the reset"));
    }
    for id in &linked.needs {
        let definition = names.definition(*id);
        let health = definition.health.as_ref();
        let least = proof(health.map(|health| (health.every.value, health.timeout.value)));
        if linked.grace > least {
            continue;
        }
        let message = format!(
            "`{}` is known to be well again {} s after a restart, later than the watchdog waits ({} s)",
            definition.name.value,
            least.0.div_ceil(1000),
            linked.grace.0 / 1000
        );
        let place = watchdog.grace.map_or(watchdog.place, |grace| grace.place);
        let mut warning = Diagnostic::warning(Code::Timeouts, place, message);
        if let Some(health) = health {
            warning = warning.related(health.every.place, "its health is checked so seldom");
        }
        names.report.push(warning.help(
            "every restart of it would reset the machine; raise `grace`, or check its health more often",
        ));
    }
    if linked.stall > linked.boot {
        late(names, watchdog, linked.boot);
    }
    linked
}

/// A bound that can never be met.
fn late(names: &Names<'_>, watchdog: &Watchdog, boot: Millis) {
    let Some(stall) = watchdog.stall else { return };
    let message = format!("`stall` is above `boot` ({} s)", boot.0 / 1000);
    names.report.push(
        Diagnostic::error(Code::Contradiction, stall.place, message)
            .help("boot as a whole would be over before"),
    );
}
