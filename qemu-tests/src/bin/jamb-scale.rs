//! `jamb-scale`: how jamb's time grows with the number of services, beside a loop that does only what
//! cannot be left out. Writes `target/bench/scale.md`. Numbers are those of this run on this host.

use anyhow::{Context as _, Result};
use qemu_tests::{
    places::Places,
    scale::{Beside, Shape, Spread, Stand, side_by_side},
    tool,
};
use std::{fmt::Write as _, fs, process::ExitCode};

/// Rounds of each; the middle one counts.
const ROUNDS: usize = 21;
/// Processes that are killed to see how soon the next one comes.
const KILLS: usize = 21;

/// What is measured: the shape, how many, and what the ratio of the times is to be at most.
const RUNS: &[(Shape, usize, Option<f64>)] = &[
    (Shape::Flat, 100, None),
    (Shape::Flat, 1000, Some(1.3)),
    (Shape::Flat, 3000, None),
    (Shape::Chain, 200, Some(1.5)),
    (Shape::Chain, 1000, None),
];

const ABOUT: &str = "\
Measures how the time to start services grows with their number, beside a C loop
that does only what cannot be left out. Takes some minutes of a quiet machine;
writes target/bench/scale.md.";

fn main() -> ExitCode {
    tool::main("jamb-scale", ABOUT, bench)
}

fn bench() -> Result<()> {
    let places = Places::find()?;
    let stand = Stand::new(&places)?;
    let mut text = format!(
        "# Scale\n\n`jamb supervise` beside a C loop that only does vfork, execve and wait for the same \
         program (`qemu-tests/src/scale/loop.c`): from before the start to all being ready, with a \
         newline on a descriptor, and the processor time of the parent and the children in that. In \
         turns, each the first in turn, after a pause; the middle of {ROUNDS}, and the extremes; of ratios, \
         the middle one of each round's. A service has a session of its own, so the loop is \
         measured with setsid(2) as well: where the kernel groups sessions for the scheduler, that alone is \
         felt, most of all on a busy host.\n\n\
         | services | | jamb | loop | ratio | aim | loop with sessions | ratio |\n\
         |---|---|--:|--:|--:|--:|--:|--:|\n"
    );
    for &(shape, count, aim) in RUNS {
        let load = stand.load(shape, count)?;
        let [time, processor] = side_by_side(&stand, &load, ROUNDS)?;
        for row in
            [row(shape, count, "time", time, aim), row(shape, count, "processor", processor, None)]
        {
            eprintln!("{row}");
            writeln!(text, "{row}")?;
        }
    }
    let [jamb, bare] = stand.respawns(KILLS)?;
    writeln!(
        text,
        "\nFrom SIGKILL to the first instruction of the next incarnation, after 3 s up, middle of \
         {KILLS}: jamb {}, the loop {}.",
        Spread::of(jamb)?,
        Spread::of(bare)?
    )?;
    let folder = places.root.join("target/bench");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let path = folder.join("scale.md");
    fs::write(&path, &text).with_context(|| format!("cannot write {}", path.display()))?;
    println!("{text}\n({})", path.display());
    Ok(())
}

fn row(
    shape: Shape,
    count: usize,
    what: &str,
    [jamb, bare, sessions]: [Beside; 3],
    aim: Option<f64>,
) -> String {
    let aim = aim.map_or_else(|| "–".to_owned(), |aim| format!("≤ {aim}"));
    let services = match shape {
        Shape::Flat => format!("{count} independent"),
        Shape::Chain => format!("a chain of {count}"),
    };
    format!(
        "| {services} | {what} | {} | {} | {:.2} | {aim} | {} | {:.2} |",
        jamb.took, bare.took, bare.ratio, sessions.took, sessions.ratio
    )
}
