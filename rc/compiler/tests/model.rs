//! Every field of the model, from its key in a definition to the record in the database.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod tree;

use rc::{
    Backoff, Millis, Signal, StopPolicy,
    boot::{FIRMWARE, Op, Step},
    db::Database,
    isolation::{Capabilities, Cgroup, Isolation},
    kept::{Address, Kept, Socket, SocketKind},
    model::{
        Command, Edge, Exec, File, Kind, Limit, Longrun, OnChange, Oneshot, OutputDecl, Policy,
        Read, Ready, ReadyWhen, Relation, Resource, Restart, Service, System, Watchdog,
    },
    outputs::{OutputType, Scalar},
    text::{EachPiece, Piece, Text},
};
use tree::{Tree, id, service};

fn literal(text: &str) -> Text {
    vec![Piece::Literal(text.to_owned())]
}

fn value(read: u16) -> Piece {
    Piece::Value { read, index: None, default: None }
}

fn argv(arguments: &[&str]) -> Command {
    Command { argv: arguments.iter().map(|argument| literal(argument)).collect() }
}

fn edge(db: &Database, to: &str, relation: Relation, on_change: OnChange) -> Edge {
    Edge { to: id(db, to), relation, on_change }
}

const FULL: &str = r#"
[system]
hostname = "router-1.example"
default = "start"
shutdown-timeout = "1m"
log-max-file = "64K"
log-max-total = 1000000
firmware = "/lib/firmware/board"
modules = ["nf-tables", "loop  max_loop=4"]
mounts."/run" = { type = "tmpfs", options = "size=1M" }
mounts."/data" = { type = "ext4", device = "/dev/sda1", wait = "1s" }
mounts."/sys/kernel/config" = "configfs"
files."/run/lock" = { mode = "1777" }
files."/dev/net/tun" = { node = "c 10 200", user = "nobody", group = 5 }
files."/dev/loop0" = { node = "b 7 0" }
files."/run/pipe" = { node = "p" }
files."/run/motd" = { text = "hello\n" }
files."/run/link" = { link = "motd" }
sysctl."net.ipv4.conf.eth0/7.rp_filter" = 1
sysctl."net/ipv4/conf/eth0.8/rp_filter" = "2"
rescue-reboot = "90s"
end-record = "/data/end"

[system.root]
device = "PARTLABEL=root"
type = "squashfs"
options = "ro,noatime"
wait = "20s"
store = { type = "ext4", device = "LABEL=data" }
overlay = "ram"
persist = ["/etc/config", "/var/lib"]
prepare = "/bin/prepare"
activate = "/sbin/activate"
init = "/bin/init"

[board]
modules = ["ath9k"]

[system.watchdog]
device = "/dev/watchdog1"
timeout = "20s"
pretimeout = "5s"
needs = ["daemon", "base", "daemon"]
grace = "90s"
boot = "4m"

[service.start]
kind = "bundle"
description = "all"
needs = ["base"]
wants = ["extra"]
after = ["early"]
contents = ["daemon"]
ready-when = 2

[service.base]
kind = "oneshot"

[service.extra]
kind = "oneshot"
part-of = ["start"]
modules = ["tun", "loop"]

[service.early]
kind = "oneshot"

[service.other]
kind = "oneshot"
part-of = ["start"]
outputs = { address = "ip", names = "list<string>", key = "secret" }

[service.daemon]
kind = "longrun"
description = "a daemon"
run = ["daemon", "--listen=${other.address}:${self.port}", "${other.names.1:-x}", "$${a.b} ${c} $(d.e)"]
finish = ["tidy", "now"]
ready = { fd = 7 }
needs = ["base"]
wants = ["extra", "base"]
after = ["early", "extra"]
on-change = { other = "signal HUP", base = "ignore" }
outputs.port = { type = "int", value = 53 }
outputs.up = "bool"
outputs.peers = { type = "list<ipv4>", value = "192.0.2.1\n192.0.2.2" }
outputs.first = { type = "ipv4", value = "${self.peers.0}" }
outputs.remote = { type = "ip", value = "${other.address}" }
user = "nobody"
group = 65534
groups = ["adm", 5]
env = { B = "${other.names}", A = "${self.remote}!", N = 5, T = true }
cwd = "/var/lib/daemon"
umask = "077"
limits = { nofile = 1024, core = "unlimited", stack = { soft = "1M", hard = "unlimited" } }
nice = -5
oom-score = 300
capabilities = { bounding = ["net_raw", "net_admin"], ambient = ["net_raw"] }
no-new-privileges = true
private-tmp = "1M"
tty = "/dev/ttyS0"
sockets.http = { stream = 80, backlog = 7 }
sockets.local = { datagram = "/run/d.socket", mode = "0600", user = "nobody", group = 5 }
sockets.six = { datagram = "[::1]:53" }
sockets.four = { stream = "192.0.2.1:443" }
cgroup = { memory = "32M", cpu = 50, pids = 20 }
restart = { policy = "on-failure", backoff = "250ms..2m", max = 7 }
timeout-start = "20s"
timeout-down = "3s"
timeout-finish = "1500ms"
down-signal = "SIGINT"

