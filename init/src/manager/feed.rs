//! What happened lately, numbered, for clients that follow. Bounded: who reads too slowly is told how
//! much was missed.

use rc::proto::{Event, What};
use std::collections::VecDeque;
use supervisor::time::Instant;

/// Events kept.
const KEPT: usize = 256;

/// The ring.
pub struct Feed {
    events: VecDeque<Event>,
    next: u64,
}

impl Feed {
    /// Nothing happened yet.
    pub fn new() -> Self {
        Self { events: VecDeque::with_capacity(KEPT), next: 1 }
    }

    /// The number that the next event gets.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Adds an event; the oldest gives way.
    pub fn push(&mut self, now: Instant, service: &str, what: What) {
        if self.events.len() == KEPT {
            self.events.pop_front();
        }
        let event = Event { number: self.next, at_ms: now.ms, service: service.to_owned(), what };
        self.events.push_back(event);
        self.next += 1;
    }

    /// The events from `number` on, and how many before them are gone already.
    pub fn from(&self, number: u64) -> (u64, impl Iterator<Item = &Event>) {
        let first = self.events.front().map_or(self.next, |event| event.number);
        let lost = first.saturating_sub(number);
        (lost, self.events.iter().filter(move |event| event.number >= number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rc::proto::Ending;

    #[test]
    fn a_slow_reader_learns_what_it_missed() {
        let mut feed = Feed::new();
        for _ in 0..300 {
            feed.push(Instant::default(), "", What::Shutdown(Ending::Halt));
        }
        assert_eq!(feed.next(), 301);
        let (lost, events) = feed.from(1);
        assert_eq!(lost, 44);
        assert_eq!(events.map(|event| event.number).next(), Some(45));
        let (lost, mut events) = feed.from(301);
        assert_eq!((lost, events.next()), (0, None));
    }
}
