//! The allocator of the device binary, in place of musl's, which is 9 KB of code. Small blocks are carved
//! from chunks and go back to the list of their class; larger ones are mappings of their own, which go
//! back to the kernel, and of which only pages that were touched take memory.
//!
//! What it must never do: be used by two threads, or by a signal handler. jamb has no threads, its
//! handlers only write to a pipe, and the child of a spawn allocates nothing before it executes. Without
//! memory it answers null, as `GlobalAlloc` asks for, and changes nothing.

#![allow(unsafe_code)]

use core::{
    alloc::{GlobalAlloc, Layout},
    cell::UnsafeCell,
    ptr::{self, null_mut},
};

/// Sizes up to this are multiples of [`ALIGN`].
const FINE: usize = 128;
/// Every block is aligned to this.
const ALIGN: usize = 16;
/// The largest block of a class, in bytes. What a buffer outgrows stays on a list for good; beyond this it
/// goes back to the kernel, for half a page that is wasted on average.
const LARGEST: usize = 4 * 1024;
/// 8 fine ones, then four to each doubling up to [`LARGEST`].
const CLASSES: usize = FINE / ALIGN + 5 * 4;
/// Taken from the kernel at once. Pages that nobody touched take no memory.
const CHUNK: usize = 64 * 1024;
/// How mappings are aligned, at least: some kernels have larger pages.
const PAGE: usize = 4096;

/// The allocator.
pub struct Memory(UnsafeCell<State>);

struct State {
    /// By class: the first free block, which begins with the address of the next.
    free: [*mut u8; CLASSES],
    /// What is left of the last chunk.
    next: *mut u8,
    left: usize,
}

// SAFETY: there is one thread, and no handler of a signal allocates.
unsafe impl Sync for Memory {}

impl Memory {
    /// One that has nothing yet.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "there is one, and it is a static")]
    pub const fn new() -> Self {
        Self(UnsafeCell::new(State { free: [null_mut(); CLASSES], next: null_mut(), left: 0 }))
    }

    fn take(&self, class: usize, size: usize) -> *mut u8 {
        // SAFETY: nobody else is in here: one thread, and nothing below calls back.
        let state = unsafe { &mut *self.0.get() };
        let first = state.free[class];
        if !first.is_null() {
            // SAFETY: it was freed with this class, at least 16 bytes, and holds the next address.
            state.free[class] = unsafe { first.cast::<*mut u8>().read() };
            return first;
        }
        if state.left < size {
            let chunk = map(CHUNK);
            if chunk.is_null() {
                return chunk;
            }
            (state.next, state.left) = (chunk, CHUNK);
        }
        let block = state.next;
        // SAFETY: `size` bytes of the chunk are left behind `block`.
        state.next = unsafe { block.add(size) };
        state.left -= size;
        block
    }
}

/// The class of a size and the size of its blocks; `None` for what is mapped.
fn class(layout: Layout) -> Option<(usize, usize)> {
    let size = layout.size();
    if size > LARGEST || layout.align() > ALIGN {
        return None;
    }
    let last = size.saturating_sub(1);
    if size <= FINE {
        let class = last / ALIGN;
        return Some((class, (class + 1) * ALIGN));
    }
    // The step within a doubling is an eighth of its upper end: 32 up to 256, 64 up to 512.
    let shift = usize::BITS - last.leading_zeros() - 3;
    let steps = last >> shift;
    let class = FINE / ALIGN + (shift as usize - 5) * 4 + (steps - 4);
    Some((class, (steps + 1) << shift))
}

fn map(size: usize) -> *mut u8 {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping at an address of the kernel's choice touches nothing that is there.
    let address = unsafe { libc::mmap(null_mut(), size, protection, flags, -1, 0) };
    if address == libc::MAP_FAILED { null_mut() } else { address.cast() }
}

/// # Safety
/// As mremap(2): the block is a mapping of `size` bytes, and nobody uses its address any more.
unsafe fn remap(block: *mut u8, size: usize, new: usize) -> *mut u8 {
    // SAFETY: as promised.
    let address = unsafe { libc::mremap(block.cast(), size, new, libc::MREMAP_MAYMOVE) };
    if address == libc::MAP_FAILED { null_mut() } else { address.cast() }
}