[service.setup]
kind = "oneshot"
up = ["up"]
down = ["down"]
restart = "never"
timeout-start = "never"
cwd = "/"

[service.conf]
kind = "file"
path = "/run/conf"
mode = "0640"
text = """
listen ${other.address}
{% for name in other.names %}
name {{name}} {{ name }} for ${daemon.port:-0}
{% endfor %}
end{% for n in other.names %} {{n}}{% endfor %}
{%% ${x} {{n}}
"""
on-change.daemon = "ignore"

[service.hidden]
kind = "file"
path = "/run/hidden"
text = "${other.key}"
needs = ["early", "other"]
"#;

fn full() -> Database {
    Tree::of(FULL).database(&[])
}

fn root() -> Vec<Step> {
    vec![
        Step::new(Op::Prepare, "/bin/prepare"),
        Step {
            device: "PARTLABEL=root".into(),
            text: "squashfs".into(),
            options: "ro,noatime".into(),
            wait: Millis::from_secs(20),
            ..Step::new(Op::Root, "/bin/init")
        },
        Step {
            device: "LABEL=data".into(),
            text: "ext4".into(),
            wait: Millis::from_secs(10),
            ..Step::new(Op::Store, "")
        },
        Step { text: "ram".into(), ..Step::new(Op::Overlay, "/") },
        Step::new(Op::Persist, "/etc/config"),
        Step::new(Op::Persist, "/var/lib"),
        Step::new(Op::Activate, "/sbin/activate"),
    ]
}

fn boot() -> Vec<Step> {
    let write = |path: &str, text: &str| Step { text: text.into(), ..Step::new(Op::Write, path) };
    let module = |name: &str, text: &str| Step { text: text.into(), ..Step::new(Op::Module, name) };
    let mount = |on: &str, kind: &str, device: &str, options: &str, wait| Step {
        text: kind.into(),
        device: device.into(),
        options: options.into(),
        wait: Millis::from_secs(wait),
        ..Step::new(Op::Mount, on)
    };
    let file = |op, path: &str, mode| Step { mode, ..Step::new(op, path) };
    vec![
        write(FIRMWARE, "/lib/firmware/board"),
        module("ath9k", ""),
        module("nf_tables", ""),
        module("loop", "max_loop=4"),
        module("tun", ""),
        mount("/data", "ext4", "/dev/sda1", "", 1),
        mount("/run", "tmpfs", "tmpfs", "size=1M", 10),
        mount("/sys/kernel/config", "configfs", "configfs", "", 10),
        Step { major: 7, ..file(Op::Block, "/dev/loop0", 0o600) },
        Step {
            user: "nobody".into(),
            group: "5".into(),
            major: 10,
            minor: 200,
            ..file(Op::Character, "/dev/net/tun", 0o600)
        },
        Step { text: "motd".into(), ..file(Op::Link, "/run/link", 0o777) },
        file(Op::Directory, "/run/lock", 0o1777),
        Step { text: "hello\n".into(), ..file(Op::File, "/run/motd", 0o644) },
        file(Op::Fifo, "/run/pipe", 0o600),
        write("/proc/sys/net/ipv4/conf/eth0.7/rp_filter", "1"),
        write("/proc/sys/net/ipv4/conf/eth0.8/rp_filter", "2"),
    ]
}

#[test]
fn the_system() {
    let db = full();
    let expected = System {
        target: Some(id(&db, "start")),
        hostname: Some("router-1.example".into()),
        shutdown_timeout: Millis::from_secs(60),
        log_max_file: 64 * 1024,
        log_max_total: 1_000_000,
        watchdog: Some(Watchdog {
            device: "/dev/watchdog1".into(),
            timeout: Millis::from_secs(20),
            pretimeout: Some(Millis::from_secs(5)),
            needs: vec![id(&db, "daemon"), id(&db, "base")],
            grace: Millis::from_secs(90),
            boot: Millis::from_secs(240),
            stall: Millis::from_secs(240),
        }),
        boot: boot(),
        root: root(),
        rescue_reboot: Some(Millis::from_secs(90)),
        end_record: Some("/data/end".to_owned()),
    };
    assert_eq!(db.system().unwrap(), expected);
}

