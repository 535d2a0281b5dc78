//! The changing half of all services, and which of it has changed since the shell last kept a copy: whoever
//! could change a record has touched it, so none can be forgotten.

use super::{agenda::Set, state::Dynamic};
use core::ops::{Deref, Index, IndexMut};
use supervisor::coder::encode;

/// One record for each service.
pub(super) struct Records {
    all: Vec<Dynamic>,
    touched: Set,
}

impl Records {
    /// Records as they are at first, of which nobody needs a copy.
    pub(super) fn new(all: Vec<Dynamic>) -> Self {
        let touched = Set::new(all.len());
        Self { all, touched }
    }

    /// One that may have changed since it was last answered here.
    pub(super) fn next_touched(&mut self) -> Option<usize> {
        self.touched.pop_first()
    }

    /// Appends one to `bytes`, which does not change it.
    pub(super) fn save(&mut self, number: usize, bytes: Vec<u8>) -> Vec<u8> {
        match self.all.get_mut(number) {
            Some(dynamic) => encode(dynamic, bytes),
            None => bytes,
        }
    }

    pub(super) fn get_mut(&mut self, number: usize) -> Option<&mut Dynamic> {
        self.touched.insert(number);
        self.all.get_mut(number)
    }
}

impl Deref for Records {
    type Target = [Dynamic];

    fn deref(&self) -> &[Dynamic] {
        &self.all
    }
}

impl Index<usize> for Records {
    type Output = Dynamic;

    // Not where it is used, which is in 140 places: a call takes a third of the bytes.
    #[inline(never)]
    fn index(&self, number: usize) -> &Dynamic {
        &self.all[number]
    }
}

impl IndexMut<usize> for Records {
    #[inline(never)]
    fn index_mut(&mut self, number: usize) -> &mut Dynamic {
        self.touched.insert(number);
        &mut self.all[number]
    }
}
