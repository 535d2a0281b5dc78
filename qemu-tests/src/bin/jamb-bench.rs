//! `jamb-bench`: measures jamb on emulated routers and writes tables into `target/bench`. Every number is
//! measured in this run; nothing is compared with a limit here, which is the tests' job.

use anyhow::{Context as _, Result};
use qemu_tests::{
    board::{Arch, Board},
    idle::{self, Idle},
    image::{Image, Recipe},
    lab::{Bench, Lab},
    memory::{self, Memory},
    places::Places,
    status::Status,
    tool,
};
use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Duration,
};

const BOARDS: [&str; 4] = ["qemu-x86_64", "qemu-aarch64", "qemu-armv7", "qemu-mipsel"];

/// Boots of each board; the table shows the middle one and the extremes.
const BOOTS: usize = 3;

/// How long it is watched doing nothing, in seconds.
const WATCHED: u32 = 60;

/// Many times what it takes on an idle host.
const LIMIT: Duration = Duration::from_secs(120);

/// What one board showed.
struct Shown {
    board: String,
    image: Image,
    services: usize,
    /// Milliseconds from the start of `/init` to everything being ready, and of jamb's own processor
    /// time in that, for each boot.
    boots: Vec<(u64, u64)>,
    /// PID 1, then the log collector.
    memory: [Memory; 2],
    idle: [Idle; 2],
}

const ABOUT: &str = "\
Boots emulated routers and measures sizes, memory, boot times and idleness. Takes
some minutes; writes size.md, image.md, memory.md, boot.md and idle.md into
target/bench.";

fn main() -> ExitCode {
    tool::main("jamb-bench", ABOUT, bench)
}

fn bench() -> Result<()> {
    let places = Places::find()?;
    let folder = places.root.join("target/bench");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let about = about(&places.root);
    write(&folder.join("size.md"), &(sizes(&places)? + &about))?;
    let shown: Vec<Shown> = BOARDS.iter().map(|name| show(&places, name)).collect::<Result<_>>()?;
    write(&folder.join("image.md"), &(images(&shown)? + &about))?;
    write(&folder.join("memory.md"), &(memories(&shown)? + &about))?;
    write(&folder.join("boot.md"), &(boots(&shown)? + &about))?;
    write(&folder.join("idle.md"), &(idles(&shown)? + &about))
}

/// Boots a board again and again, and looks at it once.
fn show(places: &Places, name: &str) -> Result<Shown> {
    let board = Board::load(&places.root, name)?;
    let mut recipe = Recipe::new(places, board.clone(), None);
    recipe.name = format!("bench-{name}");
    let image = recipe.build(places)?;
    let boot = || -> Result<(Lab, (u64, u64))> {
        let bench = Bench::for_test(places, &recipe.name)?;
        let mut lab = Lab::start_last(places, bench, &board, image.clone())?;
        let time = wait_ready(&mut lab)?;
        Ok((lab, time))
    };
    let mut boots = Vec::new();
    for number in 1..BOOTS {
        eprintln!("{name}: boot {number} of {BOOTS}");
        boots.push(boot()?.1);
    }
    eprintln!("{name}: boot {BOOTS} of {BOOTS}, then {WATCHED} s of watching");
    let (lab, time) = boot()?;
    boots.push(time);
    lab.ssh.wait_up(&lab.router.console, LIMIT)?;
    let services = Status::of(&lab.ssh)?.services().count();
    let collector = memory::collector(&lab.ssh)?;
    let idle = idle::watch(&lab.ssh, [1, collector], WATCHED)?;
    let memory = [Memory::of(&lab.ssh, 1)?, Memory::of(&lab.ssh, collector)?];
    Ok(Shown { board: board.name, image, services, boots, memory, idle })
}

/// Reads the line that tells of the boot.
fn wait_ready(lab: &mut Lab) -> Result<(u64, u64)> {
    let line = r"everything is ready (\d+)(?:\.(\d+))? (s|ms) after .* used (\d+) ms";
    let found = lab.router.console.wait_for(line, LIMIT)?;
    let number = |at: usize| -> Result<u64> {
        let digits = found.get(at).map(String::as_str).unwrap_or_default();
        digits.parse().with_context(|| format!("no number in {found:?}"))
    };
    let total = match (found[3].as_str(), found[2].is_empty()) {
        ("ms", _) => number(1)?,
        (_, true) => number(1)? * 1000,
        // Three decimals.
        (_, false) => number(1)? * 1000 + number(2)?,
    };
    Ok((total, number(4)?))
}

