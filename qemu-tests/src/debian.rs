//! Debian packages of any architecture, downloaded through a private apt root and unpacked one by one
//! into the cache. The host's package database is neither read nor changed.

use crate::{board::Arch, places::Places, run::run};
use anyhow::{Context as _, Result, bail};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The release that packages come from, whatever the host runs: the last one with mipsel.
const SUITE: &str = "bookworm";
const DEFAULT_MIRROR: &str = "http://deb.debian.org/debian";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Links are followed this often before a loop is assumed.
const MAX_LINKS: usize = 16;

/// One unpacked package.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// What it was unpacked into.
    pub directory: PathBuf,
}

/// Packages with all that they depend on.
#[derive(Clone, Debug)]
pub struct Packages {
    all: Vec<Package>,
}

/// The packages of one architecture.
#[derive(Debug)]
pub struct Archive {
    places: Places,
    directory: PathBuf,
    arch: Arch,
}

impl Archive {
    /// The archive of `arch`; nothing is downloaded yet.
    #[must_use]
    pub fn new(places: &Places, arch: Arch) -> Self {
        let directory = places.cache.join("debian").join(format!("{SUITE}-{}", arch.debian()));
        Self { places: places.clone(), directory, arch }
    }

    /// The packages and their dependencies (not what they merely recommend).
    ///
    /// # Errors
    /// A package does not exist, or the archive cannot be reached.
    pub fn with_dependencies(&self, names: &[String]) -> Result<Packages> {
        let mut names = names.to_vec();
        names.sort();
        self.unpacked(&format!("install {}", names.join(" ")), || {
            let mut command = self.apt("apt-get")?;
            command.args(["-qq", "-y", "--print-uris", "install"]).args(&names);
            Ok(files_of_uris(&run(&mut command)?))
        })
    }

    /// The kernel that a package like `linux-image-amd64` depends on, without its other dependencies.
    ///
    /// # Errors
    /// As [`Archive::with_dependencies`].
    pub fn kernel(&self, meta: &str) -> Result<Package> {
        let found = self.unpacked(&format!("kernel {meta}"), || {
            let depends = run(self.apt("apt-cache")?.args(["depends", "--important", meta]))?;
            let depends = String::from_utf8_lossy(&depends).into_owned();
            let real = depends
                .lines()
                .filter_map(|line| line.trim().strip_prefix("Depends: "))
                .find(|name| name.starts_with("linux-image-"))
                .with_context(|| format!("{meta} depends on no kernel"))?;
            let mut command = self.apt("apt-get")?;
            command.args(["-qq", "--print-uris", "download", real]);
            Ok(files_of_uris(&run(&mut command)?))
        })?;
        found.all.into_iter().next().with_context(|| format!("{meta} has no file to download"))
    }

    /// Answers from the note of an earlier time, or resolves, downloads and unpacks.
    fn unpacked(
        &self,
        request: &str,
        resolve: impl Fn() -> Result<Vec<Remote>>,
    ) -> Result<Packages> {
        let _lock = self.places.lock("debian")?;
        let note = self.directory.join("sets").join(format!("{:016x}", fnv1a(request.as_bytes())));
        if let Some(known) = self.noted(&note, request) {
            return Ok(known);
        }
        self.update(request)?;
        let remotes = resolve()?;
        if remotes.is_empty() {
            bail!("apt has nothing to download for: {request}");
        }
        self.download(remotes.iter().filter(|remote| !self.is_here(remote)))?;
        let mut text = format!("{request}\n");
        let mut all = Vec::new();
        for remote in &remotes {
            self.unpack(remote)?;
            text.push_str(&format!("{}\n", remote.stem()));
            all.push(self.package(&remote.stem()));
        }
        write(&note, &text)?;
        Ok(Packages { all })
    }

    fn noted(&self, note: &Path, request: &str) -> Option<Packages> {
        let text = fs::read_to_string(note).ok()?;
        let mut lines = text.lines();
        (lines.next()? == request).then_some(())?;
        let all: Vec<Package> = lines.map(|name| self.package(name)).collect();
        all.iter().all(|package| package.directory.is_dir()).then_some(Packages { all })
    }

