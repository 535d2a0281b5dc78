//! The sockets that keep a [`Table`] true. Input: events on one socket, dumps on another; the
//! subscription comes before the first dump, so nothing is missed in between. It never blocks,
//! reads a bounded number of datagrams per turn, and shows no half-read dump.
//!
//! | phase | reads | ends with |
//! |---|---|---|
//! | discarding | events, thrown away | an empty queue: a full dump begins |
//! | dumping | answers, into a new table | the last answer: the new table replaces the old one |
//! | following | events, into the table | an overflow or doubt: back to discarding or dumping |
//!
//! Events that are older than a dump are applied after it, in their order: the last one about a
//! thing is what the dump said, so the table ends true. Lost events break this order; therefore
//! the queue is emptied before the dump that repairs a loss.
//!
//! NETLINK_GET_STRICT_CHK is not set: rustix has no call for it, and the dumps asked for here are
//! of everything, which strict checking does not make cheaper.

use crate::fact;
use crate::socket::{self, Received};
use crate::table::Table;
use crate::wire::{self, DumpRequest, messages};
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::fd::{AsRawFd, OwnedFd};
use std::io;

/// Bytes of one read. The kernel fills dumps into datagrams of up to 32 KiB if the reader's buffer
/// is as large (Documentation/userspace-api/netlink/intro.rst).
const BUFFER: usize = 32 << 10;
/// What the buffer grows to when an event did not fit: a nested attribute, such as the list of
/// alternative names, may have 64 KiB. What is longer than this is taken as far as it fits.
const BUFFER_MOST: usize = 128 << 10;
/// Events that the kernel may queue, in bytes of its own memory, while we are busy.
const QUEUE: usize = 256 << 10;
/// Datagrams per turn: 64 full ones are read in about a millisecond.
const DATAGRAMS_PER_TURN: usize = 64;

// The bit masks of RTNLGRP_LINK, …_IPV4_IFADDR, …_IPV6_IFADDR, …_IPV4_ROUTE, …_IPV6_ROUTE.
const GROUPS_LINKS: u32 = 0x1 | 0x10 | 0x100;
const GROUPS_ROUTES: u32 = 0x40 | 0x400;

/// What to keep in the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Watch {
    /// Links and addresses. On a router with a full table of the internet's routes this is very
    /// much cheaper.
    LinksAndAddresses,
    /// Default routes too.
    Routes,
}

/// What a turn led to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// The turn's share is used up: call again without waiting for readiness.
    More,
    /// In the middle of a dump; wait for readiness. The table is not to be judged by yet.
    Waiting,
    /// Nothing is left to read, and the table is true.
    Settled {
        /// Whether the table is another one than when it last settled.
        changed: bool,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Discarding,
    Dumping {
        /// What is asked for now, RTM_GET….
        asked: u16,
        /// Whether anything changed meanwhile, or an answer did not fit: to be repeated.
        interrupted: bool,
    },
    Following,
}

/// What one read led to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Progress,
    Empty,
}

/// Follows the interfaces of the network namespace that it was made in.
#[derive(Debug)]
pub struct Monitor {
    events: OwnedFd,
    requests: OwnedFd,
    buffer: Vec<u8>,
    watch: Watch,
    phase: Phase,
    /// Becomes the table when the dump is complete.
    next: Table,
    /// Of the dump request that is being answered.
    sequence: u32,
    changed: bool,
    /// Whether an event put the routes in doubt.
    stale: bool,
    /// Complete dumps so far.
    dumps: u32,
}

impl Monitor {
    /// Opens the sockets and subscribes. Nothing is read before the first [`Monitor::drain`].
    ///
    /// # Errors
    /// If there are no sockets to be had.
    pub fn new(watch: Watch) -> io::Result<Self> {
        Self::with_queue(watch, QUEUE)
    }

    /// The same with a queue of `bytes`, which the kernel doubles and rounds (socket(7)).
    ///
    /// # Errors
    /// If there are no sockets to be had.
    pub fn with_queue(watch: Watch, bytes: usize) -> io::Result<Self> {
        let groups = match watch {
            Watch::LinksAndAddresses => GROUPS_LINKS,
            Watch::Routes => GROUPS_LINKS | GROUPS_ROUTES,
        };
        let events = socket::open(None, groups)?;
        socket::set_queue(&events, bytes);
        Ok(Self {
            events,
            requests: socket::open(None, 0)?,
            buffer: vec![0; BUFFER],
            watch,
            phase: Phase::Discarding,
            next: Table::default(),
            sequence: 0,
            changed: false,
            stale: false,
            dumps: 0,
        })
    }

    /// How often everything was read anew; for tests and statistics.
    #[must_use]
    pub fn dumps(&self) -> u32 {
        self.dumps
    }

    /// Reads what there is, at most a turn's share, into `table`: always the same one, empty at
    /// first. mio tells of readiness once only, so call until the answer is not [`Turn::More`],
    /// also right after registering.
    ///
    /// # Errors
    /// If a socket fails or the kernel refuses a dump. The monitor is of no use then: drop it, and
    /// make a new one later.
    pub fn drain(&mut self, table: &mut Table) -> io::Result<Turn> {
        for _ in 0..DATAGRAMS_PER_TURN {
            let step = match self.phase {
                Phase::Discarding => self.discard()?,
                Phase::Dumping { asked, interrupted } => self.dump(asked, interrupted, table)?,
                Phase::Following => self.follow(table)?,
            };
            match (step, self.phase) {
                (Step::Progress, _) => {}
                (Step::Empty, Phase::Discarding) => self.ask(wire::GET_LINK)?,
                (Step::Empty, Phase::Dumping { .. }) => return Ok(Turn::Waiting),
                (Step::Empty, Phase::Following) if self.stale => self.ask(wire::GET_LINK)?,
                (Step::Empty, Phase::Following) => {
                    let changed = std::mem::take(&mut self.changed);
                    return Ok(Turn::Settled { changed });
                }
            }
        }
        Ok(Turn::More)
    }

