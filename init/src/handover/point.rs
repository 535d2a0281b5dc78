//! Where tests make this program crash. Without the feature `crash-points`, which only tests enable, nothing
//! of it is compiled.

/// Every place, in the order of a turn. The end of a machine has `ending`, too.
#[cfg(feature = "crash-points")]
pub const POINTS: &[&str] = &[
    "poll",
    "ear-heard",
    "ear-told",
    "ear-last",
    "signal",
    "peeked",
    "told-death",
    "released",
    "condition",
    "handle",
    "handled",
    "commit",
    "committed",
    "action",
    "spawn",
    "spawned",
    "kill",
    "render",
    "rendered",
    "publish",
    "publish-link",
    "published",
    "withdrawn",
    "done",
    "collector",
    "collector-started",
    "client",
    "answered",
    "reexec",
    "recover",
    "stop",
    "over",
];

/// The places that a program comes by before its first turn.
#[cfg(feature = "crash-points")]
const FIRST: &[&str] = &["take-over", "taken", "recover"];

#[cfg(not(feature = "crash-points"))]
mod imp {
    /// Nothing.
    #[inline(always)]
    pub const fn point(_: &str) {}

    /// Nothing.
    #[inline(always)]
    pub const fn arm(_: &std::path::Path, _: bool) {}
}

#[cfg(feature = "crash-points")]
mod imp {
    use std::{fs, path::Path, sync::Mutex};
    use supervisor::cut;

    static PLAN: Mutex<Option<(String, String)>> = Mutex::new(None);

    /// Crashes if this is the place that was asked for.
    pub fn point(name: &str) {
        let way = {
            let Ok(mut plan) = PLAN.lock() else { return };
            match &*plan {
                Some((place, _)) if place == name => plan.take().map(|(_, way)| way),
                _ => None,
            }
        };
        if let Some(way) = way {
            eprintln!("jamb: test: crashes at {name} by {way}");
            super::super::crash::provoke(&way);
        }
    }

    /// Reads what is asked for, `PLACE WAY`, once, or `PLACE WAY TIMES`. Of `next-PLACE` it is the next program
    /// that crashes.
    pub fn arm(run: &Path, is_first: bool) {
        let path = run.join("crash");
        let Ok(text) = fs::read_to_string(&path) else { return };
        let text = text.trim_ascii();
        let (place, way) = cut::first(text, b' ').unwrap_or((text, "abort"));
        let (way, times) = cut::first(way, b' ').unwrap_or((way, "1"));
        let of_next = place.strip_prefix("next-");
        if (of_next.is_some() || super::FIRST.contains(&place)) != is_first {
            return;
        }
        let place = of_next.unwrap_or(place);
        match times.parse() {
            Ok(times @ 2u32..) => fs::write(&path, format!("{place} {way} {}", times - 1)).ok(),
            _ => fs::remove_file(&path).ok(),
        };
        if let Ok(mut plan) = PLAN.lock() {
            *plan = Some((place.to_owned(), way.to_owned()));
        }
    }
}

pub use imp::{arm, point};
