//! Scripts of the ratchet, and laws that hold in any world.

use super::*;

const TIMEOUT: Millis = Millis::from_secs(20);

fn rule() -> Watchdog {
    Watchdog {
        grace: Millis::from_secs(60),
        boot: Millis::from_secs(300),
        stall: Millis::from_secs(100),
        ..Watchdog::default()
    }
}

fn at(secs: u64) -> Instant {
    Instant::from_ms(secs * 1000)
}

/// With a turn in one call.
struct Dog(Ratchet);

impl Dog {
    fn new(proofs: &[Millis]) -> Self {
        let mut ratchet = Ratchet::new(at(0), &rule());
        proofs.iter().for_each(|proof| ratchet.add(at(0), *proof));
        ratchet.open(at(0), TIMEOUT);
        Self(ratchet)
    }

    fn turn(&mut self, now: Instant, ready: u32, seen: &[Seen]) -> Verdict {
        for (position, seen) in seen.iter().enumerate() {
            self.0.see(now, position, *seen, 0);
        }
        self.0.turn(now, ready)
    }
}

impl core::ops::Deref for Dog {
    type Target = Ratchet;
    fn deref(&self) -> &Ratchet {
        &self.0
    }
}

fn booting(needs: usize) -> Dog {
    Dog::new(&vec![TRUST; needs])
}

/// One that has been armed at second 0.
fn armed(needs: usize) -> Dog {
    let mut dog = booting(needs);
    assert_eq!(dog.turn(at(0), 1, &vec![Seen::Well; needs]), Verdict::Wait);
    assert!(dog.is_armed());
    dog
}

#[test]
fn it_asks_for_half_of_the_timeout_and_no_more() {
    let mut dog = armed(1);
    assert_eq!(dog.deadline(at(0)), Some(at(10)));
    assert_eq!(dog.turn(at(9), 1, &[Seen::Well]), Verdict::Wait);
    assert_eq!(dog.turn(at(10), 1, &[Seen::Well]), Verdict::Feed);
    assert_eq!(dog.turn(at(10), 1, &[Seen::Well]), Verdict::Wait);
    assert_eq!(dog.deadline(at(10)), Some(at(20)));
}

#[test]
fn without_needs_only_the_loop_counts() {
    let mut dog = booting(0);
    for turn in 1..100 {
        assert_eq!(dog.turn(at(turn * 10), 0, &[]), Verdict::Feed);
    }
}

#[test]
fn a_boot_that_gets_nowhere_is_over_soon() {
    let mut dog = booting(1);
    assert_eq!(dog.turn(at(50), 1, &[Seen::Unwell]), Verdict::Feed);
    assert_eq!(dog.turn(at(149), 1, &[Seen::Unwell]), Verdict::Feed);
    assert_eq!(dog.deadline(at(149)), Some(at(150)));
    assert_eq!(dog.turn(at(150), 1, &[Seen::Unwell]), Verdict::Starve(Why::Stall));
    assert_eq!(dog.deadline(at(150)), None);
}

#[test]
fn a_boot_that_gets_on_is_over_at_its_bound() {
    let mut dog = booting(1);
    for turn in 1..30 {
        let ready = u32::try_from(turn).unwrap();
        assert_eq!(dog.turn(at(turn * 10), ready, &[Seen::Unwell]), Verdict::Feed);
    }
    assert_eq!(dog.turn(at(300), 30, &[Seen::Unwell]), Verdict::Starve(Why::Boot));
}

#[test]
fn all_have_to_be_well_together_once() {
    let mut dog = booting(2);
    dog.turn(at(1), 1, &[Seen::Well, Seen::Unwell]);
    dog.turn(at(2), 2, &[Seen::Unwell, Seen::Well]);
    assert!(!dog.is_armed());
    dog.turn(at(3), 2, &[Seen::Excused, Seen::Well]);
    assert!(dog.is_armed());
    // From there is no way back to the patience of a boot.
    dog.turn(at(4), 2, &[Seen::Unwell, Seen::Well]);
    assert!(dog.is_armed());
}

#[test]
fn a_restart_has_its_grace() {
    let mut dog = armed(1);
    assert_eq!(dog.turn(at(10), 1, &[Seen::Unwell]), Verdict::Feed);
    assert_eq!(dog.turn(at(69), 1, &[Seen::Unwell]), Verdict::Feed);
    assert_eq!(dog.deadline(at(69)), Some(at(70)));
    assert_eq!(dog.turn(at(70), 1, &[Seen::Unwell]), Verdict::Starve(Why::Need(0)));
}

#[test]
fn one_who_dies_again_and_again_uses_up_one_grace() {
    let mut dog = armed(1);
    for turn in 0..10 {
        dog.turn(at(10 + turn * 6), 1, &[Seen::Unwell]);
        dog.turn(at(11 + turn * 6), 1, &[Seen::Well]);
    }
    assert_eq!(dog.turn(at(70), 1, &[Seen::Well]), Verdict::Starve(Why::Need(0)));
    // It comes back for good before the device is at its end.
    assert_eq!(dog.deadline(at(70)), Some(at(75)));
    assert_eq!(dog.turn(at(75), 1, &[Seen::Well]), Verdict::Feed);
}