    fn discard(&mut self) -> io::Result<Step> {
        Ok(match socket::receive(&self.events, &mut self.buffer)? {
            Received::Nothing => Step::Empty,
            Received::Datagram(_) | Received::Truncated(_) | Received::Overflow => Step::Progress,
        })
    }

    fn follow(&mut self, table: &mut Table) -> io::Result<Step> {
        let length = match socket::receive(&self.events, &mut self.buffer)? {
            Received::Nothing => return Ok(Step::Empty),
            Received::Overflow => {
                self.phase = Phase::Discarding;
                return Ok(Step::Progress);
            }
            Received::Truncated(_) if self.grow() => {
                self.phase = Phase::Discarding;
                return Ok(Step::Progress);
            }
            Received::Truncated(_) => self.buffer.len(),
            Received::Datagram(length) => length,
        };
        let datagram = self.buffer.get(..length).unwrap_or_default();
        for fact in messages(datagram).filter_map(|message| fact::decode(&message)) {
            let effect = table.apply(fact);
            self.changed |= effect.changed;
            self.stale |= effect.stale && self.watch == Watch::Routes;
        }
        Ok(Step::Progress)
    }

    /// Begins a dump, or its next part. Links always come first: their dump waits for the lock
    /// under which the kernel makes changes, and so for the silent end of one that an event has
    /// announced; newer kernels dump routes without it.
    fn ask(&mut self, what: u16) -> io::Result<()> {
        if what == wire::GET_LINK {
            self.next = Table::default();
            self.stale = false;
        }
        let interrupted = what != wire::GET_LINK
            && matches!(self.phase, Phase::Dumping { interrupted: true, .. });
        self.phase = Phase::Dumping { asked: what, interrupted };
        self.sequence = self.sequence.wrapping_add(1);
        socket::send(&self.requests, DumpRequest::new(what, self.sequence).bytes())?;
        Ok(())
    }

    fn dump(&mut self, asked: u16, interrupted: bool, table: &mut Table) -> io::Result<Step> {
        let (length, fits) = match socket::receive(&self.requests, &mut self.buffer)? {
            Received::Nothing => return Ok(Step::Empty),
            Received::Datagram(length) => (length, true),
            Received::Truncated(_) => (self.buffer.len(), false),
            // On this socket it means that the kernel had no memory for an answer (netlink(7)).
            Received::Overflow => return Err(io::ErrorKind::OutOfMemory.into()),
        };
        let mut interrupted = interrupted;
        let mut done = false;
        let datagram = self.buffer.get(..length).unwrap_or_default();
        for message in messages(datagram).filter(|one| one.sequence == self.sequence) {
            interrupted |= message.flags & wire::DUMP_INTERRUPTED != 0;
            match message.kind {
                wire::DONE | wire::ERROR => {
                    refused(message.body)?;
                    done = true;
                }
                _ => {
                    if let Some(fact) = fact::decode(&message) {
                        self.next.load(fact);
                    }
                }
            }
        }
        // What did not fit is worth another dump only if it may fit then.
        interrupted |= !fits && self.grow();
        self.phase = Phase::Dumping { asked, interrupted };
        if done {
            self.dumped(asked, interrupted, table)?;
        }
        Ok(Step::Progress)
    }

    fn dumped(&mut self, asked: u16, interrupted: bool, table: &mut Table) -> io::Result<()> {
        match asked {
            _ if interrupted => self.ask(wire::GET_LINK),
            wire::GET_LINK => self.ask(wire::GET_ADDRESS),
            wire::GET_ADDRESS if self.watch == Watch::Routes => self.ask(wire::GET_ROUTE),
            _ => {
                self.phase = Phase::Following;
                self.dumps = self.dumps.wrapping_add(1);
                self.changed |= *table != self.next;
                *table = std::mem::take(&mut self.next);
                Ok(())
            }
        }
    }

    /// Whether the buffer is larger now.
    fn grow(&mut self) -> bool {
        let grows = self.buffer.len() < BUFFER_MOST;
        self.buffer.resize(BUFFER_MOST, 0);
        grows
    }
}

/// The error in NLMSG_ERROR, or in the NLMSG_DONE of a dump that failed on its way.
fn refused(body: &[u8]) -> io::Result<()> {
    let code = wire::u32_at(body, 0).map_or(0, u32::cast_signed);
    if code < 0 {
        return Err(io::Error::from_raw_os_error(code.saturating_neg()));
    }
    Ok(())
}

/// Both sockets under one token: whichever is ready, [`Monitor::drain`] is what to call.
impl mio::event::Source for Monitor {
    fn register(&mut self, registry: &Registry, token: Token, what: Interest) -> io::Result<()> {
        SourceFd(&self.events.as_raw_fd()).register(registry, token, what)?;
        SourceFd(&self.requests.as_raw_fd()).register(registry, token, what)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, what: Interest) -> io::Result<()> {
        SourceFd(&self.events.as_raw_fd()).reregister(registry, token, what)?;
        SourceFd(&self.requests.as_raw_fd()).reregister(registry, token, what)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        SourceFd(&self.events.as_raw_fd()).deregister(registry)?;
        SourceFd(&self.requests.as_raw_fd()).deregister(registry)
    }
}
