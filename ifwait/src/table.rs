//! What is so: links by number, usable addresses, default routes. Input: facts, from a dump or
//! from events. It never asks the kernel; when events cannot tell the truth, it says that it has
//! become stale. Its size follows the kernel's own tables, which only root can fill.

use crate::fact::{Address, Fact, IfIndex, Link, LinkFlags, Name, OperState};
use crate::predicate::{Family, Predicate};
use std::fmt;

/// The known interfaces.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Table {
    /// Ordered by number, one each.
    links: Vec<Link>,
    /// Ordered, none twice.
    addresses: Vec<Address>,
    /// Which interfaces a default route leaves through; ordered, none twice.
    routes: Vec<(IfIndex, Family)>,
}

/// What an event did to the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Effect {
    /// It says something else now.
    pub changed: bool,
    /// Routes may have changed without an event: it has to be made anew from a dump.
    pub stale: bool,
}

impl Table {
    /// Takes a fact of a dump into a table that began empty.
    pub fn load(&mut self, fact: Fact) {
        match fact {
            Fact::Link(link) => {
                self.put_link(link);
            }
            Fact::Address(address) => {
                insert(&mut self.addresses, address);
            }
            Fact::DefaultRoute(family, through) => {
                for index in through {
                    insert(&mut self.routes, (index, family));
                }
            }
            Fact::LinkGone(_) | Fact::AddressGone(_) | Fact::DefaultRouteGone(_) => {}
        }
    }

    /// Takes what an event says.
    ///
    /// Events about routes are but a hint: the kernel sends none when IPv4 routes go because their
    /// interface went down or lost its last address, nor for a route that another replaced. So
    /// whatever may touch a default route makes the table stale.
    pub fn apply(&mut self, fact: Fact) -> Effect {
        let had_routes = !self.routes.is_empty();
        let (changed, stale) = match fact {
            Fact::Link(link) => {
                let goes_up = link.flags.has(LinkFlags::UP);
                let was_up = self
                    .link(link.index)
                    .is_some_and(|position| self.links[position].flags.has(LinkFlags::UP));
                (self.put_link(link), had_routes && was_up && !goes_up)
            }
            Fact::LinkGone(index) => (self.remove_link(index), had_routes),
            Fact::Address(address) => (insert(&mut self.addresses, address), false),
            Fact::AddressGone(address) => {
                let found = self.addresses.binary_search(&address);
                if let Ok(position) = found {
                    self.addresses.remove(position);
                }
                (found.is_ok(), had_routes && address.family == Family::V4)
            }
            Fact::DefaultRoute(..) | Fact::DefaultRouteGone(_) => (false, true),
        };
        Effect { changed, stale }
    }

    fn link(&self, index: IfIndex) -> Option<usize> {
        self.links.binary_search_by_key(&index, |link| link.index).ok()
    }

    fn put_link(&mut self, mut link: Link) -> bool {
        match self.links.binary_search_by_key(&link.index, |known| known.index) {
            Ok(position) => {
                let known = &mut self.links[position];
                if link.details.is_none() {
                    link.details = known.details.take();
                    let changed = known.name != link.name || known.flags != link.flags;
                    *known = link;
                    return changed;
                }
                let changed = *known != link;
                *known = link;
                changed
            }
            Err(position) => {
                self.links.insert(position, link);
                true
            }
        }
    }

    fn remove_link(&mut self, index: IfIndex) -> bool {
        self.addresses.retain(|address| address.index != index);
        self.routes.retain(|route| route.0 != index);
        let found = self.link(index);
        if let Some(position) = found {
            self.links.remove(position);
        }
        found.is_some()
    }

    /// What is so of the interface that has this name, or this alternative name.
    ///
    /// Of a link that is down, the kernel tells no new alternative names until it goes up
    /// (`netdev_state_change()` in net/core/dev.c).
    #[must_use]
    pub fn state(&self, ifname: &str) -> State {
        let is_it = |name: &Name| name.0 == ifname.as_bytes();
        let named = |link: &&Link| is_it(&link.name);
        let also_named = |link: &&Link| {
            link.details.as_ref().is_some_and(|details| details.altnames.iter().any(is_it))
        };
        let mut links = self.links.iter();
        let Some(link) = links.find(named).or_else(|| self.links.iter().find(also_named)) else {
            return State::ABSENT;
        };
        let index = link.index;
        let operstate = link.details.as_ref().map_or(OperState::UNKNOWN, |all| all.operstate);
        let up = link.flags.has(LinkFlags::UP);
        let address =
            |family| self.addresses.iter().any(|a| a.index == index && a.family == family);
        let route = |family| self.routes.binary_search(&(index, family)).is_ok();
        State {
            index: Some(index),
            up,
            // IFF_RUNNING and the operational state follow the carrier with a delay (linkwatch);
            // IFF_LOWER_UP is the carrier at the time of the message.
            running: up
                && link.flags.has(LinkFlags::RUNNING)
                && link.flags.has(LinkFlags::LOWER_UP)
                && (operstate == OperState::UP || operstate == OperState::UNKNOWN),
            operstate,
            address4: address(Family::V4),
            address6: address(Family::V6),
            route4: route(Family::V4),
            route6: route(Family::V6),
        }
    }

    /// Whether `predicate` is so of the interface of this name.
    #[must_use]
    pub fn holds(&self, predicate: Predicate, ifname: &str) -> bool {
        self.state(ifname).holds(predicate)
    }
}

/// Inserts into an ordered list; whether it was not there yet.
fn insert<T: Ord>(list: &mut Vec<T>, item: T) -> bool {
    let position = list.binary_search(&item);
    if let Err(position) = position {
        list.insert(position, item);
    }
    position.is_err()
}

/// What is so of one interface. Its `Display` is the predicates that hold, in one line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct State {
    /// Its number; `None`: there is no such interface.
    pub index: Option<IfIndex>,
    /// Switched on.
    pub up: bool,
    /// Can carry traffic.
    pub running: bool,
    /// The operational state, which says why it cannot.
    pub operstate: OperState,
    /// Has a usable IPv4 address.
    pub address4: bool,
    /// Has a usable IPv6 address.
    pub address6: bool,
    /// Has an IPv4 default route.
    pub route4: bool,
    /// Has an IPv6 default route.
    pub route6: bool,
}

impl State {
    /// Of an interface that does not exist.
    pub const ABSENT: Self = Self {
        index: None,
        up: false,
        running: false,
        operstate: OperState::UNKNOWN,
        address4: false,
        address6: false,
        route4: false,
        route6: false,
    };

    /// Whether `predicate` is so.
    #[must_use]
    pub fn holds(&self, predicate: Predicate) -> bool {
        let choose = |family, four, six| match family {
            Family::Any => four || six,
            Family::V4 => four,
            Family::V6 => six,
        };
        match predicate {
            Predicate::Present => self.index.is_some(),
            Predicate::Up => self.up,
            Predicate::Running => self.running,
            Predicate::Address(family) => choose(family, self.address4, self.address6),
            Predicate::Route(family) => choose(family, self.route4, self.route6),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.index.is_none() {
            return out.write_str("absent");
        }
        out.write_str("present")?;
        for (holds, word) in [
            (self.up, " up"),
            (self.running, " running"),
            (self.address4, " address4"),
            (self.address6, " address6"),
            (self.route4, " route4"),
            (self.route6, " route6"),
        ] {
            out.write_str(if holds { word } else { "" })?;
        }
        if self.up && !self.running {
            write!(out, " operstate={}", self.operstate)?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
