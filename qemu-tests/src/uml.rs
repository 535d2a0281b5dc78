//! A machine whose kernel is a process of the host: Debian's user-mode Linux. It has the drivers of its disks and
//! ext4 built in, which the kernels of Debian's other packages do not, so it mounts a root itself; for what it has
//! as a module there is [`Kernel::helper`].

use crate::{
    board::Arch,
    cpio,
    debian::Archive,
    machine,
    modules::Modules,
    places::Places,
    serial::Serial,
    tree::{Node, Tree},
};
use anyhow::{Context as _, Result, bail};
use std::{
    fs::{self, File},
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
    time::{Duration, Instant},
};

/// The kernel.
#[derive(Debug)]
pub struct Kernel {
    /// The program, which runs with the host's C library.
    program: PathBuf,
    /// As `uname -r` prints it.
    pub version: String,
    /// Where its modules are.
    modules: PathBuf,
}

/// What the kernel executes to load a module that it misses, `/proc/sys/kernel/modprobe`: all of `/modules`.
const LOADS_ALL: &str = "#!/bin/busybox sh\nexec /bin/busybox insmod /modules/*\n";

impl Kernel {
    /// Gets it out of Debian's package.
    ///
    /// # Errors
    /// The package cannot be had, or is not as expected.
    pub fn find(places: &Places) -> Result<Self> {
        let archive = Archive::new(places, Arch::X86_64);
        let packages = archive.with_dependencies(&["user-mode-linux".to_owned()])?;
        let found = packages.find("/usr/bin/linux.uml");
        let (package, program) = found.context("user-mode-linux has no kernel")?;
        // One directory, named for the version.
        let modules = package.directory.join("usr/lib/uml/modules");
        let first = fs::read_dir(&modules).ok().and_then(|mut all| all.next()?.ok());
        let first = first.context("user-mode-linux has no modules")?;
        let version = first.file_name().to_string_lossy().into_owned();
        Ok(Self { program, version, modules: first.path() })
    }

    /// An initramfs with this module, which needs no other, and who loads it when the kernel asks, but without a
    /// program that could be the first process: the kernel goes on to mount its root itself, and can mount what
    /// that module is for.
    ///
    /// # Errors
    /// There is no such module, or no static BusyBox.
    pub fn helper(&self, places: &Places, module: &str) -> Result<Vec<u8>> {
        const PART: &str = "helper";
        let packages = Archive::new(places, Arch::X86_64);
        let packages = packages.with_dependencies(&["busybox-static".to_owned()])?;
        let (_, busybox) = packages.find("/usr/bin/busybox").context("there is no busybox")?;
        let mut tree = Tree::default();
        tree.add_host("/bin/busybox", &busybox, PART)?;
        let script = Node::Bytes(LOADS_ALL.as_bytes().to_vec());
        tree.add("/sbin/modprobe", script, 0o755, PART)?;
        for module in Modules::of(&self.modules)?.in_order(&[module.to_owned()])? {
            tree.add_host(&format!("/modules/{}.ko", module.name), &module.file, PART)?;
        }
        tree.add_merged_links()?;
        cpio::archive(&tree)
    }
}

/// A running machine. It is killed when this is dropped, and by the kernel when the thread that started it
/// ends. Dropping it fails the test if its console ever told of a panic.
pub struct Uml {
    child: Child,
    /// Its console.
    pub console: Serial,
}

impl Uml {
    /// Starts it with a disk, which is `/dev/ubda`, and these words on its command line. What it makes for
    /// itself is in `directory`; the console is copied into the file `log`.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(
        kernel: &Kernel,
        disk: &Path,
        words: &str,
        directory: &Path,
        log: &Path,
    ) -> Result<Self> {
        let (near, far) = UnixStream::pair()?;
        let output = OwnedFd::from(far.try_clone()?);
        // Its processes trace each other and outlive their first one, but not a namespace of their own; nor that
        // a test that is killed. Both programs are part of every Debian.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "unshare", "--map-root-user", "--pid", "--fork"]);
        command.args(["--kill-child", "--mount-proc"]).arg(&kernel.program).arg("mem=64M");
        command.arg(format!("ubd0={}", disk.display()));
        command.arg(format!("uml_dir={}/", directory.display()));
        command.args(["con=null", "con0=fd:0,fd:1"]).args(words.split(' '));
        command.env("TMPDIR", directory);
        command.stdin(OwnedFd::from(far)).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().context("cannot run setpriv")?;
        // Else the console would never end.
        drop(command);
        let file = File::create(log).with_context(|| format!("cannot make {}", log.display()))?;
        Ok(Self { child, console: Serial::new("the console", near, Some(file))? })
    }

    /// Waits for the machine to end by itself.
    ///
    /// # Errors
    /// It did not within `limit`.
    pub fn wait_end(&mut self, limit: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                bail!("the machine goes on:\n{}", self.console.text());
            }
            self.console.wait_for_more(Duration::from_millis(50));
        }
    }
}

impl Drop for Uml {
    fn drop(&mut self) {
        machine::end(&mut self.child, &self.console, "user-mode Linux");
    }
}
