//! Many services at once, without a machine around them: `jamb supervise` beside a C loop that only does
//! vfork, execve and wait for the same program, measured in turns on the same host.
//!
//! Both are looked at from outside, from before they are started to the line in which they say that all
//! are ready.

use crate::{board::Arch, places::Places, run::run};
use anyhow::{Context as _, Result, ensure};
use std::{
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Stdio},
    time::{Duration, Instant},
};

/// The shape of the services.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// Nobody waits for anybody.
    Flat,
    /// Each needs the one before.
    Chain,
}

impl Shape {
    /// Its name on the command line of the loop.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flat => "flat",
            Self::Chain => "chain",
        }
    }
}

/// The programs, and a directory in memory for what they write.
pub struct Stand {
    jamb: PathBuf,
    jambc: PathBuf,
    child: PathBuf,
    bare: PathBuf,
    directory: tempfile::TempDir,
}

impl Stand {
    /// Compiles the two C programs.
    ///
    /// # Errors
    /// There is no C compiler, or `make dist` was not run.
    pub fn new(places: &Places) -> Result<Self> {
        // Where a device has /run: a tmpfs.
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let directory = tempfile::Builder::new().prefix("jamb-scale-").tempdir_in(base)?;
        let child = directory.path().join("child");
        let bare = directory.path().join("loop");
        let compile = |source: &str, name: &str, options: &[&str], to: &Path| -> Result<()> {
            let file = directory.path().join(name);
            fs::write(&file, source)?;
            let mut cc = Command::new("cc");
            cc.args(["-O2", "-fno-pie", "-no-pie"]).args(options).arg("-o").arg(to).arg(&file);
            run(&mut cc).map(drop).context("a C compiler is needed, as for linking Rust programs")
        };
        let thin = ["-static", "-nostdlib", "-fno-stack-protector", "-fno-builtin"];
        compile(include_str!("child.c"), "child.c", &thin, &child)?;
        compile(include_str!("loop.c"), "loop.c", &[], &bare)?;
        Ok(Self {
            jamb: places.jamb(Arch::X86_64)?,
            jambc: places.jambc()?,
            child,
            bare,
            directory,
        })
    }

    /// So many services.
    ///
    /// # Errors
    /// The compiler refuses it.
    pub fn load(&self, shape: Shape, count: usize) -> Result<Load> {
        let child = self.child.display();
        let mut text = "[service.default]\nkind = \"bundle\"\n\n".to_owned();
        for number in 0..count {
            let needs = match (shape, number) {
                (Shape::Chain, 1..) => format!("needs = [\"s{:05}\"]\n", number - 1),
                _ => String::new(),
            };
            write!(
                text,
                "[service.s{number:05}]\nkind = \"longrun\"\nrun = [\"{child}\"]\n\
                 ready = {{ fd = 3 }}\npart-of = [\"default\"]\n{needs}\n"
            )?;
        }
        let database = self.compile(&format!("{}-{count}", shape.name()), &text)?;
        Ok(Load { shape, count, database })
    }

    fn compile(&self, name: &str, definitions: &str) -> Result<PathBuf> {
        let sources = self.directory.path().join(name);
        fs::create_dir_all(&sources)?;
        fs::write(sources.join("services.toml"), definitions)?;
        let database = self.directory.path().join(format!("{name}.db"));
        run(Command::new(&self.jambc).arg("compile").arg(&sources).arg("-o").arg(&database))?;
        Ok(database)
    }

    /// How long it takes until all are ready.
    ///
    /// # Errors
    /// It does not get there.
    pub fn measure(&self, who: Contestant, load: &Load) -> Result<Took> {
        match who {
            Contestant::Jamb => self.jamb(load),
            Contestant::Loop => self.bare(load, &[]),
            Contestant::Sessions => self.bare(load, &["-s"]),
        }
    }

    fn jamb(&self, load: &Load) -> Result<Took> {
        let start = Instant::now();
        let (jamb, lines) = self.supervise(&load.database)?;
        let wall = start.elapsed();
        let processor = processor(jamb.id())?;
        self.end(jamb, lines)?;
        Ok(Took { wall, processor })
    }

    /// Starts jamb and waits until everything is ready.
    fn supervise(&self, database: &Path) -> Result<(Child, BufReader<ChildStderr>)> {
        let mut command = Command::new(&self.jamb);
        command.arg("supervise").arg("--db").arg(database).arg("--run-dir").arg(self.run_dir());
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        let mut jamb = command.spawn().context("cannot run jamb")?;
        let mut lines = BufReader::new(jamb.stderr.take().context("no pipe")?);
        let mut said = String::new();
        while !said.contains("everything is ready") {
            said.clear();
            ensure!(lines.read_line(&mut said)? > 0, "jamb ended before everything was ready");
        }
        Ok((jamb, lines))
    }

