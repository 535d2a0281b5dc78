//! The ledger: records that survive this program, written one after another into memory that the next one
//! finds. Pure: the memory is a slice, and one number in it says how much of it counts.
//!
//! What belongs together is *staged* and then *committed*: copied behind what is there, and counted by one
//! store. A program that ends at any instruction leaves either all of it or nothing. The space has two
//! halves. When one is full of records that newer ones replaced, the newest of each are copied to the
//! other, and the same store changes sides.
//!
//! What must never happen: that a commit makes a system call, or that anything is written over what counts.

use core::sync::atomic::{AtomicU32, Ordering};

/// What a record is about. The latest of each counts, but for the *trail*.
pub type Key = u32;

/// What waits; the trail begins anew behind it.
pub const QUEUE: Key = 0;
/// Of the trail: an event was handled, and led to these actions.
pub const JOURNAL: Key = 1;
/// Of the trail: one of these actions was done.
pub const DONE: Key = 2;
/// Keys of the latest records begin here.
pub const FIRST: Key = 3;

/// A key and a length.
const HEADING: usize = 8;
/// Bytes of a half that may fill up before anything is copied.
const SMALL: usize = 8 * 1024;
/// A half may hold so many times what is in use before that is copied to the other.
const WASTE: usize = 4;
/// The bit of the number that says which half counts; the others are how many words of it.
const SECOND: u32 = 1 << 31;

/// Bytes of both halves for so many services. Memory that is never written costs nothing; what a half
/// has to hold is everything once, and what one event leads to.
pub const fn space_for(services: usize) -> usize {
    2 * ((1 << 20) + 1024 * services)
}

/// The writing side.
pub struct Ledger {
    space: &'static mut [u8],
    counts: &'static AtomicU32,
    half: usize,
    /// Bytes of the half that count.
    end: usize,
    /// By key, where in the half its latest record is; [`NOWHERE`] if there is none.
    latest: Vec<u32>,
    /// Bytes that the latest of all records take, headings included.
    live: usize,
    staged: Vec<u8>,
    /// Where in that the last record begins.
    begun: usize,
    /// What waits is among what is staged, so the trail before it is not needed.
    is_settled: bool,
    /// Nothing was lost for want of room.
    is_sound: bool,
}

const NOWHERE: u32 = u32::MAX;

impl Ledger {
    /// An empty one for keys below `keys`. Nothing counts in `space` until the first commit.
    pub fn new(space: &'static mut [u8], counts: &'static AtomicU32, keys: usize) -> Self {
        counts.store(0, Ordering::Release);
        Self {
            space,
            counts,
            half: 0,
            end: 0,
            latest: vec![NOWHERE; keys],
            live: 0,
            staged: Vec::new(),
            begun: 0,
            is_settled: false,
            is_sound: true,
        }
    }

    /// Begins a record: appends its heading to what is staged and lends that, for its bytes to be appended and
    /// [`Self::close`] to be called. Nothing is copied or allocated for a record that turns out to be no news.
    pub fn open(&mut self, key: Key) -> Vec<u8> {
        let mut staged = core::mem::take(&mut self.staged);
        self.begun = begin(&mut staged, key);
        staged
    }

    /// Stages the record that was begun, unless it says what the latest of its kind says.
    pub fn close(&mut self, mut staged: Vec<u8>) {
        let Some((key, bytes)) = finish(&mut staged, self.begun) else {
            // Its writer lost what was lent.
            self.is_sound = false;
            return;
        };
        let place = self.latest.get(key as usize).copied().unwrap_or(NOWHERE);
        if key >= FIRST && self.entry(place).is_some_and(|entry| entry.2 == bytes) {
            staged.truncate(self.begun);
        } else {
            self.is_settled |= key == QUEUE;
            staged.resize(staged.len().next_multiple_of(4), 0);
        }
        self.staged = staged;
    }

    /// Whether most of it was replaced by now: then what waits should be staged with the next commit.
    pub fn wants_room(&self) -> bool {
        self.end > SMALL.max(WASTE * self.live)
    }

    /// Makes everything that is staged count, at one instant. False if there is no room, now or before:
    /// what counts is out of date then, for good.
    pub fn commit(&mut self) -> bool {
        if self.staged.is_empty() {
            return self.is_sound;
        }
        if self.is_settled && self.wants_room() {
            self.change_sides();
        }
        let staged = core::mem::take(&mut self.staged);
        self.is_sound &= self.append(&staged);
        if self.is_sound {
            self.publish();
        }
        self.is_settled = false;
        self.staged = staged;
        self.staged.clear();
        // One event may have led to much; the next ones do not.
        self.staged.shrink_to(SMALL);
        self.is_sound
    }

    /// What counts: where in the space it begins, its bytes, and the number that says so.
    pub fn content(&self) -> (usize, &[u8], u32) {
        let start = self.half * self.size();
        let bytes = self.space.get(start..start + self.end).unwrap_or_default();
        (start, bytes, self.counts.load(Ordering::Relaxed))
    }

