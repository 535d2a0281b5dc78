//! `svc why`: from a service that is not ready along what it waits for, to what is the matter.

use super::{Connection, args::Args, json::Json, logs, query, show};
use crate::exit::{self, Failure};
use rc::{
    engine::{Phase, Want},
    proto::{CONFLICT, Item},
};
use supervisor::cut;

/// Log lines shown for a service that failed.
const LINES: usize = 3;

/// `svc why`
pub fn why(args: &Args) -> Result<i32, Failure> {
    let mut connection = Connection::open()?;
    for name in &args.names {
        query::one(&mut connection, name)?;
    }
    let directory = query::info(&mut connection)?.log_dir;
    let items = query::all(&mut connection)?;
    let tail = |name: &str| logs::tail(directory.as_ref(), name, LINES);
    let mut all = Vec::new();
    for name in &args.names {
        let mut chain = Chain { items: &items, tail: &tail, told: Vec::new(), causes: Vec::new() };
        chain.tell(name, 0);
        all.append(&mut chain.causes);
    }
    exit::say(&if args.json { as_json(&all) } else { as_text(&all) });
    Ok(exit::OK)
}

/// One link of the chain.
struct Cause<'a> {
    depth: usize,
    item: &'a Item,
    text: String,
    /// What else there is to know, then lines of its log.
    facts: Vec<String>,
    log: Vec<String>,
}

struct Chain<'a> {
    items: &'a [Item],
    tail: &'a dyn Fn(&str) -> Vec<String>,
    told: Vec<&'a str>,
    causes: Vec<Cause<'a>>,
}

impl<'a> Chain<'a> {
    /// One service, then what it waits for, deeper. A service is told once.
    fn tell(&mut self, blocker: &str, depth: usize) {
        let (bare, conflicts) = match blocker.strip_suffix(CONFLICT) {
            Some(bare) => (bare, true),
            None => (blocker, false),
        };
        let (name, key) = match cut::first(bare, b'.') {
            Some((name, key)) => (name, Some(key)),
            None => (bare, None),
        };
        // What is no service is a condition, which was told with the service that has it.
        let Some(item) = self.items.iter().find(|item| item.name == name) else { return };
        let again = self.told.contains(&name);
        let missing = key.map_or(String::new(), |key| format!(" does not publish {key};"));
        let reason = if again { "see above".to_owned() } else { reason(item) };
        let conflict = if conflicts { "; both cannot be up, and it was first" } else { "" };
        let text = format!("{name}{missing} {reason}{conflict}");
        let mut cause = Cause { depth, item, text, facts: Vec::new(), log: Vec::new() };
        if again {
            return self.causes.push(cause);
        }
        self.told.push(&item.name);
        cause.facts = facts(item);
        if matches!(item.phase, Phase::Backoff | Phase::Failed) || item.health_failures > 0 {
            cause.log = (self.tail)(name);
        }
        self.causes.push(cause);
        if !conflicts {
            for next in &item.waiting_on {
                self.tell(next, depth + 1);
            }
        }
    }
}

/// What is told beneath a service, one a line.
fn facts(item: &Item) -> Vec<String> {
    let mut facts = Vec::new();
    for condition in item.conditions.iter().filter(|one| !one.holds) {
        facts.push(format!("{}: now {}", condition.text, condition.now));
    }
    if item.health_failures > 0 {
        facts.push(format!("its health check failed {} times in a row", item.health_failures));
    }
    if let Some(selected) = &item.selected {
        facts.push(format!("it uses {selected}"));
    }
    if !item.status.is_empty() {
        facts.push(format!("it says: {}", item.status));
    }
    facts.extend(item.notes.iter().cloned());
    facts
}

