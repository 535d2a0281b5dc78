//! The collector in a simulated machine: killed at every single call, out of space, with broken
//! spools. No real file and no clock; every failure names the step at which it died.

use super::*;
use crate::sim::{Sim, World};

const ROOMY: Limits = Limits { max_file: 1 << 20, max_total: 1 << 30, piece: 32768 };
/// Rotates every few lines and writes a chunk in many pieces.
const TIGHT: Limits = Limits { max_file: 300, max_total: 1 << 30, piece: 256 };

/// Runs collectors until one reaches the end of all pipes; answers how many it took.
fn collect(sim: &Sim, limits: Limits, names: &[&str]) -> usize {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    for life in 1.. {
        let mut collector = Collector::new(sim.clone(), limits, &names);
        let mut open = vec![true; names.len()];
        while open.contains(&true) && !sim.world().dead() {
            for (source, open) in open.iter_mut().enumerate().filter(|(_, open)| **open) {
                *open = collector.turn(source) != Turn::Closed;
            }
        }
        if !sim.world().dead() {
            return life;
        }
        sim.world().die_at = usize::MAX;
    }
    unreachable!()
}

/// The text of all lines, without time and name; fails if one does not have them.
fn texts(log: &str, name: &str) -> Vec<String> {
    let prefix = format!(" {name}: ");
    let text = |line: &str| {
        assert!(crate::timestamp::is_stamp(line.as_bytes()), "{line:?}");
        line[27..].strip_prefix(&prefix).unwrap_or_else(|| panic!("{line:?}")).to_owned()
    };
    log.lines().map(text).collect()
}

fn numbered(count: usize) -> Vec<u8> {
    (0..count).flat_map(|number| format!("line {number}\n").into_bytes()).collect()
}

/// Whether `kept` is the end of what was written. It may begin within a line: the beginning of that
/// was in a file which was deleted.
fn newest(kept: &[String], count: usize) -> bool {
    let all = expected(count);
    let (Some((first, rest)), Some(from)) = (kept.split_first(), count.checked_sub(kept.len()))
    else {
        return false;
    };
    all[from].ends_with(first.as_str()) && all[from + 1..] == *rest
}

fn expected(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("line {number}")).collect()
}

#[test]
fn lines_of_two_services_go_to_their_own_logs() {
    let sim = World::new(&[b"one\ntw", b"x\n"]).boot();
    collect(&sim, ROOMY, &["a", "b"]);
    assert_eq!(
        sim.world().text("a"),
        "2026-11-23T16:25:50.000000Z a: one\n2026-11-23T16:25:50.000000Z a: tw"
    );
    assert_eq!(sim.world().text("b"), "2026-11-23T16:25:51.000000Z b: x\n");
    assert_eq!(sim.world().warnings, [""; 0]);
    // The next collector goes on in the middle of the line.
    sim.world().pipes[0].0.extend(b"o\nthree\n");
    collect(&sim, ROOMY, &["a", "b"]);
    assert_eq!(texts(&sim.world().text("a"), "a"), ["one", "two", "three"]);
}

#[test]
fn two_pipes_of_one_name_share_a_log() {
    // A service may be called like the program whose own lines have a pipe, too.
    let sim = World::new(&[b"one\n", b"x\n", b"two\n"]).boot();
    collect(&sim, ROOMY, &["b", "a", "b"]);
    assert_eq!(texts(&sim.world().text("b"), "b"), ["one", "two"]);
    // So they do for a collector that finds the log, whatever else is there.
    sim.world().pipes[2].0.extend(b"three\n");
    sim.world().pipes[1].0.extend(b"y\n");
    collect(&sim, ROOMY, &["a", "a", "b"]);
    assert_eq!(texts(&sim.world().text("b"), "b"), ["one", "two", "three"]);
    assert_eq!(texts(&sim.world().text("a"), "a"), ["x", "y"]);
}

