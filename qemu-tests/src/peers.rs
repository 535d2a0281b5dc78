//! The peers of a router in one small machine: the internet provider on the router's WAN cable and a
//! client on its LAN cable, in network namespaces of their own. They run shell scripts, not jamb, so
//! that they cannot share its mistakes.

use crate::{
    agent::Agent,
    board::Board,
    image::{Builder, Image},
    machine::{Link, Machine, Plan},
    places::Places,
    tree::Node,
};
use anyhow::{Context as _, Result};
use std::{path::Path, time::Duration};

/// The machine that peers run on, whatever the router's is.
const BOARD: &str = "qemu-x86_64";

/// Five times what it takes on an idle host.
const BOOT: Duration = Duration::from_secs(60);

/// The host "in the internet" that the provider leads to.
pub const FAR_HOST: &str = "203.0.113.1";

const PACKAGES: &[&str] = &["busybox", "dnsmasq-base", "ppp", "pppoe"];

const PROGRAMS: &[&str] = &[
    "/bin/busybox",
    "/usr/sbin/dnsmasq",
    "/usr/sbin/pppd",
    "/usr/sbin/pppoe",
    "/usr/sbin/pppoe-server",
];

const COMMANDS: &[&str] = &[
    "sh", "cat", "echo", "grep", "ip", "kill", "mkdir", "mkfifo", "modprobe", "mount", "nc",
    "nslookup", "ping", "printf", "ps", "rm", "timeout", "udhcpc", "unshare", "usleep",
];

const MODULES: &[&str] = &["8021q", "af_packet", "ppp_async"];

const FILES: &[(&str, &str, u32)] = &[
    ("/init", include_str!("peers/init.sh"), 0o755),
    ("/etc/agent", include_str!("peers/agent.sh"), 0o644),
    ("/etc/isp", include_str!("peers/isp.sh"), 0o644),
    ("/etc/lan", include_str!("peers/lan.sh"), 0o644),
    ("/bin/isp-pool", include_str!("peers/isp-pool.sh"), 0o755),
    ("/bin/isp-pppoe", include_str!("peers/isp-pppoe.sh"), 0o755),
    ("/etc/ppp/options", "", 0o644),
    ("/etc/ppp/pap-secrets", include_str!("peers/pap-secrets"), 0o600),
    ("/etc/ppp/pppoe-server-options", include_str!("peers/pppoe-server-options"), 0o644),
    ("/bin/lan-lease", include_str!("peers/lan-lease.sh"), 0o755),
    ("/etc/dnsmasq.conf", include_str!("peers/isp-dnsmasq.conf"), 0o644),
    ("/etc/udhcpc.script", include_str!("peers/udhcpc.script"), 0o755),
    ("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n", 0o644),
    ("/etc/group", "root:x:0:\n", 0o644),
];

/// The peers, running.
pub struct Peers {
    /// The provider: `isp-pool FIRST LAST` makes it hand out other addresses over DHCP, `isp-pppoe FIRST`
    /// over PPPoE.
    pub isp: Agent,
    /// The client: `lan-lease` makes it ask for an address.
    pub lan: Agent,
    /// Their machine.
    pub machine: Machine,
}

/// How to start the peers on the far ends of a router's cables.
///
/// # Errors
/// The image cannot be built.
pub fn plan(places: &Places, name: &str, wan: Link, lan: Link) -> Result<Plan> {
    let board = Board::load(&places.root, BOARD)?;
    let image = image(places, &board, name)?;
    Ok(Plan {
        name: name.to_owned(),
        board: board.machine,
        image,
        cmdline: "quiet".to_owned(),
        links: vec![wan, lan],
        ports: vec!["isp".to_owned(), "lan".to_owned()],
        ends_at_reboot: true,
        options: Vec::new(),
    })
}

fn image(places: &Places, board: &Board, name: &str) -> Result<Image> {
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let mut builder = Builder::new(places, board, &owned(PACKAGES))?;
    builder.base()?;
    for program in PROGRAMS {
        builder.program(program)?;
    }
    builder.busybox(&owned(COMMANDS))?;
    builder.modules(&owned(MODULES))?;
    for &(path, text, mode) in FILES {
        builder.tree.add(path, Node::Bytes(text.into()), mode, "configuration")?;
    }
    builder.finish(name)
}

impl Peers {
    /// Takes over a machine that was started from [`plan`].
    ///
    /// # Errors
    /// It does not come up.
    pub fn new(mut machine: Machine) -> Result<Self> {
        let mut agent = |name: &str| {
            let line = machine.ports.remove(name).with_context(|| format!("no port {name}"))?;
            Agent::new(line, BOOT)
        };
        let (isp, lan) = (agent("isp")?, agent("lan")?);
        Ok(Self { isp, lan, machine })
    }

    /// Starts them.
    ///
    /// # Errors
    /// They do not come up.
    pub fn start(plan: &Plan, directory: &Path, log: &Path) -> Result<Self> {
        let machine = plan.start(directory, log)?;
        Self::new(machine)
    }
}
