//! Runs commands in a machine over ssh, with the test key. One connection is kept and shared.

use crate::{keys, places::Places, serial::Serial};
use anyhow::{Context as _, Result, bail};
use std::{
    io::Read as _,
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

/// What ssh ends with if there is no connection; ssh(1).
pub const NO_CONNECTION: i32 = 255;

/// A way in.
pub struct Ssh {
    port: u16,
    key: PathBuf,
    control: PathBuf,
}

impl Ssh {
    /// A way in by a port of the host's loopback. `directory` is for the socket of the connection.
    ///
    /// # Errors
    /// The key pair cannot be made.
    pub fn new(places: &Places, port: u16, directory: &Path) -> Result<Self> {
        Ok(Self { port, key: keys::private(places)?, control: directory.join("ssh") })
    }

    /// Waits until a server answers. In between it waits for the console to say something new, since
    /// nobody tells a host when a machine's port opens.
    ///
    /// # Errors
    /// None answered within `limit`.
    pub fn wait_up(&self, console: &Serial, limit: Duration) -> Result<()> {
        const TRY: Duration = Duration::from_secs(2);
        const PAUSE: Duration = Duration::from_millis(100);
        let deadline = Instant::now() + limit;
        loop {
            let mut banner = [0; 4];
            let answered = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))
                .and_then(|mut stream| {
                    stream.set_read_timeout(Some(TRY))?;
                    stream.read_exact(&mut banner)
                })
                .is_ok();
            if answered && &banner == b"SSH-" {
                return Ok(());
            }
            if Instant::now() >= deadline {
                bail!("no ssh server on port {} within {} s", self.port, limit.as_secs());
            }
            console.wait_for_more(PAUSE);
        }
    }

    /// Runs a command of the machine's shell to its end.
    ///
    /// # Errors
    /// There is no connection. That the command failed is no error.
    pub fn run(&self, command: &str) -> Result<Output> {
        let output = self.command().arg(command).stdin(Stdio::null()).output();
        let output = output.context("cannot run ssh: scripts/setup qemu installs it")?;
        if output.status.code() == Some(NO_CONNECTION) {
            bail!("ssh for {command}: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(output)
    }

    /// Runs a command that must succeed; answers what it printed.
    ///
    /// # Errors
    /// There is no connection, or the command failed.
    pub fn must(&self, command: &str) -> Result<String> {
        let output = self.run(command)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if !output.status.success() {
            let (printed, said) = (text(&output.stdout), text(&output.stderr));
            bail!("{command} failed ({}): {printed}{said}", output.status);
        }
        Ok(text(&output.stdout))
    }

    /// ssh with everything but the remote command.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new("ssh");
        command.args(["-F", "none", "-p", &self.port.to_string(), "-l", "root"]).arg("-i");
        command.arg(&self.key);
        for option in [
            "BatchMode=yes",
            "LogLevel=ERROR",
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "ConnectTimeout=20",
            "ServerAliveInterval=10",
            "ControlMaster=auto",
            "ControlPersist=yes",
        ] {
            command.args(["-o", option]);
        }
        command.arg("-o").arg(format!("ControlPath={}", self.control.display()));
        command.arg("127.0.0.1");
        command
    }
}

impl Drop for Ssh {
    fn drop(&mut self) {
        // Ends the shared connection, if there was one.
        let mut command = self.command();
        command.args(["-O", "exit"]).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().ok();
    }
}
