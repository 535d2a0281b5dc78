//! Thousands of processes are killed while others start, stop and restart their services; afterwards
//! everything is as it should be. Over the control socket itself, since it is about the manager.

use crate::world::{self, Def, World};
use rc::{
    Backoff, Millis,
    proto::{self, Reply, Request, Verb},
};
use std::{
    fs,
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::Path,
};
use supervisor::signal::Signal;

const SERVICES: usize = 40;
/// Kills; `JAMB_KILLS` says how many others, as `make test` does.
const KILLS: usize = 1000;

/// One client.
struct Client(UnixStream);

impl Client {
    fn connect(run: &Path) -> Self {
        Self(UnixStream::connect(run.join("control")).unwrap())
    }

    fn ask(&mut self, mut request: Request) -> Reply {
        self.0.write_all(&proto::encode(&mut request).unwrap()).unwrap();
        let mut word = [0; 4];
        self.0.read_exact(&mut word).unwrap();
        let mut frame = vec![0; proto::frame_length(&word).unwrap().unwrap()];
        self.0.read_exact(&mut frame).unwrap();
        proto::decode(&frame).unwrap()
    }
}

/// Numbers that look random and are always the same: xorshift64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}

/// nitro's and runit's users: kills under starts and stops, and nothing is lost or doubled.
#[test]
fn kills_under_starts_and_stops() {
    let kills = std::env::var("JAMB_KILLS").map_or(KILLS, |number| number.parse().unwrap());
    let names: Vec<&'static str> =
        (0..SERVICES).map(|n| -> &'static str { format!("s{n:02}").leak() }).collect();
    let service = |at: usize| -> Def {
        let def = world::longrun(names[at], &["/bin/sleep", "1000"]);
        let def = def.policy(|p| p.backoff = Backoff { min: Millis(10), max: Millis(10) });
        // Short chains, so that some go because others do.
        if at.is_multiple_of(4) { def } else { def.needs(names[at - 1]) }
    };
    let world = World::start((0..SERVICES).map(service).collect());
    world.ready("default");
    let (mut client, mut dice) = (Client::connect(&world.run()), Dice(0x5eed));
    let mut killed = 0;
    while killed < kills {
        let name = names[dice.below(SERVICES)].to_owned();
        // What has no process just now is refused.
        let done = client.ask(Request::Signal { name, signal: Signal::Kill });
        killed += usize::from(done == Reply::Done);
        if dice.below(20) == 0 {
            let verb = [Verb::Start, Verb::Stop, Verb::Restart, Verb::Start][dice.below(4)];
            let names = vec![names[dice.below(SERVICES)].to_owned()];
            // It is not waited for: the next kill hits whatever it is in the middle of.
            let reply = client.ask(Request::Change { verb, names });
            assert!(matches!(reply, Reply::Tickets(_)), "{reply:?}");
        }
    }
    let mut start = vec!["start", "-t", world::LIMIT];
    start.extend(&names);
    world.svc(&start);
    world.ready("default");
    let mut expected: Vec<i64> = names.iter().map(|name| world.pid(name)).collect();
    expected.sort_unstable();
    let version: serde_json::Value =
        serde_json::from_str(&world.ok(&["version", "--json"])).unwrap();
    assert_eq!(version["bugs"], 0);
    let collector = version["collector_pid"].as_i64().unwrap();
    let mut children = children_of(world.child.id());
    children.retain(|pid| *pid != collector);
    assert_eq!(children, expected, "one live process of each service, and no zombie");
    assert!(world.end().success());
}

/// The children of a process, zombies included, by number.
fn children_of(pid: u32) -> Vec<i64> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let mut pids: Vec<i64> = text.split_whitespace().map(|word| word.parse().unwrap()).collect();
    pids.sort_unstable();
    pids
}
