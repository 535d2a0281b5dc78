//! A machine in memory for the tests: pipes, spool, files, a console, a disk of limited size, and
//! a collector that dies at any chosen call, also in the middle of a write. Test code only.

use crate::system::{Listing, Pull, Result, System, Which};
use rustix::io::Errno;
use std::cell::{RefCell, RefMut};
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Arguments;
use std::rc::Rc;

/// Contents of one file; it lives on while somebody has it open.
type Inode = Rc<RefCell<Vec<u8>>>;

/// What outlives a collector.
pub struct World {
    pub pipes: Vec<(VecDeque<u8>, bool)>,
    pub spool: Vec<u8>,
    pub files: BTreeMap<(String, u32), Inode>,
    /// The most bytes one splice moves.
    pub pull_max: usize,
    /// Bytes that all files may have together.
    pub disk: usize,
    /// The highest total there ever was.
    pub most: usize,
    pub read_only: bool,
    /// Writes to logs fail after the first byte.
    pub broken: bool,
    pub console: Vec<u8>,
    pub console_room: usize,
    pub warnings: Vec<String>,
    pub clock: i64,
    /// The collector dies at this call that changes something.
    pub die_at: usize,
    /// Whether a write at which it dies is done by half.
    pub half: bool,
    calls: usize,
}

/// `current` among the file numbers: the last.
const CURRENT: u32 = u32::MAX;

impl World {
    /// A world with these bytes in its pipes, all of them closed.
    pub fn new(pipes: &[&[u8]]) -> World {
        World {
            pipes: pipes.iter().map(|bytes| (bytes.iter().copied().collect(), true)).collect(),
            spool: Vec::new(),
            files: BTreeMap::new(),
            pull_max: 65536,
            disk: usize::MAX,
            most: 0,
            read_only: false,
            broken: false,
            console: Vec::new(),
            console_room: usize::MAX,
            warnings: Vec::new(),
            clock: 1_795_451_149,
            die_at: usize::MAX,
            half: false,
            calls: 0,
        }
    }

    pub fn boot(self) -> Sim {
        Sim { world: Rc::new(RefCell::new(self)) }
    }

    pub fn dead(&self) -> bool {
        self.calls >= self.die_at
    }

    pub fn calls(&self) -> usize {
        self.calls
    }

    pub fn console_text(&self) -> String {
        String::from_utf8(self.console.clone()).unwrap()
    }

    /// All of a log, oldest first.
    pub fn text(&self, name: &str) -> String {
        let files = self.files.iter().filter(|((log, _), _)| log == name);
        let bytes: Vec<u8> = files.flat_map(|(_, inode)| inode.borrow().clone()).collect();
        String::from_utf8(bytes).unwrap()
    }

    pub fn total(&self) -> usize {
        self.files.values().map(|inode| inode.borrow().len()).sum()
    }

    /// Counts a call; an error if there is nobody alive to make it.
    fn call(&mut self) -> Result<()> {
        if self.dead() {
            return Err(Errno::IO);
        }
        self.calls += 1;
        if self.dead() { Err(Errno::IO) } else { Ok(()) }
    }
}

/// A collector's hold on the world.
#[derive(Clone)]
pub struct Sim {
    world: Rc<RefCell<World>>,
}

impl Sim {
    pub fn world(&self) -> RefMut<'_, World> {
        self.world.borrow_mut()
    }
}

/// Writes as pwrite does.
fn put(file: &mut Vec<u8>, at: u64, bytes: &[u8]) {
    let at = usize::try_from(at).unwrap();
    file.resize(file.len().max(at + bytes.len()), 0);
    file[at..at + bytes.len()].copy_from_slice(bytes);
}

fn get(file: &[u8], at: u64, buf: &mut [u8]) -> usize {
    let rest = &file[usize::try_from(at).unwrap().min(file.len())..];
    let size = rest.len().min(buf.len());
    buf[..size].copy_from_slice(&rest[..size]);
    size
}

impl System for Sim {
    type File = Inode;

    fn now(&mut self) -> (i64, u32) {
        self.world().clock += 1;
        (self.world().clock, 0)
    }

    fn warn(&mut self, text: Arguments<'_>) {
        let mut world = self.world();
        if !world.dead() {
            world.warnings.push(text.to_string());
        }
    }

