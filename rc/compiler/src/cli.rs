//! The command line: every command, option and exit code in one description, from which parsing, help,
//! the manual page and shell completion come. Nothing is done here.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Checks service definitions and compiles them into the database that jamb boots from.
#[derive(Parser)]
#[command(name = "jambc", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str =
    "Exit codes: 0 ok, 1 errors in the definitions, 100 usage, 111 system error.";

/// The commands.
#[derive(Subcommand)]
pub enum Command {
    /// Reports every mistake in a tree of definitions.
    #[command(after_help = EXIT_CODES)]
    Check(Tree),
    /// Writes the database of a tree, unless there are mistakes.
    #[command(after_help = EXIT_CODES)]
    Compile {
        /// What is compiled.
        #[command(flatten)]
        tree: Tree,
        /// The database to write; replaced as a whole or not at all.
        #[arg(short, long, value_name = "FILE", required_unless_present = "install")]
        output: Option<PathBuf>,
        /// Write the database to /etc/jamb/services.db of the image root, and the links to /sbin/jamb that
        /// an image needs. What is there already and is something else is left alone: then nothing is
        /// written, unless --force says so.
        #[arg(long, requires = "root")]
        install: bool,
        /// With --install: replace what is in the way, but for folders.
        #[arg(long, requires = "install")]
        force: bool,
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
    /// Tells what a device that switches from one set of services to another would do, and why.
    #[command(after_help = "Each side is a database or a folder of definitions. \
        Exit codes: 0 equal, 1 different, 100 usage, 111 a side cannot be read or has errors.")]
    Diff {
        /// What the device runs.
        old: PathBuf,
        /// What it would switch to.
        new: PathBuf,
        /// What folders are checked against.
        #[command(flatten)]
        target: Target,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Prints a JSON Schema of definitions, with which editors complete and check them.
    #[command(
        after_help = "For example in a file: #:schema ./jamb.schema.json (taplo, Even Better TOML). \
        Exit codes: 0 ok, 100 usage, 111 system error."
    )]
    Schema,
    /// Prints every key of the language with type, default and meaning, as Markdown.
    #[command(after_help = "Exit codes: 0 ok, 100 usage, 111 system error.")]
    Reference,
    /// Tells more about a code such as J0011, with a wrong and a right example.
    #[command(after_help = "Exit codes: 0 ok, 1 no such code, 100 usage, 111 system error.")]
    Explain {
        /// The code; without one, all codes are listed.
        code: Option<String>,
    },
    /// Draws services and their relations.
    #[command(after_help = "Exit codes: 0 ok, 1 too many services for a picture, 100 usage, \
        111 it cannot be read or written, or has errors.")]
    Graph {
        /// A database or a folder of definitions.
        from: PathBuf,
        /// What a folder is checked against.
        #[command(flatten)]
        target: Target,
        /// A picture by itself, or text for Graphviz.
        #[arg(long, value_enum, default_value_t = GraphFormat::Svg)]
        format: GraphFormat,
        /// Also draws memberships that follow from other relations.
        #[arg(long)]
        all: bool,
        /// The file to write; replaced as a whole or not at all. Without it: standard output.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Writes a reference of services: what they are, what they have to do with each other, their outputs.
    #[command(
        after_help = "Exit codes: 0 ok, 100 usage, 111 it cannot be read or written, or has errors."
    )]
    Doc {
        /// A database or a folder of definitions.
        from: PathBuf,
        /// What a folder is checked against.
        #[command(flatten)]
        target: Target,
        /// Markdown, or one HTML page with a drawing; by default what the name of the file says.
        #[arg(long, value_enum)]
        format: Option<DocFormat>,
        /// The file to write; replaced as a whole or not at all. Without it: standard output.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Writes the definitions of a small router to start from.
    #[command(
        after_help = "Exit codes: 0 ok, 1 the folder is not empty, 100 usage, 111 system error."
    )]
    Init {
        /// The folder to write; it must be new or empty.
        dir: PathBuf,
    },
    /// Brings definition files into one form: order of keys, spaces, quotes, arrays within 100 columns.
    #[command(
        after_help = "Exit codes: 0 ok, 1 a file is not valid TOML or, with --check, not in the \
        one form; 100 usage, 111 system error."
    )]
    Fmt {
        /// Files, folders that are searched for *.toml, or - for standard input.
        #[arg(value_name = "FILE|DIR", required = true)]
        paths: Vec<PathBuf>,
        /// Changes nothing, but names the files that would change.
        #[arg(long)]
        check: bool,
    },
    /// Turns source directories of s6-rc into definitions, and reports what these cannot say.
    #[command(
        after_help = "Scripts that are more than one command are written to DIR/files, to be \
        installed on the device as --install says. \
        Exit codes: 0 ok, 1 DIR is not empty or the definitions need mending, 100 usage, 111 system \
        error."
    )]
    Import {
        /// The directories that s6-rc-compile would be given.
        #[arg(value_name = "S6RC_SOURCE_DIR", required = true)]
        dirs: Vec<PathBuf>,
        /// The folder to write; it must be new or empty.
        #[arg(short, long, value_name = "DIR")]
        output: PathBuf,
        /// Where the scripts will lie on the device.
        #[arg(long, value_name = "PATH", default_value = "/etc/jamb/s6-rc")]
        install: String,
        /// The report as JSON on standard output instead of words on standard error.
        #[arg(long)]
        json: bool,
    },
    /// Prints the completion script of a shell.
    #[command(after_help = "For example: jambc completions bash > /etc/bash_completion.d/jambc")]
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Prints the manual page, or writes one for each command.
    #[command(after_help = "For example: jambc man | man -l -")]
    Man {
        /// The folder to write the pages to; it must be new or empty.
        #[arg(short, long, value_name = "DIR")]
        output: Option<PathBuf>,
    },
}

/// A tree of definitions and how it is checked.
#[derive(Args)]
pub struct Tree {
    /// Folders that are searched for *.toml and *.json, or single files. Each is a layer, which may
    /// override what those before it define.
    #[arg(required = true, value_name = "DIR")]
    pub dirs: Vec<PathBuf>,
    /// What the tree is checked against.
    #[command(flatten)]
    pub target: Target,
    /// How findings are printed: for people or one a line on standard error, or as JSON on standard
    /// output.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

/// The device that definitions are for.
#[derive(Args)]
pub struct Target {
    /// The board whose values replace {{board.…}}: a file or a name.
    #[arg(long, value_name = "NAME|FILE")]
    pub board: Option<String>,
    /// An image root, in which programs, users and groups must exist.
    #[arg(long, value_name = "IMAGEROOT")]
    pub root: Option<PathBuf>,
}

/// Shells that completion scripts are made for.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// bash(1).
    Bash,
    /// zsh(1).
    Zsh,
    /// fish(1).
    Fish,
}

/// How a graph is written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    /// For `dot` of Graphviz and what understands its language.
    Dot,
    /// For browsers and image viewers.
    Svg,
}

/// How a reference is written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DocFormat {
    /// Markdown.
    Md,
    /// One page that loads nothing.
    Html,
}

/// How findings are printed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// With the source line and the underlined place.
    Human,
    /// One finding a line, `file:line:column: error[CODE]: message`, as editors read it.
    Short,
    /// For programs.
    Json,
}
