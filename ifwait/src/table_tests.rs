//! Tests of decoding and of the table: messages as the kernel lays them out go in, what holds for
//! an interface comes out. Input: bytes built here, then the same bytes with errors in them.

use super::*;
use crate::fact::decode;
use crate::wire::messages;

const UP: u32 = 1;
const RUNNING: u32 = 1 | 1 << 6 | 1 << 16;
const TENTATIVE: u32 = 0x40;
const DADFAILED: u32 = 0x08;

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).unwrap();
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn message(kind: u16, body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    let mut bytes = u32::try_from(16 + body.len()).unwrap().to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend([0; 10]);
    bytes.extend(body);
    bytes
}

fn link_of(family: u8, kind: u16, index: u32, flags: u32, attributes: &[u8]) -> Vec<u8> {
    let (index, flags) = (index.to_ne_bytes(), flags.to_ne_bytes());
    message(kind, &[&[family, 0, 0, 0], &index, &flags, &[0; 4], attributes])
}

fn link(index: u32, name: &str, flags: u32, operstate: u8) -> Vec<u8> {
    let name = attribute(3, &[name.as_bytes(), &[0]].concat());
    link_of(0, 16, index, flags, &[name, attribute(16, &[operstate])].concat())
}

fn address(kind: u16, index: u32, bytes: &[u8], scope: u8, flags: u32) -> Vec<u8> {
    let family = if bytes.len() == 4 { 2 } else { 10 };
    let flags = attribute(8, &flags.to_ne_bytes());
    let fixed = [family, 24, 0, scope];
    message(kind, &[&fixed, &index.to_ne_bytes(), &attribute(1, bytes), &flags])
}

/// `fixed` is the beginning of `struct rtmsg`: family, bits of destination and source, tos, table,
/// protocol, scope, type.
fn route(kind: u16, fixed: [u8; 8], attributes: &[u8]) -> Vec<u8> {
    message(kind, &[&fixed, &[0; 4], attributes])
}

const DEFAULT4: [u8; 8] = [2, 0, 0, 0, 254, 3, 0, 1];
const DEFAULT6: [u8; 8] = [10, 0, 0, 0, 254, 3, 0, 1];

fn through(index: u32) -> Vec<u8> {
    attribute(4, &index.to_ne_bytes())
}

fn apply(table: &mut Table, bytes: &[u8]) -> Vec<(bool, bool)> {
    let facts = messages(bytes).filter_map(|message| decode(&message));
    facts.map(|fact| table.apply(fact)).map(|effect| (effect.changed, effect.stale)).collect()
}

fn load(bytes: &[&[u8]]) -> Table {
    let mut table = Table::default();
    for message in messages(&bytes.concat()) {
        table.load(decode(&message).unwrap());
    }
    table
}

fn shown(table: &Table, name: &str) -> String {
    table.state(name).to_string()
}

const CHANGED: (bool, bool) = (true, false);
const SAME: (bool, bool) = (false, false);

#[test]
fn running_follows_flags_and_operstate() {
    for (flags, operstate, expected) in [
        (0, 2, "present"),
        (UP, 3, "present up operstate=lowerlayerdown"),
        (RUNNING, 5, "present up operstate=dormant"),
        (RUNNING, 6, "present up running"),
        // Drivers that do not say, such as ppp and loopback.
        (RUNNING, 0, "present up running"),
        // The carrier is gone, linkwatch has not looked yet.
        (RUNNING & !(1 << 16), 6, "present up operstate=up"),
        (RUNNING & !(1 << 6), 6, "present up operstate=up"),
        (RUNNING & !UP, 6, "present"),
    ] {
        let table = load(&[&link(2, "wan0", flags, operstate)]);
        assert_eq!(shown(&table, "wan0"), expected, "{flags:#x} {operstate}");
    }
}

