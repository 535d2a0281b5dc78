//! A router with its peers around it: the cables, the way in by ssh, and where the logs go.

use crate::{
    board::Board,
    image::Image,
    machine::{Link, Machine, Plan},
    peers::{self, Peers},
    places::Places,
    ssh::Ssh,
};
use anyhow::{Context as _, Result};
use std::{
    fs::{self, File},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// The router's ssh server on its management card; the service `mgmt` sets the address.
const GUEST_SSH: &str = "10.0.2.15:22";

/// Where the sockets of a lab are, and its logs.
pub struct Bench {
    sockets: TempDir,
    logs: PathBuf,
    name: String,
    /// Held by a test for as long as its machines run.
    _turn: Option<File>,
}

/// A router and its peers, running.
pub struct Lab {
    /// The way into the router.
    pub ssh: Ssh,
    /// The router.
    pub router: Machine,
    /// The machines around it.
    pub peers: Peers,
    /// Removes the sockets, last of all.
    _bench: Bench,
}

/// One machine without peers; its only card, `eth0`, leads to ssh.
pub struct Alone {
    /// The way into it.
    pub ssh: Ssh,
    /// The machine.
    pub machine: Machine,
    /// Removes the sockets, last of all.
    _bench: Bench,
}

impl Bench {
    /// A bench for machines whose logs go to `target/images/NAME`.
    ///
    /// # Errors
    /// A directory cannot be made.
    pub fn new(places: &Places, name: &str) -> Result<Self> {
        // unix(7) allows 108 bytes for a socket's path, so not below the repository.
        let sockets = tempfile::Builder::new().prefix("jamb-vm-").tempdir_in("/tmp")?;
        let logs = places.images.join(name);
        fs::create_dir_all(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
        Ok(Self { sockets, logs, name: name.to_owned(), _turn: None })
    }

    /// A bench for a test, when it is its turn: more than two emulated machines at once starve each other,
    /// and with them every time limit.
    ///
    /// # Errors
    /// As [`Bench::new`].
    pub fn for_test(places: &Places, name: &str) -> Result<Self> {
        let turn = places.lock("machines")?;
        Ok(Self { _turn: Some(turn), ..Self::new(places, name)? })
    }

    /// The directory of the sockets.
    #[must_use]
    pub fn sockets(&self) -> &Path {
        self.sockets.path()
    }

    /// The console log of a machine.
    #[must_use]
    pub fn log(&self, machine: &str) -> PathBuf {
        self.logs.join(format!("{machine}.console.log"))
    }

    fn cable(&self, name: &str) -> (Link, Link) {
        let end = |side: &str| self.sockets().join(format!("{name}-{side}"));
        let (a, b) = (end("router"), end("peer"));
        (Link::Cable { near: a.clone(), far: b.clone() }, Link::Cable { near: b, far: a })
    }

    /// How to start a router on this bench, and its peers: `eth0` is the WAN, `eth1` the LAN, `eth2`
    /// leads to ssh from `host_port`.
    ///
    /// # Errors
    /// The peers' image cannot be built.
    pub fn plans(
        &self,
        places: &Places,
        board: &Board,
        image: Image,
        host_port: u16,
    ) -> Result<(Plan, Plan)> {
        let (wan, peer_wan) = self.cable("wan");
        let (lan, peer_lan) = self.cable("lan");
        let router = router(board, image, vec![wan, lan, mgmt(host_port)]);
        let peers = peers::plan(places, &format!("{}-peers", self.name), peer_wan, peer_lan)?;
        Ok((router, peers))
    }
}

impl Lab {
    /// Starts both, which boot at the same time. `change` may change how they are started.
    ///
    /// # Errors
    /// A machine cannot be started, or the peers do not come up.
    pub fn start(
        places: &Places,
        bench: Bench,
        board: &Board,
        image: Image,
        change: impl FnOnce(&mut Plan, &mut Plan),
    ) -> Result<Self> {
        let port = free_port()?;
        let (mut router, mut peers) = bench.plans(places, board, image, port)?;
        change(&mut router, &mut peers);
        Self::launch(places, bench, port, (router, peers), false)
    }

    /// Starts the router when its provider is there, as in a house: it need not ask twice for an address.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_last(places: &Places, bench: Bench, board: &Board, image: Image) -> Result<Self> {
        let port = free_port()?;
        let plans = bench.plans(places, board, image, port)?;
        Self::launch(places, bench, port, plans, true)
    }

    fn launch(
        places: &Places,
        bench: Bench,
        port: u16,
        (router, peers): (Plan, Plan),
        is_last: bool,
    ) -> Result<Self> {
        let at = |machine: &str| bench.sockets().join(machine);
        let peers = peers.start(&at("p"), &bench.log("peers"))?;
        let router = || router.start(&at("r"), &bench.log("router"));
        let (peers, router) = if is_last {
            (Peers::new(peers)?, router()?)
        } else {
            let router = router()?;
            (Peers::new(peers)?, router)
        };
        let ssh = Ssh::new(places, port, bench.sockets())?;
        Ok(Self { ssh, router, peers, _bench: bench })
    }
}

impl Alone {
    /// Starts it. `change` may change how.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(
        places: &Places,
        bench: Bench,
        board: &Board,
        image: Image,
        change: impl FnOnce(&mut Plan),
    ) -> Result<Self> {
        let port = free_port()?;
        let mut plan = router(board, image, vec![mgmt(port)]);
        change(&mut plan);
        let machine = plan.start(&bench.sockets().join("r"), &bench.log("router"))?;
        let ssh = Ssh::new(places, port, bench.sockets())?;
        Ok(Self { ssh, machine, _bench: bench })
    }
}

fn router(board: &Board, image: Image, links: Vec<Link>) -> Plan {
    Plan {
        name: "router".to_owned(),
        board: board.machine.clone(),
        image,
        cmdline: String::new(),
        links,
        ports: Vec::new(),
        ends_at_reboot: true,
        options: Vec::new(),
    }
}

fn mgmt(host_port: u16) -> Link {
    Link::Forward { host_port, guest: GUEST_SSH.to_owned() }
}

/// A port of the loopback that nobody uses now.
///
/// # Errors
/// There is none.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr()?.port())
}
