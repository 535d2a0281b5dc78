//! `image.toml`: what goes into an image besides jamb and the compiled services.

use anyhow::{Context as _, Result};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// The name of the file in a folder of service definitions.
pub const FILE: &str = "image.toml";

/// How deep files include each other.
const MOST_INCLUDED: usize = 8;

/// The file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Spec {
    /// Other such files, from this one's folder. What they have is there as well, unless this one says otherwise.
    pub include: Vec<PathBuf>,
    /// Debian packages to take files from; their dependencies are looked into as well.
    pub packages: Vec<String>,
    /// Programs of these packages, with the libraries that they need.
    pub binaries: Vec<String>,
    /// Commands that are links to BusyBox.
    pub busybox: Vec<String>,
    /// Kernel modules beside the board's, in the order of `/etc/modules`.
    pub modules: Vec<String>,
    /// Empty directories, with their modes.
    pub directories: BTreeMap<String, Mode>,
    /// Files, by their paths in the image.
    pub files: BTreeMap<String, File>,
    /// Links, by their paths in the image.
    pub symlinks: BTreeMap<String, String>,
    /// `/etc/passwd`.
    pub users: BTreeMap<String, User>,
    /// `/etc/group`: numbers by name.
    pub groups: BTreeMap<String, u32>,
    /// Whose `~/.ssh/authorized_keys` gets the test key; empty for nobody's.
    pub ssh_user: String,
    /// Where dropbear's host key goes; empty for nowhere.
    pub ssh_host_key: String,
}

/// Permission bits, written in octal digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Mode(pub u32);

impl TryFrom<String> for Mode {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match u32::from_str_radix(&text, 8) {
            Ok(mode) if mode <= 0o7777 => Ok(Self(mode)),
            _ => Err(format!("{text} is no mode; write octal digits such as \"0755\"")),
        }
    }
}

/// One file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Its text.
    pub text: Option<String>,
    /// Or a file, from the folder of the one that names it.
    pub from: Option<PathBuf>,
    /// Its permission bits; 0644 if not given.
    pub mode: Option<Mode>,
}

/// One user.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The user's number.
    pub uid: u32,
    /// The number of the main group.
    pub gid: u32,
    /// The home directory; `/` if not given.
    pub home: Option<String>,
    /// The login shell; none if not given.
    pub shell: Option<String>,
    /// The password's hash, crypt(5); empty for no password. Without it no password fits.
    pub password: Option<String>,
}

impl Spec {
    /// Reads `image.toml` of a folder.
    ///
    /// # Errors
    /// It cannot be read or is not as described.
    pub fn load(folder: &Path) -> Result<Self> {
        Self::load_file(&folder.join(FILE), MOST_INCLUDED)
    }

    /// The same of one file, which includes others at most so deep.
    fn load_file(path: &Path, depth: usize) -> Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut own: Self =
            toml::from_str(&text).with_context(|| format!("in {}", path.display()))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for from in own.files.values_mut().filter_map(|file| file.from.as_mut()) {
            *from = folder.join(&*from);
        }
        let mut all = Self::default();
        for other in &own.include {
            let depth = depth.checked_sub(1);
            let depth = depth.with_context(|| format!("{} includes itself", path.display()))?;
            all.add(Self::load_file(&folder.join(other), depth)?);
        }
        all.add(own);
        Ok(all)
    }

    /// Adds what another has, which goes first where both say something.
    fn add(&mut self, other: Self) {
        self.packages.extend(other.packages);
        self.binaries.extend(other.binaries);
        self.busybox.extend(other.busybox);
        self.modules.extend(other.modules);
        self.directories.extend(other.directories);
        self.files.extend(other.files);
        self.symlinks.extend(other.symlinks);
        self.users.extend(other.users);
        self.groups.extend(other.groups);
        for (own, other) in
            [(&mut self.ssh_user, other.ssh_user), (&mut self.ssh_host_key, other.ssh_host_key)]
        {
            if !other.is_empty() {
                *own = other;
            }
        }
    }

    /// The text of `/etc/passwd`.
    #[must_use]
    pub fn passwd(&self) -> String {
        let line = |(name, user): (&String, &User)| {
            let home = user.home.as_deref().unwrap_or("/");
            let shell = user.shell.as_deref().unwrap_or("/bin/false");
            format!("{name}:x:{}:{}:{name}:{home}:{shell}\n", user.uid, user.gid)
        };
        self.users.iter().map(line).collect()
    }

    /// The text of `/etc/group`.
    #[must_use]
    pub fn group(&self) -> String {
        self.groups.iter().map(|(name, gid)| format!("{name}:x:{gid}:\n")).collect()
    }

    /// The text of `/etc/shadow`.
    #[must_use]
    pub fn shadow(&self) -> String {
        let line = |(name, user): (&String, &User)| {
            let password = user.password.as_deref().unwrap_or("*");
            format!("{name}:{password}:20000:0:99999:7:::\n")
        };
        self.users.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_become_passwd() {
        let spec: Spec = toml::from_str(
            "users.root = { uid = 0, gid = 0, home = '/root', shell = '/bin/sh' }\n\
             users.nobody = { uid = 65534, gid = 65534 }\ngroups.tty = 5\n",
        )
        .unwrap();
        let want = "nobody:x:65534:65534:nobody:/:/bin/false\nroot:x:0:0:root:/root:/bin/sh\n";
        assert_eq!(spec.passwd(), want);
        assert_eq!(spec.group(), "tty:x:5:\n");
        assert!(spec.shadow().starts_with("nobody:*:"));
    }

    #[test]
    fn what_is_included_is_there_unless_the_file_says_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        fs::create_dir(folder.path().join("common")).unwrap();
        write(
            "common/a.toml",
            "packages = ['a']\nssh-user = 'one'\ngroups = { x = 1, y = 2 }\n[files.'/a']\nfrom = 'a'\n",
        );
        write(
            FILE,
            "include = ['common/a.toml']\npackages = ['b']\nssh-user = 'two'\ngroups.y = 3\n",
        );
        let spec = Spec::load(folder.path()).unwrap();
        assert_eq!((spec.packages, spec.ssh_user), (vec!["a".into(), "b".into()], "two".into()));
        assert_eq!(spec.groups, [("x".into(), 1), ("y".into(), 3)].into());
        assert_eq!(spec.files["/a"].from, Some(folder.path().join("common/a")));
        write("common/a.toml", "include = ['../image.toml']\n");
        let endless = Spec::load(folder.path()).unwrap_err();
        assert!(endless.to_string().contains("includes itself"), "{endless}");
        write("common/a.toml", "packags = []\n");
        let wrong = Spec::load(folder.path()).unwrap_err();
        assert!(format!("{wrong:#}").contains("common/a.toml"), "{wrong:#}");
    }

    #[test]
    fn mistakes_are_named() {
        let bad = toml::from_str::<Spec>("directories.\"/x\" = \"0799\"\n").unwrap_err();
        assert!(bad.to_string().contains("octal"), "{bad}");
        assert!(toml::from_str::<Spec>("binarys = []\n").is_err());
    }
}
