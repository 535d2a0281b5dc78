//! The command line of jambc. Exit codes: 0 ok, 1 errors in the definitions, 100 usage, 111 system.

#![forbid(unsafe_code)]

use clap::{Args, Parser, Subcommand, ValueEnum};
use jambc::{Request, compile, diag::nearest, render, show, show::Decoded};
use rc::db::Database;
use std::{
    fs,
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

const DEFINITIONS: u8 = 1;
const USAGE: u8 = 100;
const SYSTEM: u8 = 111;

/// Checks service definitions and compiles them into the database that jamb boots from.
#[derive(Parser)]
#[command(name = "jambc", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str =
    "Exit codes: 0 ok, 1 errors in the definitions, 100 usage, 111 system error.";

#[derive(Subcommand)]
enum Command {
    /// Reports every mistake in a tree of definitions.
    #[command(after_help = EXIT_CODES)]
    Check(Tree),
    /// Writes the database of a tree, unless there are mistakes.
    #[command(after_help = EXIT_CODES)]
    Compile {
        #[command(flatten)]
        tree: Tree,
        /// The database to write; replaced as a whole or not at all.
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Prints a database in words.
    #[command(after_help = EXIT_CODES)]
    Show {
        /// The database.
        file: PathBuf,
        /// Only this service.
        name: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
struct Tree {
    /// The folder that is searched for *.toml.
    dir: PathBuf,
    /// The board whose values replace {{board.…}}: a file or a name.
    #[arg(long, value_name = "NAME|FILE")]
    board: Option<String>,
    /// An image root, in which programs, users and groups must exist.
    #[arg(long, value_name = "IMAGEROOT")]
    root: Option<PathBuf>,
    /// How findings are printed: for people on standard error, or as JSON on standard output.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Human,
    Json,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { USAGE } else { 0 };
            return match error.print() {
                Ok(()) => ExitCode::from(code),
                Err(_) => ExitCode::from(SYSTEM),
            };
        }
    };
    let done = match cli.command {
        Command::Check(tree) => run(tree, None),
        Command::Compile { tree, output } => run(tree, Some(&output)),
        Command::Show { file, name, json } => print(&file, name.as_deref(), json),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            complain(&format!("jambc: {error}"));
            ExitCode::from(SYSTEM)
        }
    }
}

type Done = Result<ExitCode, Box<dyn std::error::Error>>;

fn run(tree: Tree, output: Option<&Path>) -> Done {
    let request = Request { dir: tree.dir, board: tree.board, root: tree.root };
    let outcome = compile(&request)?;
    match tree.format {
        Format::Human => {
            let colour = io::stderr().is_terminal();
            complain_raw(&render::human(&outcome.sources, &outcome.found, colour));
        }
        Format::Json => {
            let json = render::json(&outcome.sources, &outcome.found);
            say(&format!("{json:#}\n"))?;
        }
    }
    let Some(database) = outcome.database else {
        if let Some(output) = output {
            let state = if output.exists() { "is left as it was" } else { "was not written" };
            complain(&format!("jambc: {} {state}", output.display()));
        }
        return Ok(ExitCode::from(DEFINITIONS));
    };
    if let Some(output) = output {
        replace(output, &database).map_err(|error| {
            format!("cannot write {}: {error}; it is left as it was", output.display())
        })?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes `bytes` to a new file beside `path` and renames it, so that nobody sees half of it.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(name);
    let written = (|| {
        let mut file = fs::File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    })();
    if written.is_err() {
        // The first error is the one to report; a leftover is all that a second one means.
        drop(fs::remove_file(&temporary));
    }
    written
}

fn print(file: &Path, name: Option<&str>, json: bool) -> Done {
    let bytes = fs::read(file).map_err(|e| format!("cannot read {}: {e}", file.display()))?;
    let database = Database::new(bytes);
    let database = database.map_err(|e| format!("cannot show {}: {e}", file.display()))?;
    let decoded = Decoded::new(&database)?;
    if let Some(name) = name
        && !decoded.names().any(|known| known == name)
    {
        let near = nearest(name, decoded.names());
        let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        complain(&format!("jambc: {} has no service {name}{near}", file.display()));
        return Ok(ExitCode::from(DEFINITIONS));
    }
    if json {
        say(&format!("{:#}\n", show::json(&decoded, name)?))?;
    } else {
        say(&show::toml(&decoded, name)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints on standard output. A reader that has seen enough, such as head(1), is not an error.
fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

fn complain(line: &str) {
    complain_raw(&format!("{line}\n"));
}

fn complain_raw(text: &str) {
    // If standard error is closed, nobody is there to be told so.
    drop(io::stderr().write_all(text.as_bytes()));
}