    fn run_dir(&self) -> PathBuf {
        self.directory.path().join("run")
    }

    /// Ends it in order, so that the next one starts from nothing.
    fn end(&self, mut jamb: Child, mut lines: impl Read) -> Result<()> {
        run(Command::new("kill").arg("-TERM").arg(jamb.id().to_string()))?;
        // Read to the end: what it cannot say is lost, and it must not wait for us.
        lines.read_to_end(&mut Vec::new())?;
        ensure!(jamb.wait()?.success(), "jamb did not end in order");
        fs::remove_dir_all(self.run_dir())?;
        Ok(())
    }

    fn bare(&self, load: &Load, options: &[&str]) -> Result<Took> {
        let start = Instant::now();
        let mut command = Command::new(&self.bare);
        command.args(options).arg(load.shape.name()).arg(load.count.to_string()).arg(&self.child);
        let mut bare = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(bare.stdout.take().context("no pipe")?).read_line(&mut line)?;
        let wall = start.elapsed();
        ensure!(line == "ready\n", "the loop failed");
        let processor = processor(bare.id())?;
        drop(bare.stdin.take());
        ensure!(bare.wait()?.success(), "the loop did not end in order");
        Ok(Took { wall, processor })
    }

    /// From SIGKILL to the first instruction of the next incarnation, for processes that had been up
    /// for so long that none of the delays of repeated failure applies.
    ///
    /// # Errors
    /// One does not come back.
    pub fn respawns(&self, rounds: usize) -> Result<[Vec<Duration>; 2]> {
        Ok([self.jamb_respawns(rounds)?, self.bare_respawns(rounds)?])
    }

    fn jamb_respawns(&self, rounds: usize) -> Result<Vec<Duration>> {
        // Each is killed once: a second death within seconds would be answered by a delay.
        let child = self.child.display();
        let mut text = "[service.default]\nkind = \"bundle\"\n\n".to_owned();
        let mut fifos = Vec::new();
        for number in 0..rounds {
            let fifo = self.fifo(&format!("fifo{number}"))?;
            let path = fifo.display();
            write!(
                text,
                "[service.s{number}]\nkind = \"longrun\"\nrun = [\"{child}\", \"{path}\"]\n\
                 ready = {{ fd = 3 }}\npart-of = [\"default\"]\n\n"
            )?;
            fifos.push(fifo);
        }
        let database = self.compile("respawn", &text)?;
        let first = fifos.clone();
        let readers = std::thread::spawn(move || first.iter().try_for_each(|fifo| stamp(fifo)));
        let (jamb, lines) = self.supervise(&database)?;
        ensure!(matches!(readers.join(), Ok(Ok(()))), "no first stamp");
        std::thread::sleep(LONG_ENOUGH);
        let mut svc = Command::new(&self.jamb);
        svc.args(["svc", "status", "--json"]).env("JAMB_RUN_DIR", self.run_dir());
        let status: serde_json::Value = serde_json::from_slice(&run(&mut svc)?)?;
        let mut times = Vec::new();
        for (number, fifo) in fifos.iter().enumerate() {
            let name = format!("s{number}");
            let services = status["services"].as_array().context("no services")?;
            let service = services.iter().find(|service| service["name"] == name.as_str());
            let pid = service.and_then(|one| one["pid"].as_u64()).context("no pid")?;
            times.push(self.kill(pid, fifo)?);
        }
        self.end(jamb, lines)?;
        Ok(times)
    }

    fn bare_respawns(&self, rounds: usize) -> Result<Vec<Duration>> {
        let fifo = self.fifo("fifo")?;
        let mut command = Command::new(&self.bare);
        command.arg("respawn").arg(&self.child).arg(&fifo);
        let mut bare = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut pids = BufReader::new(bare.stdout.take().context("no pipe")?).lines();
        stamp(&fifo)?;
        let mut times = Vec::new();
        for _ in 0..rounds {
            let pid = pids.next().context("the loop ended")??.parse()?;
            times.push(self.kill(pid, &fifo)?);
        }
        let last = pids.next().context("the loop ended")??;
        bare.kill()?;
        bare.wait()?;
        run(Command::new("kill").arg("-KILL").arg(last))?;
        Ok(times)
    }

    fn fifo(&self, name: &str) -> Result<PathBuf> {
        let path = self.directory.path().join(name);
        run(Command::new("mkfifo").arg(&path))?;
        Ok(path)
    }

    fn kill(&self, pid: u64, fifo: &Path) -> Result<Duration> {
        let mut command = Command::new(&self.bare);
        let output = run(command.args(["kill", &pid.to_string()]).arg(fifo))?;
        Ok(Duration::from_nanos(String::from_utf8(output)?.trim().parse()?))
    }
}