#[test]
fn renames_are_followed_and_only_changes_count() {
    let mut table = Table::default();
    assert_eq!(apply(&mut table, &link(7, "eth0", UP, 2)), [CHANGED]);
    assert_eq!(apply(&mut table, &link(7, "eth0", UP, 2)), [SAME]);
    assert_eq!(apply(&mut table, &address(20, 7, &[192, 0, 2, 1], 0, 0)), [CHANGED]);
    assert_eq!(apply(&mut table, &address(20, 7, &[192, 0, 2, 1], 0, 0)), [SAME]);
    assert_eq!(apply(&mut table, &link(7, "wan0", RUNNING, 6)), [CHANGED]);
    assert_eq!(shown(&table, "eth0"), "absent");
    assert_eq!(shown(&table, "wan0"), "present up running address4");
    assert_eq!(apply(&mut table, &link_of(0, 17, 7, 0, &[])), [CHANGED]);
    assert_eq!(table, Table::default());
    assert_eq!(apply(&mut table, &link_of(0, 17, 7, 0, &[])), [SAME]);
}

#[test]
fn alternative_names_and_partial_messages() {
    let name = attribute(3, b"eth0\0");
    let alternatives = [attribute(53, b"uplink\0"), attribute(53, b"a-rather-long-name\0")];
    let list = attribute(52 | 0x8000, &alternatives.concat());
    let full = [name.clone(), attribute(16, &[6]), list].concat();
    let mut table = load(&[&link_of(0, 16, 3, RUNNING, &full)]);
    for known in ["eth0", "uplink", "a-rather-long-name"] {
        assert_eq!(shown(&table, known), "present up running");
    }
    // The wireless extensions tell nothing but the name and the flags: the rest stays.
    assert_eq!(apply(&mut table, &link_of(0, 16, 3, RUNNING, &name)), [SAME]);
    assert_eq!(shown(&table, "uplink"), "present up running");
    assert_eq!(apply(&mut table, &link(3, "eth0", RUNNING, 6)), [CHANGED]);
    assert_eq!(shown(&table, "uplink"), "absent");
}

#[test]
fn a_port_that_leaves_its_bridge_is_not_gone() {
    let mut table = load(&[&link(3, "lan1", RUNNING, 6)]);
    let name = attribute(3, b"other\0");
    assert_eq!(apply(&mut table, &link_of(7, 17, 3, RUNNING, &name)), []);
    assert_eq!(apply(&mut table, &link_of(7, 16, 3, 0, &name)), []);
    assert_eq!(shown(&table, "lan1"), "present up running");
}

#[test]
fn only_usable_addresses_count() {
    let global = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let mut table = load(&[&link(2, "wan0", RUNNING, 6)]);
    assert_eq!(apply(&mut table, &address(20, 2, &global, 0, TENTATIVE)), [SAME]);
    assert_eq!(apply(&mut table, &address(20, 2, &global, 253, 0)), [SAME]);
    assert_eq!(shown(&table, "wan0"), "present up running");
    assert_eq!(apply(&mut table, &address(20, 2, &global, 0, 0x80)), [CHANGED]);
    assert_eq!(shown(&table, "wan0"), "present up running address6");
    // It failed later, when the link came back.
    assert_eq!(apply(&mut table, &address(20, 2, &global, 0, DADFAILED)), [CHANGED]);
    assert_eq!(shown(&table, "wan0"), "present up running");
    // Of two, one goes.
    apply(&mut table, &address(20, 2, &[10, 0, 0, 1], 0, 0));
    apply(&mut table, &address(20, 2, &[10, 0, 0, 2], 0, 0));
    assert_eq!(apply(&mut table, &address(21, 2, &[10, 0, 0, 1], 0, 0)), [CHANGED]);
    assert!(table.holds(Predicate::Address(Family::V4), "wan0"));
    assert!(table.holds(Predicate::Address(Family::Any), "wan0"));
    assert!(!table.holds(Predicate::Address(Family::V6), "wan0"));
}

#[test]
fn the_other_end_of_a_tunnel_is_not_our_address() {
    let body = [attribute(1, &[10, 0, 0, 9]), attribute(2, &[10, 0, 0, 1])].concat();
    let bytes = message(20, &[&[2, 32, 0x80, 0], &5_u32.to_ne_bytes(), &body]);
    let found = messages(&bytes).next().and_then(|message| decode(&message));
    let Some(Fact::Address(address)) = found else { panic!("{found:?}") };
    assert_eq!(address.bytes[..4], [10, 0, 0, 1]);
}