/// Kills a run of `limits` at every call, in both ways, and checks that every line is there once.
fn killed_everywhere(limits: Limits, pull_max: usize, count: usize) {
    let boot = || {
        let mut world = World::new(&[&numbered(count), &numbered(count / 2)]);
        world.pull_max = pull_max;
        world.boot()
    };
    let sim = boot();
    assert_eq!(collect(&sim, limits, &["a", "b"]), 1);
    let calls = sim.world().calls();
    assert!(calls > 20);
    for die_at in 1..=calls {
        for half in [false, true] {
            // The second death hits the collector that is busy with repairing what the first left.
            for again in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] {
                let sim = boot();
                (sim.world().die_at, sim.world().half) = (die_at, half);
                let names = ["a".to_owned(), "b".to_owned()];
                let mut collector = Collector::new(sim.clone(), limits, &names);
                for turn in 0..calls {
                    collector.turn(turn % 2);
                }
                drop(collector);
                if again > 0 {
                    sim.world().die_at = die_at + again;
                    drop(Collector::new(sim.clone(), limits, &names));
                }
                sim.world().die_at = usize::MAX;
                collect(&sim, limits, &["a", "b"]);
                let step = format!("died at {die_at}, then {again} later, half {half}");
                assert_eq!(texts(&sim.world().text("a"), "a"), expected(count), "{step}");
                assert_eq!(texts(&sim.world().text("b"), "b"), expected(count / 2), "{step}");
            }
        }
    }
}

#[test]
fn a_death_at_any_call_loses_and_doubles_nothing() {
    killed_everywhere(ROOMY, 64, 60);
}

#[test]
fn nor_does_it_when_logs_rotate_in_the_middle_of_a_chunk() {
    killed_everywhere(TIGHT, 400, 60);
    killed_everywhere(TIGHT, 7, 20);
}

#[test]
fn a_flood_that_never_ends_a_chunk_with_a_line_is_rotated_all_the_same() {
    let mut world = World::new(&[&numbered(1000)]);
    world.pull_max = 1003;
    let sim = world.boot();
    collect(&sim, TIGHT, &["a"]);
    let world = sim.world();
    assert_eq!(texts(&world.text("a"), "a"), expected(1000));
    assert!(world.files.len() > 100);
    for inode in world.files.values() {
        assert!(inode.borrow().len() < 300 + 50, "at most one line above the limit");
    }
}

#[test]
fn the_total_is_kept_and_the_noisy_service_pays() {
    let limits = Limits { max_total: 3000, ..TIGHT };
    let sim = World::new(&[&numbered(1000), &numbered(10)]).boot();
    sim.world().pull_max = 50;
    collect(&sim, limits, &["noisy", "quiet"]);
    let world = sim.world();
    assert!(world.most <= 3000, "{}", world.most);
    assert_eq!(texts(&world.text("quiet"), "quiet"), expected(10));
    let kept = texts(&world.text("noisy"), "noisy");
    assert!(kept.len() > 20 && newest(&kept, 1000), "the newest lines remain");
}

#[test]
fn without_rotated_files_the_largest_current_goes() {
    let limits = Limits { max_file: 1 << 20, max_total: 2000, piece: 256 };
    let sim = World::new(&[&numbered(500), b"hello\n"]).boot();
    sim.world().pull_max = 200;
    collect(&sim, limits, &["noisy", "quiet"]);
    let world = sim.world();
    assert!(world.most <= 2000, "{}", world.most);
    assert_eq!(texts(&world.text("quiet"), "quiet"), ["hello"]);
    assert!(newest(&texts(&world.text("noisy"), "noisy"), 500));
}

#[test]
fn deaths_while_deleting_never_double_a_line() {
    let limits = Limits { max_file: 300, max_total: 1500, piece: 256 };
    let boot = || {
        let mut world = World::new(&[&numbered(100)]);
        world.pull_max = 150;
        world.boot()
    };
    let sim = boot();
    collect(&sim, limits, &["a"]);
    for die_at in 1..=sim.world().calls() {
        let sim = boot();
        (sim.world().die_at, sim.world().half) = (die_at, true);
        collect(&sim, limits, &["a"]);
        let kept = texts(&sim.world().text("a"), "a");
        assert!(newest(&kept, 100) && kept.len() > 10, "died at {die_at}: {kept:?}");
        assert!(sim.world().most <= 1500);
    }
}

#[test]
fn a_full_disk_costs_old_lines_first_then_new_ones_and_says_so() {
    // Something else fills the disk: nothing can be written at all.
    let sim = World::new(&[&numbered(20)]).boot();
    sim.world().disk = 0;
    collect(&sim, ROOMY, &["a"]);
    assert_eq!(sim.world().total(), 0);
    assert_eq!(sim.world().warnings.len(), 1, "{:?}", sim.world().warnings);
    // The dropped bytes are in memory only; so the same collector must see the space return.
    let sim = World::new(&[b"lost 1\nlost 2\n"]).boot();
    sim.world().pipes[0].1 = false;
    sim.world().disk = 0;
    let mut collector = Collector::new(sim.clone(), ROOMY, &["a".to_owned()]);
    assert_eq!(collector.turn(0), Turn::More);
    sim.world().pipes[0].0.extend(b"lost 3\n");
    assert_eq!(collector.turn(0), Turn::More);
    sim.world().disk = 1000;
    sim.world().pipes[0].0.extend(b"back\n");
    assert_eq!(collector.turn(0), Turn::More);
    assert_eq!(collector.turn(0), Turn::Idle);
    let text = sim.world().text("a");
    let lines: Vec<&str> = text.lines().map(|line| &line[27..]).collect();
    assert_eq!(lines, [" jamb-log: 21 bytes of a dropped: no space", " a: back"]);
    assert_eq!(sim.world().warnings.len(), 1, "once per outage");
}