    fn package(&self, stem: &str) -> Package {
        let name = stem.split('_').next().unwrap_or(stem).to_owned();
        Package { name, directory: self.directory.join("unpacked").join(stem) }
    }

    fn is_here(&self, remote: &Remote) -> bool {
        self.package(&remote.stem()).directory.is_dir() || self.archive(remote).is_file()
    }

    fn archive(&self, remote: &Remote) -> PathBuf {
        self.directory.join("cache/archives").join(&remote.file)
    }

    fn download<'a>(&self, remotes: impl Iterator<Item = &'a Remote>) -> Result<()> {
        let wanted: Vec<String> = remotes.map(Remote::request).collect::<Result<_>>()?;
        if wanted.is_empty() {
            return Ok(());
        }
        let mut command = self.apt("apt-get")?;
        command.arg("-qq").arg("download").args(wanted);
        run(command.current_dir(self.directory.join("cache/archives"))).map(drop)
    }

    fn unpack(&self, remote: &Remote) -> Result<()> {
        let done = self.package(&remote.stem()).directory;
        if done.is_dir() {
            return Ok(());
        }
        // Unpacked beside and then renamed, so that an interrupted run leaves nothing half-done behind.
        let partial = self.directory.join("unpacked/partial");
        if partial.exists() {
            fs::remove_dir_all(&partial).with_context(|| format!("in {}", partial.display()))?;
        }
        fs::create_dir_all(&partial)?;
        run(Command::new("dpkg-deb").arg("-x").arg(self.archive(remote)).arg(&partial))?;
        fs::rename(&partial, &done).with_context(|| format!("cannot make {}", done.display()))?;
        // What was unpacked is all that is read from now on.
        fs::remove_file(self.archive(remote)).ok();
        Ok(())
    }

    /// Fetches the list of packages for a request that was not answered before. A list that is there
    /// may be older than the archive, which no longer has the files that it names.
    fn update(&self, request: &str) -> Result<()> {
        let arch = self.arch.debian();
        eprintln!("fetching from Debian {SUITE} {arch}: {request}");
        run(self.apt("apt-get")?.args(["-qq", "update"])).map(drop)
    }

    /// An apt program that knows only the private root.
    fn apt(&self, program: &str) -> Result<Command> {
        let configuration = self.directory.join("apt.conf");
        if !configuration.is_file() {
            self.make_root(&configuration)?;
        }
        let mut command = Command::new(program);
        command.env("APT_CONFIG", configuration).env("LC_ALL", "C.UTF-8");
        Ok(command)
    }

    fn make_root(&self, configuration: &Path) -> Result<()> {
        let directory = &self.directory;
        for inner in ["state/lists/partial", "cache/archives/partial", "etc/parts"] {
            fs::create_dir_all(directory.join(inner))
                .with_context(|| format!("cannot make {}", directory.join(inner).display()))?;
        }
        let mirror = mirror();
        let sources = format!("deb [signed-by={KEYRING}] {mirror} {SUITE} main\n");
        write(&directory.join("etc/sources.list"), &sources)?;
        // An empty database: nothing is installed, so that everything is downloaded.
        write(&directory.join("status"), "")?;
        let arch = self.arch.debian();
        let at = directory.display();
        let text = format!(
            "APT::Architecture \"{arch}\";\nAPT::Architectures {{ \"{arch}\"; }};\n\
             APT::Install-Recommends \"false\";\nAPT::Sandbox::User \"root\";\n\
             Acquire::Languages \"none\";\nAcquire::Retries \"3\";\n\
             Dir::State \"{at}/state\";\nDir::State::status \"{at}/status\";\n\
             Dir::Cache \"{at}/cache\";\nDir::Etc \"{at}/etc\";\n\
             Dir::Etc::sourcelist \"{at}/etc/sources.list\";\n\
             Dir::Etc::sourceparts \"{at}/etc/parts\";\nDir::Etc::parts \"{at}/etc/parts\";\n\
             Dir::Etc::preferencesparts \"{at}/etc/parts\";\n"
        );
        write(configuration, &text)
    }
}