fn as_text(causes: &[Cause<'_>]) -> String {
    let mut text = String::new();
    for cause in causes {
        let mut line = |depth: usize, mark: &str, line: &str| {
            text.push_str(&"  ".repeat(depth));
            text.push_str(mark);
            text.push_str(line);
            text.push('\n');
        };
        line(cause.depth, "", &cause.text);
        cause.facts.iter().for_each(|fact| line(cause.depth + 1, "- ", fact));
        cause.log.iter().for_each(|one| line(cause.depth + 1, "| ", one));
    }
    text
}

fn as_json(causes: &[Cause<'_>]) -> String {
    let one = |json: &mut Json, cause: &Cause<'_>| {
        json.object(|json| {
            json.count("depth", cause.depth as u64);
            json.named("text", &cause.text);
            json.key("facts").array(|json| cause.facts.iter().for_each(|one| json.string(one)));
            json.key("log").array(|json| cause.log.iter().for_each(|one| json.string(one)));
            show::item_json(json.key("service"), cause.item);
        });
    };
    let list = |json: &mut Json| causes.iter().for_each(|cause| one(json, cause));
    Json::text(|json| json.object(|json| json.key("causes").array(list))) + "\n"
}

/// The state and its reason in a sentence.
fn reason(item: &Item) -> String {
    let since = show::Span(item.since_ms);
    let detail = show::detail(item);
    match item.phase {
        Phase::Ready if item.pinned == Some(Want::Up) => {
            format!("is ready, for {since}: it is held up; svc release {}", item.name)
        }
        Phase::Ready => format!("is ready, for {since}"),
        Phase::Starting => match item.pid {
            Some(pid) => format!("is starting for {since}: pid {pid} runs but is not ready yet"),
            None => format!("is starting for {since}"),
        },
        Phase::Down if item.pinned == Some(Want::Down) => {
            format!("is down for {since}: it is held down; svc release {}", item.name)
        }
        Phase::Down if item.stopped_by_command => {
            format!("is down for {since}: it was stopped by command; svc start {}", item.name)
        }
        Phase::Down if item.want == Want::Down => {
            format!("is down: nothing that is up wants it; svc start {}", item.name)
        }
        Phase::Waiting if item.waiting_on.is_empty() => format!("is waiting for {since}"),
        phase if detail.is_empty() => format!("is {} for {since}", phase.name()),
        phase => format!("is {} for {since}: {detail}", phase.name()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use rc::proto::{Condition, Kind};
    use supervisor::exit::Exit;

    pub fn item(name: &str, phase: Phase, waiting_on: &[&str]) -> Item {
        Item {
            name: name.into(),
            kind: Kind::Longrun,
            want: Want::Up,
            stopped_by_command: false,
            phase,
            pid: None,
            role: None,
            generation: 1,
            since_ms: 4000,
            failures: 1,
            waiting_on: waiting_on.iter().map(|&name| name.to_owned()).collect(),
            last_exit: Some(Exit::Code(1)),
            retry_ms: Some(2000),
            why: None,
            dormant: false,
            pinned: None,
            reloading: false,
            status: String::new(),
            conditions: Vec::new(),
            selected: None,
            health_failures: 0,
            notes: Vec::new(),
        }
    }

    fn told(items: &[Item], name: &str) -> String {
        let tail = |_: &str| vec!["udhcpc: no lease".to_owned()];
        let mut chain = Chain { items, tail: &tail, told: vec![], causes: vec![] };
        chain.tell(name, 0);
        as_text(&chain.causes)
    }

    #[test]
    fn the_chain_ends_at_the_cause() {
        let all = [
            item("default", Phase::Waiting, &["route", "dns"]),
            item("dns", Phase::Waiting, &["wan"]),
            item("route", Phase::Waiting, &["wan.router"]),
            item("wan", Phase::Backoff, &[]),
        ];
        let want = "\
default is waiting for 4s: for route dns
  route is waiting for 4s: for wan.router
    wan does not publish router; is backoff for 4s: exit 1; again in 2s
      | udhcpc: no lease
  dns is waiting for 4s: for wan
    wan see above
";
        assert_eq!(told(&all, "default"), want);
    }

    #[test]
    fn conditions_conflicts_pins_and_health_are_told() {
        let mut ap = item("ap", Phase::Waiting, &["link wlan0 is running"]);
        ap.conditions = vec![
            Condition {
                text: "link wlan0 is running".into(),
                holds: false,
                now: "present up operstate=down".into(),
            },
            Condition { text: "path /dev/x".into(), holds: true, now: "there".into() },
        ];
        let mut other = item("other", Phase::Ready, &[]);
        other.pinned = Some(Want::Up);
        other.health_failures = 2;
        other.status = "busy".into();
        let all = [ap, item("default", Phase::Waiting, &["ap", "x"]), other, {
            item("x", Phase::Waiting, &[&format!("other{CONFLICT}")])
        }];
        let want = "\
default is waiting for 4s: for ap x
  ap is waiting for 4s: for link wlan0 is running
    - link wlan0 is running: now present up operstate=down
  x is waiting for 4s: for other (conflict)
    other is ready, for 4s: it is held up; svc release other; both cannot be up, and it was first
      - its health check failed 2 times in a row
      - it says: busy
      | udhcpc: no lease
";
        assert_eq!(told(&all, "default"), want);
    }
}
