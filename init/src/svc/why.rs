//! `svc why`: from a service that is not ready along what it waits for, to what is the matter.

use super::{Connection, Failure, args::Args, logs, query, show};
use crate::exit;
use rc::{engine::Phase, engine::Want, proto::Item};

/// Log lines shown for a service that failed.
const LINES: usize = 5;

/// `svc why`
pub fn why(args: &Args) -> Result<i32, Failure> {
    let mut connection = Connection::open()?;
    for name in &args.names {
        query::one(&mut connection, name)?;
    }
    let directory = query::info(&mut connection)?.log_dir;
    let items = query::all(&mut connection)?;
    let tail = |name: &str| logs::tail(directory.as_ref(), name, LINES);
    for name in &args.names {
        let mut chain = Chain { items: &items, tail: &tail, told: Vec::new(), text: String::new() };
        chain.tell(name, 0);
        exit::say(&chain.text);
    }
    Ok(exit::OK)
}

struct Chain<'a> {
    items: &'a [Item],
    tail: &'a dyn Fn(&str) -> Vec<String>,
    told: Vec<String>,
    text: String,
}

impl Chain<'_> {
    /// One service, then what it waits for, deeper. A service is told once.
    fn tell(&mut self, blocker: &str, depth: usize) {
        let (name, key) = match blocker.split_once('.') {
            Some((name, key)) => (name, Some(key)),
            None => (blocker, None),
        };
        let Some(item) = self.items.iter().find(|item| item.name == name) else { return };
        let again = self.told.iter().any(|told| told == name);
        let missing = key.map_or(String::new(), |key| format!(" does not publish {key};"));
        let reason = if again { "see above".to_owned() } else { reason(item) };
        self.line(depth, &format!("{name}{missing} {reason}"));
        if again {
            return;
        }
        self.told.push(name.to_owned());
        if matches!(item.phase, Phase::Backoff | Phase::Failed) {
            for line in (self.tail)(name) {
                self.line(depth + 1, &format!("| {line}"));
            }
        }
        for next in &item.waiting_on {
            self.tell(next, depth + 1);
        }
    }

    fn line(&mut self, depth: usize, text: &str) {
        self.text.push_str(&"  ".repeat(depth));
        self.text.push_str(text);
        self.text.push('\n');
    }
}

/// The state and its reason in a sentence.
fn reason(item: &Item) -> String {
    let since = show::span(item.since_ms);
    let detail = show::detail(item);
    match item.phase {
        Phase::Ready => format!("is ready, for {since}"),
        Phase::Starting => match item.pid {
            Some(pid) => format!("is starting for {since}: pid {pid} runs but is not ready yet"),
            None => format!("is starting for {since}"),
        },
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
mod tests {
    use super::*;
    use rc::proto::Kind;
    use supervisor::exit::Exit;

    fn item(name: &str, phase: Phase, waiting_on: &[&str]) -> Item {
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
        }
    }

    #[test]
    fn the_chain_ends_at_the_cause() {
        let all = [
            item("default", Phase::Waiting, &["route", "dns"]),
            item("dns", Phase::Waiting, &["wan"]),
            item("route", Phase::Waiting, &["wan.router"]),
            item("wan", Phase::Backoff, &[]),
        ];
        let tail = |_: &str| vec!["udhcpc: no lease".to_owned()];
        let mut chain = Chain { items: &all, tail: &tail, told: vec![], text: String::new() };
        chain.tell("default", 0);
        let want = "\
default is waiting for 4s: for route dns
  route is waiting for 4s: for wan.router
    wan does not publish router; is backoff for 4s: exit 1; again in 2s
      | udhcpc: no lease
  dns is waiting for 4s: for wan
    wan see above
";
        assert_eq!(chain.text, want);
    }
}
