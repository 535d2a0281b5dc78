//! Everything that can happen to all small systems: every order of events, to a bounded depth. States
//! that were met before, on whatever way, are not gone into again.

use super::{
    kept::Kept,
    laws::Violation,
    plan::{About, If, Link, On, PLAIN, Plan, Svc, Tells, Tie, What},
    script::{Op, Run},
    world::End,
};
use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

/// How much was seen.
#[derive(Clone, Copy, Default, Debug)]
pub struct Seen {
    pub systems: u64,
    pub states: u64,
    pub steps: u64,
}

/// All systems of up to three services: two at the bottom, related in every way, and one above both.
pub fn systems() -> Vec<Plan> {
    let link = |to, tie, on| Link { to, tie, on };
    let ties = |to| {
        vec![
            None,
            Some(link(to, Tie::Needs, On::Stop)),
            Some(link(to, Tie::Needs, On::Hup)),
            Some(link(to, Tie::Wants, On::Stop)),
            Some(link(to, Tie::After, On::Stop)),
        ]
    };
    let daemon = Svc { tells: Tells::ByFd, ..PLAIN };
    let shot = Svc { what: What::Oneshot, end: true, ..PLAIN };
    let picky = Svc { ifs: vec![If { fact: About::World, not: false }], ..PLAIN };
    let mut plans = Vec::new();
    for bottom in [&daemon, &picky] {
        for middle in [&daemon, &shot] {
            for tie in ties(0) {
                let mut middle = middle.clone();
                middle.links.extend(tie);
                let pair = vec![bottom.clone(), middle];
                for top in tops(&ties) {
                    let services = pair.iter().cloned().chain([top]).collect();
                    plans.push(Plan { services, shutdown_ms: 1000, next: None });
                }
                if pair[1].links.is_empty() {
                    // Two that conflict, and one above that may need either.
                    let mut services = pair;
                    services[0].conflicts.push(1);
                    services[1].conflicts.push(0);
                    plans.push(Plan { services, shutdown_ms: 1000, next: None });
                }
            }
        }
    }
    plans
}

fn tops(ties: &dyn Fn(u16) -> Vec<Option<Link>>) -> Vec<Svc> {
    let mut tops = Vec::new();
    for one in ties(0) {
        for other in ties(1) {
            let links = one.into_iter().chain(other).collect();
            tops.push(Svc { links, ..PLAIN });
        }
    }
    let both = |tie, on| (0..2).map(|to| Link { to, tie, on }).collect::<Vec<_>>();
    let members = both(Tie::Member, On::Stop);
    let bundle = Svc { what: What::Bundle, links: members, ..PLAIN };
    tops.push(Svc { count: 1, ..bundle.clone() });
    tops.push(bundle);
    let alternatives = both(Tie::Alternative, On::Follow);
    let failover = Svc { what: What::Failover, links: alternatives, ..PLAIN };
    tops.push(Svc { first: true, ..failover.clone() });
    tops.push(failover);
    tops
}

/// What can happen next.
fn moves(plan: &Plan, run: &Run<'_>) -> Vec<Op> {
    let mut moves = Vec::new();
    for service in 0..plan.services.len() {
        let Ok(service) = u16::try_from(service) else { break };
        moves.extend([Op::Start(service), Op::Stop(service), Op::Restart(service)]);
        if let Some(child) = run.world.child(service) {
            if child.told {
                moves.push(Op::Obey(service));
            } else {
                moves.extend([Op::Exit(service, End::Badly), Op::Exit(service, End::Well)]);
                moves.push(Op::Ready(service));
            }
        }
        if let Some(holds) = run.world.facts[usize::from(service)].first() {
            moves.push(Op::Fact(service, 0, !holds));
        }
    }
    let pending = u16::try_from(run.world.pending.len()).unwrap_or(u16::MAX);
    moves.extend((0..pending).map(Op::Arrive));
    moves.extend([Op::ToDeadline(0), Op::HandOver]);
    moves
}

fn fingerprint(run: &mut Run<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    Kept::whole(&mut run.engine).hash(&mut hasher);
    run.world.fingerprint().hash(&mut hasher);
    run.now().ms.hash(&mut hasher);
    hasher.finish()
}

/// Goes into everything that can happen to one system.
///
/// # Errors
/// If a law is broken: by which script.
pub fn explore(plan: &Plan, depth: u32, seen: &mut Seen) -> Result<(), (Vec<Op>, Violation)> {
    let Some(mut start) = Run::new(plan) else { return Ok(()) };
    seen.systems += 1;
    let mut met = HashSet::from([fingerprint(&mut start)]);
    let mut front = vec![(start, Vec::new())];
    for _ in 0..depth {
        let mut next = Vec::new();
        for (run, ops) in &mut front {
            for op in moves(plan, run) {
                let mut run = run.fork();
                let mut ops: Vec<Op> = ops.clone();
                ops.push(op);
                seen.steps += 1;
                if let Err(broken) = run.apply(op) {
                    return Err((ops, broken));
                }
                if met.insert(fingerprint(&mut run)) {
                    next.push((run, ops));
                }
            }
        }
        front = next;
    }
    seen.states += met.len() as u64;
    Ok(())
}
