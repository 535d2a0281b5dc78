//! What a service watches and follows, from its key in a definition to the record in the database.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod tree;

use rc::{
    Millis, Signal,
    db::Database,
    model::{
        Back, Command, Condition, Edge, Fact, Failover, Kind, LinkIs, OnChange, OnFailure, Policy,
        Read, Ready, Relation, Service,
    },
    outputs::{OutputType, Scalar},
    text::Piece,
};
use tree::{Tree, id, service};

fn database() -> Database {
    Tree::of(include_str!("good/watch.toml")).database(&[])
}

fn get(name: &str) -> Service {
    service(&database(), name)
}

fn read(name: &str, output: u16) -> Read {
    Read { service: id(&database(), name), output }
}

fn edge(to: &str, relation: Relation, on_change: OnChange) -> Edge {
    Edge { to: id(&database(), to), relation, on_change }
}

fn value(read: u16) -> Vec<Piece> {
    vec![Piece::Value { read, index: None, default: None }]
}

fn argv(arguments: &[&str], last: Option<u16>) -> Command {
    let literal = |text: &&str| vec![Piece::Literal((*text).to_owned())];
    let argv = arguments.iter().map(literal).chain(last.map(value));
    Command { argv: argv.collect() }
}

fn is_so(fact: Fact) -> Condition {
    Condition { fact, negated: false }
}