/// A run of this length is worth an immediate restart; see `supervisor::backoff`.
const LONG_ENOUGH: Duration = Duration::from_secs(3);

/// What a thousand processes leave behind, the kernel frees a little later; without a pause, that is at the
/// expense of whoever is measured next, which made the loop 10 % slower.
const SETTLED: Duration = Duration::from_millis(150);

/// Takes one stamp of a process that has just begun.
fn stamp(fifo: &Path) -> Result<()> {
    let mut stamp = [0; 16];
    fs::File::open(fifo)?.read_exact(&mut stamp)?;
    Ok(())
}

/// Who starts the processes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Contestant {
    /// `jamb supervise`.
    Jamb,
    /// The loop.
    Loop,
    /// The loop, which gives each process a session.
    Sessions,
}

/// So many services of one shape, for all contestants.
#[derive(Clone, Debug)]
pub struct Load {
    shape: Shape,
    count: usize,
    database: PathBuf,
}

/// What it took.
#[derive(Clone, Copy, Debug)]
pub struct Took {
    /// From before the start to all being ready.
    pub wall: Duration,
    /// Processor time of the contestant and its children in that: what does not depend on what else
    /// the host has to do.
    pub processor: Duration,
}

/// Processor time of a process and its children so far, proc(5) on schedstat.
fn processor(pid: u32) -> Result<Duration> {
    let ran = |pid: &str| -> Result<u64> {
        let text = fs::read_to_string(format!("/proc/{pid}/schedstat"))?;
        Ok(text.split(' ').next().unwrap_or_default().parse()?)
    };
    let pid = pid.to_string();
    let mut total = ran(&pid)?;
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    for child in children.split_whitespace() {
        total += ran(child)?;
    }
    Ok(Duration::from_nanos(total))
}

/// The middle one, and the extremes.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    /// The shortest.
    pub least: Duration,
    /// The middle one.
    pub median: Duration,
    /// The longest.
    pub most: Duration,
}

impl Spread {
    /// Of at least one.
    ///
    /// # Errors
    /// There are none.
    pub fn of(mut times: Vec<Duration>) -> Result<Self> {
        times.sort_unstable();
        let (Some(&least), Some(&most)) = (times.first(), times.last()) else {
            anyhow::bail!("nothing was measured");
        };
        Ok(Self { least, median: times[times.len() / 2], most })
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        let (median, least, most) = (ms(self.median), ms(self.least), ms(self.most));
        write!(f, "{median:.1} ms ({least:.1}–{most:.1})")
    }
}

/// A contestant beside jamb, or jamb itself.
#[derive(Clone, Copy, Debug)]
pub struct Beside {
    /// What it took.
    pub took: Spread,
    /// How much longer jamb took: the middle one of the ratios of each round, as a busy moment of the host hits
    /// whole rounds.
    pub ratio: f64,
}

/// Everybody in turns, so that a busy moment of the host hits all: wall-clock time, then processor time, of jamb,
/// the loop, and the loop with sessions.
///
/// # Errors
/// One of them fails.
pub fn side_by_side(stand: &Stand, load: &Load, rounds: usize) -> Result<[[Beside; 3]; 2]> {
    let contestants = [Contestant::Jamb, Contestant::Loop, Contestant::Sessions];
    let mut took: [Vec<Took>; 3] = Default::default();
    // The first of each warms the page cache and does not count. Each is the first of a round in turn.
    for round in 0..=rounds {
        for turn in 0..contestants.len() {
            let place = (round + turn) % contestants.len();
            std::thread::sleep(SETTLED);
            let time = stand.measure(contestants[place], load)?;
            if round > 0 {
                took[place].push(time);
            }
        }
    }
    let [jamb, bare, sessions] = took;
    let beside = |times: &[Took], what: fn(&Took) -> Duration| -> Result<Beside> {
        let mut ratios: Vec<f64> = jamb
            .iter()
            .zip(times)
            .map(|(jamb, time)| what(jamb).as_secs_f64() / what(time).as_secs_f64())
            .collect();
        ratios.sort_unstable_by(f64::total_cmp);
        let ratio = *ratios.get(ratios.len() / 2).context("nothing was measured")?;
        Ok(Beside { took: Spread::of(times.iter().map(what).collect())?, ratio })
    };
    let all = |what: fn(&Took) -> Duration| -> Result<[Beside; 3]> {
        Ok([beside(&jamb, what)?, beside(&bare, what)?, beside(&sessions, what)?])
    };
    Ok([all(|took| took.wall)?, all(|took| took.processor)?])
}
