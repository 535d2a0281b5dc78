//! Whether there is something at a path, kept true by inotify(7): for conditions, and for pid files that
//! are to appear.
//!
//! Every directory on the way to a path is watched as far as it exists, so that one that comes or goes is
//! noticed too; a mount over one of them is told by `/proc/self/mountinfo`, proc_pid_mountinfo(5). After
//! anything that may matter, lost events included, all is looked at anew: there are few paths.

use mio::{Interest, Registry, Token, unix::SourceFd};
use rustix::{
    fd::{AsRawFd, OwnedFd},
    fs::{
        Mode, OFlags,
        inotify::{self, CreateFlags, ReadFlags, WatchFlags},
        open,
    },
    io::Errno,
};
use std::{io, mem::MaybeUninit, path::Path};
use supervisor::{
    cut,
    file::{c_path, lstat},
};

/// Events in one turn.
const EVENT_TURN: usize = 256;
/// Room for events; the longest takes 272 bytes.
const BUFFER: usize = 2048;

/// A path that is watched.
#[derive(PartialEq, Eq, Debug)]
pub struct Watched {
    /// Absolute.
    pub path: String,
    /// Writing to it matters too.
    pub is_read: bool,
    /// There is something.
    pub exists: bool,
}

impl Watched {
    /// One that is not known to be there.
    pub const fn new(path: String, is_read: bool) -> Self {
        Self { path, is_read, exists: false }
    }
}

/// Watches paths.
pub struct Watch {
    inotify: OwnedFd,
    /// Without `/proc`, mounts are not noticed.
    mounts: Option<OwnedFd>,
    /// The numbers of the watches, sorted.
    numbers: Vec<i32>,
}

impl Watch {
    /// How many descriptors it has.
    pub fn descriptors(&self) -> usize {
        1 + usize::from(self.mounts.is_some())
    }

    /// Begins; `mounts` is the token for mounts. Nothing is watched before [`Watch::look`].
    ///
    /// # Errors
    /// As inotify_init(2) has it.
    pub fn open(registry: &Registry, events: Token, mounts: Token) -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        registry.register(&mut SourceFd(&inotify.as_raw_fd()), events, Interest::READABLE)?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let table = open(c"/proc/self/mountinfo", flags, Mode::empty()).ok().filter(|table| {
            let mut source = SourceFd(&table.as_raw_fd());
            registry.register(&mut source, mounts, Interest::PRIORITY).is_ok()
        });
        Ok(Self { inotify, mounts: table, numbers: Vec::new() })
    }

    /// Takes what was told, at most a turn's share; answers whether it may matter to one of `paths`, and
    /// whether there is more.
    pub fn drain(&self, paths: &[Watched]) -> (bool, bool) {
        let mut buffer = [MaybeUninit::uninit(); BUFFER];
        let mut reader = inotify::Reader::new(&self.inotify, &mut buffer);
        let mut matters = false;
        for _ in 0..EVENT_TURN {
            match reader.next() {
                Ok(event) => {
                    let name = event.file_name().map(core::ffi::CStr::to_bytes);
                    // A watch that ended was removed, or its directory is gone, which was told before.
                    matters |= match name {
                        None => event.events() != ReadFlags::IGNORED,
                        Some(name) => paths.iter().any(|one| is_on_the_way(&one.path, name)),
                    };
                }
                Err(Errno::INTR) => {}
                Err(_) => return (matters, false),
            }
        }
        (matters, true)
    }

    /// Watches the way to each path, and then looks what is there, so that nothing is missed in between.
    ///
    /// # Errors
    /// ENOSPC or ENOMEM if there are no watches to be had; what is there is known all the same.
    pub fn look(&mut self, paths: &mut [Watched]) -> Result<(), Errno> {
        let mut numbers = Vec::new();
        let mut result = Ok(());
        // Those that are read last: their watches want more than others of the same directory.
        for is_read in [false, true] {
            for one in paths.iter().filter(|one| one.is_read == is_read) {
                if let Err(error) = self.watch_way(one, &mut numbers) {
                    result = Err(error);
                }
            }
        }
        numbers.sort_unstable();
        numbers.dedup();
        for old in self.numbers.iter().filter(|old| numbers.binary_search(old).is_err()) {
            // One whose directory is gone is gone too.
            inotify::remove_watch(&self.inotify, *old).ok();
        }
        self.numbers = numbers;
        for one in paths {
            one.exists = lstat(Path::new(&one.path)).is_ok();
        }
        result
    }

    fn watch_way(&self, one: &Watched, numbers: &mut Vec<i32>) -> Result<(), Errno> {
        let mut flags = WatchFlags::ONLYDIR
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF;
        if one.is_read {
            flags |= WatchFlags::MODIFY | WatchFlags::MASK_ADD;
        }
        for (at, _) in one.path.match_indices('/') {
            let directory = c_path(Path::new(&one.path[..at.max(1)]));
            match directory.and_then(|path| inotify::add_watch(&self.inotify, &*path, flags)) {
                Ok(number) => numbers.push(number),
                Err(error @ (Errno::NOSPC | Errno::NOMEM)) => return Err(error),
                // Its parent tells when there is something to watch.
                Err(_) => break,
            }
        }
        Ok(())
    }

    /// Closes it for the poll.
    pub fn close(self, registry: &Registry) {
        // They were registered; closing takes them out of the set as well.
        registry.deregister(&mut SourceFd(&self.inotify.as_raw_fd())).ok();
        if let Some(mounts) = &self.mounts {
            registry.deregister(&mut SourceFd(&mounts.as_raw_fd())).ok();
        }
    }
}