impl Packages {
    /// The regular file that `path` leads to, and whose it is. `/bin` and `/usr/bin` (also `sbin`,
    /// `lib`) are one directory, as on any Debian system of today.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<(&Package, PathBuf)> {
        let mut path = path.to_owned();
        for _ in 0..MAX_LINKS {
            let (package, file) = self.entry(&path)?;
            let Ok(target) = fs::read_link(&file) else {
                return file.is_file().then_some((package, file));
            };
            path = resolve(&path, &target.to_string_lossy());
        }
        None
    }

    fn entry(&self, path: &str) -> Option<(&Package, PathBuf)> {
        let path = path.trim_start_matches('/');
        let other = path.strip_prefix("usr/").map_or_else(|| format!("usr/{path}"), str::to_owned);
        self.all.iter().find_map(|package| {
            [path, &other]
                .map(|inner| package.directory.join(inner))
                .into_iter()
                .find(|file| file.symlink_metadata().is_ok())
                .map(|file| (package, file))
        })
    }
}

/// A file of the archive.
struct Remote {
    file: String,
}

impl Remote {
    fn stem(&self) -> String {
        self.file.strip_suffix(".deb").unwrap_or(&self.file).to_owned()
    }

    /// What apt calls it: NAME=VERSION. The file is `NAME_VERSION_ARCH.deb`, with `%3a` for a colon.
    fn request(&self) -> Result<String> {
        let stem = self.stem();
        let mut parts = stem.split('_');
        match (parts.next(), parts.next()) {
            (Some(name), Some(version)) => Ok(format!("{name}={}", version.replace("%3a", ":"))),
            _ => bail!("{} is no name of a Debian package", self.file),
        }
    }
}

/// Lines of `--print-uris` are `'URI' FILE SIZE HASH`.
fn files_of_uris(text: &[u8]) -> Vec<Remote> {
    let text = String::from_utf8_lossy(text);
    text.lines()
        .filter(|line| line.starts_with('\''))
        .filter_map(|line| line.split_whitespace().nth(1))
        .map(|file| Remote { file: file.to_owned() })
        .collect()
}

/// Where the host itself gets Debian's main archive from.
fn mirror() -> String {
    let mut command = Command::new("apt-get");
    command.args(["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]);
    let text = run(&mut command).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let main =
        text.lines().map(|uri| uri.trim_end_matches('/')).find(|uri| uri.ends_with("/debian"));
    main.unwrap_or(DEFAULT_MIRROR).to_owned()
}

/// Where a link at `path` leads.
fn resolve(path: &str, target: &str) -> String {
    if target.starts_with('/') {
        return target.to_owned();
    }
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    format!("/{}", parts.join("/"))
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// A name for a request; FNV-1a, 64 bits. The request itself is in the file, so a clash does no harm.
fn fnv1a(bytes: &[u8]) -> u64 {
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, mix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_resolved_inside_the_packages() {
        assert_eq!(resolve("/usr/lib/a/libx.so.1", "libx.so.1.2"), "/usr/lib/a/libx.so.1.2");
        assert_eq!(resolve("/lib64/ld.so", "../lib/x/ld.so"), "/lib/x/ld.so");
        assert_eq!(resolve("/lib64/ld.so", "/lib/ld.so"), "/lib/ld.so");
    }

    #[test]
    fn a_version_with_an_epoch_is_read() {
        let uris = b"W: something\n'http://a/b.deb' zlib1g_1%3a1.2.13_amd64.deb 86700 MD5Sum:0\n";
        let remotes = files_of_uris(uris);
        assert_eq!(remotes.len(), 1);
        assert_eq!(remotes[0].request().unwrap(), "zlib1g=1:1.2.13");
        assert_eq!(remotes[0].stem(), "zlib1g_1%3a1.2.13_amd64");
    }
}
