//! Which services have to be looked at, and in which order. It holds each at most once, so it is
//! bounded by the number of services.
//!
//! What a service may do follows from what its dependencies are, so they come first: when a service
//! is looked at, nothing below it is about to change. Services that wait for their dependents to be
//! down come after all others, and among them dependents first: when one is looked at, everything
//! that will keep it waiting is known.

/// Numbers below a bound, as bits.
#[derive(Clone, Debug)]
pub(super) struct Set {
    words: Vec<u32>,
    /// No bit is set in the words before this one.
    first: usize,
}

impl Set {
    pub(super) fn new(bound: usize) -> Self {
        Self { words: vec![0; bound.div_ceil(32)], first: 0 }
    }

    pub(super) fn insert(&mut self, number: usize) {
        if let Some(word) = self.words.get_mut(number / 32) {
            *word |= 1 << (number % 32);
            self.first = self.first.min(number / 32);
        }
    }

    pub(super) fn pop_first(&mut self) -> Option<usize> {
        while let Some(word) = self.words.get_mut(self.first) {
            if *word != 0 {
                let bit = word.trailing_zeros() as usize;
                *word &= *word - 1;
                return Some(self.first * 32 + bit);
            }
            self.first += 1;
        }
        None
    }

    fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }
}

/// The agenda. Services are named by their rank: dependencies have lower ones.
#[derive(Clone, Debug)]
pub(super) struct Agenda {
    bound: usize,
    looks: Set,
    /// Those that wait for their dependents, counted from the highest rank down.
    drains: Set,
}

impl Agenda {
    pub(super) fn new(bound: usize) -> Self {
        Self { bound, looks: Set::new(bound), drains: Set::new(bound) }
    }

    pub(super) fn look(&mut self, rank: usize) {
        self.looks.insert(rank);
    }

    pub(super) fn drain(&mut self, rank: usize) {
        self.drains.insert(self.bound - 1 - rank);
    }

    /// The next one to look at.
    pub(super) fn next_look(&mut self) -> Option<usize> {
        self.looks.pop_first()
    }

    /// The next of those that wait for their dependents; of use once nothing is to be looked at.
    pub(super) fn next_drain(&mut self) -> Option<usize> {
        self.drains.pop_first().map(|number| self.bound - 1 - number)
    }

    pub(super) fn len(&self) -> usize {
        self.looks.len() + self.drains.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_looked_at_first_and_drained_last() {
        let mut agenda = Agenda::new(100);
        for rank in [40, 3, 99, 3, 64] {
            agenda.look(rank);
            agenda.drain(rank);
        }
        assert_eq!(agenda.len(), 8);
        let looks: Vec<_> = core::iter::from_fn(|| agenda.next_look()).collect();
        assert_eq!(looks, [3, 40, 64, 99]);
        agenda.look(5);
        assert_eq!(agenda.next_look(), Some(5));
        let drains: Vec<_> = core::iter::from_fn(|| agenda.next_drain()).collect();
        assert_eq!(drains, [99, 64, 40, 3]);
        assert_eq!(agenda.len(), 0);
    }
}
