//! Digests: the same definition has the same in every database, another has another.

use super::*;

fn digests(services: &[(String, Service)]) -> Vec<u64> {
    let bytes = encode([0; 16], &System::default(), services).unwrap();
    let db = Database::new(bytes).unwrap();
    db.ids().map(|id| db.node(id).digest()).collect()
}

fn longrun(service: &mut Service) -> &mut Longrun {
    match &mut service.kind {
        Kind::Longrun(run) => run,
        _ => panic!("it is no longrun"),
    }
}

/// The same services behind one more, so that each has another number.
fn shifted() -> Vec<(String, Service)> {
    let mut services = services();
    for (_, service) in &mut services {
        service.edges.iter_mut().for_each(|edge| edge.to.0 += 1);
        service.reads.iter_mut().for_each(|read| read.service.0 += 1);
        service.conflicts.iter_mut().for_each(|other| other.0 += 1);
        if let Kind::Longrun(run) = &mut service.kind {
            run.policy.on_failure = OnFailure::Start(ServiceId(1));
        }
    }
    services.insert(0, ("aaa".into(), bundle()));
    services
}

#[test]
fn numbers_and_descriptions_do_not_count() {
    let here = digests(&services());
    assert_eq!(digests(&shifted())[1..], here[..]);
    let mut described = services();
    described[1].1.description = "other words".into();
    assert_eq!(digests(&described), here);
    // Not because all were the same.
    let distinct: std::collections::BTreeSet<u64> = here.iter().copied().collect();
    assert_eq!(distinct.len(), here.len());
}

#[test]
fn whatever_else_is_said_counts() {
    let good = digests(&services());
    let changes: [fn(&mut Service); 12] = [
        |daemon| daemon.edges[0].to.0 = 3,
        |daemon| daemon.edges[1].relation = Relation::After,
        |daemon| daemon.edges[0].on_change = OnChange::Restart,
        |daemon| daemon.reads[0].output = 0,
        |daemon| daemon.exec.user = None,
        |daemon| daemon.conditions[0].negated = false,
        |daemon| daemon.conditions.truncate(3),
        |daemon| daemon.conflicts[0].0 = 2,
        |daemon| daemon.actions[1] = program("told"),
        |daemon| longrun(daemon).run = program("demon"),
        |daemon| longrun(daemon).policy.on_failure = OnFailure::Ignore,
        |daemon| longrun(daemon).policy.on_failure = OnFailure::Start(ServiceId(2)),
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut services = services();
        change(&mut services[1].1);
        let now = digests(&services);
        assert_ne!(now[1], good[1], "change {number}");
        assert_eq!([&now[..1], &now[2..]].concat(), [&good[..1], &good[2..]].concat());
    }
}

/// A reader knows an output by its name: another of another name in the same place is something else.
#[test]
fn outputs_count_by_their_names() {
    let good = digests(&services());
    let mut services = services();
    services[2].1.outputs[1].key = "gateway".into();
    let now = digests(&services);
    assert_ne!((now[1], now[2]), (good[1], good[2]));
    assert_eq!((now[0], now[3], now[4]), (good[0], good[3], good[4]));
}
