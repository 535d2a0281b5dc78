//! The collector and the reader as real processes, with real pipes, killed for real. The processes
//! are this test binary again. Never sleeps: it waits for what it wants to see, and a run that
//! does not get there hangs visibly rather than passing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use jamb_log::{LogOptions, SPOOL_IDLE_LEN, collector_main, log_main};
use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};
use rustix::pipe::{PipeFlags, pipe_with};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

const ARGS: &str = "JAMB_LOG_TEST_ARGS";

#[test]
#[ignore = "the collector process; the other tests start it"]
fn collector_process() {
    let args = std::env::var(ARGS).unwrap();
    let mut adopt = |number: RawFd| {
        // SAFETY: the number is only looked up; if it is not open, this says so.
        fcntl_getfd(unsafe { BorrowedFd::borrow_raw(number) }).ok()?;
        // SAFETY: it is open, was made for this process by its parent, and nobody else here uses it.
        Some(unsafe { OwnedFd::from_raw_fd(number) })
    };
    std::process::exit(collector_main(&mut adopt, args.split(' ').map(Into::into).collect()));
}

#[test]
#[ignore = "the reader process; the other tests start it"]
fn reader_process() {
    let args = std::env::var(ARGS).unwrap();
    let (dir, name) = args.split_once(' ').unwrap();
    let names = vec![name.to_owned()];
    let options = LogOptions { silent: names.clone(), names, follow: true, ..Default::default() };
    // Standard output has the test harness's own text.
    log_main(Path::new(dir), &options, &mut std::io::stderr()).unwrap();
}

