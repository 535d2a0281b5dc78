//! `jamb-vm`: builds an image and boots it on this terminal, with the router's peers in the background.

use anyhow::{Context as _, Result, bail};
use qemu_tests::{
    board::{Arch, Board},
    image::Recipe,
    lab::Bench,
    places::Places,
};
use std::{
    env, fs,
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    process::ExitCode,
};

const HELP: &str = "\
usage: jamb-vm boot|image [OPTION]…

  boot    builds the image and boots it in QEMU, with its console here and a
          provider and a LAN client around it; ctrl-a x ends it
  image   builds the image only

  --board NAME|FILE   the board (default qemu-x86_64): boards/NAME.toml
  --arch ARCH         short for --board qemu-ARCH
  --services DIR      service definitions instead of the board's own; with an
                      image.toml of their own, or that of the board's
  --ssh-port PORT     of 127.0.0.1, leads to the router's ssh (default 2222)
  --append WORDS      added to the kernel's command line

Images are made in target/images. scripts/dist has to be run before.
";

struct Options {
    board: String,
    services: Option<PathBuf>,
    ssh_port: u16,
    append: String,
}

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    match run(&args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("jamb-vm: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Result<ExitCode> {
    let Some((command, rest)) = args.split_first() else {
        eprint!("{HELP}");
        return Ok(ExitCode::from(100));
    };
    match command.as_str() {
        "boot" => boot(&options(rest)?),
        "image" => image(&options(rest)?),
        "--help" | "-h" | "help" => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        other => bail!("there is no command {other}; see jamb-vm --help"),
    }
}

fn options(args: &[String]) -> Result<Options> {
    let mut options = Options {
        board: "qemu-x86_64".to_owned(),
        services: None,
        ssh_port: 2222,
        append: String::new(),
    };
    let mut args = args.iter();
    while let Some(option) = args.next() {
        let mut value = || args.next().with_context(|| format!("{option} needs a value"));
        match option.as_str() {
            "--board" => options.board.clone_from(value()?),
            "--arch" => options.board = format!("qemu-{}", value()?.parse::<Arch>()?),
            "--services" => options.services = Some(PathBuf::from(value()?)),
            "--ssh-port" => {
                let port = value()?;
                options.ssh_port = port.parse().with_context(|| format!("{port} is no port"))?;
            }
            "--append" => options.append.clone_from(value()?),
            other => bail!("unknown option {other}; see jamb-vm --help"),
        }
    }
    Ok(options)
}

fn recipe(places: &Places, options: &Options) -> Result<Recipe> {
    let board = Board::load(&places.root, &options.board)?;
    Ok(Recipe::new(places, board, options.services.clone()))
}

fn image(options: &Options) -> Result<ExitCode> {
    let places = Places::find()?;
    let image = recipe(&places, options)?.build(&places)?;
    print!("{}", fs::read_to_string(&image.report)?);
    println!("kernel {}\ninitrd {}", image.kernel.display(), image.initrd.display());
    Ok(ExitCode::SUCCESS)
}

fn boot(options: &Options) -> Result<ExitCode> {
    let places = Places::find()?;
    let port = options.ssh_port;
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).with_context(|| {
        format!("port {port} of 127.0.0.1 is in use: end what uses it, or give --ssh-port")
    })?;
    let recipe = recipe(&places, options)?;
    let image = recipe.build(&places)?;
    println!("{}", fs::read_to_string(&image.report)?);
    let bench = Bench::new(&places, &recipe.name)?;
    let (mut router, peers) = bench.plans(&places, &recipe.board, image, port)?;
    router.cmdline.clone_from(&options.append);
    router.ends_at_reboot = false;
    // Nobody waits for the peers: the router has to cope with a provider that comes later.
    let _peers = peers.start(&bench.sockets().join("p"), &bench.log("peers"))?;
    println!(
        "Booting {}. Console here, ctrl-a x ends it. Once it is up:\n  ssh -p {port} root@127.0.0.1\n",
        recipe.board.name
    );
    let status = router.interact()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