#[test]
fn a_bundle() {
    let db = full();
    let restart = OnChange::Restart;
    let expected = Service {
        description: "all".into(),
        edges: vec![
            edge(&db, "base", Relation::Needs, restart),
            edge(&db, "early", Relation::After, restart),
            // Members last.
            edge(&db, "daemon", Relation::Member, restart),
            // Wanted, and a member by its own part-of, which is stronger.
            edge(&db, "extra", Relation::Member, restart),
            edge(&db, "other", Relation::Member, restart),
        ],
        ..Service::new(Kind::Bundle(ReadyWhen::AtLeast(2)))
    };
    assert_eq!(service(&db, "start"), expected);
}

#[test]
fn a_longrun() {
    let db = full();
    let output =
        |key: &str, kind, value| OutputDecl { key: key.to_owned(), kind, value, from: Vec::new() };
    let run = Command {
        argv: vec![
            literal("daemon"),
            vec![Piece::Literal("--listen=".into()), value(0), Piece::Literal(":53".into())],
            vec![Piece::Value { read: 1, index: Some(1), default: Some("x".into()) }],
            literal("${a.b} ${c} $(d.e)"),
        ],
    };
    let socket = |name: &str, kind, address| Socket {
        name: name.into(),
        kind,
        address,
        backlog: 128,
        mode: 0o666,
        user: None,
        group: None,
    };
    let (stream, datagram) = (SocketKind::Stream, SocketKind::Datagram);
    let local = socket("local", datagram, Address::Unix("/run/d.socket".into()));
    let mut loopback = [0; 16];
    loopback[15] = 1;
    let sockets = vec![
        socket("four", stream, Address::V4([192, 0, 2, 1], 443)),
        Socket { backlog: 7, ..socket("http", stream, Address::Every(80)) },
        Socket { mode: 0o600, user: Some("nobody".into()), group: Some("5".into()), ..local },
        socket("six", datagram, Address::V6(loopback, 53)),
    ];
    let expected = Service {
        description: "a daemon".into(),
        kind: Kind::Longrun(Longrun {
            finish: Some(argv(&["tidy", "now"])),
            ready: Ready::Fd(7),
            tty: Some("/dev/ttyS0".into()),
            kept: Some(Box::new(Kept { sockets, store: 0 })),
            policy: Policy {
                restart: Restart::OnFailure,
                backoff: Backoff { min: Millis(250), max: Millis(120_000) },
                max_restarts: 7,
                start_timeout: Some(Millis::from_secs(20)),
                stop: StopPolicy { signal: Signal::Int, grace: Millis::from_secs(3) },
                finish_timeout: Millis(1500),
                ..Policy::default()
            },
            ..Longrun::new(run)
        }),
        edges: vec![
            edge(&db, "base", Relation::Needs, OnChange::Ignore),
            edge(&db, "early", Relation::After, OnChange::Restart),
            edge(&db, "extra", Relation::Wants, OnChange::Restart),
            edge(&db, "other", Relation::Needs, OnChange::Signal(Signal::Hup)),
        ],
        // In the order of first use, outputs before commands; other's outputs are sorted by key.
        reads: vec![
            Read { service: id(&db, "other"), output: 0 },
            Read { service: id(&db, "other"), output: 2 },
        ],
        outputs: vec![
            output("first", OutputType::One(Scalar::Ipv4), Some(literal("192.0.2.1"))),
            output("peers", OutputType::List(Scalar::Ipv4), Some(literal("192.0.2.1\n192.0.2.2"))),
            output("port", OutputType::One(Scalar::Int), Some(literal("53"))),
            output("remote", OutputType::One(Scalar::Ip), Some(vec![value(0)])),
            output("up", OutputType::One(Scalar::Bool), None),
        ],
        exec: Exec {
            user: Some("nobody".into()),
            group: Some("65534".into()),
            groups: vec!["adm".into(), "5".into()],
            env: vec![
                ("A".into(), vec![value(0), Piece::Literal("!".into())]),
                ("B".into(), vec![value(1)]),
                ("N".into(), literal("5")),
                ("T".into(), literal("true")),
            ],
            cwd: Some("/var/lib/daemon".into()),
            umask: Some(0o077),
            limits: vec![
                Limit { resource: Resource::Core, soft: None, hard: None },
                Limit { resource: Resource::Nofile, soft: Some(1024), hard: Some(1024) },
                Limit { resource: Resource::Stack, soft: Some(1 << 20), hard: None },
            ],
            isolation: Some(Box::new(Isolation {
                chroot: None,
                nice: Some(-5),
                oom_score: Some(300),
                bounding: Capabilities(1 << 12 | 1 << 13),
                ambient: Capabilities(1 << 13),
                no_new_privileges: true,
                private_tmp: Some(1 << 20),
                cgroup: Some(Cgroup { memory: Some(32 << 20), cpu: Some(50), pids: Some(20) }),
            })),
        },
        ..Service::new(Kind::Bundle(ReadyWhen::All))
    };
    assert_eq!(service(&db, "daemon"), expected);
}

