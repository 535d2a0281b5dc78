//! The records about the machine rather than about one service.

use super::ServiceId;
use crate::boot::Step;
use supervisor::coder::Coded;
use supervisor::time::Millis;

/// What the database says about the machine rather than about one service.
#[derive(Clone, PartialEq, Eq, Debug, Coded)]
pub struct System {
    /// The service that boot starts (`default` unless told otherwise); `None` if there is none.
    pub target: Option<ServiceId>,
    /// The host name to set at boot.
    pub hostname: Option<String>,
    /// How long an orderly shutdown may take before what is left is killed.
    pub shutdown_timeout: Millis,
    /// The log of one service is rotated at this size, in bytes.
    pub log_max_file: u32,
    /// All logs together stay below this size, in bytes.
    pub log_max_total: u32,
    /// The watchdog of the hardware, if it is used.
    pub watchdog: Option<Watchdog>,
    /// What is done before services.
    pub boot: Vec<Step>,
    /// How the root is put together, if this is an initramfs.
    pub root: Vec<Step>,
    /// Instead of a rescue shell, the machine reboots after this time.
    pub rescue_reboot: Option<Millis>,
    /// A file that keeps how and why the machine ended, for the next boot.
    pub end_record: Option<String>,
}

/// When the watchdog of the hardware is fed; see [`crate::watchdog`].
#[derive(Clone, PartialEq, Eq, Debug, Coded)]
pub struct Watchdog {
    /// Its device.
    pub device: String,
    /// The machine is reset when it has not been fed for so long; whole seconds.
    pub timeout: Millis,
    /// So long before that the kernel is told, if the hardware can; whole seconds.
    pub pretimeout: Option<Millis>,
    /// The services that have to be well; at most [`MAX_CRITICAL`].
    pub needs: Vec<ServiceId>,
    /// For how long one of them may be unwell.
    pub grace: Millis,
    /// How long it may take until all of them are well.
    pub boot: Millis,
    /// How long nothing may become ready for the first time until then.
    pub stall: Millis,
}

/// The most services that a watchdog watches.
pub const MAX_CRITICAL: usize = 32;

impl Default for Watchdog {
    fn default() -> Self {
        Self {
            device: "/dev/watchdog".to_owned(),
            timeout: Millis::from_secs(30),
            pretimeout: None,
            needs: Vec::new(),
            grace: Millis::from_secs(120),
            boot: Millis::from_secs(300),
            stall: Millis::from_secs(300),
        }
    }
}

impl Default for System {
    fn default() -> Self {
        Self {
            target: None,
            hostname: None,
            shutdown_timeout: Millis::from_secs(30),
            log_max_file: 128 * 1024,
            log_max_total: 2 * 1024 * 1024,
            watchdog: None,
            boot: Vec::new(),
            root: Vec::new(),
            rescue_reboot: None,
            end_record: None,
        }
    }
}
