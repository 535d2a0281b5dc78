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
use rc::proto::{Change, Difference, Info, Reply, Request, Switching};
use rustix::{
    fs::{Mode, OFlags, fsync},
    io::Errno,
};
use std::{
    path::Path,
    time::{Duration, Instant},
};
use supervisor::file::{open, rename, split, unlink_if_there};

/// How often it is asked whether the database is in use, where nobody can wait to be told.
const STEP: Duration = Duration::from_millis(100);

/// `svc plan`
pub fn plan(args: &Args) -> Result<i32, Failure> {
    let path = path_of(args)?;
    let mut connection = Connection::open()?;
    let changes = changes(&mut connection, &path)?;
    if args.json {
        let list = |json: &mut Json| changes.iter().for_each(|change| change_json(json, change));
        exit::say(&(Json::text(|json| json.object(|json| json.key("changes").array(list))) + "\n"));
        return Ok(exit::OK);
    }
    let way = way_in(&mut connection)?;
    for change in &changes {
        let what = word(change.what);
        let note = match way.as_deref() {
            Some(way) if way == change.name => "  (this session comes through it)",
            _ if change.up || change.what == Difference::New => "",
            _ => "  (it is down)",
        };
        exit::tell(format_args!("{what:<9} {}{note}\n", change.name));
    }
    if changes.is_empty() {
        exit::say("no service changes\n");
    }
    Ok(exit::OK)
}

/// `svc switch`
pub fn switch(args: &Args) -> Result<i32, Failure> {
    let path = path_of(args)?;
    let mut connection = Connection::open()?;
    let before = info(&mut connection)?;
    let bytes = read(&path)?;
    let id = content_id(&path)?;
    if id == before.database {
        exit::say("it is in use already\n");
        return match args.confirm {
            None => keep(&before, args.temporary),
            Some(_) => Ok(exit::OK),
        };
    }
    if let Some(state) = state(&before) {
        // Before anything is written: the file may be what is to be confirmed.
        let text = format_args!("{state}; nothing was done");
        return Err(Failure::new(exit::FAILED, text));
    }
    let changes = changes(&mut connection, &path)?;
    if let (Some(way), None) = (way_in(&mut connection)?, args.confirm)
        && changes.iter().any(|change| change.name == way)
    {
        let text = format_args!(
            "this session comes through {way}, which stops for it; nothing was done. With --confirm \
             TIME it goes back unless you come in again and say svc confirm"
        );
        return Err(Failure::new(exit::FAILED, text));
    }
    let staged = staged(&before);
    let used = if args.temporary {
        path
    } else {
        write(&staged, &bytes).map_err(|errno| {
            let errno = reason(errno.raw_os_error());
            let text = format_args!(
                "cannot write {staged}: {errno}; nothing was done. --temporary switches until the next \
                 boot"
            );
            Failure::new(exit::SYSTEM, text)
        })?;
        staged
    };
    let confirm_ms = args.confirm.map(|span| u32::try_from(span.as_millis()).unwrap_or(u32::MAX));
    let request = Request::Switch { path: used, confirm_ms };
    let now = follow(connection, request, args.timeout)?;
    if now.database != id {
        let text = format_args!("jamb went back to the database before; svc log jamb says why");
        return Err(Failure::new(exit::FAILED, text));
    }
    match args.confirm {
        None => keep(&now, args.temporary),
        Some(_) => {
            exit::say(&(state(&now).unwrap_or_default() + "\n"));
            Ok(exit::OK)
        }
    }
}

/// `svc confirm`
pub fn confirm(_: &Args) -> Result<i32, Failure> {
    keep(&info(&mut Connection::open()?)?, false)
}

