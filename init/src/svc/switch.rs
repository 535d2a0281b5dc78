//! `svc plan`, `svc switch`, `svc confirm` and `svc rollback`: another database while the services run. PID 1 uses
//! what it is told to; what the next boot uses is a file, and that is written here: first beside the one that is
//! there, and renamed once the new database is in use and to stay. So at every moment either of both boots.

use super::{
    Connection,
    args::Args,
    client::Error,
    json::Json,
    query::{all, info, unexpected},
    show::Span,
};
use crate::{
    exit::{self, Failure, reason},
    file, manager,
    supervise::{absolute, load},
};
use core::fmt::Arguments;
use rc::{
    db::Database,
    engine::{Fate, Origin, Phase, fates, origins},
    proto::{Info, Reply, Request, Switching},
};
use rustix::{
    fs::{Mode, OFlags, fsync},
    io::Errno,
};
use std::{
    fmt::Write as _,
    path::Path,
    time::{Duration, Instant},
};
use supervisor::file::{open, rename, split, stat, unlink_if_there};

/// How often it is asked whether the database is in use, where nobody can wait to be told.
const STEP: Duration = Duration::from_millis(100);

/// Something that another database changes.
struct Change<'d> {
    name: &'d str,
    /// `new`, `changed`, `gone`, or `restarts`: it is the same, but needs what is not.
    what: &'static str,
    /// It is up, or on its way.
    up: bool,
    /// This process comes from one of its own.
    is_way: bool,
}

/// `svc plan`
pub fn plan(args: &Args) -> Result<i32, Failure> {
    let mut connection = Connection::open()?;
    let (old, new) = (in_use(&info(&mut connection)?)?, database(&path_of(args)?)?);
    let changes = changes(&mut connection, &old, &new)?;
    let mut text = String::new();
    if args.json {
        let list = |json: &mut Json| changes.iter().for_each(|change| change_json(json, change));
        text = Json::text(|json| json.object(|json| json.key("changes").array(list))) + "\n";
    } else {
        for Change { name, what, up, is_way } in &changes {
            let note = match (is_way, up) {
                (true, _) => "  (this session comes through it)",
                (_, false) if *what != NEW => "  (it is down)",
                _ => "",
            };
            writeln!(text, "{what:<9} {name}{note}").ok();
        }
        if changes.is_empty() {
            text.push_str("no service changes\n");
        }
    }
    exit::say(&text);
    Ok(exit::OK)
}

/// `svc switch`
pub fn switch(args: &Args) -> Result<i32, Failure> {
    let path = path_of(args)?;
    let mut connection = Connection::open()?;
    let before = info(&mut connection)?;
    let new = database(&path)?;
    if new.content_id() == before.database {
        exit::say("it is in use already\n");
        return match args.confirm {
            None => keep(args.temporary),
            Some(_) => Ok(exit::OK),
        };
    }
    if let Some(state) = state(&before) {
        // Before anything is written: the file may be what is to be confirmed.
        return Err(failed(format_args!("{state}; nothing was done")));
    }
    if args.confirm.is_none() {
        let old = in_use(&before)?;
        let changes = changes(&mut connection, &old, &new)?;
        if let Some(Change { name, .. }) = changes.iter().find(|change| change.is_way) {
            return Err(failed(format_args!(
                "this session comes through {name}, which stops for it; nothing was done. With \
                 --confirm TIME it goes back unless you come in again and say svc confirm"
            )));
        }
    }
    let staged = staged(&before);
    if !args.temporary
        && let Err(errno) = write(&staged, new.bytes())
    {
        let errno = reason(errno.raw_os_error());
        return Err(failed(format_args!(
            "cannot write {staged}: {errno}; nothing was done. --temporary switches until the next boot"
        )));
    }
    let confirm_ms = args.confirm.map(|span| u32::try_from(span.as_millis()).unwrap_or(u32::MAX));
    let path = if args.temporary { path } else { staged };
    let now = go_over(connection, &before, Request::Switch { path, confirm_ms }, args.timeout)?;
    match state(&now).filter(|_| args.confirm.is_some()) {
        None => keep(args.temporary),
        Some(state) => {
            exit::tell(format_args!("{state}\n"));
            Ok(exit::OK)
        }
    }
}

/// `svc confirm`
pub fn confirm(_: &Args) -> Result<i32, Failure> {
    keep(false)
}

/// `svc rollback`
pub fn rollback(args: &Args) -> Result<i32, Failure> {
    let mut connection = Connection::open()?;
    let before = info(&mut connection)?;
    go_over(connection, &before, Request::Rollback, args.timeout)?;
    // If it stays, it is in nobody's way.
    unlink_if_there(Path::new(&staged(&before))).ok();
    exit::say("the database before is in use again\n");
    Ok(exit::OK)
}

const NEW: &str = "new";

/// How it stands with the database in use, if it is not just the one of the boot.
pub fn state(info: &Info) -> Option<String> {
    Some(match info.switching? {
        Switching::Coming => "another database is to come; what it changes goes down".to_owned(),
        Switching::Unconfirmed(None) => {
            "the database in use is not confirmed: the next boot has the one before; svc confirm keeps it, \
             svc rollback goes back"
                .to_owned()
        }
        Switching::Unconfirmed(Some(ms)) => format!(
            "the database in use is not confirmed: svc confirm keeps it, or in {} it goes back",
            Span(ms.into())
        ),
    })
}