    fn size(&self) -> usize {
        self.space.len() / 2
    }

    fn entry(&self, place: u32) -> Option<(Key, usize, &[u8])> {
        let start = self.half * self.size();
        entry(self.space.get(start..start + self.end)?, place as usize)
    }

    /// Copies the latest records to the other half. Nothing that counts is touched.
    fn change_sides(&mut self) {
        let mut kept = Vec::new();
        for (key, &place) in (0..).zip(&self.latest) {
            if let Some((_, _, bytes)) = self.entry(place) {
                put(&mut kept, key, bytes);
            }
        }
        (self.half, self.end, self.live) = (1 - self.half, 0, 0);
        self.latest.fill(NOWHERE);
        // It came from a half and fits a half.
        self.append(&kept);
    }

    /// Copies entries behind the others; false if there is no room.
    fn append(&mut self, entries: &[u8]) -> bool {
        let start = self.half * self.size() + self.end;
        if self.end + entries.len() > self.size() {
            return false;
        }
        let Some(room) = self.space.get_mut(start..start + entries.len()) else { return false };
        room.copy_from_slice(entries);
        let (mut at, begin) = (0, self.end);
        self.end += entries.len();
        while let Some((key, length, _)) = entry(entries, at) {
            let place = self.latest.get(key as usize).copied().filter(|_| key >= FIRST);
            if let Some(place) = place {
                self.live -= self.entry(place).map_or(0, |entry| entry.1);
                self.live += length;
                self.latest[key as usize] = u32::try_from(begin + at).unwrap_or(NOWHERE);
            }
            at += length;
        }
        true
    }

    fn publish(&self) {
        let words = u32::try_from(self.end / 4).unwrap_or(0);
        let side = if self.half == 0 { 0 } else { SECOND };
        // Nothing that was written before may come after this: the program may end here.
        self.counts.store(words | side, Ordering::Release);
    }
}

/// Appends the heading of an entry; answers where it begins.
fn begin(to: &mut Vec<u8>, key: Key) -> usize {
    let at = to.len();
    let [a, b, c, d] = key.to_ne_bytes();
    to.extend_from_slice(&[a, b, c, d, 0, 0, 0, 0]);
    at
}

/// Says in the heading at `at` how long the entry is; answers its key and bytes, to which the padding to whole
/// words is still to be appended.
fn finish(to: &mut [u8], at: usize) -> Option<(Key, &[u8])> {
    let (heading, bytes) = to.get_mut(at..)?.split_first_chunk_mut::<HEADING>()?;
    let [a, b, c, d, length @ ..] = heading;
    *length = u32::try_from(bytes.len()).ok()?.to_ne_bytes();
    Some((Key::from_ne_bytes([*a, *b, *c, *d]), bytes))
}

/// Appends an entry.
fn put(to: &mut Vec<u8>, key: Key, bytes: &[u8]) {
    let at = begin(to, key);
    to.extend_from_slice(bytes);
    finish(to, at);
    to.resize(to.len().next_multiple_of(4), 0);
}

/// The entry at a place: its key, how much it takes, and what it says.
fn entry(entries: &[u8], at: usize) -> Option<(Key, usize, &[u8])> {
    let rest = entries.get(at..)?;
    let (key, rest) = rest.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let length = u32::from_ne_bytes(*length) as usize;
    let bytes = rest.get(..length)?;
    Some((u32::from_ne_bytes(*key), HEADING + length.next_multiple_of(4), bytes))
}

/// What the program before committed.
pub struct Legacy<'a> {
    /// The format of the records.
    pub format: u32,
    latest: Vec<&'a [u8]>,
    /// The trail since what waits was written.
    pub trail: Vec<(Key, &'a [u8])>,
}

impl<'a> Legacy<'a> {
    /// Reads what counts, for keys below `keys`; `None` if it is damaged.
    pub fn read(space: &'a [u8], counts: u32, keys: usize, format: u32) -> Option<Self> {
        let start = if counts & SECOND == 0 { 0 } else { space.len() / 2 };
        let entries = space.get(start..start + (counts & !SECOND) as usize * 4)?;
        let mut found = Self { format, latest: vec![&[]; keys], trail: Vec::new() };
        let mut at = 0;
        while at < entries.len() {
            let (key, length, bytes) = entry(entries, at)?;
            match key {
                QUEUE => found.trail.clear(),
                JOURNAL | DONE => found.trail.push((key, bytes)),
                _ => {}
            }
            *found.latest.get_mut(key as usize)? = bytes;
            at += length;
        }
        Some(found)
    }

    /// Whether there is a record of a kind.
    pub fn has(&self, key: Key) -> bool {
        !self.get(key).is_empty()
    }

    /// The latest record of a kind; empty if there is none.
    pub fn get(&self, key: Key) -> &'a [u8] {
        self.latest.get(key as usize).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: usize = 12;

