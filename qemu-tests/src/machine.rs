//! One QEMU machine: how it is started, and what a test holds of it while it runs.

use crate::{
    board::Machine as Board,
    image::Image,
    qmp::Qmp,
    run::lines_of,
    serial::{Serial, Socket},
};
use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

/// What a network card is connected to.
#[derive(Clone, Debug)]
pub enum Link {
    /// A cable to another machine: datagrams between two sockets, whoever starts first.
    Cable {
        /// This end.
        near: PathBuf,
        /// The other machine's end.
        far: PathBuf,
    },
    /// A port of the host's loopback leads to a port of the machine; nothing leads out.
    Forward {
        /// On 127.0.0.1.
        host_port: u16,
        /// The machine's address (in 10.0.2.0/24) and port.
        guest: String,
    },
}

/// How to start a machine.
#[derive(Clone, Debug)]
pub struct Plan {
    /// For messages.
    pub name: String,
    /// What to emulate.
    pub board: Board,
    /// What to boot.
    pub image: Image,
    /// Added to the kernel's command line.
    pub cmdline: String,
    /// Network cards, in the order of their names.
    pub links: Vec<Link>,
    /// Names of virtio-serial ports.
    pub ports: Vec<String>,
    /// End QEMU when the machine reboots, instead of booting it again.
    pub ends_at_reboot: bool,
    /// Further options for QEMU.
    pub options: Vec<String>,
}

/// What no console may ever say: PID 1 has died, says itself that it is broken, or crashed: a crash that a test
/// sent has no address.
const DISGRACES: &[&str] =
    &["Kernel panic", "a defect of jamb", "jamb crashed (SIGABRT", ", address 0x"];

/// Kills the process of a machine, unless it has ended.
///
/// # Panics
/// Its console told of what none may, and the test has not failed anyway.
fn end(child: &mut Child, console: &Serial, name: &str) {
    const LAST_WORDS: Duration = Duration::from_secs(5);
    // Both fail only if it has ended, which is what is wanted.
    child.kill().ok();
    child.wait().ok();
    let text = console.text_at_end(LAST_WORDS);
    let said = DISGRACES.iter().find(|word| text.contains(**word));
    if let Some(word) = said
        && !thread::panicking()
    {
        panic!("{name}'s console says {word:?}:\n{text}");
    }
}

/// A running machine. It is killed when this is dropped, and by the kernel when the thread that
/// started it ends. Dropping it fails the test if its console ever told of a panic.
pub struct Machine {
    name: String,
    child: Child,
    /// Its console.
    pub console: Serial,
    /// QEMU itself.
    pub qmp: Qmp,
    /// Its virtio-serial ports, by name; taken by whoever uses one.
    pub ports: BTreeMap<String, Serial>,
}

impl Plan {
    /// QEMU's command line, without its consoles.
    #[must_use]
    pub fn command(&self) -> Command {
        // QEMU must not outlive a test that is killed; setpriv(1) is part of every Debian.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", self.board.arch.qemu()]);
        command.args(["-accel", "tcg", "-nodefaults", "-display", "none"]);
        command.args(["-name", &self.name, "-m", &format!("{}M", self.board.memory_mib)]);
        command.args(&self.board.qemu);
        command.arg("-kernel").arg(&self.image.kernel);
        command.arg("-initrd").arg(&self.image.initrd);
        command.arg("-append").arg(format!("{} {}", self.board.cmdline, self.cmdline).trim());
        command.args(["-device", "virtio-rng-pci"]);
        for (number, link) in self.links.iter().enumerate() {
            let backend = match link {
                Link::Cable { near, far } => format!(
                    "dgram,id=net{number},local.type=unix,local.path={},\
                     remote.type=unix,remote.path={}",
                    near.display(),
                    far.display()
                ),
                Link::Forward { host_port, guest } => format!(
                    "user,id=net{number},restrict=on,hostfwd=tcp:127.0.0.1:{host_port}-{guest}"
                ),
            };
            command.arg("-netdev").arg(backend);
            // Bytes of the name keep the addresses of two machines on one cable apart.
            let owner = self.name.bytes().fold(0_u8, |sum, byte| sum.wrapping_mul(31) ^ byte);
            let mac = format!("52:54:00:6a:{owner:02x}:{number:02x}");
            command.arg("-device");
            command.arg(format!("{},netdev=net{number},mac={mac}", self.board.nic));
        }
        if self.ends_at_reboot {
            command.arg("-no-reboot");
        }
        command.args(&self.options);
        command
    }

    /// Starts it with its console on this process's own terminal; ctrl-a x ends it.
    ///
    /// # Errors
    /// QEMU cannot be started.
    pub fn interact(&self) -> Result<ExitStatus> {
        let mut command = self.command();
        command.args(["-chardev", "stdio,id=console,mux=on,signal=off"]);
        command.args(["-serial", "chardev:console", "-mon", "chardev=console"]);
        command.status().context("cannot run QEMU: scripts/setup qemu installs it")
    }

