//! The command line of jambc. Exit codes: 0 ok, 1 errors in the definitions, 100 usage, 111 system.

#![forbid(unsafe_code)]

mod cli;
mod commands;

use clap::Parser;
use cli::{Cli, Command};
use commands::{SYSTEM, USAGE, out::complain};
use jambc::tool::{graph::Lines, import::Request};
use std::process::ExitCode;

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
        Command::Check(tree) => commands::check::check(&tree, &[], None),
        Command::Compile { tree, output, install, force } => {
            commands::check::compile(&tree, output.as_deref(), install, force)
        }
        Command::Show { file, name, json } => commands::show::show(&file, name.as_deref(), json),
        Command::Diff { old, new, target, json } => commands::diff::diff(&old, &new, &target, json),
        Command::Schema => commands::language::schema(),
        Command::Reference => commands::language::reference(),
        Command::Explain { code } => commands::explain::explain(code.as_deref()),
        Command::Import { dirs, output, install, json } => {
            commands::import::import(&Request { dirs, install }, &output, json)
        }
        Command::Fmt { paths, check } => commands::fmt::format(&paths, check),
        Command::Init { dir } => commands::init::init(&dir),
        Command::Doc { from, target, format, output } => {
            commands::doc::doc(&from, &target, format, output.as_deref())
        }
        Command::Completions { shell } => commands::help::completions(shell),
        Command::Man { output } => commands::help::man(output.as_deref()),
        Command::Graph { from, target, format, all, output } => {
            let lines = if all { Lines::All } else { Lines::Telling };
            commands::graph::graph(&from, &target, format, lines, output.as_deref())
        }
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            complain(&format!("jambc: {error}"));
            ExitCode::from(SYSTEM)
        }
    }
}