/// Whether the name is one of a part of the path.
fn is_on_the_way(path: &str, name: &[u8]) -> bool {
    cut::parts(path, b'/').any(|part| part.as_bytes() == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Events, Poll};
    use std::{fs, path::PathBuf, time::Duration};

    struct World {
        poll: Poll,
        watch: Watch,
        paths: Vec<Watched>,
        dir: PathBuf,
    }

    impl World {
        fn new(name: &str, paths: &[&str]) -> Self {
            let dir =
                std::env::temp_dir().join(format!("jamb-watch-{}-{name}", std::process::id()));
            fs::remove_dir_all(&dir).ok();
            fs::create_dir_all(&dir).unwrap();
            let poll = Poll::new().unwrap();
            let watch = Watch::open(poll.registry(), Token(0), Token(1)).unwrap();
            let path = |path: &&str| Watched::new(format!("{}/{path}", dir.display()), false);
            let paths = paths.iter().map(path).collect();
            let mut world = Self { poll, watch, paths, dir };
            world.watch.look(&mut world.paths).unwrap();
            world
        }

        /// Waits for events until the paths are there, or not, as said.
        fn expect(&mut self, expected: &[bool]) {
            let mut events = Events::with_capacity(4);
            while self.paths.iter().map(|one| one.exists).collect::<Vec<_>>() != expected {
                self.poll.poll(&mut events, Some(Duration::from_secs(20))).unwrap();
                assert!(!events.is_empty(), "no event leads to {expected:?}");
                loop {
                    let (matters, more) = self.watch.drain(&self.paths);
                    if matters {
                        self.watch.look(&mut self.paths).unwrap();
                    }
                    if !more {
                        break;
                    }
                }
            }
        }
    }

    #[test]
    fn paths_come_and_go_with_all_that_leads_to_them() {
        let mut world = World::new("come", &["a/b/c", "a"]);
        world.expect(&[false, false]);
        fs::create_dir_all(world.dir.join("a/b")).unwrap();
        fs::write(world.dir.join("a/b/c"), "").unwrap();
        world.expect(&[true, true]);
        fs::rename(world.dir.join("a"), world.dir.join("z")).unwrap();
        world.expect(&[false, false]);
        fs::rename(world.dir.join("z"), world.dir.join("a")).unwrap();
        world.expect(&[true, true]);
        fs::remove_dir_all(world.dir.join("a")).unwrap();
        world.expect(&[false, false]);
        fs::create_dir(world.dir.join("a")).unwrap();
        world.expect(&[false, true]);
        fs::create_dir(world.dir.join("a/b")).unwrap();
        std::os::unix::fs::symlink("nowhere", world.dir.join("a/b/c")).unwrap();
        world.expect(&[true, true]);
        fs::remove_dir_all(&world.dir).unwrap();
        world.expect(&[false, false]);
    }

    #[test]
    fn what_others_do_in_the_directory_does_not_matter() {
        let world = World::new("others", &["file"]);
        for number in 0..1000 {
            fs::write(world.dir.join(number.to_string()), "x").unwrap();
        }
        let mut turns = 0;
        loop {
            let (matters, more) = world.watch.drain(&world.paths);
            assert!(!matters);
            turns += 1;
            if !more {
                break;
            }
        }
        assert!(turns >= 3, "each turn is bounded");
        fs::write(world.dir.join("file"), "x").unwrap();
        assert!(world.watch.drain(&world.paths).0);
        fs::remove_dir_all(&world.dir).unwrap();
    }

    #[test]
    fn writing_matters_only_to_what_is_read() {
        let mut world = World::new("read", &["file"]);
        fs::write(world.dir.join("file"), "").unwrap();
        world.expect(&[true]);
        fs::write(world.dir.join("file"), "1\n").unwrap();
        assert!(!world.watch.drain(&world.paths).0);
        let path = world.paths[0].path.clone();
        world.paths.push(Watched::new(path, true));
        world.watch.look(&mut world.paths).unwrap();
        fs::write(world.dir.join("file"), "2\n").unwrap();
        assert!(world.watch.drain(&world.paths).0);
        world.paths.pop();
        world.watch.look(&mut world.paths).unwrap();
        fs::write(world.dir.join("file"), "3\n").unwrap();
        assert!(!world.watch.drain(&world.paths).0);
        fs::remove_dir_all(&world.dir).unwrap();
    }
}
