//! `svc outputs`: the values that a service publishes, from the files that any script may read.

use super::{Connection, args::Args, json::Json, query};
use crate::{
    exit::{self, Failure},
    file,
};
use rc::{
    outputs::MAX_VALUE,
    proto::{Reply, What},
};
use rustix::io::Errno;
use std::fmt::Write as _;
use std::path::Path;
use supervisor::cut;

/// How often a generation that vanishes while it is read is looked for again.
const ATTEMPTS: usize = 10;

/// Keys in their order, and values; `None` for a secret that was not asked for by its key.
type Values = Vec<(String, Option<String>)>;

/// What stands for a secret.
const SECRET: &str = "(secret)";

/// `svc outputs`
pub fn outputs(args: &Args) -> Result<i32, Failure> {
    let (name, key) = (&args.names[0], args.names.get(1));
    let mut connection = Connection::open()?;
    // Following begins before reading: what changes in between is read twice, not missed.
    let mut events = Connection::open()?;
    if args.follow {
        events = query::follow(0)?;
    }
    query::one(&mut connection, name)?;
    let directory = query::info(&mut connection)?.outputs_dir;
    let directory = Path::new(&directory);
    let mut values = read(directory, name, key)?;
    let missing = key.filter(|_| values.is_empty());
    match missing {
        None => exit::say(&show(&values, key, args.json)),
        Some(_) if args.follow => {}
        Some(key) => {
            let text =
                format_args!("{name} does not publish {key} now; svc why {name} may tell more");
            return Err(Failure::new(exit::FAILED, text));
        }
    }
    if !args.follow {
        return Ok(exit::OK);
    }
    loop {
        let reply = match events.next(None) {
            // Another program goes on; what changed meanwhile is seen by reading.
            Err(error) if error.is_end() => {
                events = query::follow(0)?;
                Reply::Lost(0)
            }
            reply => reply?,
        };
        let concerns = match reply {
            Reply::Event(event) => event.service == *name && matches!(event.what, What::Outputs(_)),
            // Whatever was lost may have been about this.
            Reply::Lost(_) => true,
            other => return Err(query::unexpected(other)),
        };
        if !concerns {
            continue;
        }
        let fresh = read(directory, name, key)?;
        if fresh != values && !exit::can_say(&show(&fresh, key, args.json)) {
            return Ok(exit::OK);
        }
        values = fresh;
    }
}

/// One generation, or one value of it. The link names it; if it is replaced meanwhile, the next one is read
/// instead.
fn read(outputs: &Path, name: &str, wanted: Option<&String>) -> Result<Values, Failure> {
    let mut last = None;
    for _ in 0..ATTEMPTS {
        match read_once(outputs, name, wanted) {
            Ok(values) => return Ok(values),
            Err(error) => last = Some(error),
        }
    }
    let error = last.map_or_else(String::new, |error| error.to_string());
    let text = format_args!("cannot read {}/{name}: {error}", outputs.display());
    Err(Failure::new(exit::SYSTEM, text))
}

fn read_once(outputs: &Path, name: &str, wanted: Option<&String>) -> Result<Values, Errno> {
    let generation = match supervisor::file::read_link(&outputs.join(name)) {
        // Beside the link, whose name stands in for the generation's.
        Ok(generation) => outputs.join(generation),
        // It publishes nothing.
        Err(Errno::NOENT) => return Ok(Values::new()),
        Err(error) => return Err(error),
    };
    let mut values = Values::new();
    for key in file::names(&generation)? {
        let path = generation.join(&key);
        let asked = wanted == Some(&key);
        if wanted.is_some() && !asked {
            continue;
        }
        // jamb keeps secrets, and nothing else, from others than root.
        let is_secret = supervisor::file::stat(&path)?.st_mode & 0o077 == 0;
        let value = if is_secret && !asked { None } else { Some(value(&path)?) };
        values.push((key, value));
    }
    Ok(values)
}

fn value(path: &Path) -> Result<String, Errno> {
    let text = file::read(path, MAX_VALUE + 1)?;
    let text = String::from_utf8_lossy(&text);
    Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
}

/// With a key the bare value; otherwise `KEY=VALUE`, a list with one such line for each element, just
/// as the `output` applet takes it.
fn show(values: &Values, key: Option<&String>, json: bool) -> String {
    if json {
        let fields = |json: &mut Json| {
            for (name, value) in values {
                json.key(name).text_or_null(value.as_deref());
            }
        };
        return Json::text(|json| json.object(fields)) + "\n";
    }
    let mut text = String::new();
    for (name, value) in values {
        let value = value.as_deref().unwrap_or(SECRET);
        if key.is_some() {
            text.push_str(value);
            text.push('\n');
            continue;
        }
        for line in cut::parts(value, b'\n') {
            writeln!(text, "{name}={line}").ok();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_shown_as_they_are_published() {
        let some = |text: &str| Some(text.to_owned());
        let values = |chosen: &[&str]| -> Values {
            let all = [("a", some("1")), ("list", some("x\ny")), ("password", None)];
            let chosen = all.into_iter().filter(|(key, _)| chosen.contains(key));
            chosen.map(|(key, value)| (key.to_owned(), value)).collect()
        };
        let all = values(&["a", "list", "password"]);
        assert_eq!(show(&all, None, false), "a=1\nlist=x\nlist=y\npassword=(secret)\n");
        assert_eq!(show(&values(&["list"]), Some(&"list".into()), false), "x\ny\n");
        let json = "{\"a\":\"1\",\"list\":\"x\\ny\",\"password\":null}\n";
        assert_eq!(show(&all, None, true), json);
        assert_eq!(show(&values(&["a"]), Some(&"a".into()), true), "{\"a\":\"1\"}\n");
    }
}