#[test]
fn oneshots_and_their_defaults() {
    let db = full();
    let retrying = Policy {
        restart: Restart::OnFailure,
        backoff: Backoff { min: Millis::from_secs(1), max: Millis::from_secs(60) },
        max_restarts: 0,
        start_timeout: Some(Millis::from_secs(300)),
        stop: StopPolicy { signal: Signal::Term, grace: Millis::from_secs(10) },
        finish_timeout: Millis::from_secs(5),
        ..Policy::default()
    };
    let base = service(&db, "base").kind;
    assert_eq!(base, Kind::Oneshot(Oneshot { up: None, down: None, policy: retrying.clone() }));
    let setup = service(&db, "setup");
    let policy = Policy { restart: Restart::Never, start_timeout: None, ..retrying };
    let (up, down) = (Some(argv(&["up"])), Some(argv(&["down"])));
    assert_eq!(setup.kind, Kind::Oneshot(Oneshot { up, down, policy }));
    assert_eq!(setup.exec, Exec { cwd: Some("/".into()), ..Exec::default() });
}

#[test]
fn files() {
    let db = full();
    let conf = service(&db, "conf");
    let text = |text: &str| EachPiece::Literal(text.to_owned());
    let expected = vec![
        Piece::Literal("listen ".into()),
        value(0),
        Piece::Literal("\n".into()),
        Piece::Each {
            read: 1,
            body: vec![
                text("name "),
                EachPiece::Item,
                text(" "),
                EachPiece::Item,
                text(" for "),
                EachPiece::Value { read: 2, index: None, default: Some("0".into()) },
                text("\n"),
            ],
        },
        Piece::Literal("end".into()),
        Piece::Each { read: 1, body: vec![text(" "), EachPiece::Item] },
        Piece::Literal("\n{% ${x} {{n}}\n".into()),
    ];
    let path = "/run/conf".to_owned();
    assert_eq!(conf.kind, Kind::File(File { path, mode: 0o640, text: expected }));
    // What is read is rendered again; what the definition says goes before.
    let edges = vec![
        edge(&db, "daemon", Relation::Needs, OnChange::Ignore),
        edge(&db, "other", Relation::Needs, OnChange::Render),
    ];
    assert_eq!(conf.edges, edges);
    let hidden = service(&db, "hidden");
    assert!(matches!(hidden.kind, Kind::File(File { mode: 0o600, .. })), "a secret is in it");
    let edges = vec![
        edge(&db, "early", Relation::Needs, OnChange::Restart),
        edge(&db, "other", Relation::Needs, OnChange::Render),
    ];
    assert_eq!(hidden.edges, edges);
}

/// The kind of the service `a` in a tree of this text.
fn kind_of(definitions: &str) -> Kind {
    let tree = Tree::of(&format!("{definitions}\n[service.default]\nkind = 'bundle'"));
    service(&tree.database(&[]), "a").kind
}