#[test]
fn default_routes_in_dumps() {
    let hop = |index: u32, flags: u8| {
        [&12_u16.to_ne_bytes()[..], &[flags, 0], &index.to_ne_bytes(), &[4, 0, 9, 0]].concat()
    };
    let hops = attribute(9, &[hop(2, 0), hop(3, 1), hop(4, 0)].concat());
    let mut table = load(&[
        &link(2, "a", RUNNING, 6),
        &link(3, "b", RUNNING, 6),
        &link(4, "c", RUNNING, 6),
        &route(24, DEFAULT4, &hops),
        &route(24, DEFAULT6, &through(3)),
    ]);
    assert_eq!(shown(&table, "a"), "present up running route4");
    assert_eq!(shown(&table, "b"), "present up running route6");
    assert_eq!(shown(&table, "c"), "present up running route4");
    // Not default, unreachable, or of a multicast family.
    for fixed in
        [[2, 24, 0, 0, 254, 3, 0, 1], [2, 0, 0, 0, 254, 3, 0, 7], [128, 0, 0, 0, 0, 0, 0, 1]]
    {
        assert_eq!(apply(&mut table, &route(24, fixed, &through(3))), []);
    }
}

#[test]
fn whatever_may_touch_a_default_route_makes_it_stale() {
    let with_route = load(&[
        &link(2, "a", RUNNING, 6),
        &address(20, 2, &[10, 0, 0, 1], 0, 0),
        &route(24, DEFAULT4, &through(2)),
    ]);
    for (event, effect) in [
        (route(24, DEFAULT4, &through(2)), (false, true)),
        (route(25, DEFAULT6, &through(9)), (false, true)),
        (link(2, "a", 0, 2), (true, true)),
        (link(2, "a", UP, 3), (true, false)),
        (address(21, 2, &[10, 0, 0, 1], 0, 0), (true, true)),
        (address(20, 2, &[10, 0, 0, 2], 0, 0), (true, false)),
        (link_of(0, 17, 2, 0, &[]), (true, true)),
    ] {
        let mut table = with_route.clone();
        assert_eq!(apply(&mut table, &event), [effect], "{event:?}");
    }
    let mut without = load(&[&link(2, "a", RUNNING, 6), &address(20, 2, &[10, 0, 0, 1], 0, 0)]);
    assert_eq!(apply(&mut without, &address(21, 2, &[10, 0, 0, 1], 0, 0)), [CHANGED]);
    assert_eq!(apply(&mut without, &link(2, "a", 0, 2)), [CHANGED]);
}

/// A small generator: the loop must be the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % limit
    }
}

#[test]
fn damaged_messages_never_panic_and_keep_the_table_in_order() {
    let hop = [&8_u16.to_ne_bytes()[..], &[0, 0], &4_u32.to_ne_bytes()].concat();
    let list = attribute(52, &attribute(53, b"uplink\0"));
    let whole = [
        link(2, "wan0", RUNNING, 6),
        link_of(0, 16, 3, UP, &[attribute(3, b"lan0\0"), attribute(16, &[6]), list].concat()),
        address(20, 2, &[10, 0, 0, 1], 0, 0),
        address(21, 3, &[0xfd; 16], 0, 0),
        route(24, DEFAULT4, &attribute(9, &[hop.clone(), hop].concat())),
        route(25, DEFAULT6, &through(2)),
        link_of(0, 17, 3, 0, &[]),
    ]
    .concat();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut decoded, mut silent) = (0, 0);
    let mut table = Table::default();
    for round in 0..200_000 {
        let mut bytes = whole.clone();
        for _ in 0..=random.below(4) {
            let position = random.below(bytes.len());
            bytes[position] = u8::try_from(random.below(256)).unwrap();
        }
        bytes.truncate(random.below(whole.len() * 2).max(1));
        if round % 100 == 0 {
            table = Table::default();
        }
        let mut found = 0;
        for fact in messages(&bytes).filter_map(|message| decode(&message)) {
            table.load(fact.clone());
            table.apply(fact);
            found += 1;
        }
        decoded += found;
        silent += usize::from(found == 0);
        assert!(table.links.is_sorted_by(|a, b| a.index < b.index));
        assert!(table.addresses.is_sorted_by(|a, b| a < b));
        assert!(table.routes.is_sorted_by(|a, b| a < b));
    }
    assert!(decoded > 400_000 && silent > 1_000, "{decoded} facts, {silent} without");
}