// SAFETY: blocks are disjoint: each is carved once or mapped, and on a list only while it is free. They
// are as large as their class says, and aligned to ALIGN, or to a page where they are mapped.
unsafe impl GlobalAlloc for Memory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match class(layout) {
            Some((class, size)) => self.take(class, size),
            None if layout.align() <= PAGE => map(layout.size()),
            None => null_mut(),
        }
    }

    /// Mappings are zero and untouched; they are to stay so, or each page of them would take memory.
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promised.
        let block = unsafe { self.alloc(layout) };
        if !block.is_null() && class(layout).is_some() {
            // SAFETY: it has at least this size.
            unsafe { block.write_bytes(0, layout.size()) };
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some((class, _)) = class(layout) else {
            // SAFETY: `alloc` mapped it with this size, and it is not used any more.
            unsafe { libc::munmap(block.cast(), layout.size()) };
            return;
        };
        // SAFETY: as in `take`.
        let state = unsafe { &mut *self.0.get() };
        // SAFETY: the block is free now and has at least 16 bytes.
        unsafe { block.cast::<*mut u8>().write(state.free[class]) };
        state.free[class] = block;
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller sees to it that `size` with this alignment is a layout.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (class(layout), class(new)) {
            (Some(before), Some(after)) if before == after => return block,
            // SAFETY: `alloc` mapped it with this size, and its owner takes the new address.
            (None, None) => return unsafe { remap(block, layout.size(), size) },
            _ => {}
        }
        // SAFETY: as the caller promised for both layouts.
        let moved = unsafe { self.alloc(new) };
        if !moved.is_null() {
            // SAFETY: both have the smaller size, and a new block overlaps no other.
            unsafe {
                ptr::copy_nonoverlapping(block, moved, layout.size().min(size));
                self.dealloc(block, layout);
            }
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 1).unwrap()
    }

    #[test]
    fn classes_fit_their_sizes_and_are_few() {
        let mut last = (0, 0);
        for size in 1..=LARGEST {
            let (class, block) = class(layout(size)).unwrap();
            assert!(block >= size && block.is_multiple_of(ALIGN), "{size} in {block}");
            assert!(block <= ALIGN || block - size <= size / 4 + ALIGN, "{size} in {block}");
            // Another class is the next one, and a class has one size.
            assert!((class, block) == last || class == last.0 + 1 || last.1 == 0, "{size}");
            last = (class, block);
        }
        assert_eq!(last, (CLASSES - 1, LARGEST));
        assert_eq!(class(layout(LARGEST + 1)), None);
        assert_eq!(class(Layout::from_size_align(8, 64).unwrap()), None);
    }

    /// A block as its owner knows it: what is in it, the first byte says.
    struct Held {
        block: *mut u8,
        layout: Layout,
        mark: u8,
    }

    impl Held {
        /// # Safety
        /// The block is alive and has this layout.
        unsafe fn fill(block: *mut u8, layout: Layout, mark: u8) -> Self {
            assert!(!block.is_null() && block.addr().is_multiple_of(layout.align().max(ALIGN)));
            // SAFETY: as promised.
            unsafe { block.write_bytes(mark, layout.size()) };
            Self { block, layout, mark }
        }

        fn is_untouched(&self, bytes: usize) -> bool {
            // SAFETY: the block is alive, and `bytes` of it were filled.
            (0..bytes).all(|at| unsafe { self.block.add(at).read() } == self.mark)
        }

        fn overlaps(&self, other: &Self) -> bool {
            let (start, end) = (self.block.addr(), self.block.addr() + self.layout.size());
            start < other.block.addr() + other.layout.size() && other.block.addr() < end
        }
    }

    /// Any sequence of requests, against what their owners know of their blocks.
    #[test]
    fn blocks_are_disjoint_aligned_and_keep_their_content() {
        let memory = Memory::new();
        let mut held: Vec<Held> = Vec::new();
        let mut dice = 1u64;
        let mut roll = |sides: usize| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (dice >> 33) as usize % sides
        };
        for round in 0..15_000u32 {
            let mark = round.to_le_bytes()[0];
            // Mostly small; some about the border; some mapped.
            let size = match roll(8) {
                0 => 1 + roll(20_000),
                1 => LARGEST - 40 + roll(80),
                2 => 1 + roll(LARGEST),
                _ => 1 + roll(200),
            };
            let align = if roll(10) == 0 { 1 << roll(13) } else { 1 };
            let layout = Layout::from_size_align(size, align).unwrap();
            let chosen = roll(120);
            // SAFETY: layouts are kept beside their blocks; a block that was given back is forgotten.
            unsafe {
                if chosen >= held.len() {
                    let block = match roll(2) {
                        0 => memory.alloc(layout),
                        _ => memory.alloc_zeroed(layout),
                    };
                    let new = Held::fill(block, layout, mark);
                    assert!(!held.iter().any(|one| one.overlaps(&new)), "{round}");
                    held.push(new);
                    continue;
                }
                let old = held.swap_remove(chosen);
                assert!(old.is_untouched(old.layout.size()), "{round}");
                if roll(2) == 0 {
                    memory.dealloc(old.block, old.layout);
                    continue;
                }
                let layout = Layout::from_size_align(size, old.layout.align()).unwrap();
                let block = memory.realloc(old.block, old.layout, size);
                let kept = Held { block, layout, mark: old.mark };
                assert!(kept.is_untouched(size.min(old.layout.size())), "{round}");
                let new = Held::fill(block, layout, mark);
                assert!(!held.iter().any(|one| one.overlaps(&new)), "{round}");
                held.push(new);
            }
        }
        for one in held {
            // SAFETY: it is alive and has this layout.
            unsafe { memory.dealloc(one.block, one.layout) };
        }
    }

    #[test]
    fn a_free_block_is_used_again_and_is_zero_if_asked_for() {
        let memory = Memory::new();
        // SAFETY: blocks are used within their layouts, until they are given back.
        unsafe {
            let one = memory.alloc(layout(100));
            one.write_bytes(0xff, 100);
            memory.dealloc(one, layout(100));
            let again = memory.alloc_zeroed(layout(97));
            assert_eq!(again, one, "a free block of the class comes first");
            assert!((0..97).all(|at| again.add(at).read() == 0));
            let large = memory.alloc_zeroed(layout(40_000));
            assert!((0..40_000).all(|at| large.add(at).read() == 0));
            memory.dealloc(large, layout(40_000));
        }
    }

    #[test]
    fn what_cannot_be_had_is_null_and_harms_nothing() {
        let memory = Memory::new();
        let huge = isize::MAX as usize - PAGE;
        // SAFETY: blocks are used within their layouts, until they are given back.
        unsafe {
            assert!(memory.alloc(layout(huge)).is_null());
            assert!(memory.alloc_zeroed(layout(huge)).is_null());
            assert!(memory.alloc(Layout::from_size_align(8, 2 * PAGE).unwrap()).is_null());
            for size in [10, LARGEST, LARGEST + 1, 100_000] {
                let one = Held::fill(memory.alloc(layout(size)), layout(size), 7);
                assert!(memory.realloc(one.block, one.layout, huge).is_null());
                assert!(one.is_untouched(size));
                memory.dealloc(one.block, one.layout);
            }
        }
    }
}