fn sizes(places: &Places) -> Result<String> {
    let mut text = "# Sizes of the binaries\n\n`make dist`: static, stripped, all applets.\n\n\
                    | file | bytes | KB |\n|---|--:|--:|\n"
        .to_owned();
    let dist = places.root.join("target/dist");
    let mut files: Vec<PathBuf> = fs::read_dir(&dist)
        .with_context(|| format!("cannot read {}", dist.display()))?
        .flatten()
        .map(|entry| if entry.path().is_dir() { entry.path().join("jamb") } else { entry.path() })
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    for file in files {
        let bytes = fs::metadata(&file)?.len();
        let name = file.strip_prefix(&places.root).unwrap_or(&file);
        writeln!(text, "| {} | {bytes} | {} |", name.display(), bytes.div_ceil(1024))?;
    }
    Ok(text)
}

fn images(shown: &[Shown]) -> Result<String> {
    let mut text = "# Sizes of the images\n".to_owned();
    for one in shown {
        let report = fs::read_to_string(&one.image.report)?;
        writeln!(text, "\n## {}\n\n```\n{report}```", one.board)?;
    }
    Ok(text)
}

fn memories(shown: &[Shown]) -> Result<String> {
    let mut text = "# Memory\n\nResident, and of that anonymous (not pages of the binary), from \
                    /proc/PID/smaps_rollup, with all services ready.\n\n\
                    | board | services | process | resident | anonymous |\n|---|--:|---|--:|--:|\n"
        .to_owned();
    for one in shown {
        for (process, memory) in ["PID 1", "log collector"].iter().zip(&one.memory) {
            let (board, services) = (&one.board, one.services);
            let (resident, anonymous) = (memory.resident, memory.anonymous);
            writeln!(
                text,
                "| {board} | {services} | {process} | {resident} kB | {anonymous} kB |"
            )?;
        }
    }
    Ok(text)
}

fn boots(shown: &[Shown]) -> Result<String> {
    let mut text = format!(
        "# Boot\n\nFrom the start of `/init` to `default` being ready, most of which is the daemons' own \
         time, drivers and DHCP included; and jamb's own part of it, the processor time of PID 1. Middle \
         of {BOOTS} boots, and the extremes.\n\n\
         | board | services | default is ready | of which jamb |\n|---|--:|--:|--:|\n"
    );
    for one in shown {
        let (board, services) = (&one.board, one.services);
        let total = spread(one.boots.iter().map(|boot| boot.0));
        let own = spread(one.boots.iter().map(|boot| boot.1));
        writeln!(text, "| {board} | {services} | {total} | {own} |")?;
    }
    Ok(text)
}

fn spread(values: impl Iterator<Item = u64>) -> String {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    match (values.first(), values.get(values.len() / 2), values.last()) {
        (Some(least), Some(middle), Some(most)) => format!("{middle} ms ({least}–{most})"),
        _ => "–".to_owned(),
    }
}

fn idles(shown: &[Shown]) -> Result<String> {
    let mut text = format!(
        "# Idle\n\nA router with all services ready and nobody asking, watched for {WATCHED} s: how often \
         the process woke up (voluntary_ctxt_switches of /proc/PID/status; after each wake-up it goes to \
         sleep again), and how long it ran (/proc/PID/schedstat).\n\n\
         | board | process | wake-ups | ran |\n|---|---|--:|--:|\n"
    );
    for one in shown {
        for (process, idle) in ["PID 1", "log collector"].iter().zip(&one.idle) {
            let (wakeups, ran) = (idle.wakeups, idle.ran_ns / 1000);
            writeln!(text, "| {} | {process} | {wakeups} | {ran} µs |", one.board)?;
        }
    }
    Ok(text)
}

/// Where the numbers come from, as far as the host tells.
fn about(root: &Path) -> String {
    let first_line = |command: &mut Command| {
        let output = command.output().map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&output).lines().next().unwrap_or("unknown").to_owned()
    };
    let commit =
        first_line(Command::new("git").args(["describe", "--always", "--dirty"]).current_dir(root));
    let emulator = first_line(Command::new(Arch::X86_64.qemu()).arg("--version"));
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.and_then(|rest| rest.split(": ").nth(1)).unwrap_or("unknown");
    format!(
        "\nCommit {commit}. Boards are emulated (TCG) by {emulator}, on {model}: times tell only how jamb \
         compares with itself.\n"
    )
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    println!("{text}\n({})\n", path.display());
    Ok(())
}