    /// A ledger with so many bytes a half.
    fn ledger(size: usize) -> Ledger {
        let space = Box::leak(vec![0; 2 * size].into_boxed_slice());
        Ledger::new(space, Box::leak(Box::default()), KEYS)
    }

    fn stage(ledger: &mut Ledger, key: Key, bytes: &[u8]) {
        let mut staged = ledger.open(key);
        staged.extend_from_slice(bytes);
        ledger.close(staged);
    }

    /// What counts in it: the latest records, and the trail.
    fn look(ledger: &Ledger) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let found =
            Legacy::read(ledger.space, ledger.counts.load(Ordering::Acquire), KEYS, 0).unwrap();
        let latest = found.latest.iter().map(|bytes| bytes.to_vec()).collect();
        (latest, found.trail.iter().map(|(_, bytes)| bytes.to_vec()).collect())
    }

    #[test]
    fn what_is_committed_counts_and_nothing_else() {
        let mut ledger = ledger(1 << 16);
        assert!(ledger.commit());
        stage(&mut ledger, FIRST, b"one");
        stage(&mut ledger, 5, b"");
        assert_eq!(look(&ledger).0[FIRST as usize], b"", "it is only staged");
        assert!(ledger.commit());
        assert_eq!(look(&ledger).0[FIRST as usize], b"one");
        stage(&mut ledger, FIRST, b"two!!");
        stage(&mut ledger, JOURNAL, b"journal");
        assert!(ledger.commit());
        for text in [&b"first"[..], b"", b"third"] {
            stage(&mut ledger, DONE, text);
            assert!(ledger.commit());
        }
        let (latest, done) = look(&ledger);
        assert_eq!(latest[FIRST as usize], b"two!!");
        assert_eq!(done, [&b"journal"[..], b"first", b"", b"third"]);
        stage(&mut ledger, QUEUE, b"next");
        assert!(ledger.commit());
        assert!(look(&ledger).1.is_empty());
        let end = ledger.end;
        stage(&mut ledger, FIRST, b"two!!");
        assert!(ledger.commit());
        assert_eq!(ledger.end, end, "it says nothing new");
    }

    #[test]
    fn sides_change_and_nothing_is_lost() {
        let mut ledger = ledger(1 << 16);
        let mut sides = 0;
        let mut want = vec![Vec::new(); KEYS];
        for round in 0u32..20_000 {
            let key = FIRST + round % 7;
            want[key as usize] = round.to_string().into_bytes().repeat(1 + round as usize % 9);
            stage(&mut ledger, key, &want[key as usize]);
            let before = (ledger.half, ledger.counts.load(Ordering::Relaxed));
            if round % 3 == 0 {
                want[0] = vec![1; round as usize % 5];
                stage(&mut ledger, QUEUE, &want[0]);
            }
            assert!(ledger.commit());
            if ledger.half != before.0 {
                assert_eq!(round % 3, 0, "in the middle of a trail");
                assert_ne!(before.1 & SECOND, ledger.counts.load(Ordering::Relaxed) & SECOND);
                sides += 1;
            }
            let (latest, _) = look(&ledger);
            assert_eq!(latest[FIRST as usize..], want[FIRST as usize..]);
            assert_eq!(latest[0], want[0]);
            assert!(ledger.end < 2 * SMALL);
        }
        assert!(sides > 20);
        let live: usize = want[FIRST as usize..]
            .iter()
            .filter(|one| !one.is_empty())
            .map(|one| HEADING + one.len().next_multiple_of(4))
            .sum();
        assert_eq!(ledger.live, live);
    }

    #[test]
    fn without_room_it_says_so_for_good() {
        let mut ledger = ledger(4096);
        stage(&mut ledger, FIRST, &[1; 1000]);
        assert!(ledger.commit());
        stage(&mut ledger, FIRST, &[2; 4000]);
        assert!(!ledger.commit());
        assert_eq!(look(&ledger).0[FIRST as usize], [1; 1000]);
        stage(&mut ledger, FIRST, &[3; 10]);
        assert!(!ledger.commit());
    }

    #[test]
    fn damage_is_refused() {
        let mut ledger = ledger(4096);
        for key in [FIRST, QUEUE, JOURNAL, DONE, 7] {
            stage(&mut ledger, key, &[7; 21]);
        }
        assert!(ledger.commit());
        let counts = ledger.counts.load(Ordering::Relaxed);
        let good = ledger.space.to_vec();
        assert!(Legacy::read(&good, counts, KEYS, 0).is_some());
        assert!(Legacy::read(&good, counts, 3, 0).is_none(), "a key that there is not");
        assert!(Legacy::read(&good, counts - 1, KEYS, 0).is_none());
        assert!(Legacy::read(&good, 1 << 30, KEYS, 0).is_none());
        for at in 0..ledger.end {
            for bit in 0..8 {
                let mut damaged = good.clone();
                damaged[at] ^= 1 << bit;
                // Whatever it is, it does not panic.
                drop(Legacy::read(&damaged, counts, KEYS, 0));
            }
        }
    }
}