fn policy(kind: Kind) -> Policy {
    match kind {
        Kind::Longrun(longrun) => longrun.policy,
        Kind::Oneshot(oneshot) => oneshot.policy,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_failover_has_its_alternatives_in_their_order() {
    let wan = get("wan");
    let patience = Millis::from_secs(45);
    assert_eq!(wan.kind, Kind::Failover(Failover { back: Back::PreferFirst, patience }));
    let alternative = |name| edge(name, Relation::Alternative, OnChange::Follow);
    assert_eq!(wan.edges, ["lte", "fibre", "backup"].map(alternative));
    // Outputs are sorted by key: ifname, servers.
    let expected = ["lte", "fibre", "backup"].map(|name| read(name, 0));
    assert_eq!(wan.reads[..3], expected);
    assert_eq!((wan.outputs[0].from.as_slice(), &wan.outputs[0].value), (&[0, 1, 2][..], &None));
    assert_eq!(wan.outputs[1].from, [3, 4, 5]);
    assert_eq!(wan.outputs[1].kind, OutputType::List(Scalar::Ip));
}

#[test]
fn a_failover_is_sticky_unless_told_otherwise() {
    let tree = Tree::of(
        "[service.default]\nkind = 'failover'\nalternatives = ['b', 'a']\n\
         [service.a]\nkind = 'oneshot'\n[service.b]\nkind = 'oneshot'",
    );
    let failover = Failover { back: Back::Sticky, patience: Millis::from_secs(30) };
    assert_eq!(service(&tree.database(&[]), "default").kind, Kind::Failover(failover));
}

#[test]
fn a_bundle_passes_on_what_its_members_publish() {
    let uplink = get("uplink");
    assert_eq!(uplink.edges, [edge("wan", Relation::Member, OnChange::Follow)]);
    assert_eq!(uplink.reads, [read("wan", 0), read("wan", 1)]);
    let outputs: Vec<(&str, OutputType)> =
        uplink.outputs.iter().map(|output| (output.key.as_str(), output.kind)).collect();
    let expected = [
        ("ifname", OutputType::One(Scalar::String)),
        ("second", OutputType::One(Scalar::Ip)),
        ("text", OutputType::One(Scalar::String)),
    ];
    assert_eq!(outputs, expected);
    assert_eq!(uplink.outputs[0].value, Some(value(0)));
    let second = vec![Piece::Value { read: 1, index: Some(1), default: None }];
    assert_eq!(uplink.outputs[1].value, Some(second));
}

#[test]
fn conditions_are_about_links_devices_paths_and_outputs() {
    let eth9 = Fact::Link { name: "eth9".into(), is: LinkIs::Present };
    assert_eq!(get("default").conditions, [Condition { fact: eth9, negated: true }]);
    let usb = Fact::Device {
        subsystem: "usb".into(),
        name: "1-*".into(),
        properties: vec![("DRIVER".into(), "usb".into()), ("PRODUCT".into(), "12d1".into())],
    };
    let tty = Fact::Device { subsystem: "tty".into(), name: "*".into(), properties: Vec::new() };
    let path = Fact::Path("/dev/cdc-wdm0".into());
    assert_eq!(get("lte").conditions, [usb, tty, path].map(is_so));
    let bridge = get("bridge");
    // mode's outputs are sorted by key: at, is.
    assert_eq!(bridge.reads, [read("mode", 1), read("mode", 0)]);
    let five = Fact::Output { read: 1, equals: Some("5".into()) };
    let expected = [
        // A reference to a constant, over another one, is put in.
        is_so(Fact::Link { name: "eth0".into(), is: LinkIs::Running }),
        is_so(Fact::Output { read: 0, equals: Some("bridge".into()) }),
        is_so(Fact::Output { read: 1, equals: None }),
        Condition { fact: five, negated: true },
    ];
    assert_eq!(bridge.conditions, expected);
    // What it reads it needs; the service with the constant it has nothing to do with.
    let edges = [
        edge("mode", Relation::Needs, OnChange::Restart),
        edge("wish", Relation::Wants, OnChange::Restart),
    ];
    assert_eq!(bridge.edges, edges);
}

#[test]
fn a_condition_on_an_output_is_no_need_if_another_relation_is_written() {
    let dns = get("dns");
    let mode = dns.edges.iter().find(|edge| edge.to == id(&database(), "mode")).unwrap();
    assert_eq!(mode.relation, Relation::Wants);
}

#[test]
fn conflicts_are_mutual() {
    let db = database();
    assert_eq!(get("bridge").conflicts, [id(&db, "fibre"), id(&db, "reset")]);
    assert_eq!(get("fibre").conflicts, [id(&db, "bridge")]);
    assert_eq!(get("reset").conflicts, [id(&db, "bridge")]);
}

#[test]
fn changes_signal_reload_or_run_programs() {
    let fibre = get("fibre");
    assert_eq!(fibre.reload, Some(OnChange::Run(0)));
    assert_eq!(fibre.actions, [argv(&["pppctl"], Some(0))]);
    assert_eq!(fibre.edges, [edge("link", Relation::Needs, OnChange::Run(0))]);
    assert_eq!(get("reset").reload, Some(OnChange::Run(0)));
    let dns = get("dns");
    assert_eq!(dns.reload, Some(OnChange::Signal(Signal::Hup)));
    let on_change = |name: &str| {
        dns.edges.iter().find(|edge| edge.to == id(&database(), name)).unwrap().on_change
    };
    assert_eq!(on_change("reset"), OnChange::Signal(Signal::Hup));
    assert_eq!(on_change("link"), OnChange::Run(0));
    // Equal programs are one.
    assert_eq!(on_change("mode"), OnChange::Run(1));
    assert_eq!(on_change("uplink"), OnChange::Run(1));
    assert_eq!(dns.actions.len(), 2);
}

#[test]
fn services_are_ready_and_healthy_in_several_ways() {
    let Kind::Longrun(lte) = get("lte").kind else { panic!() };
    assert_eq!(lte.ready, Ready::Check { every: Millis(250) });
    assert_eq!(lte.check, Some(argv(&["qmi-ready"], Some(0))));
    let Kind::Longrun(backup) = get("backup").kind else { panic!() };
    assert_eq!(backup.ready, Ready::Pidfile);
    assert_eq!(backup.pidfile.as_deref(), Some("/run/modem.pid"));
    let Kind::Longrun(mode) = get("mode").kind else { panic!() };
    assert_eq!(mode.watchdog, Some(Millis::from_secs(30)));
    let health = get("dns").health.unwrap();
    assert_eq!((health.every, health.timeout), (Millis::from_secs(60), Millis::from_secs(3)));
    assert_eq!((health.retries, health.run.argv.len()), (5, 3));
    let health = get("bridge").health.unwrap();
    assert_eq!((health.every, health.timeout), (Millis::from_secs(4), Millis::from_secs(4)));
    assert_eq!(health.retries, 3);
}

#[test]
fn failure_has_consequences() {
    let fibre = policy(get("fibre").kind);
    assert_eq!(fibre.permanent, [19, 2]);
    assert_eq!(fibre.on_failure, OnFailure::Start(id(&database(), "reset")));
    assert_eq!(fibre.action_timeout, Millis::from_secs(5));
    assert_eq!(policy(get("lte").kind).on_failure, OnFailure::Reboot);
    assert_eq!(policy(get("backup").kind).on_failure, OnFailure::Rescue);
    assert_eq!(policy(get("dns").kind).on_failure, OnFailure::Ignore);
}
