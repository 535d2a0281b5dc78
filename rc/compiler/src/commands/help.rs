//! `jambc completions` and `jambc man`: the command line in other words.

use super::{
    Done,
    out::{NewFile, say, write_folder},
};
use crate::cli::{Cli, Shell};
use clap::CommandFactory;
use clap_mangen::Man;
use std::{io, path::Path, process::ExitCode};

/// Prints the completion script of a shell.
///
/// # Errors
/// If standard output cannot be written.
pub fn completions(shell: Shell) -> Done {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "jambc", &mut script);
    say(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the manual page of jambc, or writes those of all commands into a new folder.
///
/// # Errors
/// If it cannot be written.
pub fn man(folder: Option<&Path>) -> Done {
    let mut command = Cli::command();
    let Some(folder) = folder else {
        say(&String::from_utf8_lossy(&page(command)?))?;
        return Ok(ExitCode::SUCCESS);
    };
    command.build();
    let mut pages = vec![("jambc.1".to_owned(), page(command.clone())?)];
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let name = format!("jambc-{}", sub.get_name());
        pages.push((format!("{name}.1"), page(sub.clone())?));
    }
    let files = pages.iter().map(|(path, bytes)| NewFile { path, bytes, is_script: false });
    if !write_folder(folder, &files.collect::<Vec<_>>())? {
        return Err(format!("{} is not empty; nothing was written", folder.display()).into());
    }
    Ok(ExitCode::SUCCESS)
}

fn page(command: clap::Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    // Without a date, so that the same program has the same pages.
    Man::new(command)
        .date("")
        .source(concat!("jambc ", env!("CARGO_PKG_VERSION")))
        .render(&mut page)?;
    Ok(page)
}