    fn console(&mut self, bytes: &[u8]) -> usize {
        let mut world = self.world();
        let size = bytes.len().min(world.console_room);
        world.console_room -= size;
        world.console.extend_from_slice(&bytes[..size]);
        size
    }

    fn pull(&mut self, source: usize, _: &mut [u8]) -> Pull {
        let mut world = self.world();
        if world.call().is_err() {
            return Pull::Empty;
        }
        let size = world.pull_max.min(world.pipes[source].0.len());
        if size == 0 {
            return if world.pipes[source].1 { Pull::Closed } else { Pull::Empty };
        }
        let bytes: Vec<u8> = world.pipes[source].0.drain(..size).collect();
        put(&mut world.spool, crate::spool::HEADER_LEN, &bytes);
        Pull::Data(size)
    }

    fn spool_len(&mut self) -> Result<u64> {
        Ok(self.world().spool.len() as u64)
    }

    fn spool_read(&mut self, at: u64, buf: &mut [u8]) -> Result<usize> {
        Ok(get(&self.world().spool, at, buf))
    }

    fn spool_write(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        self.world().call()?;
        put(&mut self.world().spool, at, bytes);
        Ok(())
    }

    fn spool_truncate(&mut self, len: u64) -> Result<()> {
        self.world().call()?;
        self.world().spool.resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn logs(&mut self) -> Result<Vec<String>> {
        let mut names: Vec<_> = self.world().files.keys().map(|(name, _)| name.clone()).collect();
        names.dedup();
        Ok(names)
    }

    fn list(&mut self, name: &str) -> Result<Listing> {
        let mut listing = Listing::default();
        for ((log, number), inode) in &self.world().files {
            let bytes = inode.borrow().len() as u64;
            match *number {
                _ if log != name => {}
                CURRENT => listing.current = bytes,
                number => {
                    listing.rotated += bytes;
                    listing.oldest = listing.oldest.or(Some((number, bytes)));
                    listing.newest = number;
                }
            }
        }
        Ok(listing)
    }

    fn open(&mut self, name: &str) -> Result<(Inode, u64)> {
        let mut world = self.world();
        world.call()?;
        if world.read_only {
            return Err(Errno::ROFS);
        }
        let inode = world.files.entry((name.to_owned(), CURRENT)).or_default().clone();
        let len = inode.borrow().len() as u64;
        Ok((inode, len))
    }

    fn read_at(&mut self, file: &Inode, at: u64, buf: &mut [u8]) -> Result<usize> {
        Ok(get(&file.borrow(), at, buf))
    }

    fn write_at(&mut self, file: &Inode, at: u64, bytes: &[u8]) -> Result<()> {
        let mut world = self.world();
        let alive = !world.dead();
        let mut result = world.call();
        let mut size = bytes.len();
        if result.is_err() {
            size = if alive && world.half { size / 2 } else { 0 };
        }
        if world.broken && result.is_ok() {
            (size, result) = (1, Err(Errno::IO));
        }
        let others = world.total() - file.borrow().len();
        let room = world.disk.saturating_sub(others + usize::try_from(at).unwrap());
        if room < size && result.is_ok() {
            (size, result) = (room, Err(Errno::NOSPC));
        }
        put(&mut file.borrow_mut(), at, &bytes[..size]);
        world.most = world.most.max(world.total());
        result
    }

    fn truncate(&mut self, file: &Inode, len: u64) -> Result<()> {
        self.world().call()?;
        file.borrow_mut().resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn rotate(&mut self, name: &str, number: u32) -> Result<()> {
        let mut world = self.world();
        world.call()?;
        let inode = world.files.remove(&(name.to_owned(), CURRENT)).ok_or(Errno::NOENT)?;
        let taken = world.files.insert((name.to_owned(), number), inode);
        assert!(taken.is_none(), "a rotated file was overwritten");
        Ok(())
    }

    fn remove(&mut self, name: &str, which: Which) -> Result<()> {
        let mut world = self.world();
        world.call()?;
        let number = if let Which::Rotated(number) = which { number } else { CURRENT };
        world.files.remove(&(name.to_owned(), number)).map(drop).ok_or(Errno::NOENT)
    }
}
