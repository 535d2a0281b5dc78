//! What is left when this program keeps crashing: it reaps, so that nothing fills up with the dead, leaves all
//! services running for a bounded time in which somebody may look, and then ends in order.

use super::crash;
use crate::{
    file::text_of,
    manager::{Meaning, Wish},
};
use core::ffi::c_int;
use rc::proto::Ending;
use rustix::process::Pid;
use std::time::{Duration, Instant};
use supervisor::{decimal, reap, signal::Signal};

/// So long all goes on as it is.
pub const TIME: Duration = Duration::from_secs(60);
/// Children are looked at this often.
const STEP: Duration = Duration::from_millis(100);

/// Waits until the time is over or a signal asks for an end, which `meaning` says of it; `meanwhile` is
/// called all the time.
pub fn wait(signals: &[c_int], meaning: Meaning, meanwhile: &mut dyn FnMut()) -> Ending {
    for &signal in signals {
        // Without it the time has to pass.
        crash::catch(signal).ok();
    }
    crash::unblock();
    let until = Instant::now() + TIME;
    while Instant::now() < until {
        while let Some(dead) = reap::peek() {
            reap::release(dead.pid);
        }
        while let Some(signal) = crash::take_signal() {
            if let Some(Wish::End(ending)) = meaning(signal) {
                return ending;
            }
        }
        meanwhile();
        std::thread::sleep(STEP);
    }
    Ending::Reboot
}

/// Bytes of the list of children.
const MAX_LIST: usize = 1 << 20;
/// Children have this long after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);

/// Tells all children to end, and kills those that do not: without the state nobody knows more of them.
pub fn end_children() {
    let until = Instant::now() + GRACE;
    let mut signal = Signal::Term;
    loop {
        let children = children();
        for pid in &children {
            reap::signal_group(*pid, signal);
        }
        while let Some(dead) = reap::peek() {
            reap::release(dead.pid);
        }
        if children.is_empty() || signal == Signal::Kill {
            return;
        }
        if Instant::now() >= until {
            signal = Signal::Kill;
        }
        std::thread::sleep(STEP);
    }
}

/// The processes of which this one is the parent, proc_tid_children(5). Nobody else reaps them meanwhile, which
/// is what it asks for.
fn children() -> Vec<Pid> {
    let own = std::process::id();
    let list = text_of(format_args!("/proc/{own}/task/{own}/children"), MAX_LIST);
    let mut found = Vec::new();
    for pid in list.split_ascii_whitespace() {
        if let Some(pid) = decimal::number(pid).and_then(Pid::from_raw) {
            found.push(pid);
        }
    }
    found
}