#[test]
fn a_disk_smaller_than_the_budget_keeps_the_newest_lines() {
    let sim = World::new(&[&numbered(500)]).boot();
    (sim.world().disk, sim.world().pull_max) = (2000, 100);
    collect(&sim, TIGHT, &["a"]);
    let world = sim.world();
    let kept = texts(&world.text("a"), "a");
    assert!(kept.len() > 20 && newest(&kept, 500), "{kept:?}");
    assert_eq!(world.warnings, [""; 0]);
}

#[test]
fn an_outage_in_the_middle_of_a_line_ends_that_line() {
    let sim = World::new(&[b"begin"]).boot();
    sim.world().pipes[0].1 = false;
    let mut collector = Collector::new(sim.clone(), ROOMY, &["a".to_owned()]);
    collector.turn(0);
    sim.world().broken = true;
    sim.world().pipes[0].0.extend(b" lost\n");
    collector.turn(0);
    sim.world().broken = false;
    sim.world().pipes[0].0.extend(b"back\n");
    collector.turn(0);
    let text = sim.world().text("a");
    let lines: Vec<&str> = text.lines().map(|line| &line[27..]).collect();
    assert_eq!(lines, [" a: begin", " jamb-log: 6 bytes of a dropped: write error", " a: back"]);
}

#[test]
fn a_read_only_directory_is_reported_once_and_pipes_are_drained() {
    let sim = World::new(&[&numbered(100), &numbered(100)]).boot();
    (sim.world().read_only, sim.world().pull_max) = (true, 100);
    collect(&sim, ROOMY, &["a", "b"]);
    let world = sim.world();
    assert!(world.pipes.iter().all(|(bytes, _)| bytes.is_empty()));
    assert_eq!(world.warnings.len(), 2, "{:?}", world.warnings);
    let want =
        "jamb: a: cannot write its log: Read-only file system (os error 30); lines are dropped";
    assert_eq!(world.warnings[0], want);
}

#[test]
fn a_spool_of_another_version_is_reported_and_thrown_away() {
    for spool in [vec![0; 5000], vec![0xff; 200_000], {
        let mut bytes = vec![b'x'; 200_000];
        let header = Header {
            name: "a".to_owned(),
            at: 5,
            done: u64::MAX,
            dropped: u64::MAX,
            no_space: false,
            secs: i64::MAX,
            nanos: u32::MAX,
        };
        bytes[..ENCODED].copy_from_slice(&header.encode());
        bytes
    }] {
        let sim = World::new(&[b"fresh\n"]).boot();
        sim.world().spool = spool;
        collect(&sim, ROOMY, &["a"]);
        assert_eq!(texts(&sim.world().text("a"), "a"), ["fresh"]);
        assert_eq!(sim.world().warnings.len(), 1);
    }
}

#[test]
fn a_chunk_of_a_service_that_is_gone_still_reaches_its_log() {
    let sim = World::new(&[b"last words\n"]).boot();
    // Header, splice, and death before the write.
    sim.world().die_at = 6;
    let mut collector = Collector::new(sim.clone(), ROOMY, &["gone".to_owned()]);
    collector.turn(0);
    drop(collector);
    assert!(sim.world().dead() && sim.world().spool.len() > 4096, "it must die with a chunk");
    sim.world().die_at = usize::MAX;
    sim.world().pipes.clear();
    drop(Collector::new(sim.clone(), ROOMY, &[]));
    assert_eq!(texts(&sim.world().text("gone"), "gone"), ["last words"]);
}

#[test]
fn numbers_of_rotated_files_go_on_after_a_restart() {
    let sim = World::new(&[&numbered(50)]).boot();
    collect(&sim, TIGHT, &["a"]);
    let before = sim.world().files.len();
    sim.world().pipes[0].0.extend(numbered(50));
    // The simulated rename fails the test if it meets an existing file.
    collect(&sim, TIGHT, &["a"]);
    assert!(sim.world().files.len() > before);
}