fn start(process: &str, args: &str, stderr: Stdio) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([process, "--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .env(ARGS, args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()
        .unwrap()
}

fn inheritable(fd: &OwnedFd) -> RawFd {
    fcntl_setfd(fd, FdFlags::empty()).unwrap();
    fd.as_raw_fd()
}

/// The bounds of a file and of all.
const USUAL: &str = " 131072 2097152";

/// What PID 1 holds: the pipes, the map, the spool, and a log directory of its own.
struct Keeper {
    dir: PathBuf,
    writers: Vec<Option<File>>,
    _readers: Vec<OwnedFd>,
    map: OwnedFd,
    spool: OwnedFd,
    /// In place of the number of the spool.
    other_spool: Option<RawFd>,
    more: String,
}

impl Keeper {
    fn new(test: &str, names: &[&str], more: &str) -> Keeper {
        let dir = std::env::temp_dir().join(format!("jamb-log-{test}-{}", std::process::id()));
        let map = memfd_create("map", MemfdFlags::CLOEXEC).unwrap();
        let spool = memfd_create("spool", MemfdFlags::CLOEXEC).unwrap();
        let mut map = File::from(map);
        let (mut writers, mut readers) = (Vec::new(), Vec::new());
        for name in names {
            let (read, write) = pipe_with(PipeFlags::CLOEXEC).unwrap();
            // The offset stays at the end: the collector must not depend on it.
            writeln!(map, "{} {name}", inheritable(&read)).unwrap();
            readers.push(read);
            writers.push(Some(File::from(write)));
        }
        let keeper = Keeper {
            dir,
            writers,
            _readers: readers,
            map: map.into(),
            spool,
            other_spool: None,
            more: more.into(),
        };
        inheritable(&keeper.map);
        inheritable(&keeper.spool);
        keeper
    }

    fn collector(&self) -> Child {
        self.collector_with(Stdio::inherit())
    }

    fn collector_with(&self, stderr: Stdio) -> Child {
        let map = self.map.as_raw_fd();
        let spool = self.other_spool.unwrap_or(self.spool.as_raw_fd());
        let (dir, more) = (self.dir.display(), &self.more);
        let args = format!("{map} {spool} {dir}{more}");
        start("collector_process", &args, stderr)
    }

    fn say(&mut self, service: usize, text: &str) {
        self.writers[service].as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Closes all pipes and lets a collector come to its end.
    fn end(&mut self, mut collector: Child) {
        self.writers.iter_mut().for_each(|writer| drop(writer.take()));
        assert_eq!(collector.wait().unwrap().code(), Some(0));
        assert_eq!(rustix::fs::fstat(&self.spool).unwrap().st_size as u64, SPOOL_IDLE_LEN);
    }

    /// The whole log, oldest file first, without time and name.
    fn texts(&self, name: &str) -> Vec<String> {
        let mut files: Vec<PathBuf> =
            fs::read_dir(self.dir.join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        // Digits sort before letters, so `current` is last.
        files.sort();
        let all: String = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
        assert!(all.is_empty() || all.ends_with('\n'));
        let prefix = format!(" {name}: ");
        all.lines().map(|line| line[27..].strip_prefix(&prefix).unwrap().to_owned()).collect()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // A test that has failed already shall show its own message, not this one.
        fs::remove_dir_all(&self.dir).ok();
    }
}

/// xorshift64*, so that a seed gives the same run everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }
}

fn spin(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}

#[test]
fn killed_a_hundred_times_while_100_000_lines_are_written() {
    let seed = std::env::var("JAMB_LOG_SEED").map_or(20_261_123, |seed| seed.parse().unwrap());
    println!("JAMB_LOG_SEED={seed}");
    const LINES: usize = 100_000;
    let line = |number: usize| format!("{number} {}", "x".repeat(number * 7 % 90));
    let mut keeper = Keeper::new("kill", &["w"], " 65536 100000000");
    let mut random = Random(seed);
    let mut pauses = Random(seed ^ 0xffff);
    let (tell, told) = mpsc::channel();
    let mut pipe = keeper.writers[0].take().unwrap();
    let writer = std::thread::spawn(move || {
        let mut next = 0;
        for number in 0..LINES {
            pipe.write_all(format!("{}\n", line(number)).as_bytes()).unwrap();
            if number == next {
                next += 300 + usize::try_from(random.below(2000)).unwrap();
                tell.send(()).unwrap();
            }
        }
    });
    let mut kills = 0;
    // Each time the writer has got a bit further, which takes a collector that lives: let it live for
    // a random moment more, then kill it, and the next one while it repairs.
    let collector = loop {
        let mut collector = keeper.collector();
        if told.recv().is_err() {
            break collector;
        }
        for moment in [200, 8000] {
            spin(Duration::from_micros(pauses.below(moment)));
            collector.kill().unwrap();
            collector.wait().unwrap();
            kills += 1;
            if moment == 200 {
                collector = keeper.collector();
            }
        }
    };
    writer.join().unwrap();
    keeper.end(collector);
    let texts = keeper.texts("w");
    for (number, text) in texts.iter().enumerate() {
        assert_eq!(*text, line(number), "after {kills} kills");
    }
    assert_eq!(texts.len(), LINES);
    assert!(kills >= 60, "{kills}");
}

#[test]
fn an_orderly_life() {
    let mut keeper = Keeper::new("life", &["a", "b", "silent"], USUAL);
    let collector = keeper.collector();
    keeper.say(0, "one\ntwo\n");
    keeper.say(1, "\x1b[31mred\n");
    keeper.end(collector);
    assert_eq!(keeper.texts("a"), ["one", "two"]);
    assert_eq!(keeper.texts("b"), ["\\x1b[31mred"]);
    assert_eq!(keeper.texts("silent"), [""; 0], "its directory exists");
    let mode = |path: &str| fs::metadata(keeper.dir.join(path)).unwrap().permissions().mode();
    assert_eq!(mode("a") & 0o7777, 0o755);
    assert_eq!(mode("a/current") & 0o7777, 0o640);
}

#[test]
fn the_total_is_kept_on_a_real_disk() {
    let mut keeper = Keeper::new("total", &["a", "b"], " 20000 200000");
    let collector = keeper.collector();
    for number in 0..20_000 {
        keeper.say(0, &format!("line {number}\n"));
    }
    keeper.say(1, "quiet\n");
    keeper.end(collector);
    let entries = fs::read_dir(keeper.dir.join("a")).unwrap();
    let total: u64 = entries.map(|entry| entry.unwrap().metadata().unwrap().size()).sum();
    assert!((120_000..200_000).contains(&total), "{total}");
    assert_eq!(keeper.texts("b"), ["quiet"]);
    assert_eq!(keeper.texts("a").last().unwrap(), "line 19999");
}

#[test]
fn a_directory_that_cannot_be_created_is_no_obstacle_to_services() {
    let mut keeper = Keeper::new("nodir", &["a"], USUAL);
    fs::write(&keeper.dir, "a file is in the way").unwrap();
    let mut collector = keeper.collector_with(Stdio::piped());
    // Far more than the pipe holds: this would block if it were not drained.
    for _ in 0..1000 {
        keeper.say(0, &"x".repeat(1000));
    }
    let mut said = collector.stderr.take().unwrap();
    keeper.end(collector);
    let mut text = String::new();
    said.read_to_string(&mut text).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.starts_with("jamb: a: cannot write its log: Not a directory"), "{text}");
    fs::remove_file(&keeper.dir).unwrap();
}

#[test]
fn mistakes_of_the_caller_are_exit_codes() {
    let code = |args: &str| start("collector_process", args, Stdio::null()).wait().unwrap().code();
    assert_eq!(code("1 2 dir"), Some(100));
    assert_eq!(code("999 998 /nonexistent 4096 9999"), Some(111));
}

#[test]
fn without_a_spool_and_with_a_broken_map_it_still_collects() {
    let mut keeper = Keeper::new("nospool", &["a"], USUAL);
    keeper.other_spool = Some(999);
    let mut map = File::from(keeper.map.try_clone().unwrap());
    map.write_all(b"998 closed\nrubbish\n7 ../up\n").unwrap();
    let mut collector = keeper.collector_with(Stdio::piped());
    keeper.say(0, "hello\n");
    keeper.writers.clear();
    let mut text = String::new();
    collector.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(collector.wait().unwrap().code(), Some(0));
    assert_eq!(keeper.texts("a"), ["hello"]);
    assert_eq!(text.lines().count(), 4, "{text}");
}

#[test]
fn the_console_gets_a_copy() {
    let (mut read, write) = {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        (File::from(read), write)
    };
    let more = format!("{USUAL} {}", inheritable(&write));
    let mut keeper = Keeper::new("console", &["a"], &more);
    let collector = keeper.collector();
    drop(write);
    keeper.say(0, "hello\n");
    keeper.end(collector);
    let mut text = String::new();
    read.read_to_string(&mut text).unwrap();
    assert!(text.ends_with(" a: hello\n") && text.len() == 27 + 10, "{text}");
}

/// A process that is killed when the test ends, however it ends.
struct Follower(Child, BufReader<std::process::ChildStderr>);

impl Follower {
    fn new(keeper: &Keeper, name: &str) -> Follower {
        // That of the log is made by its first line.
        fs::create_dir_all(&keeper.dir).unwrap();
        let args = format!("{} {name}", keeper.dir.display());
        let mut child = start("reader_process", &args, Stdio::piped());
        let lines = BufReader::new(child.stderr.take().unwrap());
        Follower(child, lines)
    }

    fn next(&mut self) -> String {
        let mut line = String::new();
        self.1.read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "the reader ended: {line}");
        line[27..].trim_end().to_owned()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn a_follower_sees_every_line_once_across_rotations_and_deaths() {
    let mut keeper = Keeper::new("follow", &["f"], " 4096 10000000");
    let mut follower = Follower::new(&keeper, "f");
    let mut collector = keeper.collector();
    let mut seen = 0;
    for number in 0..20_000 {
        keeper.say(0, &format!("line {number}\n"));
        if number % 2500 == 2499 {
            collector.kill().unwrap();
            collector.wait().unwrap();
            collector = keeper.collector();
        }
        if number % 5000 == 0 {
            // From time to time wait for the follower, else it would only read old files.
            while seen <= number {
                assert_eq!(follower.next(), format!(" f: line {seen}"));
                seen += 1;
            }
        }
    }
    for seen in seen..20_000 {
        assert_eq!(follower.next(), format!(" f: line {seen}"));
    }
    keeper.end(collector);
    assert!(fs::read_dir(keeper.dir.join("f")).unwrap().count() > 100);
}

#[test]
fn a_noisy_service_does_not_keep_a_quiet_one_waiting() {
    let mut keeper = Keeper::new("noisy", &["noisy", "quiet"], USUAL);
    let mut follower = Follower::new(&keeper, "quiet");
    let collector = keeper.collector();
    let stop = AtomicBool::new(false);
    let mut noisy = keeper.writers[0].take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let noise = b"noise noise noise noise noise\n".repeat(2000);
            while !stop.load(Ordering::Relaxed) {
                noisy.write_all(&noise).unwrap();
            }
        });
        for number in 0..100 {
            keeper.say(1, &format!("{number}\n"));
            assert_eq!(follower.next(), format!(" quiet: {number}"));
        }
        stop.store(true, Ordering::Relaxed);
    });
    drop(noisy);
    keeper.end(collector);
}