/// What the database in use is to become for good: it is told to stay, and then the next boot's.
fn keep(is_temporary: bool) -> Result<i32, Failure> {
    let mut connection = Connection::open()?;
    match connection.ask(Request::Confirm)? {
        Reply::Done => {}
        other => return Err(unexpected(other)),
    }
    // Which one that is, is certain only now: until it was told, it could have gone back.
    let info = info(&mut connection)?;
    let (path, staged) = (&info.database_path, staged(&info));
    let is_it = |path: &str| database(path).is_ok_and(|it| it.content_id() == info.database);
    let (is_there, is_staged) = (is_it(path), is_it(&staged));
    if is_temporary {
        exit::say("in use until the next boot\n");
    } else if is_there {
        if !is_staged && stat(Path::new(&staged)).is_ok() {
            return Err(failed(format_args!("{staged} is not in use: it went back")));
        }
        unlink_if_there(Path::new(&staged)).ok();
        exit::tell(format_args!("in use, and in {path}\n"));
    } else if is_staged {
        if let Err(errno) = put_in_place(&staged, path) {
            let errno = reason(errno.raw_os_error());
            return Err(failed(format_args!(
                "in use, but not in {path}: {errno}. The next boot has the one before; svc confirm \
                 tries again"
            )));
        }
        exit::tell(format_args!("in use, and from now on in {path}\n"));
    } else {
        exit::tell(format_args!("in use until the next boot, which has what is in {path}\n"));
    }
    Ok(exit::OK)
}

/// Asks for another database, and waits until it is in use; answers who goes on.
fn go_over(
    mut connection: Connection,
    before: &Info,
    request: Request,
    timeout: Option<Duration>,
) -> Result<Info, Failure> {
    let until = timeout.map(|span| Instant::now() + span);
    let mut is_late = match connection.ask_within(request, timeout) {
        Err(error) if error.is_end() => false,
        Err(Error::TimedOut) => true,
        Err(error) => return Err(error.into()),
        Ok(reply) => return Err(unexpected(reply)),
    };
    loop {
        let now = info(&mut Connection::open()?)?;
        if now.switching != Some(Switching::Coming) {
            return match now.database == before.database {
                true => Err(failed(format_args!(
                    "the same database is in use as before; svc log jamb says why"
                ))),
                false => Ok(now),
            };
        }
        if is_late {
            let text =
                format_args!("what changes is not down yet; it goes on, svc status shows how");
            return Err(Failure::new(exit::TIMED_OUT, text));
        }
        // It may have been followed by itself for another reason.
        std::thread::sleep(STEP);
        is_late = until.is_some_and(|until| until <= Instant::now());
    }
}

/// What another database than the one in use means for those that do not just go on: first those that are there,
/// then those that are new.
fn changes<'d>(
    connection: &mut Connection,
    old: &'d Database,
    new: &'d Database,
) -> Result<Vec<Change<'d>>, Failure> {
    let items = all(connection)?;
    let ancestors = ancestors();
    let origins = origins(old, new);
    let mut changes = Vec::new();
    for (id, fate) in old.ids().zip(fates(old, &origins)) {
        let name = old.name(id);
        let item = items.iter().find(|item| item.name == name);
        let phase = item.map_or(Phase::Down, |item| item.phase);
        let up = !matches!(phase, Phase::Down | Phase::Failed);
        let what = match fate {
            Fate::Changed => "changed",
            Fate::Gone => "gone",
            // What waits does not come down, and a group has nothing that could.
            Fate::Restarts if up && phase != Phase::Waiting && !old.node(id).is_group() => {
                "restarts"
            }
            _ => continue,
        };
        let is_way = item.and_then(|item| item.pid).is_some_and(|pid| ancestors.contains(&pid));
        changes.push(Change { name, what, up, is_way });
    }
    for (id, origin) in new.ids().zip(&origins) {
        if *origin == Origin::New {
            changes.push(Change { name: new.name(id), what: NEW, up: false, is_way: false });
        }
    }
    Ok(changes)
}

/// The database that jamb has; a rescue has none.
fn in_use(info: &Info) -> Result<Database, Failure> {
    if info.database == Database::empty().content_id() {
        return Ok(Database::empty());
    }
    database(&format!("/proc/{}/fd/{}", info.pid, info.database_fd))
}

/// The processes that this one descends from.
fn ancestors() -> Vec<u32> {
    let mut ancestors = Vec::new();
    let mut pid = std::process::id();
    while pid > 1 {
        ancestors.push(pid);
        let parent = i32::try_from(pid).ok().and_then(manager::parent);
        pid = parent.and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0);
    }
    ancestors
}

/// The file that the command names, as PID 1 finds it, too.
fn path_of(args: &Args) -> Result<String, Failure> {
    let name = args.names.first().map(String::as_str).unwrap_or_default();
    absolute(name).map_err(|problem| failed(format_args!("{problem}")))
}

fn staged(info: &Info) -> String {
    format!("{}.next", info.database_path)
}

/// The database in a file.
fn database(path: &str) -> Result<Database, Failure> {
    match load(Path::new(path)) {
        Ok(loaded) => Ok(loaded.0),
        Err(problem) => Err(failed(format_args!("{problem}"))),
    }
}

fn failed(text: Arguments<'_>) -> Failure {
    Failure::new(exit::FAILED, text)
}

/// Writes a file so that a loss of power cannot take it back.
fn write(path: &str, bytes: &[u8]) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW;
    let fd = open(Path::new(path), flags, Mode::from_raw_mode(0o644))?;
    file::write_at(&fd, bytes, 0)?;
    fsync(&fd)
}

/// Puts a file in the place of another one, so that there is one of them whenever power is lost.
fn put_in_place(from: &str, to: &str) -> Result<(), Errno> {
    rename(Path::new(from), Path::new(to))?;
    let (directory, _) = split(Path::new(to));
    fsync(open(directory, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?)
}

fn change_json(json: &mut Json, change: &Change<'_>) {
    json.object(|json| {
        json.named("name", change.name);
        json.named("what", change.what);
        json.flag("up", change.up);
    });
}