#[test]
fn who_was_well_for_long_enough_begins_anew() {
    let mut dog = armed(1);
    dog.turn(at(10), 1, &[Seen::Unwell]);
    dog.turn(at(20), 1, &[Seen::Well]);
    dog.turn(at(31), 1, &[Seen::Unwell]);
    assert_eq!(dog.turn(at(90), 1, &[Seen::Unwell]), Verdict::Feed);
    assert_eq!(dog.turn(at(91), 1, &[Seen::Unwell]), Verdict::Starve(Why::Need(0)));
}

#[test]
fn a_health_check_has_to_pass_first() {
    let health = Some((Millis::from_secs(20), Millis::from_secs(5)));
    assert_eq!(proof(health), Millis::from_secs(30));
    assert_eq!(proof(None), TRUST);
    let mut dog = Dog::new(&[proof(health)]);
    dog.turn(at(0), 1, &[Seen::Well]);
    // Its checks fail three times, it restarts, and they fail again.
    for (second, seen) in [
        (10, Seen::Doubtful),
        (12, Seen::Doubtful),
        (14, Seen::Unwell),
        (15, Seen::Well),
        (40, Seen::Doubtful),
        (60, Seen::Doubtful),
    ] {
        assert!(!matches!(dog.turn(at(second), 1, &[seen]), Verdict::Starve(_)), "{second}");
    }
    assert_eq!(dog.turn(at(74), 1, &[Seen::Doubtful]), Verdict::Starve(Why::Need(0)));
}

#[test]
fn who_sleeps_is_excused_whatever_came_before() {
    let mut dog = armed(1);
    for turn in 0..100 {
        dog.turn(at(turn * 10), 1, &[Seen::Unwell]);
        let seen = dog.turn(at(turn * 10 + 9), 1, &[Seen::Excused]);
        assert!(!matches!(seen, Verdict::Starve(_)));
    }
}

#[test]
fn an_end_has_its_own_bound() {
    let mut dog = armed(1);
    dog.0.end(at(5), Millis::from_secs(40));
    dog.0.end(at(30), Millis::from_secs(40));
    assert_eq!(dog.turn(at(44), 1, &[Seen::Unwell]), Verdict::Feed);
    assert_eq!(dog.turn(at(45), 1, &[Seen::Unwell]), Verdict::Starve(Why::End));
}

/// Numbers without a pattern; no crate is worth it.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

#[test]
fn laws_hold_in_any_world() {
    for seed in 0..2000u64 {
        let mut state = seed;
        let mut dog = booting(3);
        let (mut now, mut fed) = (at(0), at(0));
        let mut seen = [Seen::Unwell; 3];
        // Since when each has been unwell without any pause that counts.
        let mut down: [Option<Instant>; 3] = [None; 3];
        let mut armed = false;
        let mut stepped = 0;
        for step in 0..200 {
            // Either something happens, or the time comes that it asked for.
            if next(&mut state).is_multiple_of(2) {
                now = now.after(Millis(u32::try_from(next(&mut state) % 9000).unwrap()));
                let changed = usize::try_from(next(&mut state) % 3).unwrap();
                seen[changed] = [Seen::Excused, Seen::Well, Seen::Doubtful, Seen::Unwell]
                    [usize::try_from(next(&mut state) % 4).unwrap()];
            } else {
                let Some(due) = dog.deadline(now) else { continue };
                assert!(due > now, "seed {seed}: it asks for the past, which never ends");
                now = due;
            }
            stepped += 1;
            let verdict = dog.turn(now, step, &seen);
            for (need, since) in seen.iter().zip(&mut down) {
                match need {
                    Seen::Unwell => drop(since.get_or_insert(now)),
                    _ => *since = None,
                }
            }
            let starving = matches!(verdict, Verdict::Starve(_));
            if verdict == Verdict::Feed {
                fed = now;
            }
            armed |= seen.iter().all(|seen| matches!(seen, Seen::Well | Seen::Excused));
            assert_eq!(dog.is_armed(), armed, "seed {seed}: the ratchet");
            let dead = down.iter().flatten().any(|since| since.after(rule().grace) <= now);
            assert!(!(armed && dead) || starving, "seed {seed}: fed beside a dead service");
            if seen.iter().all(|seen| *seen == Seen::Excused) {
                assert!(!starving, "seed {seed}: a reset that changes nothing");
            }
            if !starving {
                let due = fed.after(Millis(TIMEOUT.0 / 2));
                assert!(now < due || fed == now, "seed {seed}: not fed in time");
                assert!(dog.deadline(now).is_some_and(|at| at <= due), "seed {seed}: not awake");
            }
        }
        assert!(stepped > 20);
    }
}

/// A service whose health fails again and again may be stopped and started between two looks, which then
/// never see it down.
#[test]
fn a_restart_that_nobody_saw_counts() {
    let mut dog = armed(1);
    let mut starved = None;
    // Every 10 s another run, in which one check fails.
    for second in 1..200 {
        let run = u32::try_from(second / 10).unwrap();
        let seen = if second % 10 < 5 { Seen::Well } else { Seen::Doubtful };
        dog.0.see(at(second), 0, seen, run);
        if matches!(dog.0.turn(at(second), 1), Verdict::Starve(_)) {
            starved = Some(second);
            break;
        }
    }
    assert_eq!(starved, Some(70), "a grace after the first restart");
    // One restart is forgiven.
    let mut dog = armed(1);
    for second in 1..200 {
        dog.0.see(at(second), 0, Seen::Well, u32::from(second >= 10));
        let verdict = dog.0.turn(at(second), 1);
        assert!(!matches!(verdict, Verdict::Starve(_)), "{second}");
    }
}