#[test]
fn longruns_become_ready() {
    let ready = |more: &str| {
        let kind = kind_of(&format!("[service.a]\nkind = 'longrun'\nrun = ['x']\n{more}"));
        match kind {
            Kind::Longrun(longrun) => (longrun.ready, longrun.policy),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(ready(""), (Ready::Started, Policy::default()));
    assert_eq!(ready("ready = 'notify'").0, Ready::Notify);
    assert_eq!(ready("ready = 'started'\noutputs.x = 'ip'").0, Ready::Started);
    assert_eq!(ready("outputs.x = 'ip'").0, Ready::Outputs);
    assert_eq!(ready("outputs.x = { type = 'int', value = '1' }").0, Ready::Started);
    assert_eq!(ready("outputs = { x = 'ip' }\nready = 'outputs'").0, Ready::Outputs);
}

#[test]
fn bundles_become_ready() {
    let when = |more: &str| {
        let member = "[service.b]\nkind = 'oneshot'\npart-of = ['a']";
        kind_of(&format!("[service.a]\nkind = 'bundle'\n{more}\n{member}"))
    };
    assert_eq!(when(""), Kind::Bundle(ReadyWhen::All));
    assert_eq!(when("ready-when = 'all'"), Kind::Bundle(ReadyWhen::All));
    assert_eq!(when("ready-when = 'any'"), Kind::Bundle(ReadyWhen::AtLeast(1)));
    assert_eq!(when("ready-when = 1"), Kind::Bundle(ReadyWhen::AtLeast(1)));
}

#[test]
fn every_action_resource_and_signal_is_known() {
    let all = "[service.b]\nkind = 'oneshot'\noutputs.x = 'ip'\n\
               [service.a]\nkind = 'file'\npath = '/x'\ntext = '${b.x}'\non-change = ";
    for (word, action) in
        [("restart", OnChange::Restart), ("render", OnChange::Render), ("ignore", OnChange::Ignore)]
    {
        let db = Tree::of(&format!("{all}'{word}'")).database(&[]);
        assert_eq!(service(&db, "a").edges[0].on_change, action);
    }
    let resources = [
        ("as", Resource::As),
        ("core", Resource::Core),
        ("cpu", Resource::Cpu),
        ("data", Resource::Data),
        ("fsize", Resource::Fsize),
        ("memlock", Resource::Memlock),
        ("nofile", Resource::Nofile),
        ("nproc", Resource::Nproc),
        ("stack", Resource::Stack),
    ];
    let limits: Vec<String> = resources.iter().map(|(name, _)| format!("{name} = 5")).collect();
    let tree = format!("[service.a]\nkind = 'oneshot'\nlimits = {{ {} }}", limits.join(", "));
    let db = Tree::of(&tree).database(&[]);
    let expected: Vec<Limit> = resources
        .iter()
        .map(|(_, resource)| Limit { resource: *resource, soft: Some(5), hard: Some(5) })
        .collect();
    assert_eq!(service(&db, "a").exec.limits, expected);
    for signal in Signal::ALL {
        let name = signal.name().to_lowercase();
        let more = format!("down-signal = '{name}'\nneeds = ['b']\non-change = 'signal {name}'");
        let tree = format!(
            "[service.a]\nkind = 'longrun'\nrun = ['x']\n{more}\n[service.b]\nkind = 'oneshot'"
        );
        let service = service(&Tree::of(&tree).database(&[]), "a");
        assert_eq!(service.edges[0].on_change, OnChange::Signal(*signal));
        assert!(matches!(service.kind, Kind::Longrun(l) if l.policy.stop.signal == *signal));
    }
}

#[test]
fn without_a_system_table_the_defaults_hold() {
    let db = Tree::of("[service.default]\nkind = 'bundle'").database(&[]);
    let expected = System { target: Some(id(&db, "default")), ..System::default() };
    assert_eq!(db.system().unwrap(), expected);
    let db = Tree::of("[service.a]\nkind = 'bundle'").database(&[]);
    assert_eq!(db.system().unwrap(), System::default());
}

#[test]
fn the_board_is_substituted_everywhere_and_is_only_data() {
    let tree = Tree::of(
        r#"
[board]
wan = "eth0"
vlan = 7
debug = false
odd = "${a.b} {% x %} {{board.wan}}"

[service."link-eth0"]
kind = "oneshot"
outputs.ifname = { type = "ifname", value = "{{board.wan}}" }

[service.default]
kind = "longrun"
run = ["{{board.wan}}.{{ board.vlan }}", "${link-{{board.wan}}.ifname}", "{{board.odd}}"]
needs = ["link-{{board.wan}}"]
user = "{{board.wan}}"
env.DEBUG = "{{board.debug}}"
timeout-down = "{{board.vlan}}s"

[service.file]
kind = "file"
path = "/run/{{board.wan}}"
text = "{{board.odd}} {{other}}"
"#,
    );
    let db = tree.database(&[]);
    let default = service(&db, "default");
    let Kind::Longrun(longrun) = &default.kind else { panic!("{default:?}") };
    let odd = "${a.b} {% x %} {{board.wan}}";
    let expected = vec![literal("eth0.7"), vec![value(0)], literal(odd)];
    assert_eq!(longrun.run.argv, expected);
    assert_eq!(longrun.policy.stop.grace, Millis::from_secs(7));
    assert_eq!(default.exec.user.as_deref(), Some("eth0"));
    assert_eq!(default.exec.env, [("DEBUG".to_owned(), literal("false"))]);
    assert_eq!(default.reads, [Read { service: id(&db, "link-eth0"), output: 0 }]);
    let text = literal(&format!("{odd} {{{{other}}}}"));
    let file = File { path: "/run/eth0".into(), mode: 0o644, text };
    assert_eq!(service(&db, "file").kind, Kind::File(file));
}