/// `svc rollback`
pub fn rollback(args: &Args) -> Result<i32, Failure> {
    let mut connection = Connection::open()?;
    let before = info(&mut connection)?;
    let now = follow(connection, Request::Rollback, args.timeout)?;
    if now.database == before.database {
        let text = format_args!("the same database is in use as before; svc log jamb says why");
        return Err(Failure::new(exit::FAILED, text));
    }
    // If it stays, it is in nobody's way.
    unlink_if_there(Path::new(&staged(&before))).ok();
    exit::say("the database before is in use again\n");
    Ok(exit::OK)
}

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
fn keep(info: &Info, is_temporary: bool) -> Result<i32, Failure> {
    match Connection::open()?.ask(Request::Confirm)? {
        Reply::Done => {}
        other => return Err(unexpected(other)),
    }
    let (path, staged) = (&info.database_path, staged(info));
    let is_it = |path: &str| content_id(path).is_ok_and(|id| id == info.database);
    if is_temporary {
        exit::say("in use until the next boot\n");
    } else if is_it(path) {
        exit::tell(format_args!("in use, and in {path}\n"));
    } else if is_it(&staged) {
        put_in_place(&staged, path).map_err(|errno| {
            let errno = reason(errno.raw_os_error());
            let text = format_args!(
                "in use, but not in {path}: {errno}. The next boot has the one before; svc confirm tries \
                 again"
            );
            Failure::new(exit::SYSTEM, text)
        })?;
        exit::tell(format_args!("in use, and from now on in {path}\n"));
    } else {
        exit::tell(format_args!("in use until the next boot, which has what is in {path}\n"));
    }
    Ok(exit::OK)
}

/// Asks for another database, and waits until it is in use; answers who goes on.
fn follow(
    mut connection: Connection,
    request: Request,
    timeout: Option<Duration>,
) -> Result<Info, Failure> {
    let until = timeout.map(|span| Instant::now() + span);
    let late = || {
        let text = format_args!("what changes is not down yet; it goes on, svc status shows how");
        Failure::new(exit::TIMED_OUT, text)
    };
    match connection.ask_within(request, timeout) {
        Err(error) if error.is_end() => {}
        Err(Error::TimedOut) => return Err(late()),
        Err(error) => return Err(error.into()),
        Ok(reply) => return Err(unexpected(reply)),
    }
    loop {
        // It may have been followed by itself for another reason.
        let info = info(&mut Connection::open()?)?;
        if info.switching != Some(Switching::Coming) {
            return Ok(info);
        }
        if until.is_some_and(|until| until <= Instant::now()) {
            return Err(late());
        }
        std::thread::sleep(STEP);
    }
}

fn changes(connection: &mut Connection, path: &str) -> Result<Vec<Change>, Failure> {
    let mut all = Vec::new();
    let mut from = 0;
    loop {
        match connection.ask(Request::Plan { path: path.to_owned(), from })? {
            Reply::Plan { changes, next } => {
                all.extend(changes);
                match next {
                    Some(next) if next > from => from = next,
                    _ => return Ok(all),
                }
            }
            other => return Err(unexpected(other)),
        }
    }
}

/// The service whose process this one descends from.
fn way_in(connection: &mut Connection) -> Result<Option<String>, Failure> {
    let services = all(connection)?;
    let mut pid = i32::try_from(std::process::id()).unwrap_or(0);
    while pid > 1 {
        let of =
            services.iter().find(|one| one.pid.is_some_and(|its| i64::from(its) == pid.into()));
        if let Some(service) = of {
            return Ok(Some(service.name.clone()));
        }
        pid = manager::parent(pid).unwrap_or(0);
    }
    Ok(None)
}

/// The file that the command names, as PID 1 finds it, too.
fn path_of(args: &Args) -> Result<String, Failure> {
    let name = args.names.first().map(String::as_str).unwrap_or_default();
    absolute(name).map_err(|problem| Failure::new(exit::SYSTEM, format_args!("{problem}")))
}

fn staged(info: &Info) -> String {
    format!("{}.next", info.database_path)
}

fn read(path: &str) -> Result<Vec<u8>, Failure> {
    file::read(Path::new(path), rc::db::MAX_LENGTH + 1).map_err(|errno| {
        let errno = reason(errno.raw_os_error());
        Failure::new(exit::FAILED, format_args!("cannot read {path}: {errno}"))
    })
}

/// What names the set of services in a file; a database that cannot be used has none.
fn content_id(path: &str) -> Result<[u8; 16], Failure> {
    let (database, ..) = load(Path::new(path))
        .map_err(|problem| Failure::new(exit::FAILED, format_args!("{problem}")))?;
    Ok(database.content_id())
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

const fn word(what: Difference) -> &'static str {
    match what {
        Difference::New => "new",
        Difference::Changed => "changed",
        Difference::Gone => "gone",
        Difference::Restarts => "restarts",
    }
}

fn change_json(json: &mut Json, change: &Change) {
    json.object(|json| {
        json.named("name", &change.name);
        json.named("what", word(change.what));
        json.flag("up", change.up);
    });
}