    /// Starts it. Sockets are made in `directory`, which must be new and have a short path; the
    /// console is copied into the file `log`.
    ///
    /// # Errors
    /// QEMU cannot be started, or ends at once; its own words are in the message.
    pub fn start(&self, directory: &Path, log: &Path) -> Result<Machine> {
        fs::create_dir_all(directory)?;
        let mut command = self.command();
        let mut socket = |id: &str| -> Result<Socket> {
            let path = directory.join(id);
            let socket = Socket::at(&path)?;
            command.args(["-chardev", &format!("socket,id={id},path={}", path.display())]);
            Ok(socket)
        };
        let console = socket("console")?;
        let qmp = socket("qmp")?;
        let ports: Vec<(&String, Socket)> = self
            .ports
            .iter()
            .map(|name| Ok((name, socket(&format!("port-{name}"))?)))
            .collect::<Result<_>>()?;
        command.args(["-serial", "chardev:console", "-mon", "chardev=qmp,mode=control"]);
        if !ports.is_empty() {
            command.args(["-device", "virtio-serial-pci"]);
        }
        for (name, _) in &ports {
            command.args(["-device", &format!("virtserialport,chardev=port-{name},name={name}")]);
        }
        let words = directory.join("qemu.stderr");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&words)?);
        let mut child =
            command.spawn().context("cannot run QEMU: scripts/setup qemu installs it")?;
        match self.connect(&mut child, &words, log, console, qmp, ports) {
            Ok((console, qmp, ports)) => {
                Ok(Machine { name: self.name.clone(), child, console, qmp, ports })
            }
            Err(error) => {
                // Both fail only if it has ended, which is what is wanted.
                child.kill().ok();
                child.wait().ok();
                Err(error)
            }
        }
    }

    fn connect(
        &self,
        child: &mut Child,
        words: &Path,
        log: &Path,
        console: Socket,
        qmp: Socket,
        ports: Vec<(&String, Socket)>,
    ) -> Result<(Serial, Qmp, BTreeMap<String, Serial>)> {
        let mut alive = || match child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("QEMU ended ({status}): {}", lines_of(words)),
        };
        let file = File::create(log).with_context(|| format!("cannot make {}", log.display()))?;
        let name = format!("{}'s console", self.name);
        let console = Serial::new(&name, console.accept(&mut alive)?, Some(file))?;
        let qmp = Qmp::new(qmp.accept(&mut alive)?)?;
        let mut lines = BTreeMap::new();
        for (port, socket) in ports {
            let name = format!("{}'s port {port}", self.name);
            let line = Serial::new(&name, socket.accept(&mut alive)?, None)?;
            lines.insert(port.clone(), line);
        }
        Ok((console, qmp, lines))
    }
}

impl Machine {
    /// Presses the three keys.
    ///
    /// # Errors
    /// QEMU has ended.
    pub fn press_ctrl_alt_del(&mut self) -> Result<()> {
        let key = |name: &str| json!({ "type": "qcode", "data": name });
        let keys = json!({ "keys": [key("ctrl"), key("alt"), key("delete")] });
        self.qmp.execute("send-key", &keys).map(drop)
    }

    /// Presses the power button.
    ///
    /// # Errors
    /// QEMU has ended.
    pub fn press_power_button(&mut self) -> Result<()> {
        self.qmp.execute("system_powerdown", &json!({})).map(drop)
    }

    /// Waits for the machine to end by itself; answers QEMU's reason: `guest-reset`,
    /// `guest-shutdown`, `guest-panic`.
    ///
    /// # Errors
    /// It did not end within `limit`.
    pub fn wait_shutdown(&mut self, limit: Duration) -> Result<String> {
        let data = self.qmp.wait_event("SHUTDOWN", limit)?;
        let reason = data.get("reason").and_then(Value::as_str);
        Ok(reason.unwrap_or("unknown").to_owned())
    }
}

impl Machine {
    /// Waits for the guest to reset itself, of a machine that does not end then; what its console
    /// said up to now is left out of further waits.
    ///
    /// # Errors
    /// It did not within `limit`, or somebody else reset it.
    pub fn wait_reset(&mut self, limit: Duration) -> Result<()> {
        let data = self.qmp.wait_event("RESET", limit)?;
        let by_guest = data.get("guest").and_then(Value::as_bool) == Some(true);
        if !by_guest {
            bail!("{} was reset, but not by its guest: {data}", self.name);
        }
        Ok(())
    }

    /// Presses the reset button.
    ///
    /// # Errors
    /// QEMU has ended.
    pub fn press_reset(&mut self) -> Result<()> {
        self.qmp.execute("system_reset", &json!({}))?;
        self.qmp.wait_event("RESET", Duration::from_secs(30)).map(drop)
    }

    /// Waits until the one processor of a PC stands still with its interrupts off: nothing that the
    /// guest does can happen from then on.
    ///
    /// # Errors
    /// It did not within `limit`.
    pub fn wait_stands_still(&mut self, limit: Duration) -> Result<()> {
        const PAUSE: Duration = Duration::from_millis(50);
        /// The interrupt flag in EFLAGS.
        const IF: u32 = 0x200;
        let deadline = Instant::now() + limit;
        loop {
            let command = json!({ "command-line": "info registers" });
            let answer = self.qmp.execute("human-monitor-command", &command)?;
            let text = answer.as_str().unwrap_or_default();
            let flags = text.split("FL=").nth(1).and_then(|rest| rest.split(' ').next());
            let flags = flags.and_then(|digits| u32::from_str_radix(digits, 16).ok());
            if flags.is_some_and(|flags| flags & IF == 0) && text.contains("HLT=1") {
                return Ok(());
            }
            if Instant::now() >= deadline {
                bail!("{} does not stand still:\n{text}", self.name);
            }
            // QEMU tells nobody when a processor halts.
            self.console.wait_for_more(PAUSE);
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        end(&mut self.child, &self.console, &self.name);
    }
}
